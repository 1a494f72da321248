"""Statements of sealing and publishing: what Extract to Generic reads, and what it records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.rows import class_row

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    import psycopg


@dataclass(frozen=True, slots=True)
class OutboundFile:
    """A sealed file; `id` is the identifier inside it."""

    id: int
    batch_id: int
    warehouse_id: str
    file_sequence: int
    name: str
    tree_id: UUID
    payload_sha256: bytes
    file_sha256: bytes
    byte_count: int


_COLUMNS = """id, batch_id, warehouse_id, file_sequence, name, tree_id, payload_sha256, file_sha256,
              byte_count"""


ORDER = """o.id, o.account_id, o.entered_at, o.delivery_method, o.delivery_instructions,
                   o.contact_name, o.contact_email, o.contact_phone, o.delivery_name,
                   o.delivery_lines, o.town, o.county, o.post_code, o.country, o.currency"""
"""The columns of core.documents' OrderRow."""


def lock_orders(conn: psycopg.Connection, batch: int) -> dict[int, tuple[Any, ...]]:
    """Lock the batch's orders by id, waiting for whoever cancels or holds one of them.

    Each by its id, in the columns of core.documents' OrderRow, as it is once it is locked.
    """
    with conn.cursor(binary=True) as cursor:
        rows = cursor.execute(
            f"""
            select {ORDER} from sales_order o
             where o.id = any (array(
                    select order_id from request_detail where batch_id = %(batch)s))
             order by o.id
               for no key update of o
            """.encode(),  # noqa: S608  # a constant of this module
            {"batch": batch},
        ).fetchall()
    return {row[0]: row for row in rows}


def drop_cancelled(conn: psycopg.Connection, batch: int) -> int:
    """Take out locked orders that await dispatch no more, or again but of a later generation.

    Lines of an earlier one are all settled: what was cancelled stays so when the rest is requested
    anew. So are these, where the rest of the order awaits another warehouse's word on its
    cancellation. How many.
    """
    return conn.execute(
        """
        with dropped as materialized (
            select d.sequence
              from request_detail d
              join batch b on b.id = d.batch_id
             -- Offsets and limits keep these one order's looks: else the whole tables are read.
             cross join lateral (select status, generation from sales_order
                                  where id = d.order_id offset 0) o
             where d.batch_id = %(batch)s
               and (o.status <> 'AWAITING_DISPATCH' or o.generation <> d.generation
                    -- Is true, so that nothing more is looked at where there is none.
                    or (select true from cancellation c where c.order_id = d.order_id limit 1)
                           is true
                       and (select true from request_line l
                             where l.order_id = d.order_id and l.generation = d.generation
                               and l.warehouse_id = b.warehouse_id
                               and l.dispatched + l.cancelled + l.rejected < l.quantity
                             limit 1) is null)
        )
        delete from request_detail d using dropped x
         where d.batch_id = %(batch)s and d.sequence = x.sequence
        """,
        {"batch": batch},
    ).rowcount


def requeue_held(conn: psycopg.Connection, batch: int, warehouse: str, *, checked: bool) -> int:
    """Give locked orders with an open hold back to the queue; how many.

    Where orders have to be `checked`, those too whose verdict counts no more.
    """
    return _requeue(
        conn,
        batch,
        warehouse,
        """(exists (select from order_hold h
                     where h.order_id = d.order_id and h.released_at is null)
            or %(checked)s and exists (select from fraud_check c
                                        where c.order_id = d.order_id and c.stale))""",
        checked=checked,
    )


def requeue(conn: psycopg.Connection, batch: int, warehouse: str) -> int:
    """Give all locked orders back to the queue; how many."""
    return _requeue(conn, batch, warehouse, "true")


def _requeue(
    conn: psycopg.Connection, batch: int, warehouse: str, which: str, *, checked: bool = False
) -> int:
    return conn.execute(
        f"""
        with given as (
            delete from request_detail d
             where d.batch_id = %(batch)s and {which}
            returning d.order_id, d.generation)
        insert into request_queue (warehouse_id, entered_at, order_id, generation,
                                   line_count, byte_count)
        select s.warehouse_id, o.entered_at, g.order_id, g.generation, s.line_count, s.byte_count
          from given g
          join sales_order o on o.id = g.order_id
          join lateral (select * from request_size z
                         where z.order_id = g.order_id and z.generation = g.generation
                           and z.warehouse_id = %(warehouse)s
                        -- An offset keeps it an order's own look: else all lines are summed up.
                        offset 0) s on true
        """.encode(),  # noqa: S608  # constants of ours
        {"batch": batch, "warehouse": warehouse, "checked": checked},
    ).rowcount


def remaining(conn: psycopg.Connection, batch: int) -> list[int]:
    """The ids of the batch's orders by sequence."""
    rows = conn.execute(
        "select order_id from request_detail where batch_id = %(batch)s order by sequence",
        {"batch": batch},
    ).fetchall()
    return [row[0] for row in rows]


class SentLine(NamedTuple):
    """A request line as line_rows() reads it: a RequestLineRow of core.documents, and more."""

    order_id: int
    line_id: int
    product_code: str
    description: str
    quantity: int
    unit_price: str
    serialised: bool
    attributes: list[str]
    generation: int
    item_no: int | None
    billable: bool
    shares: list[list[int]] | None
    """[item, quantity] of each item in a merged line."""


class ManifestLine(NamedTuple):
    """A line in a manifest, which has its columns once and each line as an array."""

    id: int
    item: int | None
    product: str
    quantity: int
    unit_price: str
    serialised: bool
    billable: bool
    attributes: list[str]
    shares: list[list[int]] | None
    """[item, quantity] of each item in a merged line."""


