"""What is JSON to us, and what is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.documents import parse
from core.errors import Reason, Reject


def _refusal(payload: bytes) -> str:
    with pytest.raises(Reject) as refused:
        parse(payload)
    assert refused.value.reason is Reason.NOT_JSON
    # No traceback shows the parser's own text.
    assert refused.value.__context__ is None or refused.value.__suppress_context__
    assert refused.value.__cause__ is None
    return refused.value.sentence


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"{",
        b'{"a":1,}',
        b"{} {}",
        b"[01]",
        b"[1.]",
        b"['a']",
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"// comment\n{}",
        b'["a\nb"]',
        b'["\\x41"]',
        b'["\\ud800"]',
        b'["\\udc00\\ud800"]',
        b'["\xff"]',
        b'["\xc0\x80"]',
        b'["\xed\xa0\x80"]',
        '["a"]'.encode("utf-16"),
        '["a"]'.encode("utf-32-be"),
        '["Ä"]'.encode("latin-1"),
        b"[" * 250 + b"]" * 250,
        b'{"a":' * 100_000,
        b"[" + b"9" * 4400 + b"]",
    ],
)
def test_refused(payload: bytes) -> None:
    """Whatever is not one JSON text in UTF-8 (RFC 8259), or too deep, or too long a number."""
    assert _refusal(payload).startswith("The content is not JSON in UTF-8: line ")


def test_byte_order_mark() -> None:
    """A byte order mark is refused (RFC 8259 section 8.1) and named: nobody can see it."""
    assert "byte order mark" in _refusal(b"\xef\xbb\xbf{}")


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        (b'{"id":1,"id":1}', "line 1, column 14"),
        (b'[{"a":{"b":1,\n"b":2}}]', "line 2, column 5"),
        (b'{"a":1,"\\u0061":2}', "line 1, column 17"),
        (b'{"x at line 7 column 7":1,"x at line 7 column 7":2}', "line 1, column 50"),
    ],
)
def test_a_key_twice(payload: bytes, place: str) -> None:
    """A key given twice is refused at any depth and in any spelling, and the place is named."""
    assert _refusal(payload) == f"A key is given twice in one object: {place}."


@pytest.mark.parametrize(
    "payload",
    [b'{"Zaphod":1,"Zaphod":2}', b'{"name":"Zaphod', b'["Zaphod" "Zaphod"]', b'{"Zaphod":zaphod}'],
)
def test_nothing_of_the_content(payload: bytes) -> None:
    """A refusal has the position of the fault and nothing of the content, which may be personal."""
    assert "zaphod" not in _refusal(payload).lower()


def test_big_integers_are_kept() -> None:
    """An integer keeps every digit, and its type: no double comes between."""
    value = parse(b"[9007199254740993, 1000000000000000000000000000001]")
    assert value == [9007199254740993, 10**30 + 1]
    assert {type(number) for number in value} == {int}


def test_depth() -> None:
    """200 levels are read; the schemas need 8."""
    assert parse(b"[" * 200 + b"]" * 200)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
        ),
    ),
    st.booleans(),
)
def test_reads_what_others_write(value: object, ascii_only: bool) -> None:  # noqa: FBT001
    """What the standard library writes is read back the same, escaped or not."""
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="ignore"))
)
def test_any_bytes(payload: bytes) -> None:
    """Any bytes are either read or refused as NOT_JSON; nothing else comes out."""
    try:
        parse(payload)
    except Reject as refused:
        assert refused.reason is Reason.NOT_JSON  # noqa: PT017 - either outcome is right
