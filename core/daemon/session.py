"""The one connection that a daemon works on: opened, listened on, lost, opened again."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import time
from collections.abc import Iterable

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from core.daemon.duty import Daemon
from core.daemon.outcomes import Trouble, judge
from core.daemon.signals import Interrupted, Signals
from core.daemon.wakeups import Wake


class Session:
    """There is a connection (`conn`), or there is not, and `connect_at` says when to try again."""

    def __init__(self, daemon: Daemon, channels: Iterable[str], wake: Wake) -> None:
        self._daemon = daemon
        self._channels = frozenset(channels)
        self._wake = wake
        self._fd = -1
        self.conn: psycopg.Connection | None = None
        self.connect_at = -math.inf
        self.trouble = Trouble(daemon.backoffmax)

    def open(self, signals: Signals) -> bool:
        """Try to have a connection that the daemon accepts; False if there is none now."""
        try:
            with signals.interruptible():
                conn = self._daemon.connect()
        except Interrupted:
            return False
        except Exception as error:  # noqa: BLE001  # of whatever kind, there is no connection
            self.lost(error)
            return False
        self.conn, self._fd = conn, conn.fileno()
        self._wake.also(self._fd)
        conn.add_notice_handler(self._noticed)
        try:
            # Before anything is looked at: what comes in between would be heard by nobody.
            for channel in self._channels:
                conn.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            if self._daemon.on_connect is not None:
                self._daemon.on_connect(conn)
        except Exception as error:  # noqa: BLE001  # the daemon does not accept it now
            self.lost(error, tell=not signals.hurried)
            return False
        self.trouble.told_over()
        return True

    def lost(self, error: Exception, *, tell: bool = True) -> None:
        """Let go of it because of the error, and wait before the next try."""
        self.close()
        pause = self.trouble.met(error, judge(error), tell=tell)
        self.connect_at = time.monotonic() + pause

    def close(self) -> None:
        """Let go of it; the server rolls back what was open and frees the locks."""
        if self.conn is not None:
            self._wake.no_longer(self._fd)
            self.conn.close()
            self.conn = None

    def heard(self) -> set[str]:
        """The channels on which something was notified since the last call."""
        if self.conn is None:
            return set()
        try:
            return {notification.channel for notification in self.conn.notifies(timeout=0)}
        except psycopg.Error as error:
            self.lost(error)
            return set()

    def clear(self) -> None:
        """After a unit that failed: leave nothing of it behind, no transaction and no lock."""
        if self.conn is None:
            return
        try:
            if self.conn.info.transaction_status != TransactionStatus.IDLE:
                self.conn.rollback()
            self.conn.execute("select pg_advisory_unlock_all()")
        except psycopg.errors.QueryCanceled:
            # We are about to stop, and closing the connection does the same.
            self.close()
        except psycopg.Error as error:
            self.lost(error)

    def cancel(self) -> None:
        """From another thread: end the statement in hand, whatever it is."""
        conn = self.conn
        if conn is not None:
            # No answer, or closed meanwhile: the end of the stop time settles it.
            with contextlib.suppress(Exception):
                conn.cancel_safe(timeout=1.0)

    def _noticed(self, notice: psycopg.errors.Diagnostic) -> None:
        """Trust no commit whose wait for the standby was cancelled.

        The server reports success then, though a failover may lose the commit: no file may follow
        from it. So the line is cut, as if the reply had been lost; the next look finds the truth.
        Not by close(), which would free what libpq is just reading into.
        """
        if notice.source_function == "SyncRepWaitForLSN" and self.conn is not None:
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._fd)) as line:
                line.shutdown(socket.SHUT_RDWR)
