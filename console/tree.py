"""cmp-orders tree: the two trees of generic files."""

from __future__ import annotations

import click

from console.session import Session, as_json, example, pass_session


@click.group()
def tree() -> None:
    """Make the trees of generic files."""


@tree.command(epilog=example("sudo -u sales-orders cmp-orders tree init"))
@as_json
@pass_session
def init(session: Session, as_json: bool) -> None:
    """Make both trees, with a directory for each warehouse; what is there stays.

    The outbound tree gets an id here and only here: daemons refuse a tree that is not the one in
    which a batch was sealed. Run it as the user that the daemons run as.
    """
    from console import show  # noqa: PLC0415
    from core.db import warehouses  # noqa: PLC0415

    identity = session.outbound.init()
    session.inbound.init()
    with session.connection() as conn:
        names = [one.id for one in warehouses.all_warehouses(conn)]
    for name in names:
        session.outbound.prepare(name)
        session.inbound.prepare(name)
    made = {
        "out": str(session.outbound.root),
        "out_id": str(identity),
        "in": str(session.inbound.root),
        "warehouses": names,
    }
    if as_json:
        show.print_json(made)
    else:
        show.note(f"{made['out']} (id {identity}) and {made['in']} are there")
        show.note(f"warehouses: {', '.join(names) or 'none yet'}")
