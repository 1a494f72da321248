"""What may be wrong with the encryption around a message that is right."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import cast

import pytest
from cryptography.hazmat.asn1 import SetOf, encode_der
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from core.envelope import DecryptionIdentity, Profile, open_, seal, structures
from core.envelope.structures import (
    KeyTransRecipientInfo,
    members,
    tlv,
)
from core.errors import Reject

from . import forge
from .forge import attributes, der, message, oid, signer_info
from .opening import FORGER, PAYLOAD, SIGNERS, US, WAREHOUSE, apart, enveloped, opened, refused
from .parties import decryption, namesake, rsa_key

PROFILES = pytest.mark.parametrize("profile", list(Profile))
MESSAGE = message(PAYLOAD, signer_info(WAREHOUSE.signing, attributes(PAYLOAD)))
AUTH_ENVELOPED = "1.2.840.113549.1.9.16.1.23"
AES_256_GCM, AES_128_GCM = "2.16.840.1.101.3.4.1.46", "2.16.840.1.101.3.4.1.6"
SHA1 = hashes.SHA1()  # noqa: S303  # what must be refused
OAEP, RSA = "1.2.840.113549.1.1.7", "1.2.840.113549.1.1.1"
PUBLIC = US.decryption.key.public_key()


def _oaep_parameters(digest: str) -> bytes:
    mask = forge.algorithm(forge.MGF1, forge.algorithm(digest))
    return der(0x30, der(0xA0, forge.algorithm(digest)), der(0xA1, mask))


def _recipient(
    key: bytes,
    *,
    digest: hashes.HashAlgorithm | None = None,
    named: str = forge.SHA256,
    algorithm: bytes | None = None,
    encrypted: bytes | None = None,
    version: int = 0,
) -> bytes:
    chosen = digest or hashes.SHA256()
    scheme = padding.OAEP(padding.MGF1(chosen), chosen, None)
    return der(
        0x30,
        encode_der(version),
        forge.named(US.decryption.certificate),
        algorithm or forge.algorithm(OAEP, _oaep_parameters(named)),
        der(4, encrypted or PUBLIC.encrypt(key, scheme)),
    )


def _gcm(  # noqa: PLR0913  # every piece can be made wrong
    *,
    recipients: Callable[[bytes], list[bytes]] = lambda key: [_recipient(key)],
    nonce: int = 12,
    tag: int = 16,
    tag_named: int | None = None,
    size: int = 32,
    cipher: str = AES_256_GCM,
    content_type: str = forge.DATA,
    version: int = 0,
    before: bytes = b"",
    attributes: bytes = b"",
    after: bytes = b"",
) -> bytes:
    key, vector = os.urandom(size), os.urandom(nonce)
    encryptor = Cipher(algorithms.AES(key), modes.GCM(vector)).encryptor()
    if attributes:
        encryptor.authenticate_additional_data(b"\x31" + attributes[1:])
    content = encryptor.update(MESSAGE) + encryptor.finalize()
    length = tag if tag_named is None else tag_named
    parameters = der(0x30, der(4, vector), b"" if length == 12 else encode_der(length))
    return forge.content_info(
        AUTH_ENVELOPED,
        der(
            0x30,
            encode_der(version),
            before,
            der(0x31, *sorted(recipients(key))),
            der(0x30, oid(content_type), forge.algorithm(cipher, parameters), der(0x80, content)),
            attributes,
            der(4, encryptor.tag[:tag]),
            after,
        ),
    )


GCM_REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a tag of 12 bytes": (lambda: _gcm(tag=12), "another version, type or algorithm"),
    "a tag of 12 bytes, named 16": (
        lambda: _gcm(tag=12, tag_named=16),
        "another version, type or algorithm",
    ),
    "a tag of 4 bytes": (lambda: _gcm(tag=4), "another version, type or algorithm"),
    "no tag": (lambda: _gcm(tag=0), "another version, type or algorithm"),
    "a tag of 16 bytes, named 12": (
        lambda: _gcm(tag_named=12),
        "another version, type or algorithm",
    ),
    "a nonce of 8 bytes": (lambda: _gcm(nonce=8), "another version, type or algorithm"),
    "a nonce of 16 bytes": (lambda: _gcm(nonce=16), "another version, type or algorithm"),
    "AES-128": (
        lambda: _gcm(size=16, cipher=AES_128_GCM),
        "another version, type or algorithm",
    ),
    "a key of AES-128 for AES-256": (lambda: _gcm(size=16), "a key of another length"),
    "content named signed": (
        lambda: _gcm(content_type=forge.SIGNED_DATA),
        "another version, type or algorithm",
    ),
    "other version": (lambda: _gcm(version=2), "another version, type or algorithm"),
    "originator": (lambda: _gcm(before=der(0xA0)), "parsing asn1"),
    "authenticated attributes": (
        lambda: _gcm(attributes=der(0xA1, forge.attribute(forge.CONTENT_TYPE, oid(forge.DATA)))),
        "parsing asn1",
    ),
    "unauthenticated attributes": (
        lambda: _gcm(after=der(0xA2, forge.attribute(forge.CONTENT_TYPE, oid(forge.DATA)))),
        "parsing asn1",
    ),
    "other recipient version": (
        lambda: _gcm(recipients=lambda key: [_recipient(key, version=2)]),
        "recipient of another version",
    ),
    "OAEP with SHA-1": (
        lambda: _gcm(recipients=lambda key: [_recipient(key, digest=SHA1, named=forge.SHA1)]),
        "not encrypted with RSA-OAEP and SHA-256",
    ),
    "OAEP with SHA-1, named SHA-256": (
        lambda: _gcm(recipients=lambda key: [_recipient(key, digest=SHA1)]),
        "ValueError",
    ),
    "OAEP with its defaults, SHA-1": (
        lambda: _gcm(
            recipients=lambda key: [
                _recipient(key, digest=SHA1, algorithm=forge.algorithm(OAEP, b"\x30\x00"))
            ]
        ),
        "parsing asn1",
    ),
    "PKCS#1 v1.5": (
        lambda: _gcm(
            recipients=lambda key: [
                _recipient(
                    key,
                    algorithm=forge.algorithm(RSA, b"\x05\x00"),
                    encrypted=PUBLIC.encrypt(key, padding.PKCS1v15()),
                )
            ]
        ),
        "not encrypted with RSA-OAEP and SHA-256",
    ),
    "a key encrypted to nothing": (
        lambda: _gcm(recipients=lambda key: [_recipient(key, encrypted=b"\x00" * 256)]),
        "ValueError",
    ),
    "no recipients": (lambda: _gcm(recipients=lambda _: []), "not encrypted to us"),
    "a recipient by key agreement only": (
        lambda: _gcm(recipients=lambda _: [der(0xA1, encode_der(3))]),
        "not encrypted to us",
    ),
    "us twice": (
        lambda: _gcm(recipients=lambda key: [_recipient(key), _recipient(key)]),
        "several entries for one recipient",
    ),
    "33 recipients": (
        lambda: _gcm(
            recipients=lambda key: [_recipient(key), *(der(0xA1, encode_der(n)) for n in range(32))]
        ),
        "too many recipients",
    ),
}


def test_accepted() -> None:
    """The forge makes right files too, also with entries for others of any kind beside ours."""
    assert opened(_gcm(), Profile.CMS_GCM).payload == PAYLOAD
    others = _gcm(
        recipients=lambda key: [_recipient(key), *(der(0xA1, encode_der(n)) for n in range(31))]
    )
    assert opened(others, Profile.CMS_GCM).payload == PAYLOAD


@pytest.mark.parametrize("name", GCM_REFUSED)
def test_refused(name: str) -> None:
    """One thing wrong with the encryption, and the file is refused, outwardly like any other."""
    make, why = GCM_REFUSED[name]
    refused(make(), Profile.CMS_GCM, why)


@PROFILES
def test_only_the_allowed_profile(profile: Profile) -> None:
    """A right file in the profile that the warehouse's property does not name is refused."""
    data = enveloped(MESSAGE, profile)
    [other] = set(Profile) - {profile}
    assert opened(data, profile).payload == PAYLOAD
    refused(data, other, "parsing asn1")


