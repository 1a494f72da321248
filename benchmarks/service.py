"""The pipeline as it runs in service: all four daemons at once, each doing what has come to it.

They are started first, and idle until the submission of the orders is committed: then orders are
generated while others are batched, sealed and published. What the warehouses do is not timed, so
their answers are made aside, and put into the inbound directories together: then files are loaded
while others are applied. A half ends with the log's line that makes its orders complete: the last
published there, the last applied here.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from datetime import datetime
from typing import Any

import psycopg

from benchmarks.installation import Installation, answer, deliver, enter, submit
from benchmarks.processes import Serving, serving
from benchmarks.stages import STAGES, Run, Stage, Statistics, WrongEnd, check_end
from benchmarks.volume import Volume

WITHIN = 600.0
"""Seconds for one half, after which something hangs."""
LOOK_EVERY = 0.02
"""Seconds between two looks at the log; when something ended, its line tells."""


def run(site: Installation, volume: Volume, copies: int, statistics: Statistics) -> Run:
    """Take the orders in, let so many copies of each daemon do all of it, and check the end."""
    measured = Run(copies)
    began = time.monotonic()
    enter(site, volume)
    measured.intake_seconds = time.monotonic() - began
    requests = site.value(
        "select count(distinct (order_id, coalesce(i.warehouse_id, p.warehouse_id))) "
        "from order_item i join product p on p.code = i.product_code"
    )
    if statistics == "fresh":
        site.owner.execute("analyze")
    commands = [site.daemon(name) for name in STAGES.values() for _ in range(copies)]
    with serving(commands, site.log, site.environ) as served:
        told = _Log(served)
        told.wait("DAEMON_READY", None, len(commands))
        began = time.monotonic()
        submitted = _submit(site)
        measured.intake_seconds += time.monotonic() - began
        out = told.wait("BATCH_PUBLISHED", "orders", requests) - submitted
        answer(site)
        if statistics == "fresh":
            site.owner.execute("analyze")
        delivered = _deliver(site)
        back = told.wait("DISPATCH_APPLIED", "complete", volume.totals.orders) - delivered
    for name, daemon in STAGES.items():
        peak = max(served.peaks[site.daemon(daemon)[0]])
        # What its start takes is over when the orders come.
        measured.stages.append(Stage(name, told.busy(daemon) / copies, 0.0, peak))
    measured.at_once_seconds = out + back
    check_end(site, volume)
    return measured


def _submit(site: Installation) -> float:
    """Submit all orders in one commit; the moment before the commit, as time.time() counts.

    What the intake left to be written is written before it: it is not to be paid for by the stages.
    """
    with (
        closing(psycopg.connect(site.owner.info.dsn, autocommit=True)) as other,
        site.owner.transaction(),
    ):
        submit(site)
        other.execute("checkpoint")
        return time.time()


def _deliver(site: Installation) -> float:
    """Put the answers where they belong; when that began."""
    began = time.time()
    deliver(site)
    return began


class _Log:
    """What the daemons have logged so far."""

    def __init__(self, served: Serving) -> None:
        self._served = served
        self._path = served.log
        self._seen = 0
        self._lines: list[dict[str, Any]] = []

    def wait(self, event: str, count: str | None, target: int) -> float:
        """When it had come so often, or its `count` had added up to so much; as time.time().

        ProcessError says that a daemon has ended meanwhile.
        """
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            self._read()
            total = 0
            for line in self._lines:
                if line["event"] == event:
                    total += line[count] if count else 1
                    if total >= target:
                        return datetime.fromisoformat(line["time"]).timestamp()
            self._served.check()
            time.sleep(LOOK_EVERY)
        raise WrongEnd(f"{event} has not come to {target} within {WITHIN:g} s")

    def busy(self, daemon: str) -> float:
        """The seconds that all copies of a daemon worked together."""
        name = daemon.replace("_", "-")
        milliseconds = [
            int(line.get("milliseconds", 0)) for line in self._lines if line["daemon"] == name
        ]
        return sum(milliseconds) / 1000

    def _read(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._seen)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._seen += len(line)
                if line.startswith(b"{"):
                    self._lines.append(json.loads(line))
