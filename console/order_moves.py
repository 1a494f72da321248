"""What an operator does to one order; each is one transaction that locks the order first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from console.exits import Refusal
from console.show import printable
from core.db import cancellations, fraud, orders, rejecting, reserving, stock
from core.db.orders import Standing
from core.domain.order import LEGAL_MOVES, OrderStatus
from core.errors import Reason

ENDED = ("COMPLETE", "CANCELLED")
REJECTED_FROM = ("AWAITING_GENERATION", "AWAITING_DISPATCH")
"""What is New was never submitted, and is cancelled; what has ended is decided already."""
_AWAITING = "AWAITING_DISPATCH"
_LONGEST_REASON = 1000
_BIGINT_DIGITS = 19


def find(conn: psycopg.Connection, name: str) -> int:
    """The id of the order with this id or reference; Refusal if there is none, or are two.

    `id:417` is the one and `reference:417` the other, where both exist.
    """
    kind, _, rest = name.partition(":")
    number = rest if kind == "id" else name
    is_number = number.isascii() and number.isdigit() and len(number) < _BIGINT_DIGITS
    found = orders.find(
        conn,
        identity=int(number) if is_number else None,
        reference=rest if kind == "reference" else name.replace("\0", ""),
    )
    if not found:
        raise Refusal(f"there is no order {printable(name)}")
    if len(found) > 1:
        raise Refusal(
            f"{printable(name)} is the id of one order and the reference of another: "
            f"say id:{name} or reference:{name}"
        )
    return found[0]


@contextmanager
def _locked(conn: psycopg.Connection, name: str) -> Iterator[Standing]:
    order = find(conn, name)
    with conn.transaction():
        orders.lock(conn, order)
        # A statement of its own: the one that waited for the lock has seen what was before.
        yield orders.standing(conn, order)


def checked(reason: str) -> str:
    """A reason that can be kept; Refusal of any other."""
    if not 1 <= len(reason) <= _LONGEST_REASON or "\0" in reason:
        raise Refusal(f"a reason has 1 to {_LONGEST_REASON} characters")
    return reason


def cancel(conn: psycopg.Connection, name: str, reason: str) -> str:
    """Cancel what is not sealed, and have the warehouses asked for the rest; what was done."""
    checked(reason)
    with _locked(conn, name) as order:
        if (OrderStatus(order.status), OrderStatus.CANCELLED) not in LEGAL_MOVES:
            raise Refusal(f"order {order.id} is {_shown(order)} and cannot be cancelled any more")
        if order.sealed_files:
            return _ask(conn, order, reason)
        orders.cancel_lines(conn, order.id)
        orders.unqueue(conn, order.id)
        status = orders.settled_as(conn, order.id) if order.status == _AWAITING else "CANCELLED"
        if status in ENDED:
            orders.end_holds(conn, order.id, "CANCELLED", reason)
        orders.move(conn, order.id, status, reason)
    rest = f"; {order.dispatched} units dispatched before stay so" if order.dispatched else ""
    return f"order {order.id} is cancelled{rest}: it is {OrderStatus(status).shown} now"


def _ask(conn: psycopg.Connection, order: Standing, reason: str) -> str:
    """Have the warehouses that were asked for the goods asked to cancel; cancel the rest at once.

    The order stays where it is: what the warehouses answer settles it.
    """
    to_ask = [one for one in order.sealed_at if one not in order.asked]
    if not to_ask and not order.unsealed_lines:
        raise Refusal(
            f"{', '.join(order.asked)} has been asked to cancel order {order.id} and has not "
            "answered yet: cmp-orders order show"
        )
    orders.cancel_lines(conn, order.id)
    stock.release_excess(conn, [order.id])
    orders.unqueue(conn, order.id)
    if order.unsealed_lines:
        # Nothing is left that a hold could keep back.
        orders.end_holds(conn, order.id, "CANCELLED", reason)
    cancellations.ask(conn, order.id, to_ask, reason)
    rest = "; what no warehouse has been asked for is cancelled" if order.unsealed_lines else ""
    return (
        f"order {order.id} is sealed in {', '.join(order.sealed_files)}: "
        f"{', '.join(to_ask or order.asked)} is asked to cancel it, and its answer decides{rest}"
    )


def _refuse_sealed(order: Standing) -> None:
    if order.sealed_files:
        raise Refusal(
            f"order {order.id} is sealed in {', '.join(order.sealed_files)}: the warehouse has to "
            "be asked; it answers with a dispatch file"
        )


def hold(conn: psycopg.Connection, name: str, reason: str) -> str:
    """Keep an order from being batched and sealed until it is released."""
    checked(reason)
    with _locked(conn, name) as order:
        if order.status in ENDED:
            raise Refusal(f"order {order.id} is {_shown(order)}: there is nothing to hold")
        if "OPERATOR" in order.held:
            raise Refusal(f"order {order.id} is held already: cmp-orders order show says why")
        if not order.unsealed_lines:
            _refuse_sealed(order)
        orders.place_hold(conn, order.id, reason)
    out = f", but for what is sealed in {', '.join(order.sealed_files)}" * bool(order.sealed_files)
    return f"order {order.id} is held{out}"


def release(conn: psycopg.Connection, name: str, kind: str | None, reason: str | None) -> str:
    """End a hold; with more than one, `kind` says which."""
    if reason is not None:
        checked(reason)
    with _locked(conn, name) as order:
        if not order.held:
            raise Refusal(f"order {order.id} is not held")
        if kind is None and len(order.held) > 1:
            raise Refusal(f"order {order.id} has holds {', '.join(order.held)}: --kind says which")
        wanted = kind or order.held[0]
        if wanted not in order.held:
            raise Refusal(f"order {order.id} has no {wanted} hold, but {', '.join(order.held)}")
        if wanted == "FRAUD":
            if reason is None:
                raise Refusal(f"order {order.id} is held for fraud: --reason says why it may go")
            fraud.release(conn, order.id)
        orders.release_hold(conn, order.id, wanted, reason)
    left = [one for one in order.held if one != wanted]
    return f"order {order.id} is released" + (f"; {', '.join(left)} still holds it" if left else "")


def reject(conn: psycopg.Connection, name: str, reason: str) -> str:
    """End an order of which nothing open is sealed in Error, its holds with it."""
    checked(reason)
    with _locked(conn, name) as order:
        if order.status not in REJECTED_FROM:
            raise Refusal(
                f"order {order.id} is {_shown(order)}: only an order that is on its way to a "
                "warehouse is rejected"
            )
        _refuse_sealed(order)
        orders.end_holds(conn, order.id, "REJECTED", reason)
        rejecting.reject(conn, Reason.FRAUD_CHECK_REJECTED, [(order.id, reason)])
    return (
        f"order {order.id} is rejected and in Error; cmp-orders order cancel ends it for good, "
        "order regenerate takes it up again"
    )


def regenerate(conn: psycopg.Connection, name: str) -> str:
    """Have what is still owed of an order in Error requested anew."""
    with _locked(conn, name) as order:
        if order.status != "ERROR":
            raise Refusal(
                f"order {order.id} is {_shown(order)}; only one in Error is generated again"
            )
        if order.open_lines:
            raise Refusal(
                f"order {order.id} has {order.open_lines} open lines: the warehouse has to settle "
                "them first"
            )
        if order.lines and not order.owed:
            raise Refusal(f"nothing of order {order.id} is left to request")
        if reserving.is_kept(conn):
            _reserve_again(conn, order.id)
        orders.supersede(conn, order.id)
        orders.move(conn, order.id, "AWAITING_GENERATION", "regenerated")
    return f"order {order.id} awaits generation again: {order.owed} units are owed"


def _reserve_again(conn: psycopg.Connection, order: int) -> None:
    """An order that came to Error has given its stock back."""
    decided = reserving.reserve_again(conn, order)
    if decided.short:
        raise Refusal(
            f"order {order} stays in Error, {Reason.OUT_OF_STOCK}: {decided.sentence} "
            "(cmp-orders stock show)"
        )


def _shown(order: Standing) -> str:
    return OrderStatus(order.status).shown
