"""The list of all properties, made from the model: names, defaults, and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from core.config.group import Group
from core.config.kinds import Kind, Place, Secret
from core.config.model import Properties, Warehouse

PREFIX = "sales.order."
ENVIRONMENT_PREFIX = "SALES_ORDER_"
WAREHOUSE_ID = r"[A-Z0-9][A-Z0-9_-]{0,31}"


@dataclass(frozen=True)
class Property:
    """One property as the model declares it; `path` leads to its value in a `Properties`."""

    name: str
    path: tuple[str, ...]
    kind: Kind
    default: Any
    meaning: str

    @property
    def secret(self) -> bool:
        """Whether it may come from a credential alone, and is shown nowhere."""
        return isinstance(self.kind, Secret)

    @property
    def hidden(self) -> bool:
        """Whether a value that is refused is not repeated: it may hold a password."""
        return isinstance(self.kind, Secret | Place)

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return self.name.upper().replace(".", "_")

    def default_text(self) -> str:
        """The default as it would be written in the file."""
        return "" if self.secret else self.kind.show(self.default)


@cache
def catalogue() -> Mapping[str, Property]:
    """Every property by its dotted name, in the model's order; one of a warehouse holds <ID>."""
    return {one.name: one for one in _declared()}


def _declared() -> Iterator[Property]:
    for group, declared in Properties.model_fields.items():
        model = declared.annotation
        if isinstance(model, type) and issubclass(model, Group):
            yield from _of_group(model, (group,))
        else:
            yield from _of_group(Warehouse, (group, "<ID>"))


def _of_group(model: type[Group], path: tuple[str, ...]) -> Iterator[Property]:
    for field, declared in model.model_fields.items():
        [kind] = (entry for entry in declared.metadata if isinstance(entry, Kind))
        where = (*path, field)
        yield Property(dotted(where), where, kind, declared.default, declared.description or "")


def dotted(path: tuple[str, ...]) -> str:
    """The name of the property at this place of the model; a warehouse's id stays as it is."""
    words = list(path)
    if path[0] != "warehouse":
        words = [word.rstrip("_").replace("_", ".") for word in path]
    return PREFIX + ".".join(words)


def find(name: str) -> Property | None:
    """The property of this dotted name, with a warehouse's own id in its path; None if unknown."""
    if match := re.fullmatch(rf"sales\.order\.warehouse\.({WAREHOUSE_ID})\.([a-z]+)", name):
        return _of_warehouse(match[1], match[2])
    return catalogue().get(name) if "<" not in name else None


def find_variable(variable: str) -> Property | None:
    """The property that this variable of the environment sets; None if it names none."""
    if match := re.fullmatch(rf"SALES_ORDER_WAREHOUSE_({WAREHOUSE_ID})_([A-Z]+)", variable):
        return _of_warehouse(match[1], match[2].lower())
    return next((one for one in catalogue().values() if one.variable == variable), None)


def _of_warehouse(identifier: str, field: str) -> Property | None:
    generic = catalogue().get(f"{PREFIX}warehouse.<ID>.{field}")
    if generic is None:
        return None
    path = ("warehouse", identifier, field)
    return Property(dotted(path), path, generic.kind, generic.default, generic.meaning)
