"""Telephone numbers and e-mail addresses: what cannot be one is told, what looks odd passes."""

from __future__ import annotations

import hypothesis.strategies as st
import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given

from core.domain.fraud import Rule
from core.screening import contacts


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("020 7946 0018", "GB"), ("+44 20 7946 0018", "GB"), ("+44 (0)20 7946 0018", "DE"),
        ("01642 672351", "GB"), ("(5) 555-4729", "MX"), ("030-0074321", "DE"),
        ("26.47.15.10", "FR"), ("(071) 23 67 22 20", "BE"), ("0621-08460", "DE"),
        ("+1 650 253 0000 ext. 12", "US"), ("07700\u00a0900123", "GB"), ("00442079460018", "IE"),
    ],
)  # fmt: skip
def test_numbers(number: str, country: str) -> None:
    """A number in any usual spelling is one, an old or shortened one too."""
    assert contacts.phone(number, country, plan=False) is None


@pytest.mark.parametrize(
    "number",
    ["123", "none", "0000000000", "07777777777", "0123456789", "07012345678", "+999 1234 5671",
     "call me", "020 7946 OO18", "1" * 40, "+44", "test@example.com", "9876543210"],
)  # fmt: skip
def test_what_is_no_number(number: str) -> None:
    """Too short, too long, other signs, no such country, or typed to get past a form."""
    assert contacts.phone(number, "GB", plan=False) is Rule.PHONE_INVALID


def test_the_numbering_plan_is_looked_at_on_request() -> None:
    """A number of no use in its country is unlikely, where that is asked for."""
    assert contacts.phone("0117 992 300", "GB", plan=True) is Rule.PHONE_UNLIKELY
    assert contacts.phone("0117 992 300", "GB", plan=False) is None
    assert contacts.phone("020 7946 0018", "GB", plan=True) is None


@pytest.mark.parametrize(
    "address",
    ["zoe@example.com", "z.o+e@mail.example.co.uk", "zoë@exämple.de", " zoe@example.com ",
     "o'neill@example.org"],
)  # fmt: skip
def test_email_addresses(address: str) -> None:
    """What mail is sent to, letters beyond ASCII included."""
    assert contacts.is_email(address)


@pytest.mark.parametrize(
    "address",
    ["zoe", "zoe@", "@example.com", "zoe@example", "zoe@@example.com", "zoe@example..com",
     "zoe example.com", "a@b.c d", "zoe@localhost", "zoe@mail.invalid", "zoe@x.test", "none",
     ".zoe@example.com", "zoe@-example.com"],
)  # fmt: skip
def test_what_is_no_email_address(address: str) -> None:
    """What no mail can be sent to, by its syntax alone: nothing is looked up."""
    assert not contacts.is_email(address)


@given(
    st.text("0123456789 ()-./", min_size=7, max_size=30),
    st.sampled_from(["GB", "IE", "DE", "FR", "US", "BR", "IT", "AR", "MX", "JP"]),
)
def test_the_library_has_nothing_to_add_to_national_numbers(number: str, country: str) -> None:
    """Where the library is not asked, it would not have refused either."""
    if contacts.phone(number, country, plan=False) is None:
        phonenumbers.parse(number, country)


@given(st.from_regex(r"[A-Za-z0-9_+.-]{1,70}", fullmatch=True),
       st.sampled_from(["example.com", "-x.com", "localhost", "a..b", "münchen.de"]))  # fmt: skip
def test_names_before_the_at_are_judged_as_the_library_does(name: str, domain: str) -> None:
    """What is decided without the library is decided as it would."""
    address = f"{name}@{domain}"
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        assert not contacts.is_email(address)
    else:
        assert contacts.is_email(address)
