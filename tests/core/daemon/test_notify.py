"""What the service manager is told: sd_notify(3)."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.core.daemon.conftest import Spawn
from tests.postgres import Database


class Manager:
    """A service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.seen: list[str] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def told(self, beginning: str, within: float = 30.0) -> str:
        """The next line that begins so."""
        deadline = time.monotonic() + within
        while True:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                lines = self.socket.recv(65536).decode().split("\n")
            except TimeoutError:
                pytest.fail(f"nothing that begins {beginning!r} was told, only {self.seen}")
            self.seen += lines
            for line in lines:
                if line.startswith(beginning):
                    return line


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """Listens on a socket in the file system, and on one in the abstract namespace."""
    name = f"@orders-{uuid4().hex}" if request.param == "abstract" else str(tmp_path / "notify")
    listening = Manager(name)
    with listening.socket:
        yield listening


def test_life_of_a_daemon_is_told(tables: Database, spawn: Spawn, manager: Manager) -> None:
    """READY once it works, STATUS with what was done and what waits, STOPPING at the end."""
    child = spawn("jobs", tables.conninfo(), environ={"NOTIFY_SOCKET": manager.address})
    manager.told("READY=1")
    assert manager.told("STATUS=nothing done yet")
    tables.connect().execute("insert into job values (1)")
    child.line(job=1)
    assert "0 jobs wait" in manager.told("STATUS=last done: jobs at ")
    child.signal()
    manager.told("STOPPING=1")
    assert child.ended() == 0
    assert manager.seen.count("READY=1") == 1
    assert "WATCHDOG=1" not in manager.seen


def test_sign_of_life_while_the_database_is_away(
    spawn: Spawn, manager: Manager, tmp_path: Path
) -> None:
    """The watchdog is fed, more patience is asked for, and STATUS says since when it is failing."""
    child = spawn(
        "jobs",
        f"host={tmp_path}",
        environ={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "600000"},
    )
    assert manager.told("WATCHDOG=1")
    assert manager.told("STATUS=nothing done yet; failing since 2")
    for _ in range(5):
        manager.told("WATCHDOG=1", within=5.0)
        manager.told("EXTEND_TIMEOUT_USEC=600000", within=5.0)
    assert child.stop() == 0
    assert "READY=1" not in manager.seen


def test_sign_of_life_while_there_is_nothing_to_do(
    tables: Database, spawn: Spawn, manager: Manager
) -> None:
    """A daemon that has nothing to do for an hour feeds the watchdog meanwhile."""
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "600000"}
    child = spawn("listen", tables.conninfo(), environ=environ)
    manager.told("READY=1")
    for _ in range(5):
        manager.told("WATCHDOG=1", within=5.0)
    assert child.stop() == 0


def test_properties_read_again(tables: Database, spawn: Spawn, manager: Manager) -> None:
    """SIGHUP has the daemon go on as its new properties say, or as before if these are wrong."""
    child = spawn("reloads", tables.conninfo(), environ={"NOTIFY_SOCKET": manager.address})
    child.line(look="first")
    manager.told("READY=1")
    child.signal(signal.SIGHUP)
    manager.told("RELOADING=1")
    manager.told("READY=1")
    child.line(look="second")
    child.signal(signal.SIGHUP)
    child.line(event="CONFIG_REFUSED", problem="line 7 is wrong")
    child.line(look="second")
    assert child.stop() == 0


def test_hangup_without_reload_is_harmless(tables: Database, spawn: Spawn) -> None:
    """A daemon that cannot read its properties again does not die of SIGHUP."""
    child = spawn("listen", tables.conninfo())
    child.line(look="orders")
    child.signal(signal.SIGHUP)
    tables.connect().execute("notify test_orders")
    child.line(look="orders")
    assert child.stop() == 0
