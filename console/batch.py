"""cmp-orders batch: list and show interface batches, reprocess and withdraw them."""

from __future__ import annotations

from typing import Any

import click

from console.exits import Exit, Refusal
from console.session import Session, as_json, example, pass_session

TYPES = {"request": "Sales Order Request", "dispatch": "Sales Order Dispatch"}
STATUSES = {"in-progress": "In Progress", "complete": "Complete", "error": "Error"}


@click.group()
def batch() -> None:
    """List and show interface batches, reprocess and withdraw them."""


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
            "Cancel" if row.action == "CANCEL" else row.type.rsplit(" ", 1)[1],
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
        ("asks to", "cancel" if told["action"] == "CANCEL" else None),
        ("fraud check", told["fraud_check_required"] or None),
        ("attempts", told["attempts"] or None),
        ("reason", told["reason"]),
        ("sentence", told["sentence"]),
        ("entered by", told["entered_by"]),
        ("partner's sequence", told["partner_sequence"]),
    ]
    table = show.table(("", ""), [fact for fact in facts if fact[1] is not None])
    table.show_header = False
    console.print(table)
    parts: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("File", "outbound_files", ("name", "sealed_at", "published_at", "taken_at", "verdict")),
        ("Files", "inbound_files", ("id", "partner_name", "status", "received_at")),
        (
            "Acknowledgements",
            "acknowledgements",
            ("name", "verdict", "refused", "created_at", "published_at", "taken_at"),
        ),
        ("Details", "details", ("sequence", "order_ref", "applied_at", "reason", "sentence")),
        ("History", "history", ("at", "to_stage", "who", "why")),
    )
    for title, part, names in parts:
        if told[part]:
            console.print()
            columns = [name.removesuffix("_at").replace("_", " ") for name in names]
            rows = [[row[name] for name in names] for row in told[part]]
            console.print(show.table(columns, rows, title=title))


@batch.command(
    epilog=example(
        "cmp-orders batch reprocess 42",
        "cmp-orders batch reprocess --all --reason NOT_REQUESTED --dry-run",
    )
)
@click.argument("number", metavar="[BATCH]", type=click.IntRange(1), required=False)
@click.option("--all", "every", is_flag=True, help="Every batch in Error, instead of one.")
@click.option("--type", "kind", type=click.Choice(list(TYPES)), help="With --all: only this type.")
@click.option("--warehouse", help="With --all: only of this warehouse.")
@click.option(
    "--reason", help="With --all: only for this reason, of the batch or of one of its records."
)
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and no more.")
@click.option("--yes", is_flag=True, help="With --all: do not ask.")
@as_json
@pass_session
def reprocess(  # noqa: PLR0913  # one argument an option
    session: Session,
    *,
    number: int | None,
    every: bool,
    kind: str | None,
    warehouse: str | None,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> Exit:
    """Put a batch in Error back to its last valid stage, so that its daemon takes it again.

    Of a dispatch batch only the refused records are tried again; what was applied stays. With --all
    it shows the batches first and asks, unless told --yes; --dry-run shows them and ends.
    """
    from console.reprocessing import Wanted, reprocess_all, reprocess_one  # noqa: PLC0415

    if (number is None) != every:
        raise click.UsageError("name one BATCH, or say --all")
    if not every and (kind or warehouse or reason or yes):
        raise click.UsageError("--type, --warehouse, --reason and --yes belong to --all")
    wanted = Wanted(kind and TYPES[kind], warehouse, reason)
    with session.connection() as conn:
        if number is not None:
            return reprocess_one(conn, number, dry_run=dry_run, as_json=as_json)
        return reprocess_all(conn, wanted, dry_run=dry_run, yes=yes, as_json=as_json)


@batch.command(epilog=example("cmp-orders batch withdraw 42 --reason 'wrong stock' --hold"))
@click.argument("number", metavar="BATCH", type=click.IntRange(1))
@click.option("--reason", required=True, help="Kept in the batch's history.")
@click.option("--hold", is_flag=True, help="Hold its orders too, with the same reason.")
@pass_session
def withdraw(session: Session, number: int, reason: str, hold: bool) -> None:
    """Take a request batch apart before it is sealed; refused once it is.

    Its orders go back to the queue and, unless they are held or the warehouse is paused, into the
    next batch: with whatever was changed meanwhile. The batch ends at Extract/Load, Complete,
    without a file, a number or a record. Cancellations go into another batch at once, unless the
    warehouse is paused.
    """
    from console import show, withdrawing  # noqa: PLC0415
    from console.order_moves import checked  # noqa: PLC0415

    checked(reason)
    with session.connection() as conn:
        show.note(withdrawing.withdraw(conn, session.outbound, number, reason=reason, hold=hold))
