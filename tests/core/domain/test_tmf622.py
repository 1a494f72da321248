"""An order's state in the words of TM Forum's TMF622."""

from __future__ import annotations

from itertools import product

import pytest

from core.domain.order import OrderStatus
from core.domain.tmf622 import State, state

S = OrderStatus


@pytest.mark.parametrize(
    ("status", "generation", "dispatched", "expected"),
    [
        (S.NEW, 0, 0, State.ACKNOWLEDGED),
        (S.AWAITING_GENERATION, 0, 0, State.ACKNOWLEDGED),
        (S.AWAITING_GENERATION, 1, 0, State.IN_PROGRESS),
        (S.AWAITING_GENERATION, 1, 3, State.IN_PROGRESS),
        (S.AWAITING_DISPATCH, 1, 0, State.IN_PROGRESS),
        (S.AWAITING_DISPATCH, 1, 3, State.IN_PROGRESS),
        (S.COMPLETE, 1, 3, State.COMPLETED),
        (S.ERROR, 1, 3, State.PARTIAL),
        (S.ERROR, 1, 0, State.FAILED),
        (S.ERROR, 0, 0, State.FAILED),
        (S.CANCELLED, 1, 0, State.CANCELLED),
    ],
)
def test_each_status_has_its_state(
    status: OrderStatus, generation: int, dispatched: int, expected: State
) -> None:
    """Status, and what was dispatched of an order in Error, decide the state."""
    assert state(status, generation=generation, dispatched=dispatched, held=False) is expected


@pytest.mark.parametrize(("held", "asked"), [(True, False), (False, True), (True, True)])
def test_what_stands_beside_the_status(*, held: bool, asked: bool) -> None:
    """A hold, or the question to the warehouse, which outweighs it, shows until the order ends."""
    for status, generation in product(OrderStatus, (0, 1)):
        found = state(
            status, generation=generation, dispatched=0, held=held, cancellation_asked=asked
        )
        if status in (S.COMPLETE, S.ERROR, S.CANCELLED):
            assert found is state(status, generation=generation, dispatched=0, held=False)
        else:
            assert found is (State.ASSESSING_CANCELLATION if asked else State.HELD)


def test_the_words_are_tmf622s() -> None:
    """The states are spelt as TMF622 spells them."""
    assert set(State) == {
        "acknowledged", "inProgress", "held", "assessingCancellation", "partial", "completed",
        "failed", "cancelled",
    }  # fmt: skip
