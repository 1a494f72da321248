"""A steady stream of orders, entered as `cmp-orders order submit` does, whatever happens to it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

import psycopg

from console import generator
from console.demo.stage import Stage
from console.order_file import Entry
from console.submit import Submission

MOST = 100_000
"""Orders that the generator has ready; a run ends long before."""


class Stream:
    """Enters what is due at each `feed`, and what an earlier one could not enter for certain."""

    def __init__(self, stage: Stage, seed: int, orders_a_second: float) -> None:
        self._stage = stage
        self._rate = orders_a_second
        self.catalogue = generator.catalogue(seed)
        self._source: Iterator[dict[str, Any]] = generator.orders(seed, MOST, self.catalogue)
        self._began = time.monotonic()
        self._made = 0
        self._pending: list[dict[str, Any]] = []
        self._conn: psycopg.Connection | None = None
        self.entered: list[dict[str, Any]] = []
        """What the database has promised to keep."""

    def start(self) -> None:
        """Orders come from now on, not from when this was made."""
        self._began = time.monotonic()

    def feed(self) -> None:
        """Enter the orders that are due by now; without an answer they stay due."""
        due = int((time.monotonic() - self._began) * self._rate) - self._made
        self._pending += islice(self._source, max(due, 0))
        self._made += max(due, 0)
        self.drain()

    def drain(self) -> bool:
        """Enter what is still pending and no more; whether nothing is left."""
        if self._pending:
            self._enter()
        return not self._pending

    def enter_again(self, references: Collection[str]) -> None:
        """The database has lost these, which it had promised to keep: they are due again."""
        lost = [order for order in self.entered if order["reference"] in references]
        self.entered = [order for order in self.entered if order not in lost]
        self._pending += lost

    def close(self) -> None:
        """Let go of the connection."""
        if self._conn is not None:
            self._conn.close()

    def _enter(self) -> None:
        """Submit all that is pending; what was entered without an answer is found to be there."""
        entries = [Entry(line, order) for line, order in enumerate(self._pending, 1)]
        try:
            if self._conn is None or self._conn.closed:
                self._conn = self._stage.connect()
            summary = Submission(self._conn).run(entries)
        except psycopg.OperationalError:
            self.close()
            return
        assert not summary.refused, summary.first_refused
        self.entered += self._pending
        self._pending = []
