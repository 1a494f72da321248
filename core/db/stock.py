"""Statements on the stock as goods go out and come back: in the transaction that records it.

Last of all in that transaction but for the settlement: orders and lines are locked and counted
before, the stock then in key order, one row a product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from core.db.applying import Range

_LOOKED_UP = "limit (select 1000000000)"
"""Limits nothing, and has each row looked up by its key: see core.db.applying."""
_OPEN = """
    cross join lateral (
        select coalesce(sum(i.open_quantity), 0)::bigint as open
          from (select * from order_item
                 where order_id = r.order_id and product_code = r.product_code offset 0) i
         where coalesce(i.warehouse_id, (select p.warehouse_id from product p
                                          where p.code = i.product_code)) = r.warehouse_id) o"""
"""What a requested order's items of a reserved product have open at its warehouse."""
_LESSENED = f"""
    ended as (
        delete from reservation r
         using (select * from rest where quantity = 0 {_LOOKED_UP}) x
         where r.order_id = x.order_id and r.warehouse_id = x.warehouse_id
           and r.product_code = x.product_code
    )
    update reservation r set quantity = x.quantity
      from (select * from rest where quantity > 0 and quantity < had {_LOOKED_UP}) x
     where r.order_id = x.order_id and r.warehouse_id = x.warehouse_id
       and r.product_code = x.product_code"""  # noqa: S608  # constants of ours
"""Brings the reservations in `rest` to their quantity, which is not more than they `had`."""


class Unrecorded(NamedTuple):
    """What was dispatched and had never been on record."""

    products: int = 0
    units: int = 0


def is_kept(conn: psycopg.Connection, warehouse: str) -> bool:
    """Whether any stock of this warehouse is on record."""
    row = conn.execute(
        "select exists (select from stock where warehouse_id = %(warehouse)s)",
        {"warehouse": warehouse},
    ).fetchone()
    return row == (True,)


def take(
    conn: psycopg.Connection, of: Range, back: Sequence[tuple[str, str, int]] = ()
) -> Unrecorded:
    """Take what the good records dispatched from on hand and from the reservations together.

    After apply_lines() and before settle(). What they brought `back`, as put_back() has it, is put
    on hand first: all rows that either needs are locked at once, or two sessions could each have
    what the other waits for. A reservation keeps what its order has open and no more, so that units
    that were cancelled or rejected are free again. What others have reserved stays theirs: a unit
    beyond on hand less reserved was never on record, and counts as `unrecorded`.

    What was dispatched beyond what was asked is not taken: whether it comes back a person decides,
    with the warehouse, and counts the stock if it does not.
    """
    rows = _moved(conn, of)
    if not rows and not back:
        return Unrecorded()
    moved_keys = {(of.warehouse, product) for _, product, _ in rows}
    lock(conn, sorted(moved_keys | {(warehouse, product) for warehouse, product, _ in back}))
    if back:
        put_back(conn, back)
    if not rows:
        return Unrecorded()
    moved: dict[str, object] = {
        "warehouse": of.warehouse,
        "orders": [row[0] for row in rows],
        "products": [row[1] for row in rows],
        "quantities": [row[2] for row in rows],
    }
    _take_reserved(conn, moved)
    return _take_on_hand(conn, moved)


def _moved(conn: psycopg.Connection, of: Range) -> list[tuple[int, str, int]]:
    """(order, product, units dispatched) of the good records, of products kept in stock alone.

    None were dispatched where units were but cancelled or rejected. Returns are none of this: of an
    order that was regenerated they would end what is reserved for what is not requested yet.
    """
    return conn.execute(
        """
        select r.order_id, r.product_code,
               coalesce(sum(l.quantity - l.excess)
                            filter (where l.status = 'DISPATCHED'), 0)::bigint
          from dispatch_detail d
         -- The offsets keep these looks by key, whatever the statistics say.
         cross join lateral (select * from dispatch_line
                              where batch_id = d.batch_id and sequence = d.sequence
                                and status <> 'BACK_ORDERED' offset 0) l
         cross join lateral (select * from request_line where id = l.line_id offset 0) r
         cross join lateral (select from stock where warehouse_id = %(warehouse)s
                                and product_code = r.product_code offset 0) s
         where d.batch_id = %(batch)s and d.sequence between %(low)s and %(high)s
           and d.applied_at is null and d.reason is null and d.status <> 'RETURNED'
         group by r.order_id, r.product_code
        """,
        of.parameters,
    ).fetchall()


