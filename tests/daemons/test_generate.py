"""Generation: request lines at each granularity, what cannot be generated, what is owed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import psycopg
import pytest
from hypothesis import given, settings

from core.db import generation
from core.domain.order import GenerateLimits
from core.errors import Reason
from daemons.request_extract import Generate
from tests import postgres
from tests.daemons.conftest import catalogue
from tests.daemons.desk import Desk, drained, line, record


def lines_of(desk: Desk, order: int) -> list[tuple[Any, ...]]:
    """(warehouse, item, product, quantity, price) of each line, in their order."""
    return desk.rows(
        "select warehouse_id, item_no, product_code, quantity, unit_price::text"
        " from request_line where order_id = %s order by id",
        order,
    )


def test_a_line_an_item(desk: Desk) -> None:
    """At ITEM granularity each item is one line with its quantity and price, in their order."""
    order = desk.order(("CASE", 3, "1.50"), ("PHONE", 1, "2"), ("CASE", 3, "1.50"))
    desk.generate()
    assert lines_of(desk, order) == [
        ("LONDON", 1, "CASE", 3, "1.50"),
        ("LONDON", 2, "PHONE", 1, "2"),
        ("LONDON", 3, "CASE", 3, "1.50"),
    ]
    assert desk.status(order) == "AWAITING_DISPATCH"
    assert desk.items(order) == [(3, 0, 0), (1, 0, 0), (3, 0, 0)]


def test_a_line_a_unit(desk: Desk) -> None:
    """At UNIT granularity each unit is a line of its own, that knows its item."""
    order = desk.order(("SIM", 3, "1.5"), ("SIM", 1, "1.5"))
    desk.generate()
    assert lines_of(desk, order) == [
        *[("LEEDS", 1, "SIM", 1, "1.5")] * 3,
        ("LEEDS", 2, "SIM", 1, "1.5"),
    ]
    assert desk.items(order) == [(3, 0, 0), (1, 0, 0)]
    assert desk.rows("select line_count from request_queue") == [(4,)]


def test_a_line_a_product(desk: Desk) -> None:
    """At PRODUCT granularity items of one product merge at one price alone; the shares are kept."""
    order = desk.order(
        ("ROUTER", 2, "80"), ("CASE", 9, "1", "BELFAST"), ("ROUTER", 3, "80.00"),
        ("ROUTER", 1, "79.99"),
    )  # fmt: skip
    desk.generate()
    lines = lines_of(desk, order)
    assert [(house, item, code, quantity) for house, item, code, quantity, _ in lines] == [
        ("BELFAST", None, "ROUTER", 5),
        ("BELFAST", 2, "CASE", 9),
        ("BELFAST", 4, "ROUTER", 1),
    ]
    assert [Decimal(price) for *_, price in lines] == [80, 1, Decimal("79.99")]
    assert desk.rows("select line_id, item_no, quantity from request_line_share order by 2") == [
        (desk.lines(order)[0], 1, 2),
        (desk.lines(order)[0], 3, 3),
    ]
    assert desk.items(order) == [(2, 0, 0), (9, 0, 0), (3, 0, 0), (1, 0, 0)]


def test_an_order_of_several_warehouses(desk: Desk) -> None:
    """The item's own warehouse goes before the product's; each warehouse has one place in the
    queue.
    """
    order = desk.order(("CASE", 2, "1"), ("CASE", 2, "1", "LEEDS"), ("CASE", 2, "1", "BELFAST"))
    desk.generate()
    assert Counter(line[0] for line in lines_of(desk, order)) == {
        "LONDON": 1, "LEEDS": 2, "BELFAST": 1,
    }  # fmt: skip
    assert desk.rows("select warehouse_id, order_id, generation from request_queue order by 1") == [
        ("BELFAST", order, 1),
        ("LEEDS", order, 1),
        ("LONDON", order, 1),
    ]


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([], "NO_ITEMS"),
        ([("CASE", 1, "1"), ("GONE", 1, "1")], "UNKNOWN_PRODUCT"),
        ([("NOWHERE", 1, "1")], "NO_WAREHOUSE"),
        ([("CASE", 1, "1", "PARIS")], "UNKNOWN_WAREHOUSE"),
        ([("SIM", 11, "1")], "TOO_MANY_UNITS"),
        ([("SIM", 6, "1"), ("CASE", 5, "1", "LEEDS")], "TOO_MANY_UNITS"),
        ([("ROUTER", 1000000, "1"), ("ROUTER", 1, "1")], "TOO_MANY_UNITS"),
        ([("GONE", 1, "1"), ("NOWHERE", 1, "1")], "UNKNOWN_PRODUCT"),
        ([("SIM", 10, "1")], None),
        ([("SIM", 10, "1"), ("CASE", 1000000, "1")], None),
        ([("ROUTER", 1000000, "1")], None),
        ([("NOWHERE", 1, "1", "LONDON")], None),
    ],
    ids=range(12),
)
def test_each_reason(desk: Desk, items: list[tuple[Any, ...]], reason: str | None) -> None:
    """An order that cannot be generated goes to Error with its reason, whole; the others go on."""
    desk.set(request_extract_unit_maxunits="10")
    desk.product("NOWHERE", None)
    order = desk.order(*items)
    fine = desk.order(("CASE", 1, "1"))
    desk.generate()
    assert desk.status(fine) == "AWAITING_DISPATCH"
    if reason is None:
        assert desk.status(order) == "AWAITING_DISPATCH"
        return
    assert desk.status(order) == "ERROR"
    why = desk.value("select status_reason from sales_order where id = %s", order)
    assert why.startswith(f"{reason}: {Reason(reason).meaning}")
    assert lines_of(desk, order) == []
    assert all(item == (0, 0, 0) for item in desk.items(order))
    assert desk.rows("select order_id from request_queue") == [(fine,)]


def test_the_sentence_names_the_items(desk: Desk) -> None:
    """The reason of an order in Error names the items that it is about."""
    order = desk.order(("CASE", 1, "1"), ("GONE", 1, "1"), ("LOST", 1, "1"))
    desk.generate()
    assert desk.value("select status_reason from sales_order where id = %s", order) == (
        "UNKNOWN_PRODUCT: An item's product is not in the catalogue. (item 2, 3)"
    )


def test_an_order_in_error_can_be_mended(desk: Desk) -> None:
    """Once the catalogue is mended an order in Error is generated like any other."""
    order = desk.order(("LATE", 2, "1"))
    desk.generate()
    desk.product("LATE")
    desk.owner.execute("update sales_order set status = 'AWAITING_GENERATION'")
    desk.generate()
    assert desk.status(order) == "AWAITING_DISPATCH"
    assert desk.value("select status_reason from sales_order") is None


def regenerate(desk: Desk, order: int) -> None:
    """As the console's verb does."""
    with desk.owner.transaction():
        desk.owner.execute(
            "update request_line set superseded = true where order_id = %s and rejected > 0",
            (order,),
        )
        desk.owner.execute(
            "update sales_order set status = 'AWAITING_GENERATION' where id = %s", (order,)
        )


