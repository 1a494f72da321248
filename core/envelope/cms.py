"""Seal and open generic files: signed, then encrypted (CMS, RFC 5652). Bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from core.envelope import encrypted, signed
from core.envelope.identity import (
    DecryptionIdentity,
    Profile,
    SigningIdentity,
    Use,
    fingerprint,
    unfit,
)
from core.errors import Reason, Reject

# One sentence for every refusal: which check failed is what a forger would like to know.
SENTENCE: Final = Reason.ENVELOPE_REFUSED.meaning


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose signature holds."""

    # Personal data: stays out of every log.
    payload: bytes = field(repr=False)
    # SHA-256 of the pinned certificate's DER, 64 lower-case hexadecimal digits.
    signer: str
    profile: Profile
    # What the signer's clock said, aware; it proves nothing.
    signing_time: datetime


def seal(
    payload: bytes,
    *,
    signer: SigningIdentity,
    recipients: Sequence[x509.Certificate],
    profile: Profile,
) -> bytes:
    """The payload signed by `signer`, then encrypted to each of `recipients`; DER.

    The validity of certificates is the keyring's concern. Raises ValueError if there is no
    recipient, or one whose certificate can't be encrypted to.
    """
    if not recipients:
        raise ValueError("a file needs at least one recipient")
    for recipient in recipients:
        problem = unfit(recipient, Use.ENCRYPTION)
        if problem is not None:
            raise ValueError(f"a recipient's certificate does not serve: {problem}")
    return encrypted.encrypt(signed.sign(payload, signer), recipients, Profile(profile))


def open_(
    data: bytes,
    *,
    decryption: Sequence[DecryptionIdentity],
    signers: Sequence[x509.Certificate],
    profiles: Collection[Profile],
    revoked: Sequence[x509.Certificate] = (),
    now: datetime | None = None,
) -> Opened:
    """The payload of a file that was encrypted to us and signed by one of the pinned `signers`.

    A signer must be valid at `now` (aware; by default the present), and its key none of `revoked`.
    Our own certificates only find the key: they may have expired. Several keys are tried in the
    order given.

    Raises Reject(SIGNER_EXPIRED) or Reject(SIGNER_REVOKED) where the signature itself is that of a
    pinned or revoked signer; Reject(ENVELOPE_REFUSED) with always the same sentence, whatever else
    is wrong with the file: its cause is for tests and must not be logged or sent. Memory is bounded
    by a small multiple of `len(data)`, which the caller limits (measured: three times, besides
    `data`).
    """
    moment = datetime.now(UTC) if now is None else now
    # A property's text is as good as a member; what is neither is the caller's mistake.
    allowed = [each for each in Profile if each in {Profile(name) for name in profiles}]
    try:
        return _open(data, decryption, signers, allowed, moment, revoked)
    except MemoryError:
        # The surroundings, not the file.
        raise
    # Whoever made these has the signer's private key: they tell no forger anything.
    except signed.NotValid as error:
        raise Reject(Reason.SIGNER_EXPIRED, Reason.SIGNER_EXPIRED.meaning) from error
    except signed.Revoked as error:
        raise Reject(Reason.SIGNER_REVOKED, Reason.SIGNER_REVOKED.meaning) from error
    except Exception as error:
        # All of them: a failure that looked different would tell which check had failed.
        raise Reject(Reason.ENVELOPE_REFUSED, SENTENCE) from error


def _open(
    data: bytes,
    decryption: Sequence[DecryptionIdentity],
    signers: Sequence[x509.Certificate],
    profiles: Collection[Profile],
    now: datetime,
    revoked: Sequence[x509.Certificate],
) -> Opened:
    sealed = encrypted.read(data, profiles)
    refused: Exception = ValueError("not encrypted to us")
    # Certificates of two of our keys may share issuer and serial number: the next key may fit.
    for entry, identity in sealed.addressed(decryption):
        try:
            verified = signed.verify(sealed.decrypt(entry, identity), signers, now, revoked)
        except Exception as error:  # noqa: BLE001  # all of them, as in open_
            refused = error
            continue
        return Opened(
            payload=verified.payload,
            signer=fingerprint(verified.certificate),
            profile=sealed.profile,
            signing_time=verified.signing_time,
        )
    raise refused
