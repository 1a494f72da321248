"""The kinds of value that a property can have: what is allowed, how it is read and how it is shown.

A kind is the metadata of an annotated field, so that a model's field says in one place what it
holds. Text is read as an operator writes it; a value that the code passes in is only checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from apscheduler.triggers.cron import CronTrigger
from pydantic import GetCoreSchemaHandler, SecretStr
from pydantic_core import CoreSchema, core_schema

N = TypeVar("N", int, float)


class Kind:
    """What a property may hold; `read` raises ValueError on anything that is not `allowed`."""

    @property
    def allowed(self) -> str:
        """What is allowed, as the end of a sentence."""
        raise NotImplementedError

    def read(self, value: Any) -> Any:
        raise NotImplementedError

    def show(self, value: Any) -> str:
        """The value as it would be written in the file."""
        return str(value)

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._checked)

    def _checked(self, value: Any) -> Any:
        try:
            return self.read(value)
        except ValueError as error:
            raise ValueError(self.allowed) from error


@dataclass(frozen=True)
class Flag(Kind):
    """Yes or no; one spelling, so that nobody has to know that "on" or "1" might do as well."""

    @property
    def allowed(self) -> str:
        return "true or false"

    def read(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        return {"true": True, "false": False}[_word(value, ("true", "false"))]

    def show(self, value: Any) -> str:
        return str(value).lower()


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    def read(self, value: Any) -> str:
        return _word(value, self.words)


@dataclass(frozen=True)
class Number(Kind):
    """A whole number within bounds that are both allowed."""

    least: int
    most: int

    @property
    def allowed(self) -> str:
        return f"a whole number from {self.least} to {self.most}"

    def read(self, value: Any) -> int:
        if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,18}", value):
            raise ValueError
        return _within(int(value), self.least, self.most)


@dataclass(frozen=True)
class Quantity(Kind):
    """A number with a unit; `units` are multiples of the base, the first one being the base."""

    least: str
    most: str
    units: ClassVar[dict[str, float]]

    @property
    def allowed(self) -> str:
        *others, last = self.units
        names = f"{', '.join(others)} or {last}"
        return f"a number with a unit ({names}) from {self.least} to {self.most}"

    def read(self, value: Any) -> float:
        amount = self._amount(value) if isinstance(value, str) else value
        return _within(amount, self._amount(self.least), self._amount(self.most))

    def _amount(self, text: str) -> float:
        match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([A-Za-z]{1,3})", text)
        if match is None or match[2] not in self.units:
            raise ValueError
        return float(match[1]) * self.units[match[2]]

    def show(self, value: Any) -> str:
        """In the largest unit that needs no fraction; nothing is nothing of the base unit."""
        amounts = {unit: round(value / size, 6) for unit, size in self.units.items()}
        fitting = [unit for unit, amount in amounts.items() if amount >= 1 and amount % 1 == 0]
        unit = max(fitting, key=self.units.__getitem__, default=self._base())
        return f"{amounts[unit]:.15g}{unit}"

    def _base(self) -> str:
        return next(unit for unit, size in self.units.items() if size == 1)


@dataclass(frozen=True)
class Duration(Quantity):
    """A span of time, in seconds."""

    units: ClassVar[dict[str, float]] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Size(Quantity):
    """A number of bytes: kB and MB by thousands, KiB and MiB by 1,024."""

    units: ClassVar[dict[str, float]] = {
        "B": 1,
        "kB": 1000,
        "MB": 1000**2,
        "KiB": 1024,
        "MiB": 1024**2,
    }

    def read(self, value: Any) -> int:
        amount = super().read(value)
        if amount != int(amount):
            raise ValueError
        return int(amount)


@dataclass(frozen=True)
class Folder(Kind):
    """A directory, absolute: a daemon's own working directory is nobody's business."""

    @property
    def allowed(self) -> str:
        return "an absolute path"

    def read(self, value: Any) -> Path:
        path = Path(value)
        if not path.is_absolute() or "\0" in str(value):
            raise ValueError
        return path


@dataclass(frozen=True)
class Words(Kind):
    """Free text."""

    empty: bool = False

    @property
    def allowed(self) -> str:
        return "any text" if self.empty else "text that is not empty"

    def read(self, value: Any) -> str:
        if not isinstance(value, str) or not (value or self.empty):
            raise ValueError
        return value


@dataclass(frozen=True)
class Place(Words):
    """A host, a directory or a name; no connection string, since that may hold a password."""

    @property
    def allowed(self) -> str:
        return "a name or a path, without = and ://" + (", or nothing" if self.empty else "")

    def read(self, value: Any) -> str:
        text = super().read(value)
        if "=" in text or "://" in text:
            raise ValueError
        return text


@dataclass(frozen=True)
class Hosts(Place):
    """Hosts or directories, with commas between them."""

    @property
    def allowed(self) -> str:
        return (
            "a host name or the path of a socket's directory, or several with commas between "
            "them, without = and ://"
        )

    def read(self, value: Any) -> str:
        return ",".join(Place.read(self, part) for part in _parts(value))


@dataclass(frozen=True)
class Ports(Kind):
    """A port, or several with commas between them."""

    one: ClassVar[Number] = Number(1, 65535)

    @property
    def allowed(self) -> str:
        return f"{self.one.allowed}, or one for each host with commas between them"

    def read(self, value: Any) -> str:
        return ",".join(str(self.one.read(part)) for part in _parts(value))


@dataclass(frozen=True)
class Times(Kind):
    """Cron expressions with ";" between them, or nothing."""

    @property
    def allowed(self) -> str:
        return (
            "cron expressions of five fields, ';' between them, days of the week by name "
            "(0 6-20 * * mon-fri)"
        )

    def read(self, value: Any) -> tuple[str, ...]:
        parts = value.split(";") if isinstance(value, str) else value
        expressions = tuple(" ".join(part.split()) for part in parts if part.strip())
        for expression in expressions:
            CronTrigger.from_crontab(expression, timezone=UTC)
            # cron counts days of the week from Sunday, APScheduler from Monday: a number would be
            # read a day late by one of operator and daemon.
            if re.search(r"(?<![*/0-9])[0-9]", expression.split()[4]):
                raise ValueError
        return expressions

    def show(self, value: Any) -> str:
        return "; ".join(value)


@dataclass(frozen=True)
class Secret(Kind):
    """A password; read from a credential alone and shown nowhere."""

    @property
    def allowed(self) -> str:
        return "one line of text in a credential file"

    def read(self, value: Any) -> SecretStr:
        if isinstance(value, SecretStr):
            return value
        if not isinstance(value, str) or not value or not value.isprintable():
            raise ValueError
        return SecretStr(value)

    def show(self, value: Any) -> str:
        return "(set, not shown)" if value is not None else ""


def _parts(value: Any) -> list[str]:
    """What stands between the commas."""
    return [part.strip() for part in str(value).split(",")]


def _word(value: Any, words: tuple[str, ...]) -> str:
    if value not in words:
        raise ValueError
    return str(value)


def _within(value: N, least: N, most: N) -> N:
    if not least <= value <= most:
        raise ValueError
    return value
