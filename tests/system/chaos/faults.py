"""What the monkey does: each fault begins where its context is entered, and ends where it is left.

`Unfit` says that it cannot be done here or now; then it does not count.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from console.demo.stage import Stage
from tests.system.chaos.fleet import Fleet
from tests.system.chaos.hosts import Host

FILLER = ".filler"
PIECE = 1 << 20
GIVEN_UP = 10.0
"""Seconds after which the server has let go of whoever does not answer: core.db.connect."""


class Unfit(Exception):
    """A fault that is not possible here, or not now."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What the monkey can get at."""

    stage: Stage
    fleet: Fleet
    chance: random.Random
    mounted: bool
    """Whether each tree is on a small file system of its own."""

    problems: list[str]
    """What should not have been, as sentences."""

    def sessions(self, host: Host) -> set[int]:
        """The server's processes that a host's daemons have, with all their locks; none: away."""
        try:
            with self.stage.connect() as conn:
                found = conn.execute(
                    "select pid from pg_stat_activity where client_addr = %s", (host.address,)
                )
                return {row[0] for row in found}
        except psycopg.OperationalError:
            return set()

    def tree(self) -> Path:
        """Any of the two trees."""
        if not self.mounted:
            raise Unfit("the trees have no file systems of their own")
        return self.chance.choice((self.stage.out, self.stage.in_))


@contextmanager
def killed(reach: Reach) -> Iterator[None]:
    """A daemon is killed without notice."""
    reach.fleet.signal(reach.fleet.one_daemon(reach.chance), signal.SIGKILL)
    yield


@contextmanager
def stopped(reach: Reach) -> Iterator[None]:
    """A daemon is asked to end, in the middle of whatever it does."""
    reach.fleet.signal(reach.fleet.one_daemon(reach.chance), signal.SIGTERM)
    yield


@contextmanager
def frozen(reach: Reach) -> Iterator[None]:
    """A daemon stands still with all its locks, and goes on as if nothing had been."""
    name = reach.fleet.one_daemon(reach.chance)
    reach.fleet.signal(name, signal.SIGSTOP)
    yield
    reach.fleet.signal(name, signal.SIGCONT)


@contextmanager
def partner_killed(reach: Reach) -> Iterator[None]:
    """A partner's software is killed in the middle of taking or dropping files."""
    reach.fleet.signal(reach.chance.choice(reach.fleet.partners), signal.SIGKILL)
    yield


@contextmanager
def database_crashed(reach: Reach) -> Iterator[None]:
    """The database goes down at once, as without power, and comes back."""
    reach.stage.server.stop(signal.SIGQUIT)
    yield
    reach.stage.server.start()


@contextmanager
def line_cut(reach: Reach) -> Iterator[None]:
    """The database ends some of the daemons' sessions."""
    try:
        with reach.stage.connect() as conn:
            conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where usename like 'sales_order_%' and random() < 0.5"
            )
    except psycopg.OperationalError as error:
        raise Unfit("the database is away") from error
    yield


@contextmanager
def disk_full(reach: Reach) -> Iterator[None]:
    """One tree's file system has no byte left."""
    filler = reach.tree() / FILLER
    try:
        file = filler.open("wb", buffering=0)
    except OSError as error:
        raise Unfit("the tree takes nothing now") from error
    with file, suppress(OSError):
        while True:
            file.write(b"\0" * PIECE)
    yield
    filler.unlink(missing_ok=True)


@contextmanager
def read_only(reach: Reach) -> Iterator[None]:
    """Nothing can be written in one tree."""
    tree = str(reach.tree())
    if subprocess.run(
        ["mount", "-o", "remount,ro", tree], check=False, capture_output=True
    ).returncode:
        raise Unfit("the tree is being written to")
    yield
    subprocess.run(["mount", "-o", "remount,rw", tree], check=True, capture_output=True)


@contextmanager
def replayed(reach: Reach) -> Iterator[None]:
    """A partner drops files again that were accepted long ago, under other names, out of order."""
    warehouse = reach.chance.choice(reach.fleet.partners)
    archive, inbox = reach.stage.in_ / "archive" / warehouse, reach.stage.in_ / warehouse
    try:
        files = sorted(archive.glob("*.p7m"))
        if not files:
            raise Unfit("nothing was accepted yet")
        for path in reach.chance.sample(files, min(3, len(files))):
            name = f"again-{reach.chance.randrange(10**9)}.p7m"
            shutil.copy(path, inbox / f".{name}")
            (inbox / f".{name}").rename(inbox / name)
    except OSError as error:
        raise Unfit("the tree takes nothing now") from error
    yield


@contextmanager
def snatched(reach: Reach) -> Iterator[None]:
    """A partner moves away what lies there, whatever it is, and looks at it only later."""
    warehouse = reach.chance.choice(reach.fleet.partners)
    partner = reach.stage.partner(warehouse)
    aside = partner / "aside"
    aside.mkdir(exist_ok=True)
    for path in (reach.stage.out / warehouse).glob("[!.]*.p7m"):
        # The partner's own software may be quicker, and the tree may be read-only.
        with suppress(OSError):
            # Copied only once it is nobody else's: a copy beside the file would be a second file.
            mine = path.rename(path.with_name(f".snatched.{path.name}"))
            shutil.copyfile(mine, aside / f".{path.name}")
            (aside / f".{path.name}").rename(aside / path.name)
            mine.unlink()
    yield
    for path in aside.glob("[!.]*"):
        path.rename(partner / "taken" / path.name)


@contextmanager
def network_cut(reach: Reach) -> Iterator[None]:
    """A host cannot reach the database any more; nobody is told, at neither end of the line."""
    host = reach.chance.choice(reach.fleet.hosts)
    began, before = time.monotonic(), reach.sessions(host)
    host.cut()
    yield
    lasted = time.monotonic() - began
    if lasted > GIVEN_UP and (kept := before & reach.sessions(host)):
        reach.problems.append(f"{host.name} cut off for {lasted:.1f} s, {len(kept)} sessions kept")
    host.mend()


Fault = Callable[[Reach], AbstractContextManager[None]]
FAULTS: Mapping[str, tuple[Fault, int]] = {
    "killed": (killed, 4),
    "stopped": (stopped, 2),
    "frozen": (frozen, 2),
    "partner_killed": (partner_killed, 1),
    "database_crashed": (database_crashed, 2),
    "line_cut": (line_cut, 2),
    "disk_full": (disk_full, 2),
    "read_only": (read_only, 2),
    "replayed": (replayed, 2),
    "snatched": (snatched, 1),
}
"""Each with how often it comes beside the others."""
BETWEEN_HOSTS: Mapping[str, tuple[Fault, int]] = {"network_cut": (network_cut, 4)}
"""What there is besides, where the daemons are on hosts of their own."""
