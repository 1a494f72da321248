"""cmp-orders keys: make keys and certificates, and list them."""

from __future__ import annotations

from pathlib import Path

import click

from console.exits import Exit
from console.session import Session, as_json, example, pass_session

USES = ["signing", "encryption"]
STORE = Path("/etc/credstore")
"""Where systemd looks for credentials that are named without a path (systemd.exec(5))."""
STORE_PREFIX = "sales-orders."
"""What the units put before the names of ours, in a store that all services share."""


@click.group()
def keys() -> None:
    """Make keys and certificates, and list them."""


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
