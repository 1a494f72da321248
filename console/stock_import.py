"""Imports counts of the stock: each checked, thousands a transaction."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import psycopg

from console import importing, order_file
from console.exits import Exit
from console.order_file import Entry, Refused
from console.session import Session
from core.db import stock, stocktaking
from core.db.stocktaking import Count
from core.documents.validation import Schema
from core.errors import Reason, Reject

COUNTS_A_TRANSACTION: Final = 5_000
SCHEMA: Final = Schema("stock")
COLUMNS: Final = ("warehouse", "product", "onHand")
_DIGITS: Final = 13


def run(session: Session, path: Path, *, kind: str, as_json: bool) -> Exit:
    """Import the counts of a file; REFUSED if any was not taken."""
    counts = {"new": 0, "changed": 0, "unchanged": 0}
    refused: list[Refused] = []
    with ExitStack() as stack:
        source = sys.stdin.buffer if str(path) == "-" else stack.enter_context(path.open("rb"))
        conn = stack.enter_context(session.connection())
        entries = (
            importing.csv_rows(source, COLUMNS, set(COLUMNS), _document)
            if importing.is_csv(path, kind)
            else order_file.json_lines(source)
        )
        for chunk in _chunks(entries, refused):
            new, changed, wrong = write(conn, [count for _, count in chunk])
            counts["new"] += new
            counts["changed"] += changed
            counts["unchanged"] += len(chunk) - len(wrong) - new - changed
            for place, reason, sentence in wrong:
                line, count = chunk[place]
                refused.append(Refused(line, count.product, reason, sentence))
    importing.report(counts, refused, of="counts", name="product", as_json=as_json)
    return Exit.REFUSED if refused else Exit.DONE


def write(
    conn: psycopg.Connection, counts: list[Count]
) -> tuple[int, int, list[tuple[int, Reason, str]]]:
    """Write what can be, each warehouse and product once; (new, changed, what cannot be).

    Of what cannot be written its place in `counts`, and why.
    """
    with conn.transaction():
        stock.lock(conn, [(one.warehouse, one.product) for one in counts])
        # A statement of its own: the one that waited for the locks saw what was before.
        wrong = [
            (place, Reason(code), _sentence(Reason(code), reserved))
            for place, code, reserved in stocktaking.judge(conn, counts)
        ]
        left_out = {place for place, _, _ in wrong}
        new, changed = stocktaking.write(
            conn, [one for place, one in enumerate(counts) if place not in left_out]
        )
    return new, changed, wrong


def _sentence(reason: Reason, reserved: int) -> str:
    if reason == Reason.BELOW_RESERVED:
        return (
            f"{reserved} are reserved for orders: cancel some of these first "
            "(cmp-orders stock show --orders)."
        )
    return reason.meaning


def _chunks(
    entries: Iterator[Entry | Refused], refused: list[Refused]
) -> Iterator[list[tuple[int, Count]]]:
    seen: set[tuple[str, str]] = set()
    chunk: list[tuple[int, Count]] = []
    for entry in entries:
        one = entry if isinstance(entry, Refused) else _admit(entry, seen)
        if isinstance(one, Refused):
            refused.append(one)
            continue
        seen.add((one.warehouse, one.product))
        chunk.append((entry.line, one))
        if len(chunk) == COUNTS_A_TRANSACTION:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _admit(entry: Entry, seen: set[tuple[str, str]]) -> Count | Refused:
    given = entry.document
    product = given.get("product")
    shown = product[:64] if isinstance(product, str) else None
    try:
        SCHEMA.validate(given)
    except Reject as refusal:
        return Refused(entry.line, shown, refusal.reason, refusal.sentence)
    if (given["warehouse"], given["product"]) in seen:
        twice = "The warehouse and the product stand in the file before."
        return Refused(entry.line, shown, Reason.SCHEMA_INVALID, twice)
    return Count(given["warehouse"], given["product"], int(given["onHand"]))


def _document(row: dict[str, str]) -> dict[str, Any]:
    count: dict[str, Any] = {name: text for name, text in row.items() if text}
    digits = count.get("onHand")
    # What is no whole number the schema refuses as the text that it is.
    if isinstance(digits, str) and digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS:
        count["onHand"] = int(digits)
    return count
