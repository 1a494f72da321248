"""Stock: never below what is reserved, never sold twice, and reserved is what the orders have."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from core.db import reserving, stock, stocktaking
from core.db.stocktaking import Count
from core.errors import Reason
from tests.daemons.desk import Desk

RESERVE = "insert into reservation values (%s, 'LONDON', %s, %s)"


def draft(desk: Desk, *items: tuple[str, int, str] | tuple[str, int, str, str]) -> int:
    """An order in New."""
    return desk.order(*items, submit=False)


def constraint(desk: Desk, statement: str, *values: object) -> str | None:
    """The constraint that refuses a statement, or the sentence of the trigger that does."""
    with pytest.raises(psycopg.errors.IntegrityError) as refused, desk.owner.transaction():
        desk.owner.execute(statement.encode(), values)
    return refused.value.diag.constraint_name or refused.value.diag.message_primary


def test_reserved_is_the_sum_of_the_reservations(desk: Desk) -> None:
    """Whoever makes, changes, moves or ends reservations: reserved follows, in each product."""
    desk.stock("LONDON", "CASE", 10)
    desk.stock("LONDON", "PHONE", 10)
    first, second = draft(desk, ("CASE", 9, "1")), draft(desk, ("CASE", 9, "1"))
    desk.owner.execute(
        "insert into reservation values (%s, 'LONDON', 'CASE', 3), (%s, 'LONDON', 'CASE', 4),"
        " (%s, 'LONDON', 'PHONE', 1)",
        (first, second, first),
    )
    assert desk.stock_of("LONDON", "CASE") == (10, 7, 0)
    assert desk.stock_of("LONDON", "PHONE") == (10, 1, 0)
    desk.owner.execute("update reservation set quantity = quantity + 1")
    assert desk.stock_of("LONDON", "CASE") == (10, 9, 0)
    desk.owner.execute(
        "update reservation set product_code = 'PHONE' where order_id = %s", (second,)
    )
    assert desk.stock_of("LONDON", "CASE") == (10, 4, 0)
    assert desk.stock_of("LONDON", "PHONE") == (10, 7, 0)
    assert desk.value("select available from stock where product_code = 'PHONE'") == 3
    desk.owner.execute("delete from reservation where order_id = %s", (first,))
    assert desk.stock_of("LONDON", "CASE") == (10, 0, 0)
    desk.owner.execute("truncate reservation")
    assert desk.stock_of("LONDON", "PHONE") == (10, 0, 0)


def test_no_more_is_reserved_than_is_on_hand(desk: Desk) -> None:
    """A reservation beyond on hand, a count below reserved, a reserved of one's own: refused."""
    desk.stock("LONDON", "CASE", 5)
    order = draft(desk, ("CASE", 9, "1"))
    assert constraint(desk, RESERVE, order, "CASE", 6) == "stock_reserved"
    assert constraint(desk, RESERVE, order, "CASE", 0) == "reservation_quantity"
    assert constraint(desk, RESERVE, order, "PHONE", 1) == "reservation_stock"
    desk.owner.execute(RESERVE, (order, "CASE", 5))
    assert constraint(desk, "update stock set on_hand = 4") == "stock_reserved"
    counted = "stock.reserved is counted from the reservations"
    assert constraint(desk, "update stock set reserved = 0") == counted
    assert (
        constraint(
            desk,
            "insert into stock (warehouse_id, product_code, on_hand, reserved)"
            " values ('LONDON', 'PHONE', 2, 1)",
        )
        == counted
    )


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        (["CANCELLED"], 0),
        (["AWAITING_GENERATION"], 2),
        (["AWAITING_GENERATION", "AWAITING_DISPATCH"], 2),
        (["AWAITING_GENERATION", "AWAITING_DISPATCH", "COMPLETE"], 0),
        (["AWAITING_GENERATION", "ERROR"], 0),
    ],
)
def test_an_order_that_ends_keeps_nothing(desk: Desk, path: list[str], kept: int) -> None:
    """An order that ends or comes to Error gives its stock back, whoever moves it; others keep
    theirs.
    """
    desk.stock("LONDON", "CASE", 5)
    order, other = draft(desk, ("CASE", 2, "1")), draft(desk, ("CASE", 1, "1"))
    desk.owner.execute(RESERVE, (order, "CASE", 2))
    desk.owner.execute(RESERVE, (other, "CASE", 1))
    for status in path:
        desk.owner.execute("update sales_order set status = %s where id = %s", (status, order))
    assert desk.stock_of("LONDON", "CASE") == (5, kept + 1, 0)
    assert desk.reserved(other) == {("LONDON", "CASE"): 1}


