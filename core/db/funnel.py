"""Statements of `status`: how many stand at each step, and since when the oldest of them does.

Each reads an index or a table that stays short; run in one transaction at REPEATABLE READ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg


class Count(NamedTuple):
    """How many stand at a step, and since when the oldest does; the names say which step."""

    names: tuple[str, ...]
    number: int
    oldest: datetime | None


def now(conn: psycopg.Connection) -> datetime:
    """The database's time, by which all ages are told."""
    row = conn.execute("select now()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def orders(conn: psycopg.Connection) -> list[Count]:
    """By status."""
    return _counts(
        conn, "select status, count(*), min(status_at) from sales_order group by status", 1
    )


def short(conn: psycopg.Connection) -> Count:
    """Submitted orders that stay New for want of stock."""
    [found] = _counts(
        conn,
        """
        select 'short', count(*), min(status_at) from sales_order
         where status = 'NEW' and starts_with(status_reason, 'OUT_OF_STOCK')
        """,
        1,
    )
    return found


def queued(conn: psycopg.Connection) -> list[Count]:
    """Requests that await a batch, by "held" or "ready"."""
    return _counts(
        conn,
        """
        select case when exists (select from order_hold h
                                  where h.order_id = q.order_id and h.released_at is null)
                    then 'held' else 'ready' end as step, count(*), min(q.queued_at)
          from request_queue q group by step
        """,
        1,
    )


def batches(conn: psycopg.Connection) -> list[Count]:
    """By type, stage and stage status."""
    return _counts(
        conn,
        """
        select type, stage, stage_status, count(*), min(stage_at)
          from batch group by type, stage, stage_status
        """,
        3,
    )


def outbound(conn: psycopg.Connection) -> list[Count]:
    """Request files by SEALED, PUBLISHED and TAKEN."""
    return _counts(
        conn,
        """
        select case when published_at is null then 'SEALED'
                    when taken_at is null then 'PUBLISHED' else 'TAKEN' end as step,
               count(*), min(coalesce(taken_at, published_at, sealed_at))
          from outbound_file group by step
        """,
        1,
    )


def acknowledgements(conn: psycopg.Connection) -> list[Count]:
    """Acknowledgements of ours: waiting, lying, taken, aside."""
    return _counts(
        conn,
        """
        select case when set_aside_reason is not null then 'aside'
                    when published_at is null then 'waiting'
                    when taken_at is null then 'lying' else 'told' end as step,
               count(*), min(coalesce(taken_at, published_at, created_at))
          from acknowledgement group by step
        """,
        1,
    )


def rejected(conn: psycopg.Connection) -> Count:
    """Request files that their partner has rejected."""
    [found] = _counts(
        conn,
        """
        select 'rejected', count(*), min(acknowledged_at)
          from outbound_file where verdict = 'REJECTED'
        """,
        1,
    )
    return found


def inbound(conn: psycopg.Connection) -> list[Count]:
    """Dispatch files by status."""
    return _counts(
        conn, "select status, count(*), min(status_at) from inbound_file group by status", 1
    )


def holds(conn: psycopg.Connection) -> list[Count]:
    """Open holds by kind."""
    return _counts(
        conn,
        """
        select kind, count(*), min(placed_at) from order_hold
         where released_at is null group by kind order by kind
        """,
        1,
    )


def errors(conn: psycopg.Connection, limit: int) -> list[Count]:
    """Orders in Error by the code of their reason, the most frequent first."""
    return _counts(
        conn,
        """
        select coalesce(substring(status_reason from '^[A-Z_]+'), 'OTHER') as code,
               count(*), min(status_at)
          from sales_order where status = 'ERROR'
         group by code order by 2 desc, 1 limit %(limit)s
        """,
        1,
        limit=limit,
    )


def _counts(
    conn: psycopg.Connection, statement: str, names: int, **parameters: object
) -> list[Count]:
    rows = conn.execute(statement.encode(), parameters or None).fetchall()
    return [Count(tuple(row[:names]), row[names], row[names + 1]) for row in rows]
