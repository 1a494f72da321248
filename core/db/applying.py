"""Statements of the Dispatch job that take effect: over the good records of a range at once.

A good record is one of the batch that is neither applied nor refused. Each statement takes the
batch and a range of sequences, so that records whose data the database refuses can be halved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class Range:
    """Records `low` to `high` of a batch, both included."""

    batch: int
    warehouse: str
    low: int
    high: int

    @property
    def parameters(self) -> dict[str, object]:
        """The named parameters that every statement here takes."""
        return {
            "batch": self.batch,
            "warehouse": self.warehouse,
            "low": self.low,
            "high": self.high,
        }


_LOOKED_UP = "limit (select 1000000000)"
"""Limits nothing. The planner, who then expects a tenth of the rows, looks each up by its key
rather than reading a whole table that is many times as large.
"""
_EFFECT = """coalesce(sum(quantity) filter (where status = 'DISPATCHED'), 0) as dispatched,
                   coalesce(sum(quantity) filter (where status = 'CANCELLED'), 0) as cancelled,
                   coalesce(sum(quantity) filter (where status = 'REJECTED'), 0) as rejected"""


def insert_dispatches(conn: psycopg.Connection, of: Range) -> int:
    """Record each dispatch under the warehouse's own number, for ever; how many."""
    return conn.execute(
        """
        insert into dispatch (warehouse_id, dispatch_id, order_id, batch_id, sequence,
                              content_sha256, dispatched_at, carrier, tracking)
        select %(warehouse)s, dispatch_id, order_id, batch_id, sequence,
               content_sha256, dispatched_at, carrier, tracking
          from dispatch_detail
         where batch_id = %(batch)s and sequence between %(low)s and %(high)s
           and applied_at is null and reason is null
         order by dispatch_id
        """,
        of.parameters,
    ).rowcount


