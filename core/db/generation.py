"""Statements that turn orders into request lines: the first half of Request Extract.

What belongs to an order is looked up `cross join lateral (... offset 0)`: the offset keeps it a
look of its own through the index for each order in hand. Without it the planner, who may have no
statistics of tables that have just been filled, reads the whole table instead, each time. What was
looked up so is materialised before products and warehouses join it: not to read those each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.order import Unfit
from core.errors import Reason

if TYPE_CHECKING:
    import psycopg

    from core.domain.order import GenerateLimits


LONGEST_LINE = 1_000_000
"""Units that one request line can carry: the schema's limit of a quantity."""
NO_ITEMS = (0, Reason.NO_ITEMS, None)
"""What judging finds of an order without items: its units, the reason, the items at fault."""


def see_one_moment(conn: psycopg.Connection) -> None:
    """First in a transaction: all of it sees products and warehouses as they are at its claim.

    Else a product that changes its warehouse between two statements leaves an item without a line.
    An order that moved meanwhile is a serialization failure: the unit is tried again.
    """
    conn.execute("set transaction isolation level repeatable read")


def claim(conn: psycopg.Connection, limit: int) -> list[int]:
    """Lock the oldest orders that await generation and that no other process has; their ids."""
    rows = conn.execute(
        """
        select id from sales_order
         where status = 'AWAITING_GENERATION'
         order by entered_at, id
         limit %(limit)s
           for no key update skip locked
        """,
        {"limit": limit},
    ).fetchall()
    return [row[0] for row in rows]


def judge(
    conn: psycopg.Connection, ids: list[int], limits: GenerateLimits
) -> tuple[list[int], list[Unfit]]:
    """Judge locked orders: those that can be generated, and the others, each with its first reason.

    Only the first of them that have `limits.units` together are judged, and one order at least.
    """
    rows = conn.execute(
        """
        with item as materialized (
            select order_id, item_no, product_code, warehouse_id, quantity,
                   quantity - open_quantity - dispatched_quantity - cancelled_quantity as owed
              from order_item where order_id = any(%(ids)b)
        )
        select i.order_id, sum(i.quantity),
               case when bool_or(p.code is null) then 'UNKNOWN_PRODUCT'
                    when bool_or(coalesce(i.warehouse_id, p.warehouse_id) is null)
                        then 'NO_WAREHOUSE'
                    when bool_or(w.id is null) then 'UNKNOWN_WAREHOUSE'
                    when sum(i.quantity) filter (where w.granularity = 'UNIT') > %(per_order)s
                      or sum(i.quantity) filter (where w.granularity = 'PRODUCT') > %(line)s
                        then 'TOO_MANY_UNITS'
                    when sum(i.owed) = 0 then 'NOTHING_OWED'
               end,
               left(string_agg(i.item_no::text, ', ' order by i.item_no)
                   filter (where p.code is null or w.id is null), 200)
          from item i
          left join product p on p.code = i.product_code
          left join warehouse w on w.id = coalesce(i.warehouse_id, p.warehouse_id)
         group by i.order_id
        """,
        {"ids": ids, "per_order": limits.units_per_order, "line": LONGEST_LINE},
    ).fetchall()
    found = {order_id: of_order for order_id, *of_order in rows}
    fit: list[int] = []
    unfit: list[Unfit] = []
    left = limits.units
    for order_id in ids:
        units, code, items = found.get(order_id, NO_ITEMS)
        left -= units
        if left < 0 and (fit or unfit):
            break
        if code is None:
            fit.append(order_id)
        else:
            where = f" (item {items})" if items else ""
            unfit.append(Unfit(order_id, Reason(code), Reason(code).meaning + where))
    return fit, unfit


def refuse(conn: psycopg.Connection, unfit: list[Unfit]) -> None:
    """Move locked orders to Error, each with its reason."""
    conn.execute(
        """
        update sales_order o
           set status = 'ERROR', status_at = now(), status_reason = r.reason || ': ' || r.sentence
          from unnest(%(ids)b::bigint[], %(reasons)s::text[], %(sentences)s::text[])
               as r (order_id, reason, sentence)
         where o.id = r.order_id
        """,
        {
            "ids": [one.order_id for one in unfit],
            "reasons": [one.reason.value for one in unfit],
            "sentences": [one.sentence for one in unfit],
        },
    )


def generate(conn: psycopg.Connection, ids: list[int]) -> int:
    """Request what is still owed of locked orders, and move them to Awaiting Dispatch.

    How many request lines were made.
    """
    lines, merged = request(conn, ids)
    if merged:
        insert_shares(conn, merged)
    open_items(conn, ids)
    finish(conn, ids)
    return lines


