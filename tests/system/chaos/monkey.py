"""The run: faults in rounds, how soon work goes on after each, and the settling in the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.system.chaos.faults import BETWEEN_HOSTS, FAULTS, Reach, Unfit
from tests.system.chaos.hosts import Host
from tests.system.chaos.watch import Watch

HOLD = (0.1, 1.5)
"""Seconds that a fault lasts."""
CUTS = ((0.1, 8.0), (10.5, 14.0))
"""Seconds that a line is cut: what TCP itself gets over, and what both ends give up after."""
TWO_AT_ONCE = 0.3


@dataclass(slots=True)
class Report:
    """What the monkey did, and how long it took the daemons to go on."""

    faults: Counter[str] = field(default_factory=Counter)
    left_out: set[str] = field(default_factory=set)
    resumed: list[tuple[float, str]] = field(default_factory=list)
    """Seconds from a round's end until all four daemons had worked again, and its faults; after a
    line was cut, until both copies of each had at least asked for work."""


class Monkey:
    """Breaks things for a time, and waits after each that all four daemons work again."""

    def __init__(self, reach: Reach, watch: Watch, tell: Callable[[str], None]) -> None:
        self._chance = reach.chance
        self._reach, self.watch = reach, watch
        self._tell = tell
        self._faults = {**FAULTS, **(BETWEEN_HOSTS if reach.fleet.hosts else {})}
        self.report = Report()

    def run(self, seconds: float) -> None:
        """Rounds of faults until the time is over."""
        self._await_work("the start")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._round()
            self.watch.pass_time(self._chance.uniform(0.0, 0.3))

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
            self.watch.pass_time(self._chance.uniform(*hold))
        self.report.faults.update(begun)
        hosts = self._reach.fleet.hosts if "network_cut" in begun else ()
        self._await_work(" and ".join(begun), hosts)

    def _await_work(self, after: str, hosts: Sequence[Host] = ()) -> None:
        took = self.watch.await_work(after, hosts)
        if self.report.faults:
            self.report.resumed.append((took, after))
        self._tell(f"{sum(self.report.faults.values()):4} faults; {after}: on after {took:.1f} s")
