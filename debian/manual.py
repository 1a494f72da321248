"""Turns what `--help` prints into manual pages (man(7))."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

import click

from console.main import HELP, NOUNS, command


def page(name: str, section: int, module: str) -> str:
    """The manual page of a command: a daemon's docstring, or the console's help and its verbs."""
    text = importlib.import_module(module).__doc__ if section != 1 else _console()
    first, _, rest = (text or "").strip().partition("\n")
    title = f'.TH "{name.upper()}" {section} "" "sales-orders" "Sales orders"'
    summary = first.removeprefix(f"{name} - ")
    head = [title, ".SH NAME", f"{_escaped(name)} \\- {_escaped(summary)}"]
    return "\n".join([*head, *_sections(rest), ""])


def _sections(text: str) -> Iterator[str]:
    """Lines in capitals are headings; what stands below them keeps its lines."""
    filling = True
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z][A-Z -]+", line):
            yield from (() if filling else (".fi",))
            yield from (f'.SH "{line}"', ".nf")
            filling = False
        elif line.strip() or not filling:
            yield _escaped(line.removeprefix("    "))
    yield from (() if filling else (".fi",))


def _escaped(line: str) -> str:
    """The line as text: no character of it steers the formatter."""
    text = line.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text[:1] in {".", "'"} else text


def _console() -> str:
    head = HELP.replace("\b\n", "")
    return "\n".join([head, "COMMANDS", "", *_verbs()])


def _verbs() -> Iterator[str]:
    """Each verb with what it says of itself in one sentence."""
    context = click.Context(command)
    for noun in NOUNS:
        group = command.get_command(context, noun)
        verbs = group.commands if isinstance(group, click.Group) else {"": group}
        for name, verb in verbs.items():
            if verb is not None:
                yield f"    cmp-orders {noun} {name}".rstrip()
                yield f"        {verb.get_short_help_str(200)}"
