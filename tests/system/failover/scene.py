"""Daemons, partners and a stream of orders, on a database that is about to be lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from console.demo.stage import Stage
from console.generator import PLACES
from tests.system.chaos.fleet import Fleet
from tests.system.chaos.run import tracebacks
from tests.system.chaos.stream import Stream
from tests.system.chaos.verdict import judge
from tests.system.chaos.watch import Watch
from tests.system.failover.servers import Server

SEED = 5
RATE = 20.0
"""Orders a second."""
BATCH = 50
REQUEST, EXTRACT, LOAD = "request_extract-0", "extract_to_generic-0", "load_from_generic-0"
HOUSES = [place.id for place in PLACES]
OLDER = "DATABASE_OLDER_THAN_FILES"


class Scene:
    """An installation with one of each daemon, which works as soon as `running` is entered."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.stage = Stage(folder, server)
        self.stream = Stream(self.stage, SEED, RATE)
        self.stage.set_up(self.stream.catalogue, batch=BATCH)
        self.fleet = Fleet(self.stage, SEED, copies=1)
        self.watch = Watch(self.stage, self.fleet, self.stream)

    @contextmanager
    def running(self) -> Iterator[None]:
        """All four daemons and three partners work, until the end."""
        self.stream.start()
        with self.fleet.running():
            self.watch.await_work("the start")
            yield

    def close(self) -> None:
        """Let go of the connections."""
        self.watch.close()
        self.stream.close()

    def freeze(self, daemon: str) -> None:
        """A daemon stands still, with nothing in hand that others would wait for."""
        self.until(lambda: self._frozen_idle(daemon), "moment without work")

    def _frozen_idle(self, daemon: str) -> bool:
        self.fleet.signal(daemon, signal.SIGSTOP)
        name = daemon.removesuffix("-0").replace("_", "-")
        rows = self.watch.rows(
            "select state from pg_stat_activity where application_name = %s", name
        )
        if rows == [("idle",)]:
            return True
        self.thaw(daemon)
        return False

    def thaw(self, daemon: str) -> None:
        """It goes on as if nothing had been."""
        self.fleet.signal(daemon, signal.SIGCONT)

    def until(self, condition: Callable[[], bool], what: str, *, feed: bool = False) -> float:
        """Wait for it; the seconds that it took."""
        began = time.monotonic()
        self.watch.until(condition, 30.0, what, feed=feed)
        return time.monotonic() - began

    def on(self, server: Server) -> None:
        """The tests look at this server from now on; the daemons find it by themselves."""
        self.stage.server = server
        self.watch.close()
        self.stream.close()

    # What there is.

    def houses(self, statement: str) -> bool:
        """Whether the statement names every warehouse."""
        rows = self.watch.rows(statement)
        return rows is not None and {row[0] for row in rows} == set(HOUSES)

    def to_seal(self) -> bool:
        """Whether a batch of every warehouse waits to be sealed."""
        return self.houses(
            "select warehouse_id from batch where type = 'Sales Order Request'"
            " and (stage, stage_status) = ('Batch', 'Complete')"
        )

    def sent_and_answered(self) -> bool:
        """Whether the partners have taken all that was batched, and an answer of each lies there.

        For Load from Generic stands still.
        """
        rows = self.watch.rows(
            """
            select (select count(*) from outbound_file where taken_at is null)
                 + (select count(*) from batch where type = 'Sales Order Request'
                       and (stage, stage_status) <> ('Extract/Load', 'Complete'))
            """
        )
        return rows == [(0,)] and {path.parent.name for path in self.dropped()} == set(HOUSES)

    def dropped(self) -> set[Path]:
        """What the partners have dropped and nobody has taken up."""
        return {path for house in HOUSES for path in (self.stage.in_ / house).glob("[!.]*.p7m")}

    def says(self, daemon: str, what: str) -> bool:
        """Whether a daemon's log has it."""
        return what in self.stage.log(daemon).read_text()

    def held(self) -> bool:
        """Whether every warehouse is held, since its files are newer."""
        return self.houses(f"select id from warehouse where held_reason = '{OLDER}'")  # noqa: S608

    def any_held(self) -> bool:
        """Whether any warehouse is held."""
        return bool(self.watch.rows("select id from warehouse where held_reason is not null"))

    def ids(self) -> dict[str, int]:
        """The orders that the database knows, by their references."""
        rows = self.watch.rows("select reference, id::text from sales_order")
        assert rows is not None
        return {str(reference): int(str(identifier)) for reference, identifier in rows}

    def lost(self) -> set[str]:
        """Those of the orders that it had promised to keep and does not know."""
        return {order["reference"] for order in self.stream.entered} - self.ids().keys()

    def files(self) -> set[Path]:
        """All that was ever published or loaded."""
        archives = (self.stage.out / "archive", self.stage.in_ / "archive")
        return {path for archive in archives for path in archive.rglob("*.p7m")}

    def repeat(self) -> set[Path]:
        """Every partner drops something that it has dropped before; what lies there now."""
        dropped = set()
        for house in HOUSES:
            files = sorted((self.stage.in_ / "archive" / house).glob("*.p7m"))
            to = self.stage.in_ / house / "again.p7m"
            (to.parent / ".again").write_bytes(files[-1].read_bytes())
            dropped.add((to.parent / ".again").rename(to))
        return dropped

    def looked(self, *daemons: str) -> Callable[[], bool]:
        """Whether these have all asked the database something since now."""
        since = datetime.now(UTC)

        def have() -> bool:
            rows = self.watch.rows(
                "select distinct application_name from pg_stat_activity where state_change > %s",
                since,
            )
            return {row[0] for row in rows or ()} >= set(daemons)

        return have

    def verdict(self) -> tuple[int, int, list[str]]:
        """Everything has to settle: orders, files, units and charges lost and doubled, and what
        else is wrong.
        """
        self.watch.settle()
        found = judge(self.stage, SEED, self.stream.entered, self.stream.catalogue)
        logs = self.stage.folder / "log"
        return found.lost, found.doubled, [*found.problems, *tracebacks(logs)]
