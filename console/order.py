"""cmp-orders order: enter, show and mend orders."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from console.exits import Exit
from console.session import (
    SINCE,
    Session,
    as_json,
    aware,
    document_file,
    example,
    pass_session,
)

STATUSES = ["NEW", "AWAITING_GENERATION", "AWAITING_DISPATCH", "COMPLETE", "ERROR", "CANCELLED"]


@click.group()
def order() -> None:
    """Enter, reserve, show, hold, reject, cancel, return and regenerate orders."""


@order.command(epilog=example("cmp-orders order submit orders.jsonl --refused refused.jsonl"))
@document_file
@click.option("--draft", is_flag=True, help="Leave the orders New; submit the file again to go on.")
@click.option(
    "--refused",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the line, reference and reason of each order that is refused, or short of stock, "
    "here, as JSON lines.",
)
@as_json
@pass_session
def submit(
    session: Session, file: Path, kind: str, draft: bool, refused: Path | None, as_json: bool
) -> Exit:
    """Enter the orders of FILE (- for standard input) and submit them.

    JSON lines: one order a line, as schemas/order.schema.json describes it. CSV: one item a row;
    see docs/commands.md. An order that is there already, saying the same, is left as it is, so
    the same file can be submitted again. What is refused is told with its line and why (exit 1);
    the others are entered. Where stock is kept it is reserved; an order that is short of it stays
    New (exit 1).
    """
    from console.order_submit import run  # noqa: PLC0415

    return run(session, file, kind=kind, draft=draft, refused=refused, as_json=as_json)


@order.command(epilog=example("cmp-orders order reserve", "cmp-orders order reserve WEB-2026-0417"))
@click.argument("names", metavar="[ID|REFERENCE]...", nargs=-1)
@as_json
@pass_session
def reserve(session: Session, names: tuple[str, ...], as_json: bool) -> Exit:
    """Check the stock anew for orders in New, reserve it and submit what can be served.

    Without a name: for all that were submitted and stay New for want of stock, the oldest first.
    Exit 1 says that some are short still.
    """
    from console.order_reserve import run  # noqa: PLC0415

    return run(session, names, as_json=as_json)


@order.command(epilog=example("cmp-orders order show WEB-2026-000417"))
@click.argument("name", metavar="ID|REFERENCE")
@as_json
@pass_session
def show(session: Session, name: str, as_json: bool) -> None:
    """Show an order's whole story: items, lines, batches, files, dispatches, units and charges.

    This prints the customer's name and address.
    """
    from psycopg import IsolationLevel  # noqa: PLC0415

    from console import order_story  # noqa: PLC0415
    from console.order_moves import find  # noqa: PLC0415
    from console.show import print_json, terminal  # noqa: PLC0415
    from core.db import story  # noqa: PLC0415

    with session.connection() as conn:
        # One moment for all of it, whatever the daemons are doing.
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        with conn.transaction():
            told = story.of(conn, find(conn, name))
    if as_json:
        print_json(told | {"tmf622_state": order_story.tmf622(told)})
    else:
        order_story.tell(terminal(), told)


@order.command("list", epilog=example("cmp-orders order list --status error --since 2026-03-01"))
@click.option("--status", type=click.Choice(STATUSES, case_sensitive=False))
@click.option("--warehouse", help="Only those with a request line for it.")
@click.option("--since", type=SINCE, help="Only those that came to where they are since then, UTC.")
@click.option("--held", is_flag=True, help="Only those with an open hold.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@as_json
@pass_session
def list_(  # the options of the verb
    session: Session,
    status: str | None,
    warehouse: str | None,
    since: datetime | None,
    held: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List orders, those that moved last first."""
    from console import show  # noqa: PLC0415
    from core.db import listing  # noqa: PLC0415
    from core.domain.order import OrderStatus  # noqa: PLC0415

    wanted = listing.OrderFilter(status and status.upper(), warehouse, aware(since), held, limit)
    with session.connection() as conn:
        rows = listing.orders(conn, wanted)
    if as_json:
        show.print_json(rows)
        return
    columns = (">id", "reference", "status", "since", ">items", "why")
    cells = [
        (
            row.id,
            row.reference,
            ("held, " if row.held else "") + OrderStatus(row.status).shown,
            row.status_at,
            row.items,
            row.status_reason,
        )
        for row in rows
    ]
    show.terminal().print(show.table(columns, cells))
    if len(rows) == limit:
        show.note(f"There may be more: --limit {limit * 10} shows them.")


