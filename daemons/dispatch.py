"""cmp-sales-order-dispatch - apply what the warehouses have dispatched, bill it, settle the orders

SYNOPSIS

    cmp-sales-order-dispatch [--config FILE] [--once | --check]

DESCRIPTION

    Runs the Sales Order Dispatch job over each loaded dispatch batch. Every record is judged
    first, in file order; then all good ones take effect together: counters of request lines and
    items, serial numbers and other attributes of each unit, one charge a dispatched line of a
    billable product, the stock where it is kept, and the settlement of orders that have nothing
    open any more. An order with a rejected line ends in Error, else one with anything dispatched
    is Complete, else Cancelled.

    A record that cannot be applied is refused with a stable reason and changes nothing; the batch
    then ends at stage Batch, Error, the rest applied. cmp-orders batch reprocess applies what was
    refused and no more. A dispatch that was applied before, by the warehouse's dispatchId and its
    content, has no effect. A cancellation that was asked of the warehouse ends with its answer,
    or with nothing of the order being open there any more.

    A warehouse may be allowed to dispatch some percent more than a line asks for: the excess is
    recorded and reported, and not billed.

    Where the file was acknowledged to its partner, a second acknowledgement names the records that
    were refused. Orders that a warehouse leaves unanswered, or on back-order, for longer than
    sales.order.overdue allows are told.

    Batches of one warehouse are applied one at a time, by the partner's sequence, else by the
    time that the file was written; warehouses in turn. Any number of copies may run.

FILES

    /etc/sales-orders/sales-orders.properties   module properties

SECURITY

    Works as database role sales_order_dispatch, the only one that can bill. Reads and writes no
    directory and holds no key.

SIGNALS

    TERM, INT   finish the unit in hand, or past half the stop time roll it back, and end
    HUP         read the module properties again

EXIT STATUS

    0   ended as asked          2   wrong usage
    75  --once or --check: the surroundings do not allow it now; else the stop time ran out with
        a unit in hand, which is rolled back
    78  a property is wrong; standard error says which, where and what is allowed

BUGS

    None known.
"""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from core import access, log
from core.daemon import Daemon, Duty, command
from core.db import (
    acknowledgements,
    applying,
    batches,
    cancellations,
    connect,
    dispatches,
    migrate,
    overdue,
    returns,
    stock,
)
from core.db.applying import Range
from core.db.connect import Turn
from core.domain import dispatch as domain
from core.domain.batch import BATCHED, FAILED, LOADED, BatchType
from core.domain.dispatch import Outstanding
from core.domain.returns import RETURNED
from core.errors import Defer, Reason
from core.events import Event
from core.overdue import Lateness, Overdue
from core.rota import Rota

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.config import Properties
    from core.db.batches import Batch
    from core.db.cancellations import Answered
    from core.domain.dispatch import Record, Verdicts

NAME = "dispatch"
ROLE = "sales_order_dispatch"
SURROUNDINGS = (psycopg.OperationalError, OSError, Defer)
"""What is nobody's fault here: the batch is tried again, and its attempt does not count."""


