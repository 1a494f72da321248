"""Statements of the Dispatch job: what it reads of a batch to judge its records."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

from core.domain.dispatch import Claim, Line, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from core.domain.dispatch import Refusal


def _names_kept() -> Callable[[list[str]], frozenset[str]]:
    """Makes a set of a list's names; lists with the same, as nearly all have, get the same set."""
    kept = cache(frozenset[str])
    return lambda names: kept(tuple(names))


def lock_orders(conn: psycopg.Connection, batch: int, warehouse: str) -> set[int]:
    """Lock the orders that the batch's unapplied records name, by id; their ids.

    Only those that were asked of this warehouse: a partner must not hold up the others' orders.
    """
    rows = conn.execute(
        """
        select o.id from sales_order o
         where o.id = any (array(
                select d.order_id from dispatch_detail d
                 where d.batch_id = %(batch)s and d.applied_at is null
                   -- A limit keeps it one order's look: else all lines of the warehouse are read.
                   and (select true from request_line l
                         where l.order_id = d.order_id and l.warehouse_id = %(warehouse)s
                         limit 1)))
         order by o.id
           for no key update of o
        """,
        {"batch": batch, "warehouse": warehouse},
    ).fetchall()
    return {row[0] for row in rows}


def existing(conn: psycopg.Connection, orders: list[int]) -> set[int]:
    """Which of these ids are orders."""
    rows = conn.execute(
        "select id from sales_order where id = any(%(orders)b)", {"orders": orders}
    ).fetchall()
    return {row[0] for row in rows}


def records(conn: psycopg.Connection, batch: int) -> list[Record]:
    """The batch's records that have not been applied, in file order."""
    claims: dict[int, list[Claim]] = defaultdict(list)
    names = _names_kept()
    with conn.cursor(binary=True) as cursor:
        # Of the applied records too: nearly always there are none, and all lines are in one piece.
        cursor.execute(
            """
            select sequence, line_no, line_id, status, quantity, unit_count, captured, fault
              from dispatch_line
             where batch_id = %(batch)s and line_no > 0
             order by sequence, line_no
            """,
            {"batch": batch},
        )
        for sequence, no, line, status, quantity, units, captured, fault in cursor.fetchall():
            claim = Claim(no, line, status, quantity, units, names(captured), fault)
            claims[sequence].append(claim)
        return [
            Record(sequence, order, dispatch, status, content, claims.get(sequence, ()))
            for sequence, order, dispatch, status, content in cursor.execute(
                """
                select sequence, order_id, dispatch_id, status, content_sha256
                  from dispatch_detail
                 where batch_id = %(batch)s and applied_at is null
                 order by sequence
                """,
                {"batch": batch},
            )
        ]


def lines(conn: psycopg.Connection, orders: list[int]) -> list[Line]:
    """Every request line of these locked orders, at any warehouse."""
    names = _names_kept()
    with conn.cursor(binary=True) as cursor:
        cursor.execute(
            """
            select l.id, l.order_id, l.warehouse_id,
                   case when l.superseded then 0
                        else l.quantity - l.dispatched - l.cancelled - l.rejected end,
                   sent.order_id is not null, l.serialised, l.attributes,
                   (l.quantity * w.over_dispatch_percent / 100)::integer
              from request_line l
              join warehouse w on w.id = l.warehouse_id
              left join (select distinct d.order_id, d.generation, f.warehouse_id
                           from request_detail d join outbound_file f on f.batch_id = d.batch_id
                          where d.order_id = any(%(orders)b)) sent
                on sent.order_id = l.order_id and sent.generation = l.generation
               and sent.warehouse_id = l.warehouse_id
             where l.order_id = any(%(orders)b)
            """,
            {"orders": orders},
        )
        return [
            Line(line, order, warehouse, left, sent, serialised, names(captured), more)
            for line, order, warehouse, left, sent, serialised, captured, more in cursor.fetchall()
        ]


