"""A world for each test of crashes: keys made once, a database and trees of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core import log
from core.directory import durable
from tests import postgres
from tests.system.crash.world import World, make_keys


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our keys and the partner's."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def quiet(log_restored: None, tmp_path: Path) -> Iterator[None]:
    """The daemons' log goes to a file beside the test's other files."""
    del log_restored
    with (tmp_path / "log").open("w", encoding="utf-8") as stream:
        log.configure("crash-test", format="json", stream=stream)
        yield


@pytest.fixture
def world(
    tmp_path: Path,
    database: postgres.Database,
    keys: Path,
    quiet: None,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """An installation whose disk and connections count their steps."""
    del quiet
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "")
    made = World(tmp_path / "world", database, keys)
    monkeypatch.setattr(durable, "os", made.disk)
    return made
