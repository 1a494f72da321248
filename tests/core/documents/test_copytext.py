r"""COPY text: whatever goes in is what PostgreSQL's rules take out again.

The reader here follows the manual ("COPY, File Formats, Text Format" and "Arrays, Array Input and
Output Syntax"), not the writer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.documents import copytext

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text(
    "\\\t\n\r\b\f\v\"{},N. '`nrt", max_size=12
)


def _fields(data: bytes) -> list[list[str | None]]:
    """Rows of fields as COPY FROM reads them: newline, then tab, then the escapes."""
    text = data.decode()
    assert not text or text.endswith("\n")
    assert "\r" not in text
    rows = text.split("\n")[:-1]
    assert r"\." not in rows
    return [[_unescaped(field) for field in row.split("\t")] for row in rows]


def _unescaped(field: str) -> str | None:
    if field == r"\N":
        return None
    out, rest = [], iter(field)
    for char in rest:
        if char == "\\":
            escaped = next(rest)
            # Of the letters, only those that stand for themselves in no case are in use here.
            assert escaped in "\\tnr"
            out.append({"t": "\t", "n": "\n", "r": "\r"}.get(escaped, escaped))
        else:
            out.append(char)
    return "".join(out)


def _elements(text: str | None) -> list[str | None]:
    """The elements of an array's text: quoted ones as they are, unquoted only NULL."""
    assert text is not None
    assert text[0] + text[-1] == "{}"
    elements: list[str | None] = []
    rest = text[1:-1]
    while rest:
        if rest.startswith("NULL"):
            elements.append(None)
            rest = rest[4:]
        else:
            assert rest[0] == '"'
            element, place = "", 1
            while rest[place] != '"':
                place += rest[place] == "\\"
                element += rest[place]
                place += 1
            elements.append(element)
            rest = rest[place + 1 :]
        assert not rest or (rest[0] == "," and rest[1:])
        rest = rest[1:]
    return elements


@given(st.lists(st.tuples(TEXT | st.none(), TEXT | st.none(), TEXT)))
def test_text(rows: list[tuple[str | None, ...]]) -> None:
    """Any text comes back, and a null stays apart from every text, from an empty one too."""
    assert _fields(copytext.encode(rows)) == [list(row) for row in rows]


@given(st.lists(st.lists(TEXT | st.none(), max_size=4), min_size=1))
def test_arrays(arrays: list[list[str | None]]) -> None:
    """Any list of texts and nulls comes back: the text NULL, empty and quoted elements as well."""
    fields = _fields(copytext.encode([(elements, "end") for elements in arrays]))
    assert [_elements(first) for first, _ in fields] == arrays
    assert {second for _, second in fields} == {"end"}


@given(st.lists(st.none() | st.lists(st.sampled_from(["ab1", "c,", "NULL"]))))
def test_arrays_and_none(arrays: list[list[str | None] | None]) -> None:
    """A column that is partly null keeps each array in its place, whether it needs an escape."""
    fields = _fields(copytext.encode([(elements,) for elements in arrays]))
    assert [field and _elements(field) for (field,) in fields] == arrays


def test_pieces() -> None:
    """A batch of any size comes whole and in order, each row with its number first."""
    rows = [(number, f"row {number}") for number in range(copytext.PIECE + 1)]
    pieces = list(copytext.pieces(7, rows))
    assert len(pieces) == 2
    assert _fields(b"".join(pieces)) == [["7", str(number), text] for number, text in rows]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, rb"\N"),
        ("", b""),
        (r"\N", rb"\\N"),
        (r"\.", rb"\\."),
        ("a\tb\nc\rd\\e", rb"a\tb\nc\rd\\e"),
        ("é\U0001f600\u2028", "é\U0001f600\u2028".encode()),
        (0, b"0"),
        (-(2**63), b"-9223372036854775808"),
        (True, b"t"),
        (False, b"f"),
        (b"", rb"\\x"),
        (b"\x00\xff\\", rb"\\x00ff5c"),
        (datetime(2026, 2, 28, 9, 31, tzinfo=UTC), b"2026-02-28T09:31:00+00:00"),
        (
            datetime(2026, 2, 28, 9, 31, 0, 5000, timezone(-timedelta(hours=3, minutes=30))),
            b"2026-02-28T09:31:00.005000-03:30",
        ),
        ([], b"{}"),
        ([None], b"{NULL}"),
        (["NULL", "", None, "a,b", "{}"], b'{"NULL","",NULL,"a,b","{}"}'),
        (['"', "\\", "\t"], rb'{"\\"","\\\\","\t"}'),
    ],
)
def test_fields(value: object, field: bytes) -> None:
    """Each type has its form."""
    assert copytext.encode([(value,)]) == field + b"\n"


def test_no_rows() -> None:
    """No rows are no bytes."""
    assert copytext.encode([]) == b""


@pytest.mark.parametrize("value", ["\0", "a\0b", ["\0"], [None, "x\0"]])
def test_nul_is_refused(value: object) -> None:
    """PostgreSQL's text cannot hold NUL, so it is refused here, where the cause is still known."""
    with pytest.raises(ValueError, match="NUL"):
        copytext.encode([("good",), (value,)])


def test_a_time_without_a_zone() -> None:
    """A time without a zone would be read in the session's, so it is refused."""
    with pytest.raises(ValueError, match="zone"):
        copytext.encode([(datetime(2026, 2, 28),)])  # noqa: DTZ001 - the point of the test


@pytest.mark.parametrize("value", [1.5, {}, (), object(), 1j])
def test_other_types(value: object) -> None:
    """A type whose form nobody has thought about is refused, not guessed."""
    with pytest.raises(TypeError, match=type(value).__name__):
        copytext.encode([(value,)])
