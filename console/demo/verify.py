"""Checks that everything went as planned, by a computation of its own.

What should have happened is worked out from the orders as they were generated and from the plan of
the stand-ins; what did happen is read from the database and from what the partners remember.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import psycopg

from console.generator import Catalogue
from console.standin.ledger import Ledger
from console.standin.plan import Plan, answer
from core.domain.order import OrderStatus

SHOWN = 5
"""How many examples of one fault are told."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the plan makes of one order."""

    status: OrderStatus
    dispatched: dict[str, int]
    """Units by product code."""


def expected(conn: psycopg.Connection, plan: Plan, seed: int) -> dict[str, Expected]:
    """What the plan makes of each order's request lines, by the order's reference."""
    requests: dict[tuple[str, int, str], list[dict[str, Any]]] = defaultdict(list)
    products: dict[str, str] = {}
    for reference, order, warehouse, line, product, quantity, serialised, names in conn.execute(
        """
        select o.reference, o.id, l.warehouse_id, l.id::text, l.product_code, l.quantity,
               l.serialised, p.attributes
          from request_line l
          join sales_order o on o.id = l.order_id
          join product p on p.code = l.product_code
         order by l.id
        """
    ):
        asked = {"id": line, "quantity": quantity, "serialised": serialised, "attributes": names}
        requests[reference, order, warehouse].append(asked)
        products[line] = product
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    dispatched: dict[str, Counter[str]] = defaultdict(Counter)
    for (reference, order, warehouse), lines in requests.items():
        request = {"id": str(order), "fraudCheckRequired": True, "lines": lines}
        planned = answer(request, plan, seed=seed, warehouse=warehouse)
        for line, end, quantity in _ends(planned.records, lines):
            ends[reference][end] += quantity
            if end == "DISPATCHED":
                dispatched[reference][products[line]] += quantity
    return {
        reference: Expected(_settled(counts), dict(dispatched[reference]))
        for reference, counts in ends.items()
    }


def _ends(
    records: Iterable[dict[str, Any]], lines: list[dict[str, Any]]
) -> Iterable[tuple[str, str, int]]:
    """(line, DISPATCHED, REJECTED or CANCELLED, units) that these records bring about."""
    for record in records:
        if "lines" not in record:
            whole = "CANCELLED" if record["status"] == "CANCELLED" else "REJECTED"
            yield from ((line["id"], whole, line["quantity"]) for line in lines)
        for line in record.get("lines", ()):
            if line["status"] != "BACK_ORDERED":
                yield line["id"], line["status"], line["quantity"]


def _settled(ends: Mapping[str, int]) -> OrderStatus:
    if ends["REJECTED"]:
        return OrderStatus.ERROR
    return OrderStatus.COMPLETE if ends["DISPATCHED"] else OrderStatus.CANCELLED


def orders_astray(
    conn: psycopg.Connection, orders: list[dict[str, Any]], plan: Mapping[str, Expected]
) -> list[str]:
    """Orders that are not where the plan has them, as sentences."""
    rows = conn.execute("select reference, status from sales_order").fetchall()
    found: dict[str, str] = dict(rows)
    problems = [
        f"order {reference} was never submitted, and is there"
        for reference in found.keys() - {order["reference"] for order in orders}
    ]
    for order in orders:
        reference = order["reference"]
        should = plan[reference].status if reference in plan else None
        if should is None or found.get(reference) != should:
            wanted = should.shown if should else "generated"
            problems.append(f"order {reference} should be {wanted}, and is {found.get(reference)}")
    return _few(problems)


def unchecked(conn: psycopg.Connection) -> list[str]:
    """Orders that were batched without having passed the fraud check, as sentences."""
    rows = conn.execute(
        """
        select distinct d.order_id
          from request_detail d
          left join fraud_check c on c.order_id = d.order_id
         where (c.verdict = 'PASS' or c.reasons = c.released_reasons) is not true
         order by d.order_id
        """
    )
    return _few(f"order {order} was sent unchecked" for (order,) in rows)


def charges_wrong(
    conn: psycopg.Connection,
    orders: list[dict[str, Any]],
    plan: Mapping[str, Expected],
    catalogue: Catalogue,
) -> list[str]:
    """Charges that are not the units dispatched times the price as ordered, as sentences."""
    billable = {product.code for product in catalogue.products if product.billable}
    should: dict[tuple[str, str], tuple[int, Decimal]] = {}
    for order in orders:
        prices = {item["product"]: Decimal(item["unitPrice"]) for item in order["items"]}
        sent = plan[order["reference"]].dispatched if order["reference"] in plan else {}
        for product, units in sent.items():
            if product in billable:
                should[order["reference"], product] = (units, units * prices[product])
    charged = {
        (reference, product): (int(quantity), amount)
        for reference, product, quantity, amount in conn.execute(
            """
            select o.reference, c.product_code, sum(c.quantity), sum(c.amount)
              from charge c join sales_order o on o.id = c.order_id
             group by o.reference, c.product_code
            """
        )
    }
    return _few(
        f"order {reference} should be charged {_money(should.get((reference, product)))} of "
        f"{product}, and is charged {_money(charged.get((reference, product)))}"
        for reference, product in sorted(should.keys() | charged.keys())
        if should.get((reference, product)) != charged.get((reference, product))
    )


