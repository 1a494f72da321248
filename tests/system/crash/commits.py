"""Makes durable steps out of what a connection commits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Self

import psycopg
from psycopg.pq import TransactionStatus

from tests.system.crash.steps import Steps

WRITING = re.compile(r"\s*(insert|update|delete|with|copy)\b", re.IGNORECASE)


class SteppingCursor(psycopg.Cursor[Any]):
    """A cursor that says when a writing statement outside a transaction is about to commit."""

    def execute(self, query: Any, *args: Any, **options: Any) -> Self:
        """As psycopg's; a step if the statement writes and commits by itself."""
        conn = self.connection
        text = query.decode() if isinstance(query, bytes) else str(query)
        idle = conn.info.transaction_status == TransactionStatus.IDLE
        if not (idle and isinstance(conn, SteppingConnection) and WRITING.match(text)):
            return super().execute(query, *args, **options)
        with conn.steps.commit(f"commit {' '.join(text.split())[:40]}", conn):
            return super().execute(query, *args, **options)


class SteppingConnection(psycopg.Connection[Any]):
    """A daemon's connection, whose commits are steps."""

    steps: Steps

    @classmethod
    def of(cls, conn: psycopg.Connection[Any], steps: Steps) -> psycopg.Connection[Any]:
        """The very connection that our own code has opened."""
        conn.__class__ = cls
        assert isinstance(conn, SteppingConnection)
        conn.steps = steps
        conn.cursor_factory = SteppingCursor
        steps.connections.append(conn)
        return conn

    @contextmanager
    def transaction(
        self,
        savepoint_name: str | None = None,
        force_rollback: bool = False,  # noqa: FBT001, FBT002  # psycopg's
    ) -> Iterator[psycopg.Transaction]:
        """As psycopg's; the commit of the outermost one is a step."""
        outermost = self.info.transaction_status == TransactionStatus.IDLE
        if not outermost:
            with super().transaction(savepoint_name, force_rollback) as inner:
                yield inner
            return
        with ExitStack() as after, super().transaction(savepoint_name, force_rollback) as whole:
            yield whole
            # Entered as late as can be: the next that happens is COMMIT.
            after.enter_context(self.steps.commit("commit", self))
