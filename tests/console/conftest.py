"""`cmp-orders` against a database of the test's own, in this process."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.main import main
from tests.daemons.conftest import catalogue
from tests.daemons.depot import Depot, make_keys
from tests.daemons.desk import Desk
from tests.postgres import Database
from tests.site import Site


@dataclass(frozen=True)
class Ended:
    """How a verb ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, parsed."""
        return json.loads(self.out)


class Console(Desk):
    """An installation and the verbs of `cmp-orders` over it."""

    capture: pytest.CaptureFixture[str]

    @property
    def properties_file(self) -> Path:
        """Where the database and the trees are."""
        path = self.root / "sales-orders.properties"
        lines = {
            "database.host": self.database.host,
            "database.port": self.database.port,
            "database.name": self.database.name,
            "directory.out": self.root / "out",
            "directory.in": self.root / "in",
            "trust.directory": self.root / "trust",
        }
        path.write_text("".join(f"sales.order.{name} = {value}\n" for name, value in lines.items()))
        return path

    def call(self, *arguments: object, config: Path | None = None) -> Ended:
        """Run a verb."""
        self.capture.readouterr()
        given = ["--config", str(config or self.properties_file), *map(str, arguments)]
        code = main(given)
        captured = self.capture.readouterr()
        return Ended(code, captured.out, captured.err)

    def submit(self, orders: Iterable[dict[str, Any] | str], *arguments: object) -> Ended:
        """Submit orders, or lines that are none, as JSON lines."""
        path = self.root / "orders.jsonl"
        lines = [one if isinstance(one, str) else json.dumps(one) for one in orders]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return self.call("order", "submit", path, *arguments)


@pytest.fixture
def console(tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]) -> Console:
    """Three warehouses, a few products, no orders; see tests/daemons/desk.py."""
    console = Console(tmp_path, database)
    console.capture = capsys
    catalogue(console)
    return console


class Counter(Depot, Console):
    """The same with trees and keys, so that files go and come."""

    @property
    def properties_file(self) -> Path:
        """With the settings of the test."""
        path = Site.properties_file.fget(self)  # type: ignore[attr-defined]
        assert isinstance(path, Path)
        return path


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody's keys, made once."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def counter(
    tmp_path: Path, database: Database, keys: Path, capsys: pytest.CaptureFixture[str]
) -> Counter:
    """An installation whose files the verbs of the console meet."""
    counter = Counter(tmp_path, database, keys)
    counter.capture = capsys
    catalogue(counter)
    return counter
