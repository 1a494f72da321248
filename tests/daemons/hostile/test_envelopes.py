"""Files whose envelope is wrong: each is refused by the one reason that helps no forger."""

from __future__ import annotations

import base64
import gzip
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from core.envelope import Profile, SigningIdentity, Use
from core.envelope.generate import self_signed
from tests.core.envelope import forge
from tests.core.envelope.forge import attribute, attributes, der, message, signer_info
from tests.core.envelope.parties import namesake, party
from tests.daemons.depot import GOOD, PARTNER, STRANGER, US, document
from tests.daemons.hostile.gate import Gate, spread

SHA1 = hashes.SHA1()  # noqa: S303  # what must be refused
REFUSED = ("QUARANTINED", "ENVELOPE_REFUSED")


@pytest.fixture(scope="module")
def whole(gate: Gate) -> bytes:
    """A good file, which is never dropped as it is."""
    return gate.sealed(document(externalFileName="never-sent.json"))


CUTS = 24
FLIPS = 40


@pytest.mark.parametrize("part", range(CUTS))
def test_a_truncated_file(gate: Gate, whole: bytes, part: int) -> None:
    """A file that ends early, wherever it ends, is refused; one of no bytes is empty."""
    length = list(spread(len(whole), CUTS))[part]
    expected = REFUSED if length else ("QUARANTINED", "FILE_EMPTY")
    assert gate.judge(whole[:length]) == expected


@pytest.mark.parametrize("part", range(FLIPS))
def test_a_flipped_bit(gate: Gate, whole: bytes, part: int) -> None:
    """One bit that is another, wherever it stands, and the file is refused."""
    place = list(spread(len(whole), FLIPS))[part]
    flipped = bytearray(whole)
    flipped[place] ^= 1 << part % 8
    assert gate.judge(bytes(flipped)) == REFUSED


NOISE: dict[str, Callable[[bytes], bytes]] = {
    "one byte": lambda _: b"0",
    "a newline": lambda _: b"\n",
    "random": lambda _: random.Random(1).randbytes(100),
    "much that is random": lambda _: random.Random(2).randbytes(1 << 20),
    "zeros": lambda _: bytes(1 << 20),
    "a document in the clear": lambda _: GOOD,
    "the same in UTF-16": lambda _: GOOD.decode().encode("utf-16"),
    "the same after a byte order mark": lambda _: b"\xef\xbb\xbf" + GOOD,
    "HTML": lambda _: b"<html><title>503 Service Unavailable</title></html>",
    "PEM": lambda whole: b"-----BEGIN CMS-----\n%s-----END CMS-----\n" % base64.encodebytes(whole),
    "base64": base64.b64encode,
    "S/MIME": lambda whole: b"Content-Type: application/pkcs7-mime\n\n" + base64.encodebytes(whole),
    "compressed": gzip.compress,
    "bytes before": lambda whole: b"\0" + whole,
    "a byte order mark before": lambda whole: b"\xef\xbb\xbf" + whole,
    "a byte after": lambda whole: whole + b"\0",
    "a newline after": lambda whole: whole + b"\n",
    "twice": lambda whole: whole * 2,
    "backwards": lambda whole: whole[::-1],
    "as text": lambda whole: whole.decode("latin-1").encode(),
    "line ends of another system": lambda whole: whole.replace(b"\n", b"\r\n") + b"\r\n",
    "endless lengths": lambda _: b"\x30\x80" * 200_000,
    "a length beyond the file": lambda _: b"\x30\x84\xff\xff\xff\xff",
    "a length beyond any file": lambda _: b"\x30\xff" + b"\xff" * 127,
    "an endless identifier": lambda _: der(0x30, der(0x06, b"\xff" * 500_000)),
    "an endless number": lambda _: der(0x30, der(0x02, b"\x7f" * 500_000)),
    "nested": lambda _: nested(2_000),
    "OpenPGP": lambda _: b"-----BEGIN PGP MESSAGE-----\n\nhQEMA0\n-----END PGP MESSAGE-----\n",
}  # fmt: skip


def nested(levels: int) -> bytes:
    """Encodings within encodings, each of a right length."""
    inner = b""
    for _ in range(levels):
        inner = der(0x30, inner)
    return inner


@pytest.mark.parametrize("name", NOISE)
def test_what_is_no_envelope(gate: Gate, whole: bytes, name: str) -> None:
    """Bytes that are no envelope, or more or less than one, are refused."""
    assert gate.judge(NOISE[name](whole)) == REFUSED


def signing(*, start: datetime, days: int) -> SigningIdentity:
    """A key whose certificate is valid at another time."""
    key = ec.generate_private_key(ec.SECP256R1())
    return SigningIdentity(key, self_signed("LONDON", Use.SIGNING, key, days=days, start=start))


