"""An order's state in the words of TM Forum's Product Ordering API, TMF622 version 4.

CMP's states are told there as these; the interface's own `rejected` and `pending` have no
counterpart here: an order that is refused at the door is never entered, and one that waits for a
decision is `held`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from core.domain.order import OrderStatus


class State(StrEnum):
    """The states of a product order that an order here can be in; `meaning` is one sentence."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        """Keep the sentence beside the name, so that neither is documented without the other."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    ACKNOWLEDGED = "acknowledged", "New, or Awaiting Generation for the first time."
    IN_PROGRESS = (
        "inProgress",
        "Awaiting Dispatch, or being requested anew: whatever was dispatched so far.",
    )
    HELD = "held", "Not ended, and an open hold keeps it back."
    ASSESSING_CANCELLATION = (
        "assessingCancellation",
        "Not ended, and its cancellation was asked of a warehouse that has not answered yet.",
    )
    PARTIAL = "partial", "Error, with something dispatched before."
    COMPLETED = "completed", "Complete."
    FAILED = "failed", "Error, with nothing dispatched."
    CANCELLED = "cancelled", "Cancelled."


_BEGUN = (OrderStatus.NEW, OrderStatus.AWAITING_GENERATION)


def state(
    status: OrderStatus,
    *,
    generation: int,
    dispatched: int,
    held: bool,
    cancellation_asked: bool = False,
) -> State:
    """The state of an order.

    `generation` is how often it was generated, `dispatched` how many units have left, `held`
    whether a hold is open. What has ended is told as it ended, whatever stands open beside it;
    before that the question to the warehouse outweighs a hold.
    """
    match status:
        case OrderStatus.COMPLETE:
            return State.COMPLETED
        case OrderStatus.CANCELLED:
            return State.CANCELLED
        case OrderStatus.ERROR:
            return State.PARTIAL if dispatched else State.FAILED
    if cancellation_asked:
        return State.ASSESSING_CANCELLATION
    if held:
        return State.HELD
    return State.ACKNOWLEDGED if status in _BEGUN and not generation else State.IN_PROGRESS
