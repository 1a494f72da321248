"""`order hold|release|cancel|regenerate`: immediate until sealed, and never against the daemons."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import pytest

from console import order_moves
from console.exits import Refusal
from core.db import batches, generation, orders, reconciling, requests
from core.domain.batch import BATCHED
from tests.console.conftest import Console, Ended
from tests.daemons.desk import line, record


def _agrees(console: Console) -> None:
    """Counters of lines, shares and items add up, and nothing is open that should not be."""
    for look in (
        reconciling.item_counters,
        reconciling.share_counters,
        reconciling.open_though_ended,
        reconciling.queued_unfit,
        reconciling.nothing_open,
    ):
        assert look(console.owner, None) == []


def _warehouse_of(console: Console, batch: int) -> str:
    return str(console.value("select warehouse_id from batch where id = %s", batch))


def _counters(console: Console) -> list[tuple[Any, ...]]:
    return console.rows(
        "select open_quantity, dispatched_quantity, cancelled_quantity from order_item"
        " order by order_id, item_no"
    )


@pytest.mark.parametrize("stage", ["new", "entered", "queued", "batched"])
def test_cancel_before_the_seal(console: Console, stage: str) -> None:
    """Until it is sealed an order is cancelled at once: lines, shares, items and queue with it."""
    order = console.order(
        ("CASE", 2, "1"), ("SIM", 3, "1"), ("ROUTER", 1, "1"), ("ROUTER", 4, "1"),
        submit=stage != "new",
    )  # fmt: skip
    if stage in ("queued", "batched"):
        console.generate()
    batches_ = console.batch() if stage == "batched" else []
    ended = console.call("order", "cancel", order, "--reason", "customer withdrew")
    assert (ended.code, ended.err) == (0, "")
    assert console.status(order) == "CANCELLED"
    assert console.value("select count(*) from request_queue") == 0
    whole = [(0, 0, 2), (0, 0, 3), (0, 0, 1), (0, 0, 4)]
    assert _counters(console) == (whole if stage in ("queued", "batched") else [(0, 0, 0)] * 4)
    assert (
        console.rows(
            "select who, why from order_history where order_id = %s and to_status = 'CANCELLED'",
            order,
        )[0][1]
        == "customer withdrew"
    )
    for batch in batches_:
        assert requests.drop_cancelled(console.conn("extract_to_generic"), batch) == 1
    _agrees(console)


def test_cancel_after_the_seal_asks(console: Console) -> None:
    """Once sealed, the warehouses have to be asked: the files are named; nothing changes yet."""
    order = console.request(("CASE", 2, "1"), ("SIM", 1, "1"))
    before = _counters(console)
    ended = console.call("order", "cancel", order, "--reason", "x")
    assert ended.code == 0
    names = [row[0] for row in console.rows("select name from outbound_file order by name")]
    assert ", ".join(sorted(set(names))) in ended.out
    assert "LEEDS, LONDON is asked to cancel it" in ended.out
    assert (console.status(order), _counters(console)) == ("AWAITING_DISPATCH", before)


def test_cancelling_frees_its_stock(console: Console) -> None:
    """What is cancelled or rejected is reserved no more, though the order comes to Error."""
    order = console.order(("CASE", 1, "1"), ("SIM", 3, "1"))
    for warehouse, product, quantity in (("LONDON", "CASE", 1), ("LEEDS", "SIM", 3)):
        console.stock(warehouse, product, 5)
        console.owner.execute(
            "insert into reservation values (%s, %s, %s, %s)", (order, warehouse, product, quantity)
        )
    console.generate()
    console.batch()
    console.seal(console.value("select id from batch where warehouse_id = 'LONDON'"))
    rejected = record(order, "D1", line(console.lines(order)[0], 1, "REJECTED"), status="REJECTED")
    assert console.answer("LONDON", rejected) == [None]
    assert console.call("order", "cancel", order, "--reason", "x").code == 0
    assert console.status(order) == "ERROR"
    assert console.reserved(order) == {}
    assert console.stock_of("LONDON", "CASE") == (5, 0, 0)
    assert console.stock_of("LEEDS", "SIM") == (5, 0, 0)


def test_regenerating_reserves_anew(console: Console) -> None:
    """An order in Error has given its stock back: what is owed is checked and reserved anew where
    it was to be served, or the order stays in Error and says why.
    """
    for warehouse in ("LONDON", "LEEDS"):
        console.stock(warehouse, "CASE", 5)
    order = console.request(("CASE", 4, "1"), ("ROUTER", 1, "1"))
    (asked, *_) = console.lines(order)
    part = record(order, "D1", line(asked, 1), line(asked, 3, "REJECTED"), status="PART_DISPATCHED")
    assert console.answer("LONDON", part) == [None]
    other = console.order(("CASE", 2, "1", "LONDON"), submit=False)
    assert console.call("order", "reserve", other).code == 0
    router = line(console.lines(order)[1], 1, units=[{"serialNumber": "r1"}])
    warehouse = console.value("select warehouse_id from product where code = 'ROUTER'")
    assert console.answer(warehouse, record(order, "D9", router)) == [None]
    assert console.status(order) == "ERROR"
    refused = console.call("order", "regenerate", order)
    assert (refused.code, console.status(order)) == (1, "ERROR")
    assert "OUT_OF_STOCK: item 1: CASE, wanted 3, available 2" in refused.err
    assert console.reserved(order) == {}
    assert console.call("order", "cancel", other, "--reason", "x").code == 0
    assert console.call("order", "regenerate", order).code == 0
    assert console.reserved(order) == {("LONDON", "CASE"): 3}
    console.request_all()
    assert console.answer("LONDON", record(order, "D2", line(console.lines(order)[-1], 3))) == [
        None
    ]
    assert (console.status(order), console.stock_of("LONDON", "CASE")) == ("COMPLETE", (1, 0, 0))


def test_ended_orders_are_not_cancelled(console: Console) -> None:
    """A Complete or Cancelled order is neither cancelled nor held."""
    order = console.order(("CASE", 1, "1"), submit=False)
    console.call("order", "cancel", order, "--reason", "x")
    for verb in ("cancel", "hold"):
        ended = console.call("order", verb, order, "--reason", "x")
        assert ended.code == 1
        assert "is Cancelled" in ended.err


def _seal(conn: psycopg.Connection, batch: int) -> None:
    """Sealing up to where it has locked its orders."""
    assert batches.lock(conn, batch, BATCHED)
    requests.lock_orders(conn, batch)


def _waiting(console: Console, name: str) -> None:
    """Until a session of this name waits for a lock."""
    deadline = time.monotonic() + 30
    while not console.value(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        " and application_name like %s and datname = current_database()",
        name,
    ):
        assert time.monotonic() < deadline, f"{name} does not wait"


def test_a_seal_that_came_first_is_seen(console: Console) -> None:
    """A cancellation that had to wait for the seal decides by what the seal has done: it asks."""
    order = console.order(("CASE", 2, "1"))
    console.generate()
    [batch] = console.batch()
    ended: list[Ended] = []
    sealing = console.database.connect("sales_order_extract_to_generic")
    cancelling = threading.Thread(
        target=lambda: ended.append(console.call("order", "cancel", order, "--reason", "x"))
    )
    with sealing.transaction():
        _seal(sealing, batch)
        cancelling.start()
        _waiting(console, "console %")
        assert requests.drop_cancelled(sealing, batch) == 0
        sealing.execute(
            "insert into outbound_file (batch_id, warehouse_id, file_sequence, name, tree_id,"
            " payload_sha256, file_sha256, byte_count)"
            " values (%s, 'LONDON', 1, 'the-file', gen_random_uuid(), '', '', 1)",
            (batch,),
        )
    cancelling.join()
    assert ended[0].code == 0
    assert "the-file" in ended[0].out
    assert console.status(order) == "AWAITING_DISPATCH"
    assert console.rows("select status from cancellation") == [("REQUESTED",)]


def test_a_cancellation_that_came_first_is_seen(console: Console) -> None:
    """A seal that had to wait for a cancellation leaves the order out."""
    order = console.order(("CASE", 2, "1"))
    console.generate()
    [batch] = console.batch()
    cancelling, sealing = (
        console.conn("console"),
        console.database.connect("sales_order_extract_to_generic"),
    )
    dropped: list[int] = []

    def seal() -> None:
        with sealing.transaction():
            _seal(sealing, batch)
            dropped.append(requests.drop_cancelled(sealing, batch))

    thread = threading.Thread(target=seal)
    with cancelling.transaction():
        orders.lock(cancelling, order)
        thread.start()
        _waiting(console, "sales_order_extract%")
        order_moves.cancel(cancelling, str(order), "x")
    thread.join()
    assert dropped == [1]
    _agrees(console)


def test_a_cancellation_waits_for_generation(console: Console) -> None:
    """A cancellation during generation sees the new lines and closes them."""
    order = console.order(("SIM", 3, "1"))
    generating = console.database.connect("sales_order_request_extract")
    ended: list[Ended] = []
    thread = threading.Thread(
        target=lambda: ended.append(console.call("order", "cancel", order, "--reason", "x"))
    )
    with generating.transaction():
        ids = generation.claim(generating, 10)
        thread.start()
        _waiting(console, "console %")
        generation.generate(generating, ids)
    thread.join()
    assert ended[0].code == 0
    assert _counters(console) == [(0, 0, 3)]
    _agrees(console)


def test_hold_and_release(console: Console) -> None:
    """A held order is not batched until it is released; who and why stay with the hold."""
    order = console.order(("CASE", 1, "1"))
    console.generate()
    assert console.call("order", "hold", order, "--reason", "in doubt").code == 0
    assert console.call("order", "hold", order, "--reason", "again").code == 1
    assert console.batch() == []
    assert console.call("order", "list", "--held", "--json").json[0]["id"] == order
    assert console.call("order", "release", order, "--reason", "confirmed").code == 0
    assert console.call("order", "release", order).code == 1
    assert len(console.batch()) == 1
    [(reason, placed, released, why)] = console.rows(
        "select reason, placed_by, released_by, release_reason from order_hold"
    )
    assert (reason, released, why) == ("in doubt", placed, "confirmed")
    assert placed.startswith("console ")


def test_hold_after_the_seal_is_refused(console: Console) -> None:
    """What is sealed cannot be held any more."""
    order = console.request(("CASE", 1, "1"))
    ended = console.call("order", "hold", order, "--reason", "x")
    assert ended.code == 1
    assert "sealed in" in ended.err


def _in_error(console: Console) -> int:
    """An order with one item dispatched and one rejected."""
    order = console.request(("CASE", 2, "1"), ("WELCOME", 3, "1"))
    case, welcome = console.lines(order)
    refused = line(welcome, 3, "REJECTED", reason="none left")
    console.answer("LONDON", record(order, "D1", line(case, 2), refused, status="PART_DISPATCHED"))
    assert console.status(order) == "ERROR"
    return order


def test_regenerate_requests_what_is_owed(console: Console) -> None:
    """Rejected lines are superseded and only what is owed is requested again; then it completes."""
    order = _in_error(console)
    ended = console.call("order", "regenerate", order)
    assert (ended.code, "3 units" in ended.out) == (0, True)
    console.request_all()
    assert console.rows(
        "select product_code, quantity, superseded, generation from request_line order by id"
    ) == [("CASE", 2, False, 1), ("WELCOME", 3, True, 1), ("WELCOME", 3, False, 2)]
    third = console.lines(order)[2]
    console.answer("LONDON", record(order, "D2", line(third, 3)))
    assert console.status(order) == "COMPLETE"
    _agrees(console)


def test_regenerate_is_refused_for_all_but_settled_errors(console: Console) -> None:
    """Only an order in Error is generated again, also one that never had lines."""
    waiting = console.request(("CASE", 1, "1"))
    assert "only one in Error" in console.call("order", "regenerate", waiting).err
    unknown = console.order(("NOSUCH", 1, "1"))
    console.generate()
    assert console.status(unknown) == "ERROR"
    console.product("NOSUCH")
    assert console.call("order", "regenerate", unknown).code == 0
    console.generate()
    assert console.status(unknown) == "AWAITING_DISPATCH"


def test_regenerate_waits_for_open_lines(console: Console) -> None:
    """However an order came to Error, it is not generated again while a warehouse has a line."""
    order = console.request(("CASE", 2, "1"), ("CASE", 1, "1"))
    console.owner.execute("update sales_order set status = 'ERROR'")
    console.owner.execute("update order_item set open_quantity = 0 where item_no = 2")
    ended = console.call("order", "regenerate", order)
    assert (ended.code, "2 open lines" in ended.err) == (1, True)
    assert console.status(order) == "ERROR"


def test_regenerate_of_nothing_is_refused(console: Console) -> None:
    """An order of which everything was dispatched or cancelled has nothing left to request."""
    order = _in_error(console)
    console.owner.execute(
        "update order_item set cancelled_quantity = quantity - dispatched_quantity"
    )
    assert "nothing of order" in console.call("order", "regenerate", order).err


def test_an_order_in_error_may_be_cancelled(console: Console) -> None:
    """Who gives an order in Error up cancels it; what was dispatched stays so and is told."""
    order = _in_error(console)
    ended = console.call("order", "cancel", order, "--reason", "customer does not want the rest")
    assert "2 units dispatched before stay so" in ended.out
    assert console.status(order) == "CANCELLED"
    _agrees(console)


def test_a_reference_that_is_another_order_s_id(console: Console) -> None:
    """A name that means two orders is refused, and id: and reference: tell them apart."""
    first = console.order(("CASE", 1, "1"), reference="A")
    second = console.order(("CASE", 1, "1"), reference=str(first))
    conn = console.conn("console")
    with pytest.raises(Refusal, match=f"id:{first} or reference:{first}"):
        order_moves.find(conn, str(first))
    assert order_moves.find(conn, f"id:{first}") == first
    assert order_moves.find(conn, f"reference:{first}") == second
    assert order_moves.find(conn, "A") == first


@pytest.mark.parametrize("name", ["0", "99", "nobody", "9" * 40, "id:x", "reference:", "\0", "-1"])
def test_no_such_order(console: Console, name: str) -> None:
    """A name that no order has is told in a sentence, exit 1."""
    ended = console.call("order", "cancel", "--reason", "x", "--", name)
    assert ended.code == 1
    assert ended.err.startswith("cmp-orders: there is no order ")


def test_cancelling_the_rest_settles(console: Console) -> None:
    """What one warehouse has dispatched decides: with the rest cancelled the order is Complete."""
    order = console.order(("CASE", 2, "1"), ("SIM", 1, "1"))
    console.generate()
    made = console.batch()
    console.seal(*(b for b in made if _warehouse_of(console, b) == "LONDON"))
    (case,) = console.rows("select id from request_line where warehouse_id = 'LONDON'")[0]
    assert console.answer("LONDON", record(order, "D1", line(case, 2))) == [None]
    assert console.call("order", "cancel", order, "--reason", "too late").code == 0
    assert console.status(order) == "COMPLETE"
    _agrees(console)
