"""Our own keys, rotated: what the files say of where a rotation stands, and its steps.

Nothing is remembered elsewhere than in the files themselves, so that every step may be run again,
and one that was cut short is finished by the next.

    <store>/...signing.next.key        made, not in use yet (decryption.next.key alike)
    <store>/...signing.previous.key    in use before; its time of change is the moment of the switch
    <trust>/own/signing-<time>.pem     the new certificate, beside the old one

The order differs. Partners must know our signing key before we sign with it: send, then switch. We
must have the key that opens before they encrypt to it: switch, then send.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from console.exits import Refusal
from core.directory import durable
from core.envelope import Profile, Use, encrypted, structures
from core.envelope.generate import certify, generate_pair
from core.envelope.identity import belongs, fingerprint
from core.envelope.keyfiles import read_certificates, read_private_key
from core.envelope.keyring import OWN
from core.envelope.naming import names
from core.envelope.structures import KeyTransRecipientInfo

if TYPE_CHECKING:
    from core.db.acknowledgements import Answers
    from core.directory import Inbound

KEYS = {Use.SIGNING: "signing", Use.ENCRYPTION: "decryption"}
UNITS = {
    Use.SIGNING: "sales-order-extract-to-generic",
    Use.ENCRYPTION: "sales-order-load-from-generic",
}
AREAS = ("work", "quarantine")
"""Where a file may still have to be opened."""


class Step(StrEnum):
    """Where a rotation stands."""

    NONE = "none"
    PREPARED = "prepared"
    # The old key has been put away and the new one is not in its place: a switch was cut short.
    SWITCHING = "switching"
    SWITCHED = "switched"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a partner's side since the switch."""

    warehouse: str
    state: str
    proven: bool
    """Nothing that is known speaks against putting the old key away."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """The rotation of one of our keys; `store` and `trust` are directories that are there."""

    use: Use
    store: Path
    prefix: str
    trust: Path
    command: str = field(repr=False)
    """The verb, as it was called, to be told with what comes next."""

    def key(self, which: str = "") -> Path:
        """The file of the key: of the present one, the `next` or the `previous`."""
        middle = f".{which}" if which else ""
        return self.store / f"{self.prefix}{KEYS[self.use]}{middle}.key"

    @property
    def step(self) -> Step:
        """Where it stands."""
        if not self.key().exists():
            if self.key("previous").exists() and self.key("next").exists():
                return Step.SWITCHING
            raise Refusal(
                f"{self.key()} is not there: `cmp-orders keys generate` makes the first key; one"
                " that systemd keeps encrypted is rotated as the operators' page says"
            )
        if self.key("next").exists():
            return Step.PREPARED
        return Step.SWITCHED if self.key("previous").exists() else Step.NONE

    @property
    def switched_at(self) -> datetime:
        """When the old key was put away; Refusal if there is none."""
        try:
            return datetime.fromtimestamp(self.key("previous").stat().st_mtime, UTC)
        except FileNotFoundError:
            raise Refusal("nothing was switched") from None

    def certificates(self, which: str = "") -> list[tuple[Path, x509.Certificate]]:
        """Our certificates of a key, each with its file."""
        key = read_private_key(self.key(which))
        own = self.trust / OWN
        return [
            (path, one)
            for path in sorted(own.glob(f"{self.use}*.pem"))
            for one in read_certificates(path)
            if belongs(key, one)
        ]

    def prepare(self, name: str | None, days: int) -> None:
        """Make the new pair beside the old, unless it is there; `name` None: the present one's."""
        if self.step is not Step.NONE:
            if self.step is Step.PREPARED and not self.certificates("next"):
                # Cut short between the key and its certificate.
                certify(name or self._name(), self.use, self.key("next"), self._new_file(), days)
            return
        generate_pair(name or self._name(), self.use, self.key("next"), self._new_file(), days)

    def _new_file(self) -> Path:
        return self.trust / OWN / f"{self.use}-{datetime.now(UTC):%Y%m%d-%H%M%S}.pem"

    def _name(self) -> str:
        for _, certificate in self.certificates():
            for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
                return str(attribute.value)
        raise Refusal(f"{self.key()} has no certificate with a name: give --name")

    def switch(self) -> None:
        """The new key takes the place of the old, which stays as the previous one."""
        step = self.step
        if step is Step.SWITCHED:
            return
        if step is Step.NONE:
            raise Refusal(f"there is no new key to switch to: {self.command} makes it")
        if not self.certificates("next"):
            raise Refusal(f"the new key has no certificate yet: {self.command} makes it")
        if step is Step.PREPARED:
            if self.key("previous").exists():
                raise Refusal(
                    f"{self.key('previous')} is there still, of the rotation before: remove it once"
                    " nothing needs it"
                )
            # The moment of the switch, before the rename: one that is cut short here is begun anew.
            os.utime(self.key())
            self.key().rename(self.key("previous"))
        self.key("next").rename(self.key())
        durable.sync_directory(self.store)

    def finish(self, known: Iterable[Known], *, force: bool) -> list[Path]:
        """Remove the old key and its certificates; the files removed, none if it was done."""
        step = self.step
        if step is Step.NONE:
            return []
        if step is not Step.SWITCHED:
            raise Refusal(f"the old key is the one in use: {self.command} --switch comes first")
        doubtful = [f"{one.warehouse}: {one.state}" for one in known if not one.proven]
        if doubtful and not force:
            raise Refusal(
                f"the old key may still be needed; {'; '.join(doubtful)}. --force removes it all"
                " the same"
            )
        old = {path for path, _ in self.certificates("previous")}
        key = read_private_key(self.key("previous"))
        gone = [self.key("previous")]
        # The key first: one without a certificate would stop the daemon's next start.
        self.key("previous").unlink()
        durable.sync_directory(self.store)
        for path in sorted(old):
            if all(belongs(key, one) for one in read_certificates(path)):
                path.unlink()
                gone.append(path)
        durable.sync_directory(self.trust / OWN)
        return gone

    def to_send(self) -> tuple[Path, x509.Certificate] | None:
        """The new certificate, if there is a rotation."""
        step = self.step
        if step is Step.NONE:
            return None
        found = self.certificates("" if step is Step.SWITCHED else "next")
        return found[-1] if found else None

    def todo(self) -> list[str]:
        """What comes next, a sentence or a command each."""
        step, sent = self.step, self.to_send()
        restart = f"sudo systemctl restart {UNITS[self.use]}"
        if sent is None or step is Step.NONE:
            return []
        path, certificate = sent
        send = [
            f"Send {path} to the warehouses.",
            f"Compare its SHA-256 by telephone: {fingerprint(certificate)}",
        ]
        switch, finish = f"{self.command} --switch", f"{self.command} --finish"
        if step is Step.SWITCHING:
            return ["A switch was cut short; finish it.", switch]
        if step is Step.PREPARED and self.use is Use.SIGNING:
            return [*send, "When every warehouse has it in place beside the old one:", switch]
        if step is Step.PREPARED:
            return ["The key that opens comes first, the partners after it:", switch]
        if self.use is Use.SIGNING:
            return [restart, "When all copies are restarted, and no warehouse refuses our files:",
                    finish]  # fmt: skip
        return [restart, *send, "When every warehouse encrypts to it:", finish]


