"""Statements that find where the tables contradict themselves: what was billed and credited.

As core.db.reconciling; `among` are order ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.db.reconciling import Found, found

if TYPE_CHECKING:
    import psycopg


def charges_missing(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Dispatched lines of billable products without a charge, returned ones without a credit."""
    return found(
        conn,
        """
        select x.order_id, x.warehouse_id,
               format('line %%s, dispatch %%s: %%s %%s', l.line_id, x.dispatch_id, l.quantity,
                      lower(l.status))
          from dispatch x
          join dispatch_line l on l.batch_id = x.batch_id and l.sequence = x.sequence
          join request_line r on r.id = l.line_id
          join sales_order o on o.id = r.order_id
         where (l.status = 'DISPATCHED' or l.status like 'RETURNED%%') and l.quantity > l.excess
           and r.billable
           and (%(among)s::bigint[] is null or x.order_id = any(%(among)s))
           and not exists (select from charge c
                            where c.line_id = l.line_id and c.dispatch_id = x.dispatch_id
                              and c.warehouse_id = x.warehouse_id)
        """,
        among,
    )


def charges_surplus(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Charges for nothing that was dispatched or came back."""
    return found(
        conn,
        """
        select c.order_id, c.warehouse_id,
               format('line %%s, dispatch %%s: charged %%s', c.line_id, c.dispatch_id, c.quantity)
          from charge c
         where (%(among)s::bigint[] is null or c.order_id = any(%(among)s))
           and not exists (select from dispatch x
                             join dispatch_line l
                               on l.batch_id = x.batch_id and l.sequence = x.sequence
                            where x.warehouse_id = c.warehouse_id and x.dispatch_id = c.dispatch_id
                              and l.line_id = c.line_id
                              and (l.status = 'DISPATCHED' or l.status like 'RETURNED%%'))
        """,
        among,
    )


def charges_wrong(conn: psycopg.Connection, among: list[int] | None) -> list[Found]:
    """Charges unlike quantity times price, or for another account or currency."""
    return found(
        conn,
        """
        with billed as (
            select warehouse_id, dispatch_id, line_id, order_id, sum(quantity) as quantity,
                   sum(amount) as amount, min(account_id) as account_id, max(currency) as currency
              from charge
             where (%(among)s::bigint[] is null or order_id = any(%(among)s))
             group by warehouse_id, dispatch_id, line_id, order_id
        )
        select b.order_id, b.warehouse_id,
               format('line %%s, dispatch %%s: charged %%s %%s for %%s; dispatched %%s at %%s',
                      b.line_id, b.dispatch_id, b.amount, b.currency, b.quantity, l.quantity,
                      r.unit_price)
          from billed b
          join dispatch x on x.warehouse_id = b.warehouse_id and x.dispatch_id = b.dispatch_id
         -- What came back whole and damaged is one credit.
         cross join lateral (
                select coalesce(sum(case when status = 'DISPATCHED' then quantity - excess
                                         else excess - quantity end), 0) as quantity
                  from dispatch_line
                 where batch_id = x.batch_id and sequence = x.sequence and line_id = b.line_id
                   and (status = 'DISPATCHED' or status like 'RETURNED%%')
                having count(*) > 0) l
          join request_line r on r.id = b.line_id
          join sales_order o on o.id = r.order_id
         where b.quantity <> l.quantity
            or b.amount <> l.quantity * r.unit_price
            or b.order_id <> r.order_id or b.account_id <> o.account_id
            or b.currency <> o.currency
        """,
        among,
    )
