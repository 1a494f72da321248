"""Bytes to JSON values, strictly: what two readers could take differently is refused."""

from __future__ import annotations

import codecs
import re
from typing import Any, Final

import jiter

from core.errors import Reason, Reject

_POSITION: Final = re.compile(r" at line ([0-9]+) column ([0-9]+)$")
_DUPLICATE: Final = "Detected duplicate key"


def parse(payload: bytes) -> Any:
    """One JSON text (RFC 8259) as Python values; integers keep every digit, up to 4,300.

    Raises Reject(NOT_JSON), naming only the position, for anything that is no JSON in UTF-8, for
    a byte order mark (section 8.1), for a key given twice in one object (section 4: each reader
    would make something else of it), for a lone surrogate, for NaN and Infinity, and for more
    than some 200 levels. A number beyond the range of a double is JSON and becomes an infinity:
    no type in our schemas takes it.

    The values are many small containers: a caller that takes large files does well to raise the
    garbage collector's thresholds; it is a setting of the process, so it is not changed here.
    """
    if payload.startswith(codecs.BOM_UTF8):
        raise Reject(
            Reason.NOT_JSON, "The content starts with a byte order mark; JSON in UTF-8 has none."
        )
    try:
        # Values are personal data: only the keys may stay in the parser's cache.
        return jiter.from_json(
            payload, catch_duplicate_keys=True, allow_inf_nan=False, cache_mode="keys"
        )
    except ValueError as error:
        # The parser's own text quotes the key, so only its position goes on.
        raise Reject(Reason.NOT_JSON, _sentence(str(error))) from None


def _sentence(text: str) -> str:
    what = (
        "A key is given twice in one object"
        if text.startswith(_DUPLICATE)
        else "The content is not JSON in UTF-8"
    )
    found = _POSITION.search(text)
    return f"{what}: line {found[1]}, column {found[2]}." if found else f"{what}."