def test_what_is_not_open_is_given_back(desk: Desk) -> None:
    """Whoever closes a part of an order that goes on leaves what is open reserved, and no more."""
    desk.stock("LONDON", "CASE", 9)
    desk.stock("LEEDS", "SIM", 9)
    order = desk.request(("CASE", 4, "1"), ("CASE", 2, "1"), ("SIM", 3, "1"))
    desk.owner.execute(RESERVE, (order, "CASE", 6))
    desk.owner.execute("insert into reservation values (%s, 'LEEDS', 'SIM', 3)", (order,))
    conn = desk.conn("console")
    for closed, left in ((0, 6), (3, 3), (1, 2)):
        desk.owner.execute(
            "update order_item set open_quantity = open_quantity - %s,"
            " cancelled_quantity = cancelled_quantity + %s where item_no = 1",
            (closed, closed),
        )
        with conn.transaction():
            stock.release_excess(conn, [order])
        assert desk.reserved(order) == {("LONDON", "CASE"): left, ("LEEDS", "SIM"): 3}
        assert desk.stock_of("LONDON", "CASE") == (9, left, 0)


def test_two_that_want_the_same_in_turn(desk: Desk) -> None:
    """Sessions that reserve what others give back and take at the same time end, each as if alone:
    stock is locked in one order, so that none waits for one that waits for it.
    """
    for warehouse in ("LONDON", "LEEDS", "BELFAST"):
        for product in ("CASE", "SIM", "PHONE"):
            desk.stock(warehouse, product, 40)
    products = ("CASE", "SIM", "PHONE")
    orders = [
        draft(desk, *((product, 1 + (at + place) % 3, "1") for place, product in enumerate(some)))
        for at in range(24)
        for some in (products[at % 3 :] + products[: at % 3],)
    ]
    conns = [desk.database.connect("sales_order_console") for _ in range(4)]

    def reserve(at: int) -> None:
        mine = orders[at::4] if at % 2 else orders[at::4][::-1]
        for _ in range(5):
            with conns[at].transaction():
                reserving.reserve(conns[at], mine, split=True, submit=False)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(reserve, range(4)))
    assert desk.value("select count(distinct order_id) from reservation") == 24
    assert desk.rows(
        "select product_code, sum(reserved) from stock group by 1 order by 1"
    ) == desk.rows("select product_code, sum(quantity) from order_item group by 1 order by 1")


def test_reserving(desk: Desk) -> None:
    """Orders are served in the order given, the stock reserved and the items placed; a short one
    says why, stays New with nothing reserved, and is served once stock has come.
    """
    desk.stock("LONDON", "CASE", 3)
    desk.stock("LEEDS", "CASE", 2)
    desk.owner.execute("update warehouse set priority = 1 where id = 'LEEDS'")
    late, early = draft(desk, ("CASE", 2, "1")), draft(desk, ("CASE", 2, "1"), ("WELCOME", 9, "0"))
    short = draft(desk, ("CASE", 2, "1"))
    conn = desk.conn("console")
    with conn.transaction():
        decided = reserving.reserve(conn, [early, late, short, early], split=True, submit=True)
    assert [(one.order, bool(one.short)) for one in decided] == [
        (early, False), (late, False), (short, True),
    ]  # fmt: skip
    assert desk.reserved(early) == {("LEEDS", "CASE"): 2}
    assert desk.reserved(late) == {("LONDON", "CASE"): 2}
    placed = "select warehouse_id, allotted from order_item where order_id = %s order by item_no"
    assert desk.rows(placed, early) == [("LEEDS", True), (None, False)]
    assert (desk.reserved(short), desk.rows(placed, short)) == ({}, [(None, False)])
    assert desk.rows("select status, status_reason from sales_order where id = %s", short) == [
        ("NEW", f"{Reason.OUT_OF_STOCK}: item 1: CASE, wanted 2, available 1")
    ]
    assert [one.id for one in reserving.all_short(conn, None, 10)] == [short]
    desk.owner.execute("update stock set on_hand = on_hand + 1")
    with conn.transaction():
        (served,) = reserving.reserve(conn, [late, short], split=True, submit=True)
    assert (served.order, served.short) == (short, ())
    assert desk.reserved(short) == {("LONDON", "CASE"): 2}
    assert reserving.all_short(conn, None, 10) == []
    assert desk.status(short) == "AWAITING_GENERATION"


def test_without_stock_nothing_is_checked(desk: Desk) -> None:
    """Where no stock is on record every order may go on, with nothing reserved."""
    order = draft(desk, ("CASE", 999, "1"))
    conn = desk.conn("console")
    with conn.transaction():
        (decided,) = reserving.reserve(conn, [order], split=False, submit=True)
    assert (decided.order, decided.short, desk.reserved(order)) == (order, (), {})


