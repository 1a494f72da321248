"""Statements that find what is late, and keep what was told of it.

Each finds at most `limit` subjects that were never told since they became so, or not within the
pause, and records in the same statement that they are told now: of several processes one tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

LIMIT = 100
"""Subjects that one look tells of: the rest follows at the next."""
ORDERS = 20_000
"""Orders, those that wait longest, that one look goes through."""


class Late(NamedTuple):
    """Something that is late: what it is about, since when, and how often it was told with now."""

    warehouse: str
    subject: int
    name: str | None
    """The file's, None of an order."""
    since: datetime
    orders: int
    order_id: int | None
    """The one that is late, or the first of them."""
    times: int


def _tell(of_late: str) -> bytes:
    """The statement that records as told what a query finds, in the columns of Late but `times`."""
    return f"""
        with late (warehouse_id, subject, name, since, orders, order_id)
             as materialized ({of_late}),
        due as (
            select l.* from late l
              left join overdue o on o.kind = %(kind)s and o.warehouse_id = l.warehouse_id
                                 and o.subject = l.subject
             where o.told_at is null or o.told_at < l.since
                or o.told_at < now() - make_interval(secs => %(pause)s)
             order by l.since, l.subject limit %(limit)s
        ), told as (
            insert into overdue as o (kind, warehouse_id, subject)
            select %(kind)s, warehouse_id, subject from due order by warehouse_id, subject
            on conflict (kind, warehouse_id, subject) do update
               set told_at = now(), times = o.times + 1
             where o.told_at < now() - make_interval(secs => %(pause)s)
                or o.told_at < (select since from due d where d.warehouse_id = o.warehouse_id
                                                           and d.subject = o.subject)
            returning warehouse_id, subject, times
        )
        select d.warehouse_id, d.subject, d.name, d.since, d.orders, d.order_id, t.times
          from due d join told t using (warehouse_id, subject)
         order by d.since, d.subject
    """.encode()  # noqa: S608  # constants of ours


_NOT_TAKEN = _tell("""
    select warehouse_id, id, name, published_at, 0, null::bigint from outbound_file
     where published_at < now() - make_interval(secs => %(late)s) and taken_at is null
    union all
    -- Below zero, so that the two kinds of files keep apart.
    select warehouse_id, -id, name, published_at, 0, null from acknowledgement
     where published_at < now() - make_interval(secs => %(late)s) and taken_at is null
""")
_NOT_ACKNOWLEDGED = _tell("""
    select warehouse_id, id, name, published_at, 0, null::bigint from outbound_file
     where published_at < now() - make_interval(secs => %(late)s) and acknowledged_at is null
       and warehouse_id = any(%(warehouses)s)
""")
# An order waits for its warehouse while it is at AWAITING_DISPATCH: the index on status and time
# has the oldest of them, so that what was settled costs nothing.
_WAITING = """
    select id, generation from sales_order
     where status = 'AWAITING_DISPATCH' and status_at < now() - make_interval(secs => %(late)s)
     order by status_at limit %(orders)s
"""
_DISPATCH = _tell(f"""
    select f.warehouse_id, f.id, f.name, f.published_at, count(*), min(o.id)
      from ({_WAITING}) o
     cross join lateral (
            select distinct warehouse_id from request_line
             where order_id = o.id and generation = o.generation and not superseded
               and dispatched + cancelled + rejected < quantity and back_ordered_at is null
            offset 0) l
     cross join lateral (
            select f.* from request_detail d join outbound_file f on f.batch_id = d.batch_id
             where d.order_id = o.id and d.generation = o.generation
               and f.warehouse_id = l.warehouse_id
            offset 0) f
     where f.published_at < now() - make_interval(secs => %(late)s)
     group by f.id, f.warehouse_id, f.name, f.published_at
""")  # noqa: S608  # constants of ours
_BACK_ORDER = _tell(f"""
    select l.warehouse_id, o.id, null::text, min(l.back_ordered_at), 1, o.id
      from ({_WAITING}) o
     cross join lateral (
            select * from request_line
             where order_id = o.id and not superseded
               and dispatched + cancelled + rejected < quantity
               and back_ordered_at < now() - make_interval(secs => %(late)s)
            offset 0) l
     group by l.warehouse_id, o.id
""")  # noqa: S608  # constants of ours

_CANCELLATION = _tell("""
    select warehouse_id, id, null::text, sent_at, 1, order_id from cancellation
     where status = 'SENT' and sent_at < now() - make_interval(secs => %(late)s)
""")


def not_taken(conn: psycopg.Connection, *, late: float, pause: float) -> list[Late]:
    """Files, acknowledgements too, that a partner has not taken for `late` seconds."""
    return _late(conn, _NOT_TAKEN, "TAKEN", late=late, pause=pause)


def not_acknowledged(
    conn: psycopg.Connection, warehouses: list[str], *, late: float, pause: float
) -> list[Late]:
    """Request files that one of these warehouses has not acknowledged for `late` seconds."""
    return _late(
        conn, _NOT_ACKNOWLEDGED, "ACKNOWLEDGEMENT", late=late, pause=pause, warehouses=warehouses
    )


def not_dispatched(conn: psycopg.Connection, *, late: float, pause: float) -> list[Late]:
    """Request files with orders of which lines are open and not on back-order; the oldest order."""
    return _late(conn, _DISPATCH, "DISPATCH", late=late, pause=pause)


def not_cancelled(conn: psycopg.Connection, *, late: float, pause: float) -> list[Late]:
    """Cancellations that a warehouse has not answered for `late` seconds."""
    return _late(conn, _CANCELLATION, "CANCELLATION", late=late, pause=pause)


def back_ordered(conn: psycopg.Connection, *, late: float, pause: float) -> list[Late]:
    """Orders with lines that have been on back-order for `late` seconds."""
    return _late(conn, _BACK_ORDER, "BACK_ORDER", late=late, pause=pause)


def _late(
    conn: psycopg.Connection,
    statement: bytes,
    kind: str,
    *,
    late: float,
    pause: float,
    warehouses: list[str] | None = None,
) -> list[Late]:
    wanted = {"kind": kind, "late": late, "pause": pause, "warehouses": warehouses}
    rows = conn.execute(statement, {**wanted, "limit": LIMIT, "orders": ORDERS}).fetchall()
    return [Late(*row) for row in rows]
