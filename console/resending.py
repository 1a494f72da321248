"""Has a file published again: the same bytes under the same name and identifier.

The verb writes the archive's bytes into out/work and puts the row back to sealed, as sealing itself
does; Extract to Generic then publishes it by the very steps of the first time. So whatever ends
this, or the daemon, in between is finished by the next look, and the partner finds it once more.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from console.exits import Refusal

if TYPE_CHECKING:
    import psycopg

    from core.db.mending import SentFile
    from core.directory import Outbound

NAMED = 20
"""How many orders a sentence names."""


def resend(conn: psycopg.Connection, tree: Outbound, name: str) -> str:
    """Do it in one transaction; what was done, as a sentence."""
    from core.db import batches, mending  # noqa: PLC0415
    from core.domain.batch import PUBLISHED, SEALED  # noqa: PLC0415
    from core.errors import Reason  # noqa: PLC0415

    found = mending.sent_file(conn, name)
    if found is None:
        raise Refusal(f"there is no request file {name}: cmp-orders file list --direction out")
    with conn.transaction():
        if batches.lock(conn, found.batch_id, PUBLISHED) is None:
            raise Refusal(f"{found.name} is not published: it will be, and need not be sent again")
        data = _copy(tree, found)
        # After the lock: nobody publishes it meanwhile.
        if found.name in tree.present(found.warehouse_id):
            raise Refusal(
                f"{found.name} lies in {found.warehouse_id}'s directory still: the partner has not "
                "taken it"
            )
        tree.prepare(found.warehouse_id)
        # A file of its own: the partner may still have the first one, which the archive shares.
        tree.seal(found.warehouse_id, found.batch_id, data)
        mending.record_resend(conn, found.id)
        batches.move(conn, found.batch_id, SEALED, reason=Reason.SENT_AGAIN)
        closed = mending.no_more_wanted(conn, found.batch_id)
    return f"{found.name} is to be published again by extract-to-generic{_but(closed)}"


def _but(closed: list[int]) -> str:
    """What the partner has to know of orders that are settled: the bytes still ask for them."""
    if not closed:
        return ""
    more = f" and {len(closed) - NAMED} more" if len(closed) > NAMED else ""
    return (
        f"; it asks for {len(closed)} orders of which nothing is open any more, so the partner has "
        f"to be told not to dispatch them: {', '.join(map(str, closed[:NAMED]))}{more}"
    )


def _copy(tree: Outbound, found: SentFile) -> bytes:
    """The archive's copy, if it is what was sealed, in the tree that is mounted."""
    if found.tree_id != tree.tree_id():
        raise Refusal(f"{found.name} was sealed in another tree than the one that is mounted")
    data = tree.copy_of(found.warehouse_id, found.name)
    if data is None or hashlib.sha256(data).digest() != found.file_sha256:
        raise Refusal(
            f"out/archive/{found.warehouse_id}/{found.name} is missing or not what was sealed: put "
            "it back from a backup of the tree"
        )
    return data
