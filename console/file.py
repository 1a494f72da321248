"""cmp-orders file: list generic files, look into them, and mend what is in quarantine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.exits import Refusal
from console.session import Session, as_json, example, pass_session

if TYPE_CHECKING:
    from core.db import mending

OUTBOUND = ["SEALED", "PUBLISHED", "TAKEN"]
INBOUND = ["CLAIMED", "LOADED", "ARCHIVED", "REPEATED", "QUARANTINED", "REQUEUED", "DISCARDED"]


@click.group()
def file() -> None:
    """List, open, requeue and discard generic files."""


@file.command("list", epilog=example("cmp-orders file list --quarantined"))
@click.option("--direction", type=click.Choice(["in", "out"]))
@click.option("--warehouse", help="Only of this warehouse.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(OUTBOUND + INBOUND, case_sensitive=False),
    help="Only of this status; may be given several times.",
)
@click.option("--quarantined", is_flag=True, help="The same as --status QUARANTINED.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@as_json
@pass_session
def list_(  # the options of the verb
    session: Session,
    direction: str | None,
    warehouse: str | None,
    statuses: tuple[str, ...],
    quarantined: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List files of both directions, those that moved last first."""
    from console import show  # noqa: PLC0415
    from core.db import listing  # noqa: PLC0415

    wanted = [status.upper() for status in statuses] + ["QUARANTINED"] * quarantined
    chosen = listing.FileFilter(direction and direction.upper(), warehouse, wanted or None, limit)
    with session.connection() as conn:
        rows = listing.files(conn, chosen)
    if as_json:
        show.print_json(rows)
        return
    columns = (">id", "way", "warehouse", "name", "status", "since", ">batch", "why")
    cells = [
        (
            row.id,
            row.direction.lower(),
            row.warehouse_id,
            row.name,
            row.status,
            row.status_at,
            row.batch_id,
            f"{row.reason}: {row.sentence}" if row.reason else None,
        )
        for row in rows
    ]
    show.terminal().print(show.table(columns, cells))


@file.command(epilog=example("cmp-orders file requeue 17"))
@click.argument("number", metavar="ID", type=click.IntRange(1))
@pass_session
def requeue(session: Session, number: int) -> None:
    """Have a quarantined inbound file loaded again, as if it were dropped now.

    Mend the cause first: a key, a property. Safe to repeat: a file that was taken in meanwhile is
    recognised.
    """
    from console import show  # noqa: PLC0415
    from core.db import mending  # noqa: PLC0415

    with session.connection() as conn, conn.transaction():
        found = _locked(session, mending.lock_file(conn, number), number, "REQUEUED")
        mending.record_requeued(conn, number)
    # The row is committed: if this ends here, the same verb moves the file.
    moved = session.inbound.requeue("quarantine", found.warehouse_id, found.claim_name)
    if moved:
        show.note(f"file {number} is back in {found.warehouse_id}'s directory")
    else:
        show.note(f"file {number} was moved before")


@file.command(epilog=example("cmp-orders file discard 17 --reason 'a test of the partner'"))
@click.argument("number", metavar="ID", type=click.IntRange(1))
@click.option("--reason", required=True, help="Kept with the file's row.")
@pass_session
def discard(session: Session, number: int, reason: str) -> None:
    """Remove a quarantined inbound file for good; its row stays, with who did it and why."""
    from console import show  # noqa: PLC0415
    from core.db import mending  # noqa: PLC0415

    if not 1 <= len(reason) <= 1000 or "\0" in reason:  # noqa: PLR2004  # as reasons everywhere
        raise click.UsageError("a reason has 1 to 1000 characters")
    with session.connection() as conn, conn.transaction():
        found = _locked(session, mending.lock_file(conn, number), number, "DISCARDED")
        if found.status == "QUARANTINED":
            mending.record_discarded(conn, number, reason)
    session.inbound.discard(found.warehouse_id, found.claim_name)
    show.note(f"file {number} is discarded")


def _locked(
    session: Session, found: mending.ClaimedFile | None, number: int, target: str
) -> mending.ClaimedFile:
    """The file, if it is in quarantine, or an earlier attempt has recorded `target` already."""
    if found is None:
        raise Refusal(f"there is no inbound file {number}")
    if found.status == target:
        return found
    if found.status != "QUARANTINED":
        raise Refusal(f"file {number} is {found.status}, not QUARANTINED: there is nothing to mend")
    # Recorded before it was moved: until load-from-generic has done so, nothing is here to move.
    if not session.inbound.place("quarantine", found.warehouse_id, found.claim_name).exists():
        raise Refusal(f"file {number} is not in the quarantine directory: try again in a second")
    return found


@file.command(epilog=example("cmp-orders file inspect order-request-LONDON-00000042.p7m"))
@click.argument(
    "path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@as_json
@pass_session
def inspect(session: Session, path: Path, as_json: bool) -> None:
    """Show what a sealed file is and to whom it is encrypted; needs no private key."""
    from console import sealed, show  # noqa: PLC0415

    told = sealed.inspect(path.read_bytes(), session.properties.trust.directory)
    if as_json:
        show.print_json(told)
    else:
        sealed.tell(told)


@file.command(
    "open",
    epilog=example(
        "cmp-orders file open in/archive/LONDON/... --warehouse LONDON",
        "cmp-orders file open order-request-LONDON-00000042.p7m --trust standin/trust \\",
        "    --keys standin/credentials --signer CMP",
    ),
)
@click.argument(
    "path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--warehouse",
    "--signer",
    "signer",
    required=True,
    help="Whose signature it must have: the name of a directory under the trust directory.",
)
@click.option(
    "--keys",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CREDENTIALS_DIRECTORY",
    help="Where decryption.key is.",
)
@click.option(
    "--trust",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another trust directory than the property's: a partner's.",
)
@pass_session
def open_(session: Session, path: Path, signer: str, keys: Path | None, trust: Path | None) -> None:
    """Decrypt a file, verify its signature and print its JSON, which holds personal data."""
    from console import sealed  # noqa: PLC0415

    payload = sealed.open_file(
        path.read_bytes(), trust or session.properties.trust.directory, keys, signer
    )
    sys.stdout.buffer.write(payload)
