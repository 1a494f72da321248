"""The keyring: what it finds, what it refuses, and how it rotates."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from core.envelope import KeyringError, State, Use, load
from core.envelope.generate import self_signed
from core.envelope.keyfiles import PrivateKey

from .parties import private_pem, rsa_key

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Place:
    """An installation's trust and credentials directories."""

    trust: Path
    credentials: Path

    def certificate(
        self,
        path: str,
        key: PrivateKey,
        use: Use,
        *,
        start: datetime = NOW - DAY,
        days: int = 30,
    ) -> x509.Certificate:
        """Write a certificate below the trust directory."""
        made = self_signed(path, use, key, days=days, start=start)
        target = self.trust / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(made.public_bytes(Encoding.PEM))
        return made

    def key(self, name: str, key: PrivateKey, *, mode: int = 0o600) -> Path:
        """Write a private key into the credentials directory."""
        return self.file(name, private_pem(key), mode=mode)

    def file(self, name: str, data: bytes, *, mode: int = 0o600) -> Path:
        """Write anything into the credentials directory."""
        path = self.credentials / name
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def problems(self) -> tuple[str, ...]:
        """What load says is wrong."""
        with pytest.raises(KeyringError) as caught:
            load(self.trust, self.credentials, now=lambda: NOW)
        return caught.value.problems


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An installation with empty directories."""
    made = Place(tmp_path / "trust", tmp_path / "credentials")
    (made.trust / "own").mkdir(parents=True)
    made.credentials.mkdir()
    return made


EC = ec.generate_private_key(ec.SECP256R1())
EC_OLD = ec.generate_private_key(ec.SECP384R1())
RSA, RSA_OLD = rsa_key(), rsa_key()


def test_finds_ours_and_the_partners(place: Place) -> None:
    """Each directory and file name leads to its use; private keys find their certificates."""
    signing = place.certificate("own/signing.pem", EC, Use.SIGNING)
    encryption = place.certificate("own/encryption.pem", RSA, Use.ENCRYPTION)
    theirs = place.certificate("LONDON/signing.pem", EC_OLD, Use.SIGNING)
    to_them = place.certificate("LONDON/encryption-a.pem", RSA_OLD, Use.ENCRYPTION)
    place.key("signing.key", EC)
    place.key("decryption.key", RSA)
    keyring = load(place.trust, place.credentials, now=lambda: NOW)
    assert keyring.signing.certificate == signing
    assert [each.certificate for each in keyring.decryption] == [encryption]
    assert keyring.signers_of("LONDON") == (theirs,)
    assert keyring.encryption_for("LONDON") == (to_them,)


def test_one_warehouse_is_not_another(place: Place) -> None:
    """A warehouse's certificates count for it alone, and ours for none."""
    place.certificate("LONDON/signing.pem", EC, Use.SIGNING)
    place.certificate("LONDON/encryption.pem", RSA, Use.ENCRYPTION)
    place.certificate("own/signing.pem", EC, Use.SIGNING)
    place.certificate("own/encryption.pem", RSA, Use.ENCRYPTION)
    keyring = load(place.trust, place.credentials, now=lambda: NOW)
    for warehouse in ("LEEDS", "own", "", "../own", "london"):
        with pytest.raises(KeyringError, match=r"a certificate .*signing\*\.pem is needed"):
            keyring.signers_of(warehouse)
        with pytest.raises(KeyringError, match=r"a valid certificate .*encryption\*\.pem"):
            keyring.encryption_for(warehouse)


def test_a_daemon_has_only_the_keys_that_it_needs(place: Place) -> None:
    """A missing private key is an error when it is asked for, naming where it should be."""
    place.certificate("own/signing.pem", EC, Use.SIGNING)
    for credentials in (place.credentials, place.credentials / "missing", None):
        keyring = load(place.trust, credentials, now=lambda: NOW)
        with pytest.raises(KeyringError, match=r"signing\.key or signing\.previous\.key"):
            _ = keyring.signing
        with pytest.raises(KeyringError, match=r"decryption\.key or decryption\.previous\.key"):
            _ = keyring.decryption


