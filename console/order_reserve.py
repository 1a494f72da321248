"""cmp-orders order reserve: the stock checked anew for orders that stay New."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg

from console import show
from console.exits import Exit, Refusal
from console.order_moves import find
from console.session import Session
from core.db import reserving
from core.domain.stock import Allotment

ORDERS_A_TRANSACTION: Final = 1_000
TRIES: Final = 5
SHOWN: Final = 20


def run(session: Session, names: tuple[str, ...], *, as_json: bool) -> Exit:
    """Reserve for the orders named, or for all that are short; REFUSED if some are short still."""
    split = session.properties.stock.split
    submitted = back_ordered = 0
    short: list[Allotment] = []
    with session.connection() as conn:
        for some in _named(conn, names) if names else _all_short(conn):
            decided = _reserve(conn, some, split=split)
            if names:
                _refuse_others(some, decided)
            short += [one for one in decided if one.short]
            submitted += sum(not one.short for one in decided)
            back_ordered += sum(one.back_ordered for one in decided)
    if as_json:
        told = [{"order": one.order, "why": one.sentence} for one in short]
        counts = {"submitted": submitted, "units_back_ordered": back_ordered}
        show.print_json({**counts, "short": told})
    else:
        _print(submitted, back_ordered, short)
    return Exit.REFUSED if short else Exit.DONE


def _named(conn: psycopg.Connection, names: tuple[str, ...]) -> Iterator[list[int]]:
    yield [find(conn, name) for name in names]


def _all_short(conn: psycopg.Connection) -> Iterator[list[int]]:
    """All that were short when this began, each once, whatever becomes of those before it."""
    after: reserving.Waiting | None = None
    while some := reserving.all_short(conn, after, ORDERS_A_TRANSACTION):
        yield [one.id for one in some]
        after = some[-1]


def _reserve(conn: psycopg.Connection, orders: list[int], *, split: bool) -> list[Allotment]:
    for attempt in range(1, TRIES + 1):
        try:
            with conn.transaction():
                return reserving.reserve(conn, orders, split=split, submit=True)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
            if attempt == TRIES:
                raise
    raise AssertionError


def _refuse_others(named: list[int], decided: list[Allotment]) -> None:
    others = sorted(set(named) - {one.order for one in decided})
    if others:
        shown = ", ".join(map(str, others))
        rest = "; the others were looked at" if decided else ""
        raise Refusal(f"order {shown} is not New: stock is reserved when it is submitted{rest}")


def _print(submitted: int, back_ordered: int, short: list[Allotment]) -> None:
    console = show.terminal()
    rows = [
        (show.thousands(submitted), "orders reserved and submitted"),
        (show.thousands(len(short)), "orders that stay New"),
    ]
    if back_ordered:
        rows.append((show.thousands(back_ordered), "units on back-order"))
    console.print(show.table((">", ""), rows))
    if short:
        console.print()
        first = [(one.order, one.sentence) for one in short[:SHOWN]]
        console.print(show.table((">order", "why"), first))
        if len(short) > SHOWN:
            show.note(f"... and {len(short) - SHOWN:,} more: --json shows all.")
