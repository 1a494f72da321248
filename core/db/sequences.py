"""Statements on the partners' own numbers of their files: what is missing, what came twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import psycopg


class Noticed(NamedTuple):
    """What a number showed: the numbers left out before it, and whether it was used before."""

    missing: tuple[int, int] | None = None
    """The first and the last of them."""
    repeated: bool = False


def notice(conn: psycopg.Connection, batch: int, warehouse: str, sequence: int) -> Noticed:
    """Compare the number of a file with those before it, and keep what that shows, once for ever.

    In the transaction that inserts its batch, with the warehouse's turn to load held. A number
    below the highest is late, not wrong: it may be one that was missing.
    """
    row = conn.execute(
        """
        select (select max(partner_sequence) from batch
                 where warehouse_id = %(warehouse)s and partner_sequence is not null
                   and id <> %(batch)s),
               (select min(id) from batch
                 where warehouse_id = %(warehouse)s and partner_sequence = %(sequence)s
                   and id <> %(batch)s)
        """,
        {"warehouse": warehouse, "batch": batch, "sequence": sequence},
    ).fetchone()
    assert row is not None
    highest, before = row
    if before is not None:
        conn.execute(
            "insert into sequence_repeat (batch_id, warehouse_id, number, first_batch_id) "
            "values (%(batch)s, %(warehouse)s, %(number)s, %(before)s)",
            {"batch": batch, "warehouse": warehouse, "number": sequence, "before": before},
        )
        return Noticed(repeated=True)
    if highest is None or sequence <= highest + 1:
        return Noticed()
    conn.execute(
        "insert into sequence_gap (warehouse_id, first_missing, last_missing, batch_id) "
        "values (%(warehouse)s, %(first)s, %(last)s, %(batch)s)",
        {"warehouse": warehouse, "first": highest + 1, "last": sequence - 1, "batch": batch},
    )
    return Noticed(missing=(highest + 1, sequence - 1))


def missing(conn: psycopg.Connection) -> list[tuple[str, int, int, int]]:
    """(warehouse, first, last, how many between) of the gaps in which numbers are missing still."""
    return conn.execute(
        """
        select g.warehouse_id, g.first_missing, g.last_missing, g.left_out - came.number as open
          from (select *, last_missing - first_missing + 1 as left_out from sequence_gap) g
         cross join lateral (
                select count(distinct b.partner_sequence) as number from batch b
                 where b.warehouse_id = g.warehouse_id
                   and b.partner_sequence between g.first_missing and g.last_missing) came
         where came.number < g.left_out
         order by g.warehouse_id, g.first_missing
        """
    ).fetchall()
