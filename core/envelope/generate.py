"""Make key pairs with self-signed certificates, and pin one installation's at another.

Signing: EC P-256, key usage digitalSignature. Encryption: RSA of 3,072 bits, key usage
keyEncipherment. Self-signed, because partners pin the certificate itself (RFC 5280 is followed for
its form: random serial number, key identifier, critical key usage and basic constraints).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from core.envelope.identity import Use
from core.envelope.keyfiles import (
    KeyringError,
    PrivateKey,
    read_certificates,
    read_private_key,
)
from core.envelope.keyring import DECRYPTION_KEYS, OWN, SIGNING_KEYS

RSA_BITS: Final = 3072
NAME_MAXIMUM: Final = 64
KEY_MODE: Final = 0o600
CERTIFICATE_MODE: Final = 0o644
# The partner's clock may be behind ours.
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_KEY_FILE: Final = {Use.SIGNING: SIGNING_KEYS[0], Use.ENCRYPTION: DECRYPTION_KEYS[0]}


def generate(
    name: str,
    out_trust_dir: Path,
    out_credentials_dir: Path,
    uses: Collection[Use] = tuple(Use),
    days: int = 730,
    *,
    prefix: str = "",
    overwrite: bool = False,
) -> list[Path]:
    """Make a key pair for each use; the paths written, each key before its certificate.

    `name` becomes the certificate's common name, 1 to 64 characters. Certificates go to
    `<out_trust_dir>/own/{signing,encryption}.pem` (mode 0644), private keys, PKCS#8 without a
    passphrase, to `<out_credentials_dir>/<prefix>{signing,decryption}.key` (0600); missing
    directories are made. Every file appears whole or not at all. Nothing is overwritten unless
    asked for: KeyringError names what is there, before anything is written.
    """
    _refuse_unfit(name, days)
    ordered = [each for each in Use if each in uses]
    targets = {
        use: (out_credentials_dir / f"{prefix}{_KEY_FILE[use]}", out_trust_dir / OWN / f"{use}.pem")
        for use in ordered
    }
    if not overwrite:
        _refuse_existing([path for pair in targets.values() for path in pair])
    out_credentials_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (out_trust_dir / OWN).mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for use, (key_path, certificate_path) in targets.items():
        _make(name, use, key_path, certificate_path, days, overwrite=overwrite)
        written += [key_path, certificate_path]
    return written


def generate_pair(name: str, use: Use, key_path: Path, certificate_path: Path, days: int) -> None:
    """Make one key pair under the caller's names, in directories that are there.

    The key first, as `generate` makes it; KeyringError if either file is there.
    """
    _refuse_unfit(name, days)
    _refuse_existing([key_path, certificate_path])
    _make(name, use, key_path, certificate_path, days, overwrite=False)


def certify(name: str, use: Use, key_path: Path, certificate_path: Path, days: int) -> None:
    """Make the certificate of a key that is there already; KeyringError if there is a file."""
    _refuse_unfit(name, days)
    certificate = self_signed(name, use, read_private_key(key_path), days=days)
    _write(
        certificate_path,
        certificate.public_bytes(Encoding.PEM),
        CERTIFICATE_MODE,
        overwrite=False,
    )


def _make(
    name: str, use: Use, key_path: Path, certificate_path: Path, days: int, *, overwrite: bool
) -> None:
    key = _new_key(use)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(key_path, private, KEY_MODE, overwrite=overwrite)
    certificate = self_signed(name, use, key, days=days)
    public = certificate.public_bytes(Encoding.PEM)
    _write(certificate_path, public, CERTIFICATE_MODE, overwrite=overwrite)


def _refuse_unfit(name: str, days: int) -> None:
    if not 1 <= len(name) <= NAME_MAXIMUM:
        raise KeyringError(f"the name has {len(name)} characters; 1 to {NAME_MAXIMUM} are allowed")
    if days < 1:
        raise KeyringError(f"a validity of {days} days; 1 or more is allowed")


def pin(
    from_trust_dir: Path, owner: str, into_trust_dir: Path, *, overwrite: bool = False
) -> list[Path]:
    """Copy another installation's own certificates to `<into_trust_dir>/<owner>/`; the paths.

    For installations on one host (the demonstration, tests): between firms people compare
    fingerprints first.
    """
    if owner == OWN:
        raise KeyringError(f"{owner} is our own name; the id of a warehouse is allowed")
    sources = sorted(path for use in Use for path in (from_trust_dir / OWN).glob(f"{use}*.pem"))
    if not sources:
        raise KeyringError(f"{from_trust_dir / OWN}: no certificates; keys must be made first")
    targets = [into_trust_dir / owner / path.name for path in sources]
    if not overwrite:
        _refuse_existing(targets)
    (into_trust_dir / owner).mkdir(parents=True, exist_ok=True)
    for source, target in zip(sources, targets, strict=True):
        # Only certificates go over, whatever else lies in the file.
        data = b"".join(each.public_bytes(Encoding.PEM) for each in read_certificates(source))
        _write(target, data, CERTIFICATE_MODE, overwrite=overwrite)
    return targets


def self_signed(
    name: str, use: Use, key: PrivateKey, *, days: int, start: datetime | None = None
) -> x509.Certificate:
    """A self-signed certificate for one use, valid for `days` from `start` (aware; now)."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    not_before = start or datetime.now(UTC) - _CLOCKS_DIFFER
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_before + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(use), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _new_key(use: Use) -> PrivateKey:
    if use is Use.SIGNING:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def _key_usage(use: Use) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=use is Use.SIGNING,
        content_commitment=False,
        key_encipherment=use is Use.ENCRYPTION,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _refuse_existing(paths: list[Path]) -> None:
    there = [path for path in paths if path.exists() or path.is_symlink()]
    if there:
        raise KeyringError(
            *[f"{path}: is there already; overwriting it must be asked for" for path in there]
        )


def _write(path: Path, data: bytes, mode: int, *, overwrite: bool) -> None:
    """The whole file or none, on disk when it returns."""
    # mkstemp makes it with mode 0600: a key is never readable by others, not for a moment.
    descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            Path(temporary).replace(path)
        else:
            # Unlike a rename, a link never replaces what came there meanwhile.
            _link(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _link(temporary: str, path: Path) -> None:
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        _refuse_existing([path])
        raise
