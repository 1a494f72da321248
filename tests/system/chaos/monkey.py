"""The run: faults in rounds, how soon work goes on after each, and the settling in the end."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg

from console.demo import funnel
from console.demo.stage import Stage
from console.generator import PLACES
from tests.system.chaos.faults import BETWEEN_HOSTS, FAULTS, Reach, Unfit
from tests.system.chaos.fleet import Fleet
from tests.system.chaos.hosts import Host
from tests.system.chaos.stream import Stream

LOOK = 0.02
HOLD = (0.1, 1.5)
"""Seconds that a fault lasts."""
CUTS = ((0.1, 8.0), (10.5, 14.0))
"""Seconds that a line is cut: what TCP itself gets over, and what both ends give up after."""
TWO_AT_ONCE = 0.3
GIVE_UP = 60.0
"""Seconds after which a daemon that does nothing has not resumed."""
SETTLE = 180.0
KINDS = {"request-extract", "extract-to-generic", "load-from-generic", "dispatch"}


class NotSettled(Exception):
    """Not everything came to its end in the time given; the text says what is left."""


@dataclass(slots=True)
class Report:
    """What the monkey did, and how long it took the daemons to go on."""

    faults: Counter[str] = field(default_factory=Counter)
    left_out: set[str] = field(default_factory=set)
    resumed: list[tuple[float, str]] = field(default_factory=list)
    """Seconds from a round's end until all four daemons had worked again, and its faults; after a
    line was cut, until both copies of each had at least asked for work."""
    problems: list[str] = field(default_factory=list)


class Monkey:
    """Breaks things for a time, and waits after each that all four daemons work again."""

    def __init__(
        self, stage: Stage, fleet: Fleet, stream: Stream, seed: int, *, mounted: bool,
        tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.stage, self.fleet, self.stream = stage, fleet, stream
        self._chance = random.Random(seed)
        self._tell = tell
        self._conn: psycopg.Connection | None = None
        self.report = Report()
        self._reach = Reach(stage, fleet, self._chance, mounted, self.report.problems)
        self._faults = {**FAULTS, **(BETWEEN_HOSTS if fleet.hosts else {})}

    def run(self, seconds: float) -> None:
        """Rounds of faults until the time is over."""
        self._await_work("the start")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._round()
            self._pass(self._chance.uniform(0.0, 0.3))

    def close(self) -> None:
        """Let go of the connection that it looks with."""
        if self._conn is not None:
            self._conn.close()

    def settle(self) -> None:
        """Wait until nothing has a step to go; NotSettled if that does not come."""
        self._until(lambda: self.stream.drain() and self._done(partners=True), SETTLE, "orders")
        # What a partner repeats at its very end is to be taken in as well.
        problems = self.fleet.stop(self.fleet.partners)
        self._until(lambda: self._done(partners=False), SETTLE, "files")
        problems += self.fleet.stop(self.fleet.daemons)
        if problems:
            raise NotSettled("; ".join(problems))

    def _round(self) -> None:
        names = self._chance.choices(
            list(self._faults), [weight for _, weight in self._faults.values()],
            k=2 if self._chance.random() < TWO_AT_ONCE else 1,
        )  # fmt: skip
        begun = []
        with ExitStack() as faults:
            for name in dict.fromkeys(names):
                try:
                    faults.enter_context(self._faults[name][0](self._reach))
                    begun.append(name)
                except Unfit:
                    self.report.left_out.add(name)
            if not begun:
                return
            hold = self._chance.choice(CUTS) if "network_cut" in begun else HOLD
            self._pass(self._chance.uniform(*hold))
        self.report.faults.update(begun)
        self._await_work(" and ".join(begun), self.fleet.hosts if "network_cut" in begun else ())

    def _await_work(self, after: str, hosts: Sequence[Host] = ()) -> None:
        """Until each of the four has begun and committed work since now, and speaks from these."""
        since, began = datetime.now(UTC), time.monotonic()
        self._until(
            lambda: self._working(since) and self._speaking(since, hosts),
            GIVE_UP, f"work after {after}",
        )  # fmt: skip
        took = time.monotonic() - began
        if self.report.faults:
            self.report.resumed.append((took, after))
        self._tell(f"{sum(self.report.faults.values()):4} faults; {after}: on after {took:.1f} s")

    def _working(self, since: datetime) -> bool:
        rows = self._rows("select distinct who from batch_history where at > %s", since)
        return rows is not None and {row[0] for row in rows} >= KINDS

    def _speaking(self, since: datetime, hosts: Sequence[Host]) -> bool:
        """Whether these hosts' daemons have each asked the database something since then."""
        rows = self._rows(
            "select distinct host(client_addr), application_name from pg_stat_activity"
            " where client_addr is not null and query_start > %s", since,
        )  # fmt: skip
        wanted = {(host.address, kind) for host in hosts for kind in KINDS}
        return rows is not None and {(row[0], row[1]) for row in rows} >= wanted

    def _done(self, *, partners: bool) -> bool:
        inboxes = (self.stage.in_ / place.id for place in PLACES)
        if any(not path.name.startswith(".") for inbox in inboxes for path in inbox.iterdir()):
            return False
        try:
            with self.stage.connect() as conn:
                return funnel.unfinished(conn, partners=partners) == 0
        except psycopg.OperationalError:
            return False

    def _until(self, condition: Callable[[], bool], within: float, what: str) -> None:
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                raise NotSettled(f"no {what} within {within:.0f} s")
            self._pass(LOOK, feed=what not in {"orders", "files"})

    def _pass(self, seconds: float, *, feed: bool = True) -> None:
        """Let time go by, with orders coming in and whoever ended started again."""
        until = time.monotonic() + seconds
        while True:
            self.fleet.revive()
            if feed:
                self.stream.feed()
            if time.monotonic() >= until:
                return
            time.sleep(LOOK)

    def _rows(self, statement: str, *values: object) -> list[tuple[object, ...]] | None:
        try:
            if self._conn is None or self._conn.closed:
                self._conn = self.stage.connect()
            return self._conn.execute(statement.encode(), values).fetchall()
        except psycopg.OperationalError:
            if self._conn is not None:
                self._conn.close()
            return None
