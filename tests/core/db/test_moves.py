"""The legal moves of orders and batches: the code's table and the database's are one."""

from __future__ import annotations

from itertools import product

import psycopg
import pytest

from core.domain.batch import LEGAL_MOVES as BATCH_MOVES
from core.domain.batch import BatchType, Stage
from core.domain.order import LEGAL_MOVES, OrderStatus
from tests.daemons.desk import Desk

STAGES = [
    Stage(stage, status)
    for stage in ("Batch", "Extract/Load")
    for status in ("In Progress", "Complete", "Error")
]


def attempt(conn: psycopg.Connection, statement: str, *values: object) -> str | None:
    """Run a statement and undo it; the name of the constraint that refused it, None if none did."""
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement, values)
    except psycopg.errors.IntegrityError as error:
        return error.diag.constraint_name or error.diag.message_primary
    return None


@pytest.fixture
def order(shared: Desk, conn: psycopg.Connection) -> int:
    """An order that can be put into any state, as no program can."""
    order = shared.order(("CASE", 1, "1"), submit=False)
    # Rows that were never written cannot be illegal.
    conn.execute("alter table sales_order disable trigger sales_order_moved")
    return order


def test_orders_move_as_the_table_says(conn: psycopg.Connection, order: int) -> None:
    """From each status an order moves to exactly those that LEGAL_MOVES has, whoever asks."""
    for before, after in product(OrderStatus, OrderStatus):
        with conn.transaction(force_rollback=True):
            conn.execute("update sales_order set status = %s where id = %s", (before, order))
            conn.execute("alter table sales_order enable trigger sales_order_moved")
            refused = attempt(conn, "update sales_order set status = %s where id = %s",
                              after, order)  # fmt: skip
        if before == after or (before, after) in LEGAL_MOVES:
            assert refused is None, f"{before} to {after} is legal"
        else:
            assert refused == "order_history_legal_move", f"{before} to {after} is illegal"


def test_orders_begin_as_new(conn: psycopg.Connection) -> None:
    """An order can be entered as New and as nothing else."""
    for status in OrderStatus:
        refused = attempt(
            conn,
            "insert into sales_order (account_id, status, currency, delivery_method, delivery_name,"
            " delivery_lines, country) values (1, %s, 'GBP', 'X', 'X', '{X}', 'GB')",
            status,
        )
        legal = (None, status) in LEGAL_MOVES
        assert refused == (None if legal else "order_history_legal_move"), status


def test_the_history_itself_takes_legal_moves_alone(conn: psycopg.Connection) -> None:
    """The CHECK lets in the very pairs of the code's table, also in plain SQL."""
    for before, after in product([None, *OrderStatus], OrderStatus):
        refused = attempt(
            conn,
            "insert into order_history (order_id, from_status, to_status, who)"
            " values (1, %s, %s, 'test')",
            before,
            after,
        )
        assert (refused is None) == ((before, after) in LEGAL_MOVES), (before, after)


@pytest.mark.parametrize("kind", list(BatchType))
def test_batches_move_as_the_table_says(conn: psycopg.Connection, kind: BatchType) -> None:
    """From each stage a batch of each type moves to exactly those that LEGAL_MOVES has."""
    for before, after in product(STAGES, STAGES):
        with conn.transaction(force_rollback=True):
            conn.execute("alter table batch disable trigger batch_moved")
            batch = insert(conn, kind, before)
            conn.execute("alter table batch enable trigger batch_moved")
            refused = attempt(conn, "update batch set stage = %s, stage_status = %s where id = %s",
                              after.stage, after.status, batch)  # fmt: skip
        legal = before == after or (before, after) in BATCH_MOVES[kind]
        assert refused == (None if legal else "batch_history_legal_move"), f"{before} > {after}"


@pytest.mark.parametrize("kind", list(BatchType))
def test_batches_begin_as_the_table_says(conn: psycopg.Connection, kind: BatchType) -> None:
    """A batch begins at exactly those stages that LEGAL_MOVES has."""
    for stage in STAGES:
        legal = (None, stage) in BATCH_MOVES[kind]
        try:
            with conn.transaction(force_rollback=True):
                insert(conn, kind, stage)
        except psycopg.errors.CheckViolation:
            assert not legal, stage
        else:
            assert legal, stage


def insert(conn: psycopg.Connection, kind: BatchType, stage: Stage) -> int:
    """A batch of LONDON."""
    row = conn.execute(
        "insert into batch (type, warehouse_id, stage, stage_status, record_count)"
        " values (%s, 'LONDON', %s, %s, 0) returning id",
        (kind.value, stage.stage, stage.status),
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_each_move_leaves_one_row(shared: Desk, conn: psycopg.Connection) -> None:
    """A move leaves one history row: from, to, who the session says it is, and why; else none."""
    order = shared.order(("CASE", 1, "1"), submit=False)
    conn.execute("set local sales_order.who = 'somebody'")
    conn.execute(
        "update sales_order set status = 'CANCELLED', status_reason = 'asked for' where id = %s",
        (order,),
    )
    conn.execute("update sales_order set status_reason = 'again' where id = %s", (order,))
    assert shared.rows(
        "select from_status, to_status, who, why from order_history"
        " where order_id = %s order by id",
        order,
    ) == [(None, "NEW", "postgres", None), ("NEW", "CANCELLED", "somebody", "asked for")]


def test_thousands_in_one_statement(shared: Desk, conn: psycopg.Connection) -> None:
    """One statement that moves many orders leaves one row each; one illegal move undoes them
    all.
    """
    orders = [shared.order(("CASE", 1, "1"), submit=False) for _ in range(20)]
    conn.execute(
        "update sales_order set status = 'AWAITING_GENERATION' where id = any(%s)", (orders,)
    )
    assert shared.value("select count(*) from order_history where order_id = any(%s)"
                        " and to_status = 'AWAITING_GENERATION'", orders) == 20  # fmt: skip
    conn.execute("update sales_order set status = 'CANCELLED' where id = %s", (orders[7],))
    refused = attempt(
        conn, "update sales_order set status = 'AWAITING_DISPATCH' where id = any(%s)", orders
    )
    assert refused == "order_history_legal_move"
    assert shared.status(orders[0]) == "AWAITING_GENERATION"
