"""The tests' PostgreSQL: one server a run, and a clone of one migrated template for each test.

The server belongs to the process that started the run; the workers of pytest-xdist share it.
ORDERS_TEST_POSTGRES may name the folder of another installation's programs, to test with that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from console.embedded import PORT, SUPERUSER, EmbeddedPostgres
from core.db.connect import Address, connect
from core.db.migrate import migrate

TEMPLATE = "sales_orders_template"
TEMPLATE_LOCK = 0x74656D706C617465

SETTINGS = {
    # The data is thrown away, whatever happens.
    "fsync": "off",
    "full_page_writes": "off",
    # A worker of it in a template or in a database that is to be dropped would be in the way, and
    # plans must not depend on when it came by: a test that wants statistics says `analyze`.
    "autovacuum": "off",
    "max_connections": "200",
    # As the migration sets it for our roles in a database; a clone does not inherit that.
    "random_page_cost": "1.1",
    "jit": "off",
    # What a test planted as personal data must not be asked of the server's log.
    "log_min_messages": "fatal",
}


def start_server() -> EmbeddedPostgres:
    """A server for a whole run; the caller closes it."""
    programs = os.environ.get("ORDERS_TEST_POSTGRES")
    server = EmbeddedPostgres(settings=SETTINGS, programs=Path(programs) if programs else None)
    server.start()
    return server


@dataclass
class Database:
    """A migrated database of one test's own."""

    host: str
    name: str
    port: int = PORT
    _opened: list[psycopg.Connection] = field(default_factory=list)

    def conninfo(self, role: str = SUPERUSER) -> str:
        """The connection string for a role: a daemon's, or the owner's."""
        return make_conninfo(host=self.host, port=self.port, dbname=self.name, user=role)

    def address(self, role: str = SUPERUSER) -> Address:
        """The same for core.db.connect."""
        return Address(self.host, str(self.port), self.name, user=role, application=role)

    def connect(self, role: str = SUPERUSER) -> psycopg.Connection:
        """A connection as a daemon opens it, in autocommit; closed when the test ends."""
        conn = connect(self.address(role))
        self._opened.append(conn)
        return conn

    def close(self) -> None:
        """Close what `connect` gave out."""
        for conn in self._opened:
            conn.close()


@contextmanager
def clone(host: str) -> Iterator[Database]:
    """A new database with the current schema, dropped at the end with whoever is still in it."""
    with maintenance(host) as conn:
        _ensure_template(conn, host)
        database = Database(host, f"test_{uuid4().hex[:12]}")
        name = sql.Identifier(database.name)
        conn.execute(
            sql.SQL("create database {} template {}").format(name, sql.Identifier(TEMPLATE))
        )
        try:
            yield database
        finally:
            database.close()
            conn.execute(sql.SQL("drop database {} with (force)").format(name))


@contextmanager
def maintenance(host: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection to the server's own database."""
    conninfo = make_conninfo(host=host, port=PORT, dbname="postgres", user=SUPERUSER)
    with psycopg.connect(conninfo, autocommit=True) as conn:
        yield conn


def _ensure_template(conn: psycopg.Connection, host: str) -> None:
    """Make and migrate the template, once a run: the first worker does, the others wait."""
    conn.execute("select pg_advisory_lock(%s)", (TEMPLATE_LOCK,))
    try:
        known = conn.execute(
            "select from pg_database where datname = %s and datistemplate", (TEMPLATE,)
        )
        if known.fetchone() is not None:
            return
        name = sql.Identifier(TEMPLATE)
        # One that is there without being marked was left by a migration that failed.
        conn.execute(sql.SQL("drop database if exists {}").format(name))
        conn.execute(sql.SQL("create database {}").format(name))
        template = make_conninfo(host=host, port=PORT, dbname=TEMPLATE, user=SUPERUSER)
        with psycopg.connect(template, autocommit=True) as owner:
            migrate(owner)
        conn.execute(sql.SQL("alter database {} is_template true").format(name))
    finally:
        conn.execute("select pg_advisory_unlock(%s)", (TEMPLATE_LOCK,))
