"""What may be wrong inside the encryption: every case is otherwise right, and encrypted to us."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.asn1 import encode_der
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from core.envelope import Profile, SigningIdentity

from . import forge
from .forge import attribute, attributes, der, message, oid, signer_info
from .opening import FORGER, PAYLOAD, US, WAREHOUSE, enveloped, opened, refused
from .parties import namesake

PROFILES = pytest.mark.parametrize("profile", list(Profile))
BY = WAREHOUSE.signing
KEY_ID = b"\x80\x14" + hashlib.sha1(b"", usedforsecurity=False).digest()


def _right() -> bytes:
    return signer_info(BY, attributes(PAYLOAD))


def _pss(
    digest: str = forge.SHA256,
    mask: str = forge.SHA256,
    salt: int = 32,
    generator: str = forge.MGF1,
    trailer: int = 1,
) -> bytes:
    parameters = der(
        forge.SEQUENCE,
        der(0xA0, forge.algorithm(digest)),
        der(0xA1, forge.algorithm(generator, forge.algorithm(mask))),
        der(0xA2, encode_der(salt)),
        b"" if trailer == 1 else der(0xA3, encode_der(trailer)),
    )
    return forge.algorithm(forge.PSS, parameters)


def _pss_info(algorithm: bytes, salt: int = 32) -> bytes:
    by, signed = WAREHOUSE.rsa_signing, attributes(PAYLOAD)
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    signature = forge.sign(by, der(forge.SET, *sorted(signed)), scheme)
    return signer_info(by, signed, signature=signature, signature_algorithm=algorithm)


WRAPPED = message(PAYLOAD, _right())

ACCEPTED: dict[str, Callable[[], bytes]] = {
    "EC": lambda: message(PAYLOAD, _right()),
    "RSA": lambda: message(PAYLOAD, signer_info(WAREHOUSE.rsa_signing, attributes(PAYLOAD))),
    "rsaEncryption": lambda: message(
        PAYLOAD,
        signer_info(
            WAREHOUSE.rsa_signing,
            attributes(PAYLOAD),
            signature_algorithm=forge.algorithm("1.2.840.113549.1.1.1", b"\x05\x00"),
        ),
    ),
    "PSS": lambda: message(PAYLOAD, _pss_info(_pss())),
    "embedded certificates": lambda: message(
        PAYLOAD, _right(), certificates=(FORGER.signing.certificate, US.signing.certificate)
    ),
    "one more signed attribute": lambda: message(
        PAYLOAD, signer_info(BY, [*attributes(PAYLOAD), attribute(forge.TST_INFO, b"\x05\x00")])
    ),
    "GeneralizedTime": lambda: message(
        PAYLOAD,
        signer_info(
            BY,
            [
                *attributes(PAYLOAD)[::2],
                attribute(forge.SIGNING_TIME, der(0x18, b"20510101000000Z")),
            ],
        ),
    ),
}

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "no CMS at all": (lambda: PAYLOAD, "parsing asn1"),
    "nothing": (lambda: b"", "parsing asn1"),
    "unsigned": (lambda: forge.content_info(forge.DATA, der(4, PAYLOAD)), "parsing asn1"),
    "named as something else": (
        lambda: message(PAYLOAD, _right()).replace(oid(forge.SIGNED_DATA), oid(forge.DATA), 1),
        "not signed",
    ),
    "named as something else, with certificates": (
        lambda: message(PAYLOAD, _right(), certificates=(BY.certificate,)).replace(
            oid(forge.SIGNED_DATA), oid(forge.ENVELOPED_DATA), 1
        ),
        "not signed",
    ),
    "trailing bytes": (lambda: message(PAYLOAD, _right()) + b"\x00", "parsing asn1"),
    "no signer": (lambda: message(PAYLOAD), "0 signers"),
    "two signers": (
        lambda: message(PAYLOAD, _right(), signer_info(US.signing, attributes(PAYLOAD))),
        "2 signers",
    ),
    "the right signer twice": (lambda: message(PAYLOAD, _right(), _right()), "2 signers"),
    "detached": (lambda: message(PAYLOAD, _right(), detached=True), "parsing asn1"),
    "other content": (lambda: message(PAYLOAD + b" ", _right()), "other content was signed"),
    "other type of content": (
        lambda: message(PAYLOAD, _right(), content_type=forge.TST_INFO),
        "something else than data",
    ),
    "other type signed": (
        lambda: message(PAYLOAD, signer_info(BY, attributes(PAYLOAD, content_type=forge.TST_INFO))),
        "another content type was signed",
    ),
    "other version": (lambda: message(PAYLOAD, _right(), version=4), "another version"),
    "other signer version": (
        lambda: message(PAYLOAD, signer_info(BY, attributes(PAYLOAD), version=3)),
        "SignerInfo of another version",
    ),
    "digest SHA-1": (
        lambda: message(
            PAYLOAD, signer_info(BY, attributes(PAYLOAD, digest="sha1"), digest=forge.SHA1)
        ),
        "weak or unknown digest",
    ),
    "digest MD5": (
        lambda: message(
            PAYLOAD, signer_info(BY, attributes(PAYLOAD, digest="md5"), digest=forge.MD5)
        ),
        "weak or unknown digest",
    ),
    "signature with SHA-1": (
        lambda: message(
            PAYLOAD,
            signer_info(
                BY, attributes(PAYLOAD), signature_algorithm=forge.algorithm(forge.ECDSA_SHA1)
            ),
        ),
        "not of a pinned",
    ),
    "signature of an RSA kind, key EC": (
        lambda: message(
            PAYLOAD,
            signer_info(
                BY, attributes(PAYLOAD), signature_algorithm=forge.algorithm(forge.RSA_SHA256)
            ),
        ),
        "not of a pinned",
    ),
    "signature of an EC kind, key RSA": (
        lambda: message(
            PAYLOAD,
            signer_info(
                WAREHOUSE.rsa_signing,
                attributes(PAYLOAD),
                signature_algorithm=forge.algorithm(forge.ECDSA_SHA256),
            ),
        ),
        "not of a pinned",
    ),
    "PSS naming SHA-1": (lambda: message(PAYLOAD, _pss_info(_pss(forge.SHA1))), "not of a pinned"),
    "PSS masking with SHA-1": (
        lambda: message(PAYLOAD, _pss_info(_pss(mask=forge.SHA1))),
        "not of a pinned",
    ),
    "PSS with another mask generation": (
        lambda: message(PAYLOAD, _pss_info(_pss(generator=forge.SHA256))),
        "not of a pinned",
    ),
    "PSS with another trailer": (
        lambda: message(PAYLOAD, _pss_info(_pss(trailer=2))),
        "not of a pinned",
    ),
    "PSS without salt": (
        lambda: message(PAYLOAD, _pss_info(_pss(salt=0), salt=0)),
        "not of a pinned",
    ),
    "PSS with its defaults, SHA-1": (
        lambda: message(PAYLOAD, _pss_info(forge.algorithm(forge.PSS, b"\x30\x00"))),
        "parsing asn1",
    ),
    "PSS parameters, named v1.5": (
        lambda: message(
            PAYLOAD,
            _pss_info(_pss().replace(oid(forge.PSS), oid(forge.RSA_SHA256))),
        ),
        "not of a pinned",
    ),
    "attributes as content": (
        # Of a rightly signed message: the attributes are shown as the content, the signature as
        # one without attributes.
        lambda: message(
            der(forge.SET, *sorted(attributes(PAYLOAD))),
            signer_info(
                BY, [], signature=forge.sign(BY, der(forge.SET, *sorted(attributes(PAYLOAD))))
            ),
        ),
        "parsing asn1",
    ),
    "no attributes": (
        lambda: message(PAYLOAD, signer_info(BY, [], signature=forge.sign(BY, PAYLOAD))),
        "parsing asn1",
    ),
    "attributes unlike what was signed": (
        lambda: message(
            PAYLOAD, signer_info(BY, attributes(PAYLOAD), signature=forge.sign(BY, PAYLOAD))
        ),
        "not of a pinned",
    ),
    "no content-type": (
        lambda: message(PAYLOAD, signer_info(BY, attributes(PAYLOAD)[1:])),
        "must be signed",
    ),
    "no signing-time": (
        lambda: message(PAYLOAD, signer_info(BY, attributes(PAYLOAD)[::2])),
        "must be signed",
    ),
    "no message-digest": (
        lambda: message(PAYLOAD, signer_info(BY, attributes(PAYLOAD)[:2])),
        "must be signed",
    ),
    "an attribute twice": (
        lambda: message(PAYLOAD, signer_info(BY, [*attributes(PAYLOAD), attributes(b"")[2]])),
        "occurs twice",
    ),
    "an attribute with two values": (
        lambda: message(
            PAYLOAD,
            signer_info(
                BY,
                [
                    *attributes(PAYLOAD)[:2],
                    attribute(
                        forge.MESSAGE_DIGEST,
                        *sorted(
                            der(4, hashlib.sha256(each).digest()) for each in (PAYLOAD, b"other")
                        ),
                    ),
                ],
            ),
        ),
        "one each",
    ),
    "attributes out of order": (
        lambda: message(PAYLOAD, signer_info(BY, sorted(attributes(PAYLOAD))[::-1], ordered=False)),
        "InvalidSetOrdering",
    ),
    "an unsigned attribute": (
        lambda: message(
            PAYLOAD,
            signer_info(
                BY,
                attributes(PAYLOAD),
                unsigned=der(0xA1, attribute(forge.COUNTERSIGNATURE, b"\x05\x00")),
            ),
        ),
        "ExtraData",
    ),
    "a revocation list": (
        lambda: message(PAYLOAD, _right(), revocations=der(0xA1, b"\x30\x00")),
        "parsing asn1",
    ),
    "another signer": (
        lambda: message(PAYLOAD, signer_info(FORGER.signing, attributes(PAYLOAD))),
        "not of a pinned",
    ),
    "another signer, who brings his certificate": (
        lambda: message(
            PAYLOAD,
            signer_info(FORGER.signing, attributes(PAYLOAD)),
            certificates=(FORGER.signing.certificate,),
        ),
        "not of a pinned",
    ),
    "another signer under the right one's name": (
        lambda: message(
            PAYLOAD,
            signer_info(
                SigningIdentity(FORGER.signing.key, namesake(BY.certificate, FORGER.signing.key)),
                attributes(PAYLOAD),
            ),
            certificates=(namesake(BY.certificate, FORGER.signing.key),),
        ),
        "not of a pinned",
    ),
    "the right key under another name": (
        lambda: message(
            PAYLOAD,
            signer_info(
                BY, attributes(PAYLOAD), identifier=forge.named(FORGER.signing.certificate)
            ),
        ),
        "not of a pinned",
    ),
    "the right key under another key identifier": (
        lambda: message(
            PAYLOAD, signer_info(BY, attributes(PAYLOAD), identifier=KEY_ID, version=3), version=3
        ),
        "not of a pinned",
    ),
    "signed again, around the right signature": (
        lambda: message(WRAPPED, signer_info(FORGER.signing, attributes(WRAPPED))),
        "not of a pinned",
    ),
    "encrypted twice": (
        lambda: enveloped(message(PAYLOAD, _right()), Profile.CMS_GCM),
        "parsing asn1",
    ),
    "encrypted twice, the older form inside": (
        lambda: enveloped(message(PAYLOAD, _right()), Profile.CMS_CBC),
        "parsing asn1",
    ),
}


@PROFILES
@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str, profile: Profile) -> None:
    """The forge makes right files too, so that each refusal has the one cause that it names."""
    result = opened(enveloped(ACCEPTED[name](), profile), profile)
    assert result.payload == PAYLOAD
    assert result.signing_time.tzinfo is not None


@PROFILES
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, profile: Profile) -> None:
    """One thing wrong with the signature: the file is refused, outwardly like any other."""
    make, why = REFUSED[name]
    refused(enveloped(make(), profile), profile, why)
