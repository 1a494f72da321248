"""Statements on warehouses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from core.errors import Reason

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A place that dispatches orders."""

    id: str
    number: int
    name: str
    granularity: str
    file_sequence: int
    held_reason: str | None
    paused: bool


def all_warehouses(conn: psycopg.Connection) -> list[Warehouse]:
    """Every warehouse, by id."""
    with conn.cursor(row_factory=class_row(Warehouse)) as cursor:
        return cursor.execute(
            "select id, number, name, granularity, file_sequence, held_reason, "
            "paused_at is not null as paused "
            "from warehouse order by id"
        ).fetchall()


def hold(conn: psycopg.Connection, warehouse: str, reason: Reason) -> bool:
    """Stop sealing and loading for a warehouse; False if it is held already.

    That the database has lost commits takes the place of any other reason: it outlives them.
    """
    cursor = conn.execute(
        "update warehouse set held_reason = %(reason)s, held_at = now() "
        "where id = %(warehouse)s and (held_reason is null or %(graver)s "
        "                              and held_reason <> %(reason)s)",
        {
            "warehouse": warehouse,
            "reason": reason.value,
            "graver": reason is Reason.DATABASE_OLDER_THAN_FILES,
        },
    )
    return cursor.rowcount == 1


def release(conn: psycopg.Connection, warehouse: str, reason: Reason) -> bool:
    """Go on with a warehouse that was held for this reason; False if it was not."""
    cursor = conn.execute(
        "update warehouse set held_reason = null, held_at = null "
        "where id = %(warehouse)s and held_reason = %(reason)s",
        {"warehouse": warehouse, "reason": reason.value},
    )
    return cursor.rowcount == 1


def last_numbers(conn: psycopg.Connection) -> dict[str, tuple[int, int]]:
    """For each, the last numbers given out for its request files and its acknowledgements."""
    rows = conn.execute("select id, file_sequence, acknowledgement_sequence from warehouse")
    return {name: (files, acknowledgements) for name, files, acknowledgements in rows}


def next_file_sequence(conn: psycopg.Connection, warehouse: str) -> int:
    """Give out the next gapless number of an outbound file; the row stays locked until commit."""
    row = conn.execute(
        "update warehouse set file_sequence = file_sequence + 1 where id = %(warehouse)s "
        "returning file_sequence",
        {"warehouse": warehouse},
    ).fetchone()
    assert row is not None
    return int(row[0])


def name_of(conn: psycopg.Connection, warehouse: str) -> str:
    """The name of a warehouse that exists."""
    row = conn.execute(
        "select name from warehouse where id = %(warehouse)s", {"warehouse": warehouse}
    ).fetchone()
    assert row is not None
    return str(row[0])