def by_namesake(gate: Gate) -> bytes:
    """Signed by a stranger whose certificate is named as the pinned one, and comes along."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = namesake(gate.signer.certificate, key)
    stranger = SigningIdentity(key, certificate)
    payload = gate.content()
    info = signer_info(stranger, attributes(payload))
    return gate.encrypted(message(payload, info, certificates=(certificate,)))


def by_decryption_key(gate: Gate) -> bytes:
    """Signed with the key that the partner decrypts with, whose certificate we have too."""
    (identity,) = gate.keyring_of(PARTNER).decryption
    payload = gate.content()
    # It has a key and a certificate, as one that signs; no SigningIdentity would take these two.
    info = signer_info(identity, attributes(payload))  # type: ignore[arg-type]
    return gate.encrypted(message(payload, info))


def swapped(gate: Gate) -> bytes:
    """The signature of one document under another."""
    return gate.encrypted(message(gate.content(), signer_info(gate.signer, attributes(GOOD))))


def forged(gate: Gate, **wrong: object) -> bytes:
    """Signed by the partner, but for one piece of its SignerInfo."""
    payload = gate.content()
    signed = signer_info(gate.signer, attributes(payload), **wrong)  # type: ignore[arg-type]
    return gate.encrypted(message(payload, signed))


def weak(gate: Gate, name: str, dotted: str, signature: str) -> bytes:
    """Signed over a digest that is broken."""
    payload = gate.content()
    info = signer_info(
        gate.signer,
        attributes(payload, digest=name),
        digest=dotted,
        signature_algorithm=forge.algorithm(signature),
    )
    return gate.encrypted(message(payload, info))


def weak_and_right(gate: Gate, digest: hashes.HashAlgorithm, dotted: str) -> bytes:
    """A pinned key, and a signature that holds: nothing is wrong but the digest."""
    by, payload = party("LONDON").rsa_signing, gate.content()
    if not (gate.trust / "LONDON" / "signing-rsa.pem").exists():
        gate.pinned("LONDON", "rsa", by)
    signed = attributes(payload, digest=digest.name)
    assert isinstance(by.key, rsa.RSAPrivateKey)
    # With plain rsaEncryption the digest is named in one place only (RFC 3370 section 3.2).
    info = signer_info(
        by,
        signed,
        digest=dotted,
        signature=by.key.sign(der(forge.SET, *sorted(signed)), padding.PKCS1v15(), digest),
        signature_algorithm=forge.algorithm("1.2.840.113549.1.1.1", b"\x05\x00"),
    )
    return gate.encrypted(message(payload, info))


def without(gate: Gate, *kept: int) -> bytes:
    """Signed with some of the three attributes only."""
    payload = gate.content()
    signed = [attributes(payload)[each] for each in kept]
    return gate.encrypted(message(payload, signer_info(gate.signer, signed)))


def signers(gate: Gate, *who: SigningIdentity) -> bytes:
    """Signed by several, each rightly."""
    payload = gate.content()
    infos = [signer_info(each, attributes(payload)) for each in who]
    return gate.encrypted(message(payload, *infos))


def mixed(gate: Gate) -> bytes:
    """The head of one file and the rest of another."""
    one, other = gate.sealed(gate.content()), gate.sealed(gate.content())
    return one[: len(one) // 2] + other[len(other) // 2 :]


def now_and_days(days: int) -> datetime:
    """So many days from now."""
    return datetime.now(UTC) + timedelta(days=days)


FORGED: dict[str, Callable[[Gate], bytes]] = {
    "signed, not encrypted": lambda gate: gate.signed(gate.content()),
    "encrypted, not signed": lambda gate: gate.encrypted(gate.content()),
    "encrypted, given out as signed": lambda gate: gate.encrypted(
        forge.content_info(forge.SIGNED_DATA, der(4, gate.content()))),
    "encrypted to the sender": lambda gate: gate.encrypted(
        gate.signed(gate.content()), party("LONDON").decryption.certificate),
    "encrypted to a stranger": lambda gate: gate.encrypted(
        gate.signed(gate.content()), gate.keyring_of(STRANGER).decryption[0].certificate),
    "signed outside the encryption": lambda gate: gate.signed(gate.encrypted(gate.content())),
    "signed by a stranger": lambda gate: gate.sealed(gate.content(), STRANGER),
    "signed by ourselves": lambda gate: gate.signed_by(
        gate.keyring_of(US).signing, gate.content()),
    "signed by a namesake": by_namesake,
    "signed with the key that is pinned for encryption": by_decryption_key,
    "signed by a stranger with RSA": lambda gate: gate.signed_by(
        party("ANYONE").rsa_signing, gate.content()),
    "signed by the signer of another warehouse": lambda gate: gate.signed_by(
        gate.pinned("LEEDS", "leeds", signing(start=now_and_days(-1), days=9)), gate.content()),
    "no signer": lambda gate: gate.encrypted(message(gate.content())),
    "the right signer twice": lambda gate: signers(gate, gate.signer, gate.signer),
    "the right signer and a stranger": lambda gate: signers(
        gate, gate.signer, party("MALLORY").signing),
    "the certificate of the right signer, another's signature": lambda gate: forged(
        gate, signature=forge.sign(party("MALLORY").signing, b"")),
    "a signature of nothing": lambda gate: forged(gate, signature=b"\x30\x06\x02\x01\0\x02\x01\0"),
    "no signature": lambda gate: forged(gate, signature=b"\0"),
    "another's name": lambda gate: forged(
        gate, identifier=forge.named(party("MALLORY").signing.certificate)),
    "another version": lambda gate: forged(gate, version=3),
    "unsigned attributes": lambda gate: forged(
        gate, unsigned=der(0xA1, attribute(forge.COUNTERSIGNATURE, b"\x05\0"))),
    "digest SHA-1": lambda gate: weak(gate, "sha1", forge.SHA1, forge.ECDSA_SHA1),
    "digest SHA-1, else right": lambda gate: weak_and_right(gate, SHA1, forge.SHA1),
    "digest MD5": lambda gate: weak(gate, "md5", forge.MD5, forge.ECDSA_SHA256),
    "digest SHA-1, named SHA-256": lambda gate: weak(
        gate, "sha1", forge.SHA256, forge.ECDSA_SHA256),
    "another document's signature": swapped,
    "detached": lambda gate: gate.encrypted(
        message(b"", signer_info(gate.signer, attributes(GOOD)), detached=True)),
    "no attributes": without,
    "no digest": lambda gate: without(gate, 0, 1),
    "no time": lambda gate: without(gate, 0, 2),
    "no type": lambda gate: without(gate, 1, 2),
    "encrypted twice": lambda gate: gate.encrypted(gate.sealed(gate.content())),
    "the older profile": lambda gate: gate.sealed(gate.content(), profile=Profile.CMS_CBC),
    "two halves": mixed,
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_what_the_pinned_signer_did_not_seal(gate: Gate, name: str) -> None:
    """Whatever is wrong with signature or encryption, the file is refused and nobody told what."""
    assert gate.judge(FORGED[name](gate)) == REFUSED


UNTIMELY = {
    "signed by a key of the past": lambda gate: gate.signed_by(
        gate.pinned("LONDON", "old", signing(start=now_and_days(-9), days=8)), gate.content()),
    "signed by a key of the future": lambda gate: gate.signed_by(
        gate.pinned("LONDON", "new", signing(start=now_and_days(1), days=8)), gate.content()),
}  # fmt: skip


@pytest.mark.parametrize("name", UNTIMELY)
def test_what_the_pinned_signer_sealed_at_the_wrong_time(gate: Gate, name: str) -> None:
    """The signature is the pinned signer's, so the reason says it: the file waits for a renewal."""
    assert gate.judge(UNTIMELY[name](gate)) == ("QUARANTINED", "SIGNER_EXPIRED")


