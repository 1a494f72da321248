"""The ASN.1 of a generic file's envelope, declared once for making and for reading.

Only what this product uses of RFC 5652 (CMS), RFC 5083 and 5084 (AuthEnvelopedData with AES-GCM),
RFC 4055 (RSA-OAEP and RSA-PSS parameters) and RFC 5754 (SHA-2) is declared. An optional field that
is not declared here, such as unsigned attributes, makes the file unreadable: what is not needed is
not accepted.

Two rules against hostile files. The decoder takes DER only, so every length is definite and every
encoding is the one possible. And whatever may hold any number of members is declared as `TLV`, a
copy of its bytes; `members` measures it before it makes an object of each member (two bytes of
input would otherwise become a hundred bytes of objects).

The declarations reach from the whole file down to its content, so that the content is copied once.

`cryptography.hazmat.asn1` does it, in Rust, from the library that does the cryptography anyway.
Its interface is declared unstable: the exchange with openssl in the tests is what notices a change.
asn1crypto was the alternative: pure Python, its last release is of 2022.
"""

# No `from __future__ import annotations`: the decorators read the annotations when they run.

from typing import Annotated, Final

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.1")
SIGNED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.2")
ENVELOPED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.3")
AUTH_ENVELOPED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.9.16.1.23")

CONTENT_TYPE: Final = ObjectIdentifier("1.2.840.113549.1.9.3")
MESSAGE_DIGEST: Final = ObjectIdentifier("1.2.840.113549.1.9.4")
SIGNING_TIME: Final = ObjectIdentifier("1.2.840.113549.1.9.5")

RSA_ENCRYPTION: Final = ObjectIdentifier("1.2.840.113549.1.1.1")
RSAES_OAEP: Final = ObjectIdentifier("1.2.840.113549.1.1.7")
MGF1: Final = ObjectIdentifier("1.2.840.113549.1.1.8")
RSASSA_PSS: Final = ObjectIdentifier("1.2.840.113549.1.1.10")
AES_256_CBC: Final = ObjectIdentifier("2.16.840.1.101.3.4.1.42")
AES_256_GCM: Final = ObjectIdentifier("2.16.840.1.101.3.4.1.46")
SHA_256: Final = ObjectIdentifier("2.16.840.1.101.3.4.2.1")

# The first byte of each encoding that is taken as a TLV.
UTC_TIME: Final = b"\x17"
SEQUENCE: Final = b"\x30"
CERTIFICATES: Final = b"\xa0"

# Everything but the content: a few recipients, one signer, a chain of certificates.
SMALL: Final = 64 * 1024


@asn1.sequence
class IssuerAndSerialNumber:
    """RFC 5652 section 10.2.4: a certificate's name in recipient and signer identifiers."""

    issuer: asn1.TLV
    serial_number: int


@asn1.sequence
class DigestAlgorithm:
    """RFC 5754 section 2: the parameters are absent or NULL."""

    algorithm: ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class MaskGeneration:
    """RFC 4055 section 2.1: MGF1 with its digest."""

    algorithm: ObjectIdentifier
    parameters: DigestAlgorithm


@asn1.sequence
class PssParameters:
    """RFC 4055 section 3.1; an absent digest means SHA-1 there, and is refused here."""

    hash_algorithm: Annotated[DigestAlgorithm, asn1.Explicit(0)]
    mask_generation: Annotated[MaskGeneration, asn1.Explicit(1)]
    salt_length: Annotated[int, asn1.Explicit(2), asn1.Default(20)]
    trailer_field: Annotated[int, asn1.Explicit(3), asn1.Default(1)]


@asn1.sequence
class OaepParameters:
    """RFC 4055 section 4.1; absent digests mean SHA-1 there; a label is not used."""

    hash_algorithm: Annotated[DigestAlgorithm, asn1.Explicit(0)]
    mask_generation: Annotated[MaskGeneration, asn1.Explicit(1)]


@asn1.sequence
class KeyEncryptionAlgorithm:
    """How the content's key is encrypted to a recipient."""

    algorithm: ObjectIdentifier
    parameters: OaepParameters | asn1.Null | None


@asn1.sequence
class KeyTransRecipientInfo:
    """RFC 5652 section 6.2.1. The algorithm of somebody else's entry may be any, so it is a TLV."""

    version: int
    identifier: IssuerAndSerialNumber | Annotated[bytes, asn1.Implicit(0)]
    key_encryption_algorithm: asn1.TLV
    encrypted_key: bytes


