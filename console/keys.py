"""cmp-orders keys: make keys and certificates, rotate ours, and list them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.exits import Exit
from console.session import Session, as_json, example, pass_session

if TYPE_CHECKING:
    from console.rotating import Known, Rotation

USES = ["signing", "encryption"]
STORE = Path("/etc/credstore")
"""Where systemd looks for credentials that are named without a path (systemd.exec(5))."""
STORE_PREFIX = "sales-orders."
"""What the units put before the names of ours, in a store that all services share."""


@click.group()
def keys() -> None:
    """Make keys and certificates, rotate ours, and list them."""


@keys.command(epilog=example("sudo cmp-orders keys generate --name 'CMP Example Telecom'"))
@click.option("--name", required=True, help="The certificates' common name.")
@click.option(
    "--credentials",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the private keys go, mode 0600; default: systemd's store, /etc/credstore, under "
    "the names sales-orders.*.key from which the units load them.",
)
@click.option(
    "--trust",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the certificates go, below own/; default: the property's directory.",
)
@click.option(
    "--use", "uses", multiple=True, type=click.Choice(USES), help="Only this one; default: both."
)
@click.option(
    "--days",
    type=click.IntRange(1, 36500),
    default=730,
    show_default=True,
    help="How long the certificates are valid.",
)
@click.option("--overwrite", is_flag=True, help="Replace what is there: it cannot be had back.")
@as_json
@pass_session
def generate(  # the options of the verb
    session: Session,
    name: str,
    credentials: Path | None,
    trust: Path | None,
    uses: tuple[str, ...],
    days: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make a key pair that signs and one that decrypts, with self-signed certificates.

    Send the certificates to the warehouses and compare the fingerprints (keys list) by telephone.
    """
    from console import show  # noqa: PLC0415
    from core import envelope  # noqa: PLC0415

    written = envelope.generate(
        name,
        trust or session.properties.trust.directory,
        credentials or STORE,
        [envelope.Use(use) for use in uses or USES],
        days,
        prefix="" if credentials else STORE_PREFIX,
        overwrite=overwrite,
    )
    if as_json:
        show.print_json({"written": [str(path) for path in written]})
        return
    for path in written:
        show.note(str(path))


@keys.command(
    epilog=example(
        "sudo cmp-orders keys rotate --use signing",
        "sudo cmp-orders keys rotate --use signing --switch",
        "sudo cmp-orders keys rotate --use signing --finish",
    )
)
@click.option("--use", required=True, type=click.Choice(USES), help="Which of our keys.")
@click.option("--switch", is_flag=True, help="Put the new key in the old one's place.")
@click.option("--finish", is_flag=True, help="Remove the old key and its certificate.")
@click.option("--force", is_flag=True, help="With --finish: though a partner may still need it.")
@click.option("--name", help="The new certificate's common name; default: the present one's.")
@click.option(
    "--days",
    type=click.IntRange(1, 36500),
    default=730,
    show_default=True,
    help="How long the new certificate is valid.",
)
@click.option(
    "--credentials",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the private keys are; default: systemd's store, /etc/credstore, under the names "
    "sales-orders.*.key from which the units load them.",
)
@click.option(
    "--trust",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another trust directory than the property's.",
)
@as_json
@pass_session
def rotate(  # noqa: PLR0913  # one argument an option
    session: Session,
    *,
    use: str,
    switch: bool,
    finish: bool,
    force: bool,
    name: str | None,
    days: int,
    credentials: Path | None,
    trust: Path | None,
    as_json: bool,
) -> None:
    """Rotate a key of ours, a step a call: say where it stands, what is known, and what comes next.

    Without --switch or --finish it makes the new pair beside the old, if there is none yet, and
    changes nothing else. Every step may be run again. The old key stays valid until --finish.
    """
    from console import rotating, show  # noqa: PLC0415
    from core import envelope  # noqa: PLC0415

    if switch and finish:
        raise click.UsageError("--switch and --finish exclude each other")
    if force and not finish:
        raise click.UsageError("--force goes with --finish")
    rotation = rotating.Rotation(
        envelope.Use(use),
        credentials or STORE,
        "" if credentials else STORE_PREFIX,
        trust or session.properties.trust.directory,
        command=f"sudo cmp-orders keys rotate --use {use}",
    )
    removed: list[Path] = []
    if switch:
        rotation.switch()
    elif finish:
        removed = rotation.finish(_known(session, rotation), force=force)
    else:
        rotation.prepare(name, days)
    known = _known(session, rotation)
    sent = rotation.to_send()
    if as_json:
        show.print_json(
            {
                "use": use,
                "step": rotation.step,
                "certificate": sent and str(sent[0]),
                "sha256": sent and envelope.fingerprint(sent[1]),
                "removed": [str(path) for path in removed],
                "warehouses": [
                    {"warehouse": one.warehouse, "state": one.state, "proven": one.proven}
                    for one in known
                ],
                "next": rotation.todo(),
            }
        )
        return
    for path in removed:
        show.note(f"removed: {path}")
    show.note(f"{use}: {_STANDS[rotation.step]}")
    for one in known:
        show.note(f"{one.warehouse} {one.state}")
    for sentence in rotation.todo():
        show.note(sentence)


