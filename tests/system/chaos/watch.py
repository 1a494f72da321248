"""Lets time go by while the installation works, until something has come about."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import psycopg

from console.demo import funnel
from console.demo.stage import Stage
from console.generator import PLACES
from tests.system.chaos.fleet import Fleet
from tests.system.chaos.hosts import Host
from tests.system.chaos.stream import Stream

LOOK = 0.02
GIVE_UP = 60.0
"""Seconds after which a daemon that does nothing has not resumed."""
SETTLE = 180.0
KINDS = {"request-extract", "extract-to-generic", "load-from-generic", "dispatch"}


class NotSettled(Exception):
    """What was waited for did not come about in the time given; the text says what."""


class Watch:
    """Waits with orders coming in, and starts whoever has ended."""

    def __init__(self, stage: Stage, fleet: Fleet, stream: Stream) -> None:
        self.stage, self.fleet, self.stream = stage, fleet, stream
        self._conn: psycopg.Connection | None = None

    def close(self) -> None:
        """Let go of the connection that it looks with."""
        if self._conn is not None:
            self._conn.close()

    def await_work(self, after: str, hosts: Sequence[Host] = ()) -> float:
        """Until each of the four has begun and committed work since now, and speaks from these
        hosts; the seconds it took.
        """
        since, began = datetime.now(UTC), time.monotonic()
        self.until(
            lambda: self._working(since) and self._speaking(since, hosts),
            GIVE_UP, f"work after {after}",
        )  # fmt: skip
        return time.monotonic() - began

    def settle(self) -> None:
        """Wait until nothing has a step to go; NotSettled if that does not come."""
        self.until(
            lambda: self.stream.drain() and self.done(partners=True), SETTLE, "end of the orders",
            feed=False,
        )  # fmt: skip
        # What a partner repeats at its very end is to be taken in as well.
        problems = self.fleet.stop(self.fleet.partners)
        self.until(lambda: self.done(partners=False), SETTLE, "end of the files", feed=False)
        problems += self.fleet.stop(self.fleet.daemons)
        if problems:
            raise NotSettled("; ".join(problems))

    def until(
        self, condition: Callable[[], bool], within: float, what: str, *, feed: bool = True
    ) -> None:
        """Until the condition holds; NotSettled if it does not within so many seconds."""
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                raise NotSettled(f"no {what} within {within:.0f} s")
            self.pass_time(LOOK, feed=feed)

    def pass_time(self, seconds: float, *, feed: bool = True) -> None:
        """Let time go by, with orders coming in and whoever ended started again."""
        until = time.monotonic() + seconds
        while True:
            self.fleet.revive()
            if feed:
                self.stream.feed()
            if time.monotonic() >= until:
                return
            time.sleep(LOOK)

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]] | None:
        """What the database says, None if it does not."""
        try:
            if self._conn is None or self._conn.closed:
                self._conn = self.stage.connect()
            return self._conn.execute(statement.encode(), values).fetchall()
        except psycopg.OperationalError:
            self.close()
            return None

    def _working(self, since: datetime) -> bool:
        rows = self.rows("select distinct who from batch_history where at > %s", since)
        return rows is not None and {row[0] for row in rows} >= KINDS

    def _speaking(self, since: datetime, hosts: Sequence[Host]) -> bool:
        """Whether these hosts' daemons have each asked the database something since then."""
        rows = self.rows(
            "select distinct host(client_addr), application_name from pg_stat_activity"
            " where client_addr is not null and query_start > %s", since,
        )  # fmt: skip
        wanted = {(host.address, kind) for host in hosts for kind in KINDS}
        return rows is not None and {(row[0], row[1]) for row in rows} >= wanted

    def done(self, *, partners: bool) -> bool:
        """Whether no order, batch or file has a step to go."""
        inboxes = (self.stage.in_ / place.id for place in PLACES)
        if any(not path.name.startswith(".") for inbox in inboxes for path in inbox.iterdir()):
            return False
        try:
            with self.stage.connect() as conn:
                return funnel.unfinished(conn, partners=partners) == 0
        except psycopg.OperationalError:
            return False
