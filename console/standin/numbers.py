"""Invented serial numbers, IMEIs and ICCIDs with right check digits.

A unit's numbers follow from its request line and its place in it. So nothing has to remember what
was given out: the same unit has the same numbers in every run, and no two units have the same ones
as long as line ids are below 10^8 and a line has at most 10,000 units.
"""

from __future__ import annotations

from typing import Any, Final

from core.domain.attributes import luhn_digit

_LINES: Final = 10**8
_PLACES: Final = 10**4
_FIRST: Final = 274_109_000_000
"""Where the run of numbers starts, so that they look like numbers and not like counters."""


def units(line: dict[str, Any], first: int, count: int) -> list[dict[str, str]]:
    """The units `first` (from 0) up to `first + count` of a request line, with all it asks for."""
    # A serialised product that asks for nothing still has to name its units.
    names = line.get("attributes") or ["serialNumber"]
    start = _FIRST + int(line["id"]) % _LINES * _PLACES
    numbers = ((start + place) % (_LINES * _PLACES) for place in range(first, first + count))
    return [{name: attribute(name, number) for name in names} for number in numbers]


def attribute(name: str, number: int) -> str:
    """What a unit with this number, below 10^12, has for the attribute `name`."""
    if name == "imei":
        return imei(number)
    if name == "iccid":
        return iccid(number)
    return f"{name[:1].upper()}{number:012}"


def imei(number: int) -> str:
    """An IMEI (3GPP TS 23.003 section 6.2.1): an invented type code of a British issuer, and so on.

    15 digits: the type allocation code (8, from 35), the number in that type (6), the check digit.
    """
    digits = f"35{number:012}"
    return digits + luhn_digit(digits)


def iccid(number: int) -> str:
    """An ICCID (ITU-T E.118) of 19 digits: 89 (telecom), 44 (Britain), an invented issuer 90."""
    digits = f"894490{number:012}"
    return digits + luhn_digit(digits)
