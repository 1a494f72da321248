"""Statements that count the stock and show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import psycopg


@dataclass(frozen=True, slots=True)
class Count:
    """How much of a product a warehouse has on hand."""

    warehouse: str
    product: str
    on_hand: int


@dataclass(frozen=True, slots=True)
class StockRow:
    """The stock of a product at a warehouse, as the console shows it."""

    warehouse_id: str
    product_code: str
    description: str
    on_hand: int
    reserved: int
    available: int
    unrecorded: int


def judge(conn: psycopg.Connection, counts: Sequence[Count]) -> list[tuple[int, str, int]]:
    """What cannot be written: (place in `counts`, reason, what is reserved). Under stock.lock()."""
    return conn.execute(
        """
        select c.place - 1,
               case when w.id is null then 'UNKNOWN_WAREHOUSE'
                    when p.code is null then 'UNKNOWN_PRODUCT' else 'BELOW_RESERVED' end,
               coalesce(s.reserved, 0)
          from unnest(%(warehouses)s::text[], %(products)s::text[], %(on_hand)s::bigint[])
               with ordinality as c (warehouse_id, product_code, on_hand, place)
          left join warehouse w on w.id = c.warehouse_id
          left join product p on p.code = c.product_code
          left join stock s on s.warehouse_id = c.warehouse_id
                           and s.product_code = c.product_code
         where w.id is null or p.code is null or s.reserved > c.on_hand
         order by c.place
        """,
        _columns(counts),
    ).fetchall()


def write(conn: psycopg.Connection, counts: Sequence[Count]) -> tuple[int, int]:
    """Write the counts, each key once; (new, changed). What was unrecorded is known now."""
    row = conn.execute(
        """
        with counted as (
            insert into stock (warehouse_id, product_code, on_hand)
            select warehouse_id, product_code, on_hand
              from unnest(%(warehouses)s::text[], %(products)s::text[], %(on_hand)s::bigint[])
                   as c (warehouse_id, product_code, on_hand)
             order by warehouse_id collate "C", product_code collate "C"
                on conflict (warehouse_id, product_code) do update
               set on_hand = excluded.on_hand, unrecorded = 0
             where (stock.on_hand, stock.unrecorded) <> (excluded.on_hand, 0)
            -- A row version that replaces another one carries the replacing transaction in xmax.
            returning xmax = 0 as new)
        select count(*) filter (where new), count(*) filter (where not new) from counted
        """,
        _columns(counts),
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _columns(counts: Sequence[Count]) -> dict[str, list[object]]:
    return {
        "warehouses": [one.warehouse for one in counts],
        "products": [one.product for one in counts],
        "on_hand": [one.on_hand for one in counts],
    }


def forget(conn: psycopg.Connection, warehouse: str, product: str) -> bool:
    """Take a product out of a warehouse's stock; False if it is not kept, or some is reserved."""
    return (
        conn.execute(
            """
            delete from stock
             where warehouse_id = %(warehouse)s and product_code = %(product)s and reserved = 0
            """,
            {"warehouse": warehouse, "product": product},
        ).rowcount
        == 1
    )


@dataclass(frozen=True, slots=True)
class ReservationRow:
    """What is reserved for an order, as the console shows it."""

    order_id: int
    reference: str | None
    status: str
    entered_at: datetime
    product_code: str
    warehouse_id: str
    quantity: int


def list_reservations(
    conn: psycopg.Connection, *, warehouse: str | None, product: str | None, limit: int
) -> list[ReservationRow]:
    """What is reserved, the oldest orders first, of a warehouse or product or of all."""
    with conn.cursor(row_factory=class_row(ReservationRow)) as cursor:
        return cursor.execute(
            """
            select r.order_id, o.reference, o.status, o.entered_at, r.product_code,
                   r.warehouse_id, r.quantity
              from reservation r join sales_order o on o.id = r.order_id
             where (%(warehouse)s::text is null or r.warehouse_id = %(warehouse)s)
               and (%(product)s::text is null or r.product_code = %(product)s)
             order by o.entered_at, r.order_id, r.product_code, r.warehouse_id
             limit %(limit)s
            """,
            {"warehouse": warehouse, "product": product, "limit": limit},
        ).fetchall()


def list_stock(
    conn: psycopg.Connection, *, warehouse: str | None, product: str | None, limit: int
) -> list[StockRow]:
    """The stock by product and warehouse, of one of them or of all."""
    with conn.cursor(row_factory=class_row(StockRow)) as cursor:
        return cursor.execute(
            """
            select s.warehouse_id, s.product_code, p.description, s.on_hand, s.reserved,
                   s.available, s.unrecorded
              from stock s join product p on p.code = s.product_code
             where (%(warehouse)s::text is null or s.warehouse_id = %(warehouse)s)
               and (%(product)s::text is null or s.product_code = %(product)s)
             order by s.product_code, s.warehouse_id
             limit %(limit)s
            """,
            {"warehouse": warehouse, "product": product, "limit": limit},
        ).fetchall()
