"""Orders as they have to be after whatever happened: plain arithmetic, from the pages.

What a warehouse was asked, what it may send, and what it has sent; tests/console/test_life.py plays
it against the database.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Product:
    """A product, with the one warehouse that has it."""

    code: str
    warehouse: str
    price: str
    kept: bool = True
    """Whether stock is kept of it."""
    serialised: bool = False
    billable: bool = True


PRODUCTS = {
    one.code: one
    for one in (
        Product("CASE", "LONDON", "1.10"),
        Product("PHONE", "LONDON", "499.99", kept=False, serialised=True),
        Product("WELCOME", "LONDON", "0", kept=False, billable=False),
        Product("CABLE", "LEEDS", "0.001"),
        Product("ROUTER", "BELFAST", "80", serialised=True),
    )
}
WAREHOUSES = ("LONDON", "LEEDS", "BELFAST")
ALLOWED = {"LONDON": 50, "LEEDS": 0, "BELFAST": 20}
"""Percent that each may dispatch beyond what is asked."""
TAKES_BACK_ORDERS = {"LEEDS"}
WHOLE = {"REJECTED": "REJECTED", "FRAUD_REJECTED": "REJECTED", "CANCELLED": "CANCELLED"}
OUTCOMES = ("DISPATCHED", "DISPATCHED", "DISPATCHED", "REJECTED", "CANCELLED", "BACK_ORDERED")
ENDED = ("COMPLETE", "CANCELLED")
Claims = tuple[tuple[int, str, int], ...]
"""Line, status and quantity of each entry of a record."""


@dataclass
class Line:
    """A request line."""

    id: int
    product: str
    warehouse: str
    quantity: int
    sealed: bool = False
    superseded: bool = False
    counters: Counter[str] = field(default_factory=Counter)
    """Units by DISPATCHED, CANCELLED, REJECTED, EXCESS, and what of them is BACK, EXCESS_BACK."""
    numbers: set[str] = field(default_factory=set)
    """Of the units that are out."""

    @property
    def left(self) -> int:
        """Units that are neither dispatched nor cancelled nor rejected."""
        done = sum(self.counters[each] for each in ("DISPATCHED", "CANCELLED", "REJECTED"))
        return self.quantity - done

    @property
    def open(self) -> int:
        """Units that the warehouse still has to answer for."""
        return 0 if self.superseded else self.left

    @property
    def away(self) -> int:
        """Units that have left and not come back."""
        return self.counters["DISPATCHED"] - self.counters["BACK"] + self.excess_away

    @property
    def excess_away(self) -> int:
        """Those of them that had not been asked for."""
        return self.counters["EXCESS"] - self.counters["EXCESS_BACK"]

    @property
    def allowance(self) -> int:
        """Units that it may be sent beyond what was asked."""
        return self.quantity * ALLOWED[self.warehouse] // 100


@dataclass
class Cancellation:
    """What a warehouse was asked to dispatch no more."""

    warehouse: str
    status: str = "REQUESTED"
    sent: bool = False

    @property
    def is_open(self) -> bool:
        """Whether its answer is still to come."""
        return self.status in ("REQUESTED", "SENT")


@dataclass
class Order:
    """An order as it has to be."""

    id: int
    items: list[tuple[str, int]]
    status: str = "NEW"
    held: bool = False
    short: bool = False
    lines: list[Line] = field(default_factory=list)
    cancellations: list[Cancellation] = field(default_factory=list)

    @property
    def wanted(self) -> Counter[str]:
        """Units by product."""
        wanted: Counter[str] = Counter()
        for product, quantity in self.items:
            wanted[product] += quantity
        return wanted

    @property
    def owed(self) -> Counter[str]:
        """Units by product that are neither open nor dispatched nor cancelled."""
        owed = self.wanted
        for each in self.lines:
            owed[each.product] -= (
                each.open + each.counters["DISPATCHED"] + each.counters["CANCELLED"]
            )
        return +owed

    def open_of(self, product: str) -> int:
        """Units that are open of a product."""
        return sum(each.open for each in self.lines if each.product == product)


@dataclass(frozen=True)
class Sent:
    """A record that a warehouse has sent."""

    warehouse: str
    order: int
    document: dict[str, Any]
    claims: Claims
    """None for an outcome of the whole order."""
    numbers: frozenset[str] = frozenset()
