"""Which of several servers a connection leads to."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import psycopg
import pytest

from core.db.connect import PASS_OVER_AFTER, Address, connect
from tests.postgres import Database


def _hosts(database: Database, *others: tuple[str, int]) -> Address:
    """The database's own address after those of others."""
    address = database.address("sales_order_dispatch")
    return replace(
        address,
        host=",".join([*(host for host, _ in others), address.host]),
        port=",".join([*(str(port) for _, port in others), str(address.port)]),
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


def test_a_host_that_falls_silent_is_noticed(database: Database) -> None:
    """The system gives up a line on which nothing comes back within seconds, not after a quarter
    of an hour.
    """
    with connect(database.address("sales_order_dispatch")) as conn:
        found = conn.info.get_parameters()
    assert found["tcp_user_timeout"] == "15000"
    assert found["keepalives_idle"] == "10"
