"""Statements with which the console shows and mends batches and inbound files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row, dict_row

if TYPE_CHECKING:
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


BATCH = """
    select id, category, type, direction, warehouse_id as warehouse, stage, stage_status, stage_at,
           record_count, fraud_check_required, created_at, attempts, reason, sentence,
           partner_sequence, received_at
      from batch where id = %(batch)s
"""
BATCH_PARTS = {
    "history": """
        select from_stage, to_stage, at, who, why
          from batch_history where batch_id = %(batch)s order by id
    """,
    "outbound_files": """
        select id as identifier, name, file_sequence, tree_id, payload_sha256, file_sha256,
               byte_count, sealed_at, published_at, taken_at
          from outbound_file where batch_id = %(batch)s
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
