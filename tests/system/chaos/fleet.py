"""The processes of the run; whoever ends is started again, as a service manager would."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from console.demo.play import DAEMONS, PLAN
from console.demo.stage import ACKNOWLEDGING, PROFILES, Stage
from console.generator import PLACES
from tests.system.chaos.hosts import SERVER, Host

COPIES = 2
"""Of each daemon."""
STOP_WITHIN = 40.0
"""Seconds from being asked to being given up: the daemons' own stop time is 30."""
ENVIRON = {"SALES_ORDER_REQUEST_EXTRACT_BATCH_MAXWAIT": "200ms"}
"""Small batches, so that each daemon has work all the time."""
REMOTE = {"SALES_ORDER_DATABASE_HOST": SERVER}
"""On a host of its own."""


class Fleet:
    """Some of each daemon and one partner a warehouse, by name; none outlives `with`.

    Where there are hosts, the copies of a daemon are on different ones.
    """

    def __init__(
        self, stage: Stage, seed: int, hosts: Sequence[Host] = (), copies: int = COPIES
    ) -> None:
        self._stage = stage
        self._seed = seed
        self.hosts = hosts
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.restarts = 0
        self.daemons = [f"{daemon}-{copy}" for daemon in DAEMONS for copy in range(copies)]
        self.partners = [place.id for place in PLACES]

    @contextmanager
    def running(self) -> Iterator[None]:
        """All of them, from here to the end."""
        try:
            for name in (*self.daemons, *self.partners):
                self._start(name)
            yield
        finally:
            for process in self._running.values():
                process.kill()
            for process in self._running.values():
                process.wait()

    def revive(self) -> None:
        """Start again whoever has ended."""
        for name, process in list(self._running.items()):
            if process.poll() is not None:
                self.start_again(name)

    def start_again(self, name: str) -> None:
        """Start one of them that has ended."""
        self.restarts += 1
        self._start(name)

    def ended(self, name: str) -> int | None:
        """Its exit status, None while it runs."""
        return self._running[name].poll()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one of them, if it has not just ended."""
        self._running[name].send_signal(number)

    def one_daemon(self, chance: random.Random) -> str:
        """The name of any daemon."""
        return chance.choice(self.daemons)

    def stop(self, names: Sequence[str]) -> list[str]:
        """Ask these to end; who did not do so as it should, as sentences."""
        asked = {name: self._running.pop(name) for name in names}
        for process in asked.values():
            process.terminate()
        wrong = []
        for name, process in asked.items():
            try:
                code = process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                wrong.append(f"{name} did not end within {STOP_WITHIN:.0f} s")
            else:
                if code:
                    wrong.append(f"{name} ended with {code}")
        return wrong

    def _start(self, name: str) -> None:
        tied = shutil.which("setpriv")
        host = self._host(name)
        with self._stage.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [
                    *(host.inside() if host else ()),
                    *((tied, "--pdeathsig", "KILL") if tied else ()),
                    *(sys.executable, "-m", *self._arguments(name)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | ENVIRON | self._credentials(name) | (REMOTE if host else {}),
                start_new_session=True,
            )

    def _host(self, name: str) -> Host | None:
        """Where it runs, None if here: the partners do, and all where there are no hosts."""
        if name in self.partners or not self.hosts:
            return None
        return self.hosts[int(name.rsplit("-", 1)[1]) % len(self.hosts)]

    def _credentials(self, name: str) -> dict[str, str]:
        keys: Path = self._stage.credentials(name.rsplit("-", 1)[0])
        return {"CREDENTIALS_DIRECTORY": str(keys)} if keys.is_dir() else {}

    def _arguments(self, name: str) -> Sequence[str]:
        stage = self._stage
        if name in self.daemons:
            daemon = name.rsplit("-", 1)[0]
            return (f"daemons.{daemon}", "--config", str(stage.properties))
        return (
            *("console.main", "warehouse", "run", "--warehouse", name, "--plan", PLAN),
            *("--folder", str(stage.partner(name)), "--seed", str(self._seed)),
            *("--take", str(stage.out / name), "--drop", str(stage.in_ / name)),
            *("--envelope", PROFILES[name].name, "--restock", "1", "--every", "0.05"),
            *(("--acknowledge",) if name == ACKNOWLEDGING else ()),
        )
