"""Making keys: what they are for, who can read them, and that none is lost."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core.envelope import KeyringError, Profile, Use, generate, load, open_, pin, seal
from core.envelope.keyfiles import read_certificates, read_private_key

from .opening import PAYLOAD


def test_two_installations_understand_each_other(tmp_path: Path) -> None:
    """Keys made for us and for a warehouse, each pinned at the other, carry files both ways."""
    us, them = tmp_path / "us", tmp_path / "them"
    for name, place in (("CMP", us), ("LONDON", them)):
        generate(name, place / "trust", place / "credentials")
    pin(us / "trust", "CMP", them / "trust")
    pin(them / "trust", "LONDON", us / "trust")
    ours = load(us / "trust", us / "credentials")
    theirs = load(them / "trust", them / "credentials")
    for sender, to, receiver, sent_by in (
        (ours, "LONDON", theirs, "CMP"),
        (theirs, "CMP", ours, "LONDON"),
    ):
        for profile in Profile:
            data = seal(
                PAYLOAD,
                signer=sender.signing,
                recipients=sender.encryption_for(to),
                profile=profile,
            )
            result = open_(
                data,
                decryption=receiver.decryption,
                signers=receiver.signers_of(sent_by),
                profiles=[profile],
            )
            assert result.payload == PAYLOAD


def test_files_and_modes(tmp_path: Path) -> None:
    """Private keys are for the owner alone from the start, certificates for all."""
    trust, credentials = tmp_path / "trust", tmp_path / "credentials"
    paths = generate("CMP", trust, credentials)
    assert paths == [
        credentials / "signing.key",
        trust / "own" / "signing.pem",
        credentials / "decryption.key",
        trust / "own" / "encryption.pem",
    ]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in paths]
    assert modes == [0o600, 0o644, 0o600, 0o644]
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o700
    # No leftovers of writing.
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(paths)


def test_what_the_certificates_say(tmp_path: Path) -> None:
    """EC P-256 that may only sign, RSA 3,072 that may only be encrypted to; name and validity."""
    generate("CMP", tmp_path, tmp_path, days=30)
    [signing] = read_certificates(tmp_path / "own" / "signing.pem")
    [encryption] = read_certificates(tmp_path / "own" / "encryption.pem")
    key = signing.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    other = encryption.public_key()
    assert isinstance(other, rsa.RSAPublicKey)
    assert other.key_size == 3072
    for certificate, signs in ((signing, True), (encryption, False)):
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.digital_signature is signs
        assert usage.value.key_encipherment is not signs
        assert not usage.value.key_cert_sign
        assert certificate.subject.rfc4514_string() == "CN=CMP"
        validity = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert validity == timedelta(days=30)
        # A partner whose clock is a little behind accepts it at once.
        early = datetime.now(UTC) - timedelta(minutes=4)
        assert certificate.not_valid_before_utc < early


def test_one_use_only(tmp_path: Path) -> None:
    """Asked for one use, only that pair is made."""
    paths = generate("CMP", tmp_path / "t", tmp_path / "c", [Use.ENCRYPTION])
    assert [path.name for path in paths] == ["decryption.key", "encryption.pem"]


@pytest.mark.parametrize("existing", ["c/signing.key", "t/own/encryption.pem"])
def test_nothing_is_overwritten_unasked(tmp_path: Path, existing: str) -> None:
    """One file in the way, and nothing at all is written; the error names it."""
    target = tmp_path / existing
    target.parent.mkdir(parents=True)
    target.write_text("precious")
    with pytest.raises(KeyringError, match=f"{existing}: is there already"):
        generate("CMP", tmp_path / "t", tmp_path / "c")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [target]
    assert target.read_text() == "precious"


def test_overwriting_must_be_asked_for(tmp_path: Path) -> None:
    """With the flag a whole new pair is there, with the modes of the first."""
    generate("CMP", tmp_path / "t", tmp_path / "c")
    key = tmp_path / "c" / "signing.key"
    before = key.read_bytes()
    key.chmod(0o644)
    generate("CMP", tmp_path / "t", tmp_path / "c", overwrite=True)
    assert key.read_bytes() != before
    assert read_private_key(key) is not None
    assert load(tmp_path / "t", tmp_path / "c").signing is not None


@pytest.mark.parametrize(
    ("name", "days", "why"),
    [("", 1, "0 characters"), ("x" * 65, 1, "65 characters"), ("CMP", 0, "0 days")],
)
def test_what_is_asked_must_make_sense(tmp_path: Path, name: str, days: int, why: str) -> None:
    """A name that no certificate can carry, or no validity, is refused before anything is made."""
    with pytest.raises(KeyringError, match=why):
        generate(name, tmp_path / "t", tmp_path / "c", days=days)
    assert not list(tmp_path.iterdir())


def test_pinning_copies_certificates_only(tmp_path: Path) -> None:
    """A private key that lies in a certificate's file stays; nothing is replaced unasked."""
    here, there = tmp_path / "here", tmp_path / "there"
    generate("CMP", here, tmp_path / "c")
    certificate = here / "own" / "signing.pem"
    secret = (tmp_path / "c" / "signing.key").read_bytes()
    certificate.write_bytes(secret + certificate.read_bytes())
    written = pin(here, "CMP", there)
    assert [path.relative_to(there).as_posix() for path in written] == [
        "CMP/encryption.pem",
        "CMP/signing.pem",
    ]
    assert b"PRIVATE" not in (there / "CMP" / "signing.pem").read_bytes()
    with pytest.raises(KeyringError, match="is there already"):
        pin(here, "CMP", there)
    with pytest.raises(KeyringError, match="our own name"):
        pin(here, "own", there)
    with pytest.raises(KeyringError, match="no certificates"):
        pin(tmp_path / "nowhere", "CMP", there)
