"""Looks whether the archive has accepted files that the database has not: it may have lost them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from core import log
from core.db import inbound, warehouses
from core.errors import Reason
from core.events import Event

if TYPE_CHECKING:
    import psycopg

    from core.directory import Inbound

NEWEST = 100
"""How many archived files of a warehouse are looked for in the database."""


def is_ahead(conn: psycopg.Connection, tree: Inbound, warehouse: str) -> bool:
    """Whether the archive has an accepted file that the database has not; then it is held.

    OSError says that it cannot be read, or is away.
    """
    # The files first: what is archived between the two looks is then known to the database.
    claims = tree.names("archive", warehouse)[-NEWEST:]
    (tree.root / "archive").stat()
    unknown = set(claims) - inbound.known_claims(conn, claims)
    if unknown and warehouses.hold(conn, warehouse, Reason.DATABASE_OLDER_THAN_FILES):
        log.emit(Event.DATABASE_OLDER_THAN_FILES, warehouse=warehouse, file=max(unknown))
    return bool(unknown)


def files_ahead(conn: psycopg.Connection, tree: Inbound) -> None:
    """Hold each warehouse of which the archive has an accepted file that the database has not.

    One whose archive cannot be read is looked at again before its first file.
    """
    for warehouse in warehouses.all_warehouses(conn):
        with suppress(OSError):
            is_ahead(conn, tree, warehouse.id)
