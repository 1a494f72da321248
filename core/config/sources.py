"""Where properties come from: credentials, the environment, and the file.

Each source finds settings with the place that an operator would look for them, and the problems
that it meets. The library's own sources for the environment and for secrets are not used: they
take a name that they do not know for somebody else's, and lose the place of a value; here an
unknown name is an error, and a secret in the wrong place another.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import javaproperties
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from core.config.catalogue import (
    ENVIRONMENT_PREFIX,
    Property,
    catalogue,
    find,
    find_variable,
)
from core.config.model import Properties


@dataclass(frozen=True)
class Setting:
    """A property's text and where it stands."""

    property: Property
    text: str = field(repr=False)
    where: str


class Source(PydanticBaseSettingsSource):
    """The settings of one place, for pydantic-settings to lay over those of lesser ones."""

    def __init__(self, settings: list[Setting], problems: list[str]) -> None:
        super().__init__(Properties)
        self.settings = settings
        self.problems = problems

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The part of the model that this source has something for."""
        del field
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """The settings as the nested dictionary that the model is made of."""
        tree: dict[str, Any] = {}
        for setting in self.settings:
            *groups, last = setting.property.path
            branch = tree
            for group in groups:
                branch = branch.setdefault(group, {})
            branch[last] = setting.text
        return tree


def credentials(environ: Mapping[str, str]) -> Source:
    """The secrets: files of exactly their dotted names in systemd's directory of credentials."""
    directory = environ.get("CREDENTIALS_DIRECTORY")
    settings: list[Setting] = []
    problems: list[str] = []
    for one in catalogue().values():
        path = Path(directory or "", one.name)
        if not (directory and one.secret and path.exists()):
            continue
        try:
            text = path.read_text("utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            problems.append(f"{path}: {one.name} cannot be read: {why}")
        else:
            settings.append(Setting(one, text, f"credential {path}"))
    return Source(settings, problems)


def environment(environ: Mapping[str, str]) -> Source:
    """The variables whose names begin SALES_ORDER_; one that names no property is a problem."""
    settings: list[Setting] = []
    problems: list[str] = []
    for variable, text in environ.items():
        if variable.startswith(ENVIRONMENT_PREFIX):
            known = find_variable(variable)
            if known is None:
                names = [one.variable for one in catalogue().values()]
                problems.append(_unknown("environment", variable, names))
            elif known.secret:
                problems.append(_exposed("environment", variable, known))
            else:
                settings.append(Setting(known, text.strip(), f"environment {variable}"))
    return Source(settings, problems)


def file(path: Path | None) -> Source:
    """A Java properties file in UTF-8 (None: no file); white space around a value is dropped."""
    settings: list[Setting] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    for line, name, text in _entries(path, problems) if path else ():
        where = f"{path}:{line}"
        known = find(name)
        if name in seen:
            problems.append(f"{where}: {name} stands in line {seen[name]} already; keep one")
        elif known is None:
            problems.append(_unknown(where, name, list(catalogue())))
        elif known.secret:
            problems.append(_exposed(where, name, known))
        else:
            settings.append(Setting(known, text.strip(), where))
        seen.setdefault(name, line)
    return Source(settings, problems)


def _entries(path: Path, problems: list[str]) -> Iterator[tuple[int, str, str]]:
    """Line, name and text of each entry; what cannot be read is added to the problems."""
    try:
        content = path.read_bytes()
    except OSError as error:
        problems.append(f"{path}: cannot be read: {error.strerror}")
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(f"{path}:{line}: a byte that is not UTF-8; save the file as UTF-8")
        return
    line = 1
    try:
        for element in javaproperties.parse(text):
            if isinstance(element, javaproperties.KeyValue):
                yield line, element.key, element.value
            line += len(re.findall(r"\r\n|\r|\n", element.source))
    except javaproperties.InvalidUEscapeError as error:
        problems.append(f"{path}:{line}: \\u must be followed by four hexadecimal digits ({error})")


def _unknown(where: str, name: str, names: list[str]) -> str:
    """The problem with a name that nobody knows. Its value is left out: it may be a secret."""
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else "`cmp-orders config show` lists what there is"
    return f"{where}: {printable(name)} is no property of this release; {hint}"


def _exposed(where: str, name: str, known: Property) -> str:
    return (
        f"{where}: {name} is a secret and is taken only from a credential: a file named "
        f"{known.name} in the directory of credentials; remove it here and change it"
    )


def printable(text: str) -> str:
    """The text for a message: control characters escaped, and not without end."""
    most = 200
    shown = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text[:most])
    return shown + ("…" if len(text) > most else "")
