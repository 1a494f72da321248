"""What becomes of an order at the stand-in: decided by seed and order id alone, never by timing.

Nothing here does input or output: a request's order goes in, the records that answer it come out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from console.standin.numbers import units

CARRIERS: Final = ("Parcelforce", "Royal Mail", "DPD")
OUT_OF_STOCK: Final = "Out of stock until the next delivery."


class Outcome(StrEnum):
    """What the stand-in does with an order; all but DISPATCHED have their chance in the plan."""

    DISPATCHED = "dispatched"
    REJECTED = "rejected"
    FRAUD_REJECTED = "fraud_rejected"
    CANCELLED = "cancelled"
    LINE_REJECTED = "line_rejected"
    LINE_CANCELLED = "line_cancelled"
    PARTIAL = "partial"
    BACK_ORDERED = "back_ordered"


@dataclass(frozen=True, slots=True)
class Plan:
    """The chances, from 0 to 1, of whatever is not simply dispatched at once.

    The first seven exclude each other, so that their sum is at most 1; the rest is dispatched.
    ValueError names a chance that is not allowed.
    """

    rejected: float = 0.0
    """The whole order is refused."""
    fraud_rejected: float = 0.0
    """The fraud check fails; an order that asks for none is dispatched instead."""
    cancelled: float = 0.0
    """The warehouse cancels the whole order."""
    line_rejected: float = 0.0
    """One line is refused, the others are dispatched."""
    line_cancelled: float = 0.0
    """One line is cancelled, the others are dispatched."""
    partial: float = 0.0
    """A part is dispatched now, the rest is back-ordered and comes in a later file."""
    back_ordered: float = 0.0
    """All is back-ordered and comes in a later file."""
    dispatch_again: float = 0.0
    """Of an answered order: its record stands once more, unchanged, in the next file."""
    file_again: float = 0.0
    """Of an answer file: the same bytes are dropped again under another name."""
    file_resealed: float = 0.0
    """Of an answer file: the same content is signed and encrypted anew and dropped again."""

    def __post_init__(self) -> None:
        """Refuse what is no chance."""
        for field in fields(self):
            if not 0 <= getattr(self, field.name) <= 1:
                raise ValueError(f"the chance {field.name} must be from 0 to 1")
        if sum(self._of_orders()) > 1 + 1e-9:
            raise ValueError(f"the chances {', '.join(_EXCLUSIVE)} must not add up to more than 1")

    def _of_orders(self) -> list[float]:
        return [getattr(self, name) for name in _EXCLUSIVE]

    def outcome(self, draw: float) -> Outcome:
        """What a draw from [0, 1) means for an order."""
        for name, chance in zip(_EXCLUSIVE, self._of_orders(), strict=True):
            if draw < chance:
                return Outcome(name)
            draw -= chance
        return Outcome.DISPATCHED


_EXCLUSIVE: Final = tuple(one.value for one in Outcome if one is not Outcome.DISPATCHED)

PRESETS: Final = {
    "clean": Plan(),
    "lively": Plan(
        rejected=0.02,
        fraud_rejected=0.02,
        cancelled=0.02,
        line_rejected=0.02,
        line_cancelled=0.02,
        partial=0.15,
        back_ordered=0.05,
        dispatch_again=0.03,
        file_again=0.25,
        file_resealed=0.25,
    ),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """How one order is answered: records of an order-dispatch file, but for their dates."""

    outcome: Outcome
    now: dict[str, Any]
    later: dict[str, Any] | None = None
    """Completes what `now` back-ordered, in a later file."""
    again: bool = False
    """`now` is to be repeated in the next file."""

    @property
    def records(self) -> Iterator[dict[str, Any]]:
        """What the warehouse says of the order, repeats left out."""
        yield self.now
        if self.later is not None:
            yield self.later


def draw(*of: object) -> float:
    """A number from [0, 1) that follows from `of`, the same on every machine."""
    text = "\0".join(map(str, of)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest()) / 2**64


def answer(
    order: dict[str, Any], plan: Plan, *, seed: int, warehouse: str, times: int = 1
) -> Answer:
    """How the stand-in answers an entry of `orders[]` of a request file.

    `times` says how often the order has been requested, this time included: one that was rejected
    and requested anew is drawn anew.
    """
    key = (seed, warehouse, order["id"], times)
    outcome = plan.outcome(draw("outcome", *key))
    again = draw("again", *key) < plan.dispatch_again
    if outcome is Outcome.FRAUD_REJECTED and not order["fraudCheckRequired"]:
        outcome = Outcome.DISPATCHED
    head = _Head(warehouse, order)
    match outcome:
        case Outcome.REJECTED | Outcome.FRAUD_REJECTED | Outcome.CANCELLED:
            return Answer(outcome, head.settled_whole(outcome), again=again)
        case Outcome.LINE_REJECTED | Outcome.LINE_CANCELLED:
            return Answer(outcome, _but_one(head, order, outcome, key), again=again)
        case Outcome.PARTIAL | Outcome.BACK_ORDERED:
            now, later = _in_two(head, order, outcome, key)
            return Answer(outcome, now, later, again=again)
    lines = [_dispatched(line, 0, line["quantity"]) for line in order["lines"]]
    return Answer(outcome, head.dispatched("DISPATCHED", lines), again=again)


def cancelled(order: dict[str, Any], *, owed: bool, warehouse: str, times: int) -> dict[str, Any]:
    """How the stand-in answers an entry of a request file that is CANCEL: gone is gone.

    `owed` says that it still has the order's lines to deliver, and now will not; `times` how often
    it was asked, this time included.
    """
    status = "CANCELLED" if owed else "CANCEL_REFUSED"
    number = f"{warehouse}-{order['id']}-{order['lines'][0]['id']}-cancel-{times}"
    return {"id": order["id"], "dispatchId": number, "status": status}


class _Head:
    """What the records of one order begin with."""

    def __init__(self, warehouse: str, order: dict[str, Any]) -> None:
        self._order = order["id"]
        # A line is requested once, so that a number made of one is never given to two dispatches.
        self._number = int(order["lines"][0]["id"])
        self._prefix = f"{warehouse}-{self._order}-{self._number}"

    def dispatched(self, status: str, lines: list[dict[str, Any]], part: int = 1) -> dict[str, Any]:
        record = self._record(status, part)
        if any(line["status"] == "DISPATCHED" for line in lines):
            record["carrier"] = CARRIERS[self._number % len(CARRIERS)]
            record["trackingNumbers"] = [f"QX{self._number % 10**9:09}{part}GB"]
        record["lines"] = lines
        return record

    def settled_whole(self, outcome: Outcome) -> dict[str, Any]:
        record = self._record(outcome.name, 1)
        if outcome is not Outcome.CANCELLED:
            fraud = outcome is Outcome.FRAUD_REJECTED
            record["errors"] = [
                {"id": "FC-17", "errorMessage": "The contact could not be confirmed."}
                if fraud
                else {"id": "WH-04", "errorMessage": "The address is not served."}
            ]
        return record

    def settled_lines(self, status: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
        return self._record(status, 1) | {"lines": lines}

    def _record(self, status: str, part: int) -> dict[str, Any]:
        return {"id": self._order, "dispatchId": f"{self._prefix}-{part}", "status": status}


def _dispatched(line: dict[str, Any], first: int, count: int) -> dict[str, Any]:
    entry = {"id": line["id"], "quantity": count, "status": "DISPATCHED"}
    if line["serialised"]:
        entry["units"] = units(line, first, count)
    return entry


def _but_one(
    head: _Head, order: dict[str, Any], outcome: Outcome, key: tuple[object, ...]
) -> dict[str, Any]:
    """One line is refused or cancelled, the others are dispatched."""
    lines = order["lines"]
    status = "REJECTED" if outcome is Outcome.LINE_REJECTED else "CANCELLED"
    chosen = int(draw("line", *key) * len(lines))
    left_out = lines[chosen]
    entry = {
        "id": left_out["id"],
        "quantity": left_out["quantity"],
        "status": status,
        "reason": "No longer made.",
    }
    others = [_dispatched(line, 0, line["quantity"]) for line in lines if line is not left_out]
    if not others:
        return head.settled_lines(status, [entry])
    return head.dispatched("PART_DISPATCHED", [*others, entry])


def _in_two(
    head: _Head, order: dict[str, Any], outcome: Outcome, key: tuple[object, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A part, which may be nothing, is dispatched now; the rest is back-ordered and comes later."""
    lines = order["lines"]
    total = sum(line["quantity"] for line in lines)
    # Of one unit nothing can be left: then all of it comes later.
    left = 0 if outcome is Outcome.BACK_ORDERED else int(draw("part", *key) * (total - 1)) + 1
    left = min(left, total - 1)
    now, later = [], []
    for line in lines:
        here = min(left, line["quantity"])
        left -= here
        missing = line["quantity"] - here
        if here:
            now.append(_dispatched(line, 0, here))
        if missing:
            entry = {"id": line["id"], "quantity": missing, "status": "BACK_ORDERED"}
            now.append(entry | {"reason": OUT_OF_STOCK})
            later.append(_dispatched(line, here, missing))
    return (
        head.dispatched("PART_DISPATCHED", now),
        head.dispatched("DISPATCHED", later, part=2),
    )
