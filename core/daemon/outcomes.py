"""What an exception means for a daemon, and what follows: a pause, a line in the log."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

import psycopg

from core import log
from core.errors import Defer, StaleState
from core.events import Event

FIRST_PAUSE = 0.25
"""Seconds; each further failure doubles it."""
REMIND = 300.0
"""Seconds after which the log says again that the same trouble has not ended."""


class Outcome(Enum):
    """What to do about an error."""

    RETRY = auto()
    """Try at once, a few times; then it counts as deferred."""
    DEFER = auto()
    """Try later."""
    DATABASE = auto()
    """Reconnect."""
    SURROUNDINGS = auto()
    """Back off until disk or directory can be used again."""
    FAULT = auto()
    """Our bug: tell everything, and go on."""


_TOLD = {
    Outcome.RETRY: Event.UNIT_DEFERRED,
    Outcome.DEFER: Event.UNIT_DEFERRED,
    Outcome.DATABASE: Event.DATABASE_AWAY,
    Outcome.SURROUNDINGS: Event.SURROUNDINGS_FAILED,
    Outcome.FAULT: Event.UNIT_FAILED,
}
_OVER = {
    Event.DATABASE_AWAY: Event.DATABASE_BACK,
    Event.SURROUNDINGS_FAILED: Event.SURROUNDINGS_BACK,
}

_BY_SQLSTATE = (
    # Deadlock, serialization failure, lock and statement timeout: another try may just work.
    (("40", "55P03", "57014"), Outcome.RETRY),
    # Gone, going down, a standby, or a session that the server ended for sitting idle.
    (("08", "57P0", "25006", "25P03"), Outcome.DATABASE),
    # Out of resources; the server's disk.
    (("53", "58"), Outcome.SURROUNDINGS),
)


def judge(error: Exception) -> Outcome:
    """What the error means: by its type, and for the database's errors by their SQLSTATE alone.

    psycopg's classes would mislead: a deadlock, too, is an OperationalError.
    """
    if isinstance(error, psycopg.Error):
        if error.sqlstate is None:
            # Not the server's words: no answer, or no connection to ask on.
            lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
            return Outcome.DATABASE if lost else Outcome.FAULT
        for classes, outcome in _BY_SQLSTATE:
            if error.sqlstate.startswith(classes):
                return outcome
        return Outcome.FAULT
    if isinstance(error, Defer):
        return Outcome.DEFER
    if isinstance(error, StaleState):
        return Outcome.RETRY
    # Whatever the operating system refuses: no space, no right, no such directory, stale handle.
    return Outcome.SURROUNDINGS if isinstance(error, OSError) else Outcome.FAULT


class Trouble:
    """Failures without a success between them, of one duty or of the connection.

    The log tells of the first and then, unless something else is the matter, reminds at times with
    how many there were; a fault of ours it tells each time.
    """

    def __init__(self, longest: float, duty: str | None = None) -> None:
        self._longest = longest
        self._about: dict[str, Any] = {"duty": duty} if duty else {}
        self._told: tuple[Event, str, float] | None = None
        self.failures = 0
        self.since: datetime | None = None
        """When the first of them was, None if there is no trouble."""
        self.why = ""
        """The last of them in a line."""
        self._begun = 0.0

    def met(self, error: Exception, outcome: Outcome, *, tell: bool = True) -> float:
        """Count one more; the seconds to wait before the next try."""
        now = time.monotonic()
        if self.since is None:
            self.since, self._begun = datetime.now(UTC), now
        self.failures += 1
        self.why = error.why if isinstance(error, Defer) else log.one_line(error)
        # Jitter, lest all daemons come back in the same moment.
        pause: float = min(FIRST_PAUSE * 2.0 ** min(self.failures - 1, 30), self._longest)
        pause *= random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        if isinstance(error, Defer) and error.delay is not None:
            pause = error.delay
        if tell and self._worth_telling(outcome, now):
            self._told = _TOLD[outcome], self.why, now
            log.emit(_TOLD[outcome], **self._about, **self._fields(error, outcome, pause))
        return pause

    def _worth_telling(self, outcome: Outcome, now: float) -> bool:
        if outcome is Outcome.FAULT or self._told is None:
            return True
        event, why, when = self._told
        # A sentence of ours says something new when it differs; others' may hold a time or a port.
        another = outcome is Outcome.DEFER and why != self.why
        return another or event is not _TOLD[outcome] or now >= when + REMIND

    def _fields(self, error: Exception, outcome: Outcome, pause: float) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "why": self.why,
            "attempts": self.failures,
            "retry_in": round(pause, 3),
        }
        if outcome is Outcome.FAULT:
            fields["error"] = error
        elif outcome is Outcome.DATABASE and isinstance(error, psycopg.Error):
            fields["sqlstate"] = error.sqlstate
        elif isinstance(error, OSError) and error.filename is not None:
            fields["path"] = str(error.filename)
        return fields

    def told_over(self) -> None:
        """Say that it is over, if its beginning was said; the count stays until `over`."""
        if self._told is not None and (ended := _OVER.get(self._told[0])) is not None:
            seconds = round(time.monotonic() - self._begun, 3)
            log.emit(ended, **self._about, seconds=seconds, attempts=self.failures)
        self._told = self.since = None

    def over(self) -> None:
        """A success: what comes next is new trouble."""
        if self.failures:
            self.told_over()
            self.failures = 0
