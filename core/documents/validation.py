"""A document against its published schema: jsonschema-rs decides, jsonschema finds the words.

jsonschema-rs takes milliseconds where jsonschema takes seconds, but its messages quote the value,
which may be personal data. So a refused document is cut down to the place of the first fault and
given to jsonschema, whose error names the rule, and the sentence is made of the rule alone. The
cut keeps the time of a refusal independent of the size of the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

import jsonschema
import jsonschema_rs
from jsonschema import validators

from core.errors import Reason, Reject

_TYPES: Final = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "integer": "a whole number",
    "boolean": "true or false",
}


def _pattern(
    validator: Any, pattern: str, instance: object, _schema: object
) -> Iterator[jsonschema.ValidationError]:
    """`pattern` as ECMA-262 means it: Python's `$` would also stand before a last newline."""
    if validator.is_type(instance, "string") and not re.search(_anchored(pattern), str(instance)):
        yield jsonschema.ValidationError("pattern")


@cache
def _anchored(pattern: str) -> str:
    return pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern


_Explainer: Final = validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"pattern": _pattern}
)


class Schema:
    """One published schema, compiled once."""

    def __init__(self, name: str) -> None:
        """Read `schemas/<name>.schema.json`."""
        file = resources.files("schemas").joinpath(f"{name}.schema.json")
        self.document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        self._decides = jsonschema_rs.Draft202012Validator(self.document)
        self._explains = _Explainer(self.document)
        self._names = frozenset(_property_names(self.document))

    def is_valid(self, document: object) -> bool:
        """Whether the document matches, without a word."""
        return self._decides.is_valid(document)

    def validate(self, document: object) -> None:
        """Raise Reject(SCHEMA_INVALID) with the JSON pointer (RFC 6901) and what is allowed there.

        The sentence holds neither a value of the document nor a name that the schema does not
        know, which stands as `*` in the pointer.
        """
        try:
            self._decides.validate(document)
        except jsonschema_rs.ValidationError as error:
            path = list(error.instance_path)
        else:
            return
        raise Reject(Reason.SCHEMA_INVALID, self._sentence(document, path))

    def _sentence(self, document: object, path: list[str | int]) -> str:
        error = next(self.explain(_narrowed(document, path)), None)
        if error is None:  # The two disagree, which the tests deny; the place is still right.
            return f"{self._pointer(path)} does not match the schema."
        # The cut made the first element of each array on the path out of the one at fault.
        found = [
            known if isinstance(known, int) else step
            for step, known in _aligned(list(error.absolute_path), path)
        ]
        return f"{self._pointer(found)} {_rule(error)}."

    def explain(self, document: object) -> Iterator[jsonschema.ValidationError]:
        """Every fault that jsonschema finds, in the schema's order; its messages quote values."""
        return iter(self._explains.iter_errors(document))

    def _pointer(self, path: Sequence[str | int]) -> str:
        steps = [
            str(step) if isinstance(step, int) or step in self._names else "*" for step in path
        ]
        return "".join(f"/{step}" for step in steps) or "The document"


def _aligned(
    steps: list[str | int], path: list[str | int]
) -> Iterator[tuple[str | int, str | int | None]]:
    """Each step of a path in the cut document, beside the original's while the two run together."""
    together = True
    for position, step in enumerate(steps):
        known = path[position] if together and position < len(path) else None
        together = known is not None and (isinstance(known, int) or known == step)
        yield step, known if together else None


def _narrowed(value: object, path: Sequence[str | int]) -> object:
    """The document with only the array elements that lead to `path`; elsewhere the first ones."""
    if isinstance(value, dict):
        return {
            name: _narrowed(child, path[1:]) if path and name == path[0] else _first(child)
            for name, child in value.items()
        }
    if isinstance(value, list) and path and isinstance(path[0], int):
        return [_narrowed(value[path[0]], path[1:])]
    return value


def _first(value: object) -> object:
    if isinstance(value, dict):
        return {name: _first(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_first(child) for child in value[:1]]
    return value


def _property_names(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for child in schema.values():
            yield from _property_names(child)


def _rule(error: jsonschema.ValidationError) -> str:
    """What is allowed, in words, from the schema's keyword and its value alone."""
    rule = _requirement(str(error.validator), error.validator_value, error.schema, error.instance)
    if "propertyNames" in error.absolute_schema_path:
        return f"has a property whose name is not allowed: a name {rule}"
    return rule


def _requirement(keyword: str, allowed: Any, schema: Any, instance: Any) -> str:
    if keyword in _BOUNDS:
        return _BOUNDS[keyword].format(allowed)
    match keyword:
        case "required":
            return f"lacks the property {next(name for name in allowed if name not in instance)}"
        case "additionalProperties":
            return "has a property that is not allowed; allowed are " + ", ".join(
                schema["properties"]
            )
        case "type":
            return f"must be {_TYPES[allowed]}"
        case "const" | "enum":
            values = allowed if keyword == "enum" else [allowed]
            return "must be " + " or ".join(json.dumps(value) for value in values)
    return "does not match the schema"  # No other keyword is in use; the tests would see one.


_BOUNDS: Final = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} entries",
    "maxItems": "must have at most {} entries",
    "minProperties": "must have at least {} properties",
    "maxProperties": "must have at most {} properties",
    "uniqueItems": "must not have an entry twice",
    "pattern": "must match {}",
}

REQUEST: Final = Schema("order-request")
DISPATCH: Final = Schema("order-dispatch")
ACKNOWLEDGEMENT: Final = Schema("acknowledgement")
