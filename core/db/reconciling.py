"""Statements that find where the tables contradict themselves: orders, lines and units.

Each is one statement, so it sees one moment: whatever it finds was so. `among` narrows it to the
orders given, for a second look at those that it has found; None looks at all.

Lines that outlive their order, which went for its age (core.db.retention), agree with nothing else
any more and are not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import psycopg


class Found(NamedTuple):
    """An order or batch, a warehouse if it is about one, and what is wrong with it."""

    id: int
    warehouse: str | None
    detail: str


def lock_orders(conn: psycopg.Connection, orders: list[int]) -> None:
    """Lock these orders, and before them the batches that they are in: nothing moves any more."""
    conn.execute(
        """
        select id from batch
         where id in (select batch_id from request_detail where order_id = any(%(orders)s)
                      union all
                      select batch_id from cancellation where order_id = any(%(orders)s)
                      union all
                      select batch_id from dispatch_detail where order_id = any(%(orders)s))
         order by id
           for no key update
        """,
        {"orders": orders},
    )
    conn.execute(
        "select id from sales_order where id = any(%(orders)s) order by id for no key update",
        {"orders": orders},
    )


def not_requested(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Orders awaiting dispatch with open lines that are neither queued nor batched."""
    return found(
        conn,
        """
        select l.order_id, l.warehouse_id,
               format('%%s open lines of generation %%s', count(*), l.generation)
          from request_line l
          join sales_order o on o.id = l.order_id
         where o.status = 'AWAITING_DISPATCH'
           and not l.superseded and l.dispatched + l.cancelled + l.rejected < l.quantity
           and (%(among)s::bigint[] is null or l.order_id = any(%(among)s))
           and not exists (select from request_queue q
                            where q.order_id = l.order_id and q.warehouse_id = l.warehouse_id
                              and q.generation = l.generation)
           and not exists (select from request_detail d join batch b on b.id = d.batch_id
                            where d.order_id = l.order_id and d.generation = l.generation
                              and b.warehouse_id = l.warehouse_id)
         group by l.order_id, l.warehouse_id, l.generation
        """,
        among,
    )


