"""Looks whether the archive has accepted files that the database has not: it may have lost them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from core import log
from core.db import inbound, warehouses
from core.errors import Reason
from core.events import Event

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from core.directory import Inbound

NEWEST = 100
"""How many archived files of a warehouse are looked for in the database."""


class Compare:
    """Compares each warehouse's archive with the database, and knows for which reason it has."""

    def __init__(self, tree: Inbound) -> None:
        self._tree = tree
        self._done: dict[str, datetime] = {}

    def reconnected(self, conn: psycopg.Connection) -> None:
        """Look at all of them once more: it may be another database, or have lost commits.

        One that cannot be read now is looked at again before its first file.
        """
        self._done.clear()
        for warehouse in warehouses.all_warehouses(conn):
            with suppress(OSError):
                self._hold_if_ahead(conn, warehouse.id)

    def is_ahead(self, conn: psycopg.Connection, warehouse: str, outbound_at: datetime) -> bool:
        """Whether the archive has an accepted file that the database has not; then it is held.

        Looked at once, and again when Extract to Generic has compared its own archive since, which
        it did at `outbound_at`: it had a reason. OSError says that the archive cannot be read, or
        is away.
        """
        if self._done.get(warehouse) == outbound_at:
            return False
        if self._hold_if_ahead(conn, warehouse):
            return True
        self._done[warehouse] = outbound_at
        return False

    def _hold_if_ahead(self, conn: psycopg.Connection, warehouse: str) -> bool:
        # The files first: what is archived between the two looks is then known to the database.
        claims = self._tree.names("archive", warehouse)[-NEWEST:]
        # An archive that is away looks like an empty one.
        (self._tree.root / "archive").stat()
        unknown = set(claims) - inbound.known_claims(conn, claims)
        if unknown and warehouses.hold(conn, warehouse, Reason.DATABASE_OLDER_THAN_FILES):
            log.emit(Event.DATABASE_OLDER_THAN_FILES, warehouse=warehouse, file=max(unknown))
        return bool(unknown)
