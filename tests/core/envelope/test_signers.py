"""Who may have signed: the pinned certificates, while they are valid, and nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from core.envelope import Profile, SigningIdentity, Use, encrypted
from core.envelope.generate import self_signed

from . import forge
from .forge import attributes, message, signer_info
from .opening import PAYLOAD, SIGNERS, US, WAREHOUSE, enveloped, opened, refused
from .parties import namesake, rsa_key, signing

PROFILES = pytest.mark.parametrize("profile", list(Profile))
BY = WAREHOUSE.signing


def _right() -> bytes:
    return signer_info(BY, attributes(PAYLOAD))


@PROFILES
def test_signer_is_the_pinned_certificate(profile: Profile) -> None:
    """`signer` is the SHA-256 of the pinned certificate, also where two share a name."""
    older = SigningIdentity(BY.key, BY.certificate)
    newer_key = ec.generate_private_key(ec.SECP384R1())
    newer = SigningIdentity(newer_key, namesake(BY.certificate, newer_key))
    both = [newer.certificate, older.certificate]
    result = opened(enveloped(message(PAYLOAD, _right()), profile), profile, signers=both)
    assert result.signer == BY.certificate.fingerprint(hashes.SHA256()).hex()


@PROFILES
def test_signer_must_be_valid_now(profile: Profile) -> None:
    """A pinned signer counts from its first to its last second, not before and not after."""
    data = enveloped(message(PAYLOAD, _right()), profile)
    first, last = BY.certificate.not_valid_before_utc, BY.certificate.not_valid_after_utc
    second = timedelta(seconds=1)
    for now in (first, last):
        assert opened(data, profile, now=now).payload == PAYLOAD
    for now in (first - second, last + second):
        refused(data, profile, "not of a pinned and valid", now=now)


@PROFILES
def test_an_expired_signer_is_refused_by_the_clock(profile: Profile) -> None:
    """Without `now` it is the present that counts."""
    start = datetime.now(UTC) - timedelta(days=3)
    expired = SigningIdentity(
        BY.key, self_signed("LONDON", Use.SIGNING, BY.key, days=2, start=start)
    )
    data = enveloped(message(PAYLOAD, signer_info(expired, attributes(PAYLOAD))), profile)
    then = start + timedelta(days=1)
    assert opened(data, profile, signers=[expired.certificate], now=then).payload == PAYLOAD
    refused(data, profile, "not of a pinned and valid", signers=[expired.certificate])


def test_nobody_is_pinned() -> None:
    """Without a pinned signer no file opens."""
    data = enveloped(message(PAYLOAD, _right()), Profile.CMS_GCM)
    refused(data, Profile.CMS_GCM, "not of a pinned", signers=[])


def test_a_pinned_certificate_for_encryption_signs_nothing() -> None:
    """A certificate whose key usage is encryption is no signer, though pinned by mistake."""
    key = rsa_key()
    by = signing("LONDON", key)
    wrong = self_signed("LONDON", Use.ENCRYPTION, key, days=30)
    identifier = forge.named(wrong)
    for signer, name in ((by.certificate, None), (wrong, identifier)):
        data = enveloped(
            message(PAYLOAD, signer_info(by, attributes(PAYLOAD), identifier=name)),
            Profile.CMS_GCM,
        )
        if name is None:
            assert opened(data, Profile.CMS_GCM, signers=[signer]).payload == PAYLOAD
        else:
            refused(data, Profile.CMS_GCM, "not of a pinned", signers=[signer])


@PROFILES
def test_encrypted_but_the_signature_is_outside(profile: Profile) -> None:
    """Signed around the encryption, or signed and not encrypted at all, is the wrong way."""
    inside = encrypted.encrypt(PAYLOAD, [US.decryption.certificate], profile)
    outside = message(inside, signer_info(BY, attributes(inside)))
    refused(outside, profile, "parsing asn1")
    refused(message(PAYLOAD, _right()), profile, "parsing asn1")


def test_what_we_sent_does_not_come_back_as_theirs() -> None:
    """A file of ours put into the inbound directory is refused: we are not the pinned signer."""
    data = enveloped(
        message(PAYLOAD, signer_info(US.signing, attributes(PAYLOAD))), Profile.CMS_GCM
    )
    refused(data, Profile.CMS_GCM, "not of a pinned")
    own = (*SIGNERS, US.signing.certificate)
    assert opened(data, Profile.CMS_GCM, signers=own).payload == PAYLOAD
