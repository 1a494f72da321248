"""`make bench`: the whole pipeline against the clock and against the floor.

100,000 orders with 250,000 lines of about 400,000 serialised units, for four warehouses, go from
Awaiting Generation through signed and encrypted files to Complete and billed. Every daemon is the
real one, started as a process; the server is an embedded PostgreSQL that loses nothing. The floor
(benchmarks/floor.py) runs before and after each pipeline, on the same server.

All daemons run at once, as in service; --in-turn runs them one stage after the other, each stage
timed from when its first daemon is ready, to tell what each costs where nothing else runs. What the
warehouses do is not timed.

The last line is JSON. Times depend on the machine and on what else it does: compare the ratios.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click
from rich.console import Console

from benchmarks import floor, latency, service, stages
from benchmarks.installation import database, install, warm_up
from benchmarks.report import Results, show
from benchmarks.stages import Statistics
from benchmarks.volume import SEED, Volume, write
from console.embedded import EmbeddedPostgres

SETTINGS = {
    # What somebody with a machine of a few GB would set; what makes commits last is as it comes.
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "min_wal_size": "2GB",
    # Room for the log of all jobs at once: a full buffer makes each of them write and wait.
    "wal_buffers": "64MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}


class Bench:
    """One call: a server, a folder for files, and what was measured so far."""

    def __init__(
        self, folder: Path, orders: int, seed: int, statistics: Statistics, *, in_turn: bool
    ) -> None:
        self._folder = folder
        self._statistics = statistics
        self._run = stages.run if in_turn else service.run
        self._tell = Console(stderr=True)
        self._volume: Volume = write(folder, orders, seed)
        self.results = Results(self._volume.totals)

    def measure(
        self, copies: Sequence[int], latency_orders: int, programs: Path | None = None
    ) -> None:
        """Floor, pipeline, floor, pipeline, floor; single orders in the last database."""
        settings = SETTINGS | ({"autovacuum": "off"} if self._statistics == "none" else {})
        with EmbeddedPostgres(settings=settings, programs=programs) as server:
            self._tell.print("warming up ...")
            warm_up(server, self._volume)
            self._floor(server)
            for number in copies:
                last = number == copies[-1]
                self._pipeline(server, number, latency_orders if last else 0)
                self._floor(server)

    def _floor(self, server: EmbeddedPostgres) -> None:
        number = len(self.results.floors) + 1
        self._tell.print(f"floor, run {number} ...")
        with database(server, f"floor_{number}") as owner:
            self.results.floors.append(
                floor.run(owner, self._folder / f"floor-{number}", self._volume)
            )

    def _pipeline(self, server: EmbeddedPostgres, copies: int, latency_orders: int) -> None:
        self._tell.print(f"pipeline, {copies} of each daemon ...")
        number = len(self.results.runs) + 1
        with database(server, f"pipeline_{number}") as owner:
            site = install(self._folder / f"pipeline-{number}", server, owner)
            self.results.runs.append(self._run(site, self._volume, copies, self._statistics))
            if latency_orders:
                self._tell.print("single orders ...")
                self.results.latencies = latency.measure(site, latency_orders)


@click.command(help=__doc__)
@click.option("--orders", type=click.IntRange(8), default=100_000, show_default=True)
@click.option("--copies", type=click.IntRange(1, 8), multiple=True, default=(2, 1),
              show_default=True, help="Of each daemon; repeat it for more runs.")  # fmt: skip
@click.option("--single", type=click.IntRange(0), default=200, show_default=True,
              help="Orders that go one at a time, for the time from commit to file.")  # fmt: skip
@click.option("--statistics", type=click.Choice(get_args(Statistics)), default="autovacuum",
              show_default=True, help="What the planner knows: what autovacuum finds by itself, "
              "nothing at all, or everything before each stage or half.")  # fmt: skip
@click.option("--in-turn", is_flag=True, help="One stage after the other, not all at once.")
@click.option("--seed", type=int, default=SEED, show_default=True)
@click.option("--programs", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="The folder of another PostgreSQL's initdb and postgres.")  # fmt: skip
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Where to work, on a disk of the kind meant; default: TMPDIR.")  # fmt: skip
def main(  # one argument an option
    *,
    orders: int,
    copies: tuple[int, ...],
    single: int,
    statistics: Statistics,
    in_turn: bool,
    seed: int,
    programs: Path | None,
    folder: Path | None,
) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="orders-bench-", dir=folder) as made:
        bench = Bench(Path(made), orders, seed, statistics, in_turn=in_turn)
        bench.measure(copies, single, programs)
    show(bench.results, Console())
    click.echo(bench.results.line())


if __name__ == "__main__":
    main()
