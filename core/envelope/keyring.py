"""The keys and certificates of this installation: ours, and the pinned ones of each warehouse.

FILES

    <trust>/own/signing*.pem               our certificates that warehouses pin
    <trust>/own/encryption*.pem            our certificates that warehouses encrypt to
    <trust>/<WAREHOUSE>/signing*.pem       whose signature is accepted from that warehouse
    <trust>/<WAREHOUSE>/encryption*.pem    who can read what is sent to that warehouse
    <trust>/<WAREHOUSE>/revoked*.pem       certificates whose keys count no more
    <credentials>/signing.key              private key of one of our signing certificates
    <credentials>/signing.previous.key     the one before, while it overlaps
    <credentials>/decryption.key           private key of one of our encryption certificates
    <credentials>/decryption.previous.key  the one before

Certificates are PEM, one or more a file. They are pinned: the file being there is the trust, who
issued it means nothing, its validity counts. Private keys are PKCS#8 PEM without a passphrase
(systemd encrypts credentials at rest); a daemon has only those that it needs.

To rotate a key of ours (`cmp-orders keys rotate`) the new pair comes beside the old: the newest
certificate that is valid and has its private key signs; files encrypted to the new key or to the
one before can be opened. A warehouse rotates by a second file beside the first: while there are
two, both signers are accepted and what we send can be read with either key.

What a warehouse revokes is moved, or copied, to its `revoked.pem`: that key signs nothing that we
accept and is not encrypted to, whichever other certificate there is of it.

A private key that others could use is refused: it belongs to root or to the process' own user, and
its mode has no permission for group or others. The one exception is mode 0440 of owner and group
root: systemd (LoadCredential=) gives the service its right in an access control list, whose mask
shows as the group's permission.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from core.envelope.identity import (
    DecryptionIdentity,
    SigningIdentity,
    State,
    Use,
    belongs,
    fingerprint,
    public_key,
    state,
    unfit,
)
from core.envelope.keyfiles import KeyringError, read_certificates, read_private_key

# Our own certificates' directory; no warehouse can have this name.
OWN: Final = "own"
REVOKED: Final = "revoked"
SIGNING_KEYS: Final = ("signing.key", "signing.previous.key")
DECRYPTION_KEYS: Final = ("decryption.key", "decryption.previous.key")

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate of the trust directory."""

    owner: str
    use: Use
    path: Path
    certificate: x509.Certificate
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of `cmp-orders keys list`; owner is `own` or a warehouse, the times are aware."""

    owner: str
    use: Use
    subject: str
    # SHA-256 of the DER, 64 lower-case hexadecimal digits: what partners compare by telephone.
    fingerprint: str
    not_before: datetime
    not_after: datetime
    state: State
    path: Path


@dataclass(frozen=True, slots=True)
class Keyring:
    """What was read by `load`; validity is judged at each call, by the clock given there."""

    _held: tuple[Held, ...]
    _revoked: tuple[Held, ...]
    _signing: tuple[SigningIdentity, ...] = field(repr=False)
    _decryption: tuple[DecryptionIdentity, ...] = field(repr=False)
    _trust: Path
    _now: Clock

    @property
    def signing(self) -> SigningIdentity:
        """Our newest valid certificate with its key; KeyringError if there is none."""
        for identity in self._signing:
            if state(identity.certificate, self._now()) is State.VALID:
                return identity
        raise KeyringError(
            f"nothing to sign with: a key of {' or '.join(SIGNING_KEYS)} in the directory that"
            " $CREDENTIALS_DIRECTORY names and its valid certificate"
            f" {self._trust / OWN / 'signing*.pem'} are needed"
        )

    @property
    def decryption(self) -> tuple[DecryptionIdentity, ...]:
        """Our keys that decrypt, newest first, expired ones too; KeyringError if there is none."""
        if not self._decryption:
            raise KeyringError(
                f"nothing to decrypt with: a key of {' or '.join(DECRYPTION_KEYS)} in the directory"
                " that $CREDENTIALS_DIRECTORY names and its certificate"
                f" {self._trust / OWN / 'encryption*.pem'} are needed"
            )
        return self._decryption

    def encryption_for(self, warehouse: str) -> tuple[x509.Certificate, ...]:
        """The warehouse's valid certificates, newest first; KeyringError if there is none."""
        certificates = tuple(
            each
            for each in self._of(warehouse, Use.ENCRYPTION)
            if self._state(warehouse, each) is State.VALID
        )
        if not certificates:
            raise KeyringError(self._missing(warehouse, "encryption", "a valid"))
        return certificates

    def signers_of(self, warehouse: str) -> tuple[x509.Certificate, ...]:
        """The warehouse's pinned signers, newest first; KeyringError if none is pinned.

        Expired ones too: whether a file's signer is valid is judged when it is opened.
        """
        certificates = tuple(
            each
            for each in self._of(warehouse, Use.SIGNING)
            if self._state(warehouse, each) is not State.REVOKED
        )
        if not certificates:
            raise KeyringError(self._missing(warehouse, "signing", "a"))
        return certificates

    def revoked_of(self, warehouse: str) -> tuple[x509.Certificate, ...]:
        """The warehouse's revoked certificates, of either use."""
        return tuple(each.certificate for each in self._revoked if each.owner == warehouse)

    def certificates(self) -> list[Listed]:
        """All certificates: ours first, then by warehouse, use and newest first."""
        return [
            listed(each, self._state(each.owner, each.certificate))
            for each in (*self._held, *self._revoked)
        ]

    def _state(self, owner: str, certificate: x509.Certificate) -> State:
        if any(public_key(certificate) == public_key(each) for each in self.revoked_of(owner)):
            return State.REVOKED
        return state(certificate, self._now())

    def _of(self, warehouse: str, use: Use) -> tuple[x509.Certificate, ...]:
        if warehouse == OWN:
            return ()
        return tuple(
            each.certificate for each in self._held if (each.owner, each.use) == (warehouse, use)
        )

    def _missing(self, warehouse: str, use: str, which: str) -> str:
        path = self._trust / warehouse / f"{use}*.pem"
        return f"no key of warehouse {warehouse}: {which} certificate {path} is needed"


