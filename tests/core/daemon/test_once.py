"""Draining with `once`, and whose turn it is; in this process, since no signals are needed."""

from __future__ import annotations

import signal
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from core.daemon import Daemon, Duty, run
from core.errors import Defer
from tests.core.daemon.programs import Work
from tests.postgres import Database

pytestmark = pytest.mark.usefixtures("log_restored")


class Crash(BaseException):
    """The end of the process, as a harness simulates it."""


def units(name: str, count: int, done: list[str]) -> Work:
    """A duty's work: so many units."""
    left = count

    def work(_: psycopg.Connection) -> bool:
        nonlocal left
        if left == 0:
            return False
        left -= 1
        done.append(name)
        return True

    return work


def test_duties_take_turns(tables: Database) -> None:
    """A duty with much to do does not keep another from its few units."""
    done: list[str] = []
    duties = [Duty("many", units("many", 20, done)), Duty("few", units("few", 3, done))]
    assert run(Daemon("test", duties, tables.connect), once=True) == 0
    assert done[:6] == ["many", "few"] * 3
    assert done[6:] == ["many"] * 17


def test_once_drains_what_duties_make_for_each_other(tables: Database) -> None:
    """It ends when no duty has more, work that a later duty made for an earlier one included."""
    done: list[str] = []

    def first(conn: psycopg.Connection) -> bool:
        taken = conn.execute("delete from job returning id").fetchall()
        done.extend("first" for _ in taken)
        return bool(taken)

    def second(conn: psycopg.Connection) -> bool:
        number = done.count("second")
        if number == 3:
            return False
        done.append("second")
        conn.execute("insert into job values (%s)", [number])
        return True

    duties = [Duty("first", first, on_start=False), Duty("second", second)]
    assert run(Daemon("test", duties, tables.connect), once=True) == 0
    assert sorted(done) == ["first"] * 3 + ["second"] * 3


@pytest.mark.parametrize(
    "error", [Defer("later"), OSError(28, "No space left on device"), ValueError("bug")]
)
def test_once_with_trouble(tables: Database, error: Exception) -> None:
    """What cannot be done now is tried once, the rest is done, and the exit code is 75."""
    done: list[str] = []

    def troubled(_: psycopg.Connection) -> bool:
        done.append("troubled")
        raise error

    duties = [Duty("troubled", troubled), Duty("sound", units("sound", 3, done))]
    assert run(Daemon("test", duties, tables.connect), once=True) == 75
    assert sorted(done) == ["sound"] * 3 + ["troubled"]


def test_once_without_database(tmp_path: Path) -> None:
    """With no database to work on it ends at once with 75."""

    def connect() -> psycopg.Connection:
        return psycopg.connect(f"host={tmp_path}", autocommit=True)

    assert run(Daemon("test", [Duty("none", units("none", 1, []))], connect), once=True) == 75


def test_crash_passes_through(tables: Database) -> None:
    """What is no Exception ends the run as it is: the transaction is left as the crash found it."""
    conns: list[psycopg.Connection] = []

    def work(conn: psycopg.Connection) -> bool:
        conns.append(conn)
        conn.execute("begin")
        conn.execute("insert into done values ('crash')")
        raise Crash

    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Crash):
        run(Daemon("test", [Duty("work", work)], tables.connect), once=True)
    assert conns[0].info.transaction_status == TransactionStatus.INTRANS
    assert signal.getsignal(signal.SIGTERM) is handler


def test_unit_that_leaves_its_transaction_open(tables: Database) -> None:
    """An open transaction after a unit is a fault, and is rolled back with the locks it took."""
    seen: list[object] = []

    def forgets(conn: psycopg.Connection) -> bool:
        conn.execute("select pg_advisory_lock(1)")
        conn.execute("begin")
        conn.execute("insert into done values ('forgotten')")
        return False

    def sound(conn: psycopg.Connection) -> bool:
        locks = conn.execute(
            "select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
        )
        seen.append((conn.info.transaction_status, locks.fetchall()))
        return False

    duties = [Duty("forgets", forgets), Duty("sound", sound)]
    assert run(Daemon("test", duties, tables.connect), once=True) == 75
    assert seen == [(TransactionStatus.IDLE, [])]
    assert tables.connect().execute("select from done").fetchall() == []