def test_a_message_signed_twice(gate: Gate) -> None:
    """A signature within a signature is verified once, and what it covers is no document."""
    twice = gate.signed(gate.signed(gate.content()))
    assert gate.judge(gate.encrypted(twice)) == ("QUARANTINED", "NOT_JSON")


def test_all_refusals_before_the_signature_are_one(gate: Gate, whole: bytes) -> None:
    """Row and .reason of a cut, a forged and a stranger's file differ by nothing but the name."""
    gate.judge(whole[:-1])
    gate.judge(FORGED["no signer"](gate))
    gate.judge(FORGED["signed by a stranger"](gate))
    assert gate.rows(
        "select count(distinct (reason, sentence, payload_sha256, file_sha256, signer))"
        " from inbound_file where reason = 'ENVELOPE_REFUSED'"
    ) == [(1,)]


def test_what_is_judged_here_would_else_be_loaded(gate: Gate) -> None:
    """The pieces that are made wrong above, all of them right, are a good file."""
    payload = gate.content()
    right = message(payload, signer_info(gate.signer, attributes(payload)))
    assert gate.judge(gate.encrypted(right)) == ("ARCHIVED", None)


def test_the_same_with_a_digest_that_serves_would_be_loaded(gate: Gate) -> None:
    """What is refused for SHA-1 is loaded with SHA-256: it was for nothing else."""
    right = weak_and_right(gate, hashes.SHA256(), forge.SHA256)
    assert gate.judge(right) == ("ARCHIVED", None)
