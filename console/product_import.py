"""Imports products: each checked against schemas/product.schema.json, thousands a transaction."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import orjson

from console import importing, order_file
from console.exits import Exit
from console.order_file import Entry, Refused
from console.session import Session
from core.db import masterdata
from core.documents.validation import Schema
from core.errors import Reason, Reject

PRODUCTS_A_TRANSACTION: Final = 5_000
SCHEMA: Final = Schema("product")
COLUMNS: Final = ("code", "description", "warehouse", "serialised", "billable", "attributes")
_FLAGS: Final = {"true": True, "false": False}


def run(session: Session, path: Path, *, kind: str, as_json: bool) -> Exit:
    """Import the products of a file; REFUSED if any was not taken."""
    new = changed = same = 0
    refused: list[Refused] = []
    with ExitStack() as stack:
        source = sys.stdin.buffer if str(path) == "-" else stack.enter_context(path.open("rb"))
        conn = stack.enter_context(session.connection())
        entries = (
            importing.csv_rows(source, COLUMNS, {"code", "description"}, _product)
            if importing.is_csv(path, kind)
            else order_file.json_lines(source)
        )
        for chunk in _chunks(entries, refused):
            unknown = masterdata.unknown_warehouses(
                conn, [e.document["warehouse"] for e in chunk if "warehouse" in e.document]
            )
            known = []
            for entry in chunk:
                if entry.document.get("warehouse") in unknown:
                    reason = Reason.UNKNOWN_WAREHOUSE
                    sentence = "The warehouse does not exist; cmp-orders warehouse add adds it."
                    refused.append(Refused(entry.line, entry.document["code"], reason, sentence))
                else:
                    known.append(entry.document)
            written = masterdata.import_products(conn, orjson.dumps(known).decode())
            new, changed = new + written[0], changed + written[1]
            same += len(known) - sum(written)
    counts = {"new": new, "changed": changed, "unchanged": same}
    importing.report(counts, refused, of="products", name="code", as_json=as_json)
    return Exit.REFUSED if refused else Exit.DONE


def _chunks(entries: Iterator[Entry | Refused], refused: list[Refused]) -> Iterator[list[Entry]]:
    seen: set[str] = set()
    chunk: list[Entry] = []
    for entry in entries:
        if isinstance(entry, Refused):
            refused.append(entry)
            continue
        try:
            SCHEMA.validate(entry.document)
            _judge(entry.document, seen)
        except Reject as refusal:
            code = entry.document.get("code")
            shown = code[:64] if isinstance(code, str) else None
            refused.append(Refused(entry.line, shown, refusal.reason, refusal.sentence))
            continue
        seen.add(entry.document["code"])
        chunk.append(entry)
        if len(chunk) == PRODUCTS_A_TRANSACTION:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _judge(product: dict[str, Any], seen: set[str]) -> None:
    if product["code"] in seen:
        raise Reject(Reason.SCHEMA_INVALID, "The code stands in the file before.")
    if product.get("attributes") and not product.get("serialised"):
        raise Reject(
            Reason.SCHEMA_INVALID,
            "Only a serialised product has attributes: /serialised must be true.",
        )


def _product(row: dict[str, str]) -> dict[str, Any]:
    product: dict[str, Any] = {name: text for name, text in row.items() if text}
    for name in ("serialised", "billable"):
        if name in product:
            product[name] = _FLAGS.get(product[name].lower(), product[name])
    if "attributes" in product:
        product["attributes"] = [each.strip() for each in product["attributes"].split(";")]
    return product
