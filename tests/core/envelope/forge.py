"""SignedData piece by piece, with real signatures, so that each piece can be made wrong.

Written with nothing of `core.envelope`: what only our own code could read would prove little.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.asn1 import encode_der
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding

from core.envelope import SigningIdentity

DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
COUNTERSIGNATURE = "1.2.840.113549.1.9.6"
SHA256 = "2.16.840.1.101.3.4.2.1"
SHA1 = "1.3.14.3.2.26"
MD5 = "1.2.840.113549.2.5"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
ECDSA_SHA1 = "1.2.840.10045.4.1"
RSA_SHA256 = "1.2.840.113549.1.1.11"
PSS = "1.2.840.113549.1.1.10"
MGF1 = "1.2.840.113549.1.1.8"

SEQUENCE, SET, OCTETS = 0x30, 0x31, 0x04


def der(tag: int, *parts: bytes) -> bytes:
    """One encoding of definite length; SETs are not sorted."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    return encode_der(x509.ObjectIdentifier(dotted))


def algorithm(dotted: str, *parameters: bytes) -> bytes:
    """An AlgorithmIdentifier."""
    return der(SEQUENCE, oid(dotted), *parameters)


def attribute(dotted: str, *values: bytes) -> bytes:
    """An Attribute."""
    return der(SEQUENCE, oid(dotted), der(SET, *values))


def content_info(dotted: str, content: bytes) -> bytes:
    """A ContentInfo."""
    return der(SEQUENCE, oid(dotted), der(0xA0, content))


def attributes(payload: bytes, *, content_type: str = DATA, digest: str = "sha256") -> list[bytes]:
    """Content-type, signing-time and message-digest, in this order."""
    now = datetime.now(UTC).strftime("%y%m%d%H%M%SZ").encode()
    return [
        attribute(CONTENT_TYPE, oid(content_type)),
        attribute(SIGNING_TIME, der(0x17, now)),
        attribute(
            MESSAGE_DIGEST,
            der(OCTETS, hashlib.new(digest, payload, usedforsecurity=False).digest()),
        ),
    ]


def named(certificate: x509.Certificate) -> bytes:
    """The IssuerAndSerialNumber of a certificate."""
    issuer = certificate.issuer.public_bytes()
    return der(SEQUENCE, issuer, encode_der(certificate.serial_number))


def sign(
    by: SigningIdentity, data: bytes, scheme: padding.AsymmetricPadding | None = None
) -> bytes:
    """A signature with SHA-256."""
    if isinstance(by.key, ec.EllipticCurvePrivateKey):
        return by.key.sign(data, ec.ECDSA(hashes.SHA256()))
    return by.key.sign(data, scheme or padding.PKCS1v15(), hashes.SHA256())


def signer_info(  # noqa: PLR0913  # every piece can be made wrong
    by: SigningIdentity,
    signed: list[bytes],
    *,
    signature: bytes | None = None,
    identifier: bytes | None = None,
    digest: str = SHA256,
    signature_algorithm: bytes | None = None,
    version: int = 1,
    ordered: bool = True,
    unsigned: bytes = b"",
) -> bytes:
    """A SignerInfo; without `signature`, signed rightly over the attributes as they are."""
    inner = b"".join(sorted(signed) if ordered else signed)
    default = ECDSA_SHA256 if isinstance(by.key, ec.EllipticCurvePrivateKey) else RSA_SHA256
    return der(
        SEQUENCE,
        encode_der(version),
        identifier or named(by.certificate),
        algorithm(digest),
        der(0xA0, inner) if signed else b"",
        signature_algorithm or algorithm(default),
        der(OCTETS, signature or sign(by, der(SET, inner))),
        unsigned,
    )


def message(
    payload: bytes,
    *infos: bytes,
    content_type: str = DATA,
    detached: bool = False,
    certificates: tuple[x509.Certificate, ...] = (),
    revocations: bytes = b"",
    version: int = 1,
) -> bytes:
    """A ContentInfo of SignedData."""
    encoded = b"".join(each.public_bytes(Encoding.DER) for each in certificates)
    return content_info(
        SIGNED_DATA,
        der(
            SEQUENCE,
            encode_der(version),
            der(SET, algorithm(SHA256)),
            der(SEQUENCE, oid(content_type), b"" if detached else der(0xA0, der(OCTETS, payload))),
            der(0xA0, encoded) if certificates else b"",
            revocations,
            der(SET, *sorted(infos)),
        ),
    )