@PROFILES
def test_only_the_receiver_opens(profile: Profile) -> None:
    """A file encrypted to somebody else stays shut, also for his namesake with another key."""
    data = enveloped(MESSAGE, profile)
    refused(data, profile, "not encrypted to us", decryption=[FORGER.decryption])
    refused(data, profile, "not encrypted to us", decryption=[])
    key = rsa_key()
    other = DecryptionIdentity(key, namesake(US.decryption.certificate, key))
    why = "ValueError"
    refused(data, profile, why, decryption=[other])
    assert PAYLOAD not in data


@PROFILES
def test_keys_that_share_a_name_are_all_tried(profile: Profile) -> None:
    """Two of our certificates with one issuer and serial number: the key that fits opens."""
    key = rsa_key()
    other = DecryptionIdentity(key, namesake(US.decryption.certificate, key))
    data = enveloped(MESSAGE, profile)
    for both in ([other, US.decryption], [US.decryption, other]):
        assert opened(data, profile, decryption=both).payload == PAYLOAD


@PROFILES
def test_our_expired_key_still_opens(profile: Profile) -> None:
    """What was encrypted to us before our certificate expired, or to the one before, opens."""
    newer = decryption("CMP, newer")
    data = enveloped(MESSAGE, profile)
    assert opened(data, profile, decryption=[newer, US.decryption]).payload == PAYLOAD


@PROFILES
def test_every_byte_counts(profile: Profile) -> None:
    """One bit turned anywhere in a file that we seal, and it is refused like any other."""
    data = seal(
        PAYLOAD,
        signer=WAREHOUSE.signing,
        recipients=[US.decryption.certificate],
        profile=profile,
    )
    assert opened(data, profile).payload == PAYLOAD
    for offset in range(len(data)):
        changed = bytearray(data)
        changed[offset] ^= 1 << offset % 8
        refused(bytes(changed), profile, "")


