"""How verbs print: tables of at most the terminal's width, ages, and JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

STYLES = {
    "COMPLETE": "green",
    "ERROR": "red",
    "Error": "red",
    "CANCELLED": "dim",
    "QUARANTINED": "red",
    "DISCARDED": "dim",
}


PIPED = 250
"""Columns where nobody reads it on a screen: so wide that no name is broken in two."""


def terminal() -> Console:
    """Where tables go, as wide as the terminal."""
    made = Console(highlight=False, soft_wrap=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = PIPED
    return made


def print_json(value: Any) -> None:
    """One JSON document; times in RFC 3339, money and digests as text."""
    text = orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2)
    click.echo(text.decode())


def json_line(value: Any) -> bytes:
    """One line of JSON lines."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_APPEND_NEWLINE)


def _plain(value: object) -> object:
    match value:
        case Decimal():
            return format(value, "f")
        case bytes():
            return value.hex()
        case timedelta():
            return value.total_seconds()
    raise TypeError(type(value).__name__)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> Table:
    """A table of values; a column whose name starts with `>` is set to the right."""
    made = Table(
        box=None, pad_edge=False, title=title or None, title_justify="left", title_style="bold"
    )
    for name in columns:
        right = name.startswith(">")
        made.add_column(
            name.lstrip(">"),
            justify="right" if right else "left",
            overflow="fold",
            header_style="dim",
        )
    for row in rows:
        made.add_row(*[cell(value) for value in row])
    return made


def cell(value: object) -> Text:
    """A value as people read it; control characters, which could steer a terminal, as escapes."""
    if isinstance(value, Text):
        return value
    text = printable(_text(value))
    return Text(text, style=STYLES.get(text, ""))


def _text(value: object) -> str:
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case datetime():
            text = moment(value)
        case Decimal():
            text = format(value, "f")
        case bytes():
            text = value.hex()
        case list() | tuple():
            text = ", ".join(_text(each) for each in value)
        case _:
            text = str(value)
    return text


def printable(text: str) -> str:
    """The text with whatever is not printable escaped."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def marked(text: str) -> str:
    """The text for a line with markup: printable, and its brackets no markup."""
    return escape(printable(text))


def moment(at: datetime) -> str:
    """A time, to the second, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def age(span: timedelta) -> str:
    """A span in its two largest units: 2 h 5 min."""
    rest = max(int(span.total_seconds()), 0)
    parts: list[str] = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:  # noqa: PLR2004  # two units
            break
    return " ".join(part for part in parts if part) or "0 s"


def thousands(number: int) -> str:
    """12,345."""
    return f"{number:,}"


def note(sentence: str) -> None:
    """One sentence on standard output, for a verb that has done something."""
    click.echo(printable(sentence))


def interactive() -> bool:
    """Whether a person looks at standard error, where progress is shown."""
    return sys.stderr.isatty()


def answers() -> bool:
    """Whether a person sits at standard input, who can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()