def test_rotation_of_our_signing_key(place: Place) -> None:
    """The newest certificate that is valid at the moment and has its private key signs."""
    old = place.certificate("own/signing-2025.pem", EC_OLD, Use.SIGNING, days=10)
    new = place.certificate("own/signing.pem", EC, Use.SIGNING, start=NOW + DAY)
    place.certificate("own/signing-keyless.pem", RSA, Use.SIGNING, start=NOW + 2 * DAY)
    place.key("signing.previous.key", EC_OLD)
    place.key("signing.key", EC)
    now = [NOW]
    keyring = load(place.trust, place.credentials, now=lambda: now[0])
    assert keyring.signing.certificate == old
    now[0] = NOW + 3 * DAY
    assert keyring.signing.certificate == new
    now[0] = NOW + 100 * DAY
    with pytest.raises(KeyringError, match="nothing to sign with"):
        _ = keyring.signing


def test_rotation_of_our_decryption_key(place: Place) -> None:
    """Both keys decrypt, the newest first, also after their certificates have expired."""
    old = place.certificate("own/encryption-a.pem", RSA_OLD, Use.ENCRYPTION, start=NOW - 9 * DAY)
    new = place.certificate("own/encryption.pem", RSA, Use.ENCRYPTION)
    place.key("decryption.previous.key", RSA_OLD)
    place.key("decryption.key", RSA)
    keyring = load(place.trust, place.credentials, now=lambda: NOW + 900 * DAY)
    assert [each.certificate for each in keyring.decryption] == [new, old]


def test_rotation_of_a_partners_keys(place: Place) -> None:
    """Signers are all pinned ones, newest first; encrypted is to the valid ones only."""
    # Both in one file, as a partner may send them.
    for use, key in ((Use.SIGNING, EC), (Use.ENCRYPTION, RSA)):
        path = f"LONDON/{use}.pem"
        place.certificate(path, key, use, start=NOW - 9 * DAY, days=5)
        first = (place.trust / path).read_bytes()
        place.certificate(path, key, use)
        (place.trust / path).write_bytes(first + (place.trust / path).read_bytes())
        place.certificate(f"LONDON/{use}-next.pem", key, use, start=NOW + DAY)
    keyring = load(place.trust, place.credentials, now=lambda: NOW)
    starts = [each.not_valid_before_utc for each in keyring.signers_of("LONDON")]
    assert starts == [NOW + DAY, NOW - DAY, NOW - 9 * DAY]
    [valid] = keyring.encryption_for("LONDON")
    assert valid.not_valid_before_utc == NOW - DAY


def test_all_expired(place: Place) -> None:
    """With expired certificates only nothing can be encrypted, and the error says so."""
    place.certificate("LONDON/encryption.pem", RSA, Use.ENCRYPTION, start=NOW - 9 * DAY, days=5)
    keyring = load(place.trust, place.credentials, now=lambda: NOW)
    with pytest.raises(KeyringError, match=r"a valid certificate .* is needed"):
        keyring.encryption_for("LONDON")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o660, 0o444, 0o777, 0o610])
def test_a_key_that_others_can_use_is_refused(place: Place, mode: int) -> None:
    """Any right of group or others on a private key stops the start, naming file and modes."""
    place.certificate("own/signing.pem", EC, Use.SIGNING)
    path = place.key("signing.key", EC, mode=mode)
    [problem] = place.problems()
    assert str(path) in problem
    assert f"{mode:04o}" in problem
    assert "0600" in problem


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_key_of_our_own_is_accepted(place: Place, mode: int) -> None:
    """The owner's rights are all that a private key needs."""
    place.certificate("own/signing.pem", EC, Use.SIGNING)
    place.key("signing.key", EC, mode=mode)
    assert load(place.trust, place.credentials, now=lambda: NOW).signing.key is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_modes_of_systemd(place: Place) -> None:
    """Group-read is accepted for root:root alone: the mask of systemd's access control list."""
    place.certificate("own/signing.pem", EC, Use.SIGNING)
    path = place.key("signing.key", EC, mode=0o440)
    assert load(place.trust, place.credentials, now=lambda: NOW).signing.key is not None
    for owner, group in ((0, 12345), (12345, 0)):
        os.chown(path, owner, group)
        assert "0440" in place.problems()[0]
    path.chmod(0o600)
    os.chown(path, 12345, 0)
    assert "belongs to user 12345" in place.problems()[0]


