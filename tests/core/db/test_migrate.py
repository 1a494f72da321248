"""The schema is brought forward once, by whoever comes first, and never from another history."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from core.db.migrate import LOCK, MigrationError, migrate, migrations, require_current
from core.errors import Defer
from tests import postgres
from tests.postgres import Database

ONCE = 14
"""The migration that has a request in one batch."""
NAMES = [migration.name for migration in migrations()]
DEADLINE = 30.0


@contextmanager
def empty(host: str) -> Iterator[Database]:
    """A database in which nothing is yet."""
    database = Database(host, f"empty_{uuid4().hex[:12]}")
    name = sql.Identifier(database.name)
    with postgres.maintenance(host) as conn:
        conn.execute(sql.SQL("create database {}").format(name))
        try:
            yield database
        finally:
            database.close()
            conn.execute(sql.SQL("drop database {} with (force)").format(name))


def recorded(conn: psycopg.Connection) -> list[tuple[object, ...]]:
    """What the database says of its migrations."""
    return conn.execute("select * from schema_migration order by number").fetchall()


def test_files_are_numbered_without_a_gap() -> None:
    """Migrations count from 1 without a gap, and are applied in that order."""
    assert [migration.number for migration in migrations()] == list(range(1, len(NAMES) + 1))


def test_twice_is_nothing(postgres_host: str) -> None:
    """An empty database gets every file once, each with the digest of its content; then nothing."""
    with empty(postgres_host) as database:
        conn = database.connect()
        assert migrate(conn) == NAMES
        first = recorded(conn)
        assert [row[:3] for row in first] == [(m.number, m.name, m.digest) for m in migrations()]
        assert migrate(conn) == []
        assert recorded(conn) == first


def test_two_at_once(postgres_host: str) -> None:
    """Of two that migrate at the same time one does it all, and the other finds it done."""
    with empty(postgres_host) as database:
        gate, *pair = (database.connect() for _ in range(3))
        gate.execute("select pg_advisory_lock(%s)", (LOCK,))
        done: list[list[str]] = []
        threads = [
            threading.Thread(target=lambda conn=conn: done.append(migrate(conn))) for conn in pair
        ]
        for thread in threads:
            thread.start()
        wait_for_blocked(gate, 2)
        gate.execute("select pg_advisory_unlock(%s)", (LOCK,))
        for thread in threads:
            thread.join(DEADLINE)
        assert sorted(done) == [[], NAMES]


def wait_for_blocked(conn: psycopg.Connection, count: int) -> None:
    """Wait until so many sessions of this database wait for a lock."""
    end = time.monotonic() + DEADLINE
    query = (
        "select count(*) from pg_stat_activity "
        "where wait_event_type = 'Lock' and datname = current_database()"
    )
    while conn.execute(query).fetchone() != (count,):
        assert time.monotonic() < end, "nobody waits"


def test_changed_file_is_refused(database: Database) -> None:
    """A file that differs from what was applied is refused by name, and nothing is applied."""
    conn = database.connect()
    conn.execute("update schema_migration set sha256 = 'other' where number = 2")
    conn.execute("delete from schema_migration where number = %s", (len(NAMES),))
    before = recorded(conn)
    with pytest.raises(MigrationError, match=f"{NAMES[1]} was changed"):
        migrate(conn)
    assert recorded(conn) == before
    assert lock_is_free(database)


def test_later_database_is_refused(database: Database) -> None:
    """A database of a later release is refused, with the number that is not known here."""
    conn = database.connect()
    conn.execute("insert into schema_migration values (9999, '9999_later.sql', 'x')")
    with pytest.raises(MigrationError, match="9999"):
        migrate(conn)
    assert lock_is_free(database)


def lock_is_free(database: Database) -> bool:
    """Whether a second session gets the lock of migrations."""
    row = database.connect().execute("select pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
    return row == (True,)


def test_failed_file_leaves_nothing(postgres_host: str) -> None:
    """A file that fails is undone whole; those before it stay, and the next run goes on from
    there.
    """
    with empty(postgres_host) as database:
        conn = database.connect()
        # In the way of the second file, which makes a type of this name late.
        conn.execute("create table request_queue ()")
        with pytest.raises(psycopg.errors.DuplicateTable):
            migrate(conn)
        assert [row[0] for row in recorded(conn)] == [1]
        assert conn.execute("select to_regclass('sales_order')").fetchone() == (None,)
        conn.execute("drop table request_queue")
        assert migrate(conn) == NAMES[1:]


def as_before(conn: psycopg.Connection, number: int) -> None:
    """Bring an empty database to the schema before that migration."""
    conn.execute(
        "create table schema_migration (number integer primary key, name text not null,"
        " sha256 text not null, applied_at timestamptz not null default now())"
    )
    for one in migrations()[: number - 1]:
        with conn.transaction():
            conn.execute(one.sql.encode())
            conn.execute("insert into schema_migration values (%s, %s, %s)",
                         (one.number, one.name, one.digest))  # fmt: skip
    conn.execute("insert into warehouse (id, name) values ('LONDON', 'L'), ('LEEDS', 'L')")
    conn.execute(
        "insert into batch (type, warehouse_id, stage, stage_status, record_count)"
        " select 'Sales Order Request', id, 'Batch', 'Complete', 1 from warehouse order by id desc"
    )
    conn.execute("insert into request_detail values (1, 1, 7, 1), (2, 1, 7, 1), (1, 2, 7, 2)")


def test_details_of_before_get_their_warehouse(postgres_host: str) -> None:
    """Details that were there get the warehouse of their batch; the daemons of before, which name
    none, do as well.
    """
    with empty(postgres_host) as database:
        conn = database.connect()
        as_before(conn, ONCE)
        migrate(conn)
        conn.execute("insert into request_detail (batch_id, sequence, order_id, generation)"
                     " values (2, 2, 8, 1)")  # fmt: skip
        assert conn.execute("select * from request_detail order by 1, 2").fetchall() == [
            (1, 1, 7, 1, "LONDON"),
            (1, 2, 7, 2, "LONDON"),
            (2, 1, 7, 1, "LEEDS"),
            (2, 2, 8, 1, "LEEDS"),
        ]


def test_a_request_in_two_batches_stops_the_migration(postgres_host: str) -> None:
    """Where a warehouse was asked twice a person decides; the database stays as it was."""
    with empty(postgres_host) as database:
        conn = database.connect()
        as_before(conn, ONCE)
        conn.execute("insert into request_detail values (1, 3, 7, 1)")
        with pytest.raises(psycopg.errors.UniqueViolation, match="request_detail_once"):
            migrate(conn)
        assert recorded(conn)[-1][0] == ONCE - 1
        conn.execute("delete from request_detail where (batch_id, sequence) = (1, 3)")
        assert migrate(conn) == NAMES[ONCE - 1 :]


def test_daemons_wait_for_their_schema(postgres_host: str) -> None:
    """A daemon waits, saying which schema it needs, until the database is there."""
    with empty(postgres_host) as database:
        conn = database.connect()
        with pytest.raises(Defer, match=f"at migration 0000, needed is {len(NAMES):04}"):
            require_current(conn)
        migrate(conn)
        require_current(conn)
        conn.execute("delete from schema_migration where number = %s", (len(NAMES),))
        with pytest.raises(Defer, match=f"at migration {len(NAMES) - 1:04}"):
            require_current(conn)
