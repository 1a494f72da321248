"""A whole installation in a folder, for tests: database, trees, keys, warehouses and partners."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.standin import PRESETS, StandIn
from console.standin.post import SENDER
from core import config, envelope
from core.daemon import run
from core.directory import Inbound, Outbound

if TYPE_CHECKING:
    import psycopg

    from console.standin import Plan
    from core.config import Properties
    from tests.postgres import Database

DAEMONS = ("request_extract", "extract_to_generic", "load_from_generic", "dispatch")
CUSTOMER, STREET = "A Person", "1 High Street"
"""Of whom the orders are that do not say; no test may leave them in its output."""
GRANULARITY = {"LONDON": "ITEM", "LEEDS": "UNIT", "BELFAST": "PRODUCT"}


@dataclass
class Site:
    """An installation with three warehouses of different granularity and no orders."""

    root: Path
    database: Database
    warehouses: dict[str, str] = field(default_factory=lambda: dict(GRANULARITY))
    settings: dict[str, str] = field(default_factory=dict)
    """Module properties beyond those that say where things are."""

    def __post_init__(self) -> None:
        self.outbound = Outbound(self.root / "out")
        self.inbound = Inbound(self.root / "in")
        self.outbound.init()
        self.inbound.init()
        self.credentials = self.root / "credentials"
        envelope.generate("us", self.trust, self.credentials)
        self.owner = self.database.connect()
        for warehouse, granularity in self.warehouses.items():
            self.add_warehouse(warehouse, granularity)

    @property
    def trust(self) -> Path:
        """Our trust directory."""
        return self.root / "trust"

    @property
    def properties_file(self) -> Path:
        """The module properties, written anew at each look."""
        path = self.root / "sales-orders.properties"
        lines = {
            "sales.order.database.host": self.database.host,
            "sales.order.database.port": str(self.database.port),
            "sales.order.database.name": self.database.name,
            "sales.order.directory.out": str(self.outbound.root),
            "sales.order.directory.in": str(self.inbound.root),
            "sales.order.trust.directory": str(self.trust),
            **self.settings,
        }
        path.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
        return path

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a daemon of this installation."""
        return {**os.environ, "CREDENTIALS_DIRECTORY": str(self.credentials)}

    @property
    def properties(self) -> Properties:
        """The effective module properties."""
        return config.load(self.properties_file, environ={})

    def add_warehouse(self, warehouse: str, granularity: str) -> None:
        """A warehouse with its directories, and a partner whose keys and ours are exchanged."""
        self.owner.execute(
            "insert into warehouse (id, name, granularity) values (%s, %s, %s)",
            (warehouse, f"Warehouse {warehouse.title()}", granularity),
        )
        self.outbound.prepare(warehouse)
        self.inbound.prepare(warehouse)
        theirs = self.partner_root(warehouse)
        envelope.generate(warehouse, theirs / "trust", theirs / "credentials")
        envelope.pin(theirs / "trust", warehouse, self.trust)
        envelope.pin(self.trust, SENDER, theirs / "trust")

    def partner_root(self, warehouse: str) -> Path:
        """The partner's own folder."""
        return self.root / "partners" / warehouse

    def partner(self, warehouse: str, plan: Plan | None = None, *, seed: int = 0) -> StandIn:
        """The stand-in for a warehouse; close it after use."""
        theirs = self.partner_root(warehouse)
        return StandIn(
            theirs,
            warehouse,
            envelope.load(theirs / "trust", theirs / "credentials"),
            take=self.outbound.outbox(warehouse),
            drop=self.inbound.inbox(warehouse),
            plan=plan or PRESETS["clean"],
            seed=seed,
        )

    def once(self, *daemons: str) -> None:
        """Run daemons, all four if none is named, in this process until they have no more to do."""
        before = os.environ.get("CREDENTIALS_DIRECTORY")
        os.environ["CREDENTIALS_DIRECTORY"] = str(self.credentials)
        try:
            for name in daemons or DAEMONS:
                daemon = importlib.import_module(f"daemons.{name}").build(self.properties)
                assert run(daemon, once=True) == 0, f"{name} could not do all its work"
        finally:
            if before is None:
                del os.environ["CREDENTIALS_DIRECTORY"]
            else:
                os.environ["CREDENTIALS_DIRECTORY"] = before

    def answer(self, plan: Plan | None = None, *, seed: int = 0, settle: bool = True) -> None:
        """Every partner takes what lies there and answers; with `settle` back-orders too."""
        for warehouse in self.warehouses:
            with self.partner(warehouse, plan, seed=seed) as partner:
                counts = partner.pass_once(settle=settle)
                assert not counts.problems, counts.problems

    def product(self, code: str, warehouse: str | None = "LONDON", **columns: Any) -> None:
        """A product of the catalogue."""
        values = {"description": f"Product {code}", "warehouse_id": warehouse, **columns}
        names = ", ".join(values)
        marks = ", ".join(f"%({name})s" for name in values)
        self.owner.execute(
            f"insert into product (code, {names}) values (%(code)s, {marks})",  # noqa: S608
            {"code": code, **values},
        )

    def order(self, *items: tuple[Any, ...], submit: bool = True, **columns: Any) -> int:
        """An order of (product, quantity, price[, warehouse]) items, entered as CMP does in SQL."""
        values = {
            "account_id": 4711,
            "currency": "GBP",
            "delivery_method": "STANDARD",
            "delivery_name": CUSTOMER,
            "delivery_lines": [STREET],
            "country": "GB",
            **columns,
        }
        names = ", ".join(values)
        marks = ", ".join(f"%({name})s" for name in values)
        with self.owner.transaction():
            row = self.owner.execute(
                f"insert into sales_order ({names}) values ({marks}) returning id",  # noqa: S608
                values,
            ).fetchone()
            assert row is not None
            for number, (product, quantity, price, *warehouse) in enumerate(items, 1):
                self.owner.execute(
                    "insert into order_item (order_id, item_no, product_code, quantity, unit_price,"
                    " warehouse_id) values (%s, %s, %s, %s, %s, %s)",
                    (row[0], number, product, quantity, price, *(warehouse or [None])),
                )
            if submit:
                self.owner.execute(
                    "update sales_order set status = 'AWAITING_GENERATION' where id = %s", row
                )
        return int(row[0])

    def status(self, order: int) -> str:
        """Where an order stands."""
        return str(self.value("select status from sales_order where id = %s", order))

    def value(self, statement: str, *parameters: Any) -> Any:
        """The first column of the first row."""
        row = self.rows(statement, *parameters)[0]
        return row[0]

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows, as the owner sees them."""
        cursor: psycopg.Cursor[Any] = self.owner.execute(statement, parameters)
        return cursor.fetchall()