def test_regeneration_asks_for_what_is_owed(desk: Desk) -> None:
    """What was dispatched or cancelled is not asked for again; what was rejected is, at any
    granularity.
    """
    order = desk.request(("CASE", 5, "1"), ("CASE", 4, "1", "LEEDS"), ("ROUTER", 2, "8"),
                         ("CASE", 3, "1", "BELFAST"), ("CASE", 4, "1", "BELFAST"))  # fmt: skip
    case, *leeds, router, merged = desk.lines(order)
    desk.answer("LONDON", record(order, "D", line(case, 1), line(case, 2, "CANCELLED"),
                                 line(case, 2, "REJECTED")))  # fmt: skip
    desk.answer("LEEDS", record(order, "D", line(leeds[0], 1), line(leeds[1], 1, "CANCELLED"),
                                line(leeds[2], 1, "REJECTED"),
                                line(leeds[3], 1, "REJECTED")))  # fmt: skip
    desk.answer("BELFAST", record(order, "D", line(router, 2, "CANCELLED"), line(merged, 2),
                                  line(merged, 5, "REJECTED")))  # fmt: skip
    assert desk.status(order) == "ERROR"
    regenerate(desk, order)
    desk.generate()
    new = lines_of(desk, order)[7:]
    assert sorted((house, item, quantity) for house, item, _, quantity, _ in new if item) == [
        ("LEEDS", 2, 1),
        ("LEEDS", 2, 1),
        ("LONDON", 1, 2),
    ]
    assert [(house, quantity) for house, item, _, quantity, _ in new if item is None] == [
        ("BELFAST", 5)
    ]
    last = desk.lines(order)[-1]
    shares = desk.rows(
        "select s.item_no, s.quantity from request_line_share s"
        " join request_line l on l.id = s.line_id where generation = 2 order by 1"
    )
    assert last
    assert shares == [(4, 1), (5, 4)]
    assert desk.items(order) == [(2, 1, 2), (2, 1, 1), (0, 0, 2), (1, 2, 0), (4, 0, 0)]


