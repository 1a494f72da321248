"""SIGTERM at random moments under load: obeyed in time, and nothing to clean afterwards.

`make test-full` has the hundred stops: most of their time goes into starting again.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.demo.play import DAEMONS
from tests.system.chaos.fleet import COPIES
from tests.system.chaos.monkey import Monkey
from tests.system.chaos.run import run
from tests.system.chaos.watch import GIVE_UP, LOOK, NotSettled, Watch

SEED = 8
RATE = 20.0
STOPTIME = 10.0
"""Seconds. No unit of this load lasts half of it, so none has to be cancelled: all end with 0."""
WORKS = (0.0, 0.5)
"""Seconds between the process's being ready and the signal."""


@dataclass(frozen=True, slots=True)
class End:
    """How a process obeyed."""

    name: str
    seconds: float
    code: int
    units: int
    """What it had done since its start."""


@pytest.mark.parametrize("stops", [4, pytest.param(13, marks=pytest.mark.full)])
def test_stopped_at_random_moments_under_load(monkeypatch: pytest.MonkeyPatch, stops: int) -> None:
    """Asked to stop at any moment, whatever is in hand, each daemon ends within the stop time and
    as it should; started again it goes on, and in the end nothing is lost, doubled or left over.
    """
    monkeypatch.setenv("SALES_ORDER_DAEMON_STOPTIME", f"{STOPTIME:.0f}s")
    ends: list[End] = []
    figures, problems = run(
        lambda monkey: stop_all(monkey, stops, ends), SEED, RATE, lambda _: None
    )
    assert problems == []
    assert (figures["lost"], figures["doubled"]) == (0, 0)
    assert [end for end in ends if end.code or end.seconds > STOPTIME] == []
    assert len(ends) == stops * COPIES * len(DAEMONS)
    worked = sum(end.units > 0 for end in ends)
    assert worked >= len(ends) / 2, "that was no load"
    longest = max(end.seconds for end in ends)
    print(f"{len(ends)} stops, {worked} after work, the longest {longest:.2f} s")  # noqa: T201


def stop_all(monkey: Monkey, stops: int, ends: list[End]) -> None:
    """Stop each daemon so often, all of them at the same time."""
    watch = monkey.watch
    going = [_stops(watch, name, stops, ends) for name in watch.fleet.daemons]
    while going:
        watch.stream.feed()
        going = [one for one in going if next(one, ends) is None]
        time.sleep(LOOK)


def _stops(watch: Watch, name: str, stops: int, ends: list[End]) -> Iterator[None]:
    """Stop one daemon so often; each `next` looks how far it is."""
    chance, log, read = random.Random(f"{SEED} {name}"), watch.stage.log(name), 0
    for _ in range(stops):
        started = time.monotonic()
        while _last(log, read, "DAEMON_READY") is None:
            if time.monotonic() > started + GIVE_UP:
                raise NotSettled(f"{name} did not start within {GIVE_UP:.0f} s")
            yield
        yield from _until(time.monotonic() + chance.uniform(*WORKS))
        watch.fleet.signal(name, signal.SIGTERM)
        asked = time.monotonic()
        while (code := watch.fleet.ended(name)) is None:
            if time.monotonic() > asked + STOPTIME:
                raise NotSettled(f"{name} did not end within {STOPTIME:.0f} s")
            yield
        stopped = _last(log, read, "DAEMON_STOPPED") or {"units": 0}
        ends.append(End(name, time.monotonic() - asked, code, stopped["units"]))
        read = log.stat().st_size
        watch.fleet.start_again(name)


def _until(moment: float) -> Iterator[None]:
    while time.monotonic() < moment:
        yield


def _last(log: Path, read: int, event: str) -> dict[str, Any] | None:
    """The last line of this event after the first `read` bytes."""
    with log.open("rb") as file:
        file.seek(read)
        lines = [line for line in file if event.encode() in line and line.endswith(b"\n")]
    return json.loads(lines[-1]) if lines else None
