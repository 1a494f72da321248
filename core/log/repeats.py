"""Holds back what was said a moment ago, so that one trouble is one line and not thousands.

A line of warning or worse that says the same as an earlier one, but for how often and how long, is
written once a minute; the one that is written next counts those that were not. Lines that tell of
work that was done are never held back, nor is the first of its kind.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import structlog
from structlog.typing import EventDict, WrappedLogger

QUIET = 60.0
"""Seconds after a line in which others like it are held back."""
REMEMBERED = 1000
"""Different lines that are remembered; of more the oldest is forgotten, and so written anew."""
LEVELS = frozenset({"warning", "error", "critical"})
COUNTING = frozenset({"attempts", "retry_in", "milliseconds", "seconds"})
"""Fields that make a line no other trouble: how often and how long. Another file is another one."""


class Repeats:
    """A step of the log's way; one for all loggers of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __call__(self, _: WrappedLogger, __: str, line: EventDict) -> EventDict:
        """The line, with `held_back` if others were; DropEvent for one that is held back."""
        if line["level"] not in LEVELS:
            return line
        key = repr(sorted((n, str(v)) for n, v in line.items() if n not in COUNTING))
        now = self._clock()
        written, held = self._seen.get(key, (-QUIET, 0))
        if now < written + QUIET:
            self._seen[key] = written, held + 1
            raise structlog.DropEvent
        self._seen[key] = now, 0
        self._seen.move_to_end(key)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if held:
            line["held_back"] = held
        return line
