"""Whose turn it is: warehouses are served one after the other, and one in trouble rests.

No partner can starve another: the one served longest ago comes first, and a failure that belongs to
one warehouse alone (its directory, its key) delays that warehouse alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Rota:
    """Remembers, in this process, when each warehouse was served and how long it has to rest."""

    def __init__(self, longest_rest: float) -> None:
        self._longest_rest = longest_rest
        self._served: dict[str, float] = {}
        self._rest: dict[str, float] = {}
        self._until: dict[str, float] = {}

    def order(self, waiting: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        """Those of (warehouse, number) that do not rest, the one served longest ago first."""
        now = time.monotonic()
        awake = [one for one in waiting if self._until.get(one[0], 0.0) <= now]
        return sorted(awake, key=lambda one: self._served.get(one[0], 0.0))

    def tried(self, warehouse: str) -> None:
        """Its unit begins: should it fail and be tried again at once, the others come first."""
        self._served[warehouse] = time.monotonic()

    def served(self, warehouse: str) -> None:
        """Its unit is done: it goes to the end, and is out of trouble."""
        self._served[warehouse] = time.monotonic()
        self._rest.pop(warehouse, None)
        self._until.pop(warehouse, None)

    @property
    def resting(self) -> bool:
        """Whether a warehouse has failed and not been served since."""
        return bool(self._rest)

    def failed(self, warehouse: str) -> bool:
        """It rests, twice as long each time; True for the first failure after a success."""
        first = warehouse not in self._rest
        rest = min(2 * self._rest.get(warehouse, 0.25), self._longest_rest)
        self._rest[warehouse] = rest
        self._served[warehouse] = time.monotonic()
        self._until[warehouse] = time.monotonic() + rest
        return first
