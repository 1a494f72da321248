"""The demo itself: orders in, daemons and partners at work, and a look at what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
import psycopg
from rich.console import Console
from rich.markup import escape

from console import generator
from console.demo import funnel, verify
from console.demo.funnel import Progress
from console.demo.processes import Processes
from console.demo.stage import ACKNOWLEDGING, PROFILES, DemoError, Stage, write_lines
from console.generator import PLACES
from console.standin import PRESETS

DAEMONS = ("request_extract", "extract_to_generic", "load_from_generic", "dispatch")
PLAN = "lively"
FILES = 4
"""About so many request files for the busiest warehouse, so that there is something to see."""
STUCK_AFTER = 30.0
"""Seconds without any change after which the demo gives up."""
LOOK = 0.1
SUSPECT = "Test Test"
"""The delivery name of an order that the fraud check refers to a person."""
RESTOCK = 1.0
"""Seconds that a back-order waits."""


class Play:
    """One run over a stage."""

    def __init__(self, stage: Stage, console: Console, *, orders: int, seed: int) -> None:
        self._stage = stage
        self._console = console
        self._seed = seed
        self._catalogue = generator.catalogue(seed)
        self._orders = list(generator.orders(seed, orders, self._catalogue))
        # One that nobody would send without a look. Customers share their delivery: not changed.
        self._orders[0]["delivery"] = self._orders[0]["delivery"] | {"name": SUSPECT}

    def run(self, *, kept: bool) -> list[str]:
        """Play it; what was not as it should be, as sentences."""
        started = time.monotonic()
        self._stage.set_up(self._catalogue, batch=max(1, len(self._orders) // FILES))
        self._say(
            "PostgreSQL is up, with schema, catalogue, keys and trees, "
            f"after {time.monotonic() - started:.1f} s"
        )
        with self._stage.connect() as conn:
            with Processes() as processes, self._told_on_failure(processes):
                self._work(conn, processes)
            problems = self._verify(conn)
            self._say(f"\n{time.monotonic() - started:.1f} s in all. Where everything stands now:")
            self._stage.verb("status", shown=True)
            self._tell_story(conn)
        self._say_where_to_look(kept=kept)
        return problems

    def _work(self, conn: psycopg.Connection, processes: Processes) -> None:
        self._start(processes)
        self._say("Four daemons and three stand-in warehouses run. cmp-orders order submit:")
        path = self._stage.folder / "orders.jsonl"
        write_lines(path, self._orders)
        self._stage.verb("order", "submit", str(path), shown=True)
        self._decide(conn, processes)
        with Progress(self._console) as progress:
            self._wait(conn, processes, progress, partners=True)
            # What a partner repeats at the last moment is to be taken in as well.
            self._expect_done(processes.stop(*(place.id for place in PLACES)))
            self._wait(conn, processes, progress, partners=False)
        self._expect_done(processes.stop(*DAEMONS))
        self._console.print(funnel.table(funnel.steps(conn), "All the way:"))

    def _decide(self, conn: psycopg.Connection, processes: Processes) -> None:
        """Wait for the fraud check to refer an order to a person, and decide as one would."""
        begun = time.monotonic()
        while not (held := _referred(conn)):
            _expect_running(processes)
            if time.monotonic() - begun > STUCK_AFTER:
                raise DemoError("the fraud check has referred no order to a person")
            time.sleep(LOOK)
        order, reason = held
        self._say(f"The fraud check holds order {order} ({reason}). cmp-orders order release:")
        self._stage.verb("order", "release", str(order), "--reason", "has telephoned", shown=True)

    def _start(self, processes: Processes) -> None:
        stage = self._stage
        for daemon in DAEMONS:
            keys = stage.credentials(daemon)
            processes.start(
                daemon,
                *(f"daemons.{daemon}", "--config", str(stage.properties)),
                log=stage.log(daemon),
                environ={"CREDENTIALS_DIRECTORY": str(keys)} if keys.is_dir() else {},
            )
        for place in PLACES:
            processes.start(
                place.id,
                *("console.main", "warehouse", "run", "--warehouse", place.id),
                *("--folder", str(stage.partner(place.id)), "--seed", str(self._seed)),
                *("--take", str(stage.out / place.id), "--drop", str(stage.in_ / place.id)),
                *("--envelope", PROFILES[place.id], "--plan", PLAN),
                *("--restock", str(RESTOCK), "--every", str(LOOK)),
                *(("--acknowledge",) if place.id == ACKNOWLEDGING else ()),
                log=stage.log(place.id),
            )

    def _wait(
        self,
        conn: psycopg.Connection,
        processes: Processes,
        progress: Progress,
        *,
        partners: bool,
    ) -> None:
        """Until nothing has a step to go."""
        last: object = None
        changed = time.monotonic()
        while True:
            unfinished = funnel.unfinished(conn, partners=partners)
            now = funnel.steps(conn), funnel.statuses(conn), unfinished
            progress.show(now[0], now[1])
            if now[2] == 0 and not self._dropped():
                return
            if now != last:
                last, changed = now, time.monotonic()
            _expect_running(processes)
            if time.monotonic() - changed > STUCK_AFTER:
                raise DemoError(f"nothing has moved for {STUCK_AFTER:.0f} s")
            time.sleep(LOOK)

    def _dropped(self) -> bool:
        """Whether a dispatch file waits to be taken up."""
        return any(
            not path.name.startswith(".")
            for place in PLACES
            for path in (self._stage.in_ / place.id).iterdir()
        )

    @staticmethod
    def _expect_done(codes: dict[str, int]) -> None:
        if wrong := [f"{name} with {code}" for name, code in codes.items() if code]:
            raise DemoError(f"a process did not end as asked: {', '.join(wrong)}")

    @contextmanager
    def _told_on_failure(self, processes: Processes) -> Iterator[None]:
        """Should it fail, show what the processes had to say last."""
        try:
            yield
        except DemoError:
            for name, lines in processes.last_lines().items():
                click.echo(f"--- the last lines of {name}", err=True)
                click.echo("\n".join(lines), err=True)
            raise

    def _verify(self, conn: psycopg.Connection) -> list[str]:
        plan = verify.expected(conn, PRESETS[PLAN], self._seed)
        catalogue, orders = self._catalogue, self._orders
        orders_now = funnel.in_words(funnel.statuses(conn))
        checks = {
            f"every order is where the plan has it: {orders_now}": verify.orders_astray(
                conn, orders, plan
            ),
            "every order had passed the fraud check, or was released, before it was sent": (
                verify.unchecked(conn)
            ),
            "every charge is units times the price as ordered": verify.charges_wrong(
                conn, orders, plan, catalogue
            ),
            "every unit dispatched has its numbers": verify.units_wrong(conn),
            "no batch ended in Error, no file in quarantine": verify.refused(conn),
            "every partner saw each file once, without gaps": [
                problem
                for place in PLACES
                for problem in verify.partners_wrong(conn, place.id, self._stage.partner(place.id))
            ],
            f"{ACKNOWLEDGING} and we have acknowledged each other's files": (
                verify.acknowledgements_wrong(
                    conn, ACKNOWLEDGING, self._stage.partner(ACKNOWLEDGING)
                )
            ),
            "no daemon met an error": verify.errors_logged(
                self._stage.log(daemon) for daemon in DAEMONS
            ),
            "tables and trees agree (cmp-orders reconcile)": self._reconciled(),
        }
        self._say("\nChecked by a computation of its own:")
        for what, problems in checks.items():
            self._say(f"  {'[red]✗[/red]' if problems else '[green]✓[/green]'} {what}")
        return [problem for problems in checks.values() for problem in problems]

    def _reconciled(self) -> list[str]:
        try:
            self._stage.verb("reconcile")
        except DemoError as error:
            return [str(error)]
        return []

    def _tell_story(self, conn: psycopg.Connection) -> None:
        """The order that saw most: warehouses, then dispatches."""
        row = conn.execute(
            """
            select d.order_id
              from dispatch d join charge c on c.order_id = d.order_id
             group by d.order_id
             order by count(distinct d.warehouse_id) desc, count(distinct d.dispatch_id) desc, 1
             limit 1
            """
        ).fetchone()
        if row is not None:
            self._say("\nOne order's whole story. cmp-orders order show:")
            self._stage.verb("order", "show", str(row[0]), shown=True)

    def _say_where_to_look(self, *, kept: bool) -> None:
        stage = self._stage
        if not kept:
            self._say(
                "\nNothing of it is left. Keep it with --keep DIR; look around with cmp-orders "
                "status, order list, order show, batch list, file list; each has its --help."
            )
            return
        start = stage.leave()
        self._say(
            escape(
                f"\nLeft in {stage.folder}:\n"
                "  sales-orders.properties   the module properties; orders.jsonl, products.jsonl\n"
                "  out/archive, in/archive   the files that went and came; partners/ has the keys\n"
                "  log/                      what the daemons and the partners said\n"
                "  postgres/                 the database\n"
                "Start the database again, as the user that owns it, and look around:\n"
                f"  {start}\n"
                f"  cmp-orders --config {stage.properties} status"
            )
        )

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _expect_running(processes: Processes) -> None:
    if ended := processes.ended():
        names = ", ".join(f"{name} with {code}" for name, code in ended.items())
        raise DemoError(f"a process ended too early: {names}")


def _referred(conn: psycopg.Connection) -> tuple[int, str] | None:
    """An order that is held for fraud, and why."""
    return conn.execute(
        "select order_id, reason from order_hold where kind = 'FRAUD' and released_at is null"
    ).fetchone()
