"""cmp-orders warehouse: the places that dispatch orders, and the stand-in for one."""

from __future__ import annotations

from importlib import import_module
from typing import cast

import click

from console.exits import Refusal
from console.session import Session, as_json, example, pass_session

GRANULARITIES = ["ITEM", "UNIT", "PRODUCT"]
HELD_BY_OPERATOR = "OPERATOR: "


class _WithStandIn(click.Group):
    """The verbs here, and `run`, which is imported only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "run"]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name != "run":
            return super().get_command(ctx, name)
        command = import_module("console.standin.command").run
        return cast("click.Command", command)


@click.group(cls=_WithStandIn)
def warehouse() -> None:
    """List, add and change warehouses; run a stand-in for one."""


@warehouse.command(epilog=example("cmp-orders warehouse add LONDON --name 'London Park Royal'"))
@click.argument("warehouse")
@click.option("--name", required=True, help="What people call it, at most 200 characters.")
@click.option(
    "--granularity",
    type=click.Choice(GRANULARITIES),
    default="ITEM",
    help="What one request line stands for: an item, a unit, or all of a product in an order.",
)
@click.option(
    "--over-dispatch",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    metavar="PERCENT",
    help="How much more than a line asks for it may dispatch; the excess is not billed.",
)
@pass_session
def add(session: Session, warehouse: str, name: str, granularity: str, over_dispatch: int) -> None:
    """Add WAREHOUSE: capital letters, digits, - and _, at most 32."""
    from console import show  # noqa: PLC0415
    from core.db import masterdata  # noqa: PLC0415

    _check(warehouse, name)
    with session.connection() as conn:
        if not masterdata.add_warehouse(conn, warehouse, name, granularity, over_dispatch):
            raise Refusal(
                f"{warehouse} is a warehouse already; cmp-orders warehouse set changes it"
            )
    show.note(f"{warehouse} is added")
    try:
        session.outbound.prepare(warehouse)
        session.inbound.prepare(warehouse)
    except OSError:
        show.note("its directories are not made yet: cmp-orders tree init makes them")


@warehouse.command("list", epilog=example("cmp-orders warehouse list"))
@as_json
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the warehouses."""
    from console import show  # noqa: PLC0415
    from core.db import masterdata  # noqa: PLC0415

    with session.connection() as conn:
        rows = masterdata.list_warehouses(conn)
    if as_json:
        show.print_json(rows)
        return
    columns = ("warehouse", "name", "granularity", ">over", ">files", ">products", "held")
    show.terminal().print(
        show.table(
            columns,
            [
                (
                    *(w.id, w.name, w.granularity, f"{w.over_dispatch_percent} %"),
                    *(w.file_sequence, w.products, w.held_reason),
                )
                for w in rows
            ],
        )
    )


@warehouse.command(
    "set", epilog=example("cmp-orders warehouse set LONDON --hold 'stocktaking until noon'")
)
@click.argument("warehouse")
@click.option("--name", help="Its new name.")
@click.option(
    "--granularity",
    type=click.Choice(GRANULARITIES),
    help="Counts for what is generated from now on.",
)
@click.option(
    "--over-dispatch",
    type=click.IntRange(0, 100),
    metavar="PERCENT",
    help="How much more than a line asks for it may dispatch; the excess is not billed.",
)
@click.option("--hold", metavar="REASON", help="Neither seal nor load for it until --release.")
@click.option("--release", is_flag=True, help="Go on after --hold.")
@pass_session
def set_(  # one argument an option
    session: Session,
    *,
    warehouse: str,
    name: str | None,
    granularity: str | None,
    over_dispatch: int | None,
    hold: str | None,
    release: bool,
) -> None:
    """Change WAREHOUSE, hold it, or go on with it."""
    from console import show  # noqa: PLC0415
    from core.db import masterdata  # noqa: PLC0415

    if not (name or granularity or hold or release or over_dispatch is not None):
        raise click.UsageError(
            "nothing to change: give --name, --granularity, --over-dispatch, --hold or --release"
        )
    if hold and release:
        raise click.UsageError("--hold and --release exclude each other")
    _check(warehouse, name)
    with session.connection() as conn, conn.transaction():
        if not masterdata.change_warehouse(
            conn,
            warehouse,
            name=name,
            granularity=granularity,
            over_dispatch_percent=over_dispatch,
        ):
            raise Refusal(f"there is no warehouse {show.printable(warehouse)}")
        if hold and not masterdata.hold_warehouse(conn, warehouse, HELD_BY_OPERATOR + hold):
            raise Refusal(f"{warehouse} is held already: cmp-orders warehouse list says why")
        if release and not masterdata.release_warehouse(conn, warehouse, HELD_BY_OPERATOR):
            raise Refusal(
                f"{warehouse} is not held by an operator; a daemon's hold ends with its cause: "
                "cmp-orders reconcile shows it"
            )
    show.note(f"{warehouse} is changed")


def _check(warehouse: str, name: str | None) -> None:
    import re  # noqa: PLC0415

    if not re.fullmatch(r"[A-Z0-9][A-Z0-9_-]{0,31}", warehouse):
        raise click.UsageError(
            "a warehouse's id has capital letters, digits, - and _ only, begins with a letter or "
            "digit, and has 32 characters at most"
        )
    if name is not None and not 1 <= len(name) <= 200:  # noqa: PLR2004  # the table's CHECK
        raise click.UsageError("a warehouse's name has 1 to 200 characters")
