"""What the tests of the generic files share: the schemas, the examples, and a way through them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from core.documents.validation import ACKNOWLEDGEMENT, DISPATCH, REQUEST, Schema
from core.screening import service

SCHEMAS = {
    "order-request": REQUEST,
    "order-dispatch": DISPATCH,
    "acknowledgement": ACKNOWLEDGEMENT,
    "fraud-check-request": service.REQUEST,
    "fraud-check-answer": service.ANSWER,
}


def example_names(kind: str = "") -> list[str]:
    """The names of the published examples of one kind of file, or of all."""
    folder = resources.files("schemas").joinpath("examples")
    return sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(kind))


def example_bytes(name: str) -> bytes:
    """A published example as it stands in the package."""
    return resources.files("schemas").joinpath("examples", name).read_bytes()


def example(name: str) -> dict[str, Any]:
    """A published example as JSON values, free to change."""
    document: dict[str, Any] = json.loads(example_bytes(name))
    return document


def schema_of(name: str) -> Schema:
    """The schema that an example is of."""
    return SCHEMAS[name.split(".", maxsplit=1)[0]]


def dispatch(*records: dict[str, Any], **changes: object) -> bytes:
    """A dispatch file of LONDON with these records; `changes` replace properties of the top."""
    document = example("order-dispatch.empty.example.json")
    document |= {"recordCount": len(records), "orders": list(records), **changes}
    return json.dumps(document).encode()


def record(**changes: object) -> dict[str, Any]:
    """A record that dispatches one unit; `changes` replace its properties, None removes."""
    content = {
        "id": "1",
        "dispatchId": "D-1",
        "status": "DISPATCHED",
        "dispatchDateTime": "2026-02-28T09:31:00Z",
        "lines": [{"id": "11", "quantity": 1, "status": "DISPATCHED"}],
        **changes,
    }
    return copy.deepcopy({name: value for name, value in content.items() if value is not None})


def subschemas(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a schema that describes a value, with its place in names: `order.lines[]`.

    The conditions (`if`, `then`) are left out: they describe nothing of their own.
    """
    yield from _below("", schema)
    for name, part in schema["$defs"].items():
        yield from _below(name, part)


def _below(place: str, part: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield place, part
    for name, child in part.get("properties", {}).items():
        yield from _below(f"{place}.{name}".removeprefix("."), child)
    if "items" in part:
        yield from _below(f"{place}[]", part["items"])
    if "propertyNames" in part:
        yield from _below(f"{place}<name>", part["propertyNames"])
    if isinstance(part.get("additionalProperties"), dict):
        yield from _below(f"{place}<value>", part["additionalProperties"])
