"""cmp-sales-order-request-extract - generate sales orders and batch them per warehouse

SYNOPSIS

    cmp-sales-order-request-extract [--config FILE] [--once | --check]

DESCRIPTION

    Runs the Sales Order Request job. Orders that await generation are turned into request lines
    at the granularity of their warehouse (ITEM, UNIT or PRODUCT) and then await dispatch; an
    order that cannot be generated goes to Error with its reason. Generated orders without an open
    hold, oldest first, are put into batches per warehouse within the limits of
    sales.order.request.extract.batch.*. A batch is marked with
    sales.order.request.extract.fraudcheckrequired as it is then. Cancellations that a warehouse
    has to be asked for are put into batches of their own at once, before any request.

    Before it is batched, where sales.order.request.extract.fraudcheckrequired is true and
    sales.order.request.extract.fraud.checker names a checker, each order is checked: its delivery
    name, address and contact, by the rules or by a service over HTTP. It is not batched before it
    has a verdict. One that is referred to a person gets a hold of kind FRAUD with the reasons
    (cmp-orders order release, cmp-orders order reject); one that is rejected is in Error with them,
    and can be generated again. What has not changed is not checked twice. With the service away,
    orders wait or are sent unchecked, as sales.order.request.extract.fraud.http.away says.

    In mode "triggered" the daemon works when an order awaits generation, and gathers requests for
    at most sales.order.request.extract.batch.maxwait. In mode "scheduled" it works at the times
    of sales.order.request.extract.schedule; at start it only batches what was generated, and
    catches up one missed time within sales.order.request.extract.schedule.grace.

    Any number of copies may run: orders are claimed by row locks, and one copy at a time batches
    for a warehouse, as one at a time checks.

FILES

    /etc/sales-orders/sales-orders.properties   module properties

SECURITY

    Works as database role sales_order_request_extract, which can neither seal nor dispatch. Reads
    and writes no directory and holds no key. Speaks to the checker's service over verified TLS
    and to nobody else; what it sends there is the customer's name, address and contact. Neither
    log nor hold nor history names any of these: rules have codes.

SIGNALS

    TERM, INT   finish the unit in hand, or past half the stop time roll it back, and end
    HUP         read the module properties again

EXIT STATUS

    0   ended as asked          2   wrong usage
    75  --once or --check: the surroundings do not allow it now; else the stop time ran out with
        a unit in hand, which is rolled back
    78  a property is wrong; standard error says which, where and what is allowed

BUGS

    An item that is changed in SQL as the schema's owner, with its triggers disabled, is not
    noticed.
"""

from __future__ import annotations

import math
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from core import access, checkers, log
from core.daemon import Daemon, Duty, command
from core.db import batching, cancellations, connect, fraud, generation, migrate
from core.db.connect import Turn
from core.domain.batch import Action
from core.domain.order import BatchLimits, GenerateLimits
from core.errors import Defer
from core.events import Event
from core.rota import Rota
from core.screening import Checked, CheckerAway, Screening

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.config import Properties

NAME = "request-extract"
ROLE = "sales_order_request_extract"
ORDERS_A_UNIT = 5000
"""How many orders one transaction generates; memory and the time that locks are held follow."""
UNITS_A_UNIT = 200_000
"""How many units those orders have together."""
VERDICTS_A_UNIT = 5000
"""How many verdicts one statement removes."""
PRUNE_EVERY = 3600.0
"""Seconds."""


class Generate:
    """Turns orders that await generation into request lines, thousands at a time."""

    def __init__(self, properties: Properties) -> None:
        self._limits = GenerateLimits(
            orders=ORDERS_A_UNIT,
            units=UNITS_A_UNIT,
            units_per_order=properties.request_extract.unit_maxunits,
        )

    def __call__(self, conn: psycopg.Connection) -> bool:
        """Generate the oldest orders; True if there may be more."""
        started = time.monotonic()
        with conn.transaction():
            generation.see_one_moment(conn)
            connect.prefer_keys(conn)
            ids = generation.claim(conn, self._limits.orders)
            if not ids:
                return False
            fit, unfit = generation.judge(conn, ids, self._limits)
            if unfit:
                generation.refuse(conn, unfit)
            lines = generation.generate(conn, fit) if fit else 0
        for one in unfit:
            log.emit(
                Event.ORDER_REFUSED,
                order_id=one.order_id,
                reason=one.reason,
                sentence=one.sentence,
            )
        log.emit(
            Event.ORDERS_GENERATED,
            orders=len(fit),
            refused=len(unfit),
            lines=lines,
            milliseconds=log.milliseconds(started),
        )
        return True


class Check:
    """Has generated orders checked for fraud before they are batched, a set at a time."""

    def __init__(self, screening: Screening) -> None:
        self._screening = screening

    def __call__(self, conn: psycopg.Connection) -> bool:
        """Check those that have waited longest; True if there may be more."""
        started = time.monotonic()
        try:
            checked = self._screening.unit(conn)
        except CheckerAway as away:
            raise Defer(f"the fraud check's service is away, orders wait for it: {away}") from None
        if checked is None:
            return False
        for one in (*checked.held, *checked.rejected):
            log.emit(
                Event.ORDER_HELD if one in checked.held else Event.ORDER_REJECTED,
                order_id=one.order_id,
                reasons=", ".join(one.judgement.reasons),
                score=one.judgement.score,
            )
        self._tell(checked, started)
        # None of them counted: they were changed meanwhile, and are read anew at the next look.
        return checked.orders > 0

    @staticmethod
    def _tell(checked: Checked, started: float) -> None:
        if checked.away is not None:
            log.emit(Event.ORDERS_UNCHECKED, orders=checked.passed, why=checked.away)
        log.emit(
            Event.ORDERS_CHECKED,
            orders=checked.orders,
            passed=checked.passed,
            held=len(checked.held),
            rejected=len(checked.rejected),
            milliseconds=log.milliseconds(started),
        )


