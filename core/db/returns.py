"""Statements of the Dispatch job on goods that come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from core.domain.returns import Away, Out, Unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from core.db.applying import Range

_NUMBERED = """
     cross join lateral unnest(l.serial_numbers, l.imeis, l.iccids,
                               array_fill(null::text, array[l.unit_count]))
           with ordinality as n (serial_number, imei, iccid, filler, place)"""
"""The entries of units[] of a line `l`."""
_MATCHED = """
     lateral (select * from (
                  select * from dispatched_unit where active and imei = n.imei
                  union all
                  select * from dispatched_unit
                   where active and iccid = n.iccid and n.imei is null
                  union all
                  select * from dispatched_unit
                   where active and serial_number = n.serial_number
                     and n.imei is null and n.iccid is null
                  -- Looked up by the number: a line may have units by the ten thousand.
                  offset 0) known
               where line_id = l.line_id
                 and (n.serial_number is null or serial_number = n.serial_number)
                 and (n.iccid is null or iccid = n.iccid)
               limit 1) u on true"""
"""The unit that is out and has all the numbers of such an entry `n`."""
_NUMBER = "num_nonnulls(serial_number, imei, iccid) > 0"
"""Of a unit or an entry: by it others are told apart from it."""


def out(conn: psycopg.Connection, batch: int) -> Out:
    """What is away of the lines for which the batch's unapplied records bring something back."""
    lines = conn.execute(
        f"""
        select r.id, r.dispatched - r.returned, r.excess - r.excess_returned,
               (select count(*) from dispatched_unit
                 where line_id = r.id and active and {_NUMBER})
          from (select distinct l.line_id
                  from dispatch_detail d
                  join dispatch_line l on l.batch_id = d.batch_id and l.sequence = d.sequence
                 where d.batch_id = %(batch)s and d.applied_at is null and d.status = 'RETURNED') x
         cross join lateral (select * from request_line where id = x.line_id offset 0) r
        """,  # noqa: S608  # constants of ours
        {"batch": batch},
    ).fetchall()
    units: dict[tuple[int, int], list[Unit | None]] = {}
    for sequence, line_no, line, dispatch, number, product, serial, imei, iccid in conn.execute(
        f"""
        select l.sequence, l.line_no, u.line_id, u.dispatch_id, u.unit_no, u.product_code,
               u.serial_number, u.imei, u.iccid
          from dispatch_detail d
          join dispatch_line l on l.batch_id = d.batch_id and l.sequence = d.sequence
                              and l.unit_count > 0 {_NUMBERED}
          left join {_MATCHED}
         where d.batch_id = %(batch)s and d.applied_at is null and d.status = 'RETURNED'
           and num_nonnulls(n.serial_number, n.imei, n.iccid) > 0
         order by l.sequence, l.line_no, n.place
        """,  # noqa: S608  # constants of ours
        {"batch": batch},
    ):
        named = (
            (("serialNumber " + product, serial), ("imei", imei), ("iccid", iccid)) if line else ()
        )
        numbers = tuple(f"{kind} {value}" for kind, value in named if value is not None)
        units.setdefault((sequence, line_no), []).append(
            Unit(line, dispatch, number, numbers) if line else None
        )
    return Out({line: Away(*away) for line, *away in lines}, units)


