"""Statements of the list of blocked addresses, and of the verdicts as people look at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from core.db.connect import Turn

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg


@dataclass(frozen=True, slots=True)
class Blocked:
    """An address on the list, as it was given."""

    address_key: bytes
    address: str
    reason: str
    blocked_at: datetime
    blocked_by: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A verdict in a list: nothing personal."""

    order_id: int
    status: str
    verdict: str
    score: int
    reasons: list[str]
    checker: str
    checked_at: datetime
    held: bool


def address_of(
    conn: psycopg.Connection, order: int
) -> tuple[list[str], str | None, str | None, str | None, str]:
    """(lines, town, county, postcode, country) of an order that exists."""
    row = conn.execute(
        """
        select delivery_lines, town, county, post_code, country
          from sales_order where id = %(order)s
        """,
        {"order": order},
    ).fetchone()
    assert row is not None
    return row


def wait_for_check(conn: psycopg.Connection) -> None:
    """Until this transaction ends, no unit of the check runs; one that runs is waited for.

    It may have read the list before an address comes onto it, and write its verdicts after.
    """
    conn.execute("select pg_advisory_xact_lock(%s, 0)", (Turn.CHECK,))


def block(conn: psycopg.Connection, key: bytes, address: str, reason: str) -> bool:
    """Put an address on the list, in the name of who acts; False if it is there."""
    return (
        conn.execute(
            """
            insert into blocked_address (address_key, address, reason, blocked_by)
            values (%(key)s, %(address)s, %(reason)s, acting())
                on conflict (address_key) do nothing
            """,
            {"key": key, "address": address, "reason": reason},
        ).rowcount
        == 1
    )


def outdate(conn: psycopg.Connection, key: bytes) -> int:
    """Have orders to this address that are not sent yet, or may be again, checked anew; how many.

    One in Error may be regenerated: the verdict that it has must not let it go then.
    """
    return conn.execute(
        """
        update fraud_check set stale = true
         where address_key = %(key)s and not stale
           and exists (select from sales_order o
                        where o.id = fraud_check.order_id
                          and o.status in ('AWAITING_DISPATCH', 'AWAITING_GENERATION', 'ERROR'))
        """,
        {"key": key},
    ).rowcount


def unblock(conn: psycopg.Connection, key: bytes) -> bool:
    """Take an address from the list; False if it is not there."""
    return (
        conn.execute(
            "delete from blocked_address where address_key = %(key)s", {"key": key}
        ).rowcount
        == 1
    )


def blocked(conn: psycopg.Connection) -> list[Blocked]:
    """The whole list, the newest first."""
    with conn.cursor(row_factory=class_row(Blocked)) as cursor:
        return cursor.execute(
            """
            select address_key, address, reason, blocked_at, blocked_by
              from blocked_address order by blocked_at desc, address_key
            """
        ).fetchall()


def verdicts(
    conn: psycopg.Connection, *, verdict: str | None, reason: str | None, limit: int
) -> list[Checked]:
    """Verdicts, the newest first; only those with this verdict or this reason's code."""
    with conn.cursor(row_factory=class_row(Checked)) as cursor:
        return cursor.execute(
            """
            select c.order_id, o.status, c.verdict, c.score, c.reasons, c.checker, c.checked_at,
                   exists (select from order_hold h
                            where h.order_id = c.order_id and h.kind = 'FRAUD'
                              and h.released_at is null) as held
              from fraud_check c join sales_order o on o.id = c.order_id
             where (%(verdict)s::text is null or c.verdict = %(verdict)s)
               and (%(reason)s::text is null or %(reason)s = any(c.reasons))
             order by c.checked_at desc, c.order_id desc
             limit %(limit)s
            """,
            {"verdict": verdict, "reason": reason, "limit": limit},
        ).fetchall()
