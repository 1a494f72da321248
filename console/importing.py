"""What every import of a file has in common: which form it has, its rows, and what is told."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from console import show
from console.exits import Refusal
from console.order_file import Entry, Refused

SHOWN = 50
"""Refusals that are shown; --json shows all."""


def is_csv(path: Path, kind: str) -> bool:
    """Whether the file is CSV rather than JSON lines; `kind` as --format says it."""
    return kind == "csv" or (kind == "auto" and path.suffix.lower() == ".csv")


def csv_rows(
    stream: IO[bytes],
    columns: Sequence[str],
    required: set[str],
    document: Callable[[dict[str, str]], dict[str, Any]],
) -> Iterator[Entry | Refused]:
    """CSV in which each row is one thing, as the document that `document` makes of it.

    The first row names the columns.

    Refusal where columns are missing or unknown, or the file is no CSV in UTF-8 any more.
    """
    text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    # Cells that the first row does not name are a property that the schema refuses.
    reader = csv.DictReader(text, restkey="more", strict=True)
    try:
        given = set(reader.fieldnames or ())
        if not required <= given <= set(columns):
            raise Refusal(f"line 1 has to name the columns; known are {', '.join(columns)}")
        for row in reader:
            yield Entry(reader.line_num, document(row))
    except (csv.Error, UnicodeDecodeError) as error:
        raise Refusal(
            f"line {reader.line_num + 1}: no CSV in UTF-8; nothing from here on was read"
        ) from error
    finally:
        text.detach()


def report(
    counts: dict[str, int], refused: Sequence[Refused], *, of: str, name: str, as_json: bool
) -> None:
    """Tell how many of these were taken, and which were not; `name`: the column that names one."""
    if as_json:
        show.print_json({**counts, "refused": refused})
        return
    console = show.terminal()
    rows = [(show.thousands(count), what) for what, count in counts.items()]
    console.print(show.table((f">{of}", ""), [*rows, (show.thousands(len(refused)), "refused")]))
    if refused:
        lines = [(one.line, one.reference, one.reason, one.sentence) for one in refused[:SHOWN]]
        console.print()
        console.print(show.table((">line", name, "reason", "why"), lines))
    if len(refused) > SHOWN:
        show.note(f"... and {len(refused) - SHOWN:,} more: --json shows all.")
