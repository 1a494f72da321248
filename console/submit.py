"""Enters orders from a file: read, checked, and stored thousands a transaction.

Each transaction enters whole orders and is one place in the file. After a crash the same file is
submitted again: an order that is there already, saying the same, is counted and left as it is, so
that nothing is entered twice and nothing is left out. Memory depends on one transaction's orders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import psycopg

from console.admission import Admitted, admit, rule
from console.order_file import Entry, Refused
from core.db import intake
from core.errors import Reason

ORDERS_A_TRANSACTION: Final = 5_000
BYTES_A_TRANSACTION: Final = 16_000_000
"""Of rows as COPY takes them; with it memory stays bounded whatever an order's size."""
TRIES: Final = 5
SHOWN: Final = 20
"""How many refused orders the summary lists one by one."""

ALREADY_SUBMITTED: Final = Reason.ALREADY_SUBMITTED
RETRIED: Final = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)


@dataclass
class Summary:
    """What became of a file's orders; each is in exactly one of the first three counts."""

    entered: int = 0
    already_there: int = 0
    refused: int = 0
    items: int = 0
    drafts_submitted: int = 0
    """Orders already there, left New by an earlier --draft, that went on now."""
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Refused orders by reason and rule."""
    first_refused: list[Refused] = field(default_factory=list)

    def refuse(self, one: Refused) -> None:
        """Count a refused order."""
        self.refused += 1
        self.rules[one.reason, rule(one)] += 1
        if len(self.first_refused) < SHOWN:
            self.first_refused.append(one)


class Submission:
    """One run of `order submit` over one connection in autocommit."""

    def __init__(
        self,
        conn: psycopg.Connection,
        *,
        draft: bool = False,
        orders_a_transaction: int = ORDERS_A_TRANSACTION,
        refused: Callable[[Refused], None] = lambda _: None,
        progress: Callable[[Summary], None] = lambda _: None,
    ) -> None:
        """`draft` leaves the orders New; `refused` hears of each one that is not taken."""
        self.summary = Summary()
        self._conn = conn
        self._draft = draft
        self._most = orders_a_transaction
        self._refused = refused
        self._progress = progress

    def run(self, entries: Iterable[Entry | Refused]) -> Summary:
        """Enter what can be, in the file's order; an error leaves what was committed before."""
        intake.create_staging(self._conn)
        waiting: list[Admitted] = []
        size = 0
        for entry in entries:
            one = admit(entry) if isinstance(entry, Entry) else entry
            if isinstance(one, Refused):
                self._refuse(one)
                continue
            waiting.append(one)
            size += len(one.order) + len(one.items)
            if len(waiting) >= self._most or size >= BYTES_A_TRANSACTION:
                self._store(waiting)
                waiting, size = [], 0
        if waiting:
            self._store(waiting)
        return self.summary

    def _refuse(self, one: Refused) -> None:
        self.summary.refuse(one)
        self._refused(one)

    def _store(self, orders: list[Admitted]) -> None:
        """Enter these; what the database refuses is found by halving, until it stands alone."""
        try:
            self._transaction(orders)
        except (psycopg.IntegrityError, psycopg.DataError):
            if len(orders) == 1:
                reason = Reason.RECORD_FAILED
                self._refuse(Refused(orders[0].line, orders[0].reference, reason, reason.meaning))
                return
            middle = len(orders) // 2
            self._store(orders[:middle])
            self._store(orders[middle:])
        else:
            self._progress(self.summary)

    def _transaction(self, orders: list[Admitted]) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                self._enter(orders)
            except RETRIED:
                if attempt == TRIES:
                    raise
            else:
                return

    def _enter(self, orders: list[Admitted]) -> None:
        conn = self._conn
        with conn.transaction():
            intake.copy_orders(conn, b"".join(one.order for one in orders))
            intake.copy_items(conn, b"".join(one.items for one in orders))
            entered = intake.insert_orders(conn)
            items = intake.insert_items(conn) if entered else 0
            known = intake.known(conn) if entered < len(orders) else []
            drafts = 0
            if not self._draft:
                new = [one.order_id for one in known if one.same and one.status == "NEW"]
                drafts = intake.submit(conn, new) - entered
        self.summary.entered += entered
        self.summary.items += items
        self.summary.drafts_submitted += drafts
        self._judge(orders, known)

    def _judge(self, orders: list[Admitted], known: list[intake.Known]) -> None:
        references = {one.line: one.reference for one in orders} if known else {}
        for one in known:
            if one.same:
                self.summary.already_there += 1
                continue
            self._refuse(
                Refused(
                    one.line,
                    references[one.line],
                    ALREADY_SUBMITTED,
                    f"Order {one.order_id} has this reference and says something else.",
                )
            )
