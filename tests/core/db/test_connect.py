"""Which server a session leads to; and that it outlives neither its network nor its client."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace

import psycopg
import pytest

from console.embedded import PORT, SUPERUSER, EmbeddedPostgres
from core.db.connect import PASS_OVER_AFTER, Address, connect, prefer_keys
from tests.postgres import Database

GIVEN_UP = 10
"""Seconds after which a line without an answer has to be given up."""


def test_both_ends_give_up_a_dead_line() -> None:
    """Over a network, our end and the server's probe a silent line and wait for an answer for no
    more than ten seconds in all.
    """
    # An address of the loopback's own, so that two runs do not meet.
    host = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
    with (
        EmbeddedPostgres(settings={"fsync": "off", "listen_addresses": host}),
        connect(Address(host, str(PORT), "postgres", user=SUPERUSER, application="test")) as conn,
    ):
        for idle, interval, count, unanswered in (_our_end(conn), _servers_end(conn)):
            assert 0 < idle + interval * count <= GIVEN_UP
            assert 0 < unanswered <= GIVEN_UP * 1000


def test_keys_are_preferred_by_one_transaction(database: Database) -> None:
    """In the transaction a plan goes by key even where a look at all rows is cheaper, and after it
    no longer: of other statements' plans it makes slow ones.
    """
    conn = database.connect()

    def plan() -> str:
        rows = conn.execute("explain select name from warehouse where id = any('{A,B,C,D,E}')")
        return "\n".join(row[0] for row in rows)

    before = plan()
    assert "Index Scan using" not in before
    with conn.transaction():
        prefer_keys(conn)
        with conn.transaction():
            assert "Index Scan using warehouse_pkey" in plan()
    assert plan() == before


def test_server_lets_go_of_a_client_that_is_gone(database: Database) -> None:
    """The locks of a client that is gone are free in seconds, even if the server is in the middle
    of a long statement for it.
    """
    gone, other = database.connect(), database.connect()
    gone.pgconn.send_query(b"select pg_advisory_lock(1), pg_sleep(60)")
    deadline = time.monotonic() + GIVEN_UP
    while other.execute("select from pg_locks where locktype = 'advisory'").fetchone() is None:
        assert time.monotonic() < deadline
    gone.close()
    began = time.monotonic()
    other.execute("set lock_timeout = 0")
    other.execute("select pg_advisory_lock(1)")
    assert time.monotonic() - began < GIVEN_UP


def _hosts(database: Database, *others: tuple[str, int]) -> Address:
    """The database's own address after those of others."""
    address = database.address("sales_order_dispatch")
    return replace(
        address,
        host=",".join([*(host for host, _ in others), address.host]),
        port=",".join([*(str(port) for _, port in others), address.port]),
    )


def test_a_host_that_is_down_is_passed_over(database: Database) -> None:
    """Whatever its port, and whether it refuses or is not there at all."""
    with connect(_hosts(database, ("127.0.0.1", 1), ("/nowhere", 5432))) as conn:
        assert conn.info.dbname == database.name


def test_a_host_that_is_silent_is_passed_over_soon(database: Database) -> None:
    """One that takes connections and never answers costs seconds, not the operator's night."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with connect(_hosts(database, ("127.0.0.1", silent.getsockname()[1]))) as conn:
            assert conn.info.dbname == database.name
    assert time.monotonic() - began < PASS_OVER_AFTER + 1.0


def test_a_server_that_takes_no_writes_is_none(database: Database) -> None:
    """A standby, or one that was made read-only, is not worked on, though it answers."""
    database.connect().execute(
        f"alter database {database.name} set default_transaction_read_only = on"
    )
    with pytest.raises(psycopg.OperationalError, match="read-only"):
        connect(_hosts(database, ("127.0.0.1", 1)))


def _our_end(conn: psycopg.Connection) -> tuple[int, int, int, int]:
    with socket.socket(fileno=os.dup(conn.fileno())) as line:
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, interval, count, unanswered = (
            line.getsockopt(socket.IPPROTO_TCP, option)
            for option in (
                *(socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT),
                socket.TCP_USER_TIMEOUT,
            )
        )
    return idle, interval, count, unanswered


def _servers_end(conn: psycopg.Connection) -> tuple[int, int, int, int]:
    """The server asks its socket for what it shows."""
    row = conn.execute(
        """
        select current_setting('tcp_keepalives_idle')::int,
               current_setting('tcp_keepalives_interval')::int,
               current_setting('tcp_keepalives_count')::int,
               (select setting::int from pg_settings where name = 'tcp_user_timeout')
        """
    ).fetchone()
    assert row is not None
    return row
