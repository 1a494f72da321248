"""Looks whether the archive knows of files that the database does not: it may have lost commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import log
from core.db import acknowledgements, comparing, warehouses
from core.directory import Outbound, acknowledgement_name, published_name
from core.errors import Reason
from core.events import Event
from core.rota import Rota

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

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

    def reconnected(self) -> None:
        """Compare all of them once more: it may be another database, or have lost commits."""
        self._here.clear()

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
        return compared | {
            name for name, _ in self._rota.order(missing) if self._try(conn, name, mounted)
        }

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

    def _try(self, conn: psycopg.Connection, warehouse: str, mounted: UUID) -> bool:
        try:
            done = compare(conn, self._tree, warehouse, mounted)
        except OSError as error:
            if self._rota.failed(warehouse):
                log.emit(Event.WAREHOUSE_RESTS, warehouse=warehouse, why=log.one_line(error))
            return False
        self._rota.served(warehouse)
        if done:
            self._here.add(warehouse)
        return done


def compare(conn: psycopg.Connection, tree: Outbound, name: str, mounted: UUID) -> bool:
    """Hold a warehouse whose archive knows a file that the database does not.

    False: the tree that was mounted is not here any more, and nothing is said of it. Load from
    Generic, which cannot see the archive, takes up nothing of the warehouse before it is True.
    """
    # The files first: what is published between the two looks is then known to the database.
    highest = tree.highest_sequence(name)
    acknowledged = tree.highest_acknowledgement(name)
    # An archive that is away looks like an empty one.
    if tree.tree_id() != mounted:
        return False
    numbers = acknowledgements.last_number(conn)
    known = {one.id: one.file_sequence for one in warehouses.all_warehouses(conn)}
    if name not in known:
        return False
    file = None
    if highest > known[name]:
        file = published_name(name, highest)
    elif acknowledged > numbers[name]:
        file = acknowledgement_name(name, acknowledged)
    if file and warehouses.hold(conn, name, Reason.DATABASE_OLDER_THAN_FILES):
        log.emit(Event.DATABASE_OLDER_THAN_FILES, warehouse=name, file=file)
    comparing.record(conn, name, mounted)
    return True