def request(conn: psycopg.Connection, ids: list[int]) -> tuple[int, list[int]]:
    """Make the request lines of what is still owed, and queue the requests for batching.

    Lines are made at each warehouse's granularity; PRODUCT merges items of one product only at one
    price, so that each line has one unit price. The queue gets one row an order and warehouse.
    How many lines, and the orders that have merged ones: their shares are still to be inserted.
    """
    row = conn.execute(
        """
        with ordered as materialized (
            select id, generation + 1 as generation, entered_at, order_bytes(o) as bytes
              from sales_order o where id = any(%(ids)b)
        ), item as materialized (
            select o.generation, o.entered_at, o.bytes, i.*,
                   i.quantity - i.open_quantity - i.dispatched_quantity - i.cancelled_quantity
                       as owed
              from ordered o
             cross join lateral (
                    select * from order_item where order_id = o.id
                       and quantity > open_quantity + dispatched_quantity + cancelled_quantity
                    offset 0) i
        ), owed as materialized (
            select i.order_id, i.generation, i.entered_at, i.bytes as order_bytes,
                   w.id as warehouse_id, w.granularity, i.item_no, i.product_code, i.unit_price,
                   p.serialised, p.billable, p.attributes, i.owed as quantity,
                   line_bytes(p.description, p.code, p.attributes) as bytes
              from item i
              join product p on p.code = i.product_code
              join warehouse w on w.id = coalesce(i.warehouse_id, p.warehouse_id)
        ), line as materialized (
            select order_id, generation, entered_at, order_bytes, warehouse_id, item_no,
                   item_no as first_item, product_code, quantity, unit_price,
                   serialised, billable, attributes, bytes
              from owed where granularity = 'ITEM'
            union all
            select order_id, generation, entered_at, order_bytes, warehouse_id, item_no,
                   item_no, product_code, 1, unit_price,
                   serialised, billable, attributes, bytes
              from owed cross join generate_series(1, quantity) where granularity = 'UNIT'
            union all
            select order_id, generation, entered_at, order_bytes, warehouse_id,
                   case when count(*) = 1 then min(item_no) end, min(item_no), product_code,
                   sum(quantity), unit_price, serialised, billable, attributes, min(bytes)
              from owed where granularity = 'PRODUCT'
             group by order_id, generation, entered_at, order_bytes, warehouse_id, product_code,
                      unit_price, serialised, billable, attributes
        ), made as (
            insert into request_line (order_id, generation, warehouse_id, item_no, product_code,
                                      quantity, unit_price, serialised, billable, attributes)
            select order_id, generation, warehouse_id, item_no, product_code,
                   quantity, unit_price, serialised, billable, attributes
              from line order by order_id, first_item
        ), queued as (
            insert into request_queue (warehouse_id, entered_at, order_id, generation,
                                       line_count, byte_count)
            select warehouse_id, entered_at, order_id, generation, count(*),
                   order_bytes + sum(bytes)
              from line group by warehouse_id, entered_at, order_id, generation, order_bytes
             order by 1, 2, 3
        )
        select count(*), (select array_agg(distinct order_id) from line where item_no is null)
          from line
        """,
        {"ids": ids},
    ).fetchone()
    assert row is not None
    return int(row[0]), row[1] or []


def insert_shares(conn: psycopg.Connection, ids: list[int]) -> None:
    """Record what each item has in the merged lines just made; before open_items()."""
    conn.execute(
        """
        insert into request_line_share (line_id, order_id, item_no, quantity)
        select l.id, l.order_id, i.item_no,
               i.quantity - i.open_quantity - i.dispatched_quantity - i.cancelled_quantity
          from sales_order o
         cross join lateral (
                select * from request_line where order_id = o.id and item_no is null
                   and generation = o.generation + 1
                offset 0) l
         cross join lateral (
                select * from order_item where order_id = o.id
                   and product_code = l.product_code and unit_price = l.unit_price
                   and quantity > open_quantity + dispatched_quantity + cancelled_quantity
                offset 0) i
         cross join lateral (select * from product where code = i.product_code offset 0) p
         where o.id = any(%(ids)b)
           and coalesce(i.warehouse_id, p.warehouse_id) = l.warehouse_id
        """,
        {"ids": ids},
    )


def open_items(conn: psycopg.Connection, ids: list[int]) -> None:
    """Count as open whatever has just been requested."""
    conn.execute(
        """
        update order_item
           set open_quantity = quantity - dispatched_quantity - cancelled_quantity
         where order_id = any(%(ids)b)
           and open_quantity <> quantity - dispatched_quantity - cancelled_quantity
        """,
        {"ids": ids},
    )


def finish(conn: psycopg.Connection, ids: list[int]) -> None:
    """Move locked orders to Awaiting Dispatch, one generation further."""
    conn.execute(
        """
        update sales_order
           set status = 'AWAITING_DISPATCH', status_at = now(), status_reason = null,
               generation = generation + 1
         where id = any(%(ids)b)
        """,
        {"ids": ids},
    )


def waiting(conn: psycopg.Connection) -> int:
    """How many orders await generation."""
    row = conn.execute(
        "select count(*) from sales_order where status = 'AWAITING_GENERATION'"
    ).fetchone()
    assert row is not None
    return int(row[0])