_STANDS = {
    "none": "one key, no rotation under way",
    "prepared": "the new key is made, the old one is in use",
    "switching": "a switch to the new key was cut short",
    "switched": "the new key is in use once its daemon is restarted, the old one is kept",
}


def _known(session: Session, rotation: Rotation) -> list[Known]:
    """What is known of the partners' side; the database need not be there for a rotation."""
    import psycopg  # noqa: PLC0415

    from console import rotating  # noqa: PLC0415
    from core import envelope  # noqa: PLC0415
    from core.db import acknowledgements  # noqa: PLC0415
    from core.errors import Defer  # noqa: PLC0415

    if rotation.step is not rotating.Step.SWITCHED:
        return []
    if rotation.use is envelope.Use.ENCRYPTION:
        largest = session.properties.load_from_generic.maxbytes
        return rotating.known_of_encryption(rotation, session.inbound, largest)
    try:
        with session.connection() as conn:
            answers = acknowledgements.answers_since(conn, rotation.switched_at)
    except (psycopg.OperationalError, Defer):
        return [rotating.Known("?", "the database does not say what was answered", proven=False)]
    return rotating.known_of_signing(answers)


@keys.command("list", epilog=example("cmp-orders keys list"))
@click.option(
    "--trust",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another trust directory than the property's.",
)
@as_json
@pass_session
def list_(session: Session, trust: Path | None, as_json: bool) -> Exit:
    """List the certificates, ours and the partners'; exit 1 if one is not valid now.

    One that a warehouse has revoked is listed as that, and no fault.
    """
    from console import show  # noqa: PLC0415
    from core import envelope  # noqa: PLC0415

    listed = envelope.load(trust or session.properties.trust.directory, None).certificates()
    if as_json:
        show.print_json(
            [
                {
                    "owner": one.owner,
                    "use": one.use,
                    "subject": one.subject,
                    "sha256": one.fingerprint,
                    "not_before": one.not_before,
                    "not_after": one.not_after,
                    "state": one.state,
                    "path": str(one.path),
                }
                for one in listed
            ]
        )
    else:
        columns = ("owner", "use", "state", "until", "subject", "SHA-256")
        cells = [
            (
                one.owner,
                one.use,
                one.state,
                f"{one.not_after:%Y-%m-%d}",
                one.subject,
                one.fingerprint,
            )
            for one in listed
        ]
        show.terminal().print(show.table(columns, cells))
    fine = {envelope.State.VALID, envelope.State.REVOKED}
    valid = all(one.state in fine for one in listed)
    return Exit.DONE if valid else Exit.REFUSED
