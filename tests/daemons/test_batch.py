"""Batching: oldest first, within the limits, without holds, per warehouse, gathered or at once."""

from __future__ import annotations

import threading

import pytest

from core.db import batching
from core.domain.order import BatchLimits
from daemons.request_extract import Batch
from tests.daemons.desk import Desk, drained


def queue(desk: Desk, *quantities: int, product: str = "CASE") -> list[int]:
    """Generated orders, each entered a minute after the one before."""
    orders = [
        desk.order((product, quantity, "1"), entered_at=f"2026-01-01T00:{minute:02}:00Z")
        for minute, quantity in enumerate(quantities)
    ]
    desk.generate()
    return orders


def contents(desk: Desk, warehouse: str = "LONDON") -> list[list[int]]:
    """The orders of each batch of a warehouse, by sequence."""
    return [
        row[0]
        for row in desk.rows(
            "select array_agg(d.order_id order by d.sequence) from request_detail d"
            " join batch b on b.id = d.batch_id where b.warehouse_id = %s"
            " group by b.id order by b.id",
            warehouse,
        )
    ]


def test_at_most_so_many_orders(desk: Desk) -> None:
    """A batch has no more orders than the property allows, the oldest first, numbered from 1."""
    desk.set(request_extract_batch_maxorders="2")
    late = queue(desk, 1, 1, 1)
    early = desk.order(("CASE", 1, "1"), entered_at="2025-01-01T00:00:00Z")
    desk.generate()
    desk.batch()
    assert contents(desk) == [[early, late[0]], [late[1], late[2]]]
    assert desk.rows("select sequence from request_detail order by batch_id, sequence") == [
        (1,), (2,), (1,), (2,),
    ]  # fmt: skip
    assert (
        desk.rows(
            "select type, direction, stage || ', ' || stage_status, record_count,"
            " fraud_check_required from batch order by id"
        )
        == [("Sales Order Request", "OUT", "Batch, Complete", 2, False)] * 2
    )
    assert desk.value("select count(*) from request_queue") == 0


def test_at_most_so_many_lines(desk: Desk) -> None:
    """A batch has no more lines than the property allows; an order above that is alone in one."""
    desk.set(request_extract_batch_maxlines="5")
    orders = queue(desk, 2, 3, 1, 9, 5, 1, product="SIM")
    desk.batch()
    a, b, c, huge, full, last = orders
    assert contents(desk, "LEEDS") == [[a, b], [c], [huge], [full], [last]]


def test_at_most_so_many_bytes(desk: Desk) -> None:
    """A batch has no more bytes than the property allows, as the queue reckons them."""
    orders = queue(desk, 1, 1, 1)
    size = desk.value("select max(byte_count) from request_queue")
    unit = Batch(desk.properties)
    unit._limits = BatchLimits(100, 100, 2 * size)  # noqa: SLF001  # less than the property allows
    drained(unit, desk.conn("request_extract"))
    assert contents(desk) == [orders[:2], orders[2:]]


def test_a_held_order_waits(desk: Desk) -> None:
    """An order with an open hold is not batched, the others are; once released it comes."""
    held, free = queue(desk, 1, 1)
    desk.owner.execute(
        "insert into order_hold (order_id, kind, reason, placed_by)"
        " select %s, kind, 'x', 'me' from unnest('{FRAUD,OPERATOR}'::text[]) kind",
        (held,),
    )
    desk.batch()
    assert contents(desk) == [[free]]
    for kind in ("FRAUD", "OPERATOR"):
        assert desk.batch() == []
        desk.owner.execute(
            "update order_hold set released_at = now(), released_by = 'me' where kind = %s", (kind,)
        )
    desk.batch()
    assert contents(desk) == [[free], [held]]


def test_held_orders_fill_no_batch(desk: Desk) -> None:
    """Held orders at the head of the queue take no place from those behind them."""
    desk.set(request_extract_batch_maxorders="2")
    *held, a, b = queue(desk, *[1] * 7)
    desk.owner.execute(
        "insert into order_hold (order_id, kind, reason, placed_by)"
        " select id, 'FRAUD', 'x', 'me' from unnest(%s::bigint[]) id",
        (held,),
    )
    desk.batch()
    assert contents(desk) == [[a, b]]


def test_an_order_of_two_warehouses_is_in_two_batches(desk: Desk) -> None:
    """Each warehouse has batches of its own."""
    order = desk.order(("CASE", 1, "1"), ("SIM", 2, "1"))
    desk.generate()
    desk.batch()
    assert (contents(desk), contents(desk, "LEEDS")) == ([[order]], [[order]])


@pytest.mark.parametrize("value", ["true", "false"])
def test_a_batch_is_marked_for_the_fraud_check(desk: Desk, value: str) -> None:
    """The property marks the batches that are made while it stands."""
    desk.set(request_extract_fraudcheckrequired=value)
    queue(desk, 1)
    desk.batch()
    assert desk.value("select fraud_check_required from batch") is (value == "true")


