"""The program around a daemon: options, manual page, exit codes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from core.config import ConfigError, Properties
from core.daemon import Daemon, Duty, command
from core.errors import Defer
from tests.postgres import Database

pytestmark = pytest.mark.usefixtures("log_restored")

MANUAL = """test-daemon - does nothing

SYNOPSIS

    test-daemon [--config FILE] [--once | --check]

EXIT STATUS

    0   ended as asked          2   wrong usage
"""

Build = Callable[[Properties], Daemon]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SALES_ORDER_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)


@pytest.fixture
def properties(tmp_path: Path) -> Path:
    """A file of properties without a property."""
    path = tmp_path / "test.properties"
    path.write_text("sales.order.log.format=json\n")
    return path


def invoke(build: Build, *arguments: str | Path) -> Result:
    """The program with these arguments."""
    return CliRunner().invoke(command("test", MANUAL, build), [str(part) for part in arguments])


def never(_: Properties) -> Daemon:
    """For what ends before a daemon is made."""
    raise AssertionError


def daemon(connect: Callable[[], psycopg.Connection], *problems: str) -> Daemon:
    """Nothing to do, and these problems."""
    duty = Duty("nothing", lambda _: False)
    return Daemon("test", [duty], connect, check=lambda _: list(problems))


def test_help_is_the_manual_page() -> None:
    """--help prints the docstring as it is, and then the options."""
    result = invoke(never, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(MANUAL)
    for option in ("--config FILE", "--once", "--check", "--help"):
        assert option in result.stdout.removeprefix(MANUAL)


@pytest.mark.parametrize("arguments", [("--once", "--check"), ("--unknown",), ("argument",)])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    """Wrong usage is exit code 2, before anything is read."""
    assert invoke(never, *arguments).exit_code == 2


def test_bad_property(tmp_path: Path) -> None:
    """Bad properties stop the start with 78, each on a line of its own and in the log."""
    path = tmp_path / "bad.properties"
    path.write_text("sales.order.log.level=loud\nsales.order.database.prot=5432\n")
    result = invoke(never, "--config", path)
    assert result.exit_code == 78
    told = [line for line in result.stderr.splitlines() if line.startswith(str(path))]
    assert any("sales.order.log.level" in line for line in told)
    assert any("sales.order.database.prot" in line for line in told)
    assert result.stderr.count("CONFIG_REFUSED") == len(told) == 2


def test_no_properties(tmp_path: Path) -> None:
    """A file of properties that is not there stops the start with 78."""
    assert invoke(never, "--config", tmp_path / "missing").exit_code == 78


def test_key_that_is_refused(properties: Path) -> None:
    """What `build` refuses is exit code 78 as well."""

    def build(_: Properties) -> Daemon:
        raise ConfigError(["the key signing.key can be read by others"])

    result = invoke(build, "--config", properties)
    assert result.exit_code == 78
    assert "the key signing.key can be read by others" in result.stderr.splitlines()


def test_check_finds_nothing(tables: Database, properties: Path) -> None:
    """--check with nothing to mend is 0."""
    result = invoke(lambda _: daemon(tables.connect), "--config", properties, "--check")
    assert (result.exit_code, result.stdout) == (0, "test: nothing to mend\n")


def test_check_finds_problems(tables: Database, properties: Path) -> None:
    """--check prints each problem and ends with 78."""
    build: Build = lambda _: daemon(tables.connect, "one thing", "another")  # noqa: E731
    result = invoke(build, "--config", properties, "--check")
    assert (result.exit_code, result.stderr) == (78, "one thing\nanother\n")


def test_check_without_database(properties: Path, tmp_path: Path) -> None:
    """--check while the database is away is 75 and says so."""
    build: Build = lambda _: daemon(lambda: psycopg.connect(f"host={tmp_path}"))  # noqa: E731
    result = invoke(build, "--config", properties, "--check")
    assert result.exit_code == 75
    assert "OperationalError" in result.stderr


def test_check_of_a_database_that_is_not_ready(tables: Database, properties: Path) -> None:
    """--check of a schema that is not the needed one is 75 and says which is."""

    def on_connect(_: psycopg.Connection) -> None:
        raise Defer("needed is 0042: run cmp-orders db migrate")

    build: Build = lambda _: Daemon("test", [], tables.connect, on_connect)  # noqa: E731
    result = invoke(build, "--config", properties, "--check")
    assert (result.exit_code, result.stderr) == (75, "needed is 0042: run cmp-orders db migrate\n")


def test_once(tables: Database, properties: Path) -> None:
    """--once works until there is no more, and ends with 0."""
    result = invoke(lambda _: daemon(tables.connect), "--config", properties, "--once")
    assert result.exit_code == 0
    assert '"DAEMON_STOPPED"' in result.stderr
