"""One booted machine a worker, with the package installed and set up; booted when first needed."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from debian.build import build
from tests.system.systemd import box
from tests.system.systemd.debian import Debian
from tests.system.systemd.installation import Installation, programs

VERSION = "0.1.0"


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the run's own for the packages that are built in it, once for all workers."""
    base = tmp_path_factory.getbasetemp()
    # Workers of pytest-xdist have a folder each below that of the run.
    folder = (base.parent if base.name.startswith("popen-") else base) / "packages"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def package(packages: Path) -> Path:
    """The Debian package of this checkout; skips where dpkg is not at home."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    return built(packages, VERSION)


def built(folder: Path, version: str) -> Path:
    """The package of this version, made if no other worker has; not packed, which takes longest."""
    made = folder / version
    with (folder / f"{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            build(folder / f"{version}.making", version, compression="none")
            (folder / f"{version}.making").rename(made)
    [package] = made.glob("*.deb")
    return package


@pytest.fixture(scope="session")
def machine() -> None:
    """Skips where no systemd of one's own can be booted, saying why."""
    if reason := box.why_not():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def debian(
    machine: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Debian | None]:
    """A clean Debian 12 in the making, beside the tests: it takes a minute. None if no test of this
    run asks for it.
    """
    del machine
    if not any("operator" in item.fixturenames for item in request.session.items):  # type: ignore[attr-defined]
        yield None
        return
    with Debian(tmp_path_factory.mktemp("debian")) as making:
        yield making


@pytest.fixture(scope="session")
def installed(machine: None, debian: Debian | None, package: Path) -> Iterator[Installation]:
    """A box in which everything is set up and runs."""
    # The clean machine is for later tests, and is made while those of this one run.
    del machine, debian
    with box.Box(programs()) as booted:
        installation = Installation(booted)
        installation.install_database()
        installation.install(package)
        installation.set_up()
        installation.start()
        yield installation


@pytest.fixture
def running(installed: Installation) -> Iterator[Installation]:
    """The same; when the test ends its drop-ins are gone and all daemons run again."""
    installed.start()
    yield installed
    installed.restore()
