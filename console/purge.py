"""cmp-orders purge: remove settled orders that are older than they are to be kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from console.exits import Exit
from console.session import Session, as_json, example, pass_session

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

ROLE = "sales_order_retention"
"""Removes, and can do nothing else."""
AT_ONCE = 1000
"""Orders or batches a transaction: what it locks is free again within a fraction of a second."""


@click.command(
    epilog=example("cmp-orders purge", "sudo -u sales_order_retention cmp-orders purge --yes")
)
@click.option(
    "--months",
    type=click.IntRange(1),
    help="Keep those of so many months; default: the property sales.order.retention.months.",
)
@click.option("--yes", is_flag=True, help="Remove them; without it they are only counted.")
@click.option("--log", "to_log", is_flag=True, help="Tell the log, as from a timer.")
@as_json
@pass_session
def purge(session: Session, months: int | None, yes: bool, to_log: bool, as_json: bool) -> Exit:
    """Count the orders that are settled and too old; with --yes remove them, for good.

    An order goes when it is Complete or Cancelled, nothing of it is open and all its batches have
    ended well; a batch's details go with the last of its orders. What recognises a repeat stays:
    files, dispatches, serial numbers. Works in bounded transactions: it can be stopped, and goes
    on next time.
    """
    from console import show  # noqa: PLC0415
    from core.db import retention  # noqa: PLC0415

    months = months or session.properties.retention.months
    started = time.monotonic()
    if not months:
        told = {"months": 0, "orders": 0, "batches": 0, "removed": False}
    else:
        with session.connection(user=ROLE if yes else None) as conn:
            before = retention.months_ago(conn, months)
            if yes:
                orders, batches = _purge(conn, before)
            else:
                orders, batches = retention.count(conn, before).orders, 0
        told = {"months": months, "orders": orders, "batches": batches, "removed": yes}
    if to_log:
        _log(session, told, started)
    elif as_json:
        show.print_json(told)
    else:
        show.note(_sentence(told))
    return Exit.DONE


def _purge(conn: psycopg.Connection, before: datetime) -> tuple[int, int]:
    """Remove until nothing is left to remove; how many orders, and how many batches' details."""
    from core.db import retention  # noqa: PLC0415

    orders = batches = 0
    while True:
        with conn.transaction():
            found = retention.lock_orders(conn, before, AT_ONCE)
            for step in (
                retention.remove_charges,
                retention.remove_units,
                retention.remove_lines,
                retention.remove_orders,
            ):
                step(conn, found)
        orders += len(found)
        if not found:
            break
    while True:
        with conn.transaction():
            ended = retention.lock_batches(conn, before, AT_ONCE)
            retention.remove_details(conn, ended)
        batches += len(ended)
        if not ended:
            return orders, batches


def _sentence(told: dict[str, int]) -> str:
    if not told["months"]:
        return "orders are kept for ever: sales.order.retention.months is 0"
    if told["removed"]:
        return f"removed: {told['orders']} orders and the details of {told['batches']} batches"
    return (
        f"{told['orders']} orders are settled and older than {told['months']} months; nothing was "
        "removed, --yes does it"
    )


def _log(session: Session, told: dict[str, int], started: float) -> None:
    from core import log  # noqa: PLC0415
    from core.events import Event  # noqa: PLC0415

    properties = session.properties.log
    log.configure("purge", format=properties.format, level=properties.level)
    log.emit(
        Event.ORDERS_PURGED,
        months=told["months"],
        orders=told["orders"],
        batches=told["batches"],
        milliseconds=log.milliseconds(started),
    )
