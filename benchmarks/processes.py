"""Runs programs of ours as processes of their own, and tells how long and how much memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

PYTHON = (sys.executable, "-m")


@dataclass(frozen=True, slots=True)
class Ran:
    """Processes that ran side by side: the time until the last ended, the most that one used.

    `start_seconds`, a part of the whole, passed until the first of them was ready to work: a daemon
    says so in its log; of another program it is 0.

    The memory is the kernel's ru_maxrss (getrusage(2)). A child starts with its parent's: the
    figure is right as long as the benchmark itself stays smaller than what it starts, which is why
    it reads nothing large into memory.
    """

    seconds: float
    start_seconds: float
    peak_bytes: int


class ProcessError(Exception):
    """A process ended with another code than 0; the text says which, and its last words."""


def run_together(
    commands: Sequence[Sequence[str]], log: Path, environ: Mapping[str, str] | None = None
) -> Ran:
    """Run `python -m` with each of these arguments, all at once; what they say goes to `log`."""
    began = time.time()
    before = log.stat().st_size if log.exists() else 0
    running: dict[int, subprocess.Popen[bytes]] = {}
    peak = 0
    try:
        for command in commands:
            process = start(command, log, environ)
            running[process.pid] = process
        for pid in list(running):
            peak = max(peak, _ended(running.pop(pid), log))
    finally:
        stop(*running.values())
    ended = time.time()
    return Ran(ended - began, _first_ready(log, before, began) - began, peak)


@dataclass(frozen=True, slots=True)
class Serving:
    """Processes that run for as long as they are wanted."""

    log: Path
    running: list[tuple[str, subprocess.Popen[bytes]]]
    """Each with the first argument that it was started with."""
    peaks: dict[str, list[int]]
    """The peak bytes (see Ran) by that argument; filled when they have ended."""

    def check(self) -> None:
        """ProcessError if one of them has ended by itself."""
        for _, process in self.running:
            if process.poll() is not None:
                raise ProcessError(_told(process, self.log))


@contextmanager
def serving(
    commands: Sequence[Sequence[str]], log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Serving]:
    """Run `python -m` with each of these for as long as the block takes, and end them by TERM."""
    served = Serving(log, [], defaultdict(list))
    try:
        for command in commands:
            served.running.append((command[0], start(command, log, environ)))
        yield served
        for _, process in served.running:
            process.terminate()
        for name, process in served.running:
            served.peaks[name].append(_ended(process, log))
    finally:
        stop(*(process for _, process in served.running if process.returncode is None))


def _ended(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait for its end; the peak bytes that it used."""
    # Not Popen.wait, which does not tell what the process has used.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ProcessError(_told(process, log))
    return usage.ru_maxrss * 1024


def _first_ready(log: Path, offset: int, otherwise: float) -> float:
    """When the first daemon was ready, as time.time() counts."""
    with log.open("rb") as lines:
        lines.seek(offset)
        for line in lines:
            if b"DAEMON_READY" in line:
                return datetime.fromisoformat(json.loads(line)["time"]).timestamp()
    return otherwise


def start(
    command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `python -m` with these arguments; it ends with us where the system can see to it."""
    tied = shutil.which("setpriv")
    with log.open("ab") as file:
        return subprocess.Popen(
            [*((tied, "--pdeathsig", "TERM") if tied else ()), *PYTHON, *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**os.environ, **(environ or {})},
        )


def stop(*processes: subprocess.Popen[bytes]) -> None:
    """Ask all to end, and wait until they have."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()


def _told(process: subprocess.Popen[bytes], log: Path) -> str:
    last = log.read_text(errors="replace").splitlines()[-5:]
    arguments = process.args if isinstance(process.args, list) else [process.args]
    return f"{' '.join(map(str, arguments))} ended with {process.returncode}: {' / '.join(last)}"
