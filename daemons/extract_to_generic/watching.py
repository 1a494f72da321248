"""Looks at the outbound tree: what the partners have taken, and whether it is the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import log
from core.db import acknowledgements, comparing, requests, warehouses
from core.directory import Outbound, acknowledgement_name, published_name
from core.errors import Reason
from core.events import Event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import psycopg


class Watch:
    """Looks whether partners have taken their files, and whether a changed tree is back."""

    def __init__(self, tree: Outbound) -> None:
        self._tree = tree

    def __call__(self, conn: psycopg.Connection) -> bool:
        """One look at every outbound directory; never more to do."""
        for warehouse in warehouses.all_warehouses(conn):
            if warehouse.held_reason == Reason.WORK_TREE_CHANGED:
                self._release(conn, warehouse.id)
            for module in (requests, acknowledgements):
                waiting = module.not_taken(conn, warehouse.id)
                taken = self._taken(warehouse.id, waiting) if waiting else []
                if taken:
                    module.record_taken(conn, [identifier for identifier, _ in taken])
                for _, name in taken:
                    log.emit(Event.FILE_TAKEN, warehouse=warehouse.id, file=name)
        return False

    def _taken(
        self, warehouse: str, waiting: Sequence[tuple[int, str, UUID]]
    ) -> list[tuple[int, str]]:
        present = self._tree.present(warehouse)
        # Asked after the look: a tree that is away, or another one, has no file of ours taken.
        mounted = self._tree.tree_id()
        return [
            (identifier, name)
            for identifier, name, tree in waiting
            if name not in present and tree == mounted
        ]

    def _release(self, conn: psycopg.Connection, warehouse: str) -> None:
        trees = requests.trees_of_sealed(conn, warehouse)
        if trees | acknowledgements.trees_of_sealed(conn, warehouse) <= {self._tree.tree_id()}:
            warehouses.release(conn, warehouse, Reason.WORK_TREE_CHANGED)


def files_ahead(conn: psycopg.Connection, tree: Outbound) -> None:
    """Hold each warehouse whose archive knows a file that the database does not.

    Load from Generic, which cannot see the archive, waits until this is done.
    """
    # The files first: what is published between the two looks is then known to the database.
    names = [warehouse.id for warehouse in warehouses.all_warehouses(conn)]
    highest = {name: tree.highest_sequence(name) for name in names}
    acknowledged = {name: tree.highest_acknowledgement(name) for name in names}
    numbers = acknowledgements.last_number(conn)
    for warehouse in warehouses.all_warehouses(conn):
        name = None
        if highest.get(warehouse.id, 0) > warehouse.file_sequence:
            name = published_name(warehouse.id, highest[warehouse.id])
        elif acknowledged.get(warehouse.id, 0) > numbers[warehouse.id]:
            name = acknowledgement_name(warehouse.id, acknowledged[warehouse.id])
        if name and warehouses.hold(conn, warehouse.id, Reason.DATABASE_OLDER_THAN_FILES):
            log.emit(Event.DATABASE_OLDER_THAN_FILES, warehouse=warehouse.id, file=name)
    comparing.record(conn)
