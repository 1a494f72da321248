"""Counts durable steps and stops the process, or cuts its connection, at one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

import psycopg


class Crash(BaseException):
    """The process ends here: nothing may catch it, and nothing it does afterwards counts."""


class Stop(Enum):
    """What happens at the chosen step.

    A commit that is done while its reply is lost with the process needs no entry: it is the crash
    before the next step.
    """

    POWER = "power fails before the step: what was not synced is undone"
    KILL = "the process is killed before the step: what was not synced stays, for the time being"
    NO_COMMIT = "the connection is lost before the commit, the process lives"
    NO_REPLY = "the connection is lost after the commit, the process lives"

    @property
    def of_commits(self) -> bool:
        """Whether only commits are counted."""
        return self in (Stop.NO_COMMIT, Stop.NO_REPLY)


class Steps:
    """The steps of one process at a time; inert until `arm`."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        """The steps since `arm`, each as a few words."""
        self.looks: list[Callable[[], None]] = []
        """Called before each step and after the last: what somebody else could see there."""
        self.connections: list[psycopg.Connection] = []
        self.stopped_at: str | None = None
        """The step that was stopped at, None so far."""
        self._at = 0
        self._stop: Stop | None = None
        self._upon: list[str] = []

    def arm(self, stop: Stop, at: int = 0, *, upon: tuple[str, ...] = ()) -> None:
        """Begin to count; stop at the step with this number, from 1.

        Or `upon` steps that begin so, in this order, at the last of them.
        """
        self.taken, self.stopped_at = [], None
        self._stop, self._at, self._upon = stop, at, list(upon)

    def disarm(self) -> None:
        """Count on, stop no more."""
        self._stop = None

    def take(self, what: str) -> None:
        """About to take a step on files."""
        self._look()
        if self.stopped_at is not None and self._crashes:
            raise Crash(self.stopped_at)
        if self._stop is not None and self._stop.of_commits:
            return
        self._count(what)

    @contextmanager
    def commit(self, what: str, conn: psycopg.Connection) -> Iterator[None]:
        """Around whatever makes changes in the database last."""
        self._look()
        self._count(what, conn)
        yield
        if self.stopped_at == what and self._stop is Stop.NO_REPLY and self._at == len(self.taken):
            conn.close()
            raise psycopg.OperationalError("the connection was lost, and the reply with it")

    def _count(self, what: str, conn: psycopg.Connection | None = None) -> None:
        self.taken.append(what)
        if self._upon and what.startswith(self._upon[0]):
            self._upon.pop(0)
            if not self._upon:
                self._at = len(self.taken)
        if self._stop is None or len(self.taken) != self._at:
            return
        self.stopped_at = what
        if self._crashes:
            # As the server sees it: the client is gone.
            for one in self.connections:
                one.close()
            raise Crash(what)
        if self._stop is Stop.NO_COMMIT and conn is not None:
            conn.close()
            raise psycopg.OperationalError("the connection was lost")

    @property
    def _crashes(self) -> bool:
        return self._stop in (Stop.POWER, Stop.KILL)

    def _look(self) -> None:
        for look in self.looks:
            look()
