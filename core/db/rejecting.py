"""Statements that end orders in Error before they are sent, one of them or thousands.

Their open lines count as rejected, as if a warehouse had said so: the order can be generated again
for what is still owed of it. What a batch holds of them drops out at its seal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from core.errors import Reason


def sealed_among(conn: psycopg.Connection, ids: list[int]) -> set[int]:
    """Which of these locked orders have a request of this generation in a batch that is sealed."""
    rows = conn.execute(
        """
        select distinct o.id
          from unnest(%(ids)s::bigint[]) as i (id)
         cross join lateral (select id, generation from sales_order where id = i.id offset 0) o
         cross join lateral (select batch_id from request_detail
                              where order_id = o.id and generation = o.generation offset 0) d
          join batch b on b.id = d.batch_id
         where b.stage = 'Extract/Load'
        """,
        {"ids": ids},
    ).fetchall()
    return {row[0] for row in rows}


def reject(conn: psycopg.Connection, code: Reason, reasons: Sequence[tuple[int, str]]) -> None:
    """End locked orders of which nothing is sealed in Error, each with its sentence."""
    ids = [order for order, _ in reasons]
    close_lines(conn, ids)
    conn.execute("delete from request_queue where order_id = any(%(ids)s)", {"ids": ids})
    conn.execute(
        """
        update sales_order o
           set status = 'ERROR', status_at = now(),
               status_reason = left(%(code)s || ': ' || r.sentence, 1000)
          from unnest(%(ids)s::bigint[], %(sentences)s::text[]) as r (order_id, sentence)
         where o.id = r.order_id
        """,
        {"ids": ids, "sentences": [sentence for _, sentence in reasons], "code": code.value},
    )


def close_lines(conn: psycopg.Connection, ids: list[int]) -> None:
    """Close the open lines and shares of locked orders as rejected; their items are owed again."""
    conn.execute(
        """
        with line as (
            update request_line
               set rejected = quantity - dispatched - cancelled
             where order_id = any(%(ids)s) and not superseded
               and dispatched + cancelled + rejected < quantity
            returning id
        ), share as (
            update request_line_share s
               set rejected = s.quantity - s.dispatched - s.cancelled
              from line
             where s.line_id = line.id and s.dispatched + s.cancelled + s.rejected < s.quantity
        )
        update order_item set open_quantity = 0
         where order_id = any(%(ids)s) and open_quantity > 0
        """,
        {"ids": ids},
    )
