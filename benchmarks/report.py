"""What is printed: tables for people, and a last line of JSON for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from statistics import mean

from rich.console import Console
from rich.table import Table

from benchmarks.floor import Floor
from benchmarks.latency import percentile
from benchmarks.stages import STAGES, Run
from benchmarks.volume import Totals

TARGETS = {2: 4.0, 1: 6.0}
"""Of the floor's time, by copies of each daemon."""
TARGET_MEMORY = 200.0
"""MB a daemon."""
TARGET_LATENCY = 1000.0
"""Milliseconds at the 99th percentile."""


@dataclass(slots=True)
class Results:
    """All that was measured in one call."""

    totals: Totals
    floors: list[Floor] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def floor_seconds(self) -> float:
        """The mean of the floor's runs."""
        return mean(floor.seconds for floor in self.floors)

    def ratio(self, run: Run) -> float:
        """A run's time in floors."""
        return run.seconds / self.floor_seconds

    @property
    def peak_memory(self) -> dict[str, float]:
        """MB (10^6 bytes) that each daemon used at most, in any run."""
        return {
            daemon: round(
                max(s.peak_bytes for run in self.runs for s in run.stages if s.name == name) / 1e6,
                1,
            )
            for name, daemon in STAGES.items()
        }

    def line(self) -> str:
        """One line of JSON; the first run is the one that the main figures are of."""
        main = self.runs[0]
        values = {
            "orders_per_second": round(self.totals.orders / main.seconds),
            "lines_per_second": round(self.totals.items / main.seconds),
            "ratio_to_floor": round(self.ratio(main), 2),
            "ratio_to_floor_by_copies": {
                str(run.copies): round(self.ratio(run), 2) for run in self.runs
            },
            "peak_memory_mb": self.peak_memory,
            "p50_commit_to_file_ms": round(1000 * percentile(self.latencies, 50), 1),
            "p99_commit_to_file_ms": round(1000 * percentile(self.latencies, 99), 1),
            "floor_seconds": [round(floor.seconds, 2) for floor in self.floors],
            "at_once": main.at_once_seconds is not None,
            "seconds": {
                str(run.copies): {
                    **{stage.name: round(stage.seconds, 2) for stage in run.stages},
                    "whole": round(run.seconds, 2),
                }
                for run in self.runs
            },
            "start_seconds": {str(run.copies): round(run.start_seconds, 2) for run in self.runs},
            "intake_seconds": {
                "floor": round(mean(floor.intake_seconds for floor in self.floors), 2),
                **{str(run.copies): round(run.intake_seconds, 2) for run in self.runs},
            },
            "orders": self.totals.orders,
            "lines": self.totals.items,
            "units": self.totals.units,
        }
        return json.dumps(values)


def show(results: Results, console: Console) -> None:
    """The tables."""
    totals = results.totals
    console.print(
        f"{totals.orders:,} orders, {totals.items:,} lines, {totals.units:,} units, "
        f"{totals.charges:,} billed"
    )
    console.print(_floor_table(results))
    for run in results.runs:
        console.print(_run_table(results, run))
    for daemon, peak in results.peak_memory.items():
        console.print(
            f"{daemon}: {peak:.0f} MB at most ({_against(peak, TARGET_MEMORY)} {TARGET_MEMORY:g})"
        )
    if results.latencies:
        p50, p99, worst = (1000 * percentile(results.latencies, p) for p in (50, 99, 100))
        console.print(
            f"commit to file, {len(results.latencies)} orders one at a time: median {p50:.1f} ms, "
            f"99 % {p99:.1f} ms ({_against(p99, TARGET_LATENCY)} {TARGET_LATENCY:g}), "
            f"slowest {worst:.1f} ms"
        )


def _against(value: float, target: float) -> str:
    return "within" if value <= target else "MORE THAN"


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("step")
    for name in ("seconds", "orders/s", "lines/s", "MB"):
        table.add_column(name, justify="right")
    return table


def _floor_table(results: Results) -> Table:
    table = _table(f"The floor, mean of {len(results.floors)}")
    for name in results.floors[0].steps:
        seconds = mean(floor.steps[name] for floor in results.floors)
        table.add_row(name, *_rates(results.totals, seconds))
    table.add_section()
    table.add_row("whole", *_rates(results.totals, results.floor_seconds))
    runs = ", ".join(f"{floor.seconds:.2f}" for floor in results.floors)
    intake = mean(floor.intake_seconds for floor in results.floors)
    table.caption = f"each: {runs} s; not counted: intake {intake:.2f} s"
    return table


def _run_table(results: Results, run: Run) -> Table:
    copies = "one copy" if run.copies == 1 else f"{run.copies} copies"
    order = "one stage after the other" if run.at_once_seconds is None else "all at once"
    table = _table(f"The pipeline, {copies} of each daemon, {order}")
    for stage in run.stages:
        rates = _rates(results.totals, stage.seconds)
        table.add_row(stage.name, *rates, f"{stage.peak_bytes / 1e6:.0f}")
    table.add_section()
    table.add_row("whole", *_rates(results.totals, run.seconds))
    ratio, target = results.ratio(run), TARGETS.get(run.copies)
    said = f" ({_against(ratio, target)} {target:g})" if target else ""
    table.caption = (
        f"{ratio:.2f} times the floor{said}; not counted: intake {run.intake_seconds:.2f} s"
    )
    if run.at_once_seconds is None:
        table.caption += f", starts of processes {run.start_seconds:.2f} s"
    else:
        table.caption += ". A step's seconds are those in which a copy worked; they overlap"
    return table


def _rates(totals: Totals, seconds: float) -> tuple[str, str, str]:
    return (
        f"{seconds:.2f}",
        f"{totals.orders / seconds:,.0f}",
        f"{totals.items / seconds:,.0f}",
    )
