"""The log of a daemon: events of the catalogue, one line each, that name what they are about.

`configure` once, `about` around a unit of work, `emit` for what happened. The lines of other
libraries' loggers come out in the same form. Nothing here writes payloads, secrets or personal
data: fields are declared, and errors lose their data on the way (core.log.safe).
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from core.events import CONTEXT, Event
from core.log import safe, sinks
from core.log.repeats import Repeats

__all__ = ["about", "configure", "emit", "milliseconds", "one_line"]

one_line = safe.one_line

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def configure(
    daemon: str,
    *,
    format: str = "auto",  # noqa: A002  # the property's name
    level: str = "info",
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
    journal: str = sinks.JOURNAL,
) -> None:
    """Send this process's lines, each with the field `daemon`, to where `format` says.

    `format` and `level` are those of the properties sales.order.log; auto is the journal if
    `stream` (standard error) leads there, console on a terminal, otherwise json. May be called
    again: before the properties are read, and after.
    """
    stream = stream or sys.stderr
    chosen = _chosen(stream, environ) if format == "auto" else format
    sink = sinks.Journal(journal) if chosen == "journal" else sinks.Stream(stream)
    structlog.configure(
        processors=[*_common(daemon, sink), *_rendering(chosen, stream)],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda: sink,
        cache_logger_on_first_use=False,
    )
    # Other libraries tell at "info" what concerns nobody who runs this.
    foreign = _LEVELS[level] if level != "info" else logging.WARNING
    logging.basicConfig(handlers=[_Foreign()], level=foreign, force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def emit(event: Event, *, error: BaseException | None = None, **fields: object) -> None:
    """Write one line of the event's level; `error` adds its traceback, without its data.

    TypeError for a field that the event does not declare.
    """
    unknown = fields.keys() - event.fields - CONTEXT
    if unknown:
        raise TypeError(f"{event.name} does not declare {', '.join(sorted(unknown))}")
    if error is not None:
        fields["error"] = error
    structlog.get_logger().log(_LEVELS[event.level], event.name, **fields)


def about(**context: object) -> AbstractContextManager[None]:
    """Within it every line of this thread names what it is about: batch_id, file, warehouse, ..."""
    unknown = context.keys() - CONTEXT
    if unknown:
        raise TypeError(f"no line is about {', '.join(sorted(unknown))}")
    return structlog.contextvars.bound_contextvars(**context)


def milliseconds(since: float) -> int:
    """How long ago a moment of time.monotonic() was, for a unit's one line."""
    return round((time.monotonic() - since) * 1000)


def _chosen(stream: TextIO, environ: Mapping[str, str]) -> str:
    if sinks.is_journal(stream, environ):
        return "journal"
    return "console" if stream.isatty() else "json"


def _common(daemon: str, sink: sinks.Sink) -> list[Processor]:
    """What happens to each line, whatever its destination."""

    def name_daemon(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
        """Who speaks, and how many lines could not be written before this one."""
        line["daemon"] = daemon
        if sink.dropped:
            line["dropped_lines"] = sink.dropped
        return line

    return [
        _name_context,
        structlog.processors.add_log_level,
        Repeats(),
        name_daemon,
        _one_line_each,
    ]


def _name_context(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """What the line is about, always in the same order; what the event says itself counts."""
    context = structlog.contextvars.get_contextvars()
    return dict(line) | {name: context[name] for name in sorted(context) if name not in line}


def _one_line_each(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Values without control characters, and errors as text without their data."""
    for name, value in line.items():
        if isinstance(value, BaseException):
            line[name] = safe.full(value)
        elif isinstance(value, str) and not value.isprintable():
            signs = (sign if sign.isprintable() else ascii(sign)[1:-1] for sign in value)
            line[name] = "".join(signs)
    return line


def _rendering(chosen: str, stream: TextIO) -> list[Processor]:
    if chosen == "journal":
        return [sinks.datagram]
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")
    if chosen == "json":
        return [stamp, _json]
    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        _traceback_last,
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24),
    ]


def _json(_: WrappedLogger, __: str, line: EventDict) -> str:
    """One object a line, the same fields in front in each."""
    first = {name: line.pop(name) for name in ("time", "level", "daemon", "event")}
    return json.dumps(first | dict(line), default=str, ensure_ascii=False)


def _traceback_last(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """The traceback below the line, as the console's renderer prints what is named so."""
    if "error" in line:
        line["exception"] = line.pop("error")
    return line


class _Foreign(logging.Handler):
    """Hands the records of the standard library's loggers to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        error: dict[str, Any] = {"error": record.exc_info[1]} if record.exc_info else {}
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        structlog.get_logger().log(level, record.getMessage(), logger=record.name, **error)


def _uncaught(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    emit(Event.FAULT, why=one_line(error), error=error)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread else None
    emit(Event.FAULT, why=args.exc_type.__name__, error=args.exc_value, thread=name)
