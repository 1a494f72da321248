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
    unsealed_lines: int
    """Open lines that are in no such file."""


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
                select l.id, not l.superseded
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
                   (select count(*) from line where is_open and file is null) as unsealed_lines
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
    """Close a locked order's open lines, shares and items as cancelled."""
    conn.execute(
        """
        with line as (
            update request_line
               set cancelled = quantity - dispatched - rejected
             where order_id = %(order)s and not superseded
               and dispatched + cancelled + rejected < quantity
            returning id
        ), share as (
            update request_line_share s
               set cancelled = s.quantity - s.dispatched - s.rejected
              from line
             where s.line_id = line.id and s.dispatched + s.cancelled + s.rejected < s.quantity
        )
        update order_item
           set cancelled_quantity = cancelled_quantity + open_quantity, open_quantity = 0
         where order_id = %(order)s and open_quantity > 0
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
