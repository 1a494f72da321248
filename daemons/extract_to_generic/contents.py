"""What is in a batch: requests, or cancellations of such. Each is read from tables of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.db import cancellations, requests
from core.domain.batch import Action

if TYPE_CHECKING:
    import psycopg

    from core.db.batches import Batch


@dataclass(frozen=True, slots=True)
class Contents:
    """The orders of a locked batch that are to be sealed, and how many have dropped out."""

    orders: list[tuple[Any, ...]]
    """In the columns of core.documents' OrderRow."""
    cancelled: int
    """Cancelled meanwhile; of cancellations, answered before they were sent."""
    held: int


def take(conn: psycopg.Connection, batch: Batch, *, checked: bool) -> Contents:
    """Lock the orders of a locked batch, and let drop out what is not to be sent.

    Where requests have to be `checked` for fraud, those too whose verdict counts no more.
    """
    if batch.action == Action.CANCEL:
        cancellations.lock_orders(conn, batch.id)
        answered = cancellations.drop_answered(conn, batch.id)
        return Contents(cancellations.order_rows(conn, batch.id), answered, held=0)
    locked = requests.lock_orders(conn, batch.id)
    cancelled = requests.drop_cancelled(conn, batch.id)
    held = requests.requeue_held(conn, batch.id, batch.warehouse_id, checked=checked)
    orders = [locked[order] for order in requests.remaining(conn, batch.id)]
    return Contents(orders, cancelled, held)


def lines(conn: psycopg.Connection, batch: Batch) -> list[tuple[Any, ...]]:
    """The lines of the orders, with the columns of core.documents' RequestLineRow first."""
    if batch.action == Action.CANCEL:
        return cancellations.line_rows(conn, batch.id, batch.warehouse_id)
    return requests.line_rows(conn, batch.id, batch.warehouse_id)


def record_sent(conn: psycopg.Connection, batch: Batch) -> None:
    """Record that the batch is sealed, where that is more than a file's row."""
    if batch.action == Action.CANCEL:
        cancellations.record_sent(conn, batch.id)


def manifest_orders(
    conn: psycopg.Connection, batch: Batch, sent: list[tuple[Any, ...]] | None
) -> list[dict[str, Any]]:
    """What reconcile needs to know of what was sent when the database has forgotten it.

    `sent` are the lines that were sealed, if they are at hand.
    """
    if batch.action == Action.CANCEL:
        return cancellations.manifest_orders(conn, batch.id)
    return requests.manifest_orders(lines(conn, batch) if sent is None else sent)
