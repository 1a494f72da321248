"""A daemon obeys within its stop time, whatever is in hand."""

from __future__ import annotations

import signal
import socket
import time

import psycopg
import pytest

from console.embedded import EmbeddedPostgres
from tests.core.daemon.conftest import Spawn
from tests.postgres import Database


def rows(database: Database) -> int:
    """How many rows units have committed."""
    row = database.connect().execute("select count(*) from done").fetchone()
    return int(row[0]) if row else 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_unit_in_hand_is_finished(tables: Database, spawn: Spawn, number: signal.Signals) -> None:
    """A signal to stop lets the unit in hand finish, and no other begins."""
    child = spawn("long", tables.conninfo(), "30", "1")
    child.line(begun=True)
    child.signal(number)
    assert child.ended() == 0
    assert (child.count(finished=True), child.count(begun=True)) == (1, 1)
    assert child.count(event="DAEMON_STOPPED", why=number.name, exit_code=0) == 1
    assert rows(tables) == 1


def test_long_statement_is_cancelled(tables: Database, spawn: Spawn) -> None:
    """Past half of the stop time the statement is cancelled, the unit rolled back; no failure."""
    child = spawn("long", tables.conninfo(), "3", "60")
    child.line(begun=True)
    begun = child.signal()
    assert child.ended() == 0
    assert 1.4 < time.monotonic() - begun < 3.0
    assert child.count(event="DAEMON_STOPPED", exit_code=0) == 1
    assert not [line for line in child.seen if line.get("level") in {"error", "critical"}]
    assert rows(tables) == 0


def test_second_signal_hurries(tables: Database, spawn: Spawn) -> None:
    """The second signal to stop cancels the statement at once."""
    child = spawn("long", tables.conninfo(), "60", "60")
    child.line(begun=True)
    child.signal()
    begun = child.signal(signal.SIGINT)
    assert child.ended() == 0
    assert time.monotonic() - begun < 10.0
    assert rows(tables) == 0


def test_what_cannot_be_cancelled_does_not_hold_it(tables: Database, spawn: Spawn) -> None:
    """A unit that hangs outside the database is left as by a crash, within the stop time."""
    child = spawn("stuck", tables.conninfo(), "2")
    child.line(begun=True)
    begun = child.signal()
    assert child.ended() == 75
    assert time.monotonic() - begun < 2.0


def test_server_that_does_not_answer(spawn: Spawn) -> None:
    """While it waits for a server that takes the connection and says nothing, it stops at once."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30.0)
        port = silent.getsockname()[1]
        child = spawn("listen", f"host=127.0.0.1 port={port} sslmode=disable gssencmode=disable")
        accepted, _ = silent.accept()
        with accepted:
            begun = child.signal()
            assert child.ended() == 0
    assert time.monotonic() - begun < 5.0


def test_cancelled_wait_for_the_standby_is_no_commit(spawn: Spawn) -> None:
    """A commit whose wait for the standby was cancelled is not believed; nothing follows."""
    with (
        EmbeddedPostgres(settings={"fsync": "off"}) as server,
        psycopg.connect(server.conninfo(), autocommit=True) as conn,
    ):
        conn.execute("create table done (what text)")
        conn.execute("alter system set synchronous_standby_names = 'nobody'")
        conn.execute("select pg_reload_conf()")
        child = spawn("follows", server.conninfo())
        child.line(begun=True)
        deadline = time.monotonic() + 20.0
        while (
            conn.execute("select from pg_stat_activity where wait_event = 'SyncRep'").fetchall()
            == []
        ):
            assert time.monotonic() < deadline
        child.signal()
        child.signal(signal.SIGINT)
        assert child.ended() == 0
    assert child.count(followed=True) == 0