def test_nothing_owed_is_a_reason(desk: Desk) -> None:
    """An order of which nothing is owed is not asked for with an empty request."""
    order = desk.request(("CASE", 2, "1"))
    desk.answer("LONDON", record(order, "D", line(desk.lines(order)[0], 2, "REJECTED")))
    desk.owner.execute("update order_item set cancelled_quantity = 2")
    regenerate(desk, order)
    desk.generate()
    assert desk.status(order) == "ERROR"
    assert desk.value("select status_reason from sales_order").startswith("NOTHING_OWED")


def test_oldest_first_and_a_bounded_unit(desk: Desk) -> None:
    """A unit of work takes the oldest orders, no more than its limit, and skips what others
    have.
    """
    orders = [desk.order(("CASE", 1, "1"), entered_at=f"2026-01-0{day}T00:00:00Z")
              for day in (3, 1, 2)]  # fmt: skip
    conn, other = desk.conn("request_extract"), desk.database.connect("sales_order_request_extract")
    with conn.transaction(force_rollback=True), other.transaction(force_rollback=True):
        assert generation.claim(conn, 2) == [orders[1], orders[2]]
        assert generation.claim(other, 2) == [orders[0]]
    limits = GenerateLimits(1, 1, 1)
    with conn.transaction(force_rollback=True):
        ids = generation.claim(conn, limits.orders)
        assert ids == [orders[1]]
        assert generation.judge(conn, ids, limits) == (ids, [])


@pytest.mark.parametrize("change", ["warehouse_id = 'LEEDS'", "serialised = true", None])
def test_generation_sees_one_moment(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, change: str | None
) -> None:
    """A catalogue that changes in the middle of a unit changes nothing of it: all that is owed is
    requested as it was judged.
    """
    order = desk.order(("ROUTER", 1, "1"), ("ROUTER", 2, "1"), ("CASE", 1, "1"))
    shares = generation.insert_shares

    def changed_meanwhile(conn: psycopg.Connection, ids: list[int]) -> None:
        if change is None:
            desk.owner.execute("update warehouse set granularity = 'ITEM' where id = 'BELFAST'")
        else:
            desk.owner.execute(f"update product set {change} where code = 'ROUTER'".encode())  # noqa: S608
        shares(conn, ids)

    monkeypatch.setattr(generation, "insert_shares", changed_meanwhile)
    desk.generate()
    assert lines_of(desk, order) == [
        ("BELFAST", None, "ROUTER", 3, "1"),
        ("LONDON", 3, "CASE", 1, "1"),
    ]
    assert desk.rows("select item_no, quantity from request_line_share order by 1") == [
        (1, 1), (2, 2),
    ]  # fmt: skip
    assert desk.value("select count(*) from order_item where open_quantity <> quantity") == 0