def lock(conn: psycopg.Connection, keys: Sequence[tuple[str, str]]) -> None:
    """Lock the rows of the stock with these warehouses and products, in key order."""
    conn.execute(
        """
        select from stock s
         where (s.warehouse_id, s.product_code) in (
                select w, p from unnest(%(warehouses)s::text[], %(products)s::text[]) as k (w, p))
         order by s.warehouse_id, s.product_code
           for no key update of s
        """,
        {"warehouses": [key[0] for key in keys], "products": [key[1] for key in keys]},
    )


def _take_reserved(conn: psycopg.Connection, moved: dict[str, object]) -> None:
    conn.execute(
        f"""
        with rest as materialized (
            select r.order_id, r.warehouse_id, r.product_code, r.quantity as had,
                   greatest(0, least(r.quantity - m.quantity, o.open)) as quantity
              from unnest(%(orders)s::bigint[], %(products)s::text[], %(quantities)s::bigint[])
                   as m (order_id, product_code, quantity)
             cross join lateral (
                    select * from reservation
                     where order_id = m.order_id and warehouse_id = %(warehouse)s
                       and product_code = m.product_code offset 0) r {_OPEN}
        ), {_LESSENED}
        """,  # noqa: S608  # constants of ours
        moved,
    )


def _take_on_hand(conn: psycopg.Connection, moved: dict[str, object]) -> Unrecorded:
    row = conn.execute(
        f"""
        with change as materialized (
            select s.warehouse_id, s.product_code,
                   greatest(s.reserved, s.on_hand - m.quantity) as on_hand,
                   greatest(0, s.reserved + m.quantity - s.on_hand) as missing
              from (select product_code, sum(quantity)::bigint as quantity
                      from unnest(%(products)s::text[], %(quantities)s::bigint[])
                           as m (product_code, quantity)
                     group by product_code having sum(quantity) > 0) m
             cross join lateral (
                    select * from stock
                     where warehouse_id = %(warehouse)s and product_code = m.product_code
                    offset 0) s
        ), taken as (
            update stock s
               set on_hand = c.on_hand, unrecorded = s.unrecorded + c.missing
              from (select * from change {_LOOKED_UP}) c
             where s.warehouse_id = c.warehouse_id and s.product_code = c.product_code
        )
        select count(*) filter (where missing > 0), coalesce(sum(missing), 0)::bigint from change
        """,  # noqa: S608  # constants of ours
        moved,
    ).fetchone()
    assert row is not None
    return Unrecorded(*row)


def release_excess(conn: psycopg.Connection, orders: Sequence[int]) -> None:
    """Let locked orders in Awaiting Dispatch keep reserved what they have open, and no more.

    For whoever closes a part of an order; one that ends, or comes to Error, has its reservations
    released by the database itself.
    """
    conn.execute(
        f"""
        with rest as materialized (
            select r.order_id, r.warehouse_id, r.product_code, r.quantity as had,
                   least(r.quantity, o.open) as quantity
              from unnest(%(orders)s::bigint[]) as w (id)
             cross join lateral (select * from reservation where order_id = w.id offset 0) r {_OPEN}
        ), {_LESSENED}
        """,  # noqa: S608  # constants of ours
        {"orders": orders},
    )


def put_back(conn: psycopg.Connection, returned: Sequence[tuple[str, str, int]]) -> int:
    """Put units back on hand, each (warehouse, product, quantity); how many are on record again.

    Several of one warehouse and product count together. A product that is not kept there stays so.
    In the transaction that records the return, after its orders and lines are locked.
    """
    lock(conn, [(warehouse, product) for warehouse, product, _ in returned])
    row = conn.execute(
        """
        with back as materialized (
            select warehouse_id, product_code, sum(quantity)::bigint as quantity
              from unnest(%(warehouses)s::text[], %(products)s::text[], %(quantities)s::bigint[])
                   as r (warehouse_id, product_code, quantity)
             group by warehouse_id, product_code
        ), put as (
            update stock s set on_hand = s.on_hand + b.quantity
              from back b
             where s.warehouse_id = b.warehouse_id and s.product_code = b.product_code
            returning b.quantity)
        select coalesce(sum(quantity), 0)::bigint from put
        """,
        {
            "warehouses": [one[0] for one in returned],
            "products": [one[1] for one in returned],
            "quantities": [one[2] for one in returned],
        },
    ).fetchone()
    assert row is not None
    return int(row[0])
