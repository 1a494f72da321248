"""What all tests share: a real PostgreSQL, trees of real files, a log that is reset."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings

from console.embedded import EmbeddedPostgres
from tests import postgres
from tests.site import CUSTOMER, STREET
from tests.system.leaks import planted

# For `make test-full`, by --hypothesis-profile; a test that names a number of its own keeps it.
settings.register_profile("full", max_examples=5_000, deadline=None, print_blob=True)

PLANTED = (CUSTOMER, STREET, planted.PASSWORD, *planted.CUSTOMER.values(),
           *planted.PARTNER.values())  # fmt: skip
"""What no program of ours may write, whatever a test has it do."""

BOX = "tests/system/systemd/"
SERVER = pytest.StashKey[EmbeddedPostgres]()

# A shell that runs us in the background has interrupts ignored, and whatever we start would inherit
# that: then nothing that a test interrupts would end.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Trees:
    """The two trees of generic files, empty."""

    out: Path
    in_: Path


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A worker of pytest-xdist is about to start: the server is up, and the worker knows where."""
    stash = node.config.stash
    if SERVER not in stash:
        stash[SERVER] = postgres.start_server()
    node.workerinput["postgres"] = stash[SERVER].host


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What needs a booted systemd stays in one process, in its order; the rest goes where it may.

    By the path and not by marks: with pytest 9.2 the groups of pytest-xdist 3.8 have no effect.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  # only where it runs

    class ByRoom(LoadScopeScheduling):  # type: ignore[misc]  # comes without types
        def _split_scope(self, nodeid: str) -> str:
            return BOX if nodeid.startswith(BOX) else nodeid

    return ByRoom(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """The run is over: the server that it shared ends."""
    if SERVER in config.stash:
        config.stash[SERVER].close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that passes and has left a customer's data in its output has failed all the same.

    A verb that is meant to show them is read by its test, and so leaves nothing behind.
    """
    report = yield
    if report.passed and report.when == "call":
        leaked = [marker for marker in PLANTED for _, said in report.sections if marker in said]
        if leaked:
            report.outcome = "failed"
            report.longrepr = f"personal data in the output: {', '.join(sorted(set(leaked)))}"
    return report


@pytest.fixture(scope="session")
def postgres_host(request: pytest.FixtureRequest) -> str:
    """The folder of the socket of the run's server; started at first use without workers."""
    config = request.config
    if hasattr(config, "workerinput"):
        return str(config.workerinput["postgres"])
    if SERVER not in config.stash:
        config.stash[SERVER] = postgres.start_server()
    return config.stash[SERVER].host


@pytest.fixture
def database(postgres_host: str) -> Iterator[postgres.Database]:
    """A migrated database of the test's own: .conninfo(role), .address(role), .connect(role)."""
    with postgres.clone(postgres_host) as clone:
        yield clone


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    """Two empty folders for the outbound and the inbound tree."""
    made = Trees(tmp_path / "out", tmp_path / "in")
    made.out.mkdir()
    made.in_.mkdir()
    return made


@pytest.fixture
def log_restored() -> Iterator[None]:
    """For tests that call log.configure in this process: what it set is put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks
