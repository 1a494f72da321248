"""From the commit of one order to its file in the outbound directory, all four daemons idle."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psycopg

from benchmarks.installation import Installation
from benchmarks.processes import start, stop
from benchmarks.stages import STAGES
from benchmarks.volume import GRANULARITY

WARM_UP = 8
"""Orders that are not counted: the first ones wait for the daemons to start."""
LOOK_EVERY = 0.0005
"""Seconds between two looks at the directory: the error of the measurement, against us."""
WITHIN = 30.0


def measure(site: Installation, orders: int) -> list[float]:
    """Seconds of each order, in ascending order.

    Counted from before the commit is asked for: writing it to disk is in the figure.
    """
    running = [start(site.daemon(daemon), site.log, site.environ) for daemon in STAGES.values()]
    try:
        products = _products(site.owner)
        times = []
        for number in range(-WARM_UP, orders):
            warehouse = list(GRANULARITY)[number % len(GRANULARITY)]
            box = site.outbound.outbox(warehouse)
            took = _one(site.owner, products[warehouse], box)
            if number >= 0:
                times.append(took)
            # At changing distances from the daemons' own intervals.
            time.sleep(0.01 + number % 7 * 0.005)
        return sorted(times)
    finally:
        stop(*running)


def percentile(ascending: list[float], percent: float) -> float:
    """The least value that so many percent do not exceed (nearest rank); 0 of nothing."""
    if not ascending:
        return 0.0
    rank = -(-len(ascending) * percent // 100)
    return ascending[max(int(rank), 1) - 1]


def _products(owner: psycopg.Connection) -> dict[str, str]:
    rows = owner.execute("select warehouse_id, min(code) from product group by 1").fetchall()
    return dict(rows)


def _one(owner: psycopg.Connection, product: str, box: Path) -> float:
    before = set(os.listdir(box))  # noqa: PTH208  # the quickest look there is
    owner.execute("begin")
    owner.execute(
        """
        with entered as (
            insert into sales_order (account_id, currency, delivery_method, delivery_name,
                                     delivery_lines, country)
            values (4711, 'GBP', 'STANDARD', 'A Person', '{1 High Street}', 'GB')
            returning id)
        insert into order_item (order_id, item_no, product_code, quantity, unit_price)
        select id, 1, %s, 1, 9.99 from entered
        """,
        (product,),
    )
    owner.execute(
        "update sales_order set status = 'AWAITING_GENERATION' "
        "where id = currval('sales_order_id_seq')"
    )
    began = time.monotonic()
    owner.execute("commit")
    while set(os.listdir(box)) <= before:  # noqa: PTH208  # as above
        if time.monotonic() > began + WITHIN:
            raise TimeoutError(f"no file for an order within {WITHIN:g} s")
        time.sleep(LOOK_EVERY)
    return time.monotonic() - began
