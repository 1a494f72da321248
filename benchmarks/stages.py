"""The pipeline stage by stage: one or more copies of each daemon, timed, and the end checked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from benchmarks.installation import Installation, answer, deliver, enter, submit
from benchmarks.processes import run_together
from benchmarks.volume import Volume

Statistics = Literal["autovacuum", "none", "fresh"]
"""What the planner knows: what autovacuum finds out, nothing, or all before each stage."""

STAGES = {
    "generate and batch": "request_extract",
    "extract": "extract_to_generic",
    "load": "load_from_generic",
    "dispatch": "dispatch",
}


class WrongEnd(Exception):
    """The run did not do what it should have: its figures are worth nothing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One timed step."""

    name: str
    seconds: float
    """From when the first of its daemons was ready until the last had ended; all at once: what its
    units took, a copy's share."""
    start_seconds: float
    peak_bytes: int


@dataclass(slots=True)
class Run:
    """What a run of the whole pipeline took, from Awaiting Generation to Complete and billed."""

    copies: int
    intake_seconds: float = 0.0
    stages: list[Stage] = field(default_factory=list)
    at_once_seconds: float | None = None
    """What it took with all daemons at once; None: one stage after the other."""

    @property
    def seconds(self) -> float:
        """The whole."""
        if self.at_once_seconds is not None:
            return self.at_once_seconds
        return sum(stage.seconds for stage in self.stages)

    @property
    def start_seconds(self) -> float:
        """What the starts of processes took, which no daemon that runs does again: not counted."""
        return sum(stage.start_seconds for stage in self.stages)


def run(site: Installation, volume: Volume, copies: int, statistics: Statistics) -> Run:
    """Take the orders in, run every stage with so many copies of its daemon, check the end."""
    measured = Run(copies)
    began = time.monotonic()
    enter(site, volume)
    submit(site)
    measured.intake_seconds = time.monotonic() - began
    # As with the floor: what the intake left to be written is not to be paid for by the stages.
    site.owner.execute("checkpoint")
    for name, daemon in STAGES.items():
        if name == "load":
            answer(site)
            deliver(site)
        if statistics == "fresh":
            site.owner.execute("analyze")
        command = site.daemon(daemon, "--once")
        ran = run_together([command] * copies, site.log, site.environ)
        working = ran.seconds - ran.start_seconds
        measured.stages.append(Stage(name, working, ran.start_seconds, ran.peak_bytes))
    check_end(site, volume)
    return measured


def check_end(site: Installation, volume: Volume) -> None:
    """Raise WrongEnd unless every order is Complete, and each unit and charge is there once."""
    totals = volume.totals
    expected: dict[str, tuple[object, object]] = {
        "orders that are Complete": (
            totals.orders,
            site.value("select count(*) from sales_order where status = 'COMPLETE'"),
        ),
        "orders": (totals.orders, site.value("select count(*) from sales_order")),
        "units": (totals.units, site.value("select count(*) from dispatched_unit where active")),
        "charged": (
            totals.charges,
            site.value("select coalesce(sum(amount), 0) from charge") or Decimal(0),
        ),
        "open or owed quantities": (
            0,
            site.value("select sum(quantity - dispatched_quantity) from order_item"),
        ),
        "batches in error": (
            0,
            site.value("select count(*) from batch where stage_status <> 'Complete'"),
        ),
    }
    wrong = [
        f"{what}: {found}, not {wanted}"
        for what, (wanted, found) in expected.items()
        if wanted != found
    ]
    if wrong:
        raise WrongEnd("; ".join(wrong))
