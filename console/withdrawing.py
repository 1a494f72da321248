"""Takes a request batch apart before it is sealed: its orders are queued again, or held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.exits import Refusal

if TYPE_CHECKING:
    import psycopg

    from core.directory import Outbound


def withdraw(
    conn: psycopg.Connection, tree: Outbound, number: int, *, reason: str, hold: bool
) -> str:
    """Do it in one transaction; what was done, as a sentence.

    The locks are those of sealing: whoever comes second finds the batch gone on.
    """
    from core.db import batches, cancellations, mending, requests  # noqa: PLC0415
    from core.domain.batch import BATCHED, PUBLISHED, SET_ASIDE, Action  # noqa: PLC0415
    from core.errors import Reason  # noqa: PLC0415

    with conn.transaction():
        found = batches.lock(conn, number, BATCHED) or batches.lock(conn, number, SET_ASIDE)
        if found is None or found.type != "Sales Order Request" or requests.file_of(conn, number):
            raise Refusal(_why_not(conn, number))
        if found.action == Action.CANCEL:
            if hold:
                raise Refusal(f"batch {number} has cancellations: there is nothing to hold")
            cancellations.lock_orders(conn, number)
            cancelled = cancellations.drop_answered(conn, number)
            queued = cancellations.give_back(conn, number)
        else:
            requests.lock_orders(conn, number)
            cancelled = requests.drop_cancelled(conn, number)
            if hold:
                mending.hold_batch(conn, number, reason)
            queued = requests.requeue(conn, number, found.warehouse_id)
        requests.set_record_count(conn, number, 0)
        if (found.stage, found.stage_status) == (SET_ASIDE.stage, SET_ASIDE.status):
            batches.move(conn, number, BATCHED, reason=Reason.WITHDRAWN, sentence=reason)
        batches.move(conn, number, PUBLISHED, reason=Reason.WITHDRAWN, sentence=reason)
        # What an attempt to seal it left there would have no owner any more.
        tree.prepare(found.warehouse_id)
        tree.unseal(found.warehouse_id, number)
    dropped = "answered" if found.action == Action.CANCEL else "cancelled"
    out = f"; {cancelled} had been {dropped}" if cancelled else ""
    where = "held" if hold else "queued for another batch"
    return f"batch {number} is withdrawn: {queued} orders are {where}{out}"


def _why_not(conn: psycopg.Connection, number: int) -> str:
    from core.db import mending  # noqa: PLC0415

    told = mending.batch(conn, number, refused=False, limit=0)
    if told is None:
        return f"there is no batch {number}"
    if told["outbound_files"]:
        return (
            f"batch {number} is sealed in {told['outbound_files'][0]['name']}: the warehouse has "
            "to be asked"
        )
    return (
        f"batch {number} ({told['type']}) is at {told['stage']}, {told['stage_status']}; only a "
        "request batch that is not sealed is withdrawn"
    )
