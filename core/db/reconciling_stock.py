"""Statements that find where the stock and its reservations contradict each other or the orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.db.reconciling import Found

if TYPE_CHECKING:
    import psycopg


def unowed(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Orders for which more is reserved than they still ask of the warehouse.

    Before it was requested an order asks for all that is owed of its items, then for what is open;
    one that has ended, or is in Error, for nothing.
    """
    rows = conn.execute(
        """
        select r.order_id, r.warehouse_id,
               format('%%s of %%s are reserved, the order is %%s and asks for %%s', r.quantity,
                      r.product_code, lower(replace(o.status, '_', ' ')), i.asked)
          from reservation r
          join sales_order o on o.id = r.order_id
         cross join lateral (
                select coalesce(sum(case
                           when o.status in ('NEW', 'AWAITING_GENERATION')
                               then quantity - dispatched_quantity - cancelled_quantity
                           when o.status = 'AWAITING_DISPATCH' then open_quantity
                           else 0 end), 0) as asked
                  from order_item
                 where order_id = r.order_id and product_code = r.product_code
                   and coalesce(warehouse_id, r.warehouse_id) = r.warehouse_id) i
         where r.quantity > i.asked
           and (%(among)s::bigint[] is null or r.order_id = any(%(among)s))
         order by r.order_id, r.warehouse_id, r.product_code
        """,
        {"among": among},
    ).fetchall()
    return [Found(*row) for row in rows]


def reserved_unlike_orders(conn: psycopg.Connection) -> list[tuple[str, str, int, int]]:
    """(warehouse, product, reserved, sum of the reservations) where these two disagree."""
    return conn.execute(
        """
        select s.warehouse_id, s.product_code, s.reserved, coalesce(r.quantity, 0)::bigint
          from stock s
          left join (select warehouse_id, product_code, sum(quantity) as quantity
                       from reservation group by warehouse_id, product_code) r
            using (warehouse_id, product_code)
         where s.reserved <> coalesce(r.quantity, 0)
         order by s.warehouse_id, s.product_code
        """
    ).fetchall()
