"""Reads the files that `order submit` takes: JSON lines, or CSV with one row an item.

Both are read as streams, whatever their size: one order is in memory at a time. What cannot be read
is told with its line, and what follows it is read on, unless the place where the next order starts
is lost.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any, Final

import jiter

from console.exits import Refusal
from core.errors import Reason

LINE_MOST: Final = 64_000_000
"""The most bytes of one line of JSON; the largest order that the schema allows has fewer."""
_SMALLEST, _LARGEST = -30, 30
"""Exponents between which a number is written out in digits."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One order as it was read, not yet checked; `line` is where it starts, from 1."""

    line: int
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """One order that is not taken: nothing in here is personal data."""

    line: int
    reference: str | None
    reason: str
    sentence: str


def json_lines(stream: IO[bytes]) -> Iterator[Entry | Refused]:
    """Each line's order; empty lines are skipped."""
    number = 0
    while line := stream.readline(LINE_MOST + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if len(line) > LINE_MOST:
            yield _unreadable(number, f"The line has more than {LINE_MOST} bytes.")
            while line and not line.endswith(b"\n"):
                line = stream.readline(LINE_MOST)
        elif line.strip():
            yield _json(number, line)


def _json(number: int, line: bytes) -> Entry | Refused:
    try:
        document = jiter.from_json(
            line,
            catch_duplicate_keys=True,
            allow_inf_nan=False,
            cache_mode="keys",
            float_mode="decimal",
        )
    except ValueError as error:
        # The parser's own text may quote a key.
        twice = str(error).startswith("Detected duplicate key")
        return _unreadable(
            number,
            "A key is given twice in one object." if twice else "The line is not JSON in UTF-8.",
        )
    if not isinstance(document, dict):
        return _unreadable(number, "The line is not a JSON object.")
    _take_numbers(document)
    return Entry(number, document)


def _unreadable(number: int, sentence: str) -> Refused:
    return Refused(number, None, Reason.NOT_JSON, sentence)


def _take_numbers(document: dict[str, Any]) -> None:
    """Numbers as the schema means them: a price as the text of its digits, 2.0 as 2."""
    if isinstance(document.get("accountId"), Decimal):
        document["accountId"] = _whole(document["accountId"])
    items = document.get("items")
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict):
            continue
        price = item.get("unitPrice")
        if isinstance(price, Decimal):
            item["unitPrice"] = _digits(price)
        elif isinstance(price, int) and not isinstance(price, bool):
            item["unitPrice"] = str(price)
        if isinstance(item.get("quantity"), Decimal):
            item["quantity"] = _whole(item["quantity"])


def _digits(number: Decimal) -> str:
    exponent = number.adjusted()
    return format(number, "f") if _SMALLEST < exponent < _LARGEST else str(number)


def _whole(number: Decimal) -> int | str:
    if number.adjusted() < _LARGEST and number == number.to_integral_value():
        return int(number)
    return str(number)


ORDER_COLUMNS: Final = (
    "reference",
    "accountId",
    "currency",
    "deliveryMethod",
    "deliveryInstructions",
    "enteredAt",
    "contactName",
    "contactEmail",
    "contactPhone",
    "deliveryName",
    *(f"deliveryLine{number}" for number in range(1, 11)),
    "town",
    "county",
    "postCode",
    "country",
)
ITEM_COLUMNS: Final = ("product", "quantity", "unitPrice", "warehouse")
_NEEDED: Final = frozenset({"reference", *ITEM_COLUMNS[:3]})
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")


