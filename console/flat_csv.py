"""Reads CSV in which each row is one thing by itself: products, counts of the stock."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from console.exits import Refusal
from console.order_file import Entry, Refused


def entries(
    stream: IO[bytes],
    columns: Sequence[str],
    required: set[str],
    document: Callable[[dict[str, str]], dict[str, Any]],
) -> Iterator[Entry | Refused]:
    """Each row as the document that `document` makes of it; the first row names the columns.

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
