"""A desk with trees and keys: files are sealed, dropped and opened as the partners do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from core import config, envelope
from core.directory import Inbound, Outbound
from core.envelope import Profile
from daemons import load_from_generic
from daemons.extract_to_generic import Acknowledge, Compare, Extract, Watch
from daemons.load_from_generic import Load
from tests.daemons.desk import Desk, drained, line, record

if TYPE_CHECKING:
    from pathlib import Path

    from core.config import Properties
    from core.envelope import Keyring
    from tests.postgres import Database

US, PARTNER, STRANGER = "us", "partner", "stranger"


def make_keys(folder: Path) -> Path:
    """Real keys of us, of one partner for every warehouse, and of a stranger: made once a run."""
    for name in (US, PARTNER, STRANGER):
        envelope.generate(name, folder / name / "trust", folder / name / "credentials")
        if name != US:
            envelope.pin(folder / US / "trust", "CMP", folder / name / "trust")
    return folder


class Depot(Desk):
    """An installation with its trees; the partner of every warehouse has the same keys."""

    def __init__(self, root: Path, database: Database, keys: Path, **settings: str) -> None:
        self.keys = keys
        self.outbound, self.inbound = Outbound(root / "out"), Inbound(root / "in")
        self.outbound.init()
        self.inbound.init()
        super().__init__(root, database, **settings)

    def add_warehouse(self, warehouse: str, granularity: str) -> None:
        """A warehouse with its directories and the partner's certificates."""
        super().add_warehouse(warehouse, granularity)
        self.outbound.prepare(warehouse)
        self.inbound.prepare(warehouse)
        envelope.pin(self.keys / PARTNER / "trust", warehouse, self.trust)
        # As Extract to Generic does, once it runs and sees a warehouse that it has not compared.
        self.compare()(self.conn("extract_to_generic"))

    @property
    def properties(self) -> Properties:
        """With where things are."""
        return config.load(self.properties_file, environ={})

    @property
    def keyring(self) -> Keyring:
        """Our private keys, and the certificates of the moment."""
        own = self.trust / "own"
        if not own.exists():
            own.symlink_to(self.keys / US / "trust" / "own")
        return envelope.load(self.trust, self.keys / US / "credentials")

    def compare(self) -> Compare:
        """The look for files that the database has lost, as a process has it."""
        return Compare(self.outbound, longest_rest=30.0)

    def extractor(self) -> Extract:
        """The daemon's work, as a process has it that was started now."""
        return Extract(self.properties, self.outbound, self.keyring, self.compare())

    def extract(self) -> int:
        """Seal and publish whatever is batched; how many units of work."""
        return drained(self.extractor(), self.conn("extract_to_generic"))

    def acknowledge(self) -> int:
        """Seal and publish whatever acknowledgement waits; how many units of work."""
        duty = Acknowledge(self.properties, self.outbound, self.keyring, self.compare())
        return drained(duty, self.conn("extract_to_generic"))

    def watch(self) -> None:
        """One look at the outbound directories."""
        Watch(self.outbound, self.compare())(self.conn("extract_to_generic"))

    def loader(self) -> Load:
        """The daemon's work, as a process has it that was started now."""
        return Load(
            self.properties, self.inbound, self.keyring, load_from_generic.Compare(self.inbound)
        )

    def take_up(self) -> int:
        """Load whatever was dropped; how many units of work."""
        return drained(self.loader(), self.conn("load_from_generic"))

    def sent(self, warehouse: str) -> list[dict[str, Any]]:
        """The documents that lie in a warehouse's outbound directory, by name."""
        ring = self.keyring_of(PARTNER)
        found = []
        for path in sorted(self.outbound.outbox(warehouse).iterdir()):
            opened = envelope.open_(
                path.read_bytes(),
                decryption=ring.decryption,
                signers=ring.signers_of("CMP"),
                profiles=list(Profile),
            )
            found.append(json.loads(opened.payload))
        return found

    def told(self, warehouse: str = "LONDON") -> list[tuple[str, str, str | None]]:
        """(file, verdict, reason) of the acknowledgements in a warehouse's directory, by name."""
        return [
            (one["file"]["name"], one["verdict"], one.get("reason"))
            for one in self.sent(warehouse)
            if one["interfaceType"] == "Acknowledgement"
        ]

    def keyring_of(self, who: str) -> Keyring:
        """The partner's or the stranger's keys."""
        return envelope.load(self.keys / who / "trust", self.keys / who / "credentials")

    def sealed(
        self, payload: bytes, who: str = PARTNER, profile: Profile = Profile.CMS_GCM
    ) -> bytes:
        """A payload signed by `who` and encrypted to us."""
        ring = self.keyring_of(who)
        return envelope.seal(
            payload,
            signer=ring.signing,
            recipients=ring.encryption_for("CMP"),
            profile=profile,
        )

    def drop(self, warehouse: str, data: bytes, name: str = "answer.p7m") -> Path:
        """Put bytes into a warehouse's inbound directory, as a partner does: whole at once."""
        inbox = self.inbound.inbox(warehouse)
        (inbox / f".{name}").write_bytes(data)
        return (inbox / f".{name}").rename(inbox / name)

    def files(self) -> list[tuple[str, str, str | None]]:
        """(partner's name, status, reason) of each inbound file, in the order of their claims."""
        return [
            (name, status, reason)
            for name, status, reason in self.rows(
                "select partner_name, status, reason from inbound_file order by id"
            )
        ]

    def quarantined(self, warehouse: str = "LONDON") -> dict[str, str]:
        """By partner's name the text of the .reason beside each quarantined file."""
        names = self.names("quarantine", warehouse)
        files = [name for name in names if not name.endswith(".reason")]
        assert sorted(names) == sorted(files + [f"{name}.reason" for name in files])
        area = self.inbound.root / "quarantine" / warehouse
        return {name.split("-", 2)[2]: (area / f"{name}.reason").read_text() for name in files}

    def batched(self, *items: tuple[Any, ...], **columns: Any) -> tuple[int, int]:
        """An order alone in a batch; (order, batch)."""
        order = self.order(*(items or [("CASE", 1, "1")]), **columns)
        self.generate()
        (batch,) = self.batch()
        return order, batch

    def names(self, area: str, warehouse: str = "LONDON") -> list[str]:
        """What lies in an area of the inbound tree."""
        return sorted(path.name for path in (self.inbound.root / area / warehouse).iterdir())


def document(*records: dict[str, Any], warehouse: str = "LONDON", **more: Any) -> bytes:
    """An order-dispatch document; `more` replaces properties of the top, None removes one."""
    whole = {
        "interfaceCategory": "Sales Order",
        "interfaceType": "Sales Order Dispatch",
        "version": "1.2",
        "externalFileName": "answer.json",
        "recordCount": len(records),
        "wareHouse": {"id": warehouse},
        "orders": list(records),
        **more,
    }
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


def partner_acknowledgement(file: dict[str, Any], verdict: str = "ACCEPTED", **more: Any) -> bytes:
    """What a partner says of a file of ours; `more` replaces properties of the top."""
    whole = {
        "identifier": 1,
        "version": "1.0",
        "interfaceCategory": "Sales Order",
        "interfaceType": "Acknowledgement",
        "wareHouse": {"id": "LONDON"},
        "acknowledgementDateTime": "2026-03-01T12:00:00Z",
        "file": {"interfaceType": "Sales Order Request", **file},
        "verdict": verdict,
        "recordCount": 0,
        "records": [],
        **more,
    }
    return json.dumps(whole).encode()


GOOD = document(record(1, "D1", line(1, 1)))
"""What can be loaded, though not applied."""