def known_of_signing(answers: Sequence[Answers]) -> list[Known]:
    """What the warehouses' acknowledgements say of files that the new key signed."""
    told = {
        "ACCEPTED": "has accepted a file since the switch",
        "REJECTED": "has refused the latest file that it answered since the switch",
    }
    return [
        Known(
            one.warehouse,
            told[one.latest]
            if one.latest
            else f"has answered none of {one.sealed} files since the switch",
            one.latest != "REJECTED",
        )
        for one in answers
    ]


def known_of_encryption(rotation: Rotation, tree: Inbound, largest: int) -> list[Known]:
    """To which of our keys each warehouse encrypts, by the files that are kept of it.

    Files that may still have to be opened (claimed, quarantined) count against the old key.
    """
    old = [one for _, one in rotation.certificates("previous")]
    new = [one for _, one in rotation.certificates()]
    since = rotation.switched_at.timestamp()
    found = []
    for owner in sorted(rotation.trust.iterdir()):
        if owner.name == OWN or not owner.is_dir() or owner.name.startswith("."):
            continue
        waiting = sum(
            _needs(tree.place(area, owner.name, name), old, new, largest)
            for area in AREAS
            for name in tree.names(area, owner.name)
        )
        archived = [
            path
            for name in tree.names("archive", owner.name)
            if (path := tree.place("archive", owner.name, name)).stat().st_mtime >= since
        ]
        if waiting:
            found.append(Known(owner.name, f"{waiting} files need the old key", proven=False))
        elif not archived:
            found.append(Known(owner.name, "has sent nothing since the switch", proven=False))
        elif _needs(archived[-1], old, new, largest):
            found.append(Known(owner.name, "encrypts to the old key", proven=False))
        else:
            found.append(Known(owner.name, "encrypts to the new key", proven=True))
    return found


def _needs(
    path: Path, old: Sequence[x509.Certificate], new: Sequence[x509.Certificate], largest: int
) -> bool:
    """Whether a file is encrypted to the old key and not to the new one."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > largest:
        return False
    try:
        sealed = encrypted.read(path.read_bytes(), list(Profile))
        entries = [
            each.parse(KeyTransRecipientInfo).identifier
            for each in structures.members(sealed.recipient_infos)
            if each.tag_bytes == structures.SEQUENCE
        ]
    except ValueError:
        return False

    def among(certificates: Sequence[x509.Certificate]) -> bool:
        return any(names(entry, one) for entry in entries for one in certificates)

    return among(old) and not among(new)
