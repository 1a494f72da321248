"""The two looks: everything at once, then what was found again under lock.

Only what both looks find is a disagreement; everything else was just under way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from psycopg.pq import TransactionStatus

from console.reconcile import trees as files
from console.reconcile.kinds import Disagreement, Kind
from console.reconcile.trees import Trees
from core.db import (
    reconciling,
    reconciling_batches,
    reconciling_charges,
    reconciling_stock,
    warehouses,
)
from core.db.connect import Turn
from core.db.reconciling import Found
from core.db.warehouses import Warehouse
from core.errors import Defer

WAIT = 30.0
"""Seconds to wait for a daemon to finish the unit that it has in hand."""

Check = Callable[[psycopg.Connection, list[int] | None], list[Found]]

OF_ORDERS: dict[Kind, Check] = {
    Kind.NOT_REQUESTED: reconciling.not_requested,
    Kind.NOTHING_OPEN: reconciling.nothing_open,
    Kind.CANCELLATION_ASTRAY: reconciling.cancellation_astray,
    Kind.OPEN_THOUGH_ENDED: reconciling.open_though_ended,
    Kind.QUEUED_UNFIT: reconciling.queued_unfit,
    Kind.QUEUED_AND_BATCHED: reconciling.queued_and_batched,
    Kind.BATCHED_TWICE: reconciling.batched_twice,
    Kind.ITEM_COUNTERS: reconciling.item_counters,
    Kind.ITEM_NOT_REQUESTED: reconciling.item_not_requested,
    Kind.LINE_COUNTERS: reconciling.line_counters,
    Kind.SHARE_COUNTERS: reconciling.share_counters,
    Kind.UNIT_COUNT: reconciling.unit_count,
    Kind.CHARGE_MISSING: reconciling_charges.charges_missing,
    Kind.CHARGE_SURPLUS: reconciling_charges.charges_surplus,
    Kind.CHARGE_WRONG: reconciling_charges.charges_wrong,
    Kind.RESERVED_UNOWED: reconciling_stock.unowed,
}
"""The checks whose subject is an order."""
OF_BATCHES: dict[Kind, Check] = {
    Kind.RECORD_COUNT: reconciling_batches.record_count,
    Kind.STAGE_UNLIKE_FILE: reconciling_batches.stage_unlike_file,
    Kind.STAGE_UNLIKE_DETAILS: reconciling_batches.stage_unlike_details,
}
"""The checks whose subject is a batch."""


def disagreements(
    conn: psycopg.Connection, trees: Trees, *, wait: float = WAIT
) -> list[Disagreement]:
    """Every disagreement of tables and trees that persists under lock, by kind.

    `conn` is in autocommit and of a role that may lock orders and batches. Raises Defer if a daemon
    does not finish its unit within `wait` seconds.
    """
    with patience(conn, wait):
        known = warehouses.all_warehouses(conn)
        found = _of_tables(conn, OF_ORDERS, reconciling.lock_orders)
        found += _of_tables(conn, OF_BATCHES, reconciling_batches.lock_batches)
        for warehouse in known:
            found += _of_files(conn, trees, warehouse)
        found += files.unknown_directories(trees, {one.id for one in known})
        for warehouse_id, counter, highest in reconciling_batches.sequence_behind(conn):
            detail = f"the counter is {counter}, the highest number {highest}"
            found.append(
                Disagreement(
                    Kind.SEQUENCE_BEHIND, warehouse_id, f"warehouse {warehouse_id}", detail
                )
            )
    found += _of_stock(conn)
    order = list(Kind)
    return sorted(found, key=lambda one: (order.index(one.kind), one.warehouse, one.subject))


def _of_tables(
    conn: psycopg.Connection,
    checks: dict[Kind, Check],
    lock: Callable[[psycopg.Connection, list[int]], None],
) -> list[Disagreement]:
    """The first look at everything, the second at what it found, with that locked."""
    suspects = {kind: {row.id for row in check(conn, None)} for kind, check in checks.items()}
    ids = sorted(set().union(*suspects.values()))
    if not ids:
        return []
    what = "order" if checks is OF_ORDERS else "batch"
    found = []
    with conn.transaction():
        lock(conn, ids)
        for kind, among in suspects.items():
            if among:
                for row in checks[kind](conn, sorted(among)):
                    subject = f"{what} {row.id}"
                    found.append(Disagreement(kind, row.warehouse or "", subject, row.detail))
    return found


def _of_stock(conn: psycopg.Connection) -> list[Disagreement]:
    """One look: both sides are written by one statement, so that one moment says it all."""
    return [
        Disagreement(
            Kind.STOCK_RESERVED,
            warehouse,
            f"stock {product}",
            f"{reserved} are reserved, the orders have {summed}",
        )
        for warehouse, product, reserved, summed in reconciling_stock.reserved_unlike_orders(conn)
    ]


def _of_files(conn: psycopg.Connection, trees: Trees, warehouse: Warehouse) -> list[Disagreement]:
    first = files.compare(conn, trees, warehouse.id)
    if not first:
        return []
    seen = defaultdict(set)
    for one in first:
        seen[one.kind].add(one.subject)
    with turns(conn, warehouse, (Turn.SEAL, Turn.LOAD)):
        second = files.compare(conn, trees, warehouse.id)
    return [one for one in second if one.subject in seen[one.kind]]


@contextmanager
def patience(conn: psycopg.Connection, wait: float) -> Iterator[None]:
    """Within it this session waits for locks so long, and its statements take what they take."""
    before = conn.execute(
        "select current_setting('lock_timeout'), current_setting('statement_timeout')"
    ).fetchall()
    _set_timeouts(conn, f"{wait * 1000:.0f}", "0")
    try:
        yield
    finally:
        if not conn.closed and conn.info.transaction_status == TransactionStatus.IDLE:
            _set_timeouts(conn, *before[0])


def _set_timeouts(conn: psycopg.Connection, lock: str, statement: str) -> None:
    conn.execute(
        "select set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false)",
        (lock, statement),
    )


@contextmanager
def turns(
    conn: psycopg.Connection, warehouse: Warehouse, kinds: tuple[Turn, ...]
) -> Iterator[None]:
    """Hold the warehouse's turns for these kinds of work, waiting for whoever has them.

    Daemons only ever try for a turn, so whoever waits here cannot be part of a deadlock.
    """
    with ExitStack() as held:
        for kind in kinds:
            try:
                conn.execute("select pg_advisory_lock(%s, %s)", (kind, warehouse.number))
            except psycopg.errors.LockNotAvailable:
                raise Defer(
                    f"a daemon is at work on {warehouse.id} for longer than was waited "
                    f"({kind.name.lower()}); try again"
                ) from None
            held.callback(_end_turn, conn, kind, warehouse.number)
        yield


def _end_turn(conn: psycopg.Connection, kind: Turn, number: int) -> None:
    # With the connection gone, or a transaction failed, the server does it.
    if not conn.closed and conn.info.transaction_status == TransactionStatus.IDLE:
        conn.execute("select pg_advisory_unlock(%s, %s)", (kind, number))