def csv_rows(stream: IO[bytes]) -> Iterator[Entry | Refused]:
    """The orders of a CSV file (RFC 4180) in UTF-8, its first row naming the columns.

    One row an item; the rows of a reference stand together. The columns of the order count in the
    first of its rows and are repeated, or empty, in the others. An empty cell is an absent value.

    Refusal if the first row does not name the columns.
    """
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(iter(lambda: text.readline(LINE_MOST), ""), strict=True)
    try:
        columns = _columns(next(reader, []))
        group: _Group | None = None
        start = reader.line_num + 1
        for row in reader:
            if row:
                reference = row[columns["reference"]] if len(row) > columns["reference"] else ""
                if group is None or reference != group.reference:
                    if group:
                        yield group.order()
                    group = _Group(start, reference, columns)
                group.add(row)
            start = reader.line_num + 1
        if group:
            yield group.order()
    except csv.Error:
        # An order may have lost a row, and where the next one starts is not known.
        yield Refused(
            reader.line_num,
            None,
            Reason.NOT_CSV,
            "The quotes are not those of CSV; neither the order here nor what follows was read.",
        )
    finally:
        text.detach()


def _columns(header: list[str]) -> dict[str, int]:
    known = {*ORDER_COLUMNS, *ITEM_COLUMNS}
    columns = {name.strip(): place for place, name in enumerate(header)}
    problems = []
    # By place: the first line of a file without names is a customer's.
    if unknown := [str(place + 1) for name, place in columns.items() if name not in known]:
        problems.append(f"unknown: column {', '.join(unknown[:20])}")
    if missing := sorted(_NEEDED - columns.keys()):
        problems.append(f"missing: {', '.join(missing)}")
    if len(columns) < len(header):
        problems.append("a column stands twice")
    if problems:
        known_names = ", ".join((*ORDER_COLUMNS, *ITEM_COLUMNS))
        raise Refusal(
            f"line 1 has to name the columns: {'; '.join(problems)}; known are {known_names}"
        )
    return columns


class _Group:
    """The rows of one reference."""

    def __init__(self, line: int, reference: str, columns: dict[str, int]) -> None:
        self.reference = reference
        self._line = line
        self._columns = columns
        self._order: dict[str, str] = {}
        self._items: list[dict[str, Any]] = []
        self._fault: str | None = None

    def add(self, row: list[str]) -> None:
        """Take an item; the first fault of the order is kept."""
        number = len(self._items) + 1
        if len(row) != len(self._columns):
            named = len(self._columns)
            self._fail(f"Row {number} of the order has {len(row)} cells, the first line {named}.")
        cells = {
            name: row[place]
            for name, place in self._columns.items()
            if place < len(row) and row[place]
        }
        if any("\udc80" <= sign <= "\udcff" for text in cells.values() for sign in text):
            self._fail(f"Row {number} of the order is not UTF-8.")
        for name in ORDER_COLUMNS:
            if name in cells:
                if self._items and cells[name] != self._order.get(name):
                    self._fail(f"Row {number} of the order has another {name} than its first row.")
                self._order.setdefault(name, cells[name])
        item: dict[str, Any] = {name: cells[name] for name in ITEM_COLUMNS if name in cells}
        if "quantity" in item:
            item["quantity"] = _number(item["quantity"])
        self._items.append(item)

    def _fail(self, sentence: str) -> None:
        self._fault = self._fault or sentence

    def order(self) -> Entry | Refused:
        """The order in the form of the schema."""
        if self._fault:
            return Refused(self._line, self.reference or None, Reason.NOT_CSV, self._fault)
        given = self._order
        delivery = _named(
            given,
            name="deliveryName",
            town="town",
            county="county",
            postCode="postCode",
            country="country",
        )
        lines = [given[name] for name in ORDER_COLUMNS if "deliveryLine" in name and name in given]
        if lines:
            delivery["lines"] = lines
        document = _named(
            given,
            reference="reference",
            accountId="accountId",
            currency="currency",
            deliveryMethod="deliveryMethod",
            deliveryInstructions="deliveryInstructions",
            enteredAt="enteredAt",
        )
        if "accountId" in document:
            document["accountId"] = _number(document["accountId"])
        contact = _named(given, name="contactName", email="contactEmail", phone="contactPhone")
        if contact:
            document["contact"] = contact
        return Entry(self._line, {**document, "delivery": delivery, "items": self._items})


def _named(given: dict[str, str], **columns: str) -> dict[str, Any]:
    return {name: given[column] for name, column in columns.items() if column in given}


def _number(text: str) -> int | str:
    return int(text) if _WHOLE.fullmatch(text) else text
