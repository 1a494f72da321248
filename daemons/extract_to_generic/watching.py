"""Looks at the outbound tree: what the partners have taken, and whether it is the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import log
from core.db import acknowledgements, requests, warehouses
from core.directory import Outbound
from core.errors import Reason
from core.events import Event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import psycopg

    from daemons.extract_to_generic.comparing import Compare


class Watch:
    """Looks whether partners have taken their files, and whether a changed tree is back."""

    def __init__(self, tree: Outbound, compare: Compare) -> None:
        self._tree = tree
        self._compare = compare

    def __call__(self, conn: psycopg.Connection) -> bool:
        """One look at every outbound directory; never more to do."""
        # Here too, since Load from Generic waits for it, whether there is anything to send or not.
        self._compare(conn)
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
