"""An order's states, its legal moves, and what settles it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.errors import Reason


class OrderStatus(StrEnum):
    """Where an order stands; `shown` is the words that people read."""

    NEW = "NEW"
    AWAITING_GENERATION = "AWAITING_GENERATION"
    AWAITING_DISPATCH = "AWAITING_DISPATCH"
    COMPLETE = "COMPLETE"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"

    @property
    def shown(self) -> str:
        """The status as CMP's screens write it: Awaiting Generation."""
        return self.value.replace("_", " ").title()


_S = OrderStatus

LEGAL_MOVES: frozenset[tuple[OrderStatus | None, OrderStatus]] = frozenset(
    {
        (None, _S.NEW),
        (_S.NEW, _S.AWAITING_GENERATION),  # submit
        (_S.NEW, _S.CANCELLED),
        (_S.AWAITING_GENERATION, _S.AWAITING_DISPATCH),  # generate
        (_S.AWAITING_GENERATION, _S.ERROR),
        (_S.AWAITING_GENERATION, _S.CANCELLED),
        (_S.AWAITING_DISPATCH, _S.COMPLETE),  # settle
        (_S.AWAITING_DISPATCH, _S.ERROR),
        (_S.AWAITING_DISPATCH, _S.CANCELLED),
        (_S.ERROR, _S.AWAITING_GENERATION),  # regenerate
        (_S.ERROR, _S.CANCELLED),
    },
)
"""Every move an order may make; the database holds the same table as a CHECK on its history."""


class Granularity(StrEnum):
    """What one request line stands for at a warehouse."""

    ITEM = "ITEM"
    UNIT = "UNIT"
    PRODUCT = "PRODUCT"


@dataclass(frozen=True, slots=True)
class GenerateLimits:
    """How much one unit of generation takes, and what one order may ask for."""

    orders: int
    units: int
    """Of all its orders together, each of which may be a request line; one order always fits."""
    units_per_order: int


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The most that one request batch holds; its first order is taken whatever its size."""

    orders: int
    lines: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Unfit:
    """An order that cannot be generated, and why."""

    order_id: int
    reason: Reason
    sentence: str