def test_the_last_unit_goes_once(desk: Desk) -> None:
    """Many sessions at once want the last units: exactly so many get one, the others are short."""
    units, sessions = 3, 8
    desk.stock("LONDON", "CASE", units)
    desk.stock("LEEDS", "CASE", 0)
    orders = [draft(desk, ("CASE", 1, "1")) for _ in range(sessions)]
    conns = [desk.database.connect("sales_order_console") for _ in orders]

    def reserve(at: int) -> bool:
        with conns[at].transaction():
            (decided,) = reserving.reserve(conns[at], [orders[at]], split=True, submit=False)
        return not decided.short

    with ThreadPoolExecutor(sessions) as pool:
        served = list(pool.map(reserve, range(sessions)))
    assert served.count(True) == units
    assert desk.stock_of("LONDON", "CASE") == (units, units, 0)


def test_who_comes_second_waits_and_sees(desk: Desk) -> None:
    """The second of two does not decide by what was before the first: it waits, and is short."""
    desk.stock("LONDON", "CASE", 1)
    orders = [draft(desk, ("CASE", 1, "1")) for _ in range(2)]
    first, second = (desk.database.connect("sales_order_console") for _ in orders)

    def reserve() -> bool:
        with second.transaction():
            return bool(reserving.reserve(second, [orders[1]], split=True, submit=False)[0].short)

    with ThreadPoolExecutor(1) as pool:
        with first.transaction():
            assert not reserving.reserve(first, [orders[0]], split=True, submit=False)[0].short
            waiting = pool.submit(reserve)
            desk.wait_for(
                "select exists (select from pg_stat_activity"
                " where wait_event_type = 'Lock' and datname = current_database())"
            )
        assert waiting.result(30)
    assert desk.reserved(orders[1]) == {}


def test_what_is_given_back_is_locked_in_turn(desk: Desk) -> None:
    """Rows that an order only gives back, since its items were changed, are locked with the others
    by key: who waits for the first of them has none of the later ones.
    """
    desk.stock("BELFAST", "CASE", 1)
    desk.stock("LONDON", "PHONE", 1)
    order = draft(desk, ("CASE", 1, "1"))
    first, second = (desk.database.connect("sales_order_console") for _ in range(2))
    reserving.reserve(first, [order], split=True, submit=False)
    desk.owner.execute("update order_item set product_code = 'PHONE', warehouse_id = null")

    def reserve() -> None:
        with second.transaction():
            reserving.reserve(second, [order], split=True, submit=False)

    with ThreadPoolExecutor(1) as pool:
        with first.transaction():
            stock.lock(first, [("BELFAST", "CASE")])
            waiting = pool.submit(reserve)
            desk.wait_for(
                "select exists (select from pg_stat_activity"
                " where wait_event_type = 'Lock' and datname = current_database())"
            )
            first.execute("select from stock where product_code = 'PHONE' for update nowait")
        waiting.result(30)
    assert desk.reserved(order) == {("LONDON", "PHONE"): 1}
    assert desk.stock_of("BELFAST", "CASE") == (1, 0, 0)


def test_put_back(desk: Desk) -> None:
    """What comes back is on hand again, several of a product together; the unmanaged stays so."""
    desk.stock("LONDON", "CASE", 1)
    conn = desk.conn("dispatch")
    with conn.transaction():
        back = [("LONDON", "CASE", 2), ("LEEDS", "CASE", 5), ("LONDON", "CASE", 1)]
        assert stock.put_back(conn, back) == 3
    assert desk.stock_of("LONDON", "CASE") == (4, 0, 0)
    assert desk.value("select count(*) from stock") == 1


def test_counting(desk: Desk) -> None:
    """A count replaces what was on record and ends what was unrecorded; what cannot be is told."""
    desk.stock("LONDON", "CASE", 5)
    order = draft(desk, ("CASE", 2, "1"))
    desk.owner.execute(RESERVE, (order, "CASE", 2))
    desk.owner.execute("update stock set unrecorded = 7")
    conn = desk.conn("console")
    wrong = [Count("PARIS", "CASE", 1), Count("LONDON", "NONE", 1), Count("LONDON", "CASE", 1)]
    assert stocktaking.judge(conn, [*wrong, Count("LONDON", "CASE", 2)]) == [
        (0, Reason.UNKNOWN_WAREHOUSE, 0),
        (1, Reason.UNKNOWN_PRODUCT, 0),
        (2, Reason.BELOW_RESERVED, 2),
    ]
    counts = [Count("LONDON", "CASE", 2), Count("LONDON", "PHONE", 4)]
    assert stocktaking.write(conn, counts) == (1, 1)
    assert stocktaking.write(conn, counts) == (0, 0)
    assert desk.stock_of("LONDON", "CASE") == (2, 2, 0)
    (row,) = stocktaking.list_stock(conn, warehouse="LONDON", product="CASE", limit=9)
    assert (row.on_hand, row.reserved, row.available) == (2, 2, 0)
    with pytest.raises(psycopg.errors.CheckViolation):
        stocktaking.write(conn, [Count("LONDON", "CASE", 1)])
