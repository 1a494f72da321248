"""Puts batches in Error back to their last valid stage: one, or all that match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from console import show
from console.exits import Exit, Refusal
from core.db import batches, mending, requests
from core.domain.batch import BATCHED, FAILED, LOADED, SEALED, SET_ASIDE

if TYPE_CHECKING:
    import psycopg

    from core.db.mending import InError
    from core.domain.batch import Stage


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which batches in Error are meant; None is any."""

    type: str | None
    warehouse: str | None
    reason: str | None


def reprocess_one(conn: psycopg.Connection, number: int, *, dry_run: bool, as_json: bool) -> Exit:
    """Put this one back, and say so; Refusal unless it is in Error."""
    with conn.transaction(force_rollback=dry_run):
        stage = _put_back(conn, number)
        if stage is None:
            raise Refusal(_why_not(conn, number))
    if as_json:
        show.print_json([{"batch": number, "to": str(stage), "done": not dry_run}])
    else:
        show.note(f"batch {number} {'would be' if dry_run else 'is'} at {stage} again")
    return Exit.DONE


def reprocess_all(
    conn: psycopg.Connection, wanted: Wanted, *, dry_run: bool, yes: bool, as_json: bool
) -> Exit:
    """Show them, ask, and put each back in a transaction of its own; no order of them is meant."""
    found = mending.in_error(
        conn, type_=wanted.type, warehouse=wanted.warehouse, reason=wanted.reason
    )
    if not as_json:
        _show(found)
    if found and not dry_run and not yes:
        _ask(len(found))
    done = [] if dry_run else [one.id for one in found if _moved(conn, one.id)]
    if as_json:
        show.print_json([_told(one, done=one.id in done) for one in found])
    elif not dry_run:
        left = len(found) - len(done)
        show.note(
            f"{len(done)} batches are tried again"
            + (f"; {left} had gone on meanwhile" if left else "")
        )
    return Exit.DONE


def _moved(conn: psycopg.Connection, number: int) -> bool:
    with conn.transaction():
        return _put_back(conn, number) is not None


def _put_back(conn: psycopg.Connection, number: int) -> Stage | None:
    """Move a batch that is in Error still; None if it is not."""
    if batches.lock(conn, number, FAILED):
        stage = LOADED
    elif batches.lock(conn, number, SET_ASIDE):
        stage = SEALED if requests.file_of(conn, number) else BATCHED
    else:
        return None
    batches.move(conn, number, stage)
    return stage


def _target(one: InError) -> Stage:
    if one.type == "Sales Order Dispatch":
        return LOADED
    return SEALED if one.sealed else BATCHED


def _told(one: InError, *, done: bool) -> dict[str, Any]:
    return {
        "batch": one.id,
        "type": one.type,
        "warehouse": one.warehouse_id,
        "reason": one.reason,
        "records": one.record_count,
        "since": one.stage_at,
        "to": str(_target(one)),
        "done": done,
    }


def _show(found: list[InError]) -> None:
    if not found:
        show.note("no such batch is in Error")
        return
    columns = (">batch", "type", "warehouse", "reason", ">records", "since", "would be tried from")
    rows = [
        (
            one.id,
            one.type.rsplit(" ", 1)[1],
            one.warehouse_id,
            one.reason,
            one.record_count,
            one.stage_at,
            str(_target(one)),
        )
        for one in found
    ]
    show.terminal().print(show.table(columns, rows))


def _ask(number: int) -> None:
    if not show.answers():
        raise Refusal(f"{number} batches: say --yes to reprocess them, or --dry-run to look only")
    click.confirm(f"Reprocess these {number} batches?", abort=True)


def _why_not(conn: psycopg.Connection, number: int) -> str:
    told = mending.batch(conn, number, refused=False, limit=0)
    if told is None:
        return f"there is no batch {number}"
    return (
        f"batch {number} is at {told['stage']}, {told['stage_status']}; only one in Error is "
        "reprocessed"
    )
