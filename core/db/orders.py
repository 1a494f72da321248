"""Statements with which the console moves one order: hold, release, cancel, regenerate.

lock() comes first in a transaction; standing() then decides in a statement of its own, since the
one that waited for the lock still sees what was before. Sealing locks the same rows: who comes
second sees what the first has done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class Standing:
    """What the verbs decide by, of one locked order."""

    id: int
    status: str
    lines: int
    """Request lines that it ever had."""
    open_lines: int
    owed: int
    """Units that are neither open nor dispatched nor cancelled."""
    dispatched: int
    held: list[str]
    """The kinds of its open holds."""
    sealed_files: list[str]
    """The files in which open lines have been asked of a warehouse."""
    sealed_at: list[str]
    """The warehouses that have been asked for open lines in them."""
    unsealed_lines: int
    """Open lines that are in no such file."""
    asked: list[str]
    """The warehouses that have been asked to cancel it and have not answered."""


def find(conn: psycopg.Connection, *, identity: int | None, reference: str | None) -> list[int]:
    """The ids of the orders with this id or this reference: two, if these are not the same."""
    rows = conn.execute(
        """
        select id from sales_order where reference = %(reference)s
        union
        select id from sales_order where id = %(id)s
        """,
        {"reference": reference, "id": identity},
    ).fetchall()
    return sorted(row[0] for row in rows)


def lock(conn: psycopg.Connection, order: int) -> None:
    """Lock an order, waiting for whoever generates, seals or applies it."""
    conn.execute(
        "select id from sales_order where id = %(order)s for no key update", {"order": order}
    )


def standing(conn: psycopg.Connection, order: int) -> Standing:
    """How a locked order stands; it has to exist."""
    with conn.cursor(row_factory=class_row(Standing)) as cursor:
        row = cursor.execute(
            """
            with line as (
                select l.id, l.warehouse_id, not l.superseded
                             and l.dispatched + l.cancelled + l.rejected < l.quantity as is_open,
                       (select f.name
                          from request_detail d
                          join batch b on b.id = d.batch_id and b.warehouse_id = l.warehouse_id
                          join outbound_file f on f.batch_id = b.id
                         where d.order_id = l.order_id and d.generation = l.generation
                         limit 1) as file
                  from request_line l where l.order_id = %(order)s
            )
            select o.id, o.status,
                   (select count(*) from line) as lines,
                   (select count(*) from line where is_open) as open_lines,
                   i.owed, i.dispatched,
                   array(select kind from order_hold
                          where order_id = o.id and released_at is null order by kind) as held,
                   array(select distinct file from line
                          where is_open and file is not null order by file) as sealed_files,
                   array(select distinct warehouse_id from line
                          where is_open and file is not null order by 1) as sealed_at,
                   (select count(*) from line where is_open and file is null) as unsealed_lines,
                   array(select warehouse_id::text from cancellation
                          where order_id = o.id and answered_at is null order by 1) as asked
              from sales_order o
             cross join lateral (
                    select coalesce(sum(quantity - open_quantity - dispatched_quantity
                                        - cancelled_quantity), 0)::bigint as owed,
                           coalesce(sum(dispatched_quantity), 0)::bigint as dispatched
                      from order_item where order_id = o.id) i
             where o.id = %(order)s
            """,
            {"order": order},
        ).fetchone()
    assert row is not None
    return row


def place_hold(conn: psycopg.Connection, order: int, reason: str) -> None:
    """Hold a locked order, in the name of who acts."""
    conn.execute(
        """
        insert into order_hold (order_id, kind, reason, placed_by)
        values (%(order)s, 'OPERATOR', %(reason)s, acting())
        """,
        {"order": order, "reason": reason},
    )


def release_hold(conn: psycopg.Connection, order: int, kind: str, reason: str | None) -> int:
    """End a locked order's hold of this kind; the name of who acts is kept with the reason."""
    return conn.execute(
        """
        update order_hold
           set released_at = now(), released_by = acting(), release_reason = %(reason)s,
               decision = 'RELEASED'
         where order_id = %(order)s and kind = %(kind)s and released_at is null
        """,
        {"order": order, "kind": kind, "reason": reason},
    ).rowcount


def end_holds(conn: psycopg.Connection, order: int, decision: str, reason: str) -> None:
    """End every open hold of a locked order that is REJECTED or CANCELLED, for who acts."""
    conn.execute(
        """
        update order_hold
           set released_at = now(), released_by = acting(), release_reason = %(reason)s,
               decision = %(decision)s
         where order_id = %(order)s and released_at is null
        """,
        {"order": order, "reason": reason, "decision": decision},
    )


def cancel_lines(conn: psycopg.Connection, order: int) -> None:
    """Close a locked order's open lines, but for sealed ones, with their shares, as cancelled."""
    conn.execute(
        """
        with line as materialized (
            select l.id, l.item_no, l.quantity - l.dispatched - l.cancelled - l.rejected as units
              from request_line l
             where l.order_id = %(order)s and not l.superseded
               and l.dispatched + l.cancelled + l.rejected < l.quantity
               and not exists (
                   select from request_detail d
                     join outbound_file f on f.batch_id = d.batch_id
                    where d.order_id = l.order_id and d.generation = l.generation
                      and f.warehouse_id = l.warehouse_id)
        ), share as materialized (
            select s.line_id, s.item_no, s.quantity - s.dispatched - s.cancelled - s.rejected
                       as units
              from request_line_share s join line l on l.id = s.line_id
        ), line_closed as (
            update request_line r set cancelled = r.cancelled + l.units
              from line l where r.id = l.id
        ), share_closed as (
            update request_line_share s set cancelled = s.cancelled + x.units
              from share x where s.line_id = x.line_id and s.item_no = x.item_no
        )
        update order_item i
           set cancelled_quantity = i.cancelled_quantity + n.units,
               open_quantity = i.open_quantity - n.units
          from (select item_no, sum(units) as units
                  from (select item_no, units from line where item_no is not null
                        union all select item_no, units from share) part
                 group by item_no) n
         where i.order_id = %(order)s and i.item_no = n.item_no
        """,
        {"order": order},
    )


def settled_as(conn: psycopg.Connection, order: int) -> str:
    """The status of an order that has nothing open any more, by the rule of settlement."""
    row = conn.execute(
        """
        select case when bool_or(rejected > 0 and not superseded) then 'ERROR'
                    when bool_or(dispatched > 0) then 'COMPLETE' else 'CANCELLED' end
          from request_line where order_id = %(order)s
        """,
        {"order": order},
    ).fetchone()
    assert row is not None
    return str(row[0])


def unqueue(conn: psycopg.Connection, order: int) -> None:
    """Take what awaits batching out of the queue; what a batch has taken drops out at its seal."""
    conn.execute("delete from request_queue where order_id = %(order)s", {"order": order})


def supersede(conn: psycopg.Connection, order: int) -> None:
    """Let the rejected lines of a locked order decide its outcome no more."""
    conn.execute(
        """
        update request_line set superseded = true
         where order_id = %(order)s and rejected > 0 and not superseded
        """,
        {"order": order},
    )


def move(conn: psycopg.Connection, order: int, status: str, why: str) -> None:
    """Move a locked order; an illegal move fails in the database."""
    conn.execute(
        """
        update sales_order set status = %(status)s, status_at = now(), status_reason = %(why)s
         where id = %(order)s
        """,
        {"order": order, "status": status, "why": why},
    )
