"""cmp-orders warehouse: the places that dispatch orders, and the stand-in for one."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

import click

from console.exits import Refusal
from console.session import Session, as_json, example, pass_session

if TYPE_CHECKING:
    from core.db.masterdata import WarehouseRow

GRANULARITIES = ["ITEM", "UNIT", "PRODUCT"]
PREFERRED = "Of warehouses that have an order's goods in stock the lowest number serves it."
BACK_ORDER = "Whether it takes what it does not have in stock, to send it later."


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
    """List, add, change and pause warehouses; run a stand-in for one."""


@warehouse.command(epilog=example("cmp-orders warehouse add LONDON --name 'London Park Royal'"))
@click.argument("warehouse")
@click.option("--name", required=True, help="What people call it, at most 200 characters.")
@click.option(
    "--granularity",
    type=click.Choice(GRANULARITIES),
    default="ITEM",
    show_default=True,
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
@click.option(
    "--priority",
    type=click.IntRange(0, 1_000_000),
    default=100,
    show_default=True,
    help=PREFERRED,
)
@click.option("--back-order/--no-back-order", default=False, help=BACK_ORDER)
@pass_session
def add(
    session: Session,
    *,
    warehouse: str,
    name: str,
    granularity: str,
    over_dispatch: int,
    priority: int,
    back_order: bool,
) -> None:
    """Add WAREHOUSE: capital letters, digits, - and _, at most 32."""
    from console import show  # noqa: PLC0415
    from core.db import masterdata  # noqa: PLC0415

    _check(warehouse, name)
    with session.connection() as conn:
        if not masterdata.add_warehouse(
            conn,
            warehouse,
            name,
            granularity,
            over_dispatch_percent=over_dispatch,
            priority=priority,
            back_order=back_order,
        ):
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
    # Only where there is one, so that the others fit into 80 columns.
    stopped = ("stopped",) if any(map(_stopped, rows)) else ()
    columns = (
        *("warehouse", "name", "granularity", ">over", ">priority", "back-order"),
        *(">files", ">products", *stopped),
    )
    cells = [
        (
            *(w.id, w.name, w.granularity, f"{w.over_dispatch_percent} %"),
            *(w.priority, "yes" if w.back_order else "no", w.file_sequence, w.products),
            *((_stopped(w),) if stopped else ()),
        )
        for w in rows
    ]
    show.terminal().print(show.table(columns, cells))


@warehouse.command("set", epilog=example("cmp-orders warehouse set LONDON --granularity UNIT"))
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
@click.option("--priority", type=click.IntRange(0, 1_000_000), help=PREFERRED)
@click.option("--back-order/--no-back-order", default=None, help=BACK_ORDER)
@pass_session
def set_(
    session: Session,
    *,
    warehouse: str,
    name: str | None,
    granularity: str | None,
    over_dispatch: int | None,
    priority: int | None,
    back_order: bool | None,
) -> None:
    """Change WAREHOUSE."""
    from console import show  # noqa: PLC0415
    from core.db import masterdata  # noqa: PLC0415

    given = (name, granularity, over_dispatch, priority, back_order)
    if all(value is None for value in given):
        raise click.UsageError("nothing to change: --help has what can be given")
    _check(warehouse, name)
    with session.connection() as conn:
        if not masterdata.change_warehouse(
            conn,
            warehouse,
            name=name,
            granularity=granularity,
            over_dispatch_percent=over_dispatch,
            priority=priority,
            back_order=back_order,
        ):
            raise Refusal(f"there is no warehouse {show.printable(warehouse)}")
    show.note(f"{warehouse} is changed")


@warehouse.command(
    epilog=example("cmp-orders warehouse pause LONDON --reason 'stocktaking until noon'")
)
@click.argument("warehouse")
@click.option("--reason", required=True, help="Kept until resume, and shown by status.")
@pass_session
def pause(session: Session, warehouse: str, reason: str) -> None:
    """Neither batch, seal, publish nor load for WAREHOUSE until resume.

    A unit that a daemon has in hand is finished. What was loaded before is applied; orders are
    entered, generated and queued as ever, and files that the partner drops wait where they are.
    """
    from console import show  # noqa: PLC0415
    from console.order_moves import checked  # noqa: PLC0415
    from core.db import masterdata  # noqa: PLC0415

    _check(warehouse, None)
    checked(reason)
    with session.connection() as conn:
        if not masterdata.pause_warehouse(conn, warehouse, reason):
            raise Refusal(
                f"there is no warehouse {warehouse}, or it is paused: cmp-orders warehouse list"
            )
    show.note(f"{warehouse} is paused; cmp-orders warehouse resume {warehouse} goes on")


@warehouse.command(epilog=example("cmp-orders warehouse resume LONDON"))
@click.argument("warehouse")
@pass_session
def resume(session: Session, warehouse: str) -> None:
    """Go on with WAREHOUSE after pause.

    A daemon's own hold is another matter and ends with its cause: cmp-orders reconcile shows it.
    """
    from console import show  # noqa: PLC0415
    from core.db import masterdata  # noqa: PLC0415

    _check(warehouse, None)
    with session.connection() as conn:
        if not masterdata.resume_warehouse(conn, warehouse):
            raise Refusal(f"{warehouse} is not paused: cmp-orders warehouse list")
    show.note(f"{warehouse} goes on")


def _stopped(row: WarehouseRow) -> str | None:
    """What stops a warehouse: a daemon's hold, an operator's pause, or both."""
    paused = f"paused by {row.paused_by}: {row.pause_reason}" if row.paused_at else None
    return "; ".join(one for one in (row.held_reason, paused) if one) or None


def _check(warehouse: str, name: str | None) -> None:
    import re  # noqa: PLC0415

    if not re.fullmatch(r"[A-Z0-9][A-Z0-9_-]{0,31}", warehouse):
        raise click.UsageError(
            "a warehouse's id has capital letters, digits, - and _ only, begins with a letter or "
            "digit, and has 32 characters at most"
        )
    if name is not None and not 1 <= len(name) <= 200:  # noqa: PLR2004  # the table's CHECK
        raise click.UsageError("a warehouse's name has 1 to 200 characters")
