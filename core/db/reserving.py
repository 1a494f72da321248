"""Statements that check the stock for orders and reserve it: thousands of orders a call.

Orders are locked first, then the rows of the stock that they may need, each by key and waiting for
whoever has them: SKIP LOCKED would sell twice what another session is about to sell. What is there
is read in the next statement, since the one that waited for a lock saw what was before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core.domain.stock import Allotment, Item, Place, allot
from core.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import psycopg

Key = tuple[str, str]
"""A warehouse and a product: the key of the stock."""
_LONGEST_REASON = 1000


def is_kept(conn: psycopg.Connection) -> bool:
    """Whether any stock is on record at all: else there is nothing to check."""
    return conn.execute("select exists (select from stock)").fetchone() == (True,)


def reserve(
    conn: psycopg.Connection, orders: Iterable[int], *, split: bool, submit: bool
) -> list[Allotment]:
    """Allot these orders in the order given, those that are not New any more left out.

    Of those that can be served the stock is reserved, each item of it that is kept in stock has its
    warehouse, and with `submit` they go on to Awaiting Generation. The others, which are `short`,
    stay New and say why: after Reason.OUT_OF_STOCK those that were to go on, which all_short()
    finds again. In a transaction of the caller's.
    """
    given = list(dict.fromkeys(orders))
    new = lock_new(conn, given)
    ids = [order for order in given if order in new]
    decided = _decide(conn, ids, items_of(conn, ids), split=split)
    place_items(conn, decided)
    told = f"{Reason.OUT_OF_STOCK}: " if submit else "short of stock: "
    tell(conn, decided, lead=told)
    if submit:
        go_on(conn, [one.order for one in decided if not one.short])
    return decided


def reserve_again(conn: psycopg.Connection, order: int) -> Allotment:
    """Reserve what is still owed of a locked order in Error, where it was to be served before.

    Nothing is written of one that is short.
    """
    (decided,) = _decide(conn, [order], {order: owed_items(conn, order)}, split=True)
    return decided


def _decide(
    conn: psycopg.Connection, ids: Sequence[int], items: dict[int, list[Item]], *, split: bool
) -> list[Allotment]:
    """Allot locked orders and write the reservations."""
    products = {item.product for each in items.values() for item in each}
    # Those that will be given back as well: their rows must not be locked out of turn.
    products |= reserved_products(conn, ids)
    locked = lock_products(conn, sorted(products))
    release(conn, ids)
    # What was put on record since the locks were taken is not ours to decide on.
    available = {key: units for key, units in available_of(conn, sorted(products)) if key in locked}
    if not available:
        return [Allotment(order) for order in ids]
    decided = allot(
        ((order, items.get(order, ())) for order in ids), available, places(conn), split=split
    )
    insert_reservations(conn, decided)
    return decided


def lock_new(conn: psycopg.Connection, orders: Sequence[int]) -> set[int]:
    """Lock those of these orders that are New, by id; their ids. Their items are fixed now."""
    rows = conn.execute(
        """
        select id from sales_order
         where id = any(%(orders)s) and status = 'NEW'
         order by id
           for no key update
        """,
        {"orders": orders},
    ).fetchall()
    return {row[0] for row in rows}


def reserved_products(conn: psycopg.Connection, orders: Sequence[int]) -> set[str]:
    """The products of which something is reserved for these orders."""
    rows = conn.execute(
        "select distinct product_code from reservation where order_id = any(%(orders)s)",
        {"orders": orders},
    ).fetchall()
    return {row[0] for row in rows}


def release(conn: psycopg.Connection, orders: Sequence[int]) -> None:
    """Give back what was reserved for them before: they are decided on afresh."""
    conn.execute("delete from reservation where order_id = any(%(orders)s)", {"orders": orders})


def items_of(conn: psycopg.Connection, orders: Sequence[int]) -> dict[int, list[Item]]:
    """The items of these orders, by number; with the warehouse that the seller has named."""
    items: dict[int, list[Item]] = {}
    rows = conn.execute(
        """
        select i.order_id, i.item_no, i.product_code, i.quantity,
               case when not i.allotted then i.warehouse_id end
          from unnest(%(orders)s::bigint[]) as o (id)
         cross join lateral (select * from order_item where order_id = o.id offset 0) i
         order by i.order_id, i.item_no
        """,
        {"orders": orders},
    )
    for order, *values in rows:
        items.setdefault(order, []).append(Item(*values))
    return items


def owed_items(conn: psycopg.Connection, order: int) -> list[Item]:
    """What is still owed of an order that was requested before, at its warehouses, by item.

    An item that none serves is left out: its place is fixed, and so it is refused elsewhere.
    """
    rows = conn.execute(
        """
        select i.item_no, i.product_code,
               i.quantity - i.open_quantity - i.dispatched_quantity - i.cancelled_quantity as owed,
               coalesce(i.warehouse_id, p.warehouse_id)
          from order_item i join product p on p.code = i.product_code
         where i.order_id = %(order)s and coalesce(i.warehouse_id, p.warehouse_id) is not null
           and i.quantity > i.open_quantity + i.dispatched_quantity + i.cancelled_quantity
         order by i.item_no
        """,
        {"order": order},
    ).fetchall()
    return [Item(*row) for row in rows]


def lock_products(conn: psycopg.Connection, products: Sequence[str]) -> set[Key]:
    """Lock the stock of these products at every warehouse, in key order; its keys."""
    rows = conn.execute(
        """
        select warehouse_id, product_code from stock
         where product_code = any(%(products)s)
         order by warehouse_id, product_code
           for no key update
        """,
        {"products": products},
    ).fetchall()
    return {(warehouse, product) for warehouse, product in rows}


def available_of(conn: psycopg.Connection, products: Sequence[str]) -> list[tuple[Key, int]]:
    """What is available of these products, by warehouse and product."""
    rows = conn.execute(
        """
        select warehouse_id, product_code, available from stock
         where product_code = any(%(products)s)
        """,
        {"products": products},
    ).fetchall()
    return [((warehouse, product), available) for warehouse, product, available in rows]


def places(conn: psycopg.Connection) -> list[Place]:
    """Every warehouse, the preferred first."""
    rows = conn.execute("select id, back_order from warehouse order by priority, id").fetchall()
    return [Place(*row) for row in rows]


def insert_reservations(conn: psycopg.Connection, decided: Sequence[Allotment]) -> None:
    """Reserve what was allotted; the rows of the stock count it by themselves."""
    rows = [
        (one.order, warehouse, product, quantity)
        for one in decided
        for (warehouse, product), quantity in one.reserved.items()
    ]
    conn.execute(
        """
        insert into reservation (order_id, warehouse_id, product_code, quantity)
        select order_id, warehouse_id, product_code, quantity
          from unnest(%(orders)s::bigint[], %(warehouses)s::text[], %(products)s::text[],
                      %(quantities)s::bigint[])
               as r (order_id, warehouse_id, product_code, quantity)
        """,
        {
            "orders": [row[0] for row in rows],
            "warehouses": [row[1] for row in rows],
            "products": [row[2] for row in rows],
            "quantities": [row[3] for row in rows],
        },
    )


def place_items(conn: psycopg.Connection, decided: Sequence[Allotment]) -> None:
    """Write its warehouse to each item that was allotted one; one that names it keeps it."""
    rows = [
        (one.order, item, warehouse) for one in decided for item, warehouse in one.places.items()
    ]
    conn.execute(
        """
        update order_item i set warehouse_id = a.warehouse_id, allotted = true
          from unnest(%(orders)s::bigint[], %(items)s::integer[], %(warehouses)s::text[])
               as a (order_id, item_no, warehouse_id)
         where i.order_id = a.order_id and i.item_no = a.item_no
           and (i.warehouse_id is null or i.allotted and i.warehouse_id <> a.warehouse_id)
        """,
        {
            "orders": [row[0] for row in rows],
            "items": [row[1] for row in rows],
            "warehouses": [row[2] for row in rows],
        },
    )


def tell(conn: psycopg.Connection, decided: Sequence[Allotment], *, lead: str) -> None:
    """Write to each short order why it stays New; of the others nothing is left of it."""
    conn.execute(
        """
        update sales_order o set status_reason = s.reason
          from unnest(%(orders)s::bigint[], %(reasons)s::text[]) as s (order_id, reason)
         where o.id = s.order_id and o.status_reason is distinct from s.reason
        """,
        {
            "orders": [one.order for one in decided],
            "reasons": [
                (lead + one.sentence)[:_LONGEST_REASON] if one.short else None for one in decided
            ],
        },
    )


def go_on(conn: psycopg.Connection, orders: Sequence[int]) -> None:
    """Move orders that are locked and New to Awaiting Generation."""
    conn.execute(
        """
        update sales_order
           set status = 'AWAITING_GENERATION', status_at = now(), status_reason = null
         where id = any(%(orders)s)
        """,
        {"orders": orders},
    )


class Waiting(NamedTuple):
    """A New order by its place in the line."""

    entered_at: datetime
    id: int


def all_short(conn: psycopg.Connection, after: Waiting | None, limit: int) -> list[Waiting]:
    """The next orders that stay New for want of stock, the oldest first."""
    rows = conn.execute(
        """
        select entered_at, id from sales_order
         where status = 'NEW' and starts_with(status_reason, %(reason)s)
           and (entered_at, id) > (coalesce(%(entered_at)s::timestamptz, '-infinity'), %(id)s)
         order by entered_at, id
         limit %(limit)s
        """,
        {
            "reason": Reason.OUT_OF_STOCK.value,
            "entered_at": after and after.entered_at,
            "id": after.id if after else 0,
            "limit": limit,
        },
    ).fetchall()
    return [Waiting(*row) for row in rows]
