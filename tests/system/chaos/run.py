"""One run from nothing to its verdict."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from console.demo.stage import Stage
from console.embedded import EmbeddedPostgres
from tests.system.chaos.faults import Reach
from tests.system.chaos.fleet import Fleet
from tests.system.chaos.hosts import SERVER
from tests.system.chaos.hosts import hosts as made
from tests.system.chaos.monkey import Monkey
from tests.system.chaos.stream import Stream
from tests.system.chaos.verdict import Verdict, judge
from tests.system.chaos.watch import NotSettled, Watch

TREE_SIZE = "256m"
"""A quarter of an hour's archive fits, and a fault can fill the rest in a moment."""
BATCH = 200
"""Orders in a file at the most."""


def run(
    ordeal: Callable[[Monkey], None], seed: int, rate: float, tell: Callable[[str], None],
    *, hosts: int = 1,
) -> tuple[dict[str, Any], list[str]]:  # fmt: skip
    """Go through the ordeal with `rate` orders a second: the figures, and what is wrong.

    More than one host only after hosts.move_apart().
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orders-chaos-")))
        mounted = stack.enter_context(_mounted(folder / "out", folder / "in"))
        settings = {"synchronous_commit": "on", "listen_addresses": SERVER if hosts > 1 else ""}
        server = stack.enter_context(EmbeddedPostgres(settings=settings))
        stage = Stage(folder, server)
        stream = Stream(stage, seed, rate)
        stage.set_up(stream.catalogue, batch=BATCH)
        stack.callback(stream.close)
        fleet = Fleet(stage, seed, stack.enter_context(made(hosts, stage)))
        watch = Watch(stage, fleet, stream)
        stack.callback(watch.close)
        verdict = Verdict()
        problems: list[str] = []
        reach = Reach(stage, fleet, random.Random(seed), mounted, problems)
        monkey = Monkey(reach, watch, tell)
        with fleet.running():
            try:
                ordeal(monkey)
                tell("no more faults: everything has to settle")
                watch.settle()
            except NotSettled as error:
                problems += [str(error), *complaints(folder / "log")]
        verdict = judge(stage, seed, stream.entered, stream.catalogue)
        problems += verdict.problems
        problems += tracebacks(folder / "log")
        return _figures(monkey, fleet, verdict, seed), problems


def _figures(monkey: Monkey, fleet: Fleet, verdict: Verdict, seed: int) -> dict[str, Any]:
    longest = max(monkey.report.resumed, default=(0.0, ""))
    return {
        "faults": sum(monkey.report.faults.values()),
        "orders": verdict.orders,
        "units": verdict.units,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "longest_resume_seconds": round(longest[0], 2),
        "longest_resume_after": longest[1],
        "by_fault": dict(sorted(monkey.report.faults.items())),
        "left_out": sorted(monkey.report.left_out - monkey.report.faults.keys()),
        "restarts": fleet.restarts,
        "hosts": max(len(fleet.hosts), 1),
        "seed": seed,
    }


def complaints(logs: Path) -> list[str]:
    """The last error that each process has logged: why it may stand still."""
    found = []
    for log in sorted(logs.iterdir()):
        lines = log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if '"level": "error"' in line or '"level":"error"' in line]
        found += [f"{log.name}: {line[:500]}" for line in errors[-1:]]
    return found


def tracebacks(logs: Path) -> list[str]:
    """Faults of ours that a daemon has logged."""
    return [
        f"{log.name}: {line[:500]}"
        for log in sorted(logs.iterdir())
        for line in log.read_text(errors="replace").splitlines()
        if '"level": "critical"' in line or '"level":"critical"' in line
    ][:5]


@contextmanager
def _mounted(*trees: Path) -> Iterator[bool]:
    """Each tree on a small file system of its own in memory, where we may mount; whether so."""
    mounted: list[Path] = []
    try:
        for tree in trees:
            tree.mkdir()
            options = ["-t", "tmpfs", "-o", f"size={TREE_SIZE}", "chaos", str(tree)]
            if (
                os.geteuid() == 0
                and not subprocess.run(
                    ["mount", *options], check=False, capture_output=True
                ).returncode
            ):
                mounted.append(tree)
        yield len(mounted) == len(trees)
    finally:
        for tree in mounted:
            subprocess.run(["umount", "--lazy", str(tree)], check=False, capture_output=True)