def load(trust: Path, credentials: Path | None, *, now: Clock = utc_now) -> Keyring:
    """Read the trust directory and the private keys in `credentials` (None: no private keys).

    Missing private keys are no error here, each daemon has only its own; asking for one is.
    Raises KeyringError with every problem found.
    """
    problems: list[str] = []
    there = tuple(_read_trust(trust, problems))
    held = tuple(each for each in there if not each.revoked)
    signing: list[SigningIdentity] = []
    decryption: list[DecryptionIdentity] = []
    for use, names in ((Use.SIGNING, SIGNING_KEYS), (Use.ENCRYPTION, DECRYPTION_KEYS)):
        own = [each.certificate for each in held if (each.owner, each.use) == (OWN, use)]
        for path in (credentials / name for name in names) if credentials else ():
            # Also a dangling link is a file that somebody meant to be there.
            if not (path.exists() or path.is_symlink()):
                continue
            try:
                key = read_private_key(path)
            except KeyringError as error:
                problems += error.problems
                continue
            mine = [each for each in own if belongs(key, each)]
            if not mine:
                problems.append(
                    f"{path}: none of our certificates is of this key; one of"
                    f" {trust / OWN / f'{use}*.pem'} must be"
                )
            elif use is Use.SIGNING:
                signing += [SigningIdentity(key, each) for each in mine]
            elif isinstance(key, rsa.RSAPrivateKey):
                decryption += [DecryptionIdentity(key, each) for each in mine]
    if problems:
        raise KeyringError(*problems)
    return Keyring(
        held,
        tuple(each for each in there if each.revoked),
        tuple(sorted(signing, key=lambda each: _newest(each.certificate))),
        tuple(sorted(decryption, key=lambda each: _newest(each.certificate))),
        trust,
        now,
    )


def listed(held: Held, its_state: State) -> Listed:
    """What is said of a certificate to people."""
    certificate = held.certificate
    return Listed(
        owner=held.owner,
        use=held.use,
        subject=certificate.subject.rfc4514_string(),
        fingerprint=fingerprint(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        state=its_state,
        path=held.path,
    )


def _newest(certificate: x509.Certificate) -> float:
    return -certificate.not_valid_before_utc.timestamp()


def _read_trust(trust: Path, problems: list[str]) -> Iterator[Held]:
    """Every certificate, ours first; what is wrong goes to `problems`."""
    try:
        owners = sorted(
            (each for each in trust.iterdir() if not each.name.startswith(".") and each.is_dir()),
            key=lambda each: (each.name != OWN, each.name),
        )
        files = {owner: sorted(owner.iterdir()) for owner in owners}
    except OSError as error:
        problems.append(f"{error.filename}: the trust directory can't be read: {error.strerror}")
        return
    for owner, paths in files.items():
        held: list[Held] = []
        for path in paths:
            if path.suffix == ".pem" and not path.name.startswith("."):
                held += _read_held(owner.name, path, problems)
        yield from sorted(
            held, key=lambda each: (each.use is not Use.SIGNING, _newest(each.certificate))
        )


def _read_held(owner: str, path: Path, problems: list[str]) -> list[Held]:
    if owner != OWN and path.name.startswith(REVOKED):
        return _read_revoked(owner, path, problems)
    use = next((each for each in Use if path.name.startswith(each)), None)
    if use is None:
        problems.append(f"{path}: not a name for a certificate; {_ALLOWED_NAMES} are allowed")
        return []
    try:
        certificates = read_certificates(path)
    except KeyringError as error:
        problems += error.problems
        return []
    reasons = [unfit(each, use) for each in certificates]
    problems += [f"{path}: the certificate does not serve: {each}" for each in reasons if each]
    return [
        Held(owner, use, path, certificate)
        for certificate, reason in zip(certificates, reasons, strict=True)
        if reason is None
    ]


def _read_revoked(owner: str, path: Path, problems: list[str]) -> list[Held]:
    """What of it cannot serve anyway is no problem: it shall not."""
    try:
        certificates = read_certificates(path)
    except KeyringError as error:
        problems += error.problems
        return []
    return [
        Held(owner, use, path, certificate, revoked=True)
        for certificate in certificates
        for use in Use
        if unfit(certificate, use) is None
    ]


_ALLOWED_NAMES: Final = " and ".join(f"{each}*.pem" for each in Use)
