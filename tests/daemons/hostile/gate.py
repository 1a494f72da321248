"""The inbound directory of an installation to which hostile files come, one after the other."""

from __future__ import annotations

import hashlib
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding

from core import envelope
from core.envelope import encrypted, signed
from core.envelope.identity import Profile
from tests.daemons.depot import PARTNER, Depot, document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509

    from core.envelope import Keyring, SigningIdentity
    from tests.postgres import Database

SECONDS = 30.0
"""No hostile file of these tests may cost more, on a machine that does much else."""


class Ended(NamedTuple):
    """What became of a file."""

    status: str
    reason: str | None


class Gate(Depot):
    """Each file is judged as if it were alone, and after each a good one is served.

    One installation for a whole module, since what is proven is that none of them leaves a trace.
    """

    def __init__(self, root: Path, database: Database, keys: Path) -> None:
        super().__init__(root, database, keys, load_from_generic_quarantine_maxfiles="1000000")
        self._numbers = count(1)
        self._keyrings: dict[str, Keyring] = {}
        self.signer = self.keyring_of(PARTNER).signing
        (self.our_certificate,) = self.keyring_of(PARTNER).encryption_for("CMP")

    def keyring_of(self, who: str) -> Keyring:
        """Read once: to check a private key costs more than all the rest."""
        if who not in self._keyrings:
            self._keyrings[who] = super().keyring_of(who)
        return self._keyrings[who]

    @property
    def keyring(self) -> Keyring:
        """As it was read last; see pinned()."""
        if "" not in self._keyrings:
            self._keyrings[""] = super().keyring
        return self._keyrings[""]

    def pinned(self, warehouse: str, name: str, identity: SigningIdentity) -> SigningIdentity:
        """A key, pinned for a warehouse beside the one that it uses now."""
        path = self.trust / warehouse / f"signing-{name}.pem"
        path.write_bytes(identity.certificate.public_bytes(Encoding.PEM))
        self._keyrings.pop("", None)
        return identity

    @property
    def world(self) -> tuple[str, list[tuple[object, ...]]]:
        """All that no refused file may change."""
        tables = ("warehouse", "product", "outbound_file", "request_detail")
        digests = [
            f"select '{table}', count(*), md5(string_agg(t::text, '' order by t::text)) from {table} t"  # noqa: E501, S608  # names of ours
            for table in tables
        ]
        counted = self.rows(" union all ".join(digests))
        return self.fingerprint(), counted

    def encrypted(self, message: bytes, to: x509.Certificate | None = None) -> bytes:
        """A message, signed rightly or not at all, encrypted to us or to another."""
        return encrypted.encrypt(message, [to or self.our_certificate], Profile.CMS_GCM)

    def signed(self, payload: bytes, by: SigningIdentity | None = None) -> bytes:
        """A payload, signed and not encrypted."""
        return signed.sign(payload, by or self.signer)

    def signed_by(self, signer: SigningIdentity, payload: bytes) -> bytes:
        """A whole file of another signer, encrypted to us."""
        return envelope.seal(
            payload, signer=signer, recipients=[self.our_certificate], profile=Profile.CMS_GCM
        )

    def content(self) -> bytes:
        """A good document that nobody has sent before."""
        return document(externalFileName=self.name())

    def name(self) -> str:
        """A name of the partner's own that it has not used before."""
        return f"good-{next(self._numbers)}.json"

    def judge(self, data: bytes) -> Ended:
        """What becomes of a file with these bytes; see judge_entry()."""
        name = f"hostile-{next(self._numbers)}.p7m"
        self.drop("LONDON", data, name)
        ended = self.judge_entry(name)
        if ended.status == "QUARANTINED":
            (kept,) = self._kept(name)
            assert hashlib.sha256(kept.read_bytes()).digest() == hashlib.sha256(data).digest()
        return ended

    def judge_payload(self, payload: bytes) -> Ended:
        """What becomes of a document that the partner has rightly sealed."""
        return self.judge(self.sealed(payload))

    def judge_entry(self, name: str) -> Ended:
        """What becomes of the directory entry of this name, however it came there.

        Asserted of each: the reason stands beside it in quarantine, the same as in its row;
        nothing else of the database has changed; nothing is left in work; it is soon done; and
        the file that comes after it is loaded.
        """
        before, batches = self.world, self.value("select count(*) from batch")
        started = time.monotonic()
        self.take_up()
        assert time.monotonic() - started < SECONDS
        rows = self.rows(
            "select status, reason, sentence from inbound_file where partner_name = %s", name
        )
        assert len(rows) == 1, f"{len(rows)} rows of {name}"
        status, reason, sentence = rows[0]
        loaded = self.value("select count(*) from batch") - batches
        if status == "QUARANTINED":
            assert loaded == 0
            (kept,) = self._kept(name)
            assert kept.with_name(f"{kept.name}.reason").read_text() == f"{reason}\n{sentence}\n"
        else:
            assert (status, reason, loaded) == ("ARCHIVED", None, 1)
            assert self._kept(name) == []
        assert self.names("work") == []
        assert self.world == before
        self.serve_next()
        return Ended(status, reason)

    def serve_next(self) -> None:
        """The next good file is loaded and applied."""
        name = f"next-{next(self._numbers)}.p7m"
        self.drop("LONDON", self.sealed(self.content()), name)
        assert self.take_up() == 1
        assert self.rows("select status from inbound_file where partner_name = %s", name) == [
            ("ARCHIVED",)
        ]

    def _kept(self, name: str) -> list[Path]:
        area = self.inbound.root / "quarantine" / "LONDON"
        return [path for path in area.iterdir() if path.name.endswith(f"-{name}")]


def spread(length: int, number: int) -> Iterator[int]:
    """So many places of something so long, the first and the last among them."""
    for each in range(number):
        yield each * (length - 1) // (number - 1)
