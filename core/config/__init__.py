"""Module properties: one file, with every setting explained in etc/sales-orders.properties.

What is found first counts: systemd's credentials (secrets, and these from nowhere else), the
environment (the name in capitals, underscores for its dots), the file, the default. Anything
unknown, doubled, misplaced or not allowed stops the start, all of it told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.config import sources
from core.config.catalogue import Property, catalogue, dotted, find
from core.config.fraud import Fraud
from core.config.model import (
    Daemon,
    Database,
    Directory,
    Dispatch,
    ExtractToGeneric,
    LoadFromGeneric,
    Log,
    Overdue,
    Probe,
    Properties,
    RequestExtract,
    Retention,
    Trust,
    Warehouse,
)

__all__ = [
    "ConfigError",
    "Daemon",
    "Database",
    "Described",
    "Directory",
    "Dispatch",
    "ExtractToGeneric",
    "Fraud",
    "LoadFromGeneric",
    "Log",
    "Overdue",
    "Probe",
    "Properties",
    "Property",
    "RequestExtract",
    "Retention",
    "Trust",
    "Warehouse",
    "catalogue",
    "describe",
    "load",
]


class ConfigError(Exception):
    """The properties are not usable; one sentence a problem, each with place, name and remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Described(NamedTuple):
    """A property as it stands; a secret's value only says that it is set."""

    name: str
    value: str
    where: str
    default: str
    meaning: str


def load(path: Path | None, *, environ: Mapping[str, str]) -> Properties:
    """The effective properties; ConfigError with every problem there is.

    `path` is a Java properties file in UTF-8 (None: no file), `environ` the environment, with
    systemd's CREDENTIALS_DIRECTORY in it.
    """
    found = (sources.credentials(environ), sources.environment(environ), sources.file(path))
    problems = [problem for source in found for problem in source.problems]
    # The first source that has a name is the one whose value counts, as for pydantic-settings.
    counted = {one.property.name: one for source in reversed(found) for one in source.settings}
    try:
        properties = Properties(_build_sources=(found, {}))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        raise ConfigError([*problems, *(_problem(detail, counted) for detail in details)]) from None
    if problems:
        raise ConfigError(problems)
    return properties.remember_origin({name: one.where for name, one in counted.items()})


def _problem(detail: ErrorDetails, counted: Mapping[str, sources.Setting]) -> str:
    """One finding of the model as a sentence with the place of the value that caused it."""
    allowed = detail["msg"].removeprefix("Value error, ")
    path = tuple(str(step) for step in detail["loc"])
    name = dotted(path) if path else ""
    setting = counted.get(name)
    if setting is not None:
        hidden = setting.property.hidden and setting.text
        shown = "(not shown)" if hidden else sources.printable(setting.text)
        return f"{setting.where}: {name} = {shown}: allowed is {allowed}"
    # Between two properties: told with the places of those that were set.
    concerned = (one for one in counted.values() if one.property.path[: len(path)] == path)
    places = ", ".join(one.where for one in concerned if one.property.path[0] in _TOGETHER)
    return f"{places or 'defaults'}: {name + ': allowed is ' if name else ''}{allowed}"


_TOGETHER = ("database", "directory", "request_extract", "request_extract_fraud")
"""The groups with rules between their properties."""


def describe(properties: Properties) -> list[Described]:
    """Every property with its effective value, for people; secrets masked."""
    return [_described(properties, one) for one in _effective(properties)]


def _effective(properties: Properties) -> Iterator[Property]:
    for one in catalogue().values():
        if one.path[0] != "warehouse":
            yield one
            continue
        for identifier in sorted(properties.warehouse):
            own = find(one.name.replace("<ID>", identifier))
            if own is not None:
                yield own
        yield one


def _described(properties: Properties, one: Property) -> Described:
    value = one.default
    if "<ID>" not in one.path:
        value = properties.model_dump()
        for step in one.path:
            value = value[step]
    return Described(
        one.name,
        one.kind.show(value),
        properties.origin_of(one.name),
        one.default_text(),
        one.meaning,
    )
