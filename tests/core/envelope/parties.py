"""Whoever seals, opens or forges in the tests: keys with self-signed certificates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.envelope import DecryptionIdentity, SigningIdentity, Use
from core.envelope.generate import self_signed
from core.envelope.keyfiles import PrivateKey


@dataclass(frozen=True)
class Party:
    """One firm: a signing key of either kind, and a key that others encrypt to."""

    name: str
    signing: SigningIdentity
    rsa_signing: SigningIdentity
    decryption: DecryptionIdentity


@cache
def party(name: str) -> Party:
    """The party of that name, the same one throughout a run."""
    return Party(
        name,
        signing=signing(name, ec.generate_private_key(ec.SECP256R1())),
        rsa_signing=signing(f"{name} RSA", rsa_key()),
        decryption=decryption(name),
    )


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A new RSA key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def signing(name: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> SigningIdentity:
    """The key with a new certificate."""
    return SigningIdentity(key, self_signed(name, Use.SIGNING, key, days=30))


def decryption(name: str) -> DecryptionIdentity:
    """A new key with a new certificate."""
    key = rsa_key()
    return DecryptionIdentity(key, self_signed(name, Use.ENCRYPTION, key, days=30))


def namesake(of: x509.Certificate, key: PrivateKey) -> x509.Certificate:
    """Another key's certificate with the same issuer, serial number, key identifier and use."""
    identifier = of.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    usage = of.extensions.get_extension_for_class(x509.KeyUsage)
    return (
        x509.CertificateBuilder()
        .subject_name(of.subject)
        .issuer_name(of.issuer)
        .serial_number(of.serial_number)
        .not_valid_before(of.not_valid_before_utc)
        .not_valid_after(of.not_valid_after_utc)
        .public_key(key.public_key())
        .add_extension(identifier.value, critical=False)
        .add_extension(usage.value, critical=True)
        .sign(key, hashes.SHA256())
    )


def write(path: Path, held: SigningIdentity | DecryptionIdentity) -> tuple[Path, Path]:
    """Certificate and private key as `<path>.pem` and `<path>.key`."""
    certificate, key = path.with_suffix(".pem"), path.with_suffix(".key")
    certificate.write_bytes(held.certificate.public_bytes(Encoding.PEM))
    key.touch(mode=0o600)
    key.write_bytes(private_pem(held.key))
    return certificate, key


def private_pem(key: PrivateKey) -> bytes:
    """PKCS#8 PEM without a passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
