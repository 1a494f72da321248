"""What a daemon declares of itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

EX_USAGE = 2
"""Wrong usage of the command line; click's own code."""
EX_TEMPFAIL = 75
"""With --once or --check: not all could be done now; else: the stop time ran out (sysexits)."""
EX_CONFIG = 78
"""A property or key is not usable (sysexits)."""


@dataclass(frozen=True)
class Duty:
    """One kind of work, and what makes the daemon look for it; times in seconds.

    A look is a call of `work`. Duties take turns: after each unit the next one with a reason to
    look is called, so that none starves another.
    """

    name: str
    work: Callable[[psycopg.Connection], bool]
    """Looks afresh and does one unit (a batch, a file); True if there may be more."""
    interval: float = math.inf
    """How long after a look that found no more it looks anyway; infinite: only when woken."""
    channels: Sequence[str] = ()
    """Notifications of the database that wake it."""
    directories: Sequence[Path] = ()
    """Directories in which a file that is created, renamed or closed after writing wakes it."""
    schedule: Sequence[str] = ()
    """Cron expressions of five fields, in the host's time zone, at whose times it looks."""
    grace: float = 0.0
    """A time of the schedule that was missed by no more than this is made good at start."""
    resting: Callable[[], bool] | None = None
    """Whether part of its work rests for trouble of its own: with --once not all could be done."""
    on_start: bool = True
    """Whether it looks as soon as the daemon has started: that is the recovery after a crash."""


@dataclass(frozen=True)
class Daemon:
    """All that `run` needs to know of a daemon; times in seconds."""

    name: str
    duties: Sequence[Duty]
    connect: Callable[[], psycopg.Connection]
    """Opens the working connection, in autocommit; psycopg.Error when the database is away."""
    on_connect: Callable[[psycopg.Connection], None] | None = None
    """Called on each new connection before any duty; while it raises Defer no work is taken."""
    check: Callable[[psycopg.Connection], list[str]] | None = None
    """For --check: every problem as a sentence that says what to mend."""
    warnings: Callable[[], list[str]] | None = None
    """For --check: what is unusual and need not be mended, as sentences."""
    waiting: Callable[[psycopg.Connection], str] | None = None
    """How much waits, in a few words, for the service manager's STATUS; asked now and then."""
    reload: Callable[[], Daemon] | None = None
    """On SIGHUP, between units: the daemon to go on as; `command` sets it to read the properties
    again. ConfigError: it goes on as it was. None: SIGHUP does nothing."""
    stoptime: float = 30.0
    """Within this a signal to stop is obeyed; past half of it the unit in hand is cancelled."""
    backoffmax: float = 30.0
    """The longest pause between two tries."""
