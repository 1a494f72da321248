"""The only steps that rename anything out, for request files and acknowledgements alike."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from core import log
from core.db import warehouses
from core.errors import Reason
from core.events import Event

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg

    from core.db.acknowledgements import Acknowledgement
    from core.db.requests import OutboundFile
    from core.directory import Outbound


def put_out(
    conn: psycopg.Connection,
    tree: Outbound,
    file: OutboundFile | Acknowledgement,
    work: int | str,
    manifest: bytes,
) -> Reason | None:
    """Put a sealed file, whose row is locked, where the partner takes it; None: it is there.

    `work` is its name in out/work. WORK_TREE_CHANGED: the warehouse is held, the file is tried
    again once its tree is back. Any other reason: the file has to be set aside.
    """
    name, mounted = file.name or "", tree.tree_id()
    if file.tree_id != mounted:
        _hold(conn, file.warehouse_id, file.tree_id, mounted)
        return Reason.WORK_TREE_CHANGED
    tree.prepare(file.warehouse_id)
    data = tree.sealed_data(file.warehouse_id, work)
    if data is not None and hashlib.sha256(data).digest() != file.file_sha256:
        return Reason.WORK_FILE_CHANGED
    # False: an earlier attempt has renamed it, and ended before it could record that.
    if tree.publish(file.warehouse_id, work, name, manifest):
        return None
    return None if tree.has_copy(file.warehouse_id, name) else Reason.WORK_FILE_LOST


def _hold(conn: psycopg.Connection, warehouse: str, expected: UUID | None, mounted: UUID) -> None:
    if warehouses.hold(conn, warehouse, Reason.WORK_TREE_CHANGED):
        log.emit(Event.WORK_TREE_CHANGED, expected=str(expected), found=str(mounted))