class Dispatch:
    """Applies loaded batches, one warehouse after the other."""

    def __init__(self, properties: Properties) -> None:
        self._properties = properties
        self._rota = Rota(properties.daemon.backoffmax)
        self._excused: set[int] = set()

    def __call__(self, conn: psycopg.Connection) -> bool:
        """Apply one batch; True if there may be more."""
        for warehouse, number in self._rota.order(
            batches.waiting(conn, BatchType.DISPATCH, LOADED)
        ):
            with connect.turn(conn, Turn.APPLY, number) as mine:
                batch = mine and batches.next_of(conn, warehouse, BatchType.DISPATCH, LOADED)
                if batch:
                    self._rota.tried(warehouse)
                    with log.about(batch_id=batch.id, warehouse=warehouse):
                        self._attempt(conn, batch)
                    self._rota.served(warehouse)
                    return True
        return False

    def _attempt(self, conn: psycopg.Connection, batch: Batch) -> None:
        attempts = batches.count_attempt(conn, batch.id, afresh=batch.id in self._excused)
        self._excused.discard(batch.id)
        if attempts > self._properties.daemon.attempts:
            self._set_aside(conn, batch, Reason.REPEATED_CRASH)
            return
        try:
            self._apply(conn, batch)
        except SURROUNDINGS:
            self._excused.add(batch.id)
            raise
        except Exception as error:  # noqa: BLE001  # our bug: this batch is set aside, the rest goes on
            log.emit(Event.UNIT_FAILED, why=log.one_line(error), error=error)
            self._set_aside(conn, batch, Reason.INTERNAL_ERROR)

    def _set_aside(self, conn: psycopg.Connection, batch: Batch, reason: Reason) -> None:
        batches.move(conn, batch.id, FAILED, reason=reason, sentence=reason.meaning)
        log.emit(Event.BATCH_HELD, reason=reason, sentence=reason.meaning)

    def _apply(self, conn: psycopg.Connection, found: Batch) -> None:
        started = time.monotonic()
        with conn.transaction():
            batch = batches.lock(conn, found.id, LOADED)
            if batch is None:
                return
            connect.prefer_keys(conn)
            job = _Job(conn, batch)
            settled = job.run()
            refused = dispatches.refused(conn, batch.id)
            if refused:
                sentence = f"{len(refused)} of {batch.record_count} records refused"
                batches.move(
                    conn, batch.id, FAILED, reason=Reason.RECORDS_REFUSED, sentence=sentence
                )
            else:
                batches.move(conn, batch.id, BATCHED)
            acknowledgements.insert_processed(conn, batch.id)
        self._tell_excess(job)
        for sequence, order, reason, status in refused:
            # Only where goods have moved a person has to decide.
            closed = reason == Reason.LINE_CLOSED and status.endswith("DISPATCHED")
            log.emit(
                Event.LINE_CLOSED_DISPATCHED if closed else Event.RECORD_REFUSED,
                sequence=sequence,
                order_id=order,
                reason=reason,
            )
        for order, answer in job.answered:
            log.emit(Event.CANCELLATION_ANSWERED, order_id=order, status=answer)
        if job.unrecorded.units:
            log.emit(Event.STOCK_UNRECORDED, **job.unrecorded._asdict())
        log.emit(
            Event.DISPATCH_APPLIED,
            records=batch.record_count,
            refused=len(refused),
            repeated=job.repeated,
            charges=job.charges,
            complete=settled["COMPLETE"],
            in_error=settled["ERROR"],
            cancelled=settled["CANCELLED"],
            milliseconds=log.milliseconds(started),
        )

    @staticmethod
    def _tell_excess(job: _Job) -> None:
        for sequence, order, line, units in job.excess:
            log.emit(
                Event.EXCESS_DISPATCHED, sequence=sequence, order_id=order, line=line, units=units
            )


