"""Statements that list orders, batches, files and migrations for the console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from core.domain.order import OrderStatus

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg


def applied_migrations(conn: psycopg.Connection) -> dict[int, tuple[str, datetime]]:
    """By number: the SHA-256 of what was applied, and when; nothing in a database without any."""
    exists = conn.execute("select to_regclass('schema_migration') is not null").fetchone()
    if exists != (True,):
        return {}
    rows = conn.execute("select number, sha256, applied_at from schema_migration").fetchall()
    return {number: (digest, at) for number, digest, at in rows}


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders to list; None is any."""

    status: str | None = None
    warehouse: str | None = None
    since: datetime | None = None
    held: bool = False
    limit: int = 50


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order in a list: nothing personal."""

    id: int
    reference: str | None
    account_id: int
    status: str
    status_at: datetime
    status_reason: str | None
    items: int
    held: bool


def orders(conn: psycopg.Connection, wanted: OrderFilter) -> list[OrderRow]:
    """Orders, those that moved last first."""
    with conn.cursor(row_factory=class_row(OrderRow)) as cursor:
        return cursor.execute(
            """
            select o.id, o.reference, o.account_id, o.status, o.status_at, o.status_reason,
                   (select count(*) from order_item i where i.order_id = o.id) as items,
                   exists (select from order_hold h
                            where h.order_id = o.id and h.released_at is null) as held
              from (
                select id, reference, account_id, status, status_at, status_reason
                  from sales_order
                 where status = any(%(statuses)s)
                   and (%(since)s::timestamptz is null or status_at >= %(since)s)
                   and (%(warehouse)s::text is null
                        or exists (select from request_line l
                                    where l.order_id = sales_order.id
                                      and l.warehouse_id = %(warehouse)s))
                   and (not %(held)s or exists (select from order_hold h
                                                 where h.order_id = sales_order.id
                                                   and h.released_at is null))
                 order by status_at desc, id desc
                 limit %(limit)s) o
             order by o.status_at desc, o.id desc
            """,
            {
                # All of them rather than none: so each one's part of the index is read.
                "statuses": [wanted.status] if wanted.status else [s.value for s in OrderStatus],
                "since": wanted.since,
                "warehouse": wanted.warehouse,
                "held": wanted.held,
                "limit": wanted.limit,
            },
        ).fetchall()


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """Which batches to list; None is any."""

    type: str | None = None
    warehouse: str | None = None
    status: str | None = None
    unfinished: bool = False
    limit: int = 50


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch in a list."""

    id: int
    type: str
    action: str
    warehouse_id: str
    stage: str
    stage_status: str
    stage_at: datetime
    record_count: int
    attempts: int
    reason: str | None
    sentence: str | None


def batches(conn: psycopg.Connection, wanted: BatchFilter) -> list[BatchRow]:
    """Batches, the newest first."""
    with conn.cursor(row_factory=class_row(BatchRow)) as cursor:
        return cursor.execute(
            """
            select id, type, action, warehouse_id, stage, stage_status, stage_at, record_count,
                   attempts, reason, sentence
              from batch
             where (%(type)s::text is null or type = %(type)s)
               and (%(warehouse)s::text is null or warehouse_id = %(warehouse)s)
               and (%(status)s::text is null or stage_status = %(status)s)
               and (not %(unfinished)s or (type, stage, stage_status) not in (
                        ('Sales Order Request', 'Extract/Load', 'Complete'),
                        ('Sales Order Dispatch', 'Batch', 'Complete')))
             order by id desc
             limit %(limit)s
            """,
            {
                "type": wanted.type,
                "warehouse": wanted.warehouse,
                "status": wanted.status,
                "unfinished": wanted.unfinished,
                "limit": wanted.limit,
            },
        ).fetchall()


@dataclass(frozen=True, slots=True)
class FileFilter:
    """Which files to list; None is any."""

    direction: str | None = None
    warehouse: str | None = None
    statuses: list[str] | None = None
    type: str | None = None
    rejected: bool = False
    """Only request files that their partner has rejected."""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class FileRow:
    """A generic file in a list; `id` is our number of an inbound one, else its identifier."""

    direction: str
    type: str
    """REQUEST, DISPATCH (or what it was taken for) or ACKNOWLEDGEMENT."""
    id: int
    warehouse_id: str
    name: str
    status: str
    status_at: datetime
    batch_id: int | None
    byte_count: int | None
    verdict: str | None
    """Of a request file what the partner says of it, of an acknowledgement what it says."""
    reason: str | None
    sentence: str | None


def files(conn: psycopg.Connection, wanted: FileFilter) -> list[FileRow]:
    """Files of both directions, those that moved last first.

    An outbound one is WAITING (an acknowledgement alone), SEALED, PUBLISHED or TAKEN, or
    SET_ASIDE; an inbound one as its row says.
    """
    with conn.cursor(row_factory=class_row(FileRow)) as cursor:
        return cursor.execute(
            """
            select direction, type, id, warehouse_id, name, status, status_at, batch_id,
                   byte_count, verdict, reason, sentence
              from (
                select 'OUT' as direction, 'REQUEST' as type, id, warehouse_id, name,
                       case when published_at is null then 'SEALED'
                            when taken_at is null then 'PUBLISHED' else 'TAKEN' end as status,
                       coalesce(taken_at, published_at, sealed_at) as status_at,
                       batch_id, byte_count, verdict, reason, sentence
                  from outbound_file
                union all
                select 'OUT', 'ACKNOWLEDGEMENT', id, warehouse_id,
                       coalesce(name, '(of ' || file_name || ')'),
                       case when set_aside_reason is not null then 'SET_ASIDE'
                            when sealed_at is null then 'WAITING'
                            when published_at is null then 'SEALED'
                            when taken_at is null then 'PUBLISHED' else 'TAKEN' end,
                       coalesce(taken_at, published_at, sealed_at, created_at),
                       batch_id, byte_count, verdict, coalesce(set_aside_reason, reason), sentence
                  from acknowledgement
                union all
                select 'IN', case when status in ('LOADED', 'ARCHIVED') and batch_id is null
                                  then 'ACKNOWLEDGEMENT' else 'DISPATCH' end,
                       id, warehouse_id, partner_name, status, status_at, batch_id,
                       null, null, reason, sentence
                  from inbound_file) file
             where (%(direction)s::text is null or direction = %(direction)s)
               and (%(type)s::text is null or type = %(type)s)
               and (%(warehouse)s::text is null or warehouse_id = %(warehouse)s)
               and (%(statuses)s::text[] is null or status = any(%(statuses)s))
               and (not %(rejected)s or type = 'REQUEST' and verdict = 'REJECTED')
             order by status_at desc, id desc
             limit %(limit)s
            """,
            {
                "direction": wanted.direction,
                "type": wanted.type,
                "warehouse": wanted.warehouse,
                "statuses": wanted.statuses,
                "rejected": wanted.rejected,
                "limit": wanted.limit,
            },
        ).fetchall()
