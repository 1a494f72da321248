"""Statements that remove what is settled and older than it is to be kept.

An order goes when nothing can come of it any more: it is Complete or Cancelled, no line of it is
open, it waits for no batch and no decision, and every batch that it is in has ended well, its file
taken by the partner. What came back of it late keeps it as long again: its credit is young. Orders
in Error stay: they may be asked for anew. A batch loses its details, all of them at once, when the
last of its orders is gone.

What recognises a repeat stays for ever, and with it nothing personal: dispatch, inbound_file, the
rows of batches and of outbound files, and units with a serial number, IMEI or ICCID.

The tables are not partitioned: their keys and foreign keys would have to hold the time as well, by
which nobody asks, and whole partitions would have to wait for the last order that is still owed.
Removing by key in sets costs some hundredths of a millisecond an order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

_SETTLED = """
       o.status in ('COMPLETE', 'CANCELLED') and o.status_at < %(before)s
   and not exists (select from request_line l where l.order_id = o.id
                    and l.dispatched + l.cancelled + l.rejected < l.quantity)
   and not exists (select from request_queue q where q.order_id = o.id)
   and not exists (select from order_hold h where h.order_id = o.id and h.released_at is null)
   and not exists (select from request_detail d
                     join batch b on b.id = d.batch_id
                     left join outbound_file f on f.batch_id = b.id
                    where d.order_id = o.id
                      and ((b.stage, b.stage_status) <> ('Extract/Load', 'Complete')
                           or f.id is not null and f.taken_at is null))
   and not exists (select from cancellation c
                     join batch b on b.id = c.batch_id
                     left join outbound_file f on f.batch_id = b.id
                    where c.order_id = o.id
                      and ((b.stage, b.stage_status) <> ('Extract/Load', 'Complete')
                           or f.id is not null and f.taken_at is null))
   and not exists (select from dispatch_detail d
                     join batch b on b.id = d.batch_id
                    where d.order_id = o.id
                      and ((b.stage, b.stage_status) <> ('Batch', 'Complete')
                           or d.status = 'RETURNED' and b.stage_at >= %(before)s))
"""
_ENDED = """
       b.purged_at is null and b.stage_at < %(before)s
   and (b.type = 'Sales Order Request' and (b.stage, b.stage_status) = ('Extract/Load', 'Complete')
        or b.type = 'Sales Order Dispatch' and (b.stage, b.stage_status) = ('Batch', 'Complete'))
   and not exists (select from outbound_file f where f.batch_id = b.id and f.taken_at is null)
   and not exists (select from request_detail d join sales_order o on o.id = d.order_id
                    where d.batch_id = b.id)
   and not exists (select from cancellation where batch_id = b.id)
   and not exists (select from dispatch_detail d join sales_order o on o.id = d.order_id
                    where d.batch_id = b.id)
"""


class Old(NamedTuple):
    """What there is to remove: orders that are settled, and when the oldest of them was."""

    orders: int
    oldest: datetime | None


def months_ago(conn: psycopg.Connection, months: int) -> datetime:
    """So many calendar months before the database's now."""
    row = conn.execute("select now() - make_interval(months => %s)", (months,)).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def count(conn: psycopg.Connection, before: datetime) -> Old:
    """How many orders could be removed."""
    statement = f"select count(*), min(o.status_at) from sales_order o where {_SETTLED}"  # noqa: S608  # ours
    row = conn.execute(statement.encode(), {"before": before}).fetchone()
    assert row is not None
    return Old(*row)


def lock_orders(conn: psycopg.Connection, before: datetime, limit: int) -> list[int]:
    """The oldest orders that can be removed, locked; what others work on is left for later."""
    statement = f"""
        select o.id from sales_order o where {_SETTLED}
         order by o.status_at, o.id limit %(limit)s for update of o skip locked
    """  # noqa: S608  # ours
    parameters = {"before": before, "limit": limit}
    return [row[0] for row in conn.execute(statement.encode(), parameters).fetchall()]


def remove_units(conn: psycopg.Connection, orders: list[int]) -> None:
    """Units that nothing could recognise: without serial number, IMEI and ICCID."""
    conn.execute(
        """
        delete from dispatched_unit u using request_line l
         where l.order_id = any(%(orders)s) and u.line_id = l.id
           and u.serial_number is null and u.imei is null and u.iccid is null
        """,
        {"orders": orders},
    )


def remove_charges(conn: psycopg.Connection, orders: list[int]) -> None:
    """What was billed long ago; the dispatches that it was billed for stay recognised."""
    conn.execute(
        """
        delete from charge where ctid = any(array(
            select c.ctid
              from unnest(%(orders)s::bigint[]) as o (id)
             -- The offsets keep these looks by key, whatever the statistics say.
             cross join lateral (select id from request_line where order_id = o.id offset 0) l
             cross join lateral (select ctid from charge where line_id = l.id offset 0) c))
        """,
        {"orders": orders},
    )


def remove_lines(conn: psycopg.Connection, orders: list[int]) -> None:
    """Request lines with their shares, but for lines on which a recognised unit hangs."""
    conn.execute(
        """
        with line as (
            select l.id from request_line l
             where l.order_id = any(%(orders)s)
               and not exists (select from dispatched_unit u where u.line_id = l.id)),
        share as (delete from request_line_share s using line where s.line_id = line.id)
        delete from request_line l using line where l.id = line.id
        """,
        {"orders": orders},
    )


def remove_orders(conn: psycopg.Connection, orders: list[int]) -> None:
    """The orders themselves, with items, holds, cancellations, history and fraud verdicts."""
    conn.execute(
        """
        with hold as (delete from order_hold where order_id = any(%(orders)s)),
        cancelled as (delete from cancellation where order_id = any(%(orders)s)),
        history as (delete from order_history where order_id = any(%(orders)s)),
        verdict as (delete from fraud_check where order_id = any(%(orders)s)),
        item as (delete from order_item where order_id = any(%(orders)s))
        delete from sales_order where id = any(%(orders)s)
        """,
        {"orders": orders},
    )


def lock_batches(conn: psycopg.Connection, before: datetime, limit: int) -> list[int]:
    """Batches that have ended well and whose orders are all gone, locked."""
    statement = f"""
        select b.id from batch b where {_ENDED}
         order by b.id limit %(limit)s for update of b skip locked
    """  # noqa: S608  # ours
    parameters = {"before": before, "limit": limit}
    return [row[0] for row in conn.execute(statement.encode(), parameters).fetchall()]


def remove_details(conn: psycopg.Connection, batches: list[int]) -> None:
    """The details and the history of these batches; their rows say that it was done."""
    conn.execute(
        """
        with line as (delete from dispatch_line where batch_id = any(%(batches)s)),
        dispatched as (delete from dispatch_detail where batch_id = any(%(batches)s)),
        requested as (delete from request_detail where batch_id = any(%(batches)s)),
        history as (delete from batch_history where batch_id = any(%(batches)s))
        update batch set purged_at = now() where id = any(%(batches)s)
        """,
        {"batches": batches},
    )
