"""An installation whose daemons can be stopped at any step, with a partner that keeps count."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from psycopg.conninfo import make_conninfo

from console.reconcile.looking import disagreements
from console.reconcile.trees import Trees
from core import envelope
from core.daemon import Daemon, run
from core.directory import Inbound, Outbound, published_name
from core.envelope import Keyring, Profile, Use
from core.envelope.generate import self_signed
from tests.site import DAEMONS, Site
from tests.system.crash.commits import SteppingConnection
from tests.system.crash.disk import Disk
from tests.system.crash.steps import Crash, Steps

if TYPE_CHECKING:
    from tests.postgres import Database

PARTNER = "PARTNER"
KEYS = {"extract_to_generic": "signing.key", "load_from_generic": "decryption.key"}
"""The private key that each daemon has."""


def make_keys(folder: Path) -> Path:
    """Our keys and one partner's, exchanged; ours lie apart, as the daemons have them.

    RSA keys of the least size: each start of a daemon checks them, and here are many starts.
    """
    ours, theirs = folder / "ours", folder / "theirs"
    for name, place in (("us", ours), ("partner", theirs)):
        envelope.generate(name, place / "trust", place / "credentials", uses=[Use.SIGNING])
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        certificate = self_signed(name, Use.ENCRYPTION, key, days=30)
        private = place / "credentials" / "decryption.key"
        private.touch(mode=0o600)
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = place / "trust" / "own" / "encryption.pem"
        public.write_bytes(certificate.public_bytes(Encoding.PEM))
    envelope.pin(theirs / "trust", PARTNER, ours / "trust")
    envelope.pin(ours / "trust", "CMP", theirs / "trust")
    for name, key_name in KEYS.items():
        (ours / name).mkdir()
        shutil.copy(ours / "credentials" / key_name, ours / name)
    return folder


class Partner:
    """The partner of every warehouse: takes files, remembers what it took, answers on demand."""

    def __init__(self, keys: Keyring, folder: Path) -> None:
        self._keys = keys
        self._folder = folder
        folder.mkdir()
        self.seen: dict[str, Counter[int]] = {}
        """By warehouse: how often each order has come."""
        self.names: list[str] = []
        """Every file taken, in order."""
        self.requests: dict[str, list[dict[str, Any]]] = {}
        """By warehouse: the documents taken."""
        self.told: dict[str, Counter[tuple[str, str]]] = {}
        """By warehouse: how often each (file, verdict) has been told."""

    def take(self, path: Path) -> None:
        """Move a file to the partner's own place and read it."""
        warehouse = path.parent.name
        kept = self._folder / f"{len(self.names)}-{path.name}"
        path.rename(kept)
        self.names.append(path.name)
        opened = envelope.open_(
            kept.read_bytes(),
            decryption=self._keys.decryption,
            signers=self._keys.signers_of("CMP"),
            profiles={Profile.CMS_GCM},
        )
        document = json.loads(opened.payload)
        if document["interfaceType"] == "Acknowledgement":
            told = self.told.setdefault(warehouse, Counter())
            told[document["file"]["name"], document["verdict"]] += 1
            return
        seen = self.seen.setdefault(warehouse, Counter())
        seen.update(int(order["id"]) for order in document["orders"])
        self.requests.setdefault(warehouse, []).append(document)

    def answer(self, warehouse: str, *, dispatch: str, request: int = -1) -> bytes:
        """A sealed file that does all that one request asks; `dispatch` begins its dispatchIds."""
        document = self.requests[warehouse][request]
        records = [
            {
                "id": order["id"],
                "dispatchId": f"{dispatch}-{order['id']}",
                "dispatchDateTime": "2026-03-01T12:00:00Z",
            }
            | (
                {"status": "CANCELLED"}
                if order["action"] == "CANCEL"
                else {
                    "status": "DISPATCHED",
                    "lines": [
                        {"id": line["id"], "quantity": line["quantity"], "status": "DISPATCHED"}
                        for line in order["lines"]
                    ],
                }
            )
            for order in document["orders"]
        ]
        payload = {
            "interfaceCategory": "Sales Order",
            "interfaceType": "Sales Order Dispatch",
            "version": "1.2",
            "externalFileName": "answer",
            "recordCount": len(records),
            "wareHouse": {"id": warehouse},
            "orders": records,
        }
        return self.seal(json.dumps(payload).encode())

    def acknowledgement(self, warehouse: str) -> bytes:
        """A sealed file that accepts the last request."""
        document = self.requests[warehouse][-1]
        sequence = document["wareHouse"]["fileSequence"]
        payload = {
            "identifier": 1,
            "version": "1.0",
            "interfaceCategory": "Sales Order",
            "interfaceType": "Acknowledgement",
            "wareHouse": {"id": warehouse},
            "acknowledgementDateTime": "2026-03-01T12:00:00Z",
            "file": {
                "name": published_name(warehouse, sequence),
                "interfaceType": "Sales Order Request",
                "identifier": document["identifier"],
            },
            "verdict": "ACCEPTED",
            "recordCount": 0,
            "records": [],
        }
        return self.seal(json.dumps(payload).encode())

    def seal(self, payload: bytes) -> bytes:
        """Signed by the partner, encrypted to us."""
        return envelope.seal(
            payload,
            signer=self._keys.signing,
            recipients=self._keys.encryption_for("CMP"),
            profile=Profile.CMS_GCM,
        )