def test_two_generators_share_the_work(desk: Desk) -> None:
    """Two copies at once generate each order once and lose none."""
    orders = [
        desk.order(("CASE", 1, "1"), ("ROUTER", 1, "1"), ("ROUTER", 1, "1")) for _ in range(60)
    ]
    pairs = [
        (Generate(desk.properties), desk.database.connect("sales_order_request_extract"))
        for _ in range(2)
    ]
    for unit, _ in pairs:
        unit._limits = GenerateLimits(7, 1000, 10)  # noqa: SLF001  # many small units, so that they meet
    done: list[int] = []
    threads = [
        threading.Thread(target=lambda unit, conn: done.append(_drained(unit, conn)), args=pair)
        for pair in pairs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    desk.generate()
    assert len(done) == 2
    assert {desk.status(order) for order in orders} == {"AWAITING_DISPATCH"}
    assert desk.rows("select count(*), sum(quantity), max(generation) from request_line") == [
        (120, 180, 1)
    ]
    assert desk.value("select count(*) from request_queue") == 120
    assert desk.value(
        "select count(*) from order_history where to_status = 'AWAITING_DISPATCH'"
    ) == len(orders)


def _drained(unit: Generate, conn: psycopg.Connection) -> int:
    """As the daemon does it: an order that another has just moved makes the unit begin again."""
    while True:
        try:
            return drained(unit, conn)
        except psycopg.errors.SerializationFailure:
            continue


def test_an_order_that_is_being_cancelled_is_skipped(desk: Desk) -> None:
    """An order locked by somebody does not keep the others waiting."""
    locked, free = desk.order(("CASE", 1, "1")), desk.order(("CASE", 1, "1"))
    with desk.owner.transaction():
        desk.owner.execute("select from sales_order where id = %s for update", (locked,))
        desk.generate()
    assert (desk.status(locked), desk.status(free)) == ("AWAITING_GENERATION", "AWAITING_DISPATCH")


@pytest.fixture(scope="module")
def shared(postgres_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One database for many examples."""
    with postgres.clone(postgres_host) as database:
        desk = Desk(Path(tmp_path_factory.mktemp("desk")), database)
        catalogue(desk)
        yield desk


ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["CASE", "WELCOME"]),
        st.integers(1, 5),
        st.sampled_from(["1", "1.0", "2", "0"]),
        st.sampled_from(["LONDON", "LEEDS", "BELFAST"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=40)
@given(items=ITEMS)
def test_lines_are_the_items_at_their_granularity(
    shared: Desk, items: list[tuple[str, int, str, str]]
) -> None:
    """Whatever the items, the lines are those that a loop over them would make."""
    order = shared.order(*items)
    shared.generate()
    expected: Counter[tuple[str, str, Decimal, int]] = Counter()
    merged: Counter[tuple[str, Decimal]] = Counter()
    for code, quantity, price, house in items:
        if house == "LONDON":
            expected[house, code, Decimal(price), quantity] += 1
        elif house == "LEEDS":
            expected[house, code, Decimal(price), 1] += quantity
        else:
            merged[code, Decimal(price)] += quantity
    for (code, amount), quantity in merged.items():
        expected["BELFAST", code, amount, quantity] += 1
    assert expected == Counter(
        (house, code, Decimal(price), quantity)
        for house, _, code, quantity, price in lines_of(shared, order)
    )
    assert shared.items(order) == [(quantity, 0, 0) for _, quantity, _, _ in items]
    shares = shared.rows(
        "select l.id, l.quantity - sum(s.quantity), count(*) > 1 from request_line l"
        " join request_line_share s on s.line_id = l.id where l.order_id = %s group by l.id",
        order,
    )
    assert all(rest == 0 and several for _, rest, several in shares)
    assert len(shares) == shared.value(
        "select count(*) from request_line where order_id = %s and item_no is null", order
    )
