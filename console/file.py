"""cmp-orders file: list generic files, look into them, and mend what can be mended."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.exits import Refusal
from console.session import Session, as_json, example, pass_session

if TYPE_CHECKING:
    from core.db import mending

OUTBOUND = ["WAITING", "SEALED", "PUBLISHED", "TAKEN", "SET_ASIDE"]
INBOUND = ["CLAIMED", "LOADED", "ARCHIVED", "REPEATED", "QUARANTINED", "REQUEUED", "DISCARDED"]
KINDS = ["request", "dispatch", "acknowledgement"]


@click.group()
def file() -> None:
    """List, show, open, requeue, discard and resend generic files."""


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
@click.option("--type", "kind", type=click.Choice(KINDS), help="Only of this type.")
@click.option("--rejected", is_flag=True, help="Only request files that the partner rejected.")
@click.option("--quarantined", is_flag=True, help="The same as --status QUARANTINED.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@as_json
@pass_session
def list_(  # noqa: PLR0913  # one argument an option
    session: Session,
    *,
    direction: str | None,
    warehouse: str | None,
    statuses: tuple[str, ...],
    kind: str | None,
    rejected: bool,
    quarantined: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List files of both directions, those that moved last first."""
    from console import show  # noqa: PLC0415
    from core.db import listing  # noqa: PLC0415

    wanted = [status.upper() for status in statuses] + ["QUARANTINED"] * quarantined
    chosen = listing.FileFilter(
        direction and direction.upper(), warehouse, wanted or None, kind and kind.upper(),
        rejected, limit,
    )  # fmt: skip
    with session.connection() as conn:
        rows = listing.files(conn, chosen)
    if as_json:
        show.print_json(rows)
        return
    columns = (">id", "way", "warehouse", "name", "status", "since", ">batch", "verdict", "why")
    cells = [
        (
            row.id,
            row.direction.lower(),
            row.warehouse_id,
            row.name,
            row.status,
            row.status_at,
            row.batch_id,
            row.verdict,
            ": ".join(part for part in (row.reason, row.sentence) if part),
        )
        for row in rows
    ]
    show.terminal().print(show.table(columns, cells))


@file.command(
    "show",
    epilog=example(
        "cmp-orders file show order-request-LONDON-00000042.p7m", "cmp-orders file show 17"
    ),
)
@click.argument("name", metavar="NAME|ID")
@as_json
@pass_session
def show_(session: Session, name: str, as_json: bool) -> None:
    """Show what is known of a file: of one from us by its name, of a partner's by our number.

    A request file tells what the partner has said of it, a partner's what it was told.
    """
    from console import file_story, show  # noqa: PLC0415
    from core.db import mending  # noqa: PLC0415

    with session.connection() as conn:
        told = mending.file(conn, name)
    if told is None:
        raise Refusal(f"there is no file {show.printable(name)}: cmp-orders file list")
    if as_json:
        show.print_json(told)
    else:
        file_story.tell(show.terminal(), told)


@file.command(epilog=example("cmp-orders file resend order-request-LONDON-00000042.p7m"))
@click.argument("name", metavar="NAME|IDENTIFIER")
@pass_session
def resend(session: Session, name: str) -> None:
    """Have a request file published once more: the same bytes, name, number and identifier.

    For a partner that has lost it, or refused it for a cause that is mended. It knows by the
    identifier that it is no new file. Refused while the file lies in its directory still.
    """
    from console import resending, show  # noqa: PLC0415

    with session.connection() as conn:
        show.note(resending.resend(conn, session.outbound, name))


@file.command(epilog=example("cmp-orders file acknowledge 17"))
@click.argument("number", metavar="ID", type=click.IntRange(1))
@pass_session
def acknowledge(session: Session, number: int) -> None:
    """Take up again the acknowledgements of an inbound file that were set aside."""
    from console import show  # noqa: PLC0415
    from core.db import mending  # noqa: PLC0415

    with session.connection() as conn:
        count = mending.retry_acknowledgements(conn, number)
    if not count:
        raise Refusal(
            f"no acknowledgement of file {number} is set aside: cmp-orders file list "
            "--status SET_ASIDE"
        )
    show.note(f"{count} acknowledgements of file {number} are tried again")


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
