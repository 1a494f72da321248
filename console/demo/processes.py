"""The demo's processes: started, watched, and stopped by their ids, whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_WITHIN = 10.0
"""Seconds from being asked to being killed."""
LAST_LINES = 12


class Processes:
    """Our own programs in processes of their own, each with a log file; none outlives `with`."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        # An impatient second Ctrl-C must not leave half of them running.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.stop(*self._running)
        finally:
            signal.signal(signal.SIGINT, before)

    def start(
        self, name: str, *arguments: str, log: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        """Run `python -m` with these arguments; what it writes goes to `log`."""
        # Killed without notice we cannot stop anything: then the system does.
        tied = shutil.which("setpriv")
        self._logs[name] = log
        with log.open("ab") as file:
            self._running[name] = subprocess.Popen(
                [
                    *((tied, "--pdeathsig", "TERM") if tied else ()),
                    *(sys.executable, "-m", *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=os.environ | dict(environ or {}),
                # The terminal's Ctrl-C is for us: we stop them in their order.
                start_new_session=True,
            )

    def ended(self) -> dict[str, int]:
        """The processes that ended without being asked, with their exit codes."""
        codes = {name: process.poll() for name, process in self._running.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def stop(self, *names: str) -> dict[str, int]:
        """Ask these to end, then see to it; their exit codes."""
        chosen = {name: self._running.pop(name) for name in names if name in self._running}
        for process in chosen.values():
            if process.poll() is None:
                process.terminate()
        codes = {}
        for name, process in chosen.items():
            try:
                codes[name] = process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        return codes

    def last_lines(self) -> dict[str, list[str]]:
        """The end of each log that has anything in it."""
        texts = {name: log.read_text(errors="replace") for name, log in self._logs.items()}
        return {name: text.splitlines()[-LAST_LINES:] for name, text in texts.items() if text}
