"""What an exception means, and that a daemon goes on after it."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import psycopg
import pytest

from console.embedded import EmbeddedPostgres
from core.daemon.outcomes import Outcome, judge
from core.errors import Defer, Reason, Reject, StaleState
from tests.core.daemon.conftest import Spawn
from tests.core.daemon.programs import MARKER
from tests.postgres import Database


@pytest.mark.parametrize(
    ("sqlstate", "outcome"),
    [
        ("40001", Outcome.RETRY),
        ("40P01", Outcome.RETRY),
        ("55P03", Outcome.RETRY),
        ("57014", Outcome.RETRY),
        ("08006", Outcome.DATABASE),
        ("57P01", Outcome.DATABASE),
        ("57P03", Outcome.DATABASE),
        ("25006", Outcome.DATABASE),
        ("25P03", Outcome.DATABASE),
        ("53100", Outcome.SURROUNDINGS),
        ("53200", Outcome.SURROUNDINGS),
        ("58030", Outcome.SURROUNDINGS),
        ("23505", Outcome.FAULT),
        ("42501", Outcome.FAULT),
        ("55000", Outcome.FAULT),
    ],
)
def test_sqlstate_decides(tables: Database, sqlstate: str, outcome: Outcome) -> None:
    """An error of the server is judged by its SQLSTATE, whatever psycopg's class for it."""
    with pytest.raises(psycopg.Error) as raised:
        tables.connect().execute(
            f"do $$ begin raise exception using errcode = '{sqlstate}'; end $$"
        )
    assert raised.value.sqlstate == sqlstate
    assert judge(raised.value) is outcome


def test_broken_connection_is_the_database(tables: Database) -> None:
    """A statement on a connection that is gone has no SQLSTATE, and means that it is away."""
    conn = tables.connect()
    other = tables.connect()
    other.execute("select pg_terminate_backend(%s, 20000)", [conn.info.backend_pid])
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError) as raised:
            conn.execute("select 1")
        assert judge(raised.value) is Outcome.DATABASE


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), Outcome.SURROUNDINGS),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), Outcome.SURROUNDINGS),
        (Defer("later"), Outcome.DEFER),
        (StaleState("moved"), Outcome.RETRY),
        (Reject(Reason.NOT_JSON, "no document"), Outcome.FAULT),
        (ValueError("bug"), Outcome.FAULT),
        (psycopg.ProgrammingError("the query has 1 placeholder"), Outcome.FAULT),
    ],
)
def test_type_decides(error: Exception, outcome: Outcome) -> None:
    """What the operating system refuses is the surroundings; what nobody expects is our bug."""
    assert judge(error) is outcome


def test_serialization_failure_is_retried(tables: Database, spawn: Spawn) -> None:
    """A unit that the server rolled back is tried again at once, five times, without a word."""
    child = spawn("raises", tables.conninfo(), "40001", "5")
    child.line(within=10.0, succeeded=True)
    assert child.count(look="raises") == 6
    assert child.count(event="UNIT_DEFERRED") == 0
    assert child.stop() == 0


def test_retries_have_an_end(tables: Database, spawn: Spawn) -> None:
    """After five retries the unit is deferred, which is told, and tried again later."""
    child = spawn("raises", tables.conninfo(), "40P01", "6")
    deferred = child.line(event="UNIT_DEFERRED", duty="raises")
    assert "40P01" in deferred["why"]
    child.line(succeeded=True)
    assert child.count(look="raises") == 7
    assert child.stop() == 0


def test_bug_stops_only_its_duty(tables: Database, spawn: Spawn) -> None:
    """A fault in a unit is told with its traceback, without data; the other duties go on, and it is
    tried again, though what it then says once more is held back.
    """
    child = spawn("faulty", tables.conninfo())
    failed = child.line(event="UNIT_FAILED", duty="broken", level="critical")
    assert "in broken" in failed["error"]
    child.line(look="sound")
    child.line(look="broken")
    child.line(look="sound")
    assert child.stop() == 0
    assert MARKER not in str(child.seen)


def test_what_should_not_escape_a_unit(tables: Database, spawn: Spawn) -> None:
    """StaleState means to look again, Reject is a fault there, Defer waits; all three go on."""
    child = spawn("escapes", tables.conninfo())
    child.line(event="UNIT_FAILED")
    assert child.count(look="escapes") == 2
    child.line(event="UNIT_DEFERRED", why="not yet", retry_in=0.1)
    child.line(look="escapes")
    assert child.stop() == 0


def test_surroundings_are_waited_for(tables: Database, spawn: Spawn, tmp_path: Path) -> None:
    """A directory that is gone is told of once, retried with a pause, and its return is told."""
    folder = tmp_path / "gone"
    child = spawn("disk", tables.conninfo(), str(folder))
    failed = child.line(event="SURROUNDINGS_FAILED", level="error", duty="disk")
    assert failed["path"] == str(folder / "file")
    for _ in range(3):
        child.line(look="disk")
    folder.mkdir()
    back = child.line(event="SURROUNDINGS_BACK", duty="disk")
    assert back["seconds"] > 0
    child.line(written=True)
    assert child.stop() == 0
    assert child.count(event="SURROUNDINGS_FAILED") == 1


def test_database_killed_and_restarted(spawn: Spawn) -> None:
    """When the server crashes and comes back the daemon goes on by itself, told once each way."""
    with EmbeddedPostgres(settings={"fsync": "off"}) as server:
        with psycopg.connect(server.conninfo(), autocommit=True) as conn:
            conn.execute("create table job (id integer primary key)")
            child = spawn("jobs", server.conninfo())
            child.line(event="DAEMON_READY")
        server.stop(signal.SIGQUIT)
        child.line(event="DATABASE_AWAY")
        server.start()
        assert child.line(event="DATABASE_BACK")["attempts"] >= 1
        with psycopg.connect(server.conninfo(), autocommit=True) as conn:
            conn.execute("insert into job values (1)")
        child.line(job=1)
        assert child.stop() == 0
    assert child.count(event="DATABASE_AWAY") == 1
    assert child.count(event="DATABASE_BACK") == 1
    assert child.count(event="DAEMON_READY") == 1


def test_unit_that_breaks_the_connection(tables: Database, spawn: Spawn) -> None:
    """A unit that ends the session each time rests longer and longer, and the others go on."""
    child = spawn("breaks", tables.conninfo())
    for _ in range(10):
        child.line(event="DATABASE_BACK")
    assert child.count(look="sound") > 12
    assert child.stop() == 0


def test_session_that_is_ended_while_idle(tables: Database, spawn: Spawn) -> None:
    """A connection that breaks while nothing is done is noticed at once, its hints made good."""
    child = spawn("listen", tables.conninfo())
    child.line(look="orders")
    conn = tables.connect()
    conn.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    child.line(event="DATABASE_AWAY")
    child.line(event="DATABASE_BACK")
    child.line(look="orders")
    conn.execute("notify test_orders")
    child.line(look="orders")
    assert child.stop() == 0


def test_no_work_before_the_daemon_accepts_the_database(tables: Database, spawn: Spawn) -> None:
    """While on_connect defers, no duty looks and the daemon is not ready."""
    child = spawn("schema", tables.conninfo())
    child.line(event="UNIT_DEFERRED", why="the table wanted is missing")
    tables.connect().execute("create table wanted ()")
    child.line(event="DAEMON_READY")
    assert child.count(look="look") == 0
    child.line(look="look")
    assert child.stop() == 0
