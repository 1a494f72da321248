"""Whatever bytes come in: open_ returns what the pinned signer signed, or raises Reject."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.envelope import Profile
from core.errors import Reason, Reject

from .forge import attributes, message, signer_info
from .opening import PAYLOAD, US, WAREHOUSE, enveloped, opened

_BY = (WAREHOUSE.signing, WAREHOUSE.rsa_signing)
_MESSAGES = [
    message(
        PAYLOAD,
        signer_info(by, attributes(PAYLOAD)),
        certificates=(WAREHOUSE.signing.certificate, US.signing.certificate)[:count],
    )
    for by in _BY
    for count in range(3)
]
_FILES = [enveloped(each, profile) for each in _MESSAGES for profile in Profile]
_SHORT: Final = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def _changed(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of the originals with a few places replaced, removed, doubled or inserted."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 4)))
        data[start:end] = draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from([b"\x80", b"\x00\x00", b"\x30\x80", b"\x84\xff\xff\xff\xff"]),
                st.just(bytes(data[start:end]) * 2),
            )
        )
    return bytes(data)


@st.composite
def changed_files(draw: st.DrawFn) -> bytes:
    """A right file, changed."""
    return _changed(draw, _FILES)


@st.composite
def changed_messages(draw: st.DrawFn) -> bytes:
    """A rightly signed message, changed."""
    return _changed(draw, _MESSAGES)


def _judge(data: bytes, profile: Profile) -> bool:
    """Whether the file was opened; then it must be what was signed."""
    try:
        result = opened(data, profile)
    except Reject as refusal:
        rejected = refusal
    else:
        assert result.payload == PAYLOAD
        return True
    assert rejected.reason is Reason.ENVELOPE_REFUSED
    assert rejected.sentence == Reason.ENVELOPE_REFUSED.meaning
    return False


@pytest.mark.parametrize("profile", list(Profile))
@_SHORT
@given(data=st.binary(max_size=200))
def test_any_bytes(profile: Profile, data: bytes) -> None:
    """Bytes that nobody sealed are refused."""
    assert not _judge(data, profile)


@pytest.mark.parametrize("profile", list(Profile))
@_SHORT
@given(data=changed_files())
def test_changed_outside(profile: Profile, data: bytes) -> None:
    """A changed file is refused; only where the changes came to nothing does it open.

    The older profile has no integrity outside: there the signature alone guards, and the
    certificates that come along may be garbled without harm.
    """
    if _judge(data, profile):
        assert data in _FILES or profile is Profile.CMS_CBC


@pytest.mark.parametrize("profile", list(Profile))
@_SHORT
@given(inner=changed_messages())
def test_changed_inside(profile: Profile, inner: bytes) -> None:
    """A changed message, encrypted again, is refused, or gives what was signed all the same.

    (What comes with the message and is not signed, such as certificates, may be changed.)
    """
    _judge(enveloped(inner, profile), profile)


def test_the_originals_open() -> None:
    """What the fuzzing starts from is right."""
    for data in _FILES:
        assert sum(_judge(data, profile) for profile in Profile) == 1