@order.command(epilog=example("cmp-orders order hold 417 --reason 'address in doubt'"))
@click.argument("name", metavar="ID|REFERENCE")
@click.option("--reason", required=True, help="Kept with the hold.")
@pass_session
def hold(session: Session, name: str, reason: str) -> None:
    """Keep an order from being batched and sealed; refused once it is sealed."""
    from console import order_moves, show  # noqa: PLC0415

    with session.connection() as conn:
        show.note(order_moves.hold(conn, name, reason))


@order.command(epilog=example("cmp-orders order release 417 --reason 'address confirmed'"))
@click.argument("name", metavar="ID|REFERENCE")
@click.option("--reason", help="Kept with the hold; a hold for fraud needs one.")
@click.option(
    "--kind",
    type=click.Choice(["OPERATOR", "FRAUD"], case_sensitive=False),
    help="Which hold, where there are both.",
)
@pass_session
def release(session: Session, name: str, reason: str | None, kind: str | None) -> None:
    """End a hold: the order goes on. Unchanged, the fraud check does not hold it again."""
    from console import order_moves, show  # noqa: PLC0415

    with session.connection() as conn:
        show.note(order_moves.release(conn, name, kind and kind.upper(), reason))


@order.command(epilog=example("cmp-orders order reject 417 --reason 'nobody of that name there'"))
@click.argument("name", metavar="ID|REFERENCE")
@click.option("--reason", required=True, help="Kept in the history, and with the hold.")
@pass_session
def reject(session: Session, name: str, reason: str) -> None:
    """Decide against an order that is held for fraud, or just suspect: it ends in Error.

    Its holds end with it. Refused once it is sealed: then the warehouse has to be asked. It is not
    cancelled: order regenerate takes it up again, and its fraud check then holds it once more.
    """
    from console import order_moves, show  # noqa: PLC0415

    with session.connection() as conn:
        show.note(order_moves.reject(conn, name, reason))


@order.command(epilog=example("cmp-orders order cancel 417 --reason 'customer withdrew'"))
@click.argument("name", metavar="ID|REFERENCE")
@click.option("--reason", required=True, help="Kept in the history.")
@pass_session
def cancel(session: Session, name: str, reason: str) -> None:
    """Cancel an order: at once what is not sealed yet; for the rest the warehouse is asked.

    What is asked goes out in its next request file. The order stays as it is until the warehouse
    has answered: what it cancels is cancelled then, and what it dispatches all the same is billed.
    order show has the answer of each warehouse.
    """
    from console import order_moves, show  # noqa: PLC0415

    with session.connection() as conn:
        show.note(order_moves.cancel(conn, name, reason))


@order.command(epilog=example("cmp-orders order regenerate 417"))
@click.argument("name", metavar="ID|REFERENCE")
@pass_session
def regenerate(session: Session, name: str) -> None:
    """Request anew what is still owed of an order in Error, closing its rejected lines."""
    from console import order_moves, show  # noqa: PLC0415

    with session.connection() as conn:
        show.note(order_moves.regenerate(conn, name))


@order.command(
    "return",
    epilog=example(
        "cmp-orders order return 417 --unit 490154203237518 --reason 'changed their mind'",
        "cmp-orders order return WEB-417 --product CASE --quantity 2 --damaged --reason broken",
    ),
)
@click.argument("name", metavar="ID|REFERENCE")
@click.option(
    "--unit",
    "numbers",
    multiple=True,
    metavar="NUMBER",
    help="A unit that came back, by its serial number, IMEI or ICCID; may be given again.",
)
@click.option("--product", help="The product that came back, where its units have no numbers.")
@click.option("--quantity", type=click.IntRange(1), help="With --product: how many units.")
@click.option("--damaged", is_flag=True, help="They cannot be sold again: no stock has them.")
@click.option("--reason", required=True, help="Kept with the return.")
@pass_session
def return_(  # the options of the verb
    session: Session,
    name: str,
    numbers: tuple[str, ...],
    product: str | None,
    quantity: int | None,
    damaged: bool,
    reason: str,
) -> None:
    """Enter goods that came back, where no file of the warehouse tells of them.

    Dispatch takes it in like a warehouse's record: the units' numbers are free to go out again,
    what can be sold is back in stock, and what was billed is credited. The order stays where it is.
    """
    if bool(numbers) == bool(product) or (product is None) != (quantity is None):
        raise click.UsageError("say --unit, or --product and --quantity")
    from console import returning, show  # noqa: PLC0415

    with session.connection() as conn:
        show.note(
            returning.enter(
                conn,
                name,
                numbers=numbers,
                product=product,
                quantity=quantity or 0,
                damaged=damaged,
                reason=reason,
            )
        )
