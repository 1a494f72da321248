"""Statements that gather queued requests into batches: the second half of Request Extract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.batch import BATCHED, Action, BatchType

if TYPE_CHECKING:
    import psycopg

    from core.domain.order import BatchLimits


CHECKED = """(not %(checked)s or exists (
                        select from fraud_check c
                         where c.order_id = q.order_id and c.generation = q.generation
                           and not c.stale))"""
"""Whether a queued request has the verdict that it needs, where one is needed."""


def ready(
    conn: psycopg.Connection, *, max_wait: float, max_orders: int, checked: bool
) -> list[tuple[str, int]]:
    """Warehouses (id, number) whose queue is full, or whose oldest request has waited `max_wait` s.

    A request does not count whose order has an open hold, or has not the verdict of a fraud check
    where it has to be `checked`; nor does a warehouse that is paused.
    """
    return conn.execute(
        f"""
        select w.id, w.number from warehouse w
         where w.paused_at is null and (exists (
                select from request_queue q
                 where q.warehouse_id = w.id
                   and not exists (select from order_hold h
                                    where h.order_id = q.order_id and h.released_at is null)
                   and {CHECKED}
                   and q.queued_at <= now() - make_interval(secs => %(wait)s))
            or (%(wait)s > 0 and %(orders)s <= (
                select count(*) from (
                    select from request_queue q where q.warehouse_id = w.id
                       and not exists (select from order_hold h
                                        where h.order_id = q.order_id and h.released_at is null)
                       and {CHECKED}
                     limit %(orders)s) waiting)))
         order by w.id
        """,  # noqa: S608  # a constant of this module
        {"wait": max_wait, "orders": max_orders, "checked": checked},
    ).fetchall()


def insert_batch(
    conn: psycopg.Connection, warehouse: str, action: Action, *, fraud_check: bool
) -> int:
    """Open a request batch and return its id; its count is set once it is filled."""
    row = conn.execute(
        """
        insert into batch (type, warehouse_id, stage, stage_status, record_count,
                           action, fraud_check_required)
        values (%(type)s, %(warehouse)s, %(stage)s, %(status)s, 0, %(action)s,
                %(fraud)s)
        returning id
        """,
        {
            "type": BatchType.REQUEST.value,
            "warehouse": warehouse,
            "stage": BATCHED.stage,
            "status": BATCHED.status,
            "action": action.value,
            "fraud": fraud_check,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def fill(
    conn: psycopg.Connection,
    batch: int,
    warehouse: str,
    limits: BatchLimits,
    *,
    checked: bool,
) -> int:
    """Move the oldest requests without a hold from the queue into the batch; how many.

    They stay within the limits, but the first is taken whatever its size. A request that is in a
    batch already, and should not be queued, is put in no other.
    """
    cursor = conn.execute(
        f"""
        with candidate as materialized (
            select q.entered_at, q.order_id, q.line_count, q.byte_count
              from request_queue q
             where q.warehouse_id = %(warehouse)s
               and not exists (select from order_hold h
                                where h.order_id = q.order_id and h.released_at is null)
               and {CHECKED}
             order by q.entered_at, q.order_id
             limit %(orders)s
               for update skip locked
        ), measured as (
            select entered_at, order_id,
                   row_number() over running as sequence,
                   sum(line_count) over running as lines,
                   sum(byte_count) over running as bytes
              from candidate
            window running as (order by entered_at, order_id)
        ), moved as (
            delete from request_queue q using measured m
             where q.warehouse_id = %(warehouse)s
               and q.entered_at = m.entered_at and q.order_id = m.order_id
               and (m.sequence = 1 or (m.lines <= %(lines)s and m.bytes <= %(bytes)s))
            returning m.sequence, q.order_id, q.generation
        )
        insert into request_detail (batch_id, sequence, order_id, generation, warehouse_id)
        select %(batch)s, sequence, order_id, generation, %(warehouse)s from moved
        on conflict (order_id, generation, warehouse_id) do nothing
        """,  # noqa: S608  # a constant of this module
        {
            "batch": batch,
            "checked": checked,
            "warehouse": warehouse,
            "orders": limits.orders,
            "lines": limits.lines,
            "bytes": limits.bytes,
        },
    )
    return cursor.rowcount


def set_count(conn: psycopg.Connection, batch: int, count: int) -> None:
    """Write how many records the batch has."""
    conn.execute(
        "update batch set record_count = %(count)s where id = %(batch)s",
        {"batch": batch, "count": count},
    )


def waiting(conn: psycopg.Connection) -> int:
    """How many requests are queued, held ones included."""
    row = conn.execute("select count(*) from request_queue").fetchone()
    assert row is not None
    return int(row[0])
