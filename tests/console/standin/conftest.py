"""Both sides of one warehouse: keys, directories, and the files that go between them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from console.standin import Plan, StandIn
from core import documents, envelope
from core.documents import DispatchDocument
from core.envelope import Keyring, Profile

WAREHOUSE = "LONDON"


def order(number: int, *quantities: int, fraud: bool = False) -> dict[str, Any]:
    """An order as it stands in a request: a handset in its first line, then accessories."""
    lines = [
        {
            "id": str(number * 10 + place),
            "productCode": "CASE" if place else "PHONE",
            "quantity": quantity,
            "unitPrice": "14.99",
            "currency": "GBP",
            "serialised": place == 0,
            **({} if place else {"attributes": ["serialNumber", "imei"]}),
        }
        for place, quantity in enumerate(quantities or (1,))
    ]
    return {
        "id": str(number),
        "action": "REQUEST",
        "accountId": 7,
        "orderDateTime": "2026-02-27T15:58:11Z",
        "fraudCheckRequired": fraud,
        "deliveryMethod": {"id": "STANDARD"},
        "deliveryAddress": {"name": "Zoë Hall", "lines": ["1 Quay"], "country": "GB"},
        "lines": lines,
    }


def request(
    identifier: int, orders: list[dict[str, Any]], *, warehouse: str = WAREHOUSE, sequence: int = 0
) -> dict[str, Any]:
    """The request document of these orders."""
    return {
        "identifier": identifier,
        "version": "1.1",
        "interfaceCategory": "Sales Order",
        "interfaceType": "Sales Order Request",
        "wareHouse": {"id": warehouse, "name": "Docks", "fileSequence": sequence or identifier},
        "batchDateTime": "2026-02-27T16:04:58Z",
        "extractLoadDateTime": "2026-02-27T16:05:00Z",
        "recordCount": len(orders),
        "orders": orders,
    }


@dataclass(frozen=True)
class Both:
    """We and the partner, with the two directories between us."""

    ours: Keyring
    theirs: Keyring
    theirs_at: Path
    """The partner's folder, with its trust store and credentials."""
    root: Path

    @property
    def take(self) -> Path:
        """out/LONDON."""
        return self.root / "out"

    @property
    def drop(self) -> Path:
        """in/LONDON."""
        return self.root / "in"

    def seal(self, document: dict[str, Any], by: Keyring | None = None) -> bytes:
        """The document as a file of ours."""
        return envelope.seal(
            orjson.dumps(document),
            signer=(by or self.ours).signing,
            recipients=self.ours.encryption_for(WAREHOUSE),
            profile=Profile.CMS_GCM,
        )

    def send(self, document: dict[str, Any], name: str = "") -> Path:
        """Put the document's file where the partner takes it."""
        path = self.take / (name or f"order-request-{document['identifier']:08}.p7m")
        path.write_bytes(self.seal(document))
        return path

    def payload(self, name: str) -> bytes:
        """The signed content of a file that the partner dropped."""
        opened = envelope.open_(
            (self.drop / name).read_bytes(),
            decryption=self.ours.decryption,
            signers=self.ours.signers_of(WAREHOUSE),
            profiles={Profile.CMS_GCM},
        )
        return opened.payload

    def dropped(self) -> list[str]:
        """The names in the partner's inbound directory, unfinished ones too."""
        return sorted(path.name for path in self.drop.iterdir())

    def answers(self) -> list[DispatchDocument]:
        """The files that the partner dropped, as our Load daemon reads them."""
        return [documents.read_dispatch(self.payload(name), WAREHOUSE) for name in self.dropped()]

    def partner(self, plan: Plan, *, seed: int = 1) -> StandIn:
        """The stand-in; a second one goes on where the first one stood."""
        folder = self.root / "partner"
        return StandIn(
            folder, WAREHOUSE, self.theirs, take=self.take, drop=self.drop, plan=plan, seed=seed
        )


@dataclass(frozen=True)
class Keys:
    """The keys of both sides, and the folder of the partner's."""

    ours: Keyring
    theirs: Keyring
    theirs_at: Path


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Made and read once: RSA takes its time."""
    root = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        envelope.generate(name, root / name / "trust", root / name / "credentials")
    envelope.pin(root / "theirs" / "trust", WAREHOUSE, root / "ours" / "trust")
    envelope.pin(root / "ours" / "trust", "CMP", root / "theirs" / "trust")
    ours, theirs = (
        envelope.load(root / name / "trust", root / name / "credentials")
        for name in ("ours", "theirs")
    )
    return Keys(ours, theirs, root / "theirs")


@pytest.fixture
def both(keys: Keys, tmp_path: Path) -> Both:
    """We and the partner; nothing sent yet."""
    made = Both(keys.ours, keys.theirs, keys.theirs_at, tmp_path)
    made.take.mkdir()
    made.drop.mkdir()
    return made
