"""Statements that keep warehouses and products: what the console changes and the daemons read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

PRIORITY = 100
"""Of a warehouse that was given none."""


@dataclass(frozen=True, slots=True)
class WarehouseRow:
    """A warehouse as the console lists it."""

    id: str
    name: str
    granularity: str
    over_dispatch_percent: int
    priority: int
    back_order: bool
    file_sequence: int
    held_reason: str | None
    held_at: datetime | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    products: int


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A product as the console lists it."""

    code: str
    description: str
    warehouse_id: str | None
    serialised: bool
    billable: bool
    attributes: list[str]


def list_warehouses(conn: psycopg.Connection) -> list[WarehouseRow]:
    """Every warehouse, by id."""
    with conn.cursor(row_factory=class_row(WarehouseRow)) as cursor:
        return cursor.execute(
            """
            select w.id, w.name, w.granularity, w.over_dispatch_percent, w.priority, w.back_order,
                   w.file_sequence, w.held_reason, w.held_at, w.paused_at, w.paused_by,
                   w.pause_reason,
                   (select count(*) from product p where p.warehouse_id = w.id) as products
              from warehouse w order by w.id
            """
        ).fetchall()


def add_warehouse(
    conn: psycopg.Connection,
    warehouse: str,
    name: str,
    granularity: str,
    *,
    over_dispatch_percent: int = 0,
    priority: int = PRIORITY,
    back_order: bool = False,
) -> bool:
    """Add a warehouse; False if its id is taken."""
    return (
        conn.execute(
            """
            insert into warehouse (id, name, granularity, over_dispatch_percent, priority,
                                   back_order)
            values (%(id)s, %(name)s, %(granularity)s, %(percent)s, %(priority)s, %(back_order)s)
                on conflict (id) do nothing
            """,
            {
                "id": warehouse,
                "name": name,
                "granularity": granularity,
                "percent": over_dispatch_percent,
                "priority": priority,
                "back_order": back_order,
            },
        ).rowcount
        == 1
    )


def change_warehouse(  # one argument a column
    conn: psycopg.Connection,
    warehouse: str,
    *,
    name: str | None,
    granularity: str | None,
    over_dispatch_percent: int | None = None,
    priority: int | None = None,
    back_order: bool | None = None,
) -> bool:
    """Change what is not None; False if there is no such warehouse."""
    return (
        conn.execute(
            """
            update warehouse
               set name = coalesce(%(name)s::text, name),
                   granularity = coalesce(%(granularity)s::text, granularity),
                   over_dispatch_percent = coalesce(%(percent)s::integer, over_dispatch_percent),
                   priority = coalesce(%(priority)s::integer, priority),
                   back_order = coalesce(%(back_order)s::boolean, back_order)
             where id = %(id)s
            """,
            {
                "id": warehouse,
                "name": name,
                "granularity": granularity,
                "percent": over_dispatch_percent,
                "priority": priority,
                "back_order": back_order,
            },
        ).rowcount
        == 1
    )


def pause_warehouse(conn: psycopg.Connection, warehouse: str, reason: str) -> bool:
    """Stop batching, sealing and loading for a warehouse, in the name of who acts.

    False if it is paused already, or is not there.
    """
    return (
        conn.execute(
            """
            update warehouse
               set paused_at = now(), paused_by = left(acting(), 200), pause_reason = %(reason)s
             where id = %(id)s and paused_at is null
            """,
            {"id": warehouse, "reason": reason},
        ).rowcount
        == 1
    )


def resume_warehouse(conn: psycopg.Connection, warehouse: str) -> bool:
    """Go on with a warehouse; False if it is not paused."""
    return (
        conn.execute(
            """
            update warehouse set paused_at = null, paused_by = null, pause_reason = null
             where id = %(id)s and paused_at is not null
            """,
            {"id": warehouse},
        ).rowcount
        == 1
    )


def unknown_warehouses(conn: psycopg.Connection, warehouses: list[str]) -> set[str]:
    """Which of these are no warehouses."""
    rows = conn.execute(
        """
        select distinct named from unnest(%(ids)s::text[]) named
         where not exists (select from warehouse w where w.id = named)
        """,
        {"ids": warehouses},
    ).fetchall()
    return {row[0] for row in rows}


def import_products(conn: psycopg.Connection, products: str) -> tuple[int, int]:
    """Insert or change products, a JSON array of what the schema allows; (new, changed).

    No code may stand in it twice, and every warehouse has to be there.
    """
    row = conn.execute(
        """
        with merged as (
            insert into product (code, description, warehouse_id, serialised, billable, attributes)
            select p.code, p.description, p.warehouse, coalesce(p.serialised, false),
                   coalesce(p.billable, true),
                   array(select name from jsonb_array_elements_text(coalesce(p.attributes, '[]'))
                            with ordinality as a (name, place) order by place)
              from jsonb_to_recordset(%(products)s::jsonb)
                   as p (code text, description text, warehouse text, serialised boolean,
                         billable boolean, attributes jsonb)
             order by p.code
                on conflict (code) do update
               set description = excluded.description, warehouse_id = excluded.warehouse_id,
                   serialised = excluded.serialised, billable = excluded.billable,
                   attributes = excluded.attributes
             where (product.description, product.warehouse_id, product.serialised, product.billable,
                    product.attributes)
                   is distinct from
                   (excluded.description, excluded.warehouse_id, excluded.serialised,
                    excluded.billable, excluded.attributes)
            -- A row version that replaces another one carries the replacing transaction in xmax.
            returning xmax = 0 as new)
        select count(*) filter (where new), count(*) filter (where not new) from merged
        """,
        {"products": products},
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def list_products(
    conn: psycopg.Connection, *, warehouse: str | None, limit: int
) -> list[ProductRow]:
    """Products by code, of one warehouse or of all."""
    with conn.cursor(row_factory=class_row(ProductRow)) as cursor:
        return cursor.execute(
            """
            select code, description, warehouse_id, serialised, billable, attributes
              from product
             where %(warehouse)s::text is null or warehouse_id = %(warehouse)s
             order by code limit %(limit)s
            """,
            {"warehouse": warehouse, "limit": limit},
        ).fetchall()
