"""A server, its standby if asked for, and an installation that works on whichever takes writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.system.failover.scene import Scene
from tests.system.failover.servers import Server, Standby


@pytest.fixture
def server() -> Iterator[Server]:
    """The server that is lost."""
    with Server() as server:
        yield server


@pytest.fixture
def standby(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standby]:
    """Its standby, and both in the daemons' address."""
    with Standby(server) as standby:
        monkeypatch.setenv("SALES_ORDER_DATABASE_HOST", f"{server.host},{standby.host}")
        yield standby


@pytest.fixture
def scene(server: Server, tmp_path: Path) -> Iterator[Scene]:
    """The installation; its processes have ended before the servers do."""
    with ExitStack() as stack:
        scene = Scene(tmp_path, server)
        stack.callback(scene.close)
        yield scene
