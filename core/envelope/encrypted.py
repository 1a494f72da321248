"""The encryption around the signature: AuthEnvelopedData or EnvelopedData to RSA recipients.

RFC 5652 section 6, RFC 5083 and 5084. The encrypted content is a whole ContentInfo and its type is
given as data, as `openssl cms -encrypt` does with a file that was signed before: that is what makes
`openssl cms -decrypt` followed by `openssl cms -verify` work.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options

from core.envelope import structures
from core.envelope.identity import DecryptionIdentity, Profile
from core.envelope.naming import issuer_and_serial, names
from core.envelope.structures import (
    AuthEnvelopedData,
    AuthEnvelopedFile,
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    EncryptedContentInfo,
    EnvelopedFile,
    GcmParameters,
    KeyEncryptionAlgorithm,
    KeyTransRecipientInfo,
    MaskGeneration,
    OaepParameters,
)

_KEY: Final = 32
_NONCE: Final = 12
_TAG: Final = 16
_BLOCK: Final = 16
_RECIPIENTS_MAXIMUM: Final = 32


def encrypt(message: bytes, recipients: Sequence[x509.Certificate], profile: Profile) -> bytes:
    """ContentInfo around the message, DER, that each of the recipients (RSA) can decrypt."""
    if profile is Profile.CMS_CBC:
        builder = PKCS7EnvelopeBuilder().set_data(message)
        builder = builder.set_content_encryption_algorithm(algorithms.AES256)
        for recipient in recipients:
            builder = builder.add_recipient(recipient)
        return builder.encrypt(Encoding.DER, [PKCS7Options.Binary])
    return _encrypt_gcm(message, recipients)


def read(data: bytes, profiles: Collection[Profile]) -> Sealed:
    """The parts of an encrypted file, nothing decrypted yet.

    Raises ValueError, whose text is for tests only, for what is not exactly such a file.
    """
    problem = ValueError("no profile is allowed")
    for profile in profiles:
        try:
            return _read_gcm(data) if profile is Profile.CMS_GCM else _read_cbc(data)
        except ValueError as error:
            problem = error
    raise problem


def _encrypt_gcm(message: bytes, recipients: Sequence[x509.Certificate]) -> bytes:
    # A key is used for one file only, so any nonce would do; a random one can't be got wrong.
    key, nonce = os.urandom(_KEY), os.urandom(_NONCE)
    infos = asn1.SetOf([_recipient_info(certificate, key) for certificate in recipients])
    encryptor = Cipher(algorithms.AES256(key), modes.GCM(nonce)).encryptor()
    content = encryptor.update(message)
    encryptor.finalize()
    enveloped = AuthEnvelopedData(
        version=0,
        recipient_infos=structures.tlv(asn1.encode_der(infos)),
        encrypted=EncryptedContentInfo(
            content_type=structures.DATA,
            algorithm=ContentEncryptionAlgorithm(
                algorithm=structures.AES_256_GCM,
                parameters=GcmParameters(nonce=nonce, tag_length=_TAG),
            ),
            content=content,
        ),
        mac=encryptor.tag,
    )
    return asn1.encode_der(
        AuthEnvelopedFile(content_type=structures.AUTH_ENVELOPED_DATA, content=enveloped)
    )


def _recipient_info(certificate: x509.Certificate, key: bytes) -> KeyTransRecipientInfo:
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise TypeError("a recipient's key must be RSA")
    sha256 = DigestAlgorithm(algorithm=structures.SHA_256, parameters=None)
    algorithm = KeyEncryptionAlgorithm(
        algorithm=structures.RSAES_OAEP,
        parameters=OaepParameters(
            hash_algorithm=sha256,
            mask_generation=MaskGeneration(algorithm=structures.MGF1, parameters=sha256),
        ),
    )
    return KeyTransRecipientInfo(
        version=0,
        identifier=issuer_and_serial(certificate),
        key_encryption_algorithm=structures.tlv(asn1.encode_der(algorithm)),
        encrypted_key=public.encrypt(key, _oaep()),
    )


def _oaep() -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted file, taken apart."""

    profile: Profile
    version: int
    recipient_infos: asn1.TLV
    vector: bytes
    content: bytes
    tag: bytes

    def addressed(
        self, identities: Sequence[DecryptionIdentity]
    ) -> list[tuple[KeyTransRecipientInfo, DecryptionIdentity]]:
        """The entries that name one of our certificates, in the order of our keys.

        ValueError if one is named twice: each costs a decryption of the whole file.
        """
        infos = structures.members(self.recipient_infos)
        if len(infos) > _RECIPIENTS_MAXIMUM:
            raise ValueError("too many recipients")
        # Other kinds of entries, by key agreement say, can't be ours.
        entries: list[KeyTransRecipientInfo] = [
            each.parse(KeyTransRecipientInfo)
            for each in infos
            if each.tag_bytes == structures.SEQUENCE
        ]
        # RFC 5652 section 6.1; AuthEnvelopedData has one version for all.
        simple = len(entries) == len(infos) and all(each.version == 0 for each in entries)
        if self.profile is Profile.CMS_CBC and self.version != (0 if simple else 2):
            raise ValueError("EnvelopedData of another version than its entries")
        found = []
        for identity in identities:
            ours = [each for each in entries if names(each.identifier, identity.certificate)]
            if len(ours) > 1:
                raise ValueError("several entries for one recipient")
            found += [(entry, identity) for entry in ours]
        return found

    def decrypt(self, entry: KeyTransRecipientInfo, identity: DecryptionIdentity) -> bytes:
        """What the content decrypts to through this entry.

        With PKCS#1 v1.5 a wrong key gives bytes that mean nothing rather than an error, so only
        the signature inside tells. Raises ValueError or InvalidTag, texts for tests only.
        """
        if entry.version != (2 if isinstance(entry.identifier, bytes) else 0):
            raise ValueError("recipient of another version")
        algorithm = entry.key_encryption_algorithm.parse(KeyEncryptionAlgorithm)
        if self.profile is Profile.CMS_GCM:
            return self._decrypt_gcm(_oaep_key(algorithm, entry.encrypted_key, identity.key))
        return self._decrypt_cbc(_pkcs1_key(algorithm, entry.encrypted_key, identity.key))

    def _decrypt_gcm(self, key: bytes) -> bytes:
        mode = modes.GCM(self.vector, self.tag, min_tag_length=_TAG)
        decryptor = Cipher(algorithms.AES256(key), mode).decryptor()
        plain = decryptor.update(self.content)
        decryptor.finalize()
        return plain

    def _decrypt_cbc(self, key: bytes) -> bytes:
        decryptor = Cipher(algorithms.AES256(key), modes.CBC(self.vector)).decryptor()
        plain = decryptor.update(self.content)
        decryptor.finalize()
        filling = plain[-1]
        if not 1 <= filling <= _BLOCK or not plain.endswith(bytes([filling]) * filling):
            raise ValueError("wrong padding")
        return plain[:-filling]


