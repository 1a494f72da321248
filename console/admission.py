"""Checks one order against schemas/order.schema.json and makes its rows for the database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from console.order_file import Entry, Refused
from core.documents import copytext
from core.documents.validation import Schema
from core.errors import Reason, Reject

_REFERENCE_SHOWN = 64


@dataclass(frozen=True, slots=True)
class Admitted:
    """One order that may be entered, in the text form of COPY: see core.db.intake's columns."""

    line: int
    reference: str
    order: bytes
    items: bytes
    item_count: int


SCHEMA: Final = Schema("order")


def admit(entry: Entry) -> Admitted | Refused:
    """The order's rows, or why it is refused; nothing in it is ever changed."""
    try:
        SCHEMA.validate(entry.document)
        _check_day(entry.document.get("enteredAt"))
    except Reject as refusal:
        reference = entry.document.get("reference")
        known = reference[:_REFERENCE_SHOWN] if isinstance(reference, str) else None
        return Refused(entry.line, known or None, refusal.reason, refusal.sentence)
    return rows(entry)


def rows(entry: Entry) -> Admitted:
    """The rows of an order that matches the schema."""
    given = entry.document
    contact = given.get("contact", {})
    delivery = given["delivery"]
    line = entry.line
    entered = given.get("enteredAt")
    order = (
        line,
        given["reference"],
        given["accountId"],
        given["currency"],
        given["deliveryMethod"],
        given.get("deliveryInstructions"),
        contact.get("name"),
        contact.get("email"),
        contact.get("phone"),
        delivery["name"],
        delivery["lines"],
        delivery.get("town"),
        delivery.get("county"),
        delivery.get("postCode"),
        delivery["country"],
        datetime.fromisoformat(entered) if entered else None,
    )
    items = [
        (line, number, item["product"], item["quantity"], item["unitPrice"], item.get("warehouse"))
        for number, item in enumerate(given["items"], start=1)
    ]
    return Admitted(
        line, given["reference"], copytext.encode([order]), copytext.encode(items), len(items)
    )


_FIRST: Final = datetime(1000, 1, 2, tzinfo=UTC)
_AFTER_LAST: Final = datetime(2999, 12, 31, tzinfo=UTC)


def _check_day(text: str | None) -> None:
    """What no pattern can say: the calendar, and the table's CHECK with every offset."""
    if text is None:
        return
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Reject(
            Reason.SCHEMA_INVALID, "/enteredAt is not a day that the calendar has."
        ) from None
    if not _FIRST <= at < _AFTER_LAST:
        raise Reject(Reason.SCHEMA_INVALID, "/enteredAt must be from 1000-01-02 to 2999-12-30.")


_PLACE = re.compile(r"/[0-9]+(?=/|\s)")


def rule(refused: Refused) -> str:
    """What was broken, without the place of an item: refusals of one rule are counted together."""
    kept = re.sub(r"\border [0-9]+\b", "order *", refused.sentence)
    return re.sub(r"\bRow [0-9]+\b", "Row *", _PLACE.sub("/*", kept))