class _Job:
    """One batch inside its transaction: judged, applied, and judged again without what failed."""

    def __init__(self, conn: psycopg.Connection, batch: Batch) -> None:
        self._conn = conn
        self._batch = batch
        self._refused: dict[int, tuple[Reason, str]] = {}
        self._conflicts: list[tuple[int, str, bool]] = []
        self._returns = False
        self.repeated = 0
        self.charges = 0
        self.answered: list[Answered] = []
        self.excess: list[tuple[int, int | None, int | None, int]] = []
        """(sequence, order, line, units) that were dispatched beyond what was asked."""
        self.unrecorded = stock.Unrecorded()

    def run(self) -> Counter[str]:
        """Apply every record that can be; how many orders were settled, by status."""
        conn, batch = self._conn, self._batch
        orders = dispatches.lock_orders(conn, batch.id, batch.warehouse_id)
        # Read after the locks were taken, so that these see whatever was committed before.
        records = dispatches.records(conn, batch.id)
        others = {one.order_id for one in records if one.order_id is not None} - orders
        if others:
            orders |= dispatches.existing(conn, sorted(others))
        lines = dispatches.lines(conn, sorted(orders))
        applied = dispatches.applied(conn, batch.id, batch.warehouse_id)
        statuses = {one.status for one in records}
        self._returns = RETURNED in statuses
        dispatches.clear_verdicts(conn, batch.id)
        settled: Counter[str] | None = None
        while records and settled is None:
            verdicts = domain.judge(
                batch.warehouse_id,
                records,
                orders=orders,
                lines=lines,
                applied=applied,
                refused_already=self._refused,
                conflicts=self._conflicts,
                # Anew at each pass: what it has taken back is used up.
                outstanding=self._outstanding() if statuses & domain.LEAVES_OPEN else None,
            )
            settled = self._try(records, verdicts)
        return settled or Counter()

    def _outstanding(self) -> Outstanding:
        conn, batch = self._conn, self._batch
        return Outstanding(
            cancellations.sent(conn, batch.id, batch.warehouse_id), returns.out(conn, batch.id)
        )

    def _try(self, records: Sequence[Record], verdicts: Verdicts) -> Counter[str] | None:
        """Apply the good records; None: nothing is changed, and more is known of them."""
        whole = self._range([one.sequence for one in records])
        with self._conn.transaction() as attempt:
            self._mark(verdicts)
            try:
                with self._conn.transaction():
                    settled = self._effects(whole)
            except (psycopg.IntegrityError, psycopg.DataError) as error:
                out = {one.sequence for one in verdicts.refused} | set(verdicts.repeated)
                self._learn(error, [one.sequence for one in records if one.sequence not in out])
                raise psycopg.Rollback(attempt) from error
            else:
                self.repeated = len(verdicts.repeated)
                self.excess = _beyond(records, verdicts) if verdicts.excess else []
                return settled
        return None

    def _mark(self, verdicts: Verdicts) -> None:
        if verdicts.refused:
            dispatches.refuse(self._conn, self._batch.id, verdicts.refused)
        if verdicts.repeated:
            dispatches.record_repeats(self._conn, self._batch.id, verdicts.repeated)
        if verdicts.implied:
            dispatches.insert_implied(self._conn, self._batch.id, verdicts.implied)
        if verdicts.excess:
            dispatches.record_excess(self._conn, self._batch.id, verdicts.excess)

    def _effects(self, of: Range) -> Counter[str]:
        conn = self._conn
        if applying.insert_dispatches(conn, of) == 0:
            return Counter()
        back = returns.take_back(conn, of) if self._returns else []
        self.charges = applying.apply_lines(conn, of)
        self.answered = cancellations.answer(conn, of)
        if stock.is_kept(conn, of.warehouse):
            self.unrecorded = stock.take(conn, of, back)
        settled = applying.settle(conn, of)
        applying.record_applied(conn, of)
        return Counter(settled)

    def _learn(self, error: psycopg.Error, good: Sequence[int]) -> None:
        """Find out which records the database cannot take, and for which reason."""
        if (error.diag.constraint_name or "").startswith("dispatched_unit_"):
            conflicts = applying.serial_conflicts(self._conn, self._batch.id)
            if conflicts != self._conflicts:
                # All at once: were they refused one by one, a file could make each the next's turn.
                self._conflicts = conflicts
                return
        # Where each could be taken alone but not all together, the last one goes.
        failing = self._bisect(good) or [good[-1]]
        why = (Reason.RECORD_FAILED, Reason.RECORD_FAILED.meaning)
        self._refused |= dict.fromkeys(failing, why)

    def _bisect(self, good: Sequence[int]) -> list[int]:
        """The sequences that fail by themselves, found by halving; nothing stays applied."""
        try:
            with self._conn.transaction(force_rollback=True):
                self._effects(self._range(good))
        except (psycopg.IntegrityError, psycopg.DataError):
            if len(good) == 1:
                return list(good)
            middle = len(good) // 2
            return self._bisect(good[:middle]) + self._bisect(good[middle:])
        return []

    def _range(self, sequences: Sequence[int]) -> Range:
        return Range(self._batch.id, self._batch.warehouse_id, sequences[0], sequences[-1])


def _beyond(
    records: Sequence[Record], verdicts: Verdicts
) -> list[tuple[int, int | None, int | None, int]]:
    """What was dispatched beyond what was asked, with its order and line."""
    by_sequence = {one.sequence: one for one in records}
    found = []
    for sequence, line_no, units in verdicts.excess:
        record = by_sequence[sequence]
        if record.status == RETURNED:
            continue
        (line,) = (one.line_id for one in record.claims if one.line_no == line_no)
        found.append((sequence, record.order_id, line, units))
    return found


def lateness(properties: Properties) -> Overdue:
    """What is late of the warehouses' answers."""
    late = properties.overdue
    return Overdue(
        [
            Lateness(
                Event.DISPATCH_OVERDUE,
                partial(overdue.not_dispatched, late=late.dispatch, pause=late.pause),
                late.dispatch,
            ),
            Lateness(
                Event.CANCELLATION_OVERDUE,
                partial(overdue.not_cancelled, late=late.cancellation, pause=late.pause),
                late.cancellation,
            ),
            Lateness(
                Event.BACK_ORDER_OVERDUE,
                partial(overdue.back_ordered, late=late.backorder, pause=late.pause),
                late.backorder,
            ),
        ]
    )


def build(properties: Properties) -> Daemon:
    """The daemon that these properties describe."""
    return Daemon(
        NAME,
        (
            Duty(
                "dispatch",
                Dispatch(properties),
                interval=properties.dispatch.interval,
                channels=("sales_order_dispatch_batch",),
            ),
            Duty("overdue", lateness(properties), interval=properties.overdue.interval),
        ),
        connect=lambda: connect.connect(access.address(properties, ROLE, NAME)),
        on_connect=migrate.require_current,
        check=access.problems_of_session,
        waiting=lambda conn: f"{batches.count(conn, BatchType.DISPATCH, LOADED)} batches to apply",
        stoptime=properties.daemon.stoptime,
        backoffmax=properties.daemon.backoffmax,
    )


main = command(NAME, __doc__, build)

if __name__ == "__main__":
    main()