@PROFILES
def test_truncated_and_trailing(profile: Profile) -> None:
    """A file cut anywhere, or with anything after its end, is refused."""
    data = enveloped(MESSAGE, profile)
    for length in range(len(data)):
        refused(data[:length], profile, "parsing asn1")
    for more in (b"\x00", b"\n", b"\x00\x00", data):
        refused(data + more, profile, "ExtraData")


@PROFILES
def test_taking_apart_and_putting_together_changes_nothing(profile: Profile) -> None:
    """The structures as declared say all that is in a file: the same bytes come out again."""
    data = enveloped(MESSAGE, profile)
    assert encode_der(apart(data)) == data


@PROFILES
def test_parts_of_two_files_do_not_mix(profile: Profile) -> None:
    """Keys of one file with the content of another: refused, though both are right."""
    one, two = (apart(enveloped(MESSAGE, profile)) for _ in range(2))
    one.content.recipient_infos = two.content.recipient_infos
    refused(encode_der(one), profile, "")


@PROFILES
def test_named_as_something_else(profile: Profile) -> None:
    """The right structure under the name of another one is refused."""
    file = apart(enveloped(MESSAGE, profile))
    file.content_type = structures.SIGNED_DATA
    refused(encode_der(file), profile, "another version, type or algorithm")


@pytest.mark.parametrize("change", ["shorter", "empty", "vector", "type", "version", "odd"])
def test_older_profile_takenapart(change: str) -> None:
    """The older profile without integrity: what is odd about its parts is refused before use."""
    file = apart(enveloped(MESSAGE, Profile.CMS_CBC))
    inner = file.content.encrypted
    why = "another version, type or algorithm"
    if change == "shorter":
        inner.content, why = inner.content[:-16], "ValueError"
    elif change == "empty":
        inner.content = b""
    elif change == "odd":
        inner.content = inner.content[:-1]
    elif change == "vector":
        inner.algorithm.parameters = bytes(15)
    elif change == "type":
        inner.content_type = file.content_type
    else:
        file.content.version, why = 2, "another version than its entries"
    refused(encode_der(file), Profile.CMS_CBC, why)


def _with_key(encrypted_key: bytes) -> bytes:
    file = apart(enveloped(MESSAGE, Profile.CMS_CBC))
    [member] = members(file.content.recipient_infos)
    entry: KeyTransRecipientInfo = member.parse(KeyTransRecipientInfo)
    entry.encrypted_key = encrypted_key
    file.content.recipient_infos = tlv(encode_der(SetOf([entry])))
    return encode_der(file)


def test_a_wrong_padding_looks_like_a_wrong_key() -> None:
    """PKCS#1 v1.5 tells nobody whether it was padded rightly (RFC 3218): no oracle.

    The key itself wrong, of another length, its padding wrong, no RSA value at all: in each case
    decryption goes on with some key, so the cause is never RSA's but that of meaningless content.
    """
    for encrypted_key in (
        PUBLIC.encrypt(os.urandom(32), padding.PKCS1v15()),
        PUBLIC.encrypt(os.urandom(16), padding.PKCS1v15()),
        PUBLIC.encrypt(b"", padding.PKCS1v15()),
        b"\x01" * 256,
        b"\x00" * 256,
        b"\xff" * 256,
        b"",
        b"\x01" * 4000,
    ):
        data = _with_key(encrypted_key)
        with pytest.raises(Exception, match="ENVELOPE_REFUSED") as caught:
            opened(data, Profile.CMS_CBC)
        cause = str(caught.value.__cause__)
        assert cause == "wrong padding" or "parsing asn1" in cause


def test_profiles_may_be_named_as_the_property_names_them() -> None:
    """The property's text allows what the member of that name does, and no other profile."""
    for profile in Profile:
        data = seal(
            PAYLOAD,
            signer=WAREHOUSE.signing,
            recipients=[US.decryption.certificate],
            profile=cast("Profile", profile.value),
        )
        for other in Profile:
            texts = [cast("Profile", other.value)]
            if other is profile:
                result = open_(data, decryption=[US.decryption], signers=SIGNERS, profiles=texts)
                assert result.profile is profile
            else:
                with pytest.raises(Reject, match="ENVELOPE_REFUSED"):
                    open_(data, decryption=[US.decryption], signers=SIGNERS, profiles=texts)
    with pytest.raises(ValueError, match="CMS_ROT13"):
        open_(b"", decryption=[], signers=[], profiles=[cast("Profile", "CMS_ROT13")])


def test_recipients_must_be_fit() -> None:
    """Nothing is sealed for nobody, nor to a certificate that can't be encrypted to."""
    with pytest.raises(ValueError, match="at least one recipient"):
        seal(PAYLOAD, signer=US.signing, recipients=[], profile=Profile.CMS_GCM)
    for wrong in (US.signing.certificate, US.rsa_signing.certificate):
        with pytest.raises(ValueError, match="does not serve"):
            seal(PAYLOAD, signer=US.signing, recipients=[wrong], profile=Profile.CMS_GCM)
