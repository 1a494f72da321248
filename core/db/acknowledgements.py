"""Statements on the acknowledgements that we send: made by one daemon, published by another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.rows import class_row

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from core.errors import Reason


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a partner is told of a file of its own; `id` is the identifier inside it.

    From `number` on it is None until it is sealed.
    """

    id: int
    warehouse_id: str
    verdict: str
    file_name: str
    external_file_name: str | None
    file_sequence: int | None
    content_sha256: bytes | None
    reason: str | None
    sentence: str | None
    records: list[dict[str, Any]]
    created_at: datetime
    attempts: int
    number: int | None
    name: str | None
    tree_id: UUID | None
    payload_sha256: bytes | None
    file_sha256: bytes | None
    byte_count: int | None

    @property
    def work(self) -> str:
        """Its name in out/work, where batches have their numbers."""
        return f"acknowledgement-{self.id}"


@dataclass(frozen=True, slots=True)
class SealedFile:
    """What is recorded of an acknowledgement when it is sealed."""

    number: int
    name: str
    tree_id: UUID
    payload_sha256: bytes
    file_sha256: bytes
    byte_count: int


_COLUMNS = """id, warehouse_id, verdict, file_name, external_file_name, file_sequence,
              content_sha256, reason, sentence, records, created_at, attempts, number, name,
              tree_id, payload_sha256, file_sha256, byte_count"""


class Answers(NamedTuple):
    """What a warehouse has said of the files that were sealed for it since a moment."""

    warehouse: str
    sealed: int
    latest: str | None
    """ACCEPTED or REJECTED, of the latest file that it has answered; None of none."""


def answers_since(conn: psycopg.Connection, moment: datetime) -> list[Answers]:
    """By warehouse how many files were sealed since then, and the latest answer to one of them."""
    rows = conn.execute(
        """
        select w.id, count(f.id),
               (array_agg(f.verdict order by f.file_sequence desc)
                    filter (where f.verdict is not null))[1]
          from warehouse w
          left join outbound_file f on f.warehouse_id = w.id and f.sealed_at > %(moment)s
         group by w.id order by w.id
        """,
        {"moment": moment},
    ).fetchall()
    return [Answers(*row) for row in rows]


def insert_verdict(  # noqa: PLR0913  # what is known of a file, each once
    conn: psycopg.Connection,
    *,
    file: int,
    warehouse: str,
    file_name: str,
    verdict: str,
    batch: int | None = None,
    external_file_name: str | None = None,
    file_sequence: int | None = None,
    content_sha256: bytes | None = None,
    reason: Reason | None = None,
    sentence: str | None = None,
) -> None:
    """Have a partner told our verdict on a file, in the transaction that passes it."""
    conn.execute(
        """
        insert into acknowledgement (warehouse_id, verdict, inbound_file_id, batch_id, file_name,
                                     external_file_name, file_sequence, content_sha256, reason,
                                     sentence)
        values (%(warehouse)s, %(verdict)s, %(file)s, %(batch)s, %(name)s, %(external)s,
                %(sequence)s, %(content)s, %(reason)s, %(sentence)s)
        """,
        {
            "warehouse": warehouse,
            "verdict": verdict,
            "file": file,
            "batch": batch,
            "name": file_name,
            "external": external_file_name,
            "sequence": file_sequence,
            "content": content_sha256,
            "reason": reason,
            "sentence": sentence,
        },
    )


def insert_processed(conn: psycopg.Connection, batch: int) -> None:
    """Have a partner told which records of a batch stand refused, if its file was acknowledged.

    In the transaction that ends the batch: what is told is what is so at that moment.
    """
    conn.execute(
        """
        insert into acknowledgement (warehouse_id, verdict, inbound_file_id, batch_id, file_name,
                                     external_file_name, file_sequence, content_sha256, records)
        select a.warehouse_id, 'PROCESSED', a.inbound_file_id, a.batch_id, a.file_name,
               a.external_file_name, a.file_sequence, a.content_sha256,
               (select coalesce(jsonb_agg(
                           jsonb_strip_nulls(jsonb_build_object(
                               'sequence', d.sequence, 'orderId', d.order_ref,
                               'dispatchId', d.dispatch_id, 'reason', d.reason,
                               'message', left(nullif(d.sentence, ''), 1000)))
                           order by d.sequence), '[]')
                  from dispatch_detail d
                 where d.batch_id = a.batch_id and d.applied_at is null)
          from acknowledgement a
         where a.batch_id = %(batch)s and a.verdict = 'ACCEPTED'
         order by a.id limit 1
        """,
        {"batch": batch},
    )


def waiting(conn: psycopg.Connection) -> list[tuple[str, int]]:
    """Warehouses (id, number), neither held nor paused, with something to seal or publish."""
    return conn.execute(
        """
        select w.id, w.number from warehouse w
         where w.held_reason is null and w.paused_at is null
           and exists (select from acknowledgement a
                        where a.warehouse_id = w.id and a.published_at is null
                          and a.set_aside_reason is null)
         order by w.number
        """
    ).fetchall()


def next_unpublished(conn: psycopg.Connection, warehouse: str) -> Acknowledgement | None:
    """The next one to be sealed or published; what is sealed comes first, by its number."""
    with conn.cursor(row_factory=class_row(Acknowledgement)) as cursor:
        return cursor.execute(
            f"""
            select {_COLUMNS} from acknowledgement
             where warehouse_id = %(warehouse)s and published_at is null
               and set_aside_reason is null
             order by number nulls last, id limit 1
            """,  # noqa: S608  # a constant of ours
            {"warehouse": warehouse},
        ).fetchone()