def applied(conn: psycopg.Connection, batch: int, warehouse: str) -> dict[str, bytes]:
    """Content digests of the batch's dispatchIds that the warehouse has used before."""
    with conn.cursor(binary=True) as cursor:
        return dict(
            cursor.execute(
                """
                select dispatch_id, content_sha256 from dispatch
                 where warehouse_id = %(warehouse)s
                   and dispatch_id = any (array(
                            select dispatch_id from dispatch_detail
                             where batch_id = %(batch)s and applied_at is null))
                """,
                {"batch": batch, "warehouse": warehouse},
            ).fetchall()
        )


def clear_verdicts(conn: psycopg.Connection, batch: int) -> None:
    """Forget what an earlier pass wrote of the records that it did not apply."""
    conn.execute(
        """
        update dispatch_detail set reason = null, sentence = null
         where batch_id = %(batch)s and applied_at is null and reason is not null
        """,
        {"batch": batch},
    )


def refuse(conn: psycopg.Connection, batch: int, refused: list[Refusal]) -> None:
    """Write reason and sentence to the records that are not applied."""
    conn.execute(
        """
        update dispatch_detail d set reason = r.reason, sentence = r.sentence
          from unnest(%(sequences)s::integer[], %(reasons)s::text[], %(sentences)s::text[])
               as r (sequence, reason, sentence)
         where d.batch_id = %(batch)s and d.sequence = r.sequence
        """,
        {
            "batch": batch,
            "sequences": [one.sequence for one in refused],
            "reasons": [one.reason.value for one in refused],
            "sentences": [one.sentence for one in refused],
        },
    )


def record_repeats(conn: psycopg.Connection, batch: int, sequences: list[int]) -> None:
    """Mark records that were applied before: they count as applied and have no effect."""
    conn.execute(
        """
        update dispatch_detail set applied_at = now(), sentence = 'applied before'
         where batch_id = %(batch)s and sequence = any(%(sequences)s)
        """,
        {"batch": batch, "sequences": sequences},
    )


def insert_implied(
    conn: psycopg.Connection, batch: int, implied: list[tuple[int, int, int, str, int]]
) -> None:
    """Insert the lines that whole-order records mean."""
    columns = list(zip(*implied, strict=True))
    conn.execute(
        """
        insert into dispatch_line (batch_id, sequence, line_no, line_id, status, quantity,
                                   unit_count)
        select %(batch)s, sequence, line_no, line_id, status, quantity, 0
          from unnest(%(sequences)s::integer[], %(numbers)s::integer[], %(lines)s::bigint[],
                      %(statuses)s::text[], %(quantities)s::integer[])
               as implied (sequence, line_no, line_id, status, quantity)
        """,
        {
            "batch": batch,
            "sequences": list(columns[0]),
            "numbers": list(columns[1]),
            "lines": list(columns[2]),
            "statuses": list(columns[3]),
            "quantities": list(columns[4]),
        },
    )


def record_excess(conn: psycopg.Connection, batch: int, excess: list[tuple[int, int, int]]) -> None:
    """Write to good records' lines how many of their units are beyond what was asked."""
    sequences, numbers, quantities = (list(column) for column in zip(*excess, strict=True))
    conn.execute(
        """
        update dispatch_line l set excess = e.excess
          from unnest(%(sequences)s::integer[], %(numbers)s::integer[], %(quantities)s::integer[])
               as e (sequence, line_no, excess)
         where l.batch_id = %(batch)s and l.sequence = e.sequence and l.line_no = e.line_no
        """,
        {"batch": batch, "sequences": sequences, "numbers": numbers, "quantities": quantities},
    )


def refused(conn: psycopg.Connection, batch: int) -> list[tuple[int, int | None, str, str]]:
    """(sequence, order id, reason, status) of the records that stand refused, in file order."""
    return conn.execute(
        """
        select sequence, order_id, reason, status from dispatch_detail
         where batch_id = %(batch)s and applied_at is null
         order by sequence
        """,
        {"batch": batch},
    ).fetchall()