def units_wrong(conn: psycopg.Connection) -> list[str]:
    """Serialised lines with more or fewer numbered units than were dispatched, as sentences."""
    rows = conn.execute(
        """
        select l.id, l.dispatched + l.excess, count(u.line_id)
          from request_line l left join dispatched_unit u on u.line_id = l.id
         where l.serialised
         group by l.id
        having count(u.line_id) <> l.dispatched + l.excess
        """
    )
    return _few(f"line {line} has {units} units for {number}" for line, number, units in rows)


def refused(conn: psycopg.Connection) -> list[str]:
    """Batches in Error and files in quarantine, as sentences; there should be none."""
    batches = conn.execute("select id, reason from batch where stage_status = 'Error'")
    files = conn.execute(
        "select partner_name, reason from inbound_file where status = 'QUARANTINED'"
    )
    return _few(
        [
            *(f"batch {batch} ended in Error: {reason}" for batch, reason in batches),
            *(f"file {name} is in quarantine: {reason}" for name, reason in files),
        ]
    )


def errors_logged(logs: Iterable[Path]) -> list[str]:
    """Events of the daemons at level error or critical, as sentences; there should be none."""
    problems = []
    for log in logs:
        for text in log.read_text(encoding="utf-8").splitlines():
            try:
                line = orjson.loads(text)
            except ValueError:
                problems.append(f"{log.name} has a line that is no event: {text[:200]}")
                continue
            # What other libraries say has the field "logger".
            if line["level"] in ("error", "critical") and "logger" not in line:
                problems.append(f"{log.name} tells of {line['event']}")
    return _few(problems)


def partners_wrong(conn: psycopg.Connection, warehouse: str, folder: Path) -> list[str]:
    """What the partner took that is not exactly what was sent, each file once, as sentences."""
    rows = conn.execute(
        "select id, file_sequence from outbound_file where warehouse_id = %s", (warehouse,)
    )
    sent: dict[int, int] = dict(rows.fetchall())
    try:
        ledger = Ledger(folder / "ledger.sqlite3")
    except sqlite3.Error as error:
        return [f"{warehouse}: its memory cannot be read: {error}"]
    try:
        seen = ledger.seen()
        sequences = ledger.sequences()
    finally:
        ledger.close()
    problems = [
        f"{warehouse} saw identifier {one} {times} times"
        for one, times in seen.items()
        if times > 1
    ]
    problems += [f"{warehouse} never saw identifier {one}" for one in sent.keys() - seen.keys()]
    problems += [
        f"{warehouse} saw identifier {one}, never sent" for one in seen.keys() - sent.keys()
    ]
    if sequences != list(range(1, len(sequences) + 1)):
        problems.append(f"{warehouse} saw gaps in the file sequence: {sequences}")
    problems += [
        f"{warehouse} had to refuse {path.name}"
        for path in sorted((folder / "refused").glob("*.p7m"))
    ]
    return _few(problems)


def acknowledgements_wrong(conn: psycopg.Connection, warehouse: str, folder: Path) -> list[str]:
    """Files of either side that the other has not acknowledged as it should, as sentences."""
    rows = conn.execute(
        "select name, verdict from outbound_file where warehouse_id = %s", (warehouse,)
    ).fetchall()
    problems = [
        f"{warehouse} should accept {name}, and said {verdict}"
        for name, verdict in rows
        if verdict != "ACCEPTED"
    ]
    rows = conn.execute(
        """
        select f.partner_name, f.batch_id is not null and f.repeats_id is null as loaded
          from inbound_file f
         where f.warehouse_id = %s and f.batch_id is not null
        """,
        (warehouse,),
    ).fetchall()
    should = {(name, "ACCEPTED", 0) for name, _ in rows}
    should |= {(name, "PROCESSED", 0) for name, loaded in rows if loaded}
    ledger = Ledger(folder / "ledger.sqlite3")
    try:
        told = set(ledger.told())
    finally:
        ledger.close()
    # It was stopped before it took these.
    told |= set(
        conn.execute(
            """
            select file_name, verdict, jsonb_array_length(records) from acknowledgement
             where warehouse_id = %s and published_at is not null and taken_at is null
            """,
            (warehouse,),
        ).fetchall()
    )
    problems += [f"{warehouse} was not told {one}" for one in sorted(should - told)]
    problems += [f"{warehouse} was told {one}, unasked" for one in sorted(told - should)]
    return _few(problems)


def _money(charge: tuple[int, Decimal] | None) -> str:
    return f"{charge[1]:f} for {charge[0]}" if charge else "nothing"


def _few(problems: Iterable[str]) -> list[str]:
    every = list(problems)
    more = len(every) - SHOWN
    return every if more <= 0 else [*every[:SHOWN], f"... and {more} more like these"]
