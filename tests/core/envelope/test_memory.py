"""A file made of very many very small parts costs memory by its size, not an object each."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from cryptography.hazmat.asn1 import encode_der

from core.envelope import Profile
from core.envelope.structures import AUTH_ENVELOPED_DATA, tlv

from . import forge
from .forge import attributes, der, message, oid, signer_info
from .opening import FORGER, PAYLOAD, WAREHOUSE, apart, enveloped, refused

NAME = AUTH_ENVELOPED_DATA.dotted_string
MESSAGE = message(PAYLOAD, signer_info(WAREHOUSE.signing, attributes(PAYLOAD)))
SMALLEST = b"\x05\x00"


def _many_recipients(count: int) -> bytes:
    file = apart(enveloped(MESSAGE, Profile.CMS_GCM))
    file.content.recipient_infos = tlv(der(0x31, SMALLEST * count))
    return encode_der(file)


def _many_digests_and_certificates(count: int) -> bytes:
    """As a signer that is pinned: all the rest is right."""
    inner = der(
        0x30,
        encode_der(1),
        der(0x31, SMALLEST * count),
        der(0x30, oid(forge.DATA), der(0xA0, der(4, PAYLOAD))),
        der(0xA0, SMALLEST * count),
        der(0x31, signer_info(FORGER.signing, attributes(PAYLOAD))),
    )
    return enveloped(forge.content_info(forge.SIGNED_DATA, inner), Profile.CMS_GCM)


def _many_attributes(count: int) -> bytes:
    signed = [forge.attribute(forge.CONTENT_TYPE)] * (count // 6)
    return enveloped(message(PAYLOAD, signer_info(FORGER.signing, signed)), Profile.CMS_GCM)


BOMBS: dict[str, tuple[Callable[[int], bytes], str]] = {
    "recipients": (_many_recipients, "too many members"),
    "signers": (
        lambda count: enveloped(message(b"", *[SMALLEST] * count), Profile.CMS_GCM),
        "too many members",
    ),
    "certificates": (_many_digests_and_certificates, "not of a pinned"),
    "attributes": (_many_attributes, "too many members"),
    "nesting": (
        lambda count: forge.content_info(
            AUTH_ENVELOPED_DATA.dotted_string, der(0x30, b"\x30\x80" * count)
        ),
        "parsing asn1",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_is_bounded(name: str) -> None:
    """A file of very many very small parts costs a few times its size, not an object each."""
    make, why = BOMBS[name]
    data = make(1_000_000)
    assert len(data) >= 2_000_000
    tracemalloc.start()
    try:
        refused(data, Profile.CMS_GCM, why)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(data)