def take_back(conn: psycopg.Connection, of: Range) -> list[tuple[str, str, int]]:
    """Let the good records that are RETURNED take effect; what can be sold again.

    (warehouse, product, units), without what had never been asked for: no stock has given it.
    Before apply_lines(), so that a number which comes back in a file may go out again in it. The
    lines count what is back, the units are active no more, and each line of a billable product is
    credited at the price at which it was billed, under the return's own dispatchId: so once. Of
    units without a number any are active no more, so that no more are than are out.
    """
    return conn.execute(
        f"""
        with good as materialized (
            select l.line_id, l.line_no, l.status, l.quantity - l.excess as quantity, l.excess,
                   l.unit_count, l.serial_numbers, l.imeis, l.iccids, d.dispatch_id, r.order_id,
                   r.warehouse_id, r.product_code, r.unit_price, r.billable, o.account_id,
                   o.currency
              from dispatch_detail d
             -- The offsets keep these looks by key, whatever the statistics say.
             cross join lateral (select * from sales_order where id = d.order_id offset 0) o
             cross join lateral (select * from dispatch_line
                                  where batch_id = d.batch_id and sequence = d.sequence offset 0) l
             cross join lateral (select * from request_line where id = l.line_id offset 0) r
             where d.batch_id = %(batch)s and d.sequence between %(low)s and %(high)s
               and d.applied_at is null and d.reason is null and d.status = 'RETURNED'
        ), counted as (
            update request_line r set returned = r.returned + e.quantity,
                                      excess_returned = r.excess_returned + e.excess
              from (select line_id, sum(quantity) as quantity, sum(excess) as excess
                      from good group by line_id) e
             where r.id = e.line_id
        ), unit as materialized (
            select u.line_id, u.dispatch_id, u.unit_no, l.dispatch_id as return_id
              from good l {_NUMBERED}
              join {_MATCHED}
        ), unnumbered as (
            select e.line_id, u.dispatch_id, u.unit_no, e.return_id
              from (select line_id, min(dispatch_id) as return_id,
                           sum(quantity + excess) as quantity from good group by line_id) e
              left join (select line_id, count(*) as units from unit group by line_id) x
                on x.line_id = e.line_id
             cross join lateral (
                    select dispatched + excess - returned - excess_returned as units
                      from request_line where id = e.line_id offset 0) away
             cross join lateral (
                    select count(*) as units from dispatched_unit
                     where line_id = e.line_id and active) a
             cross join lateral (
                    select dispatch_id, unit_no from dispatched_unit
                     where line_id = e.line_id and active and not {_NUMBER}
                     order by dispatch_id, unit_no
                     limit greatest(0, a.units - coalesce(x.units, 0)
                                       - (away.units - e.quantity))) u
        ), freed as (
            update dispatched_unit u set active = false, return_id = x.return_id
              from (select * from unit union all select * from unnumbered) x
             where u.line_id = x.line_id and u.dispatch_id = x.dispatch_id
               and u.unit_no = x.unit_no
        ), credited as (
            insert into charge (warehouse_id, dispatch_id, line_id, order_id, account_id,
                                product_code, quantity, unit_price, amount, currency)
            select warehouse_id, dispatch_id, line_id, order_id, account_id, product_code,
                   -sum(quantity), unit_price, -sum(quantity) * unit_price, currency
              from good where billable
             group by warehouse_id, dispatch_id, line_id, order_id, account_id, product_code,
                      unit_price, currency
            having sum(quantity) > 0
        )
        select warehouse_id, product_code, sum(quantity)::bigint
          from good where status = 'RETURNED' and quantity > 0
         group by warehouse_id, product_code
        """,  # noqa: S608  # constants of ours
        of.parameters,
    ).fetchall()


def lines_away(conn: psycopg.Connection, order: int) -> list[tuple[int, str, str, int, int]]:
    """(line, warehouse, product, units out, of these on record by number) of a locked order."""
    return conn.execute(
        f"""
        select l.id, l.warehouse_id, l.product_code,
               l.dispatched + l.excess - l.returned - l.excess_returned,
               (select count(*) from dispatched_unit
                 where line_id = l.id and active and {_NUMBER})
          from request_line l
         where l.order_id = %(order)s
           and l.dispatched + l.excess > l.returned + l.excess_returned
         order by l.id
        """,  # noqa: S608  # constants of ours
        {"order": order},
    ).fetchall()


def units_away(
    conn: psycopg.Connection, order: int, numbers: Sequence[str]
) -> list[tuple[str, int, dict[str, str | None]]]:
    """(number given, line, its numbers) of the order's units that are out with one of these."""
    rows = conn.execute(
        """
        select n.number, u.line_id, u.serial_number, u.imei, u.iccid
          from unnest(%(numbers)s::text[]) as n (number)
          join dispatched_unit u on u.active
           and n.number in (u.serial_number, u.imei, u.iccid)
         where u.line_id in (select id from request_line where order_id = %(order)s)
         order by u.line_id, u.dispatch_id, u.unit_no
        """,
        {"order": order, "numbers": list(numbers)},
    ).fetchall()
    return [
        (number, line, {"serialNumber": serial, "imei": imei, "iccid": iccid})
        for number, line, serial, imei, iccid in rows
    ]


def enter(
    conn: psycopg.Connection,
    warehouse: str,
    order: int,
    lines: Sequence[tuple[int, int, list[dict[str, str | None]]]],
    *,
    damaged: bool,
    reason: str,
) -> int:
    """Enter a return as a warehouse would report it: (line, quantity, units); the batch's id."""
    row = conn.execute(
        """
        select enter_return(%(warehouse)s, %(order)s, %(lines)s::bigint[],
                            %(quantities)s::integer[], %(units)s, %(damaged)s, %(reason)s)
        """,
        {
            "warehouse": warehouse,
            "order": order,
            "lines": [line for line, _, _ in lines],
            "quantities": [quantity for _, quantity, _ in lines],
            "units": Jsonb([units for _, _, units in lines]),
            "damaged": damaged,
            "reason": reason,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])
