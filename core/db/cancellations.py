"""Statements on cancellations that have to be asked of a warehouse: asked, batched, sent, answered.

Whoever changes one has its order's lock, or its batch's, but for the batching: that takes only what
nobody else has locked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from core.db.requests import ORDER

if TYPE_CHECKING:
    import psycopg

    from core.db.applying import Range
    from core.domain.order import BatchLimits


class Answered(NamedTuple):
    """A cancellation that has come to its end."""

    order_id: int
    status: str


def ask(conn: psycopg.Connection, order: int, warehouses: list[str], reason: str) -> None:
    """Have a locked order's request cancelled at these warehouses, in the name of who acts."""
    conn.execute(
        """
        insert into cancellation (order_id, warehouse_id, generation, reason)
        select o.id, w.id, o.generation, %(reason)s
          from sales_order o cross join unnest(%(warehouses)s::text[]) as w (id)
         where o.id = %(order)s
        """,
        {"order": order, "warehouses": warehouses, "reason": reason},
    )


def ready(conn: psycopg.Connection) -> list[tuple[str, int]]:
    """Warehouses (id, number), none of them paused, for which cancellations await batching."""
    return conn.execute(
        """
        select w.id, w.number from warehouse w
         where w.paused_at is null
           and exists (select from cancellation c
                        where c.warehouse_id = w.id and c.status = 'REQUESTED'
                          and c.batch_id is null)
         order by w.id
        """
    ).fetchall()


def fill(conn: psycopg.Connection, batch: int, warehouse: str, limits: BatchLimits) -> int:
    """Put the oldest cancellations into the batch, within the limits; how many.

    The first is taken whatever its size. An open hold keeps none back: it is on what goes out.
    """
    return conn.execute(
        """
        with candidate as materialized (
            select c.id, c.order_id, c.generation from cancellation c
             where c.warehouse_id = %(warehouse)s and c.status = 'REQUESTED' and c.batch_id is null
             order by c.id
             limit %(orders)s
               for update skip locked
        ), measured as (
            select c.id, row_number() over running as sequence,
                   sum(z.line_count) over running as lines, sum(z.byte_count) over running as bytes
              from candidate c
             cross join lateral (select * from request_size
                                  where order_id = c.order_id and generation = c.generation
                                    and warehouse_id = %(warehouse)s offset 0) z
            window running as (order by c.id)
        )
        update cancellation c set batch_id = %(batch)s, sequence = m.sequence
          from measured m
         where c.id = m.id
           and (m.sequence = 1 or (m.lines <= %(lines)s and m.bytes <= %(bytes)s))
        """,
        {
            "batch": batch,
            "warehouse": warehouse,
            "orders": limits.orders,
            "lines": limits.lines,
            "bytes": limits.bytes,
        },
    ).rowcount


def lock_orders(conn: psycopg.Connection, batch: int) -> None:
    """Lock the orders of the batch by id, waiting for whoever applies an answer to one of them."""
    conn.execute(
        """
        select o.id from cancellation c join sales_order o on o.id = c.order_id
         where c.batch_id = %(batch)s
         order by o.id
           for no key update of o
        """,
        {"batch": batch},
    )


def drop_answered(conn: psycopg.Connection, batch: int) -> int:
    """Take out what has come to its end before it was sent; how many."""
    return conn.execute(
        """
        update cancellation set batch_id = null, sequence = null
         where batch_id = %(batch)s and status <> 'REQUESTED'
        """,
        {"batch": batch},
    ).rowcount


def give_back(conn: psycopg.Connection, batch: int) -> int:
    """Let what is in an unsealed batch await another one; how many."""
    return conn.execute(
        "update cancellation set batch_id = null, sequence = null where batch_id = %(batch)s",
        {"batch": batch},
    ).rowcount


def order_rows(conn: psycopg.Connection, batch: int) -> list[tuple[Any, ...]]:
    """The batch's orders by sequence, in the columns of core.documents' OrderRow."""
    with conn.cursor(binary=True) as cursor:
        return cursor.execute(
            f"""
            select {ORDER}
              from cancellation c join sales_order o on o.id = c.order_id
             where c.batch_id = %(batch)s
             order by c.sequence
            """.encode(),  # noqa: S608  # a constant of ours
            {"batch": batch},
        ).fetchall()