class World(Site):
    """A site with a disk and connections whose steps are counted.

    Each crash point has a warehouse of its own, so that many of them fit into one database.
    """

    def __init__(self, root: Path, database: Database, keys: Path) -> None:
        self.root, self.database, self.warehouses, self.settings = root, database, {}, {}
        self.outbound, self.inbound = Outbound(root / "out"), Inbound(root / "in")
        self.outbound.init()
        self.inbound.init()
        self._keys = keys
        shutil.copytree(keys / "ours" / "trust", self.trust)
        (self.trust / PARTNER).rename(root / "pinned")
        self.owner = database.connect()
        self.console = database.connect("sales_order_console")
        self.steps = Steps()
        self.disk = Disk(self.steps, root / "kept")
        theirs = keys / "theirs"
        self.partner_ = Partner(
            envelope.load(theirs / "trust", theirs / "credentials"), root / "partner"
        )

    def new_warehouse(self, granularity: str = "ITEM", *, acknowledged: bool = False) -> str:
        """A warehouse of the partner without any directory but its own inbox."""
        warehouse = f"W{len(self.warehouses):03}"
        shutil.copytree(self.root / "pinned", self.trust / warehouse)
        self.warehouses[warehouse] = granularity
        if acknowledged:
            self.settings[f"sales.order.warehouse.{warehouse}.acknowledgements"] = "ours"
        self.owner.execute(
            "insert into warehouse (id, name, granularity) values (%s, %s, %s)",
            (warehouse, warehouse, granularity),
        )
        self.inbound.inbox(warehouse).mkdir(parents=True, exist_ok=True)
        self.product(f"P-{warehouse}", warehouse)
        return warehouse

    # Daemons.

    def build(self, name: str) -> Daemon:
        """A daemon as its program builds it, on a connection whose steps count."""
        os.environ["CREDENTIALS_DIRECTORY"] = str(self._keys / "ours" / name)
        daemon = importlib.import_module(f"daemons.{name}").build(self.properties)
        assert isinstance(daemon, Daemon)
        connect = daemon.connect
        return replace(daemon, connect=lambda: SteppingConnection.of(connect(), self.steps))

    def once(self, *daemons: str) -> None:
        """Run daemons until they have no more to do, each a new process; none may be stopped."""
        self.steps.disarm()
        for name in daemons or DAEMONS:
            assert self.run(self.build(name)) == 0, f"{name} could not do all its work"

    def run(self, daemon: Daemon) -> int | None:
        """Run a daemon until it has no more to do, or crashes (None)."""
        try:
            return run(daemon, once=True)
        except Crash:
            return None
        finally:
            self._forget_connections()

    def _forget_connections(self) -> None:
        """Wait until the server, too, has noticed that the process is gone."""
        for conn in self.steps.connections:
            conn.close()
        self.steps.connections.clear()
        # It rolls back and frees locks by itself; this only waits for it.
        self.owner.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
            "where datname = current_database() and application_name <> all(%s)",
            (["postgres", "sales_order_console"],),
        )

    # The partner.

    def take_lasting(self) -> None:
        """The partner takes every file whose entry in its directory lasts."""
        for warehouse in self.warehouses:
            for name in sorted(self.outbound.present(warehouse)):
                path = self.outbound.outbox(warehouse) / name
                if self.disk.is_lasting(path):
                    self.partner_.take(path)

    def drop(self, warehouse: str, name: str, data: bytes) -> None:
        """The partner drops a file: written under a dot name, renamed."""
        inbox = self.inbound.inbox(warehouse)
        inbox.joinpath(f".{name}").write_bytes(data)
        inbox.joinpath(f".{name}").rename(inbox / name)

    # What must hold.

    def disagreements(self) -> list[str]:
        """What reconcile prints."""
        found = disagreements(self.console, Trees(self.outbound, self.inbound), wait=5)
        return [f"{one.kind} {one.subject}: {one.detail}" for one in found]

    def unfinished(self) -> list[str]:
        """Files that lie where only work under way may lie."""
        found = []
        for warehouse in self.warehouses:
            for directory in (
                self.outbound.root / "work" / warehouse,
                self.inbound.root / "work" / warehouse,
                self.inbound.inbox(warehouse),
            ):
                if directory.is_dir():
                    found += [str(path) for path in sorted(directory.iterdir())]
        return found

    def damaged(self) -> list[str]:
        """Archived and quarantined files that are not what their rows say."""
        found = []
        for claim, warehouse, digest in self.rows(
            "select claim_name, warehouse_id, file_sha256 from inbound_file "
            "where status in ('ARCHIVED', 'REPEATED')"
        ):
            path = self.inbound.place("archive", warehouse, claim)
            if not path.exists() or hashlib.sha256(path.read_bytes()).digest() != digest:
                found.append(str(path))
        for claim, warehouse in self.rows(
            "select claim_name, warehouse_id from inbound_file where status = 'QUARANTINED'"
        ):
            path = self.inbound.place("quarantine", warehouse, claim)
            if not path.exists() or not path.stat().st_size:
                found.append(str(path))
        return found

    def snapshot(self, name: str) -> str:
        """Copy the database as it is now; the copy's name."""
        copy = f"{self.database.name}_{name}"
        self.owner.close()
        self.console.close()
        self._elsewhere(f'create database "{copy}" template "{self.database.name}"')
        self._reconnect()
        return copy

    def switch_to(self, name: str) -> None:
        """From now on this database is the installation's: commits have been lost."""
        former = self.database.name
        self.owner.close()
        self.console.close()
        self._elsewhere(f'drop database "{former}" with (force)')
        self._elsewhere(f'alter database "{name}" rename to "{former}"')
        self._reconnect()

    def _elsewhere(self, statement: str) -> None:
        conninfo = make_conninfo(self.database.conninfo(), dbname="postgres")
        with psycopg.connect(conninfo, autocommit=True) as conn:
            conn.execute(statement.encode())

    def _reconnect(self) -> None:
        self.owner = self.database.connect()
        self.console = self.database.connect("sales_order_console")