def line_rows(conn: psycopg.Connection, batch: int, warehouse: str) -> list[tuple[Any, ...]]:
    """The batch's request lines by sequence and id, as SentLine; a plain tuple each."""
    with conn.cursor(binary=True) as cursor:
        return cursor.execute(
            """
            with line as materialized (
                select d.sequence, l.order_id, l.id, l.product_code, l.quantity, l.unit_price,
                       l.serialised, l.attributes, l.generation, l.item_no, l.billable,
                       case when l.item_no is null then
                           (select array_agg(array[s.item_no, s.quantity] order by s.item_no)
                              from request_line_share s where s.line_id = l.id) end as shares
                  from request_detail d
                 cross join lateral (select * from request_line where order_id = d.order_id
                                        and generation = d.generation
                                        and warehouse_id = %(warehouse)s offset 0) l
                 where d.batch_id = %(batch)s
            )
            select l.order_id, l.id, l.product_code, p.description, l.quantity, l.unit_price::text,
                   l.serialised, l.attributes,
                   l.generation, l.item_no, l.billable, l.shares
              from line l join product p on p.code = l.product_code
             order by l.sequence, l.id
            """,
            {"batch": batch, "warehouse": warehouse},
        ).fetchall()


def manifest(file: OutboundFile, action: str, orders: list[dict[str, Any]]) -> dict[str, Any]:
    """The manifest of a file, of the orders that manifest_orders() gives: no personal data."""
    return {
        "identifier": file.id,
        "batch": file.batch_id,
        "warehouse": file.warehouse_id,
        "action": action,
        "fileSequence": file.file_sequence,
        "name": file.name,
        "tree": str(file.tree_id),
        "payloadSha256": file.payload_sha256.hex(),
        "fileSha256": file.file_sha256.hex(),
        "byteCount": file.byte_count,
        "lineColumns": ManifestLine._fields,
        "orders": orders,
    }


def manifest_orders(lines: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """What reconcile needs to know of the lines sent (SentLine): orders with id, generation, lines.

    Each line is the values of a ManifestLine.
    """
    orders: list[dict[str, Any]] = []
    of_order: list[tuple[Any, ...]] = []
    for row in lines:
        order, line, product, _, quantity, price, serialised, attributes, *rest = row
        generation, item, billable, shares = rest
        if not orders or orders[-1]["id"] != order:
            of_order = []
            orders.append({"id": order, "generation": generation, "lines": of_order})
        of_order.append(
            (line, item, product, quantity, price, serialised, billable, attributes, shares)
        )
    return orders


def next_identifier(conn: psycopg.Connection) -> int:
    """The identifier of the next file: unique, not gapless."""
    row = conn.execute("select nextval('outbound_file_id_seq')").fetchone()
    assert row is not None
    return int(row[0])


def insert_file(conn: psycopg.Connection, file: OutboundFile) -> None:
    """Record a sealed file."""
    conn.execute(
        """
        insert into outbound_file (id, batch_id, warehouse_id, file_sequence, name, tree_id,
                                   payload_sha256, file_sha256, byte_count)
        values (%(id)s, %(batch_id)s, %(warehouse_id)s, %(file_sequence)s, %(name)s, %(tree_id)s,
                %(payload_sha256)s, %(file_sha256)s, %(byte_count)s)
        """,
        {
            "id": file.id,
            "batch_id": file.batch_id,
            "warehouse_id": file.warehouse_id,
            "file_sequence": file.file_sequence,
            "name": file.name,
            "tree_id": file.tree_id,
            "payload_sha256": file.payload_sha256,
            "file_sha256": file.file_sha256,
            "byte_count": file.byte_count,
        },
    )


def set_record_count(conn: psycopg.Connection, batch: int, count: int) -> None:
    """Write how many records were sealed: cancelled and held orders have dropped out."""
    conn.execute(
        "update batch set record_count = %(count)s where id = %(batch)s",
        {"batch": batch, "count": count},
    )


def file_of(conn: psycopg.Connection, batch: int) -> OutboundFile | None:
    """The sealed file of a batch."""
    with conn.cursor(row_factory=class_row(OutboundFile)) as cursor:
        return cursor.execute(
            f"select {_COLUMNS} from outbound_file where batch_id = %(batch)s",  # noqa: S608
            {"batch": batch},
        ).fetchone()


def record_published(conn: psycopg.Connection, file: int) -> None:
    """Record that the partner can take the file."""
    conn.execute(
        "update outbound_file set published_at = now() where id = %(file)s", {"file": file}
    )


def not_taken(conn: psycopg.Connection, warehouse: str) -> list[tuple[int, str, UUID]]:
    """(identifier, name, tree) of the published files that the partner was not yet seen to take."""
    return conn.execute(
        """
        select id, name, tree_id from outbound_file
         where warehouse_id = %(warehouse)s and published_at is not null and taken_at is null
        """,
        {"warehouse": warehouse},
    ).fetchall()


def record_taken(conn: psycopg.Connection, files: list[int]) -> None:
    """Record that these files are gone from the outbound directory."""
    conn.execute(
        "update outbound_file set taken_at = now() where id = any(%(files)s)", {"files": files}
    )


def trees_of_sealed(conn: psycopg.Connection, warehouse: str) -> set[UUID]:
    """The trees that hold the warehouse's sealed and not yet published files."""
    rows = conn.execute(
        "select distinct tree_id from outbound_file "
        "where warehouse_id = %(warehouse)s and published_at is null",
        {"warehouse": warehouse},
    ).fetchall()
    return {row[0] for row in rows}
