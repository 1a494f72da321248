"""An installation made for one run: database, trees, keys, four warehouses, the orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.processes import run_together
from benchmarks.volume import (
    GRANULARITY,
    ITEM_COLUMNS,
    ORDER_COLUMNS,
    PRODUCT_COLUMNS,
    Volume,
)
from console.embedded import PORT, EmbeddedPostgres
from console.standin.post import SENDER
from core import envelope
from core.db import migrate
from core.directory import Inbound, Outbound

PIECE = 1 << 20
PAGES_AN_ORDER = 1.4
"""What a run writes to the server's log for an order, in pages of 8 kB."""


@contextmanager
def database(server: EmbeddedPostgres, name: str) -> Iterator[psycopg.Connection]:
    """A new database and its owner's connection, in autocommit; dropped at the end."""
    identifier = sql.Identifier(name)
    with closing(psycopg.connect(server.conninfo(), autocommit=True)) as maintenance:
        maintenance.execute(sql.SQL("create database {}").format(identifier))
        try:
            with closing(psycopg.connect(server.conninfo(name), autocommit=True)) as owner:
                yield owner
        finally:
            maintenance.execute(sql.SQL("drop database {} with (force)").format(identifier))


def warm_up(server: EmbeddedPostgres, volume: Volume) -> None:
    """Bring a new server to where one is that has been up for a while.

    The first time that a page of its memory or a segment of its log is used costs a multiple of
    the next time. So as many pages are written once as a run will write, and given back.
    """
    pages = round(volume.totals.orders * PAGES_AN_ORDER)
    with closing(psycopg.connect(server.conninfo(), autocommit=True)) as conn:
        conn.execute("create table warm_up (page text)")
        # Not compressed, one row a page.
        conn.execute("alter table warm_up alter page set storage plain")
        conn.execute(
            "insert into warm_up select repeat('x', 7900) from generate_series(1, %s)", (pages,)
        )
        conn.execute("drop table warm_up")
        conn.execute("checkpoint")


def copy_in(conn: psycopg.Connection, table: str, columns: str, file: Path) -> None:
    """COPY a file of rows into a table, a piece at a time."""
    with (
        file.open("rb") as rows,
        conn.cursor() as cursor,
        cursor.copy(f"copy {table} ({columns}) from stdin".encode()) as copy,
    ):
        while piece := rows.read(PIECE):
            copy.write(piece)


@dataclass(frozen=True, slots=True)
class Installation:
    """Where everything of a run is; the database is `owner`'s."""

    root: Path
    owner: psycopg.Connection
    outbound: Outbound
    inbound: Inbound

    @property
    def properties(self) -> Path:
        """The module properties."""
        return self.root / "sales-orders.properties"

    @property
    def log(self) -> Path:
        """What the daemons have to say."""
        return self.root / "log"

    @property
    def environ(self) -> dict[str, str]:
        """What the daemons need in their environment."""
        return {"CREDENTIALS_DIRECTORY": str(self.root / "credentials")}

    def partner(self, warehouse: str) -> Path:
        """The folder of the stand-in for a warehouse."""
        return self.root / "partners" / warehouse

    def daemon(self, name: str, *options: str) -> Sequence[str]:
        """The arguments that run a daemon of this installation."""
        return (f"daemons.{name}", "--config", str(self.properties), *options)

    def answers(self, warehouse: str) -> Path:
        """Where answers lie that are not delivered yet."""
        return self.root / "answers" / warehouse

    def standin(self, warehouse: str) -> Sequence[str]:
        """The arguments that answer, in full and aside, what lies there for a warehouse."""
        return (
            *("console.main", "warehouse", "run", "--warehouse", warehouse, "--plan", "clean"),
            *("--folder", str(self.partner(warehouse)), "--once", "--settle"),
            *("--take", str(self.outbound.outbox(warehouse))),
            *("--drop", str(self.answers(warehouse))),
        )

    def value(self, statement: str) -> Any:
        """The first column of the first row."""
        row = self.owner.execute(statement.encode()).fetchone()
        return None if row is None else row[0]


def install(root: Path, server: EmbeddedPostgres, owner: psycopg.Connection) -> Installation:
    """Make all of it, without products and orders."""
    root.mkdir()
    site = Installation(root, owner, Outbound(root / "out"), Inbound(root / "in"))
    site.outbound.init()
    site.inbound.init()
    migrate.migrate(owner)
    envelope.generate("us", root / "trust", root / "credentials")
    for warehouse, granularity in GRANULARITY.items():
        owner.execute(
            "insert into warehouse (id, name, granularity) values (%s, %s, %s)",
            (warehouse, warehouse.title(), granularity),
        )
        site.outbound.prepare(warehouse)
        site.inbound.prepare(warehouse)
        theirs = site.partner(warehouse)
        envelope.generate(warehouse, theirs / "trust", theirs / "credentials")
        envelope.pin(theirs / "trust", warehouse, root / "trust")
        envelope.pin(root / "trust", SENDER, theirs / "trust")
    values = {
        "database.host": server.host,
        "database.port": PORT,
        "database.name": owner.info.dbname,
        "directory.out": site.outbound.root,
        "directory.in": site.inbound.root,
        "trust.directory": root / "trust",
        "log.format": "json",
    }
    lines = (f"sales.order.{name} = {value}\n" for name, value in values.items())
    site.properties.write_text("".join(lines))
    return site


def enter(site: Installation, volume: Volume) -> None:
    """Put the orders into the database as CMP would: each with its items, not yet submitted."""
    owner = site.owner
    copy_in(owner, "product", PRODUCT_COLUMNS, volume.products)
    with owner.transaction():
        copy_in(owner, "sales_order", ORDER_COLUMNS, volume.orders)
        copy_in(owner, "order_item", ITEM_COLUMNS, volume.items)
    owner.execute("select setval('sales_order_id_seq', (select max(id) from sales_order))")


def submit(site: Installation) -> None:
    """Have all orders that were entered wait for generation."""
    site.owner.execute("update sales_order set status = 'AWAITING_GENERATION' where status = 'NEW'")


def answer(site: Installation) -> None:
    """Let the warehouses answer, two at a time; deliver() puts the answers where they belong."""
    houses: Sequence[str] = list(GRANULARITY)
    for house in houses:
        site.answers(house).mkdir(parents=True)
    for pair in (houses[:2], houses[2:]):
        run_together([site.standin(house) for house in pair], site.log)


def deliver(site: Installation) -> None:
    """Put all answers into the inbound directories."""
    for house in GRANULARITY:
        for file in sorted(site.answers(house).iterdir()):
            file.rename(site.inbound.inbox(house) / file.name)