def apply_lines(conn: psycopg.Connection, of: Range) -> int:
    """Let the lines take effect; how many charges.

    Counts on request lines and on the items behind them, records the numbers of each dispatched
    unit, and bills each dispatched line of a billable product: quantity times price as ordered.
    What was dispatched beyond what was asked is noted on its line, and neither counted nor billed.
    What happened to a merged line goes to its items in the order of their numbers: dispatched units
    to the first that still have some open, then cancelled ones, then rejected ones; each quantity
    is an interval on the running sum of what the shares have open.

    One statement, so that what a record says is looked up once; each part joins it with tables by
    their keys, and no part with another.

    psycopg.errors.UniqueViolation says that a unit's number is active already: serial_conflicts()
    tells which records carry it.
    """
    row = conn.execute(
        f"""
        with good as materialized (
            select l.line_id, l.status, l.quantity - l.excess as quantity, l.excess, l.unit_count,
                   l.serial_numbers, l.imeis, l.iccids, l.extras, d.dispatch_id, r.order_id,
                   r.item_no, r.warehouse_id, r.product_code, r.unit_price, r.billable,
                   o.account_id, o.currency
              from dispatch_detail d
             -- The offsets keep these looks by key, whatever the statistics say.
             cross join lateral (select * from sales_order where id = d.order_id offset 0) o
             cross join lateral (select * from dispatch_line
                                  where batch_id = d.batch_id and sequence = d.sequence offset 0) l
             cross join lateral (select * from request_line where id = l.line_id offset 0) r
             where d.batch_id = %(batch)s and d.sequence between %(low)s and %(high)s
               and d.applied_at is null and d.reason is null and d.status <> 'RETURNED'
        ), counted as (
            update request_line r
               set dispatched = r.dispatched + e.dispatched,
                   cancelled = r.cancelled + e.cancelled,
                   rejected = r.rejected + e.rejected,
                   excess = r.excess + e.excess,
                   back_ordered_at = case when e.waiting then now() else r.back_ordered_at end
              from (select line_id, {_EFFECT}, sum(excess) as excess,
                           bool_or(status = 'BACK_ORDERED') as waiting
                      from good group by line_id {_LOOKED_UP}) e
             where r.id = e.line_id
        ), share as (
            select s.line_id, s.order_id, s.item_no, e.dispatched as d, e.cancelled as c,
                   e.rejected as r,
                   sum(s.quantity - s.dispatched - s.cancelled - s.rejected) over running as upto,
                   s.quantity - s.dispatched - s.cancelled - s.rejected as has
              from (select line_id, {_EFFECT}
                      from good where item_no is null and status <> 'BACK_ORDERED'
                     group by line_id) e
              join request_line_share s on s.line_id = e.line_id
            window running as (partition by s.line_id order by s.item_no)
        ), given as materialized (
            -- Integers again: what is summed up once more would else be numeric, which is slow.
            select line_id, order_id, item_no,
                   greatest(0, least(upto, d) - (upto - has))::integer as dispatched,
                   greatest(0, least(upto, d + c) - greatest(upto - has, d))::integer as cancelled,
                   greatest(0, least(upto, d + c + r) - greatest(upto - has, d + c))::integer
                       as rejected
              from share
        ), counted_on_share as (
            update request_line_share s
               set dispatched = s.dispatched + g.dispatched,
                   cancelled = s.cancelled + g.cancelled,
                   rejected = s.rejected + g.rejected
              from given g
             where s.line_id = g.line_id and s.item_no = g.item_no
        ), counted_on_item as (
            update order_item i
               set open_quantity = i.open_quantity - e.dispatched - e.cancelled - e.rejected,
                   dispatched_quantity = i.dispatched_quantity + e.dispatched,
                   cancelled_quantity = i.cancelled_quantity + e.cancelled
              -- An item may stand behind both kinds of line, and a statement changes a row once.
              from (select order_id, item_no, coalesce(sum(dispatched), 0) as dispatched,
                           coalesce(sum(cancelled), 0) as cancelled,
                           coalesce(sum(rejected), 0) as rejected
                      from (select order_id, item_no,
                                   case when status = 'DISPATCHED' then quantity end as dispatched,
                                   case when status = 'CANCELLED' then quantity end as cancelled,
                                   case when status = 'REJECTED' then quantity end as rejected
                              from good where item_no is not null and status <> 'BACK_ORDERED'
                            union all
                            select order_id, item_no, dispatched, cancelled, rejected from given)
                           both_kinds
                     group by order_id, item_no {_LOOKED_UP}) e
             where i.order_id = e.order_id and i.item_no = e.item_no
        ), recorded as (
            insert into dispatched_unit (line_id, dispatch_id, unit_no, order_id, warehouse_id,
                                         product_code, serial_number, imei, iccid, attributes)
            select line_id, dispatch_id, unit_no, order_id, warehouse_id, product_code,
                   serial_number, imei, iccid, extras -> (unit_no - 1)
              -- In step: a row a unit, and null where its units carry no such attribute.
              from (select line_id, dispatch_id, order_id, warehouse_id, product_code, extras,
                           generate_series(1, unit_count) as unit_no,
                           unnest(serial_numbers) as serial_number, unnest(imeis) as imei,
                           unnest(iccids) as iccid
                      from good where status = 'DISPATCHED' and unit_count > 0) u
             order by serial_number, imei, iccid
        ), billed as (
            insert into charge (warehouse_id, dispatch_id, line_id, order_id, account_id,
                                product_code, quantity, unit_price, amount, currency)
            select warehouse_id, dispatch_id, line_id, order_id, account_id,
                   product_code, quantity, unit_price, quantity * unit_price, currency
              from good where status = 'DISPATCHED' and billable
            returning 1
        )
        select count(*) from billed
        """,  # noqa: S608  # constants of ours
        of.parameters,
    ).fetchone()
    assert row is not None
    return int(row[0])


