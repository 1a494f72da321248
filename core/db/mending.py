"""Statements with which the console shows and mends batches and inbound files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row, dict_row

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import psycopg


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """An inbound file, as far as mending it goes."""

    id: int
    claim_name: str
    warehouse_id: str
    partner_name: str
    status: str


def lock_file(conn: psycopg.Connection, file: int) -> ClaimedFile | None:
    """Lock an inbound file's row; None if there is none."""
    with conn.cursor(row_factory=class_row(ClaimedFile)) as cursor:
        return cursor.execute(
            """
            select id, claim_name, warehouse_id, partner_name, status
              from inbound_file where id = %(file)s for no key update
            """,
            {"file": file},
        ).fetchone()


def record_requeued(conn: psycopg.Connection, file: int) -> None:
    """Record that a locked file goes back to where it was dropped, before it does."""
    conn.execute(
        "update inbound_file set status = 'REQUEUED', status_at = now() where id = %(file)s",
        {"file": file},
    )


def record_discarded(conn: psycopg.Connection, file: int, why: str) -> None:
    """Record that a locked file is removed, by whom and why, before it is."""
    conn.execute(
        """
        update inbound_file
           set status = 'DISCARDED', status_at = now(),
               sentence = concat_ws(' ', sentence, 'Discarded by ' || acting() || ': ' || %(why)s)
         where id = %(file)s
        """,
        {"file": file, "why": why},
    )


def hold_batch(conn: psycopg.Connection, batch: int, why: str) -> None:
    """Hold the locked orders of a batch that no operator holds yet, in the name of who acts."""
    conn.execute(
        """
        insert into order_hold (order_id, kind, reason, placed_by)
        select d.order_id, 'OPERATOR', %(why)s, acting()
          from request_detail d
         where d.batch_id = %(batch)s
           and not exists (select from order_hold h
                            where h.order_id = d.order_id and h.kind = 'OPERATOR'
                              and h.released_at is null)
         order by d.order_id
        """,
        {"batch": batch, "why": why},
    )


@dataclass(frozen=True, slots=True)
class InError:
    """A batch in Error, and whether it has a file: then it goes back to sealed."""

    id: int
    type: str
    warehouse_id: str
    reason: str | None
    record_count: int
    stage_at: datetime
    sealed: bool


def in_error(
    conn: psycopg.Connection, *, type_: str | None, warehouse: str | None, reason: str | None
) -> list[InError]:
    """Every batch in Error, the oldest first; None is any."""
    with conn.cursor(row_factory=class_row(InError)) as cursor:
        return cursor.execute(
            """
            select b.id, b.type, b.warehouse_id, b.reason, b.record_count, b.stage_at,
                   exists (select from outbound_file f where f.batch_id = b.id) as sealed
              from batch b
             where b.stage_status = 'Error'
               and (%(type)s::text is null or b.type = %(type)s)
               and (%(warehouse)s::text is null or b.warehouse_id = %(warehouse)s)
               and (%(reason)s::text is null or b.reason = %(reason)s
                    or exists (select from dispatch_detail d
                                where d.batch_id = b.id and d.applied_at is null
                                  and d.reason = %(reason)s))
             order by b.id
            """,
            {"type": type_, "warehouse": warehouse, "reason": reason},
        ).fetchall()


@dataclass(frozen=True, slots=True)
class SentFile:
    """A request file, as far as sending it again goes."""

    id: int
    batch_id: int
    warehouse_id: str
    name: str
    tree_id: UUID
    file_sha256: bytes


def sent_file(conn: psycopg.Connection, name: str) -> SentFile | None:
    """The request file of this name or identifier."""
    with conn.cursor(row_factory=class_row(SentFile)) as cursor:
        return cursor.execute(
            """
            select id, batch_id, warehouse_id, name, tree_id, file_sha256
              from outbound_file
             where name = %(name)s or id = substring(%(name)s from '^[0-9]{1,18}$')::bigint
            """,
            {"name": name},
        ).fetchone()


def no_more_wanted(conn: psycopg.Connection, batch: int) -> list[int]:
    """The orders of a request batch of which nothing that it asks for is open any more, by id."""
    rows = conn.execute(
        """
        select d.order_id
          from request_detail d
          join batch b on b.id = d.batch_id
         where d.batch_id = %(batch)s
           -- A limit keeps it an order's own look: else all open lines are read.
           and (select true from request_line l
                 where l.order_id = d.order_id and l.generation = d.generation
                   and l.warehouse_id = b.warehouse_id
                   and l.dispatched + l.cancelled + l.rejected < l.quantity
                 limit 1) is null
         order by d.order_id
        """,
        {"batch": batch},
    ).fetchall()
    return [row[0] for row in rows]


