"""One unit of the check: what waits is read, judged outside any transaction, and written as a set.

An order has a verdict for the input that was read. Whoever changes the input meanwhile makes the
digest another one: the verdict is not written then, and the order waits for the next look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.db import connect, fraud, rejecting
from core.db.connect import Turn
from core.db.fraud import Outcome, Waiting
from core.domain.fraud import (
    CHECK_AWAY,
    Consequence,
    Judgement,
    Verdict,
    consequence,
    explain,
    name_key,
)
from core.errors import Reason
from core.screening.checker import Checker, CheckerAway
from core.screening.rules import key_of

if TYPE_CHECKING:
    import psycopg

EVERYBODY = 0
"""The turn of checking is of all warehouses at once: an order may be for several."""


@dataclass
class Checked:
    """What one unit has done."""

    passed: int = 0
    """Orders that may be batched now, those that a person had let go before among them."""
    held: list[Outcome] = field(default_factory=list)
    rejected: list[Outcome] = field(default_factory=list)
    away: str | None = None
    """Why they were let pass unchecked."""

    @property
    def orders(self) -> int:
        """How many have a verdict now."""
        return self.passed + len(self.held) + len(self.rejected)


class Screening:
    """Checks what waits to be batched, a set at a time."""

    def __init__(self, checker: Checker, *, pass_when_away: bool) -> None:
        self._checker = checker
        self._pass_when_away = pass_when_away

    def unit(self, conn: psycopg.Connection) -> Checked | None:
        """Check the orders that have waited longest; None if there are none, or another does it.

        One process at a time: it works outside of transactions, so no lock of a row could keep a
        second one from asking for the same orders. CheckerAway if nothing can be judged now.
        """
        with connect.turn(conn, Turn.CHECK, EVERYBODY) as mine:
            if not mine:
                return None
            waiting = fraud.waiting_orders(conn, self._checker.name, self._checker.most)
            if not waiting:
                return None
            outcomes, away = self._judge(conn, waiting)
            with conn.transaction():
                checked = self._write(conn, outcomes)
        checked.away = away
        return checked

    def _judge(
        self, conn: psycopg.Connection, waiting: Sequence[Waiting]
    ) -> tuple[list[Outcome], str | None]:
        """The outcome of each; what has a verdict for this very input is not judged again."""
        fresh = [one for one in waiting if one.before is None]
        away = None
        try:
            judgements = self._checker.judge(conn, [one.subject for one in fresh]) if fresh else []
        except CheckerAway as error:
            if not self._pass_when_away:
                raise
            judgements = [Judgement(Verdict.PASS, 0, (CHECK_AWAY,))] * len(fresh)
            away = str(error)
        judged = iter(judgements)
        return [_outcome(one, one.before or next(judged)) for one in waiting], away

    def _write(self, conn: psycopg.Connection, outcomes: Sequence[Outcome]) -> Checked:
        """Write what still counts under the orders' locks: verdicts, holds, rejections."""
        fraud.lock(conn, [one.order_id for one in outcomes])
        released = fraud.record(conn, self._checker.name, outcomes)
        counted = [one for one in outcomes if one.order_id in released]
        # Decided now, since a person may have decided while the checker was asked.
        follows = {
            one.order_id: consequence(
                one.judgement,
                released=released[one.order_id],
                reused=one.waiting.before is not None,
            )
            for one in counted
        }
        refused = [order for order, then in follows.items() if then is Consequence.ERROR]
        # Sealed for one of its warehouses, an order cannot end in Error: the rest of it is held.
        sealed = rejecting.sealed_among(conn, refused) if refused else set()
        checked = Checked()
        for one in counted:
            if follows[one.order_id] is Consequence.GO:
                checked.passed += 1
            elif follows[one.order_id] is Consequence.HOLD or one.order_id in sealed:
                checked.held.append(one)
            else:
                checked.rejected.append(one)
        _carry_out(conn, checked)
        return checked


def _carry_out(conn: psycopg.Connection, checked: Checked) -> None:
    """Place the holds, end what is rejected, and have the rest batched."""
    if checked.held:
        fraud.hold(conn, [(one.order_id, explain(one.judgement)) for one in checked.held])
    if checked.rejected:
        reasons = [(one.order_id, explain(one.judgement)) for one in checked.rejected]
        rejecting.reject(conn, Reason.FRAUD_CHECK_REJECTED, reasons)
    fraud.wake_batching(conn)


def _outcome(one: Waiting, judgement: Judgement) -> Outcome:
    return Outcome(one, judgement, key_of(one.subject), name_key(one.subject.delivery_name))


@contextmanager
def trial(conn: psycopg.Connection) -> Iterator[None]:
    """Within it the session has an empty table of verdicts of its own; nothing of it stays."""
    with conn.transaction(force_rollback=True):
        fraud.shadow(conn)
        yield