def serial_conflicts(conn: psycopg.Connection, batch: int) -> list[tuple[int, str, bool]]:
    """The numbers in unapplied records that are active, or stand in more than one place of them.

    (sequence, what, whether it is active already), by sequence; `what` names kind and number, and
    with a serial number its product, so that equal ones are equal. Of refused records too: the
    refusal of another may be what makes one of them good.
    """
    return conn.execute(
        """
        with unit as materialized (
            select g.sequence, r.product_code, u.serial_number, u.imei, u.iccid
              from (select l.sequence, l.line_id, l.serial_numbers, l.imeis, l.iccids
                      from dispatch_detail d
                     cross join lateral (
                            select * from dispatch_line
                             where batch_id = d.batch_id and sequence = d.sequence
                               and status = 'DISPATCHED' and unit_count > 0 offset 0) l
                     where d.batch_id = %(batch)s and d.applied_at is null) g
             cross join lateral (select * from request_line where id = g.line_id offset 0) r
             cross join lateral unnest(g.serial_numbers, g.imeis, g.iccids)
                   as u (serial_number, imei, iccid)
        ), number as (
            select u.sequence, 'serialNumber ' || product_code || ' ' || serial_number as what,
                   exists (select from dispatched_unit a
                            where a.active and a.serial_number = u.serial_number
                              and a.product_code = u.product_code) as taken
              from unit u where serial_number is not null
            union all
            select u.sequence, 'imei ' || imei,
                   exists (select from dispatched_unit a where a.active and a.imei = u.imei)
              from unit u where imei is not null
            union all
            select u.sequence, 'iccid ' || iccid,
                   exists (select from dispatched_unit a where a.active and a.iccid = u.iccid)
              from unit u where iccid is not null
        )
        select sequence, what, taken from (
            select sequence, what, taken, count(*) over (partition by what) as times from number) n
         where taken or times > 1
         order by sequence
        """,
        {"batch": batch},
    ).fetchall()


def settle(conn: psycopg.Connection, of: Range) -> dict[str, int]:
    """Settle the orders all of whose lines are settled now; how many went to each status.

    Any rejected line gives Error, else any dispatched one Complete, else Cancelled. A line that was
    superseded by a later request does not count.
    """
    rows = conn.execute(
        """
        with outcome as materialized (
            select r.order_id, bool_or(r.rejected > 0 and not r.superseded) as rejected,
                   bool_or(r.dispatched > 0) as dispatched
              from request_line r
             where r.order_id = any (array(
                    select order_id from dispatch_detail
                     where batch_id = %(batch)s and sequence between %(low)s and %(high)s
                       and applied_at is null and reason is null
                       and status not in ('CANCEL_REFUSED', 'RETURNED')))
             group by r.order_id
            having bool_and(r.superseded or r.dispatched + r.cancelled + r.rejected = r.quantity)
        ), settled as (
            update sales_order o
               set status_at = now(),
                   status = case when x.rejected then 'ERROR'
                                 when x.dispatched then 'COMPLETE' else 'CANCELLED' end,
                   status_reason = case
                       -- A limit keeps it one order's look: else all details ever are read.
                       when x.rejected then coalesce((
                                select 'FRAUD_REJECTED' from dispatch_detail d
                                 where d.order_id = o.id and d.status = 'FRAUD_REJECTED'
                                   and d.reason is null
                                   and (d.applied_at is not null or d.batch_id = %(batch)s)
                                 limit 1), 'REJECTED')
                       when not x.dispatched then 'cancelled by the warehouse' end
              from outcome x
             where o.id = x.order_id
            returning o.status)
        select status, count(*) from settled group by status
        """,
        of.parameters,
    ).fetchall()
    return dict(rows)


def record_applied(conn: psycopg.Connection, of: Range) -> None:
    """Mark the good records as applied, last of all."""
    conn.execute(
        """
        update dispatch_detail set applied_at = now()
         where batch_id = %(batch)s and sequence between %(low)s and %(high)s
           and applied_at is null and reason is null
        """,
        of.parameters,
    )
