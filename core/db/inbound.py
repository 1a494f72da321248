"""Statements on inbound files and on the records loaded from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from core.domain.batch import LOADED, BatchType

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import psycopg

    from core.errors import Reason


@dataclass(frozen=True, slots=True)
class InboundFile:
    """A file that was claimed from a partner's directory."""

    id: int
    claim_name: str
    warehouse_id: str
    partner_name: str
    status: str
    attempts: int
    batch_id: int | None
    file_sha256: bytes | None
    reason: str | None
    sentence: str | None


_COLUMNS = """id, claim_name, warehouse_id, partner_name, status, attempts, batch_id, file_sha256,
              reason, sentence"""


def begin(
    conn: psycopg.Connection,
    *,
    claim: str,
    warehouse: str,
    partner_name: str,
    received_at: datetime,
    afresh: bool,
) -> InboundFile:
    """Record a claimed file, or find its row again; counts the attempt unless the file is decided.

    `afresh` forgets earlier attempts: they ended in an error that was handled, not in a crash.
    """
    with conn.cursor(row_factory=class_row(InboundFile)) as cursor:
        row = cursor.execute(
            f"""
            insert into inbound_file as f
                   (claim_name, warehouse_id, partner_name, status, received_at, attempts)
            values (%(claim)s, %(warehouse)s, %(partner_name)s, 'CLAIMED', %(received_at)s, 1)
            on conflict (claim_name) do update
               set attempts = case when %(afresh)s then 1
                                 when f.status = 'CLAIMED' then f.attempts + 1
                                 else f.attempts end
            returning {_COLUMNS}
            """,  # noqa: S608  # a constant of ours
            {
                "claim": claim,
                "warehouse": warehouse,
                "partner_name": partner_name,
                "received_at": received_at,
                "afresh": afresh,
            },
        ).fetchone()
    assert row is not None
    return row


def excuse(conn: psycopg.Connection, file: int) -> None:
    """Forget an attempt that ended in an error which was handled."""
    conn.execute(
        "update inbound_file set attempts = attempts - 1 where id = %(file)s and attempts > 0",
        {"file": file},
    )


def unfinished(conn: psycopg.Connection, warehouse: str) -> list[InboundFile]:
    """The warehouse's files that are claimed or loaded and not archived."""
    with conn.cursor(row_factory=class_row(InboundFile)) as cursor:
        return cursor.execute(
            f"select {_COLUMNS} from inbound_file "  # noqa: S608  # a constant of ours
            "where warehouse_id = %(warehouse)s and status in ('CLAIMED', 'LOADED') order by id",
            {"warehouse": warehouse},
        ).fetchall()


def with_loaded(conn: psycopg.Connection) -> set[str]:
    """The warehouses that have files which were loaded and are not recorded as archived."""
    rows = conn.execute("select distinct warehouse_id from inbound_file where status = 'LOADED'")
    return {row[0] for row in rows}


def accepted_before(conn: psycopg.Connection, payload_sha256: bytes, signer: str) -> int | None:
    """The id of the accepted file with this signed content and signer."""
    row = conn.execute(
        """
        select id from inbound_file
         where payload_sha256 = %(digest)s and signer = %(signer)s
           and status in ('LOADED', 'ARCHIVED')
        """,
        {"digest": payload_sha256, "signer": signer},
    ).fetchone()
    return None if row is None else int(row[0])


