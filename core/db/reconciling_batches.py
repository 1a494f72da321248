"""Statements that find where the tables contradict themselves: batches and their files.

As core.db.reconciling; `among` are batch ids. Also the rows that are compared with the trees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core.db.reconciling import Found, found

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg


class SentFile(NamedTuple):
    """An outbound file, of a batch or an acknowledgement, as the database knows it."""

    name: str
    work: str
    """Its name in `work` before it is published."""
    tree: UUID
    byte_count: int
    file_sha256: bytes
    published: bool
    stage_status: str
    """Of its batch; an acknowledgement that was set aside is in Error, else In Progress."""


def lock_batches(conn: psycopg.Connection, batches: list[int]) -> None:
    """Lock these batches."""
    conn.execute(
        "select id from batch where id = any(%(batches)s) order by id for no key update",
        {"batches": batches},
    )


def record_count(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Batches whose record count is not the number of their details."""
    return found(
        conn,
        """
        with counted as (
            select batch_id, count(*) as details from (
                select batch_id from request_detail
                 where (%(among)s::bigint[] is null or batch_id = any(%(among)s))
                union all
                select batch_id from cancellation
                 where batch_id is not null
                   and (%(among)s::bigint[] is null or batch_id = any(%(among)s))
                union all
                select batch_id from dispatch_detail
                 where (%(among)s::bigint[] is null or batch_id = any(%(among)s))) detail
             group by batch_id
        )
        select b.id, b.warehouse_id,
               format('record count %%s, details %%s', b.record_count, coalesce(c.details, 0))
          from batch b
          left join counted c on c.batch_id = b.id
         where b.record_count <> coalesce(c.details, 0) and b.purged_at is null
           and (%(among)s::bigint[] is null or b.id = any(%(among)s))
        """,
        among,
    )


def stage_unlike_file(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Batches whose stage contradicts what is recorded of their file."""
    return found(
        conn,
        """
        select b.id, b.warehouse_id,
               format('%%s, %%s; the file is %%s', b.stage, b.stage_status,
                      case when f.id is null and b.direction = 'OUT' then 'not sealed'
                           when b.direction = 'OUT' and f.published_at is null then 'sealed'
                           when b.direction = 'OUT' then 'published'
                           else 'not accepted' end)
          from batch b
          left join outbound_file f on f.batch_id = b.id
         where (%(among)s::bigint[] is null or b.id = any(%(among)s))
           and case when b.direction = 'IN' then
                        b.entered_by is null and not exists (select from inbound_file i
                                     where i.batch_id = b.id and i.status in ('LOADED', 'ARCHIVED'))
                    when b.stage = 'Batch' then f.id is not null
                    when b.stage_status = 'In Progress' then
                        f.id is null or f.published_at is not null
                    when b.stage_status = 'Error' then f.published_at is not null
                    else (f.id is null and b.record_count > 0)
                         or (f.id is not null and f.published_at is null) end
        """,
        among,
    )


def stage_unlike_details(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Dispatch batches that are complete with records that were not applied."""
    return found(
        conn,
        """
        select b.id, b.warehouse_id, format('%%s records were not applied', count(*))
          from batch b
          join dispatch_detail d on d.batch_id = b.id
         where b.direction = 'IN' and b.stage = 'Batch' and b.stage_status = 'Complete'
           and d.applied_at is null
           and (%(among)s::bigint[] is null or b.id = any(%(among)s))
         group by b.id
        """,
        among,
    )


def sequence_behind(conn: psycopg.Connection) -> list[tuple[str, int, int]]:
    """(warehouse, counter, highest number of a file) where a counter is behind."""
    return conn.execute(
        """
        select w.id, w.file_sequence, max(f.file_sequence)
          from warehouse w join outbound_file f on f.warehouse_id = w.id
         group by w.id
        having max(f.file_sequence) > w.file_sequence
        union all
        select w.id, w.acknowledgement_sequence, max(a.number)
          from warehouse w join acknowledgement a on a.warehouse_id = w.id
         group by w.id
        having max(a.number) > w.acknowledgement_sequence
        """
    ).fetchall()


def sent_files(conn: psycopg.Connection, warehouse: str) -> list[SentFile]:
    """Every outbound file of a warehouse that was sealed."""
    rows = conn.execute(
        """
        select f.name, f.batch_id::text, f.tree_id, f.byte_count, f.file_sha256,
               f.published_at is not null, b.stage_status
          from outbound_file f join batch b on b.id = f.batch_id
         where f.warehouse_id = %(warehouse)s
        union all
        select name, 'acknowledgement-' || id, tree_id, byte_count, file_sha256,
               published_at is not null,
               case when set_aside_reason is null then 'In Progress' else 'Error' end
          from acknowledgement
         where warehouse_id = %(warehouse)s and sealed_at is not null
        """,
        {"warehouse": warehouse},
    ).fetchall()
    return [SentFile(*row) for row in rows]


def unsealed(conn: psycopg.Connection, warehouse: str) -> set[str]:
    """The names in `work` of what was not sealed: an attempt may have left a file there."""
    rows = conn.execute(
        """
        select b.id::text from batch b
         where b.warehouse_id = %(warehouse)s and b.direction = 'OUT'
           and (b.stage, b.stage_status) in (('Batch', 'Complete'), ('Extract/Load', 'Error'))
           and not exists (select from outbound_file f where f.batch_id = b.id)
        union all
        select 'acknowledgement-' || id from acknowledgement
         where warehouse_id = %(warehouse)s and sealed_at is null
        """,
        {"warehouse": warehouse},
    ).fetchall()
    return {row[0] for row in rows}


def received_files(conn: psycopg.Connection, warehouse: str) -> dict[str, str]:
    """Our name and the status of every inbound file of a warehouse."""
    rows = conn.execute(
        "select claim_name, status from inbound_file where warehouse_id = %(warehouse)s",
        {"warehouse": warehouse},
    ).fetchall()
    return dict(rows)