ED = ed25519.Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no private key in it"),
        (b"-----BEGIN PRIVATE KEY-----\nMARKERMARKER\n-----END PRIVATE KEY-----\n", "no private"),
        (
            EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
            "has a passphrase",
        ),
        (
            ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "neither EC nor RSA",
        ),
        (b"x" * 300_000, "at most 262144 bytes"),
        (private_pem(EC_OLD), "none of our certificates is of this key"),
    ],
    ids=["empty", "broken", "passphrase", "Ed25519", "large", "another key"],
)
def test_private_keys_that_do_not_serve(place: Place, data: bytes, why: str) -> None:
    """Each says what is wrong, where, and what is allowed, and never what is in the file."""
    place.certificate("own/signing.pem", EC, Use.SIGNING)
    path = place.file("signing.key", data)
    [problem] = place.problems()
    assert problem.startswith(f"{path}: ")
    assert why in problem
    assert "MARKER" not in problem


def test_private_keys_that_are_no_files(place: Place) -> None:
    """A directory, a pipe or a dangling link in a key's place is an error, and does not block."""
    path = place.credentials / "signing.key"
    makers: list[tuple[Callable[[], object], str]] = [
        (path.mkdir, "a regular file"),
        (lambda: os.mkfifo(path, 0o600), "a regular file"),
        (lambda: path.symlink_to(place.credentials / "nowhere"), "can't be read: No such file"),
    ]
    for make, why in makers:
        make()
        assert place.problems()[0].startswith(f"{path}: {why}")
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()


SMALL = rsa_key(1024)
CURVE = ec.generate_private_key(ec.SECP521R1())


@pytest.mark.parametrize(
    ("name", "use", "key", "why"),
    [
        ("signing", Use.SIGNING, SMALL, "1024 bits; 2048 or more"),
        ("encryption", Use.ENCRYPTION, SMALL, "1024 bits; 2048 or more"),
        ("signing", Use.SIGNING, CURVE, "curve is secp521r1; P-256 and P-384"),
        ("encryption", Use.ENCRYPTION, EC, "for encryption an RSA key is allowed"),
        ("signing", Use.ENCRYPTION, RSA, "does not include digitalSignature"),
        ("encryption", Use.SIGNING, RSA, "does not include keyEncipherment"),
    ],
)
def test_certificates_that_do_not_serve(
    place: Place, name: str, use: Use, key: PrivateKey, why: str
) -> None:
    """Weak keys, other kinds of keys and other uses stop the start, naming file and limit."""
    place.certificate(f"LONDON/{name}.pem", key, use)
    [problem] = place.problems()
    assert problem.startswith(f"{place.trust / 'LONDON' / name}.pem: ")
    assert why in problem


def test_files_that_are_no_certificates(place: Place) -> None:
    """A .pem file that can't be what its name says is an error; other files are not looked at."""
    (place.trust / "own" / "signing.pem").write_text("nothing")
    (place.trust / "own" / "other.pem").write_text("nothing")
    (place.trust / "own" / "README").write_text("nothing")
    (place.trust / "own" / ".signing.pem").write_text("nothing")
    (place.trust / "README").write_text("nothing")
    problems = place.problems()
    assert len(problems) == 2
    assert "other.pem: not a name for a certificate; signing*.pem and encryption" in problems[0]
    assert "signing.pem: no certificate in it; PEM is allowed" in problems[1]


