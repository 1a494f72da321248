"""Starts the small daemons of `programs` as processes, and reads what they say."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest

from tests.postgres import Database

PATIENCE = 30.0
"""Seconds after which a test gives up; far more than anything here takes."""


class Child:
    """A daemon as a process; its lines, from standard output and from its log, in their order."""

    def __init__(self, *arguments: str, environ: dict[str, str] | None = None) -> None:
        self.seen: list[dict[str, Any]] = []
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.core.daemon.programs", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONWARNINGS": "error::ResourceWarning"} | (environ or {}),
        )
        # One pipe for both, or their order would be lost.
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, lines: IO[str]) -> None:
        with lines:
            for text in lines:
                try:
                    line = json.loads(text)
                except ValueError:
                    line = {"text": text}
                self._lines.put(line)

    def line(self, within: float = PATIENCE, **fields: object) -> dict[str, Any]:
        """The next line with these fields."""
        deadline = time.monotonic() + within
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                pytest.fail(f"no line with {fields} came; those that came: {self.seen}")
            self.seen.append(line)
            if fields.items() <= line.items():
                return line

    def count(self, **fields: object) -> int:
        """How many of the lines read until now had these fields."""
        return sum(fields.items() <= line.items() for line in self.seen)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal; when, as time.monotonic() counts."""
        self.process.send_signal(number)
        return time.monotonic()

    def ended(self, within: float = PATIENCE) -> int:
        """The exit code, once it has ended; all its lines have been read then."""
        code = self.process.wait(within)
        self._reader.join(PATIENCE)
        while not self._lines.empty():
            self.seen.append(self._lines.get())
        return code

    def stop(self) -> int:
        """Ask it to stop; the exit code."""
        self.signal()
        return self.ended()

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.ended()


Spawn = Callable[..., Child]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start a program of `programs`; whatever still runs at the end is killed."""
    children: list[Child] = []

    def start(*arguments: str, environ: dict[str, str] | None = None) -> Child:
        children.append(Child(*arguments, environ=environ))
        return children[-1]

    yield start
    for child in children:
        child.close()


@pytest.fixture
def tables(database: Database) -> Database:
    """A database with the tables of the small daemons."""
    conn = database.connect()
    conn.execute("create table job (id integer primary key)")
    conn.execute("create table done (what text)")
    return database
