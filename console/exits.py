"""How `cmp-orders` ends: the exit codes, and what of all that can go wrong has which.

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | something was refused, or is not there: standard error says what; `probe run`: a Warning |
| 2 | wrong usage; `--help` says the right one |
| 3 | `probe run`: a probe is Severe |
| 70 | a fault of this software; `--traceback` shows where |
| 75 | the surroundings do not allow it now: the database or a directory is away, or behind |
| 78 | a property or a key is wrong; standard error says which, where and what is allowed |
| 130 | interrupted |
"""

from __future__ import annotations

import re
import sys
from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every verb; 75, 78 and 70 are those of sysexits.h."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    SEVERE = 3
    FAULT = 70
    SURROUNDINGS = 75
    CONFIGURATION = 78
    INTERRUPTED = 130


class Refusal(Exception):
    """What was asked cannot be done; the sentence says why, and what can be done instead."""


class Away(Exception):
    """The surroundings do not allow it now; the sentence says what is away."""


class Misconfigured(Exception):
    """Properties or keys are wrong; a sentence a problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))


def verdict(error: Exception) -> tuple[Exit, str] | None:
    """The exit code and what to tell; None for what can only be a fault of ours.

    A database error's own text may hold a row, which is personal data: only its name is told.
    """
    if isinstance(error, Refusal):
        return Exit.REFUSED, str(error)
    if isinstance(error, Away):
        return Exit.SURROUNDINGS, str(error)
    if isinstance(error, Misconfigured):
        return Exit.CONFIGURATION, str(error)
    return _of_project(error) or _of_database(error) or _of_system(error)


def _of_project(error: Exception) -> tuple[Exit, str] | None:
    from core.errors import Defer, Reject  # noqa: PLC0415  # for start-up's sake

    if isinstance(error, Reject):
        return Exit.REFUSED, f"{error.reason}: {error.sentence}"
    if isinstance(error, Defer):
        return Exit.SURROUNDINGS, error.why
    # By name, so that nothing is imported that the verb has not needed.
    code = _NAMED.get(type(error).__name__)
    return None if code is None else (code, str(error))


_NAMED = {
    "ConfigError": Exit.CONFIGURATION,
    "KeyringError": Exit.CONFIGURATION,
    "MigrationError": Exit.REFUSED,
}


def _of_database(error: Exception) -> tuple[Exit, str] | None:
    if "psycopg" not in sys.modules:
        return None
    import psycopg  # noqa: PLC0415

    if not isinstance(error, psycopg.Error):
        return None
    what = f"{type(error).__name__}, SQLSTATE {error.sqlstate}"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        remedy = "leave sales.order.database.user empty for the console's own role"
        return Exit.CONFIGURATION, f"the database role may not do this; {remedy} ({what})"
    if isinstance(error, psycopg.OperationalError):
        # Without a state these are the client library's words: a host, and why it does not answer.
        why = " ".join(str(error).split()) if error.sqlstate is None else what
        return Exit.SURROUNDINGS, f"the database does not do it now: {why}{_step(why)}"
    if rule := error.diag.constraint_name:
        return Exit.REFUSED, f"the database refuses it: rule {rule} ({what})"
    return None


def _step(why: str) -> str:
    """What to do, by the server's words; else nothing."""
    for words, step in _STEPS.items():
        if found := re.search(words, why):
            return f"; {found.expand(step)}"
    return ""


_STEPS = {
    r'role "sales_order_\w+" does not exist': (
        "the roles of a new database are made by cmp-orders db migrate, as its owner"
    ),
    r'Peer authentication failed for user "(\w+)"': (
        r"this is for the account \1: say it with sudo -u \1, or as root"
    ),
    r'role "[^"]*" does not exist': "db migrate --user says who owns the database",
    r'database "[^"]*" does not exist': "createdb makes it, and cmp-orders db migrate its tables",
}


def _of_system(error: Exception) -> tuple[Exit, str] | None:
    if not isinstance(error, OSError):
        return None
    where = f"{error.filename}: " if error.filename else ""
    return Exit.SURROUNDINGS, f"{where}{error.strerror or type(error).__name__}"
