"""Statements that take over what manifests tell of sent files, into a database that lost them.

All work over temporary tables that `stage` fills from the manifests of one warehouse, inside
the transaction that adopts it. The orders are locked before anything else is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.db.requests import ManifestLine
from core.domain.batch import Action

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import psycopg

TABLES = (
    """
    create temporary table adopt_file (
        name text primary key, action text, identifier bigint, file_id bigint, batch bigint,
        batch_id bigint, sequence bigint, tree uuid, payload bytea, sealed bytea, bytes bigint,
        published boolean, sealed_at timestamptz) on commit drop
    """,
    """
    create temporary table adopt_order (
        name text, place integer, order_id bigint, generation integer) on commit drop
    """,
    """
    create temporary table adopt_line (
        name text, line_id bigint, order_id bigint, generation integer, item_no integer,
        product_code text, quantity integer, unit_price numeric, serialised boolean,
        billable boolean, attributes text[]) on commit drop
    """,
    """
    create temporary table adopt_share (
        line_id bigint, order_id bigint, item_no integer, quantity integer) on commit drop
    """,
    # Orders whose cancellation a file asks for: they change nothing else.
    """
    create temporary table adopt_cancellation (
        name text, place integer, order_id bigint, generation integer) on commit drop
    """,
)


@dataclass(frozen=True, slots=True)
class SentFile:
    """A manifest, and what else is known of its file."""

    manifest: dict[str, Any]
    tree: UUID
    published: bool
    """False: the rename into the partner's directory has not happened yet."""
    sealed_at: datetime

    @property
    def action(self) -> Action:
        """What the file asks for; manifests of before cancellations were sent do not say."""
        return Action(self.manifest.get("action", Action.REQUEST))


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An order that was sent in a file and cannot be marked so."""

    order_id: int
    file: str
    why: str


def stage(conn: psycopg.Connection, files: Iterable[SentFile]) -> None:
    """Make the temporary tables and fill them."""
    for statement in TABLES:
        conn.execute(statement.encode())
    files = list(files)
    _copy(conn, "adopt_file (name, action, identifier, batch, sequence, tree, payload, sealed, "
                "bytes, published, sealed_at)", (_file_row(file) for file in files))  # fmt: skip
    asked = [file.manifest for file in files if file.action is Action.REQUEST]
    _copy(conn, "adopt_order", (row for one in asked for row in _order_rows(one)))
    _copy(conn, "adopt_line", (row for one in asked for row in _line_rows(one)))
    _copy(conn, "adopt_share", (row for one in asked for row in _share_rows(one)))
    cancels = [file.manifest for file in files if file.action is Action.CANCEL]
    _copy(conn, "adopt_cancellation", (row for one in cancels for row in _order_rows(one)))
    for table in ("adopt_file", "adopt_order", "adopt_line", "adopt_share", "adopt_cancellation"):
        conn.execute(f"analyze {table}".encode())


def _copy(conn: psycopg.Connection, target: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with conn.cursor() as cursor, cursor.copy(f"copy {target} from stdin".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _file_row(file: SentFile) -> tuple[Any, ...]:
    of = file.manifest
    payload, sealed = bytes.fromhex(of["payloadSha256"]), bytes.fromhex(of["fileSha256"])
    return (of["name"], file.action.value, of["identifier"], of["batch"], of["fileSequence"],
            file.tree, payload, sealed, of["byteCount"], file.published,
            file.sealed_at)  # fmt: skip


def _order_rows(manifest: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    for place, order in enumerate(manifest["orders"], 1):
        yield manifest["name"], place, order["id"], order["generation"]


def _lines(manifest: dict[str, Any]) -> Iterable[tuple[dict[str, Any], ManifestLine]]:
    for order in manifest["orders"]:
        for line in order["lines"]:
            yield order, ManifestLine(*line)


def _line_rows(manifest: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    for order, line in _lines(manifest):
        yield (manifest["name"], line.id, order["id"], order["generation"], line.item,
               line.product, line.quantity, line.unit_price, line.serialised,
               line.billable, line.attributes)  # fmt: skip


def _share_rows(manifest: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    for order, line in _lines(manifest):
        for item, quantity in line.shares or ():
            yield line.id, order["id"], item, quantity


def lock(conn: psycopg.Connection, warehouse: str) -> None:
    """Lock the warehouse, the batches that a staged order is in or a file names, and the orders."""
    conn.execute(
        "select id from warehouse where id = %(warehouse)s for no key update",
        {"warehouse": warehouse},
    )
    conn.execute(
        """
        select id from batch
         where id in (select d.batch_id from request_detail d
                        join adopt_order a on a.order_id = d.order_id)
            or id in (select c.batch_id from cancellation c
                        join adopt_cancellation a on a.order_id = c.order_id)
            or id in (select batch from adopt_file)
         order by id
           for no key update
        """
    )
    conn.execute(
        """
        select id from sales_order
         where id in (select order_id from adopt_order
                      union all select order_id from adopt_cancellation)
         order by id
           for no key update
        """
    )


def obstacles(conn: psycopg.Connection, warehouse: str) -> list[Obstacle]:
    """The staged orders that cannot be marked sent, each with the first reason."""
    rows = conn.execute(
        """
        with asked as (
            select p.order_id, p.item_no, p.product_code, p.unit_price, sum(p.quantity) as quantity
              from (select order_id, item_no, product_code, unit_price, quantity
                      from adopt_line where item_no is not null
                    union all
                    select s.order_id, s.item_no, l.product_code, l.unit_price, s.quantity
                      from adopt_share s join adopt_line l on l.line_id = s.line_id) p
             group by p.order_id, p.item_no, p.product_code, p.unit_price
        ), unlike as (
            select distinct a.order_id
              from asked a
              left join order_item i on i.order_id = a.order_id and i.item_no = a.item_no
             where i.order_id is null or i.product_code <> a.product_code
                or i.unit_price <> a.unit_price
                or a.quantity > i.quantity - i.dispatched_quantity - i.cancelled_quantity
        ), taken as (
            select a.order_id, min(r.order_id) as by_order
              from adopt_line a
              join request_line r on r.id = a.line_id
              join request_detail d on d.order_id = r.order_id and d.generation = r.generation
              join batch b on b.id = d.batch_id and b.warehouse_id = r.warehouse_id
              join outbound_file f on f.batch_id = b.id
             where (r.order_id, r.warehouse_id) is distinct from (a.order_id, %(warehouse)s)
             group by a.order_id
        ), sent as (
            select order_id, count(distinct generation) as times, count(*) as files
              from adopt_order group by order_id
        ), elsewhere as (
            select a.order_id, min(d.batch_id) as batch_id
              from adopt_order a
              join request_detail d on d.order_id = a.order_id and d.generation = a.generation
                                   and d.warehouse_id = %(warehouse)s
              join outbound_file f on f.batch_id = d.batch_id
             where f.published_at is not null
                or f.file_sequence not in (select sequence from adopt_file)
             group by a.order_id
        )
        select order_id, name, why from (
            select a.order_id, a.name,
                   case when o.id is null then
                            'the database does not know the order: enter it again under this id'
                        when n.times > 1 then
                            'it was sent, rejected and sent again: its answers come first'
                        when n.files > 1 then
                            'it was sent in two files: ask the warehouse which of them counts'
                        when e.order_id is not null then
                            'it is in batch ' || e.batch_id || ', which was sent as well: '
                            'ask the warehouse which of them counts'
                        when o.status in ('COMPLETE', 'CANCELLED') then
                            'the order is ' || o.status || ' here: ask the warehouse'
                        when o.generation not in (a.generation, a.generation - 1)
                          or o.generation = a.generation and o.status <> 'AWAITING_DISPATCH'
                          or o.generation < a.generation and o.status = 'AWAITING_DISPATCH' then
                            format('the order is at request %%s here, %%s; in the file at %%s',
                                   o.generation, o.status, a.generation)
                        when u.order_id is not null then
                            'the items of the order here are not those that were sent'
                        when t.order_id is not null then
                            'the id of a line was given to order ' || t.by_order || ' and sent'
                   end as why
              from adopt_order a
              join sent n on n.order_id = a.order_id
              left join sales_order o on o.id = a.order_id
              left join unlike u on u.order_id = a.order_id
              left join taken t on t.order_id = a.order_id
              left join elsewhere e on e.order_id = a.order_id
            union all
            select a.order_id, a.name,
                   case when o.id is null then
                            'the database does not know the order: enter it again under this id'
                   end
              from adopt_cancellation a left join sales_order o on o.id = a.order_id) judged
         where why is not null
         order by name, order_id
        """,
        {"warehouse": warehouse},
    ).fetchall()
    return [Obstacle(*row) for row in rows]


def leave_out(conn: psycopg.Connection, orders: list[int]) -> None:
    """Take orders out of what is staged."""
    conn.execute(
        """
        with shares as (delete from adopt_share where order_id = any(%(orders)s)),
             lines as (delete from adopt_line where order_id = any(%(orders)s)),
             cancels as (delete from adopt_cancellation where order_id = any(%(orders)s))
        delete from adopt_order where order_id = any(%(orders)s)
        """,
        {"orders": orders},
    )