class Prune:
    """Removes the fraud check's verdicts that have been kept as long as the property says."""

    def __init__(self, properties: Properties) -> None:
        self._keep = timedelta(seconds=properties.request_extract_fraud.keep)

    def __call__(self, conn: psycopg.Connection) -> bool:
        """Remove some; True if there may be more."""
        verdicts = fraud.prune(conn, self._keep, VERDICTS_A_UNIT)
        if verdicts:
            log.emit(Event.VERDICTS_PRUNED, verdicts=verdicts)
        return verdicts == VERDICTS_A_UNIT


class Batch:
    """Gathers queued requests, or cancellations, into one batch for one warehouse."""

    def __init__(self, properties: Properties) -> None:
        mine = properties.request_extract
        self._fraud_check = mine.fraudcheckrequired
        self._checked = properties.checks_fraud
        self._max_wait = mine.batch_maxwait if mine.mode == "triggered" else 0.0
        self._limits = BatchLimits(mine.batch_maxorders, mine.batch_maxlines, mine.batch_maxbytes)
        self._rota = Rota(properties.daemon.backoffmax)

    def __call__(self, conn: psycopg.Connection) -> bool:
        """Make the next batch; True if there may be more.

        Cancellations come first, and wait for no others: each minute may be the one too many.
        """
        return self._next(conn, Action.CANCEL, cancellations.ready(conn)) or self._next(
            conn,
            Action.REQUEST,
            batching.ready(
                conn,
                max_wait=self._max_wait,
                max_orders=self._limits.orders,
                checked=self._checked,
            ),
        )

    def _next(
        self, conn: psycopg.Connection, action: Action, ready: Sequence[tuple[str, int]]
    ) -> bool:
        for warehouse, number in self._rota.order(ready):
            with connect.turn(conn, Turn.BATCH, number) as mine:
                self._rota.tried(warehouse)
                if mine and self._batch(conn, warehouse, action):
                    self._rota.served(warehouse)
                    return True
        return False

    def _batch(self, conn: psycopg.Connection, warehouse: str, action: Action) -> bool:
        started = time.monotonic()
        fill = (
            partial(batching.fill, checked=self._checked)
            if action is Action.REQUEST
            else cancellations.fill
        )
        check = self._fraud_check and action is Action.REQUEST
        with conn.transaction() as whole:
            batch = batching.insert_batch(conn, warehouse, action, fraud_check=check)
            count = fill(conn, batch, warehouse, self._limits)
            if count == 0:
                raise psycopg.Rollback(whole)
            batching.set_count(conn, batch, count)
        if count:
            log.emit(
                Event.BATCH_CREATED,
                batch_id=batch,
                warehouse=warehouse,
                action=action,
                orders=count,
                milliseconds=log.milliseconds(started),
            )
        return count > 0


def build(properties: Properties) -> Daemon:
    """The daemon that these properties describe."""
    mine = properties.request_extract
    triggered = mine.mode == "triggered"
    generate = Duty(
        "generate",
        Generate(properties),
        interval=mine.interval if triggered else math.inf,
        channels=("sales_order_awaiting_generation",) if triggered else (),
        schedule=mine.schedule if not triggered else (),
        grace=mine.schedule_grace,
        on_start=triggered,
    )
    batch = Duty(
        "batch",
        Batch(properties),
        interval=mine.interval,
        # Of what is generated a schedule decides; to batch that is to finish what was begun.
        channels=("sales_order_request_queue", "sales_order_cancellation"),
    )
    check = _check_duty(properties)
    prune = Duty("prune", Prune(properties), interval=PRUNE_EVERY)
    return Daemon(
        NAME,
        (generate, *check, batch, prune),
        connect=lambda: connect.connect(access.address(properties, ROLE, NAME)),
        on_connect=migrate.require_current,
        check=access.problems_of_session,
        waiting=lambda conn: (
            f"{generation.waiting(conn)} orders to generate, "
            + (f"{fraud.unchecked(conn)} to check, " if check else "")
            + f"{batching.waiting(conn)} to batch"
        ),
        stoptime=properties.daemon.stoptime,
        backoffmax=properties.daemon.backoffmax,
    )


def _check_duty(properties: Properties) -> tuple[Duty, ...]:
    """The fraud check, if there is to be one; ConfigError if its checker cannot be had."""
    screening = checkers.screening(properties)
    if screening is None:
        return ()
    return (
        Duty(
            "check",
            Check(screening),
            interval=properties.request_extract.interval,
            channels=("sales_order_request_queue",),
        ),
    )


main = command(NAME, __doc__, build)

if __name__ == "__main__":
    main()
