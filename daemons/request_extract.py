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

    In mode "triggered" the daemon works when an order awaits generation, and gathers requests for
    at most sales.order.request.extract.batch.maxwait. In mode "scheduled" it works at the times
    of sales.order.request.extract.schedule; at start it only batches what was generated, and
    catches up one missed time within sales.order.request.extract.schedule.grace.

    Any number of copies may run: orders are claimed by row locks, and one copy at a time batches
    for a warehouse.

FILES

    /etc/sales-orders/sales-orders.properties   module properties

SECURITY

    Works as database role sales_order_request_extract, which can neither seal nor dispatch. Reads
    and writes no directory and holds no key.

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
from typing import TYPE_CHECKING

import psycopg

from core import access, log
from core.daemon import Daemon, Duty, command
from core.db import batching, cancellations, connect, generation, migrate
from core.db.connect import Turn
from core.domain.batch import Action
from core.domain.order import BatchLimits, GenerateLimits
from core.events import Event
from core.rota import Rota

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.config import Properties

NAME = "request-extract"
ROLE = "sales_order_request_extract"
ORDERS_A_UNIT = 5000
"""How many orders one transaction generates; memory and the time that locks are held follow."""
UNITS_A_UNIT = 200_000
"""How many units those orders have together."""


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


class Batch:
    """Gathers queued requests, or cancellations, into one batch for one warehouse."""

    def __init__(self, properties: Properties) -> None:
        mine = properties.request_extract
        self._fraud_check = mine.fraudcheckrequired
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
            batching.ready(conn, max_wait=self._max_wait, max_orders=self._limits.orders),
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
        fill = batching.fill if action is Action.REQUEST else cancellations.fill
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
    return Daemon(
        NAME,
        (generate, batch),
        connect=lambda: connect.connect(access.address(properties, ROLE, NAME)),
        on_connect=migrate.require_current,
        check=access.problems_of_session,
        waiting=lambda conn: (
            f"{generation.waiting(conn)} orders to generate, {batching.waiting(conn)} to batch"
        ),
        stoptime=properties.daemon.stoptime,
        backoffmax=properties.daemon.backoffmax,
    )


main = command(NAME, __doc__, build)

if __name__ == "__main__":
    main()