def test_every_problem_is_told_at_once(place: Place) -> None:
    """An operator sees all that is wrong, not the first only."""
    place.certificate("LONDON/signing.pem", SMALL, Use.SIGNING)
    place.certificate("LEEDS/signing.pem", SMALL, Use.SIGNING)
    place.key("signing.key", EC)
    place.key("decryption.key", RSA, mode=0o644)
    assert len(place.problems()) == 4


def test_the_trust_directory_must_be_there(place: Place) -> None:
    """A wrong path is an error that names it, not an empty keyring."""
    wrong = place.trust / "elsewhere"
    with pytest.raises(KeyringError, match=r"elsewhere: .*can't be read: No such file"):
        load(wrong, None, now=lambda: NOW)


def test_the_list_says_what_people_compare(place: Place) -> None:
    """One entry a certificate, ours first: owner, use, subject, fingerprint, validity, state."""
    place.certificate("LONDON/signing.pem", EC, Use.SIGNING, start=NOW - 9 * DAY, days=5)
    place.certificate("LONDON/encryption.pem", RSA, Use.ENCRYPTION, start=NOW + DAY)
    own = place.certificate("own/signing.pem", EC, Use.SIGNING)
    entries = load(place.trust, None, now=lambda: NOW).certificates()
    assert [(each.owner, each.use, each.state) for each in entries] == [
        ("own", Use.SIGNING, State.VALID),
        ("LONDON", Use.SIGNING, State.EXPIRED),
        ("LONDON", Use.ENCRYPTION, State.NOT_YET),
    ]
    ours = entries[0]
    assert ours.subject == "CN=own/signing.pem"
    assert ours.path == place.trust / "own" / "signing.pem"
    assert (ours.not_before, ours.not_after) == (NOW - DAY, NOW + 29 * DAY)
    assert ours.fingerprint == own.fingerprint(hashes.SHA256()).hex()


def test_what_is_revoked_counts_no_more(place: Place) -> None:
    """A key in `revoked*.pem` signs and receives nothing, whatever is pinned of it."""
    lost, other = rsa_key(), rsa_key()
    signer = place.certificate("LONDON/signing.pem", EC, Use.SIGNING)
    place.certificate("LONDON/encryption.pem", lost, Use.ENCRYPTION)
    place.certificate("LONDON/encryption-renewed.pem", lost, Use.ENCRYPTION)
    kept = place.certificate("LONDON/encryption-2.pem", other, Use.ENCRYPTION)
    gone = place.certificate("LONDON/revoked.pem", lost, Use.ENCRYPTION)
    ring = load(place.trust, None, now=lambda: NOW)
    assert ring.encryption_for("LONDON") == (kept,)
    assert ring.signers_of("LONDON") == (signer,)
    assert ring.revoked_of("LONDON") == (gone,)
    assert ring.revoked_of("LEEDS") == ()
    states = {each.path.name: each.state for each in ring.certificates()}
    assert states == {
        "signing.pem": State.VALID,
        "encryption.pem": State.REVOKED,
        "encryption-renewed.pem": State.REVOKED,
        "encryption-2.pem": State.VALID,
        "revoked.pem": State.REVOKED,
    }
    place.certificate("LONDON/revoked-2.pem", EC, Use.SIGNING)
    with pytest.raises(KeyringError, match="no key of warehouse LONDON"):
        load(place.trust, None, now=lambda: NOW).signers_of("LONDON")


def test_revocations_are_the_partners(place: Place) -> None:
    """A file of no certificate revokes nothing and is told; our own are rotated, not revoked."""
    (place.trust / "LONDON").mkdir()
    (place.trust / "LONDON" / "revoked.pem").write_bytes(b"none")
    place.certificate("own/revoked.pem", EC, Use.SIGNING)
    own, london = place.problems()
    assert "own/revoked.pem: not a name for a certificate" in own
    assert "LONDON/revoked.pem: no certificate in it" in london