def insert_batch(
    conn: psycopg.Connection,
    *,
    warehouse: str,
    record_count: int,
    partner_sequence: int | None,
    received_at: datetime,
) -> int:
    """Insert the header of a loaded dispatch batch and return its id; its rows follow."""
    row = conn.execute(
        """
        insert into batch (type, warehouse_id, stage, stage_status, record_count,
                           partner_sequence, received_at)
        values (%(type)s, %(warehouse)s, %(stage)s, %(status)s, %(count)s, %(sequence)s, %(at)s)
        returning id
        """,
        {
            "type": BatchType.DISPATCH.value,
            "warehouse": warehouse,
            "stage": LOADED.stage,
            "status": LOADED.status,
            "count": record_count,
            "sequence": partner_sequence,
            "at": received_at,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def copy_details(conn: psycopg.Connection, text: Iterable[bytes]) -> None:
    """COPY the records of a batch, in pieces of PostgreSQL's text format."""
    with (
        conn.cursor() as cursor,
        cursor.copy(
            "copy dispatch_detail (batch_id, sequence, order_ref, order_id, dispatch_id, status, "
            "dispatched_at, carrier, tracking, content_sha256, errors) from stdin"
        ) as copy,
    ):
        for piece in text:
            copy.write(piece)


def copy_lines(conn: psycopg.Connection, text: Iterable[bytes]) -> None:
    """COPY the lines of a batch's records, in pieces of PostgreSQL's text format."""
    with (
        conn.cursor() as cursor,
        cursor.copy(
            "copy dispatch_line (batch_id, sequence, line_no, line_id, status, quantity, reason, "
            "serial_numbers, imeis, iccids, extras, unit_count, captured, fault) from stdin"
        ) as copy,
    ):
        for piece in text:
            copy.write(piece)


def record_loaded(
    conn: psycopg.Connection,
    file: int,
    *,
    batch: int | None,
    payload_sha256: bytes,
    file_sha256: bytes,
    signer: str,
    external_file_name: str | None,
) -> None:
    """Record that a file was accepted, in the transaction that inserts its batch.

    An acknowledgement has none.
    psycopg.errors.UniqueViolation says that the same content was accepted from elsewhere meanwhile.
    """
    conn.execute(
        """
        update inbound_file
           set status = 'LOADED', status_at = now(), batch_id = %(batch)s, attempts = 0,
               payload_sha256 = %(payload)s, file_sha256 = %(envelope)s, signer = %(signer)s,
               external_file_name = %(name)s
         where id = %(file)s
        """,
        {
            "file": file,
            "batch": batch,
            "payload": payload_sha256,
            "envelope": file_sha256,
            "signer": signer,
            "name": external_file_name,
        },
    )


def record_archived(conn: psycopg.Connection, file: int) -> None:
    """Record that a loaded file lies in the archive."""
    conn.execute(
        """
        update inbound_file set status = 'ARCHIVED', status_at = now()
         where id = %(file)s and status = 'LOADED'
        """,
        {"file": file},
    )


def record_repeat(
    conn: psycopg.Connection,
    file: int,
    *,
    repeats: int,
    payload_sha256: bytes,
    file_sha256: bytes,
    signer: str,
) -> None:
    """Record that a file repeats one that was accepted before."""
    conn.execute(
        """
        update inbound_file
           set status = 'REPEATED', status_at = now(), repeats_id = %(repeats)s,
               batch_id = (select batch_id from inbound_file where id = %(repeats)s),
               payload_sha256 = %(payload)s, file_sha256 = %(envelope)s, signer = %(signer)s
         where id = %(file)s
        """,
        {
            "file": file,
            "repeats": repeats,
            "payload": payload_sha256,
            "envelope": file_sha256,
            "signer": signer,
        },
    )


def record_quarantined(conn: psycopg.Connection, file: int, reason: Reason, sentence: str) -> bool:
    """Record that a claimed file is refused, before it is moved; False if it was decided before."""
    cursor = conn.execute(
        """
        update inbound_file
           set status = 'QUARANTINED', status_at = now(), reason = %(reason)s,
               sentence = %(sentence)s
         where id = %(file)s and status = 'CLAIMED'
        """,
        {"file": file, "reason": reason.value, "sentence": sentence},
    )
    return cursor.rowcount == 1


def record_acknowledged(
    conn: psycopg.Connection,
    warehouse: str,
    identifier: int,
    name: str,
    *,
    content_sha256: bytes | None,
    verdict: str,
    reason: str | None,
    message: str | None,
) -> bool:
    """Keep what a partner says with the file of ours that it means; False if there is none.

    Its latest word counts.
    """
    cursor = conn.execute(
        """
        update outbound_file
           set acknowledged_at = now(), verdict = %(verdict)s, reason = %(reason)s,
               sentence = %(message)s
         where id = %(id)s and warehouse_id = %(warehouse)s and name = %(name)s
           and (%(content)s::bytea is null or payload_sha256 = %(content)s)
        """,
        {
            "id": identifier,
            "warehouse": warehouse,
            "name": name,
            "content": content_sha256,
            "verdict": verdict,
            "reason": reason,
            "message": message,
        },
    )
    return cursor.rowcount == 1


def name_of_claim(conn: psycopg.Connection, warehouse: str, begin: str) -> str | None:
    """The partner's name of the file whose claim begins so."""
    row = conn.execute(
        "select partner_name from inbound_file "
        "where warehouse_id = %(warehouse)s and starts_with(claim_name, %(begin)s)",
        {"warehouse": warehouse, "begin": begin},
    ).fetchone()
    return None if row is None else str(row[0])


def known_claims(conn: psycopg.Connection, claims: list[str]) -> set[str]:
    """Which of these claim names the database has decided on: only then a file was archived."""
    rows = conn.execute(
        "select claim_name from inbound_file "
        "where claim_name = any(%(claims)s) and status not in ('CLAIMED', 'QUARANTINED')",
        {"claims": claims},
    ).fetchall()
    return {row[0] for row in rows}
