"""Which warehouse serves what, by its stock: one order after the other, whole orders or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

NAMED = 5
"""How many of the items that are short a sentence names."""


@dataclass(frozen=True, slots=True)
class Place:
    """A warehouse as one that may serve."""

    warehouse: str
    back_order: bool
    """Whether it takes what it does not have, to be sent later."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item of an order; a warehouse is named where the seller has named one."""

    number: int
    product: str
    quantity: int
    warehouse: str | None = None


@dataclass(frozen=True, slots=True)
class Shortage:
    """An item that cannot be served, and the most that one warehouse has available of it."""

    item: int
    product: str
    wanted: int
    available: int

    @property
    def sentence(self) -> str:
        """In words, for the seller and the operator."""
        return f"item {self.item}: {self.product}, wanted {self.wanted}, available {self.available}"


@dataclass(frozen=True, slots=True)
class Allotment:
    """What becomes of one order: where its items of stock are served, or why it is short."""

    order: int
    places: Mapping[int, str] = field(default_factory=dict)
    """The warehouse of each item that is kept in stock, by the item's number."""
    reserved: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Units to reserve, by warehouse and product."""
    back_ordered: int = 0
    """Units that its warehouses are asked for and do not have yet."""
    short: tuple[Shortage, ...] = ()
    """Not empty: the order stays New, and nothing is reserved for it."""
    together: bool = False
    """Of a short one: no warehouse has all of it, and it must not be split."""

    @property
    def sentence(self) -> str:
        """Why it is short; of many items the first few are named."""
        lead = "no one warehouse has all of it; " if self.together else ""
        more = len(self.short) - NAMED
        rest = f"; and {more} more items" if more > 0 else ""
        return lead + "; ".join(one.sentence for one in self.short[:NAMED]) + rest


Available = Mapping[tuple[str, str], int]
"""Units on hand and not reserved, by warehouse and product; what is not in it is not kept."""


def allot(
    orders: Iterable[tuple[int, Sequence[Item]]],
    available: Available,
    places: Sequence[Place],
    *,
    split: bool,
) -> list[Allotment]:
    """Allot orders in the order given, each from what those before it have left.

    `places` are in the order of preference. An item that names a warehouse is served there and
    nowhere else. The others go together to the first place that has all of the order; else, where
    `split` allows it, each to the first place that has all of that item; else to the first that
    takes back-orders, with what it has. An order of which an item finds no place is short.

    An item is kept in stock if its warehouse, or any warehouse where it names none, has a row of
    its product in `available`; other items are none of this function's business.
    """
    shelf = _Shelf(available, places)
    return [_Order(shelf, order, items, split=split).decide() for order, items in orders]


class _Shelf:
    """What is left for the order in hand, which may put back what it has taken."""

    def __init__(self, available: Available, places: Sequence[Place]) -> None:
        self._left = dict(available)
        self._taken: Counter[tuple[str, str]] = Counter()
        self._rank = {place.warehouse: rank for rank, place in enumerate(places)}
        self._places = {place.warehouse: place for place in places}
        self._having: dict[str, list[Place]] = {}
        for warehouse, product in available:
            self._having.setdefault(product, []).append(self._places[warehouse])
        for having in self._having.values():
            having.sort(key=lambda place: self._rank[place.warehouse])

    def candidates(self, item: Item) -> list[Place]:
        """The places that may serve an item, the preferred first; none: it is not kept."""
        if item.warehouse is None:
            return self._having.get(item.product, [])
        kept = (item.warehouse, item.product) in self._left
        return [self._places[item.warehouse]] if kept else []

    def left(self, warehouse: str, product: str) -> int:
        return self._left[warehouse, product] - self._taken[warehouse, product]

    def take(self, warehouse: str, product: str, quantity: int) -> None:
        self._taken[warehouse, product] += quantity

    def put_back(self) -> None:
        self._taken.clear()

    def keep(self) -> dict[tuple[str, str], int]:
        """End the order in hand: what it has taken is gone for those that follow."""
        taken = {key: quantity for key, quantity in self._taken.items() if quantity}
        for key, quantity in taken.items():
            self._left[key] -= quantity
        self._taken.clear()
        return taken


class _Order:
    """One order in the making."""

    def __init__(self, shelf: _Shelf, order: int, items: Sequence[Item], *, split: bool) -> None:
        self._shelf = shelf
        self._order = order
        served = [(item, shelf.candidates(item)) for item in items]
        # The seller's choice first: what an item names it can get nowhere else.
        self._items = sorted(
            ((item, where) for item, where in served if where),
            key=lambda pair: pair[0].warehouse is None,
        )
        named = {item.warehouse for item, _ in self._items if item.warehouse is not None}
        # Where the seller himself names several warehouses it is split already.
        self._apart = len(named) > 1
        self._split = split or self._apart

    def decide(self) -> Allotment:
        if not self._items:
            return Allotment(self._order)
        places = self._together(back_order=False)
        if places is None and self._split:
            places = self._each()
        elif places is None:
            places = self._together(back_order=True)
        if places is None:
            return self._short()
        wanted = sum(item.quantity for item, _ in self._items)
        reserved = self._shelf.keep()
        return Allotment(self._order, places, reserved, wanted - sum(reserved.values()))

    def _together(self, *, back_order: bool) -> dict[int, str] | None:
        """Everything at the first place that has it, or with `back_order` takes the rest."""
        for place in self._common():
            if back_order and not place.back_order:
                continue
            if all(self._serve(item, place, back_order=back_order) for item, _ in self._items):
                return {item.number: place.warehouse for item, _ in self._items}
            self._shelf.put_back()
        return None

    def _common(self) -> list[Place]:
        """The places that keep every item."""
        if self._apart:
            return []
        _, first = self._items[0]
        return [place for place in first if all(place in where for _, where in self._items)]

    def _each(self) -> dict[int, str] | None:
        """Each item at the first place that has all of it, else at one that takes the rest."""
        places = {}
        for item, where in self._items:
            place = next((p for p in where if self._serve(item, p, back_order=False)), None)
            if place is None:
                place = next((p for p in where if p.back_order), None)
                if place is None:
                    self._shelf.put_back()
                    return None
                self._serve(item, place, back_order=True)
            places[item.number] = place.warehouse
        return places

    def _serve(self, item: Item, place: Place, *, back_order: bool) -> bool:
        left = self._shelf.left(place.warehouse, item.product)
        if left < item.quantity and not back_order:
            return False
        self._shelf.take(place.warehouse, item.product, min(left, item.quantity))
        return True

    def _short(self) -> Allotment:
        """Which items find no place, each beside what those before it have left."""
        short = []
        for item, where in self._items:
            served = any(self._serve(item, place, back_order=False) for place in where)
            if not served and not any(place.back_order for place in where):
                short.append(self._shortage(item, where))
        self._shelf.put_back()
        together = not short
        if together:
            short = [self._shortage(item, where) for item, where in self._items]
        short.sort(key=lambda one: one.item)
        return Allotment(self._order, short=tuple(short), together=together)

    def _shortage(self, item: Item, where: Sequence[Place]) -> Shortage:
        most = max(self._shelf.left(place.warehouse, item.product) for place in where)
        return Shortage(item.number, item.product, item.quantity, most)
