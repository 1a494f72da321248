"""What should have come of each order, by a computation of its own, against what did."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import psycopg

from console.demo import verify
from console.demo.play import PLAN
from console.demo.stage import DemoError, Stage
from console.generator import PLACES, Catalogue
from console.standin import PRESETS
from console.standin.ledger import Ledger


@dataclass(slots=True)
class Verdict:
    """Orders, files and units that are missing, and that are there more than once."""

    orders: int = 0
    units: int = 0
    """Dispatched, by the partners' plan."""
    lost: int = 0
    doubled: int = 0
    problems: list[str] = field(default_factory=list)


def judge(stage: Stage, seed: int, entered: list[dict[str, Any]], catalogue: Catalogue) -> Verdict:
    """Judge an installation in which everything has settled; nothing runs any more."""
    verdict = Verdict(orders=len(entered))
    with stage.connect() as conn:
        plan = verify.expected(conn, PRESETS[PLAN], seed)
        _judge_orders(conn, entered, plan, verdict)
        _judge_units(conn, entered, plan, catalogue, verdict)
        for place in PLACES:
            _judge_files(conn, stage, place.id, verdict)
        verdict.problems += [
            *verify.orders_astray(conn, entered, plan),
            *verify.unchecked(conn),
            *verify.charges_wrong(conn, entered, plan, catalogue),
            *verify.units_wrong(conn),
            *verify.refused(conn),
        ]
    try:
        stage.verb("reconcile")
    except DemoError as error:
        verdict.problems.append(str(error))
    return verdict


def _judge_orders(
    conn: psycopg.Connection,
    entered: list[dict[str, Any]],
    plan: dict[str, verify.Expected],
    verdict: Verdict,
) -> None:
    rows = conn.execute("select reference, status from sales_order").fetchall()
    found: dict[str, str] = dict(rows)
    for order in entered:
        should = plan.get(order["reference"])
        if should is None or found.get(order["reference"]) != should.status:
            verdict.lost += 1


def _judge_units(
    conn: psycopg.Connection,
    entered: list[dict[str, Any]],
    plan: dict[str, verify.Expected],
    catalogue: Catalogue,
    verdict: Verdict,
) -> None:
    """Units that went out, and units that were billed, by order and product."""
    billable = {product.code for product in catalogue.products if product.billable}
    sent: dict[tuple[str, str], int] = {
        (reference, product): int(units)
        for reference, product, units in conn.execute(
            """
            select o.reference, l.product_code, sum(l.dispatched)
              from request_line l join sales_order o on o.id = l.order_id group by 1, 2
            """
        )
    }
    billed: dict[tuple[str, str], int] = {
        (reference, product): int(units)
        for reference, product, units in conn.execute(
            """
            select o.reference, c.product_code, sum(c.quantity)
              from charge c join sales_order o on o.id = c.order_id group by 1, 2
            """
        )
    }
    should: dict[tuple[str, str], int] = defaultdict(int)
    for order in entered:
        if (of := plan.get(order["reference"])) is not None:
            for product, units in of.dispatched.items():
                should[order["reference"], product] += units
    verdict.units = sum(should.values())
    for key in should.keys() | sent.keys() | billed.keys():
        found = [(sent.get(key, 0), should.get(key, 0))]
        if key[1] in billable:
            found.append((billed.get(key, 0), should.get(key, 0)))
        for there, wanted in found:
            verdict.lost += max(wanted - there, 0)
            verdict.doubled += max(there - wanted, 0)


def _judge_files(conn: psycopg.Connection, stage: Stage, warehouse: str, verdict: Verdict) -> None:
    """Request files that the partner did not see, or saw twice, or found no sense in."""
    sent = {
        row[0]
        for row in conn.execute(
            "select id from outbound_file where warehouse_id = %s", (warehouse,)
        )
    }
    ledger = Ledger(stage.partner(warehouse) / "ledger.sqlite3")
    try:
        seen = Counter(ledger.seen())
    finally:
        ledger.close()
    verdict.lost += len(sent - seen.keys())
    verdict.doubled += sum(times - 1 for times in seen.values()) + len(seen.keys() - sent)
    verdict.problems += verify.partners_wrong(conn, warehouse, stage.partner(warehouse))
