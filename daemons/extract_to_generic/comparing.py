"""Looks whether the archive knows of files that the database does not: it may have lost commits."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from core import log
from core.db import comparing, warehouses
from core.directory import Outbound, acknowledgement_name, published_name
from core.errors import Reason
from core.events import Event
from core.rota import Rota

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg


class Compare:
    """Compares each warehouse's archive with the database, and knows where that was done.

    Done once for a connection, a server's start, a database, a tree and a warehouse: one that was
    entered anew may have been lost with the commits.
    """

    def __init__(self, tree: Outbound, longest_rest: float) -> None:
        self._tree = tree
        self._rota = Rota(longest_rest)
        self._here: set[str] = set()

    def resting(self) -> bool:
        """Whether a warehouse's archive could not be read, and the warehouse rests."""
        return self._rota.resting

    def reconnected(self, conn: psycopg.Connection) -> None:
        """Compare all of them once more: it may be another database, or have lost commits.

        What cannot be read now is tried again before anything is sent.
        """
        self._here.clear()
        with suppress(OSError):
            self(conn)

    def __call__(self, conn: psycopg.Connection) -> set[str]:
        """The warehouses that are compared; those that were not, now are, if they can be.

        OSError says that no tree is here.
        """
        mounted = self._tree.tree_id()
        compared = comparing.current(conn, mounted).keys() & self._here
        missing = [
            (one.id, one.number)
            for one in warehouses.all_warehouses(conn)
            if one.id not in compared
        ]
        # The files first: what is published between the two looks is then known to the database.
        highest = {name: self._highest(name) for name, _ in self._rota.order(missing)}
        seen = {name: numbers for name, numbers in highest.items() if numbers is not None}
        # An archive that is away looks like an empty one.
        if not seen or self._tree.tree_id() != mounted:
            return compared
        self._hold(conn, seen)
        # From now on Load from Generic, which cannot see the archive, takes up their files.
        comparing.record(conn, list(seen), mounted)
        self._here |= seen.keys()
        return compared | seen.keys()

    def those(
        self,
        conn: psycopg.Connection,
        waiting: Callable[[psycopg.Connection], Sequence[tuple[str, int]]],
    ) -> list[tuple[str, int]]:
        """The warehouses that wait for something to be sent, and are compared and not held."""
        if not waiting(conn):
            return []
        compared = self(conn)
        # Once more: comparing has held those whose files are ahead.
        return [one for one in waiting(conn) if one[0] in compared]

    def _highest(self, warehouse: str) -> tuple[int, int] | None:
        """Its highest numbers of a request file and an acknowledgement; None: it rests."""
        try:
            highest = (
                self._tree.highest_sequence(warehouse),
                self._tree.highest_acknowledgement(warehouse),
            )
        except OSError as error:
            if self._rota.failed(warehouse):
                log.emit(Event.WAREHOUSE_RESTS, warehouse=warehouse, why=log.one_line(error))
            return None
        self._rota.served(warehouse)
        return highest

    @staticmethod
    def _hold(conn: psycopg.Connection, seen: dict[str, tuple[int, int]]) -> None:
        known = warehouses.last_numbers(conn)
        for name in seen.keys() & known.keys():
            (sequence, acknowledgement), (last, last_acknowledgement) = seen[name], known[name]
            if sequence > last:
                file = published_name(name, sequence)
            elif acknowledgement > last_acknowledgement:
                file = acknowledgement_name(name, acknowledgement)
            else:
                continue
            if warehouses.hold(conn, name, Reason.DATABASE_OLDER_THAN_FILES):
                log.emit(Event.DATABASE_OLDER_THAN_FILES, warehouse=name, file=file)
