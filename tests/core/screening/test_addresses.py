"""What an address needs by its country, against Google's own address data as the oracle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.fraud import Rule, Subject
from core.screening import addresses
from tests.real.sources import source

GENUINE = Subject(
    1, 4711, datetime(2026, 3, 1, tzinfo=UTC), None, None, None, "Zoë Brontë",
    ["17 Station Road"], "Leeds", None, "LS1 4AP", "GB",
)  # fmt: skip


def oracle() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each country of the data with what the data says of it."""
    text = source("address-formats", "countryinfo.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name.startswith("data/") and len(name) == len("data/GB"):
            yield name.removeprefix("data/"), json.loads(value)


NEWER = {
    "AD": "C", "AE": "S", "CO": "S", "CR": "CS", "CZ": "CZ", "EE": "CZ", "GU": "CZ", "HU": "CZ",
    "ID": "S", "JP": "SZ", "LT": "CZ", "LV": "CZ", "MX": "CSZ", "RO": "CZ", "RU": "CSZ",
    "SK": "CZ", "UA": "CZ",
}  # fmt: skip
"""Where the package's copy of the data, which is some years newer, asks for something else."""
NEWER_CODES = {"EC", "KR", "SO"}
"""Where it has other postcodes."""
MISPRINTS = {"RH6 OHP"}
"""Of the data: a letter O in the place of a nought."""


def test_required_fields_are_those_of_the_data() -> None:
    """What a country needs is what the data says that it needs; without a word: street and town."""
    countries = dict(oracle())
    del countries["ZZ"]  # the data's default for all others
    assert len(countries) == 252
    for code, told in countries.items():
        known = addresses.country(code)
        assert known is not None, code
        needs = ((known.needs_town, "C"), (known.needs_county, "S"), (known.needs_post_code, "Z"))
        found = "".join(letter for needed, letter in needs if needed)
        assert set(found) == set(NEWER.get(code, told.get("require", "AC"))) - {"A", "N"}, code


def test_example_postcodes_are_taken() -> None:
    """Every postcode that the data gives as an example is one of its country."""
    examples = 0
    for code, told in oracle():
        known = addresses.country(code)
        if known is None or code in NEWER_CODES:
            continue
        for example in set(filter(None, told.get("zipex", "").split(","))) - MISPRINTS:
            examples += 1
            assert addresses.is_post_code(known, example), f"{code} {example}"
    assert examples > 400


def test_postcodes_of_other_countries_are_refused() -> None:
    """A postcode of letters is none where postcodes are made of digits."""
    codes = [code for code, told in oracle() if told.get("zip") and told.get("zipex")]
    known = [one for one in map(addresses.country, codes) if one and one.post_code]
    digits = [one for one in known if not one.shapes]
    assert len(digits) > 100
    assert not any(addresses.is_post_code(one, "EC1A 1BB") for one in digits)


@pytest.mark.parametrize(
    ("country", "code"),
    [
        ("GB", "EC1A 1BB"), ("GB", "ec1a1bb"), ("GB", "WX1 6LT"), ("GB", "BFPO 61"),
        ("SE", "S-958 22"), ("SE", "95822"), ("BE", "B-1180"), ("BE", "1180"), ("DE", "D-10115"),
        ("ES", "8022"), ("US", "2108"), ("US", "95014-1234"), ("PT", "1675"), ("PT", "1675-004"),
        ("CA", "T2F 8M4"), ("CA", "k1a0b1"), ("IE", "D02 AF30"), ("JP", "150-0001"),
        ("HK", "whatever"),
    ],
)  # fmt: skip
def test_postcodes_as_people_write_them(country: str, code: str) -> None:
    """What genuine orders have passes: letters before, noughts lost, older forms."""
    known = addresses.country(country)
    assert known is not None
    assert addresses.is_post_code(known, code)


@pytest.mark.parametrize(
    ("country", "code"),
    [
        ("GB", "12345"), ("GB", "LS1"), ("GB", "LS14APX"), ("GB", "ZZ99 9ZZ"), ("GB", "X"),
        ("GB", "XXX XXX"), ("GB", "AA1 1AA"), ("GB", "N/A"), ("DE", "101"), ("DE", "ABCDE"),
        ("DE", "00000"), ("US", "950"), ("US", "0"), ("SE", "X-1"),
        ("CA", "12345"), ("FR", "750011"), ("JP", "abc"), ("PT", "123"), ("NL", "123"),
    ],
)  # fmt: skip
def test_what_is_no_postcode(country: str, code: str) -> None:
    """Nonsense, fillers and codes of other shapes are refused."""
    known = addresses.country(country)
    assert known is not None
    assert not addresses.is_post_code(known, code)


@pytest.mark.parametrize(
    ("changes", "fired"),
    [
        ({}, set()),
        ({"post_code": None}, {Rule.ADDRESS_INCOMPLETE}),
        ({"post_code": "  "}, {Rule.ADDRESS_INCOMPLETE}),
        ({"town": None}, {Rule.ADDRESS_INCOMPLETE}),
        ({"town": None, "delivery_lines": ["17 Station Road", "Leeds"]}, set()),
        ({"delivery_lines": ["."], "town": "Leeds"},
         {Rule.ADDRESS_INCOMPLETE, Rule.ADDRESS_PLACEHOLDER}),
        ({"town": "asdf"}, {Rule.ADDRESS_PLACEHOLDER}),
        ({"country": "XX"}, {Rule.COUNTRY_UNKNOWN}),
        ({"country": "ZZ"}, {Rule.COUNTRY_UNKNOWN}),
        ({"country": "IE", "post_code": None}, set()),
        ({"country": "US", "post_code": "95014"}, {Rule.COUNTY_MISSING}),
        ({"country": "US", "post_code": "95014", "county": "CA"}, set()),
        ({"post_code": "1234567"}, {Rule.POST_CODE_INVALID}),
    ],
)  # fmt: skip
def test_addresses(changes: dict[str, Any], fired: set[Rule]) -> None:
    """Each fault of an address has its rule, and no other fires with it."""
    assert addresses.screen(replace(GENUINE, **changes)) == fired
