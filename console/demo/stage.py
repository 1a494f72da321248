"""Sets the demo's stage: a folder with a database, keys, trees and properties of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import javaproperties
import psycopg
from psycopg import sql

from console.embedded import SUPERUSER, EmbeddedPostgres
from console.generator import PLACES, Catalogue
from console.main import main
from core import envelope
from core.envelope import Profile

DATABASE = "sales_orders"
PROFILES = {place.id: Profile.CMS_GCM for place in PLACES} | {"BELFAST": Profile.CMS_CBC}
"""One partner has software that knows the older encryption only."""
ACKNOWLEDGING = "LONDON"
"""With one partner acknowledgements are agreed, both ways."""
CREDENTIALS = {"extract_to_generic": "signing.key", "load_from_generic": "decryption.key"}
"""Which daemon is given which of our private keys; the others are given none."""
OURSELVES = "CMP"


class DemoError(Exception):
    """The demo cannot go on; the text is a sentence."""


class Stage:
    """Everything that the demo works in, below `folder`, with a server that is running."""

    def __init__(self, folder: Path, server: EmbeddedPostgres) -> None:
        self.folder = folder
        self.server = server
        self.properties = folder / "sales-orders.properties"
        self._properties: dict[str, str] = {}

    def log(self, process: str) -> Path:
        """Where a process writes what it has to say."""
        return self.folder / "log" / f"{process}.log"

    def credentials(self, daemon: str) -> Path:
        """The private keys of one daemon."""
        return self.folder / "credentials" / daemon

    def partner(self, warehouse: str) -> Path:
        """The folder of a stand-in: its keys and what it remembers."""
        return self.folder / "partners" / warehouse

    @property
    def out(self) -> Path:
        """The tree of request files."""
        return self.folder / "out"

    @property
    def in_(self) -> Path:
        """The tree of dispatch files."""
        return self.folder / "in"

    def connect(self) -> psycopg.Connection:
        """A connection to the demo's database in autocommit, as its owner: to look only."""
        return psycopg.connect(self.server.conninfo(DATABASE), autocommit=True)

    def verb(self, *arguments: str, shown: bool = False) -> None:
        """Call `cmp-orders` as its user would; DemoError with what it says if it refuses."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stderr(err))
            if not shown:
                stack.enter_context(contextlib.redirect_stdout(out))
            code = main(["--config", str(self.properties), *arguments])
        if code:
            said = " / ".join((err.getvalue() or out.getvalue()).split("\n")[:10])
            raise DemoError(f"cmp-orders {' '.join(arguments)} ended with {code}: {said}")

    def set_up(self, catalogue: Catalogue, batch: int) -> None:
        """Database, trees, warehouses, products and keys; at most `batch` orders in a file."""
        for name in ("log", "credentials", "partners"):
            (self.folder / name).mkdir()
        self._set_properties(batch)
        with psycopg.connect(self.server.conninfo(), autocommit=True) as conn:
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
        self.verb("db", "migrate", "--user", SUPERUSER)
        self.verb("tree", "init")
        for place in PLACES:
            self.verb(
                *("warehouse", "add", place.id),
                *("--name", place.name, "--granularity", place.granularity),
            )
        products = self.folder / "products.jsonl"
        write_lines(products, (product.record() for product in catalogue.products))
        self.verb("product", "import", str(products))
        self._make_keys()

    def leave(self) -> str:
        """Have the properties find the server when it is started again; the command for that."""
        data = self.server.data
        # Its socket then lies in the data's folder, which only its user and root can enter.
        self._properties["sales.order.database.host"] = str(data)
        self._write_properties()
        program = Path(f"/proc/{self.server.pid}/exe").readlink()
        return f"{program} -D {data} -k {data} -h ''"

    def _set_properties(self, batch: int) -> None:
        values = {
            "database.host": self.server.host,
            "database.name": DATABASE,
            "directory.out": self.out,
            "directory.in": self.in_,
            "trust.directory": self.folder / "trust",
            "log.format": "json",
            "request.extract.fraudcheckrequired": "true",
            "request.extract.fraud.checker": "rules",
            "request.extract.batch.maxorders": batch,
            f"warehouse.{ACKNOWLEDGING}.acknowledgements": "both",
            **{f"warehouse.{name}.envelope": profile for name, profile in PROFILES.items()},
        }
        self._properties = {f"sales.order.{name}": str(value) for name, value in values.items()}
        self._write_properties()

    def _write_properties(self) -> None:
        text = javaproperties.dumps(self._properties, timestamp=False)
        self.properties.write_text(text, encoding="utf-8")

    def _make_keys(self) -> None:
        """Keys for us and each partner, their certificates pinned at the other side."""
        trust, keys = self.folder / "trust", self.credentials("all")
        envelope.generate(OURSELVES, trust, keys)
        for daemon, key in CREDENTIALS.items():
            self.credentials(daemon).mkdir(mode=0o700)
            shutil.copy(keys / key, self.credentials(daemon))
        for place in PLACES:
            partner = self.partner(place.id)
            envelope.generate(place.id, partner / "trust", partner / "credentials")
            envelope.pin(partner / "trust", place.id, trust)
            envelope.pin(trust, OURSELVES, partner / "trust")


@contextlib.contextmanager
def stage(keep: Path | None) -> Iterator[Stage]:
    """A stage that is gone in the end: without a trace, or with its folder left if it is `keep`."""
    with _folder(keep) as folder, _own_environment():
        data = folder / "postgres" if keep else None
        # It is thrown away, or looked at: no power cut has to be survived.
        with EmbeddedPostgres(data, settings={"fsync": "off"}) as server:
            yield Stage(folder, server)


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="orders-demo-") as made:
            yield Path(made)
        return
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise DemoError(f"{keep} is not empty: --keep takes an empty folder, or a new one")
    yield keep.resolve()


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """No setting of the caller's environment reaches the demo; it is put back."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("SALES_ORDER_") or name == "CREDENTIALS_DIRECTORY":
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)


def write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
