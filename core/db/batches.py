"""Statements on batch headers, of either direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from core.domain.batch import BatchType

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from core.domain.batch import Stage


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch header."""

    id: int
    type: str
    warehouse_id: str
    stage: str
    stage_status: str
    record_count: int
    fraud_check_required: bool
    action: str
    """What the records of a request batch ask for."""
    created_at: datetime
    attempts: int


_COLUMNS = """id, type, warehouse_id, stage, stage_status, record_count, fraud_check_required,
              action, created_at, attempts"""


def waiting(conn: psycopg.Connection, type_: BatchType, stage: Stage) -> list[tuple[str, int]]:
    """Warehouses (id, number) that are not held and have a batch of this type at this stage.

    A pause stops what goes out; what was loaded before it is applied.
    """
    return conn.execute(
        """
        select w.id, w.number from warehouse w
         where w.held_reason is null and (w.paused_at is null or %(type)s <> %(out)s)
           and exists (select from batch b
                        where b.warehouse_id = w.id and b.type = %(type)s
                          and b.stage = %(stage)s and b.stage_status = %(status)s)
         order by w.number
        """,
        {
            "type": type_.value,
            "out": BatchType.REQUEST.value,
            "stage": stage.stage,
            "status": stage.status,
        },
    ).fetchall()


def next_of(
    conn: psycopg.Connection, warehouse: str, type_: BatchType, stage: Stage
) -> Batch | None:
    """The warehouse's next batch at this stage: by the partner's sequence, else time, else id."""
    with conn.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(
            f"""
            select {_COLUMNS} from batch
             where warehouse_id = %(warehouse)s and type = %(type)s
               and stage = %(stage)s and stage_status = %(status)s
             order by partner_sequence nulls last, received_at nulls last, id
             limit 1
            """,  # noqa: S608  # a constant of ours
            {
                "warehouse": warehouse,
                "type": type_.value,
                "stage": stage.stage,
                "status": stage.status,
            },
        ).fetchone()


def next_unpublished(conn: psycopg.Connection, warehouse: str) -> Batch | None:
    """The batch of the warehouse's first file that is sealed and not published, at any stage."""
    with conn.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(
            f"""
            select {_COLUMNS} from batch
             where id = (select f.batch_id from outbound_file f
                          where f.warehouse_id = %(warehouse)s and f.published_at is null
                          order by f.file_sequence limit 1)
            """,  # noqa: S608  # a constant of ours
            {"warehouse": warehouse},
        ).fetchone()


def lock(conn: psycopg.Connection, batch: int, stage: Stage) -> Batch | None:
    """Lock the header if it is still at this stage, waiting for whoever has it; else None."""
    with conn.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(
            f"""
            select {_COLUMNS} from batch
             where id = %(batch)s and stage = %(stage)s and stage_status = %(status)s
               for no key update
            """,  # noqa: S608  # a constant of ours
            {"batch": batch, "stage": stage.stage, "status": stage.status},
        ).fetchone()


def count_attempt(conn: psycopg.Connection, batch: int, *, afresh: bool) -> int:
    """Count that work on the batch begins, before it does: the attempts so far, this one included.

    `afresh` forgets the earlier ones: they ended in an error that was handled, not in a crash.
    """
    row = conn.execute(
        "update batch set attempts = case when %(afresh)s then 1 else attempts + 1 end "
        "where id = %(batch)s returning attempts",
        {"batch": batch, "afresh": afresh},
    ).fetchone()
    assert row is not None
    return int(row[0])


def excuse(conn: psycopg.Connection, batch: int) -> None:
    """Forget an attempt that ended in an error which was handled."""
    conn.execute(
        "update batch set attempts = attempts - 1 where id = %(batch)s and attempts > 0",
        {"batch": batch},
    )


def move(
    conn: psycopg.Connection,
    batch: int,
    stage: Stage,
    *,
    reason: str | None = None,
    sentence: str | None = None,
) -> None:
    """Move a locked batch to a stage, its attempts forgotten; illegal moves are refused."""
    conn.execute(
        """
        update batch set stage = %(stage)s, stage_status = %(status)s, stage_at = now(),
                         attempts = 0, reason = %(reason)s, sentence = %(sentence)s
         where id = %(batch)s
        """,
        {
            "batch": batch,
            "stage": stage.stage,
            "status": stage.status,
            "reason": reason,
            "sentence": sentence,
        },
    )


def count(conn: psycopg.Connection, type_: BatchType, stage: Stage) -> int:
    """How many batches of this type stand at this stage."""
    row = conn.execute(
        """
        select count(*) from batch
         where type = %(type)s and stage = %(stage)s and stage_status = %(status)s
        """,
        {"type": type_.value, "stage": stage.stage, "status": stage.status},
    ).fetchone()
    assert row is not None
    return int(row[0])
