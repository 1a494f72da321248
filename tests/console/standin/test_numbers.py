"""Invented numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.standin import numbers
from core.domain.attributes import is_imei

DOUBLED = {0: 0, 1: 2, 2: 4, 3: 6, 4: 8, 5: 1, 6: 3, 7: 5, 8: 7, 9: 9}


def luhn_sum(digits: str) -> int:
    """The Luhn sum by the book, check digit included; 0 modulo 10 is right."""
    backwards = [int(digit) for digit in reversed(digits)]
    return sum(backwards[::2]) + sum(DOUBLED[digit] for digit in backwards[1::2])


@given(st.integers(0, 10**12 - 1))
def test_imeis_and_iccids_have_right_check_digits(number: int) -> None:
    """An IMEI has 15 digits and an ICCID 19, and both pass the Luhn check, done independently."""
    imei, iccid = numbers.imei(number), numbers.iccid(number)
    assert is_imei(imei)
    assert luhn_sum(imei) % 10 == 0
    assert len(iccid) == 19
    assert iccid.startswith("8944")
    assert luhn_sum(iccid) % 10 == 0


def test_no_two_units_have_the_same_numbers() -> None:
    """Neighbouring lines, and the units within a line, never share a number."""
    names = ["serialNumber", "imei", "iccid", "ssid"]
    made = [
        unit
        for line in (1, 2, 99_999_998, 99_999_999)
        for unit in numbers.units({"id": str(line), "attributes": names}, 0, 10_000)
    ]
    for name in names:
        assert len({unit[name] for unit in made}) == len(made) == 40_000


def test_the_second_part_of_a_line_goes_on_where_the_first_ended() -> None:
    """A line dispatched in two parts has the same units as the one dispatched at once."""
    line = {"id": "550871", "attributes": ["serialNumber", "imei"]}
    assert numbers.units(line, 0, 7) == numbers.units(line, 0, 3) + numbers.units(line, 3, 4)


def test_a_serialised_line_that_asks_for_nothing_still_names_its_units() -> None:
    """Each unit has at least a serial number, since an empty unit is not allowed."""
    assert all(numbers.units({"id": "1"}, 0, 2))
