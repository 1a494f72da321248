r"""Rows to the text form of PostgreSQL's COPY, built here because that is a third faster.

The form is that of "COPY, File Formats, Text Format" in PostgreSQL's manual: fields end in a tab,
rows in a newline, `\N` is null, and backslash, tab, newline and carriage return inside a value are
escaped. An array is written as in "Arrays, Array Input and Output Syntax" with every element
quoted, so that no element is taken for NULL or loses its blanks, and is then escaped as a field.
psycopg's Copy.write_row does the same through its adapters; here the few types that we load are
known, and free text goes through `escape` wherever it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice
from types import NoneType
from typing import Any, Final, cast

NULL: Final = r"\N"

_FIELD: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_ELEMENT: Final = str.maketrans({"\\": r"\\", '"': r"\""})


PIECE: Final = 1000
"""Rows; some 100 to 200 kB."""


def pieces(batch: int, rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """A batch's rows, its number first, in pieces: the server reads one while the next is made."""
    rest = iter(rows)
    while piece := list(islice(rest, PIECE)):
        yield encode(piece, start=f"{batch}\t")


def encode(rows: Iterable[Sequence[object]], *, start: str = "") -> bytes:
    """All rows, each with as many values, in UTF-8, ready for `Copy.write`.

    Each begins with `start`: fields that are the same in all, each with its tab.

    Takes None, str, int, bool, bytes (as bytea), aware datetime (as timestamptz) and lists of str
    or None (as text[]). Raises TypeError for another type, and ValueError for a NUL, which
    PostgreSQL's text cannot hold, or a time without a zone.
    """
    # By column, since one look tells of a whole column that its values are of one harmless kind.
    columns = [_column(values) for values in zip(*rows, strict=True)]
    if not columns:
        return b""
    lines = map("\t".join, zip(*columns, strict=True))
    whole = start + f"\n{start}".join(lines) + "\n"
    # One look at the whole, rather than one at each value.
    if "\0" in whole:
        raise ValueError("PostgreSQL's text cannot hold NUL")
    return whole.encode()


def _column(values: Sequence[Any]) -> Iterable[str]:
    kinds = set(map(type, values))
    if NoneType not in kinds:
        return _fields(kinds, values)
    fields = iter(_fields(kinds - {NoneType}, [value for value in values if value is not None]))
    return [NULL if value is None else next(fields) for value in values]


def _fields(kinds: set[type], values: Sequence[Any]) -> Iterable[str]:
    """Each of these values, none of them None, as a field."""
    if kinds == {str} and _harmless("".join(values)):
        return values
    if kinds == {list} and _quotable(values):
        return ['{"' + '","'.join(one) + '"}' if one else "{}" for one in values]
    texts = _TEXTS
    if len(kinds) == 1:
        return map(texts[next(iter(kinds))], values)
    return [texts[type(value)](value) for value in values]


def _quotable(arrays: Sequence[list[str | None]]) -> bool:
    """Whether no element of these needs more than its quotes."""
    elements = list(chain.from_iterable(arrays))
    if not elements:
        return True
    return None not in elements and "".join(cast("list[str]", elements)).isalnum()


def _harmless(value: str) -> bool:
    """Whether a text needs no escape: nearly every one, and this is far quicker than to escape."""
    return value.isprintable() and "\\" not in value


def escape(value: str) -> str:
    """A text as one field; NUL is the caller's to refuse."""
    return value if _harmless(value) else value.translate(_FIELD)


def array(elements: Sequence[str | None]) -> str:
    """A text[] as one field, NULL elements included."""
    return escape("{" + ",".join([_element(element) for element in elements]) + "}")


def _element(element: str | None) -> str:
    return "NULL" if element is None else f'"{element.translate(_ELEMENT)}"'


def _timestamp(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("a time without a zone")
    return value.isoformat()


class _Texts(dict[type, Callable[[Any], str]]):
    def __missing__(self, kind: type) -> Callable[[Any], str]:
        raise TypeError(f"no COPY text for {kind.__name__}")


_TEXTS: Final = _Texts(
    {
        str: escape,
        int: str,
        bool: lambda value: "t" if value else "f",
        # The backslash of bytea's hex form is a character of the field, so it is escaped.
        bytes: lambda value: r"\\x" + value.hex(),
        datetime: _timestamp,
        list: array,
    }
)
