"""cmp-orders config: the module properties."""

from __future__ import annotations

import click

from console.session import Session, as_json, example, pass_session


@click.group()
def config() -> None:
    """Show and check the module properties."""


@config.command(epilog=example("cmp-orders config show", "cmp-orders config show --changed"))
@click.option("--changed", is_flag=True, help="Only those that are set somewhere.")
@as_json
@pass_session
def show(session: Session, changed: bool, as_json: bool) -> None:
    """Show every property with its effective value and where that comes from; no secrets."""
    from console.show import print_json, table, terminal  # noqa: PLC0415
    from core.config import describe  # noqa: PLC0415

    rows = [row for row in describe(session.properties) if not changed or row.where != "default"]
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    cells = [(row.name.removeprefix("sales.order."), row.value, row.where) for row in rows]
    terminal().print(table(("sales.order.", "value", "from"), cells))


@config.command(epilog=example("cmp-orders --config new.properties config check"))
@pass_session
def check(session: Session) -> None:
    """Check the properties without using them; exit 78 with a sentence for each problem."""
    _ = session.properties
    click.echo(f"{session.config or 'the defaults'}: nothing to mend")
