"""Who may have signed: the pinned certificates, while they are valid, and nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from core.envelope import Profile, SigningIdentity, Use, encrypted
from core.envelope.generate import self_signed
from core.errors import Reason

from . import forge
from .forge import attributes, message, signer_info
from .opening import FORGER, PAYLOAD, SIGNERS, US, WAREHOUSE, enveloped, opened, refused, standing
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
        assert standing(data, profile, now=now) is Reason.SIGNER_EXPIRED


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
    assert standing(data, profile, signers=[expired.certificate]) is Reason.SIGNER_EXPIRED


def test_an_expired_signer_is_told_of_its_own_files_alone() -> None:
    """Whoever names the expired certificate without having its key is refused like any forger."""
    start = datetime.now(UTC) - timedelta(days=3)
    expired = self_signed("LONDON", Use.SIGNING, BY.key, days=2, start=start)
    forger = SigningIdentity(FORGER.signing.key, namesake(expired, FORGER.signing.key))
    data = enveloped(message(PAYLOAD, signer_info(forger, attributes(PAYLOAD))), Profile.CMS_GCM)
    refused(data, Profile.CMS_GCM, "not of a pinned and valid", signers=[expired])
    assert standing(data, signers=[expired], revoked=[expired]) is Reason.ENVELOPE_REFUSED


@PROFILES
def test_a_certificate_renewed_for_its_key_counts_for_what_was_signed_before(
    profile: Profile,
) -> None:
    """A file names the expired certificate; one of the same key, pinned and valid, takes it in.

    The renewed one is then the signer. One of another key does not, nor one that is not valid.
    """
    now = datetime.now(UTC)
    old = self_signed("LONDON", Use.SIGNING, BY.key, days=2, start=now - timedelta(days=3))
    before = SigningIdentity(BY.key, old)
    data = enveloped(message(PAYLOAD, signer_info(before, attributes(PAYLOAD))), profile)
    renewed = self_signed("LONDON", Use.SIGNING, BY.key, days=30)
    later = self_signed("LONDON", Use.SIGNING, BY.key, days=9, start=now + timedelta(days=1))
    other = signing("LONDON", ec.generate_private_key(ec.SECP256R1())).certificate
    result = opened(data, profile, signers=[other, renewed, old])
    assert result.signer == renewed.fingerprint(hashes.SHA256()).hex()
    for signers in ([old], [old, other], [old, later]):
        assert standing(data, profile, signers=signers) is Reason.SIGNER_EXPIRED
    assert standing(data, profile, signers=[renewed]) is Reason.ENVELOPE_REFUSED


@PROFILES
def test_a_revoked_key_signs_nothing(profile: Profile) -> None:
    """Revoked is the key: whether its certificate is pinned still, renewed or expired."""
    data = enveloped(message(PAYLOAD, _right()), profile)
    renewed = self_signed("LONDON", Use.SIGNING, BY.key, days=30)
    late = BY.certificate.not_valid_after_utc + timedelta(days=1)
    for signers in ((), SIGNERS, (renewed, *SIGNERS)):
        for revoked in ([BY.certificate], [BY.certificate, renewed]):
            for now in (None, late):
                reason = standing(data, profile, signers=signers, revoked=revoked, now=now)
                assert reason is Reason.SIGNER_REVOKED
    assert standing(data, profile, revoked=[WAREHOUSE.rsa_signing.certificate]) is None


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
