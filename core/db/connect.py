"""Opens the one connection of a process, with everything that a session of ours has set."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

# When the network dies nobody is told. What was sent and not answered for (tcp_user_timeout), and a
# line without traffic whose probes are not (keepalives), end the connection at our end and at the
# server's: only then are our locks free, and the copy of a daemon on another host goes on.
PROBE_AFTER, PROBE_EVERY, PROBES = 3, 1, 5
"""Seconds without traffic, seconds between two probes, and how many: eight seconds in all."""
UNANSWERED = 8_000
"""Milliseconds. Linux counts them for the probes as well, in the place of their number."""
AT_THE_SERVER = {
    "tcp_keepalives_idle": PROBE_AFTER,
    "tcp_keepalives_interval": PROBE_EVERY,
    "tcp_keepalives_count": PROBES,
    "tcp_user_timeout": UNANSWERED,
    # While it works or waits for a lock the server would not see that we are gone.
    "client_connection_check_interval": 1_000,
}

ANSWERS_WITHIN = 10
"""Whole seconds in which a server has to answer that is the only one."""
PASS_OVER_AFTER = 3
"""The same where there are several: the next one may be the one that was promoted."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is and as whom to speak to it; times in seconds."""

    host: str
    """Several with commas between them; the one that takes writes is used."""
    port: str
    """One for all hosts, or one for each with commas between them."""
    name: str
    user: str
    application: str
    """Also who the history says it was."""
    password: str | None = None
    statement_timeout: float = 60.0
    lock_timeout: float = 10.0
    idle_timeout: float = 120.0

    def __repr__(self) -> str:
        """Where, and never the password."""
        return f"Address({self.user}@{self.host}:{self.port}/{self.name})"


def connect(address: Address) -> psycopg.Connection:
    """Connect in autocommit to a server that takes writes; OperationalError if none answers.

    Several hosts may be named, separated by commas; the one that is no standby is used. Over a
    network that has died both ends give up within ten seconds, and the locks are free.
    """
    settings = {
        "statement_timeout": f"{address.statement_timeout * 1000:.0f}",
        "lock_timeout": f"{address.lock_timeout * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{address.idle_timeout * 1000:.0f}",
        "synchronous_commit": "on",
        "sales_order.who": address.application,
        "TimeZone": "UTC",
        **{name: str(value) for name, value in AT_THE_SERVER.items()},
    }
    options = " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())
    return psycopg.connect(
        host=address.host,
        port=address.port,
        dbname=address.name,
        user=address.user,
        password=address.password,
        application_name=address.application,
        options=options,
        target_session_attrs="read-write",
        connect_timeout=PASS_OVER_AFTER if "," in address.host else ANSWERS_WITHIN,
        keepalives_idle=PROBE_AFTER,
        keepalives_interval=PROBE_EVERY,
        keepalives_count=PROBES,
        tcp_user_timeout=UNANSWERED,
        autocommit=True,
        # Statements that are seldom repeated are planned for what they are given.
        prepare_threshold=None,
    )


def _escaped(value: str) -> str:
    """As the server splits `options`: a backslash before each space or backslash."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def prefer_keys(conn: psycopg.Connection) -> None:
    """Until the transaction ends rows are looked up by their keys, whatever the planner knows.

    For jobs that look a few rows up for each of thousands of orders. Of a table that was filled a
    moment ago the planner would rather read all; and of a few rows it would gather the pages first,
    which costs more than to go to them.
    """
    conn.execute(
        "select set_config('enable_seqscan', 'off', true), "
        "set_config('enable_bitmapscan', 'off', true)"
    )


class Turn(IntEnum):
    """The work on one warehouse, or on all (0), that only one process at a time may do."""

    BATCH = 1
    SEAL = 2
    LOAD = 3
    APPLY = 4
    ADOPT = 5
    CHECK = 6


@contextmanager
def turn(conn: psycopg.Connection, kind: Turn, warehouse_number: int) -> Iterator[bool]:
    """Hold the warehouse's turn for this kind of work, or yield False if another process has it.

    A lock of the session, since a unit commits more than once; it dies with the session, so that a
    crash leaves nothing to clear. Several processes of a daemon share the work by warehouses.
    """
    row = conn.execute("select pg_try_advisory_lock(%s, %s)", (kind, warehouse_number)).fetchone()
    if row != (True,):
        yield False
        return
    try:
        yield True
    finally:
        if not conn.closed and conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            conn.execute("select pg_advisory_unlock(%s, %s)", (kind, warehouse_number))
