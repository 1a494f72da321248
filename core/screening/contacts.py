"""Whether a telephone number and an e-mail address are written as one can be.

phonenumbers is the Python port of Google's libphonenumber, kept by David Drysdale and released with
each of its data updates, nothing else behind it. email-validator is kept by Joshua Tauberer; it
brings idna, and dnspython, which is never called: only the syntax is looked at, nothing is looked
up, no mail server hears of a customer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from core.domain.fraud import Rule

FEWEST_DIGITS: Final = 7
MOST_DIGITS: Final = 15
"""Of an international number (ITU-T E.164), and the shortest subscriber number in use."""
_NOT_A_DIGIT: Final = re.compile(r"[^0-9]")
_RUNS: Final = ("01234567890123456789", "98765432109876543210")
_RUN_LENGTH: Final = 7
LONGEST_NAME: Final = 64
"""Of an e-mail address, before its @ (RFC 5321, section 4.5.3.1.1)."""
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")
# What a number is written with, besides its digits, and an extension at its end.
_PLAIN: Final = re.compile(
    r"\+?[0-9 ()./\u2010-\u2015\u00a0-]+(?:(?:x|ext\.?) ?[0-9]{1,6})?", re.IGNORECASE
)


def phone(number: str, country: str, *, plan: bool) -> Rule | None:
    """What is wrong with a number of somebody in this country, if anything.

    PHONE_INVALID: no number at all. PHONE_UNLIKELY, looked for with `plan`: not in the numbering
    plan of the country, which old numbers and numbers with a digit too few are not either.
    """
    digits = _NOT_A_DIGIT.sub("", number)
    if not FEWEST_DIGITS <= len(digits) <= MOST_DIGITS + 6 or not _PLAIN.fullmatch(number.strip()):
        return Rule.PHONE_INVALID
    # 0000 000000, 0123456789: typed to get past a form.
    tail = digits[-_RUN_LENGTH:]
    if len(set(tail)) == 1 or any(tail in run for run in _RUNS):
        return Rule.PHONE_INVALID
    # Of a national number the library finds nothing that was not looked for above.
    national = not digits.startswith(("00", "011")) and "+" not in number
    if national and len(digits) <= MOST_DIGITS and not plan:
        return None
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return Rule.PHONE_INVALID
    return Rule.PHONE_UNLIKELY if plan and not phonenumbers.is_valid_number(parsed) else None


def is_email(address: str) -> bool:
    """Whether an address can be one (RFC 5322 as mail is really sent), in a domain of the world."""
    name, _, domain = address.strip().rpartition("@")
    if len(name) <= LONGEST_NAME and _PLAIN_NAME.fullmatch(name):
        # Nothing is wrong with such a name, whatever the domain; and domains come again and again.
        return _is_domain(domain)
    return _is_valid(address.strip())


@lru_cache(maxsize=10_000)
def _is_domain(domain: str) -> bool:
    return _is_valid(f"x@{domain}")


def _is_valid(address: str) -> bool:
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True