def record_resend(conn: psycopg.Connection, file: int) -> None:
    """Put a file back to sealed: it is to be published, taken and acknowledged anew."""
    conn.execute(
        """
        update outbound_file
           set published_at = null, taken_at = null, acknowledged_at = null, verdict = null,
               reason = null, sentence = null, resent = resent + 1
         where id = %(file)s
        """,
        {"file": file},
    )


def retry_acknowledgements(conn: psycopg.Connection, file: int) -> int:
    """Take up again what was set aside of the acknowledgements of an inbound file; how many."""
    return conn.execute(
        """
        update acknowledgement set set_aside_reason = null, attempts = 0
         where inbound_file_id = %(file)s and set_aside_reason is not null
        """,
        {"file": file},
    ).rowcount


BATCH = """
    select id, category, type, direction, warehouse_id as warehouse, stage, stage_status, stage_at,
           record_count, action, fraud_check_required, created_at, attempts, reason, sentence,
           partner_sequence, received_at, entered_by
      from batch where id = %(batch)s
"""
BATCH_PARTS = {
    "history": """
        select from_stage, to_stage, at, who, why
          from batch_history where batch_id = %(batch)s order by id
    """,
    "outbound_files": """
        select id as identifier, name, file_sequence, tree_id, payload_sha256, file_sha256,
               byte_count, sealed_at, published_at, taken_at, acknowledged_at, verdict,
               reason, sentence, resent
          from outbound_file where batch_id = %(batch)s
    """,
    "acknowledgements": """
        select name, verdict, jsonb_array_length(records) as refused, created_at, published_at,
               taken_at, set_aside_reason
          from acknowledgement where batch_id = %(batch)s order by id
    """,
    "inbound_files": """
        select id, partner_name, status, received_at, status_at, external_file_name, signer,
               payload_sha256, file_sha256, repeats_id
          from inbound_file where batch_id = %(batch)s order by id
    """,
    "details": """
        select sequence, order_id, order_ref, reason, sentence, applied_at
          from batch_detail
         where batch_id = %(batch)s and (not %(refused)s or reason is not null)
         order by sequence limit %(limit)s
    """,
}


def batch(
    conn: psycopg.Connection, batch: int, *, refused: bool, limit: int
) -> dict[str, Any] | None:
    """A batch's header, and under each name of BATCH_PARTS its rows; None if there is none.

    Of its details at most `limit`, or only those that were `refused`.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(BATCH, {"batch": batch}).fetchone()
        if row is None:
            return None
        wanted = {"batch": batch, "refused": refused, "limit": limit}
        return row | {
            name: cursor.execute(statement, wanted).fetchall()
            for name, statement in BATCH_PARTS.items()
        }


OUTBOUND_FILE = """
    select 'OUT' as direction, 'REQUEST' as type, id, warehouse_id as warehouse, name,
           file_sequence, batch_id as batch, tree_id, payload_sha256, file_sha256, byte_count,
           sealed_at, published_at, taken_at, resent, acknowledged_at, verdict, reason, sentence
      from outbound_file where name = %(name)s
"""
ACKNOWLEDGEMENT = """
    select 'OUT' as direction, 'ACKNOWLEDGEMENT' as type, id, warehouse_id as warehouse, name,
           number, inbound_file_id, file_name, batch_id as batch, verdict, reason, sentence,
           records, tree_id, payload_sha256, file_sha256, byte_count, created_at, sealed_at,
           published_at, taken_at, set_aside_reason
      from acknowledgement where name = %(name)s
"""
INBOUND_FILE = """
    select 'IN' as direction,
           case when status in ('LOADED', 'ARCHIVED') and batch_id is null
                then 'ACKNOWLEDGEMENT' else 'DISPATCH' end as type,
           id, warehouse_id as warehouse, partner_name as name, claim_name, external_file_name,
           status, status_at, received_at, claimed_at, batch_id as batch, repeats_id, signer,
           payload_sha256, file_sha256, reason, sentence
      from inbound_file where id = substring(%(name)s from '^[0-9]{1,18}$')::bigint
"""
TOLD = """
    select id, name, verdict, reason, jsonb_array_length(records) as refused, created_at,
           published_at, taken_at, set_aside_reason
      from acknowledgement where inbound_file_id = %(file)s order by id
"""


def file(conn: psycopg.Connection, name: str) -> dict[str, Any] | None:
    """An outbound file by its name or an inbound one by our number; None if there is none.

    Of an inbound one `acknowledgements` has what its partner was told.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        for statement in (OUTBOUND_FILE, ACKNOWLEDGEMENT, INBOUND_FILE):
            row = cursor.execute(statement, {"name": name}).fetchone()
            if row is None:
                continue
            if row["direction"] == "IN":
                told = cursor.execute(TOLD, {"file": row["id"]}).fetchall()
                return row | {"acknowledgements": told}
            return row
    return None
