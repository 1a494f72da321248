"""Errors as text that may be logged: where and what, without the data that they happened on.

A traceback's source lines are our code; its locals are never shown. An error's own text is shown
only where it cannot carry a customer's data: our own sentences, the operating system's, those of
errors about code, and PostgreSQL's message without its detail.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import psycopg

from core.errors import Reject

OURS = ("core.", "daemons.", "console.")
ABOUT_CODE = (
    TypeError,
    AttributeError,
    NameError,
    ImportError,
    IndexError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    MemoryError,
    AssertionError,
)
WITHHELD = "(its text is withheld: it may carry data)"


def one_line(error: BaseException) -> str:
    """The error's type and as much of its text as may be shown, on one line."""
    text = " ".join(_text(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def full(error: BaseException) -> str:
    """The traceback, with the errors that led to it, oldest first."""
    return "\n\n".join(_parts(error, set()))


def _parts(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    cause = error.__cause__
    before = cause or (None if error.__suppress_context__ else error.__context__)
    # What lies behind a refusal is an oracle for forgers, and no fault of ours.
    if before is not None and id(before) not in seen and not isinstance(error, Reject):
        yield from _parts(before, seen)
        yield "It led to:" if cause else "While that was handled:"
    frames = "".join(traceback.format_tb(error.__traceback__))
    yield f"Traceback, the last call last:\n{frames}{one_line(error)}"
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            if id(member) not in seen:
                yield "One of them:"
                yield from _parts(member, seen)


def _text(error: BaseException) -> str:
    if isinstance(error, psycopg.Error):
        return _database_text(error)
    if isinstance(error, OSError) and error.errno is not None:
        return " ".join(str(part) for part in (error.strerror, error.filename) if part)
    if type(error).__module__.startswith(OURS):
        return str(error)
    if isinstance(error, ABOUT_CODE):
        return str(error)
    return WITHHELD if error.args else ""


def _database_text(error: psycopg.Error) -> str:
    if error.sqlstate is None:
        # Ours to the server: a connection that failed names the host, not the data.
        is_connection = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return str(error) if is_connection else WITHHELD
    # Class 22 is about a value, and quotes it. DETAIL quotes rows, always.
    if error.sqlstate.startswith("22"):
        return f"SQLSTATE {error.sqlstate}"
    return f"SQLSTATE {error.sqlstate}: {error.diag.message_primary}"