def nothing_open(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Orders awaiting dispatch with no open line."""
    return found(
        conn,
        """
        select o.id, null, 'awaits dispatch with nothing open'
          from sales_order o
         where o.status = 'AWAITING_DISPATCH'
           and (%(among)s::bigint[] is null or o.id = any(%(among)s))
           and not exists (select from request_line l
                            where l.order_id = o.id and not l.superseded
                              and l.dispatched + l.cancelled + l.rejected < l.quantity)
        """,
        among,
    )


def open_though_ended(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Orders with open lines that do not await dispatch."""
    return found(
        conn,
        """
        select o.id, null, format('%%s with %%s open lines', o.status, count(*))
          from request_line l
          join sales_order o on o.id = l.order_id
         where o.status <> 'AWAITING_DISPATCH'
           and not l.superseded and l.dispatched + l.cancelled + l.rejected < l.quantity
           and (%(among)s::bigint[] is null or l.order_id = any(%(among)s))
         group by o.id
        """,
        among,
    )


def queued_unfit(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Queued requests whose order does not await them."""
    return found(
        conn,
        """
        select q.order_id, q.warehouse_id,
               format('queued for generation %%s; the order is %%s at generation %%s',
                      q.generation, coalesce(o.status, 'gone'), o.generation)
          from request_queue q
          left join sales_order o on o.id = q.order_id
         where (o.status is distinct from 'AWAITING_DISPATCH' or o.generation <> q.generation)
           and (%(among)s::bigint[] is null or q.order_id = any(%(among)s))
        """,
        among,
    )


def queued_and_batched(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Requests that are queued and in a batch as well."""
    return found(
        conn,
        """
        select q.order_id, q.warehouse_id, format('queued, and in batch %%s', min(b.id))
          from request_queue q
          join request_detail d on d.order_id = q.order_id and d.generation = q.generation
          join batch b on b.id = d.batch_id and b.warehouse_id = q.warehouse_id
         where (%(among)s::bigint[] is null or q.order_id = any(%(among)s))
         group by q.order_id, q.warehouse_id
        """,
        among,
    )


def batched_twice(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Requests that are in more than one batch."""
    return found(
        conn,
        """
        select d.order_id, b.warehouse_id,
               format('generation %%s in batches %%s', d.generation,
                      string_agg(b.id::text, ', ' order by b.id))
          from request_detail d
          join batch b on b.id = d.batch_id
         where (%(among)s::bigint[] is null or d.order_id = any(%(among)s))
         group by d.order_id, d.generation, b.warehouse_id
        having count(*) > 1
        """,
        among,
    )


def cancellation_astray(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Cancellations without an answer that has come, or that say other than their batch."""
    return found(
        conn,
        """
        select c.order_id, c.warehouse_id,
               format('cancellation %%s is %%s, with %%s open lines, in batch %%s, %%s', c.id,
                      c.status, l.lines, coalesce(c.batch_id::text, 'none'),
                      case when f.id is null then 'not sealed' else 'sealed in ' || f.name end)
          from cancellation c
          left join outbound_file f on f.batch_id = c.batch_id
         cross join lateral (
                select count(*) as lines from request_line
                 where order_id = c.order_id and warehouse_id = c.warehouse_id
                   and generation = c.generation
                   and dispatched + cancelled + rejected < quantity) l
         where (%(among)s::bigint[] is null or c.order_id = any(%(among)s))
           and (c.answered_at is null and l.lines = 0
                or c.status in ('AGREED', 'TOO_LATE') and l.lines > 0
                or (c.sent_at is null) <> (f.id is null))
        """,
        among,
    )


def item_counters(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Items whose counters are unlike the sums over their request lines."""
    return found(
        conn,
        """
        with part as (
            select order_id, item_no, superseded, quantity, dispatched, cancelled, rejected
              from request_line
             where item_no is not null
               and (%(among)s::bigint[] is null or order_id = any(%(among)s))
            union all
            select s.order_id, s.item_no, l.superseded, s.quantity, s.dispatched, s.cancelled,
                   s.rejected
              from request_line_share s join request_line l on l.id = s.line_id
             where (%(among)s::bigint[] is null or s.order_id = any(%(among)s))
        ), summed as (
            select order_id, item_no,
                   sum(case when superseded then 0
                            else quantity - dispatched - cancelled - rejected end) as open,
                   sum(dispatched) as dispatched, sum(cancelled) as cancelled
              from part group by order_id, item_no
        ), item as (
            select order_id, item_no, open_quantity, dispatched_quantity, cancelled_quantity
              from order_item
             where (%(among)s::bigint[] is null or order_id = any(%(among)s))
        )
        select coalesce(i.order_id, s.order_id), null,
               format('item %%s has open %%s, dispatched %%s, cancelled %%s; '
                      'its lines have %%s, %%s, %%s',
                      coalesce(i.item_no, s.item_no), i.open_quantity, i.dispatched_quantity,
                      i.cancelled_quantity, s.open, s.dispatched, s.cancelled)
          from item i
          full join summed s on s.order_id = i.order_id and s.item_no = i.item_no
         where exists (select from sales_order o where o.id = coalesce(i.order_id, s.order_id))
           and (i.order_id is null
                or i.open_quantity <> coalesce(s.open, 0)
                or i.dispatched_quantity <> coalesce(s.dispatched, 0)
                or i.cancelled_quantity <> coalesce(s.cancelled, 0))
        """,
        among,
    )


def item_not_requested(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Items of requested orders of which a part was neither requested nor answered."""
    return found(
        conn,
        """
        with refused as (
            select order_id, item_no, sum(rejected) as rejected from (
                select order_id, item_no, rejected from request_line
                 where item_no is not null and rejected > 0 and not superseded
                   and (%(among)s::bigint[] is null or order_id = any(%(among)s))
                union all
                select s.order_id, s.item_no, s.rejected
                  from request_line_share s join request_line l on l.id = s.line_id
                 where s.rejected > 0 and not l.superseded
                   and (%(among)s::bigint[] is null or s.order_id = any(%(among)s))) part
             group by order_id, item_no
        )
        select i.order_id, null,
               format('item %%s of %%s has open %%s, dispatched %%s, cancelled %%s, rejected %%s',
                      i.item_no, i.quantity, i.open_quantity, i.dispatched_quantity,
                      i.cancelled_quantity, coalesce(r.rejected, 0))
          from order_item i
          join sales_order o on o.id = i.order_id
          left join refused r on r.order_id = i.order_id and r.item_no = i.item_no
         where o.status in ('AWAITING_DISPATCH', 'COMPLETE')
           and (%(among)s::bigint[] is null or i.order_id = any(%(among)s))
           and i.quantity <> i.open_quantity + i.dispatched_quantity + i.cancelled_quantity
                             + coalesce(r.rejected, 0)
        """,
        among,
    )


def line_counters(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Request lines whose counters are unlike the records applied to them.

    More may be cancelled than records say: what an operator cancelled before it was sealed; and
    more rejected of an order that was rejected for fraud before it was sent.
    """
    return found(
        conn,
        """
        with effect as (
            select l.line_id,
                   sum(l.quantity - l.excess) filter (where l.status = 'DISPATCHED') as dispatched,
                   sum(l.excess) filter (where l.status = 'DISPATCHED') as excess,
                   sum(l.quantity - l.excess) filter (where l.status like 'RETURNED%%')
                       as returned,
                   sum(l.excess) filter (where l.status like 'RETURNED%%') as excess_returned,
                   sum(l.quantity) filter (where l.status = 'CANCELLED') as cancelled,
                   sum(l.quantity) filter (where l.status = 'REJECTED') as rejected
              from dispatch x
              join dispatch_line l on l.batch_id = x.batch_id and l.sequence = x.sequence
             where (%(among)s::bigint[] is null or x.order_id = any(%(among)s))
             group by l.line_id
        )
        select r.order_id, r.warehouse_id,
               format('line %%s has dispatched %%s, cancelled %%s, rejected %%s, excess %%s, '
                      'returned %%s and %%s; the records say %%s, %%s, %%s, %%s, %%s and %%s',
                      r.id, r.dispatched, r.cancelled, r.rejected, r.excess, r.returned,
                      r.excess_returned, coalesce(e.dispatched, 0), coalesce(e.cancelled, 0),
                      coalesce(e.rejected, 0), coalesce(e.excess, 0), coalesce(e.returned, 0),
                      coalesce(e.excess_returned, 0))
          from request_line r
          join sales_order o on o.id = r.order_id
          left join effect e on e.line_id = r.id
         where (%(among)s::bigint[] is null or r.order_id = any(%(among)s))
           and (r.dispatched <> coalesce(e.dispatched, 0)
                or r.rejected < coalesce(e.rejected, 0)
                or (r.rejected > coalesce(e.rejected, 0)
                    and not exists (
                        select from order_history h
                         where h.order_id = r.order_id and h.to_status = 'ERROR'
                           and starts_with(h.why, 'FRAUD_CHECK_REJECTED:')))
                or r.excess <> coalesce(e.excess, 0)
                or r.returned <> coalesce(e.returned, 0)
                or r.excess_returned <> coalesce(e.excess_returned, 0)
                or r.cancelled < coalesce(e.cancelled, 0))
        """,
        among,
    )


def share_counters(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Merged lines whose shares do not add up to the line."""
    return found(
        conn,
        """
        with summed as (
            select line_id, sum(quantity) as quantity, sum(dispatched) as dispatched,
                   sum(cancelled) as cancelled, sum(rejected) as rejected
              from request_line_share
             where (%(among)s::bigint[] is null or order_id = any(%(among)s))
             group by line_id
        )
        select l.order_id, l.warehouse_id,
               format('line %%s of %%s has dispatched %%s, cancelled %%s, rejected %%s; its shares '
                      'of %%s have %%s, %%s, %%s', l.id, l.quantity, l.dispatched, l.cancelled,
                      l.rejected, s.quantity, s.dispatched, s.cancelled, s.rejected)
          from request_line l
          join sales_order o on o.id = l.order_id
          left join summed s on s.line_id = l.id
         where (%(among)s::bigint[] is null or l.order_id = any(%(among)s))
           and (l.item_no is null or s.line_id is not null)
           and (l.item_no is not null
                or (l.quantity, l.dispatched, l.cancelled, l.rejected)
                   is distinct from (s.quantity, s.dispatched, s.cancelled, s.rejected))
        """,
        among,
    )


def unit_count(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Request lines with other units than were dispatched; unserialised ones may have none."""
    return found(
        conn,
        """
        with counted as (
            select line_id, count(*) as units, count(*) filter (where active) as active
              from dispatched_unit
             where (%(among)s::bigint[] is null or order_id = any(%(among)s))
             group by line_id
        )
        select l.order_id, l.warehouse_id,
               format('line %%s has %%s units for %%s dispatched, %%s of them out for %%s', l.id,
                      coalesce(c.units, 0), l.dispatched + l.excess, coalesce(c.active, 0),
                      l.dispatched + l.excess - l.returned - l.excess_returned)
          from request_line l
          join sales_order o on o.id = l.order_id
          left join counted c on c.line_id = l.id
         where (%(among)s::bigint[] is null or l.order_id = any(%(among)s))
           and (coalesce(c.units, 0) > l.dispatched + l.excess
                or coalesce(c.active, 0)
                   > l.dispatched + l.excess - l.returned - l.excess_returned
                or l.serialised
                   and (coalesce(c.units, 0) < l.dispatched + l.excess
                        or coalesce(c.active, 0)
                           < l.dispatched + l.excess - l.returned - l.excess_returned))
        """,
        among,
    )


def found(conn: psycopg.Connection, statement: str, among: list[int] | None) -> list[Found]:
    """What a statement finds, among these or among all."""
    rows = conn.execute(statement.encode(), {"among": among}).fetchall()
    return [Found(*row) for row in rows]
