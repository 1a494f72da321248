"""cmp-orders db: the schema of the database."""

from __future__ import annotations

import getpass

import click

from console.exits import Exit
from console.session import Session, as_json, example, pass_session


@click.group()
def db() -> None:
    """Bring the database to this release's schema."""


@db.command(epilog=example("sudo -u postgres cmp-orders db migrate"))
@click.option("--user", help="The role that owns the schema; default: the operating system's user.")
@as_json
@pass_session
def migrate(session: Session, user: str | None, as_json: bool) -> None:
    """Apply the migrations that the database lacks; running daemons wait for them."""
    from console import show  # noqa: PLC0415
    from core.db.migrate import migrate as bring_forward  # noqa: PLC0415

    owner = user or session.properties.database.user or getpass.getuser()
    with session.connection(user=owner, any_schema=True) as conn:
        # Building an index over years of orders takes what it takes.
        conn.execute("set statement_timeout = 0")
        done = bring_forward(conn)
    if as_json:
        show.print_json({"applied": done})
    elif done:
        show.note(f"applied: {', '.join(done)}")
    else:
        show.note("the schema is this release's already")


@db.command(epilog=example("cmp-orders db status"))
@as_json
@pass_session
def status(session: Session, as_json: bool) -> Exit:
    """Show which migrations are applied; exit 1 if any is missing."""
    from console import show  # noqa: PLC0415
    from core.db.listing import applied_migrations  # noqa: PLC0415
    from core.db.migrate import migrations  # noqa: PLC0415

    with session.connection(any_schema=True) as conn:
        applied = applied_migrations(conn)
    rows = [
        {
            "migration": one.name,
            "applied_at": applied[one.number][1] if one.number in applied else None,
            "changed_since": one.number in applied and applied[one.number][0] != one.digest,
        }
        for one in migrations()
    ]
    if as_json:
        show.print_json(rows)
    else:
        columns = ("migration", "applied", "changed since")
        show.terminal().print(show.table(columns, [tuple(row.values()) for row in rows]))
    missing = any(row["applied_at"] is None or row["changed_since"] for row in rows)
    return Exit.REFUSED if missing else Exit.DONE
