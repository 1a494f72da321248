"""How a unit's attributes are compared, and the check digit of an IMEI."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.domain.attributes import are_imeis, is_imei, luhn_digit, normalise

DIGITS = st.text("0123456789", min_size=14, max_size=14)


@pytest.mark.parametrize("imei", ["490154203237518", "352099001761481", "000000000000000"])
def test_right_imeis(imei: str) -> None:
    """Known IMEIs are right."""
    assert is_imei(imei)


@pytest.mark.parametrize(
    "value",
    [
        "490154203237517",
        "49015420323751",
        "4901542032375180",
        "35209900176148101",
        "49015420323751X",
        "",
        "490154203237518\n",
        " 490154203237518",
        "\u0664" + "90154203237518",
        "\u00b2" * 15,
    ],
)
def test_wrong_imeis(value: str) -> None:
    """A wrong check digit, another length (an IMEISV too), anything but ASCII digits: no IMEI."""
    assert not is_imei(value)


@given(DIGITS)
def test_one_check_digit(digits: str) -> None:
    """Exactly one of the ten digits completes an IMEI: the one that luhn_digit gives."""
    assert [d for d in "0123456789" if is_imei(digits + d)] == [luhn_digit(digits)]


@given(DIGITS, st.integers(0, 14), st.sampled_from("0123456789"))
def test_a_wrong_digit_is_seen(digits: str, place: int, digit: str) -> None:
    """One digit mistyped anywhere makes it wrong: what the check digit is there for."""
    imei = digits + luhn_digit(digits)
    assume(imei[place] != digit)
    assert not is_imei(imei[:place] + digit + imei[place + 1 :])


@given(st.lists(DIGITS.map(lambda digits: digits + luhn_digit(digits))), st.data())
def test_many_at_once(imeis: list[str], data: st.DataObject) -> None:
    """Many are right if each is; of one wrong digit, place or length among them it is seen."""
    assert are_imeis(imeis)
    spoilt = data.draw(st.text("0123456789\u0664 ", max_size=16) | DIGITS.map("9".__add__))
    place = data.draw(st.integers(0, len(imeis)))
    imeis.insert(place, spoilt)
    assert are_imeis(imeis) == is_imei(spoilt)


def test_many_of_the_greatest_digit_sum() -> None:
    """No number's sum is carried into its neighbour's."""
    assert are_imeis(["999999999999994"] * 3)
    assert not are_imeis(["999999999999994", "999999999999999", "000000000000000"])


@pytest.mark.parametrize("digits", ["12a", "-1", "\u0661", "1.0"])
def test_a_check_digit_of_digits(digits: str) -> None:
    """A check digit is made of decimal digits alone."""
    with pytest.raises(ValueError, match="decimal digits"):
        luhn_digit(digits)


def test_normalise() -> None:
    """Blanks around and capitals make no difference; blanks inside do; blanks alone are nothing."""
    assert normalise("  x1b-7q \t") == normalise("X1B-7Q") == "X1B-7Q"
    assert normalise("x1b 7q") == "X1B 7Q"
    assert normalise("  ") == ""


@given(st.text())
def test_normalise_once_is_enough(value: str) -> None:
    """A normalised ASCII value stays as it is, so that stored and new ones compare."""
    once = normalise(value.encode("ascii", "ignore").decode())
    assert normalise(once) == once
