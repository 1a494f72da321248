"""Seal and open with our own code: rotation, digests, what is told and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from core.envelope import DecryptionIdentity, Profile, SigningIdentity, seal, signed

from .forge import oid
from .opening import PAYLOAD, US, WAREHOUSE, opened
from .parties import decryption, signing

PROFILES = pytest.mark.parametrize("profile", list(Profile))
SHA_384 = oid("2.16.840.1.101.3.4.2.2")


@PROFILES
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 127, 128, 65_535, 65_536, 3_000_000])
def test_round_trip(profile: Profile, size: int) -> None:
    """Any payload comes back byte for byte, with its signer, profile and time."""
    payload = bytes(range(256)) * (size // 256 + 1)
    payload = payload[:size]
    before = datetime.now(UTC).replace(microsecond=0)
    data = seal(
        payload,
        signer=WAREHOUSE.signing,
        recipients=[US.decryption.certificate],
        profile=profile,
    )
    result = opened(data, profile)
    assert result.payload == payload
    assert result.profile is profile
    assert result.signer == WAREHOUSE.signing.certificate.fingerprint(hashes.SHA256()).hex()
    assert before <= result.signing_time <= datetime.now(UTC) + timedelta(seconds=1)


@PROFILES
def test_two_files_have_nothing_in_common(profile: Profile) -> None:
    """The same payload sealed twice has other keys: the encrypted contents share no block."""
    one, two = (
        seal(
            bytes(4096),
            signer=WAREHOUSE.signing,
            recipients=[US.decryption.certificate],
            profile=profile,
        )
        for _ in range(2)
    )
    blocks = {one[at : at + 16] for at in range(1000, 4000)}
    assert len(blocks) == 3000
    assert not blocks & {two[at : at + 16] for at in range(1000, 4000)}


@PROFILES
def test_a_warehouse_in_rotation_reads_with_either_key(profile: Profile) -> None:
    """A file for two recipients opens with each of them alone."""
    newer = decryption("CMP, newer")
    data = seal(
        PAYLOAD,
        signer=WAREHOUSE.rsa_signing,
        recipients=[newer.certificate, US.decryption.certificate],
        profile=profile,
    )
    for only in (newer, US.decryption):
        assert opened(data, profile, decryption=[only]).payload == PAYLOAD


def test_p384_signs_with_sha384() -> None:
    """The digest is as strong as the curve."""
    by = signing("LONDON", ec.generate_private_key(ec.SECP384R1()))
    assert SHA_384 in signed.sign(PAYLOAD, by)
    data = seal(
        PAYLOAD,
        signer=by,
        recipients=[US.decryption.certificate],
        profile=Profile.CMS_GCM,
    )
    assert opened(data, Profile.CMS_GCM, signers=[by.certificate]).payload == PAYLOAD


def test_no_certificate_goes_along() -> None:
    """The receiver has pinned the signer: what we sign carries no certificate."""
    public = US.signing.certificate.public_bytes(Encoding.DER)
    assert public[-64:] not in signed.sign(PAYLOAD, US.signing)


def test_nothing_secret_is_shown() -> None:
    """Neither payload nor keys show in the text of the objects that hold them."""
    data = seal(
        PAYLOAD,
        signer=WAREHOUSE.signing,
        recipients=[US.decryption.certificate],
        profile=Profile.CMS_GCM,
    )
    assert "Sales Order" not in repr(opened(data, Profile.CMS_GCM))
    for identity in (US.signing, US.decryption):
        assert "rivate" not in repr(identity)


def test_key_and_certificate_must_match() -> None:
    """An identity is a key with its own certificate, of the right use."""
    with pytest.raises(ValueError, match="not of this private key"):
        SigningIdentity(US.signing.key, WAREHOUSE.signing.certificate)
    with pytest.raises(ValueError, match="not of this private key"):
        DecryptionIdentity(US.decryption.key, WAREHOUSE.decryption.certificate)
    with pytest.raises(ValueError, match="does not include digitalSignature"):
        SigningIdentity(US.decryption.key, US.decryption.certificate)
