"""cmp-orders status: the funnel, for somebody who was woken at 3 a.m."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from console.session import Session, as_json, example, pass_session

if TYPE_CHECKING:
    import psycopg

    from core.db.funnel import Count


@dataclass(frozen=True, slots=True)
class Step:
    """A place where something can stand: how many do, and the age of the one that has longest."""

    name: str
    title: str
    who: str
    """Who moves it on; empty where it rests."""
    count: int = 0
    oldest: datetime | None = None


ORDERS = (
    Step("NEW", "New", "whoever enters it"),
    Step("short", "  New, and short of stock", "order reserve"),
    Step("AWAITING_GENERATION", "Awaiting Generation", "request-extract"),
    Step("queued", "  queued for a batch", "request-extract"),
    Step("held", "  queued, and held", "order release"),
    Step("AWAITING_DISPATCH", "Awaiting Dispatch (in all)", "the warehouse"),
    Step("ERROR", "Error", "order regenerate"),
    Step("COMPLETE", "Complete", ""),
    Step("CANCELLED", "Cancelled", ""),
)
REQUEST, DISPATCH = "Sales Order Request", "Sales Order Dispatch"
BATCHES = (
    Step(f"{REQUEST}, Batch, Complete", "Request: to seal", "extract-to-generic"),
    Step(f"{REQUEST}, Extract/Load, In Progress", "Request: to publish", "extract-to-generic"),
    Step(f"{REQUEST}, Extract/Load, Error", "Request: set aside", "batch reprocess"),
    Step(f"{REQUEST}, Extract/Load, Complete", "Request: published", ""),
    Step(f"{DISPATCH}, Extract/Load, Complete", "Dispatch: to apply", "dispatch"),
    Step(f"{DISPATCH}, Batch, Error", "Dispatch: with refused records", "batch reprocess"),
    Step(f"{DISPATCH}, Batch, Complete", "Dispatch: applied", ""),
)
FILES = (
    Step("SEALED", "Out: sealed", "extract-to-generic"),
    Step("PUBLISHED", "Out: published, not taken", "the warehouse"),
    Step("TAKEN", "Out: taken", ""),
    Step("waiting", "Out: acknowledgements to send", "extract-to-generic"),
    Step("lying", "Out: acknowledgements untaken", "the warehouse"),
    Step("aside", "Out: acknowledgements aside", "file acknowledge"),
    Step("told", "Out: acknowledgements taken", ""),
    Step("dropped", "In: dropped, not claimed", "load-from-generic"),
    Step("CLAIMED", "In: claimed", "load-from-generic"),
    Step("LOADED", "In: loaded, not archived", "load-from-generic"),
    Step("QUARANTINED", "In: in quarantine", "file requeue, file discard"),
    Step("REQUEUED", "In: requeued", ""),
    Step("DISCARDED", "In: discarded", ""),
    Step("REPEATED", "In: repeats", ""),
    Step("ARCHIVED", "In: accepted", ""),
)
ERRORS_SHOWN = 5


@click.command(epilog=example("cmp-orders status", "cmp-orders status --json"))
@as_json
@pass_session
def status(session: Session, as_json: bool) -> None:
    """Show how many orders, batches and files stand at each step, and how long the oldest has.

    Below it stands what needs a person, with the verb that mends it.
    """
    from console import show  # noqa: PLC0415

    told = look(session)
    if as_json:
        show.print_json(told)
    else:
        _print(told)


def look(session: Session) -> dict[str, Any]:
    """What `status --json` prints: one moment of the database, and what lies in the inboxes."""
    from psycopg import IsolationLevel  # noqa: PLC0415

    from core.db import funnel, masterdata, sequences  # noqa: PLC0415

    with session.connection() as conn:
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        with conn.transaction():
            now = funnel.now(conn)
            warehouses = masterdata.list_warehouses(conn)
            counted = {
                "orders": _filled(ORDERS, _orders(conn)),
                "batches": _filled(BATCHES, {", ".join(c.names): c for c in funnel.batches(conn)}),
                "files": _filled(FILES, _files(conn, session, [w.id for w in warehouses])),
            }
            holds, errors = funnel.holds(conn), funnel.errors(conn, ERRORS_SHOWN)
            rejected, missing = funnel.rejected(conn), sequences.missing(conn)
    return {
        "at": now,
        **{part: [_document(step, now) for step in steps] for part, steps in counted.items()},
        "holds": [_named("kind", count, now) for count in holds],
        "errors": [_named("reason", count, now) for count in errors],
        "warehouses_held": [
            {"warehouse": w.id, "reason": w.held_reason, "held_at": w.held_at}
            for w in warehouses
            if w.held_reason
        ],
        "warehouses_paused": [
            {
                "warehouse": w.id,
                "reason": w.pause_reason,
                "paused_by": w.paused_by,
                "paused_at": w.paused_at,
            }
            for w in warehouses
            if w.paused_at
        ],
        "rejected_by_partner": _aged(rejected.number, rejected.oldest, now),
        "missing_files": [
            {"warehouse": warehouse, "first": first, "last": last, "count": count}
            for warehouse, first, last, count in missing
        ],
    }


def _orders(conn: psycopg.Connection) -> dict[str, Count]:
    from core.db import funnel  # noqa: PLC0415

    found = {count.names[0]: count for count in (*funnel.orders(conn), funnel.short(conn))}
    names = {"ready": "queued", "held": "held"}
    return found | {names[count.names[0]]: count for count in funnel.queued(conn)}


def _files(conn: psycopg.Connection, session: Session, warehouses: list[str]) -> dict[str, Count]:
    from core.db import funnel  # noqa: PLC0415

    found = {
        c.names[0]: c
        for c in (*funnel.outbound(conn), *funnel.acknowledgements(conn), *funnel.inbound(conn))
    }
    try:
        written = [
            candidate.written_at
            for warehouse in warehouses
            for candidate in session.inbound.candidates(warehouse)[0]
        ]
    except OSError:
        return found  # Whoever asks may have no right to look in there.
    from datetime import UTC  # noqa: PLC0415

    oldest = datetime.fromtimestamp(min(written), UTC) if written else None
    return found | {"dropped": funnel.Count(("dropped",), len(written), oldest)}


def _filled(steps: tuple[Step, ...], counts: dict[str, Count]) -> list[Step]:
    return [
        Step(step.name, step.title, step.who, counts[step.name].number, counts[step.name].oldest)
        if step.name in counts
        else step
        for step in steps
    ]


def _document(step: Step, now: datetime) -> dict[str, Any]:
    told = _aged(step.count, step.oldest, now)
    return {"step": step.name, "title": step.title.strip(), "moved_by": step.who, **told}


def _named(name: str, count: Count, now: datetime) -> dict[str, Any]:
    return {name: count.names[0], **_aged(count.number, count.oldest, now)}


def _aged(count: int, oldest: datetime | None, now: datetime) -> dict[str, Any]:
    age = (now - oldest).total_seconds() if oldest else None
    return {"count": count, "oldest_at": oldest, "oldest_age_seconds": age}


def _print(told: dict[str, Any]) -> None:
    from console import show  # noqa: PLC0415

    console = show.terminal()
    indent = {step.name: step.title for step in (*ORDERS, *BATCHES, *FILES)}
    for part in ("orders", "batches", "files"):
        rows = [
            (
                indent[step["step"]],
                show.thousands(step["count"]) if step["count"] else "-",
                _age(step) if step["moved_by"] and step["count"] else "",
                step["moved_by"] if step["count"] else "",
            )
            for step in told[part]
        ]
        table = show.table((part.title(), ">number", ">oldest", "moved on by"), rows)
        for column, width in zip(table.columns, (31, 9, 11, 27), strict=True):
            column.width = width
        console.print(table)
        console.print()
    attention = list(_attention(told))
    if not attention:
        console.print("Nothing needs a person.", style="green")
        return
    console.print("What needs a person", style="bold red")
    for sentence in attention:
        console.print(f"  {show.marked(sentence)}")


def _age(step: dict[str, Any]) -> str:
    from console import show  # noqa: PLC0415

    seconds = step["oldest_age_seconds"]
    return "" if seconds is None else show.age(timedelta(seconds=seconds))


def _moment(at: datetime) -> str:
    from console import show  # noqa: PLC0415

    return show.moment(at)


def _attention(told: dict[str, Any]) -> Iterator[str]:
    """One line each, with the verb that shows or mends it."""
    for held in told["warehouses_held"]:
        yield f"{held['warehouse']} is held: {held['reason']} (cmp-orders reconcile)"
    for paused in told["warehouses_paused"]:
        yield (
            f"{paused['warehouse']} is paused by {paused['paused_by']} since "
            f"{_moment(paused['paused_at'])}: {paused['reason']} (warehouse resume)"
        )
    counts = {step["step"]: step for part in ("batches", "files") for step in told[part]}
    for name, what, verb in (
        (BATCHES[2].name, "request batches set aside", "batch list --status error"),
        (BATCHES[5].name, "dispatch batches with refused records", "batch list --status error"),
        ("QUARANTINED", "files in quarantine", "file list --quarantined"),
        ("aside", "acknowledgements set aside", "file list --status SET_ASIDE"),
    ):
        number, oldest = counts[name]["count"], _age(counts[name])
        if number:
            yield f"{number:,} {what}, oldest {oldest} (cmp-orders {verb})"
    if number := told["rejected_by_partner"]["count"]:
        yield (
            f"{number:,} request files rejected by their partner, oldest "
            f"{_age(told['rejected_by_partner'])} (cmp-orders file list --rejected)"
        )
    for gap in told["missing_files"]:
        yield (
            f"{gap['warehouse']}: {gap['count']:,} of its files from number {gap['first']} to "
            f"{gap['last']} have not come (ask the partner)"
        )
    for error in told["errors"]:
        yield (
            f"{error['count']:,} orders in Error for {error['reason']}, oldest {_age(error)} "
            "(order list --status error)"
        )
    for hold in told["holds"]:
        yield (
            f"{hold['count']:,} orders held ({hold['kind']}), oldest {_age(hold)} "
            "(order list --held)"
        )