def lock(conn: psycopg.Connection, identity: int) -> Acknowledgement | None:
    """Lock one that is not published yet, waiting for whoever has it; else None."""
    with conn.cursor(row_factory=class_row(Acknowledgement)) as cursor:
        return cursor.execute(
            f"""
            select {_COLUMNS} from acknowledgement
             where id = %(id)s and published_at is null and set_aside_reason is null
               for no key update
            """,  # noqa: S608  # a constant of ours
            {"id": identity},
        ).fetchone()


def count_attempt(conn: psycopg.Connection, identity: int, *, afresh: bool) -> int:
    """Count that work on it begins, before it does: as core.db.batches does of a batch."""
    row = conn.execute(
        "update acknowledgement set attempts = case when %(afresh)s then 1 else attempts + 1 end "
        "where id = %(id)s returning attempts",
        {"id": identity, "afresh": afresh},
    ).fetchone()
    assert row is not None
    return int(row[0])


def excuse(conn: psycopg.Connection, identity: int) -> None:
    """Forget an attempt that ended in an error which was handled."""
    conn.execute(
        "update acknowledgement set attempts = attempts - 1 where id = %(id)s and attempts > 0",
        {"id": identity},
    )


def set_aside(conn: psycopg.Connection, identity: int, reason: Reason) -> None:
    """Try it no more by itself."""
    conn.execute(
        "update acknowledgement set set_aside_reason = %(reason)s where id = %(id)s",
        {"id": identity, "reason": reason.value},
    )


def next_number(conn: psycopg.Connection, warehouse: str) -> int:
    """Give out the next gapless number; the warehouse's row stays locked until commit."""
    row = conn.execute(
        """
        update warehouse set acknowledgement_sequence = acknowledgement_sequence + 1
         where id = %(warehouse)s returning acknowledgement_sequence
        """,
        {"warehouse": warehouse},
    ).fetchone()
    assert row is not None
    return int(row[0])


def record_sealed(conn: psycopg.Connection, identity: int, file: SealedFile) -> None:
    """Record the file of a locked acknowledgement; its attempts begin anew."""
    conn.execute(
        """
        update acknowledgement
           set number = %(number)s, name = %(name)s, tree_id = %(tree)s,
               payload_sha256 = %(payload)s, file_sha256 = %(file)s, byte_count = %(bytes)s,
               sealed_at = now(), attempts = 1
         where id = %(id)s
        """,
        {
            "id": identity,
            "number": file.number,
            "name": file.name,
            "tree": file.tree_id,
            "payload": file.payload_sha256,
            "file": file.file_sha256,
            "bytes": file.byte_count,
        },
    )


def record_published(conn: psycopg.Connection, identity: int) -> None:
    """Record that the partner can take it."""
    conn.execute(
        "update acknowledgement set published_at = now(), attempts = 0 where id = %(id)s",
        {"id": identity},
    )


def manifest(of: Acknowledgement) -> dict[str, Any]:
    """What reconcile needs to know of a sealed one when the database has forgotten it."""
    assert of.payload_sha256 is not None
    assert of.file_sha256 is not None
    return {
        "identifier": of.id,
        "warehouse": of.warehouse_id,
        "acknowledgementSequence": of.number,
        "name": of.name,
        "verdict": of.verdict,
        "reason": of.reason,
        "fileName": of.file_name,
        "tree": str(of.tree_id),
        "payloadSha256": of.payload_sha256.hex(),
        "fileSha256": of.file_sha256.hex(),
        "byteCount": of.byte_count,
    }


def not_taken(conn: psycopg.Connection, warehouse: str) -> list[tuple[int, str, UUID]]:
    """(identifier, name, tree) of those that the partner was not yet seen to take."""
    return conn.execute(
        """
        select id, name, tree_id from acknowledgement
         where warehouse_id = %(warehouse)s and published_at is not null and taken_at is null
        """,
        {"warehouse": warehouse},
    ).fetchall()


def untaken(conn: psycopg.Connection, warehouse: str, limit: int) -> int:
    """How many lie in the partner's directory, counted up to the limit."""
    row = conn.execute(
        """
        select count(*) from (
            select from acknowledgement
             where warehouse_id = %(warehouse)s and published_at is not null and taken_at is null
             limit %(limit)s) lying
        """,
        {"warehouse": warehouse, "limit": limit},
    ).fetchone()
    assert row is not None
    return int(row[0])


def record_taken(conn: psycopg.Connection, identities: list[int]) -> None:
    """Record that these are gone from the outbound directory."""
    conn.execute(
        "update acknowledgement set taken_at = now() where id = any(%(ids)s)", {"ids": identities}
    )


def trees_of_sealed(conn: psycopg.Connection, warehouse: str) -> set[UUID]:
    """The trees that hold the warehouse's sealed and not yet published acknowledgements."""
    rows = conn.execute(
        """
        select distinct tree_id from acknowledgement
         where warehouse_id = %(warehouse)s and published_at is null and set_aside_reason is null
           and tree_id is not null
        """,
        {"warehouse": warehouse},
    ).fetchall()
    return {row[0] for row in rows}


def waiting_count(conn: psycopg.Connection) -> int:
    """How many wait to be sealed or published."""
    row = conn.execute(
        "select count(*) from acknowledgement "
        "where published_at is null and set_aside_reason is null"
    ).fetchone()
    assert row is not None
    return int(row[0])
