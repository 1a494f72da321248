"""Which warehouse serves what: whole orders by preference, never more than there is."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from core.domain.stock import Allotment, Item, Place, allot

A, B, LATER = (
    Place("A", back_order=False),
    Place("B", back_order=False),
    Place("L", back_order=True),
)


def one(
    items: list[Item],
    available: dict[tuple[str, str], int],
    *places: Place,
    split: bool = True,
) -> Allotment:
    """What becomes of a single order."""
    (decided,) = allot([(1, items)], available, places or (A, B), split=split)
    return decided


def test_the_first_that_has_all_of_it() -> None:
    """A whole order goes to the preferred warehouse of those that have all of it."""
    items = [Item(1, "X", 2), Item(2, "Y", 1)]
    stock = {("A", "X"): 5, ("A", "Y"): 0, ("B", "X"): 2, ("B", "Y"): 1}
    assert one(items, stock).places == {1: "B", 2: "B"}
    decided = one(items, {**stock, ("A", "Y"): 1})
    assert decided.places == {1: "A", 2: "A"}
    assert decided.reserved == {("A", "X"): 2, ("A", "Y"): 1}
    assert one(items, {**stock, ("A", "Y"): 1}, B, A).places == {1: "B", 2: "B"}


def test_split_only_where_allowed() -> None:
    """What no warehouse has whole is split by items, or is short where that is forbidden."""
    items = [Item(1, "X", 2), Item(2, "Y", 1)]
    stock = {("A", "X"): 2, ("B", "Y"): 1, ("A", "Y"): 0, ("B", "X"): 0}
    assert one(items, stock).places == {1: "A", 2: "B"}
    short = one(items, stock, split=False)
    assert (short.together, short.reserved, short.places) == (True, {}, {})
    assert short.sentence == (
        "no one warehouse has all of it; item 1: X, wanted 2, available 2;"
        " item 2: Y, wanted 1, available 1"
    )


def test_a_named_warehouse_alone() -> None:
    """An item that names a warehouse is served there or not at all, and draws the others along."""
    stock = {("A", "X"): 9, ("B", "X"): 1, ("A", "Y"): 9, ("B", "Y"): 9}
    assert one([Item(1, "X", 1, "B"), Item(2, "Y", 1)], stock).places == {1: "B", 2: "B"}
    short = one([Item(1, "X", 2, "B")], stock).short
    assert [(each.item, each.wanted, each.available) for each in short] == [(1, 2, 1)]
    # Split by the seller himself: that no property forbids.
    apart = [Item(1, "X", 1, "A"), Item(2, "X", 1, "B"), Item(3, "Y", 1)]
    assert one(apart, stock, split=False).places == {1: "A", 2: "B", 3: "A"}


def test_an_item_is_never_cut() -> None:
    """An item is served by one warehouse whole, though two together would have enough."""
    assert one([Item(1, "X", 3)], {("A", "X"): 2, ("B", "X"): 2}).short


def test_items_of_one_product_count_together() -> None:
    """Two items of a product get no more than there is, and the second is told what is left."""
    short = one([Item(1, "X", 2), Item(2, "X", 2)], {("A", "X"): 3}).short
    assert [(each.item, each.available) for each in short] == [(2, 1)]


def test_back_order_is_the_last_resort() -> None:
    """Back-order takes what there is and the rest later, only where no warehouse has it whole."""
    stock = {("L", "X"): 1, ("A", "X"): 3}
    assert one([Item(1, "X", 3)], stock, LATER, A).places == {1: "A"}
    later = one([Item(1, "X", 4)], stock, A, LATER)
    assert later.places == {1: "L"}
    assert (later.reserved, later.back_ordered) == ({("L", "X"): 1}, 3)
    together = one([Item(1, "X", 4)], stock, A, LATER, split=False)
    assert (together.places, together.back_ordered) == ({1: "L"}, 3)


def test_what_is_not_managed_is_left_alone() -> None:
    """A product without stock, or without any at the warehouse that is named, goes its own way."""
    for item in (Item(1, "Z", 5), Item(1, "X", 5, "B")):
        decided = one([item], {("A", "X"): 0})
        assert (decided.places, decided.reserved, decided.short) == ({}, {}, ())


def test_a_short_order_takes_nothing() -> None:
    """What a short order would have had is there for the next one."""
    first, second = allot(
        [(1, [Item(1, "X", 1), Item(2, "Y", 9)]), (2, [Item(1, "X", 1)])],
        {("A", "X"): 1, ("A", "Y"): 1},
        [A],
        split=True,
    )
    assert [each.item for each in first.short] == [2]
    assert second.reserved == {("A", "X"): 1}


PLACES = st.permutations(["A", "B", "C"]).flatmap(
    lambda names: st.tuples(*(st.builds(Place, st.just(name), st.booleans()) for name in names))
)
STOCK = st.dictionaries(
    st.tuples(st.sampled_from("ABC"), st.sampled_from("XYZ")), st.integers(0, 6)
)
ITEM = st.tuples(
    st.sampled_from("WXYZ"), st.integers(1, 5), st.sampled_from([None, None, "A", "B"])
)
ORDERS = st.lists(st.lists(ITEM, max_size=4), max_size=6)


@given(ORDERS, STOCK, PLACES, st.booleans())
def test_never_more_than_there_is(
    wanted: list[list[tuple[str, int, str | None]]],
    stock: dict[tuple[str, str], int],
    places: tuple[Place, ...],
    split: bool,  # noqa: FBT001  # drawn
) -> None:
    """Whatever is ordered: no shelf is overdrawn, an order is served whole or not at all, named
    warehouses are kept, and what is not reserved is on back-order where that is taken.
    """
    orders = [
        (number, [Item(place, *item) for place, item in enumerate(items, 1)])
        for number, items in enumerate(wanted, 1)
    ]
    taken: Counter[tuple[str, str]] = Counter()
    late = {place.warehouse for place in places if place.back_order}
    for (_, items), decided in zip(orders, allot(orders, stock, places, split=split), strict=True):
        taken.update(decided.reserved)
        assert all(taken[key] <= stock[key] for key in taken)
        managed = {
            item.number: item
            for item in items
            if any(
                (place.warehouse, item.product) in stock
                for place in places
                if item.warehouse in (None, place.warehouse)
            )
        }
        if decided.short:
            assert (decided.places, dict(decided.reserved), decided.back_ordered) == ({}, {}, 0)
            continue
        assert decided.places.keys() == managed.keys()
        asked: Counter[tuple[str, str]] = Counter()
        for number, warehouse in decided.places.items():
            item = managed[number]
            assert item.warehouse in (None, warehouse)
            asked[warehouse, item.product] += item.quantity
        owing = asked - Counter(decided.reserved)
        assert decided.back_ordered == owing.total()
        assert {warehouse for warehouse, _ in owing} <= late
        if not split and len({i.warehouse for i in managed.values() if i.warehouse}) <= 1:
            assert len(set(decided.places.values())) <= 1
