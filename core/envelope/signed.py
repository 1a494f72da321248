"""The signature inside the envelope: SignedData with exactly one signer (RFC 5652 section 5).

Who signed is decided by the pinned certificates alone. Certificates that come with the file are
never looked at: whoever can write a file can write those too.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import SignatureAlgorithmOID

from core.envelope import structures
from core.envelope.identity import SigningIdentity, State, Use, public_key, state, unfit
from core.envelope.naming import names
from core.envelope.structures import (
    Attribute,
    BareSignedData,
    BareSignedFile,
    PssParameters,
    SignatureAlgorithm,
    SignedDataWithCertificates,
    SignedFileWithCertificates,
    SignerInfo,
)

Digest = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

_DIGESTS: Final[dict[ObjectIdentifier, Digest]] = {
    structures.SHA_256: hashes.SHA256(),
    ObjectIdentifier("2.16.840.1.101.3.4.2.2"): hashes.SHA384(),
    ObjectIdentifier("2.16.840.1.101.3.4.2.3"): hashes.SHA512(),
}
_ECDSA: Final = {
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "sha256",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "sha384",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "sha512",
}
_RSA: Final = {
    SignatureAlgorithmOID.RSA_WITH_SHA256: "sha256",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "sha384",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "sha512",
}
_PSS_SALT_MAXIMUM: Final = 512


class NotValid(Exception):
    """The signature holds, but not now: its pinned certificate is expired or not valid yet."""


class Revoked(Exception):
    """The signature holds, and is of a key that was revoked."""


class Verified(NamedTuple):
    """Content whose signature holds."""

    payload: bytes
    certificate: x509.Certificate
    signing_time: datetime


def sign(payload: bytes, signer: SigningIdentity) -> bytes:
    """ContentInfo of SignedData around the payload, DER, without certificates.

    SHA-256, or SHA-384 for a P-384 key; signed attributes content-type, message-digest and
    signing-time. The receiver has pinned the certificate, so it is not sent along.
    """
    curve = signer.key.curve if isinstance(signer.key, ec.EllipticCurvePrivateKey) else None
    digest = hashes.SHA384() if isinstance(curve, ec.SECP384R1) else hashes.SHA256()
    builder = PKCS7SignatureBuilder().set_data(payload)
    return builder.add_signer(signer.certificate, signer.key, digest).sign(
        Encoding.DER, [PKCS7Options.Binary, PKCS7Options.NoCapabilities, PKCS7Options.NoCerts]
    )


def verify(
    message: bytes,
    signers: Sequence[x509.Certificate],
    now: datetime,
    revoked: Sequence[x509.Certificate] = (),
) -> Verified:
    """The signed content of a ContentInfo that one of `signers`, valid at `now`, has signed.

    A certificate that is not valid any more counts as long as another one of `signers` is, of the
    same key: the renewed one, which a file signed before the renewal does not name. A key that any
    of `revoked` has counts never.

    Raises NotValid or Revoked where the signature itself holds; else ValueError or
    InvalidSignature. Their texts are for tests only.
    """
    signed = _signed_data(message)
    if signed.encapsulated.content_type != structures.DATA:
        raise ValueError("something else than data is signed")
    infos = structures.members(signed.signer_infos)
    if len(infos) != 1:
        raise ValueError(f"{len(infos)} signers")
    info: SignerInfo = infos[0].parse(SignerInfo)
    # RFC 5652 sections 5.1 and 5.3.
    version = 3 if isinstance(info.identifier, bytes) else 1
    if not signed.version == info.version == version:
        raise ValueError("SignedData or SignerInfo of another version")
    digest = _DIGESTS.get(info.digest_algorithm.algorithm)
    if digest is None:
        raise ValueError("weak or unknown digest")
    payload = signed.encapsulated.content
    signing_time = _check_attributes(info.signed_attributes, payload, digest)
    certificate = _signer(info, digest, signers, now, revoked)
    return Verified(payload, certificate, signing_time)


def _signed_data(message: bytes) -> BareSignedData | SignedDataWithCertificates:
    file: BareSignedFile | SignedFileWithCertificates
    try:
        file = asn1.decode_der(BareSignedFile, message)
    except ValueError:
        file = asn1.decode_der(SignedFileWithCertificates, message)
        if file.content.certificates.tag_bytes != structures.CERTIFICATES:
            raise
    if file.content_type != structures.SIGNED_DATA:
        raise ValueError("not signed")
    return file.content


def _check_attributes(
    attributes: asn1.SetOf[Attribute], payload: bytes, digest: Digest
) -> datetime:
    """The signing time, if the attributes are those of this payload; each may occur once."""
    values: dict[ObjectIdentifier, asn1.TLV | None] = {}
    for attribute in attributes.as_list():
        if attribute.type in values:
            raise ValueError("an attribute occurs twice")
        members = attribute.values.as_list()
        values[attribute.type] = members[0] if len(members) == 1 else None
    content_type = values.get(structures.CONTENT_TYPE)
    message_digest = values.get(structures.MESSAGE_DIGEST)
    signing_time = values.get(structures.SIGNING_TIME)
    if content_type is None or message_digest is None or signing_time is None:
        raise ValueError("content-type, message-digest and signing-time must be signed, one each")
    if content_type.parse(ObjectIdentifier) != structures.DATA:
        raise ValueError("another content type was signed")
    actual = hashlib.new(digest.name, payload).digest()
    if not hmac.compare_digest(message_digest.parse(bytes), actual):
        raise ValueError("other content was signed")
    utc = signing_time.tag_bytes == structures.UTC_TIME
    moment: datetime = signing_time.parse(
        asn1.UTCTime if utc else asn1.GeneralizedTime
    ).as_datetime()
    return moment


def _signer(
    info: SignerInfo,
    digest: Digest,
    signers: Sequence[x509.Certificate],
    now: datetime,
    revoked: Sequence[x509.Certificate],
) -> x509.Certificate:
    # RFC 5652 section 5.4: signed are the attributes as a SET OF, not as the [0] of the file.
    signed = asn1.encode_der(info.signed_attributes)
    lost = {public_key(each) for each in revoked}
    expired = False
    for certificate in (*signers, *revoked):
        if (
            unfit(certificate, Use.SIGNING) is not None
            or not names(info.identifier, certificate)
            or not _holds(certificate, info.signature_algorithm, digest, info.signature, signed)
        ):
            continue
        if public_key(certificate) in lost:
            raise Revoked("of a pinned signer whose key is revoked")
        valid = _valid_now(certificate, signers, now)
        if valid is not None:
            return valid
        expired = True
    if expired:
        raise NotValid("of a pinned signer that is not valid now")
    raise InvalidSignature("not of a pinned and valid signer")


def _valid_now(
    certificate: x509.Certificate, signers: Sequence[x509.Certificate], now: datetime
) -> x509.Certificate | None:
    """The certificate, or else another pinned one of the same key that is valid at `now`."""
    if state(certificate, now) is State.VALID:
        return certificate
    key = public_key(certificate)
    for other in signers:
        if (
            state(other, now) is State.VALID
            and unfit(other, Use.SIGNING) is None
            and public_key(other) == key
        ):
            return other
    return None


def _holds(
    certificate: x509.Certificate,
    algorithm: SignatureAlgorithm,
    digest: Digest,
    signature: bytes,
    signed: bytes,
) -> bool:
    key = certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if _ECDSA.get(algorithm.algorithm) != digest.name:
                return False
            key.verify(signature, signed, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey):
            scheme = _rsa_padding(algorithm, digest)
            if scheme is None:
                return False
            key.verify(signature, signed, scheme, digest)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _rsa_padding(
    algorithm: SignatureAlgorithm, digest: Digest
) -> padding.PKCS1v15 | padding.PSS | None:
    """The padding that the algorithm names for this digest; None if it names anything else."""
    parameters = algorithm.parameters
    if isinstance(parameters, PssParameters):
        mask = parameters.mask_generation
        digests = (parameters.hash_algorithm.algorithm, mask.parameters.algorithm)
        if (
            algorithm.algorithm != structures.RSASSA_PSS
            or mask.algorithm != structures.MGF1
            or any(_DIGESTS.get(each) is not digest for each in digests)
            or not digest.digest_size <= parameters.salt_length <= _PSS_SALT_MAXIMUM
            or parameters.trailer_field != 1
        ):
            return None
        return padding.PSS(padding.MGF1(digest), parameters.salt_length)
    # RFC 3370 section 3.2: plain rsaEncryption leaves the digest to the digest algorithm's field.
    if algorithm.algorithm == structures.RSA_ENCRYPTION or (
        _RSA.get(algorithm.algorithm) == digest.name
    ):
        return padding.PKCS1v15()
    return None
