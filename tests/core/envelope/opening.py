"""How the tests open files, and what every refusal must look like."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.asn1 import decode_der

from core.envelope import DecryptionIdentity, Opened, Profile, encrypted, open_
from core.envelope.structures import AuthEnvelopedFile, EnvelopedFile
from core.errors import Reason, Reject

from .parties import party

PAYLOAD = b'{"interfaceType": "Sales Order Dispatch"}'
WAREHOUSE, US, FORGER = party("LONDON"), party("CMP"), party("MALLORY")
SIGNERS = (WAREHOUSE.signing.certificate, WAREHOUSE.rsa_signing.certificate)


def opened(
    data: bytes,
    profile: Profile,
    *,
    signers: Sequence[x509.Certificate] = SIGNERS,
    decryption: Sequence[DecryptionIdentity] = (US.decryption,),
    revoked: Sequence[x509.Certificate] = (),
    now: datetime | None = None,
) -> Opened:
    """Open as we open what the warehouse LONDON sent."""
    return open_(
        data,
        decryption=decryption,
        signers=signers,
        profiles={profile},
        revoked=revoked,
        now=now,
    )


def refused(
    data: bytes,
    profile: Profile,
    why: str,
    *,
    signers: Sequence[x509.Certificate] = SIGNERS,
    decryption: Sequence[DecryptionIdentity] = (US.decryption,),
    now: datetime | None = None,
) -> None:
    """The file is refused for this cause, and outwardly like any other."""
    with pytest.raises(Reject) as caught:
        opened(data, profile, signers=signers, decryption=decryption, now=now)
    assert caught.value.reason is Reason.ENVELOPE_REFUSED
    assert caught.value.sentence == Reason.ENVELOPE_REFUSED.meaning
    assert str(caught.value) == f"ENVELOPE_REFUSED: {Reason.ENVELOPE_REFUSED.meaning}"
    cause = caught.value.__cause__
    assert cause is not None
    assert why in f"{type(cause).__name__}: {cause}"


def standing(
    data: bytes,
    profile: Profile = Profile.CMS_GCM,
    *,
    signers: Sequence[x509.Certificate] = SIGNERS,
    revoked: Sequence[x509.Certificate] = (),
    now: datetime | None = None,
) -> Reason | None:
    """The reason for which a file is refused; None where it is opened."""
    try:
        opened(data, profile, signers=signers, revoked=revoked, now=now)
    except Reject as refusal:
        return refusal.reason
    return None


def enveloped(message: bytes, profile: Profile) -> bytes:
    """The message, right or wrong, rightly encrypted to us."""
    return encrypted.encrypt(message, [US.decryption.certificate], profile)


def apart(data: bytes) -> AuthEnvelopedFile | EnvelopedFile:
    """The outer structure of a file."""
    try:
        return decode_der(AuthEnvelopedFile, data)
    except ValueError:
        return decode_der(EnvelopedFile, data)