def line_rows(conn: psycopg.Connection, batch: int, warehouse: str) -> list[tuple[Any, ...]]:
    """What is open of the orders' lines, by sequence and id, as core.documents' RequestLineRow."""
    with conn.cursor(binary=True) as cursor:
        return cursor.execute(
            """
            select l.order_id, l.id, l.product_code, p.description,
                   l.quantity - l.dispatched - l.cancelled - l.rejected, l.unit_price::text,
                   l.serialised, l.attributes
              from cancellation c
              join request_line l on l.order_id = c.order_id and l.generation = c.generation
                                 and l.warehouse_id = %(warehouse)s
              join product p on p.code = l.product_code
             where c.batch_id = %(batch)s
               and l.dispatched + l.cancelled + l.rejected < l.quantity
             order by c.sequence, l.id
            """,
            {"batch": batch, "warehouse": warehouse},
        ).fetchall()


def record_sent(conn: psycopg.Connection, batch: int) -> None:
    """Record that the batch is sealed: from now on the warehouse's answer decides."""
    conn.execute(
        "update cancellation set status = 'SENT', sent_at = now() where batch_id = %(batch)s",
        {"batch": batch},
    )


def manifest_orders(conn: psycopg.Connection, batch: int) -> list[dict[str, Any]]:
    """What reconcile needs to know of the cancellations sent, as a manifest has its orders."""
    rows = conn.execute(
        """
        select order_id, generation from cancellation where batch_id = %(batch)s order by sequence
        """,
        {"batch": batch},
    ).fetchall()
    return [{"id": order, "generation": generation, "lines": []} for order, generation in rows]


def sent(conn: psycopg.Connection, batch: int, warehouse: str) -> set[int]:
    """Those orders of the batch's unapplied records whose cancellation the warehouse was sent."""
    rows = conn.execute(
        """
        select distinct d.order_id
          from dispatch_detail d
          join cancellation c on c.order_id = d.order_id and c.warehouse_id = %(warehouse)s
                             and c.sent_at is not null
         where d.batch_id = %(batch)s and d.applied_at is null and d.status = 'CANCEL_REFUSED'
        """,
        {"batch": batch, "warehouse": warehouse},
    ).fetchall()
    return {row[0] for row in rows}


def answer(conn: psycopg.Connection, of: Range) -> list[Answered]:
    """Close the cancellations that the good records of a range decide, after these took effect.

    Refused if the warehouse says so. With nothing open any more: Agreed if these records gave
    something up, else Too Late, whether or not it had been sent.
    """
    rows = conn.execute(
        """
        with decided as materialized (
            select c.id, case when said.refused and c.status = 'SENT' then 'REFUSED'
                              when said.given_up then 'AGREED' else 'TOO_LATE' end as outcome
              from cancellation c
             -- The offsets keep these an order's own looks, whatever the statistics say.
             cross join lateral (
                    select bool_or(d.status = 'CANCEL_REFUSED') as refused,
                           coalesce(bool_or(l.status in ('CANCELLED', 'REJECTED')), false)
                               as given_up
                      from dispatch_detail d
                      left join dispatch_line l
                        on l.batch_id = d.batch_id and l.sequence = d.sequence
                     where d.order_id = c.order_id and d.batch_id = %(batch)s
                       and d.sequence between %(low)s and %(high)s
                       and d.applied_at is null and d.reason is null
                    having count(*) > 0 offset 0) said
             cross join lateral (
                    select coalesce(bool_or(dispatched + cancelled + rejected < quantity), false)
                               as is_open
                      from request_line
                     where order_id = c.order_id and warehouse_id = c.warehouse_id
                       and generation = c.generation offset 0) line
             where c.warehouse_id = %(warehouse)s and c.status in ('REQUESTED', 'SENT')
               and (said.refused and c.status = 'SENT' or not line.is_open)
        )
        update cancellation c set status = x.outcome, answered_at = now()
          from decided x
         where c.id = x.id
        returning c.order_id, c.status
        """,
        of.parameters,
    ).fetchall()
    return sorted(Answered(*row) for row in rows)
