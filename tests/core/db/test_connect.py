"""A session does not outlive what it was for: neither a network that died nor a client that did."""

from __future__ import annotations

import os
import socket
import time

import psycopg

from console.embedded import PORT, SUPERUSER, EmbeddedPostgres
from core.db.connect import Address, connect
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
        connect(Address(host, PORT, "postgres", user=SUPERUSER, application="test")) as conn,
    ):
        for idle, interval, count, unanswered in (_our_end(conn), _servers_end(conn)):
            assert 0 < idle + interval * count <= GIVEN_UP
            assert 0 < unanswered <= GIVEN_UP * 1000


def test_server_lets_go_of_a_client_that_is_gone(database: Database) -> None:
    """The locks of a client that is gone are free in seconds, even if the server is in the middle
    of a long statement for it.
    """
    gone, other = database.connect(), database.connect()
    gone.pgconn.send_query(b"select pg_advisory_lock(1), pg_sleep(60)")
    while other.execute("select from pg_locks where locktype = 'advisory'").fetchone() is None:
        pass
    gone.close()
    began = time.monotonic()
    other.execute("set lock_timeout = 0")
    other.execute("select pg_advisory_lock(1)")
    assert time.monotonic() - began < GIVEN_UP


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