@asn1.sequence
class GcmParameters:
    """RFC 5084 section 3.2."""

    nonce: bytes
    tag_length: Annotated[int, asn1.Default(12)]


@asn1.sequence
class ContentEncryptionAlgorithm:
    """AES-GCM with its parameters, or AES-CBC with its initialisation vector."""

    algorithm: ObjectIdentifier
    parameters: GcmParameters | bytes


@asn1.sequence
class EncryptedContentInfo:
    """RFC 5652 section 6.1, the content present and in one piece."""

    content_type: ObjectIdentifier
    algorithm: ContentEncryptionAlgorithm
    content: Annotated[bytes, asn1.Implicit(0)]


@asn1.sequence
class AuthEnvelopedData:
    """RFC 5083 section 2.1, without attributes."""

    version: int
    recipient_infos: asn1.TLV
    encrypted: EncryptedContentInfo
    mac: bytes


@asn1.sequence
class AuthEnvelopedFile:
    """RFC 5652 section 3: the ContentInfo around AuthEnvelopedData."""

    content_type: ObjectIdentifier
    content: Annotated[AuthEnvelopedData, asn1.Explicit(0)]


@asn1.sequence
class EnvelopedData:
    """RFC 5652 section 6.1, without originator and attributes."""

    version: int
    recipient_infos: asn1.TLV
    encrypted: EncryptedContentInfo


@asn1.sequence
class EnvelopedFile:
    """The ContentInfo around EnvelopedData."""

    content_type: ObjectIdentifier
    content: Annotated[EnvelopedData, asn1.Explicit(0)]


@asn1.sequence
class EncapsulatedContentInfo:
    """RFC 5652 section 5.2, the content present: a detached signature has none."""

    content_type: ObjectIdentifier
    content: Annotated[bytes, asn1.Explicit(0)]


@asn1.sequence
class BareSignedData:
    """RFC 5652 section 5.1, without certificates: the form that we make."""

    version: int
    digest_algorithms: asn1.TLV
    encapsulated: EncapsulatedContentInfo
    signer_infos: asn1.TLV


@asn1.sequence
class BareSignedFile:
    """The ContentInfo around BareSignedData."""

    content_type: ObjectIdentifier
    content: Annotated[BareSignedData, asn1.Explicit(0)]


@asn1.sequence
class SignedDataWithCertificates:
    """RFC 5652 section 5.1; the certificates are carried along and never looked at.

    A class of its own because an optional field can't be a TLV.
    """

    version: int
    digest_algorithms: asn1.TLV
    encapsulated: EncapsulatedContentInfo
    certificates: asn1.TLV
    signer_infos: asn1.TLV


@asn1.sequence
class SignedFileWithCertificates:
    """The ContentInfo around SignedDataWithCertificates."""

    content_type: ObjectIdentifier
    content: Annotated[SignedDataWithCertificates, asn1.Explicit(0)]


@asn1.sequence
class Attribute:
    """RFC 5652 section 5.3."""

    type: ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class SignatureAlgorithm:
    """RFC 5754 section 3 and RFC 4056."""

    algorithm: ObjectIdentifier
    parameters: PssParameters | asn1.Null | None


@asn1.sequence
class SignerInfo:
    """RFC 5652 section 5.3; signed attributes are required, unsigned ones not accepted."""

    version: int
    identifier: IssuerAndSerialNumber | Annotated[bytes, asn1.Implicit(0)]
    digest_algorithm: DigestAlgorithm
    signed_attributes: Annotated[asn1.SetOf[Attribute], asn1.Implicit(0)]
    signature_algorithm: SignatureAlgorithm
    signature: bytes


@asn1.sequence
class _Wrapped:
    value: asn1.TLV


@asn1.sequence
class _WrappedSet:
    value: asn1.SetOf[asn1.TLV]


def tlv(encoded: bytes) -> asn1.TLV:
    """One DER encoding as the field of another."""
    return asn1.decode_der(asn1.TLV, encoded)


def members(of: asn1.TLV) -> list[asn1.TLV]:
    """The members of a SET OF; ValueError if it is none or is larger than `SMALL` bytes."""
    if len(of.data) > SMALL:
        raise ValueError("too many members")
    # The library decodes a SET OF only as a field of something.
    return asn1.decode_der(_WrappedSet, asn1.encode_der(_Wrapped(value=of))).value.as_list()
