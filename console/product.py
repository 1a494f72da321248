"""cmp-orders product: the catalogue."""

from __future__ import annotations

from pathlib import Path

import click

from console.exits import Exit
from console.session import Session, as_json, document_file, example, pass_session


@click.group()
def product() -> None:
    """Import and list products."""


@product.command("import", epilog=example("cmp-orders product import catalogue.csv"))
@document_file
@as_json
@pass_session
def import_(session: Session, file: Path, kind: str, as_json: bool) -> Exit:
    """Add the products of FILE (- for standard input), or change those that are there.

    JSON lines: one product a line, as schemas/product.schema.json describes it. CSV: the columns
    code, description, warehouse, serialised, billable, attributes (with ; between). What is
    refused is told with its line and why (exit 1); the others are imported.
    """
    from console.product_import import run  # noqa: PLC0415

    return run(session, file, kind=kind, as_json=as_json)


@product.command("list", epilog=example("cmp-orders product list --warehouse LONDON"))
@click.option("--warehouse", help="Only those that it dispatches.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@as_json
@pass_session
def list_(session: Session, warehouse: str | None, limit: int, as_json: bool) -> None:
    """List products by code."""
    from console import show  # noqa: PLC0415
    from core.db import masterdata  # noqa: PLC0415

    with session.connection() as conn:
        rows = masterdata.list_products(conn, warehouse=warehouse, limit=limit)
    if as_json:
        show.print_json(rows)
        return
    columns = ("code", "description", "warehouse", "serialised", "billable", "attributes")
    show.terminal().print(
        show.table(
            columns,
            [
                (p.code, p.description, p.warehouse_id, p.serialised, p.billable, p.attributes)
                for p in rows
            ],
        )
    )
