"""cmp-orders stock: what each warehouse has, and for which orders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.exits import Exit, Refusal
from console.session import Session, as_json, document_file, example, pass_session

if TYPE_CHECKING:
    import psycopg

MOST = 1_000_000_000_000
"""Units of one product at one warehouse: the table's limit."""


@click.group()
def stock() -> None:
    """Count, import and show the stock of the warehouses."""


@stock.command("set", epilog=example("cmp-orders stock set LONDON PHONE-X1-128 250"))
@click.argument("warehouse")
@click.argument("product")
@click.argument("on_hand", type=click.IntRange(0, MOST), metavar="ON_HAND")
@pass_session
def set_(session: Session, warehouse: str, product: str, on_hand: int) -> None:
    """Write how many units of PRODUCT are on hand in WAREHOUSE, reserved ones included.

    The first count has the product kept in stock there: from then on orders for it are served from
    what is on record, or stay New.
    """
    from console import show, stock_import  # noqa: PLC0415
    from core.db.stocktaking import Count  # noqa: PLC0415

    with session.connection() as conn:
        *_, wrong = stock_import.write(conn, [Count(warehouse, product, on_hand)])
    for _, reason, sentence in wrong:
        raise Refusal(f"{reason}: {sentence}")
    show.note(f"{on_hand:,} of {show.printable(product)} are on hand in {warehouse}")


@stock.command("import", epilog=example("cmp-orders stock import counted.csv"))
@document_file
@as_json
@pass_session
def import_(session: Session, file: Path, kind: str, as_json: bool) -> Exit:
    """Write the counts of FILE (- for standard input); what it does not name stays as it is.

    JSON lines: one count a line, as schemas/stock.schema.json describes it. CSV: the columns
    warehouse, product, onHand. What is refused is told with its line and why (exit 1); the others
    are written.
    """
    from console.stock_import import run  # noqa: PLC0415

    return run(session, file, kind=kind, as_json=as_json)


@stock.command(
    "show", epilog=example("cmp-orders stock show --warehouse LONDON", "cmp-orders stock show CASE")
)
@click.argument("product", required=False)
@click.option("--warehouse", help="Only what it has.")
@click.option("--orders", is_flag=True, help="For which orders it is reserved, the oldest first.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@as_json
@pass_session
def show_(  # the options of the verb
    session: Session,
    product: str | None,
    warehouse: str | None,
    orders: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Show the stock: on hand, of it reserved and available, by product and warehouse.

    `unrecorded` are units that were dispatched though they were not on record: count them.
    """
    from console import show  # noqa: PLC0415

    of = _Of(product, warehouse, limit)
    with session.connection() as conn:
        columns, rows, cells = of.reserved(conn) if orders else of.stock(conn)
    if as_json:
        show.print_json(rows)
        return
    show.terminal().print(show.table(columns, cells))
    if len(cells) == limit:
        show.note(f"There may be more: --limit {limit * 10} shows them.")


class _Of:
    """What is to be shown."""

    def __init__(self, product: str | None, warehouse: str | None, limit: int) -> None:
        self._product = product
        self._warehouse = warehouse
        self._limit = limit

    def stock(
        self, conn: psycopg.Connection
    ) -> tuple[tuple[str, ...], object, list[tuple[object, ...]]]:
        from core.db import stocktaking  # noqa: PLC0415

        rows = stocktaking.list_stock(
            conn, warehouse=self._warehouse, product=self._product, limit=self._limit
        )
        names = (">on hand", ">reserved", ">available", ">unrecorded")
        cells: list[tuple[object, ...]] = [
            (
                *(r.product_code, r.description, r.warehouse_id),
                *(r.on_hand, r.reserved, r.available, r.unrecorded or None),
            )
            for r in rows
        ]
        return ("product", "description", "warehouse", *names), rows, cells

    def reserved(
        self, conn: psycopg.Connection
    ) -> tuple[tuple[str, ...], object, list[tuple[object, ...]]]:
        from core.db import stocktaking  # noqa: PLC0415
        from core.domain.order import OrderStatus  # noqa: PLC0415

        rows = stocktaking.list_reservations(
            conn, warehouse=self._warehouse, product=self._product, limit=self._limit
        )
        cells: list[tuple[object, ...]] = [
            (
                *(r.order_id, r.reference, OrderStatus(r.status).shown, r.entered_at),
                *(r.product_code, r.warehouse_id, r.quantity),
            )
            for r in rows
        ]
        columns = (">order", "reference", "status", "entered", "product", "warehouse", ">reserved")
        return columns, rows, cells


@stock.command(epilog=example("cmp-orders stock forget LONDON PHONE-X1-128"))
@click.argument("warehouse")
@click.argument("product")
@pass_session
def forget(session: Session, warehouse: str, product: str) -> None:
    """Keep PRODUCT in stock no longer in WAREHOUSE: orders for it go there unchecked again.

    Refused while some of it is reserved for orders.
    """
    from console import show  # noqa: PLC0415
    from core.db import stock, stocktaking  # noqa: PLC0415

    with session.connection() as conn, conn.transaction():
        stock.lock(conn, [(warehouse, product)])
        if not stocktaking.forget(conn, warehouse, product):
            raise Refusal(
                f"{show.printable(product)} is not kept in {show.printable(warehouse)}, or some of "
                "it is reserved: cmp-orders stock show"
            )
    show.note(f"{show.printable(product)} is kept in stock in {warehouse} no longer")
