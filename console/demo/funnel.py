"""How far the orders are, read from the database and shown: a table that lives, or plain lines."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Self

import psycopg
from psycopg.rows import class_row, scalar_row
from rich.console import Console
from rich.live import Live
from rich.table import Table

from core.domain.order import OrderStatus

BAR = 20
"""Characters of a bar at its end."""


@dataclass(frozen=True, slots=True)
class Steps:
    """How many orders of a warehouse have come to each step, or beyond it."""

    warehouse: str
    generated: int
    batched: int
    published: int
    taken: int
    answered: int
    settled: int


MEANINGS = {
    "generated": "generated into request lines",
    "batched": "put in batches",
    "published": "signed, encrypted and published",
    "taken": "taken by the partner",
    "answered": "answered, in part or in full",
    "settled": "settled and billed",
}


def steps(conn: psycopg.Connection) -> list[Steps]:
    """Every warehouse's steps."""
    with conn.cursor(row_factory=class_row(Steps)) as cursor:
        return cursor.execute(
            """
            with detail as (
                select b.warehouse_id, d.order_id, f.published_at, f.taken_at
                  from batch b
                  join request_detail d on d.batch_id = b.id
                  left join outbound_file f on f.batch_id = b.id
            ), part as (
                select warehouse_id, order_id,
                       bool_and(dispatched + cancelled + rejected = quantity) as settled
                  from request_line
                 group by warehouse_id, order_id
            ), answered as (
                select distinct warehouse_id, order_id from dispatch
            )
            select w.id as warehouse,
                   (select count(*) from part where warehouse_id = w.id) as generated,
                   count(d.order_id) as batched,
                   count(d.published_at) as published,
                   -- An answer may be here before it has been noticed that the file is gone.
                   count(*) filter (where d.taken_at is not null or a.order_id is not null)
                       as taken,
                   count(a.order_id) as answered,
                   (select count(*) from part where warehouse_id = w.id and settled) as settled
              from warehouse w
              left join detail d on d.warehouse_id = w.id
              left join answered a on a.warehouse_id = w.id and a.order_id = d.order_id
             group by w.id
             order by w.id
            """
        ).fetchall()


def statuses(conn: psycopg.Connection) -> dict[OrderStatus, int]:
    """How many orders have each status."""
    rows = conn.execute("select status, count(*) from sales_order group by status").fetchall()
    counts: dict[str, int] = dict(rows)
    return {status: counts.get(status.value, 0) for status in OrderStatus}


def unfinished(conn: psycopg.Connection, *, partners: bool) -> int:
    """How many orders, batches and outbound files still have a step to go.

    Without the partners nobody takes what they are told.
    """
    with conn.cursor(row_factory=scalar_row) as cursor:
        count = cursor.execute(
            """
            select (select count(*) from sales_order
                     where status in ('NEW', 'AWAITING_GENERATION', 'AWAITING_DISPATCH'))
                 + (select count(*) from request_queue)
                 + (select count(*) from batch
                     where (type, stage, stage_status) in (
                        ('Sales Order Request', 'Batch', 'Complete'),
                        ('Sales Order Request', 'Extract/Load', 'In Progress'),
                        ('Sales Order Dispatch', 'Extract/Load', 'Complete')))
                 + (select count(*) from inbound_file where status in ('CLAIMED', 'LOADED'))
                 + (select count(*) from outbound_file where taken_at is null)
                 + (select count(*) from acknowledgement
                     where published_at is null or taken_at is null and %(partners)s)
            """,
            {"partners": partners},
        ).fetchone()
    return int(count or 0)


class Progress:
    """Shows each look at the funnel until `with` ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._live = Live(console=console, transient=True) if console.is_terminal else None
        self._said: tuple[float, str] = (0.0, "")

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, of: list[Steps], orders: dict[OrderStatus, int]) -> None:
        """Show these counts: at once on a terminal, else when they changed, once a second."""
        since = time.monotonic() - self._started
        title = f"{since:.1f} s: {in_words(orders)}"
        if self._live:
            self._live.update(table(of, title))
            return
        totals = {name: sum(getattr(one, name) for one in of) for name in MEANINGS}
        text = ", ".join(f"{count} {name}" for name, count in totals.items())
        last, said = self._said
        if text != said and (since - last >= 1 or not said):
            self._said = (since, text)
            self._console.print(f"{since:6.1f} s  {text}", soft_wrap=True)


def in_words(orders: dict[OrderStatus, int]) -> str:
    """Each status with its count, those that have none left out."""
    return ", ".join(f"{count} {status.shown}" for status, count in orders.items() if count)


def table(of: list[Steps], title: str) -> Table:
    """A row a step, a column a warehouse; an order of two warehouses counts in both."""
    made = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold")
    made.add_column("orders", header_style="dim", no_wrap=True)
    for one in of:
        made.add_column(one.warehouse, justify="right", header_style="dim")
    made.add_column("", width=BAR)
    whole = sum(one.generated for one in of)
    for field in fields(Steps)[1:]:
        counts = [getattr(one, field.name) for one in of]
        share = sum(counts) / whole if whole else 0
        bar = "█" * round(BAR * share)
        made.add_row(MEANINGS[field.name], *map(str, counts), f"[green]{bar}[/green]")
    return made
