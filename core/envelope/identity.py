"""Keys with their certificates, and what a certificate must be for its use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RSA_MINIMUM: Final = 2048
CURVES: Final = (ec.SECP256R1, ec.SECP384R1)


class Profile(StrEnum):
    """How a generic file is encrypted; the signature inside is the same."""

    # AuthEnvelopedData, AES-256-GCM, RSA-OAEP with SHA-256 (RFC 5083, 5084, 3560).
    CMS_GCM = "CMS_GCM"
    # EnvelopedData, AES-256-CBC, RSA PKCS#1 v1.5 (RFC 5652, 3565, 3370): where asked for only.
    CMS_CBC = "CMS_CBC"


class Use(StrEnum):
    """What a key pair is for; never both."""

    SIGNING = "signing"
    ENCRYPTION = "encryption"


class State(StrEnum):
    """Where a moment stands in the validity of a certificate."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET = "not yet"
    # Whatever its validity says: the operator has put it among the revoked.
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """Our private key that signs, with its certificate; ValueError if the two can't serve."""

    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate

    def __post_init__(self) -> None:
        _require(self.key, self.certificate, Use.SIGNING)


@dataclass(frozen=True, slots=True)
class DecryptionIdentity:
    """Our private key that decrypts, with its certificate; ValueError if the two can't serve."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate

    def __post_init__(self) -> None:
        _require(self.key, self.certificate, Use.ENCRYPTION)


def unfit(certificate: x509.Certificate, use: Use) -> str | None:
    """Why the certificate can't be for this use, with what is allowed; None if it can.

    Who issued it does not matter: it is pinned, not chained. Its validity is another question.
    """
    try:
        key = certificate.public_key()
        usage = _key_usage(certificate)
        _ = certificate.issuer.public_bytes(), certificate.not_valid_after_utc
    except Exception:  # noqa: BLE001  # the library has many ways to say that it can't read one
        return "it can't be read; RSA and EC certificates (X.509 version 3) are allowed"
    if use is Use.SIGNING and isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, CURVES):
            return f"its curve is {key.curve.name}; P-256 and P-384 are allowed"
    elif not isinstance(key, rsa.RSAPublicKey):
        allowed = "EC and RSA keys are" if use is Use.SIGNING else "an RSA key is"
        return f"its key is of another kind; for {use} {allowed} allowed"
    elif key.key_size < RSA_MINIMUM:
        return f"its RSA key has {key.key_size} bits; {RSA_MINIMUM} or more are allowed"
    if usage is not None:
        serves = usage.digital_signature if use is Use.SIGNING else usage.key_encipherment
        if not serves:
            needed = "digitalSignature" if use is Use.SIGNING else "keyEncipherment"
            return f"its key usage does not include {needed}"
    return None


def state(certificate: x509.Certificate, now: datetime) -> State:
    """Whether the certificate is valid at `now` (aware); both ends belong to the validity."""
    if now < certificate.not_valid_before_utc:
        return State.NOT_YET
    return State.EXPIRED if now > certificate.not_valid_after_utc else State.VALID


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate's DER, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def belongs(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, certificate: x509.Certificate
) -> bool:
    """Whether the certificate is of this private key."""
    return public_key(certificate) == key.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )


def public_key(certificate: x509.Certificate) -> bytes:
    """The certificate's key, SubjectPublicKeyInfo in DER: the same after a renewal for one key."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _require(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, certificate: x509.Certificate, use: Use
) -> None:
    problem = unfit(certificate, use)
    if problem is None and not belongs(key, certificate):
        problem = "it is not of this private key"
    if problem is not None:
        raise ValueError(f"the {use} certificate does not serve: {problem}")


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