def _read_gcm(data: bytes) -> Sealed:
    file = asn1.decode_der(AuthEnvelopedFile, data)
    encrypted = file.content.encrypted
    parameters = encrypted.algorithm.parameters
    if (
        file.content_type != structures.AUTH_ENVELOPED_DATA
        or file.content.version != 0
        or encrypted.content_type != structures.DATA
        or encrypted.algorithm.algorithm != structures.AES_256_GCM
        or not isinstance(parameters, GcmParameters)
        or len(parameters.nonce) != _NONCE
        or parameters.tag_length != _TAG
        or len(file.content.mac) != _TAG
    ):
        raise ValueError("AuthEnvelopedData of another version, type or algorithm")
    return Sealed(
        profile=Profile.CMS_GCM,
        version=file.content.version,
        recipient_infos=file.content.recipient_infos,
        vector=parameters.nonce,
        content=encrypted.content,
        tag=file.content.mac,
    )


def _read_cbc(data: bytes) -> Sealed:
    file = asn1.decode_der(EnvelopedFile, data)
    encrypted = file.content.encrypted
    vector = encrypted.algorithm.parameters
    if (
        file.content_type != structures.ENVELOPED_DATA
        or encrypted.content_type != structures.DATA
        or encrypted.algorithm.algorithm != structures.AES_256_CBC
        or not isinstance(vector, bytes)
        or len(vector) != _BLOCK
        or not encrypted.content
        or len(encrypted.content) % _BLOCK
    ):
        raise ValueError("EnvelopedData of another version, type or algorithm")
    return Sealed(
        profile=Profile.CMS_CBC,
        version=file.content.version,
        recipient_infos=file.content.recipient_infos,
        vector=vector,
        content=encrypted.content,
        tag=b"",
    )


def _oaep_key(
    algorithm: KeyEncryptionAlgorithm, encrypted: bytes, private: rsa.RSAPrivateKey
) -> bytes:
    parameters = algorithm.parameters
    if (
        algorithm.algorithm != structures.RSAES_OAEP
        or not isinstance(parameters, OaepParameters)
        or parameters.hash_algorithm.algorithm != structures.SHA_256
        or parameters.mask_generation.algorithm != structures.MGF1
        or parameters.mask_generation.parameters.algorithm != structures.SHA_256
    ):
        raise ValueError("the key is not encrypted with RSA-OAEP and SHA-256")
    key = private.decrypt(encrypted, _oaep())
    if len(key) != _KEY:
        raise ValueError("a key of another length")
    return key


def _pkcs1_key(
    algorithm: KeyEncryptionAlgorithm, encrypted: bytes, private: rsa.RSAPrivateKey
) -> bytes:
    if algorithm.algorithm != structures.RSA_ENCRYPTION or isinstance(
        algorithm.parameters, OaepParameters
    ):
        raise ValueError("the key is not encrypted with RSA PKCS#1 v1.5")
    # RFC 3218 section 2.3.2: go on with a random key, so that nobody learns whether the padding
    # was right. OpenSSL from 3.2 on does the same inside, with bytes of any length.
    substitute = os.urandom(_KEY)
    try:
        key = private.decrypt(encrypted, padding.PKCS1v15())
    except ValueError:
        return substitute
    return key if len(key) == _KEY else substitute
