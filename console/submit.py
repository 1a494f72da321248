"""Enters orders from a file: read, checked, and stored thousands a transaction.

Each transaction enters whole orders and is one place in the file. After a crash the same file is
submitted again: an order that is there already, saying the same, is counted and left as it is, so
that nothing is entered twice and nothing is left out. Memory depends on one transaction's orders.

Where stock is kept it is checked and reserved in the transaction that enters, in the file's order:
an order that is short is entered and stays New, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import psycopg

from console.admission import Admitted, admit, rule
from console.order_file import Entry, Refused
from core.db import intake, reserving
from core.errors import Reason

ORDERS_A_TRANSACTION: Final = 5_000
BYTES_A_TRANSACTION: Final = 16_000_000
"""Of rows as COPY takes them; with it memory stays bounded whatever an order's size."""
TRIES: Final = 5
SHOWN: Final = 20
"""How many refused orders the summary lists one by one."""

ALREADY_SUBMITTED: Final = Reason.ALREADY_SUBMITTED
OUT_OF_STOCK: Final = Reason.OUT_OF_STOCK
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
    """Orders already there, left New before, that went on now."""
    short: int = 0
    """Orders, entered now or there already, that stay New since the stock does not suffice."""
    back_ordered: int = 0
    """Units that were taken though they are not in stock, to be sent later."""
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Refused orders by reason and rule."""
    first_refused: list[Refused] = field(default_factory=list)
    first_short: list[Refused] = field(default_factory=list)

    def refuse(self, one: Refused) -> None:
        """Count a refused order."""
        self.refused += 1
        self.rules[one.reason, rule(one)] += 1
        if len(self.first_refused) < SHOWN:
            self.first_refused.append(one)

    def leave_short(self, one: Refused) -> None:
        """Count an order that is short of stock."""
        self.short += 1
        if len(self.first_short) < SHOWN:
            self.first_short.append(one)


@dataclass
class _Went:
    """What became of the orders of one transaction that were to go on."""

    drafts: int = 0
    back_ordered: int = 0
    short: list[tuple[int, str]] = field(default_factory=list)
    """Line and sentence of each that the stock does not serve."""


class Submission:
    """One run of `order submit` over one connection in autocommit."""

    def __init__(
        self,
        conn: psycopg.Connection,
        *,
        draft: bool = False,
        split: bool = True,
        orders_a_transaction: int = ORDERS_A_TRANSACTION,
        refused: Callable[[Refused], None] = lambda _: None,
        progress: Callable[[Summary], None] = lambda _: None,
    ) -> None:
        """`draft` leaves the orders New; `split` lets several warehouses serve one order.

        `refused` hears of each order that is not taken, or stays New for want of stock.
        """
        self.summary = Summary()
        self._conn = conn
        self._draft = draft
        self._split = split
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
            left = {one.order_id: one.line for one in known if one.same and one.status == "NEW"}
            went = _Went()
            if reserving.is_kept(conn):
                went = self._reserve({} if self._draft else left)
            elif not self._draft:
                went.drafts = intake.submit(conn, list(left)) - entered
        self.summary.entered += entered
        self.summary.items += items
        self.summary.drafts_submitted += went.drafts
        self.summary.back_ordered += went.back_ordered
        self._judge(orders, known)
        self._tell_short(orders, went)

    def _reserve(self, left: dict[int, int]) -> _Went:
        """Reserve for what was just entered, and for these left New before, by order and line."""
        mine = {order: line for line, order in intake.entered(self._conn)}
        line_of = left | mine
        decided = reserving.reserve(
            self._conn,
            sorted(line_of, key=line_of.__getitem__),
            split=self._split,
            submit=not self._draft,
        )
        return _Went(
            drafts=sum(not one.short and one.order not in mine for one in decided),
            back_ordered=sum(one.back_ordered for one in decided),
            short=[(line_of[one.order], one.sentence) for one in decided if one.short],
        )

    def _tell_short(self, orders: list[Admitted], went: _Went) -> None:
        references = {one.line: one.reference for one in orders} if went.short else {}
        for line, sentence in went.short:
            one = Refused(line, references[line], OUT_OF_STOCK, f"It stays New: {sentence}.")
            self.summary.leave_short(one)
            self._refused(one)

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
