"""cmp-orders batch: list and show interface batches, and reprocess them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from console.exits import Refusal
from console.session import Session, as_json, example, pass_session

if TYPE_CHECKING:
    import psycopg

TYPES = {"request": "Sales Order Request", "dispatch": "Sales Order Dispatch"}
STATUSES = {"in-progress": "In Progress", "complete": "Complete", "error": "Error"}


@click.group()
def batch() -> None:
    """List and show interface batches, and reprocess them."""


@batch.command("list", epilog=example("cmp-orders batch list --status error"))
@click.option("--type", "kind", type=click.Choice(list(TYPES)), help="Only of this type.")
@click.option("--warehouse", help="Only of this warehouse.")
@click.option("--status", type=click.Choice(list(STATUSES)), help="Only with this stage status.")
@click.option("--unfinished", is_flag=True, help="Only those that have not come to their end.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@as_json
@pass_session
def list_(  # the options of the verb
    session: Session,
    kind: str | None,
    warehouse: str | None,
    status: str | None,
    unfinished: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List batches, the newest first."""
    from console import show  # noqa: PLC0415
    from core.db import listing  # noqa: PLC0415

    wanted = listing.BatchFilter(
        TYPES[kind] if kind else None,
        warehouse,
        STATUSES[status] if status else None,
        unfinished,
        limit,
    )
    with session.connection() as conn:
        rows = listing.batches(conn, wanted)
    if as_json:
        show.print_json(rows)
        return
    columns = (">batch", "type", "warehouse", "stage", "since", ">records", "why")
    cells = [
        (
            row.id,
            row.type.rsplit(" ", 1)[1],
            row.warehouse_id,
            f"{row.stage}, {row.stage_status}",
            row.stage_at,
            row.record_count,
            row.sentence or row.reason,
        )
        for row in rows
    ]
    show.terminal().print(show.table(columns, cells))


@batch.command("show", epilog=example("cmp-orders batch show 42 --refused"))
@click.argument("number", metavar="BATCH", type=click.IntRange(1))
@click.option("--refused", is_flag=True, help="Of its details only those that were refused.")
@click.option("--limit", type=click.IntRange(0), default=100, show_default=True, help="Of details.")
@as_json
@pass_session
def show_(session: Session, number: int, refused: bool, limit: int, as_json: bool) -> None:
    """Show a batch: where it stands, its history, its files and its details."""
    from console import show  # noqa: PLC0415
    from core.db import mending  # noqa: PLC0415

    with session.connection() as conn:
        told = mending.batch(conn, number, refused=refused, limit=limit)
    if told is None:
        raise Refusal(f"there is no batch {number}")
    if as_json:
        show.print_json(told)
    else:
        _tell(told)


def _tell(told: dict[str, Any]) -> None:
    from console import show  # noqa: PLC0415

    console = show.terminal()
    facts = [
        ("batch", told["id"]),
        ("type", told["type"]),
        ("warehouse", told["warehouse"]),
        ("stage", f"{told['stage']}, {told['stage_status']}"),
        ("since", told["stage_at"]),
        ("records", told["record_count"]),
        ("fraud check", told["fraud_check_required"] or None),
        ("attempts", told["attempts"] or None),
        ("reason", told["reason"]),
        ("sentence", told["sentence"]),
        ("partner's sequence", told["partner_sequence"]),
    ]
    table = show.table(("", ""), [fact for fact in facts if fact[1] is not None])
    table.show_header = False
    console.print(table)
    parts: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("File", "outbound_files", ("name", "byte_count", "sealed_at", "published_at", "taken_at")),
        ("Files", "inbound_files", ("id", "partner_name", "status", "received_at")),
        ("Details", "details", ("sequence", "order_ref", "applied_at", "reason", "sentence")),
        ("History", "history", ("at", "to_stage", "who", "why")),
    )
    for title, part, names in parts:
        if told[part]:
            console.print()
            columns = [name.removesuffix("_at").replace("_", " ") for name in names]
            rows = [[row[name] for name in names] for row in told[part]]
            console.print(show.table(columns, rows, title=title))


@batch.command(epilog=example("cmp-orders batch reprocess 42"))
@click.argument("number", metavar="BATCH", type=click.IntRange(1))
@pass_session
def reprocess(session: Session, number: int) -> None:
    """Put a batch in Error back to its last valid stage, so that its daemon takes it again.

    Of a dispatch batch only the refused records are tried again; what was applied stays.
    """
    from console import show  # noqa: PLC0415

    with session.connection() as conn:
        show.note(reprocess_batch(conn, number))


def reprocess_batch(conn: psycopg.Connection, number: int) -> str:
    """Do it in one transaction; what was done, as a sentence."""
    from core.db import batches, mending, requests  # noqa: PLC0415
    from core.domain.batch import BATCHED, FAILED, LOADED, SEALED, SET_ASIDE  # noqa: PLC0415

    with conn.transaction():
        if batches.lock(conn, number, FAILED):
            stage = LOADED
        elif batches.lock(conn, number, SET_ASIDE):
            stage = SEALED if requests.file_of(conn, number) else BATCHED
        else:
            told = mending.batch(conn, number, refused=False, limit=0)
            if told is None:
                raise Refusal(f"there is no batch {number}")
            raise Refusal(
                f"batch {number} is at {told['stage']}, {told['stage_status']}; only one in Error "
                "is reprocessed"
            )
        batches.move(conn, number, stage)
    return f"batch {number} is at {stage} again"