def test_gathering(desk: Desk) -> None:
    """With maxwait requests gather until the oldest has waited so long, or a batch is full."""
    desk.set(request_extract_batch_maxwait="30s", request_extract_batch_maxorders="3")
    queue(desk, 1, 1)
    assert desk.batch() == []
    desk.owner.execute("update request_queue set queued_at = queued_at - interval '31 s'"
                       " where order_id = (select max(order_id) from request_queue)")  # fmt: skip
    assert len(desk.batch()) == 1
    assert [len(batch) for batch in contents(desk)] == [2]
    queue(desk, 1, 1, 1)
    assert len(desk.batch()) == 1
    queue(desk, 1, 1, 1, 1)
    assert [len(batch) for batch in contents(desk)] == [2, 3]
    desk.batch()
    assert [len(batch) for batch in contents(desk)] == [2, 3, 3]
    assert desk.value("select count(*) from request_queue") == 1


def test_held_requests_end_no_wait(desk: Desk) -> None:
    """A held request that has waited long makes no batch of those that have just come."""
    desk.set(request_extract_batch_maxwait="30s")
    held, _ = queue(desk, 1, 1)
    desk.owner.execute("update request_queue set queued_at = queued_at - interval '1 h'"
                       " where order_id = %s", (held,))  # fmt: skip
    desk.owner.execute(
        "insert into order_hold (order_id, kind, reason, placed_by)"
        " values (%s, 'FRAUD', 'x', 'me')",
        (held,),
    )
    assert desk.batch() == []


def test_by_schedule_nothing_is_gathered(desk: Desk) -> None:
    """In mode scheduled what was generated is batched at once, whatever maxwait says."""
    desk.set(request_extract_batch_maxwait="30s", request_extract_mode="scheduled",
             request_extract_schedule="0 6 * * *")  # fmt: skip
    queue(desk, 1)
    assert len(desk.batch()) == 1


def test_two_batchers_share_the_work(desk: Desk) -> None:
    """Two copies at once put each request in one batch, each batch in the order of the queue."""
    desk.set(request_extract_batch_maxorders="4")
    orders = [desk.order(("CASE", 1, "1"), ("SIM", 1, "1"), ("ROUTER", 1, "1")) for _ in range(30)]
    desk.generate()
    pairs = [
        (Batch(desk.properties), desk.database.connect("sales_order_request_extract"))
        for _ in range(2)
    ]
    done: list[int] = []
    threads = [
        threading.Thread(target=lambda unit, conn: done.append(drained(unit, conn)), args=pair)
        for pair in pairs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    desk.batch()
    assert len(done) == 2
    for warehouse in desk.warehouses:
        batches = contents(desk, warehouse)
        assert sorted(order for batch in batches for order in batch) == orders
        assert all(batch == sorted(batch) for batch in batches)
        assert [len(batch) for batch in batches] == [4] * 7 + [2]
    assert not desk.rows(
        "select 1 from batch b where record_count <>"
        " (select count(*) from request_detail d where d.batch_id = b.id)"
    )


def test_a_warehouse_that_another_batches_is_skipped(desk: Desk) -> None:
    """While one copy batches for a warehouse another serves the next one, and leaves no empty
    batch.
    """
    queue(desk, 1)
    queue(desk, 1, product="SIM")
    number = desk.value("select number from warehouse where id = 'LONDON'")
    desk.owner.execute("select pg_advisory_lock(1, %s)", (number,))
    desk.batch()
    assert (contents(desk), len(contents(desk, "LEEDS"))) == ([], 1)
    desk.owner.execute("select pg_advisory_unlock(1, %s)", (number,))
    with desk.owner.transaction():
        # A request that somebody else is moving: nothing is left to batch, and no header stays.
        desk.owner.execute("select from request_queue for update")
        desk.batch()
    assert desk.value("select count(*) from batch") == 1
    assert batching.waiting(desk.conn("request_extract")) == 1


def test_what_is_in_a_batch_is_put_in_no_other(desk: Desk) -> None:
    """A request that a batch has, and that is queued all the same, is not asked for twice; the
    others beside it are batched, and alone it makes no batch.
    """
    (first,) = queue(desk, 1)
    desk.batch()
    again = (
        "insert into request_queue (warehouse_id, entered_at, order_id, generation, line_count,"
        " byte_count) values ('LONDON', '2026-01-01T00:00:00Z', %s, 1, 1, 1)"
    )
    desk.owner.execute(again, (first,))
    assert desk.batch() == []
    (second,) = queue(desk, 1)
    (batch,) = desk.batch()
    assert contents(desk) == [[first], [second]]
    assert desk.value("select record_count from batch where id = %s", batch) == 1
    assert desk.value("select count(*) from request_queue") == 0
