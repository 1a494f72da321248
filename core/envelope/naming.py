"""Whether an identifier in a CMS structure names a certificate (RFC 5652, 5.3 and 6.2.1)."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat import asn1

from core.envelope.structures import IssuerAndSerialNumber, tlv

Identifier = IssuerAndSerialNumber | bytes


def names(identifier: Identifier, certificate: x509.Certificate) -> bool:
    """True if the identifier is the certificate's issuer and serial number, or its key identifier.

    That only finds the candidate: two certificates may share either, so the key decides.
    """
    if isinstance(identifier, bytes):
        return identifier == _key_identifier(certificate)
    named = issuer_and_serial(certificate)
    return asn1.encode_der(identifier) == asn1.encode_der(named)


def issuer_and_serial(certificate: x509.Certificate) -> IssuerAndSerialNumber:
    """The certificate's issuer and serial number as an identifier."""
    return IssuerAndSerialNumber(
        issuer=tlv(certificate.issuer.public_bytes()), serial_number=certificate.serial_number
    )


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return None
    return extension.value.digest
