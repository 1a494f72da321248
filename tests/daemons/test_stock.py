"""Dispatch takes from on hand and from the reservation together, and from no one else's."""

from __future__ import annotations

from structlog.testing import capture_logs

from tests.daemons.desk import Desk, line, record


def reserve(desk: Desk, order: int, quantity: int, product: str = "CASE") -> None:
    """Reserve units of LONDON."""
    desk.owner.execute(
        "insert into reservation values (%s, 'LONDON', %s, %s)", (order, product, quantity)
    )


def test_both_are_lessened(desk: Desk) -> None:
    """A part takes its units from both and leaves the rest reserved; the whole leaves nothing."""
    desk.stock("LONDON", "CASE", 10)
    order = desk.request(("CASE", 5, "1"))
    reserve(desk, order, 5)
    (asked,) = desk.lines(order)
    part = record(order, "D1", line(asked, 2), status="PART_DISPATCHED")
    assert desk.answer("LONDON", part) == [None]
    assert (desk.stock_of("LONDON", "CASE"), desk.reserved(order)) == (
        (8, 3, 0), {("LONDON", "CASE"): 3},
    )  # fmt: skip
    assert desk.answer("LONDON", record(order, "D2", line(asked, 3))) == [None]
    assert (desk.stock_of("LONDON", "CASE"), desk.reserved(order)) == ((5, 0, 0), {})
    assert desk.status(order) == "COMPLETE"


def test_a_repeat_takes_nothing(desk: Desk) -> None:
    """What was applied before, or is refused, takes nothing from the stock."""
    desk.stock("LONDON", "CASE", 10)
    order, other = desk.request(("CASE", 5, "1")), desk.request(("CASE", 1, "1"))
    whole = record(order, "D1", line(desk.lines(order)[0], 5))
    assert desk.answer("LONDON", whole) == [None]
    beyond = record(other, "D2", line(desk.lines(other)[0], 2))
    assert desk.answer("LONDON", whole, beyond) == [None, "OVER_DISPATCHED"]
    assert desk.stock_of("LONDON", "CASE") == (5, 0, 0)


def test_the_excess_is_not_taken(desk: Desk) -> None:
    """What is dispatched beyond what was asked stays on record until a person has decided."""
    desk.stock("LONDON", "CASE", 30)
    desk.owner.execute("update warehouse set over_dispatch_percent = 10 where id = 'LONDON'")
    order = desk.request(("CASE", 20, "1"))
    reserve(desk, order, 20)
    assert desk.answer("LONDON", record(order, "D1", line(desk.lines(order)[0], 22))) == [None]
    assert (desk.stock_of("LONDON", "CASE"), desk.reserved(order)) == ((10, 0, 0), {})


def test_what_was_never_on_record(desk: Desk) -> None:
    """Beyond what is on hand and not reserved for others, units count as unrecorded; what others
    have reserved stays theirs. It is told once.
    """
    desk.stock("LONDON", "CASE", 4)
    others, order = desk.request(("CASE", 3, "1")), desk.request(("CASE", 5, "1"))
    reserve(desk, others, 3)
    with capture_logs() as told:
        assert desk.answer("LONDON", record(order, "D1", line(desk.lines(order)[0], 5))) == [None]
    (event,) = [each for each in told if each["event"] == "STOCK_UNRECORDED"]
    assert (event["products"], event["units"]) == (1, 4)
    assert desk.stock_of("LONDON", "CASE") == (3, 3, 4)
    assert desk.reserved(others) == {("LONDON", "CASE"): 3}


def test_cancelled_units_are_free(desk: Desk) -> None:
    """What the warehouse cancels is reserved no more, and no less than is owed stays reserved."""
    desk.stock("LONDON", "CASE", 4)
    order = desk.request(("CASE", 9, "1"))
    reserve(desk, order, 4)
    (asked,) = desk.lines(order)
    for dispatch, cancelled, left in (("D1", 3, 4), ("D2", 4, 2)):
        given = record(order, dispatch, line(asked, cancelled, "CANCELLED"), status="CANCELLED")
        assert desk.answer("LONDON", given) == [None]
        assert desk.stock_of("LONDON", "CASE") == (4, left, 0)


def test_rejected_units_are_free(desk: Desk) -> None:
    """A rejected line keeps nothing, at once; the open ones of the same product keep theirs."""
    desk.stock("LONDON", "CASE", 9)
    order = desk.request(("CASE", 2, "1"), ("CASE", 3, "1"))
    reserve(desk, order, 5)
    first, _ = desk.lines(order)
    given = record(order, "D1", line(first, 2, "REJECTED"), status="PART_DISPATCHED")
    assert desk.answer("LONDON", given) == [None]
    assert (desk.status(order), desk.stock_of("LONDON", "CASE")) == ("AWAITING_DISPATCH", (9, 3, 0))
    assert desk.answer("LONDON", record(order, "D2", status="REJECTED")) == [None]
    assert (desk.status(order), desk.stock_of("LONDON", "CASE")) == ("ERROR", (9, 0, 0))


def test_what_is_back_ordered_stays_reserved(desk: Desk) -> None:
    """A back-order leaves open what it names, and reserved what was there."""
    desk.stock("LONDON", "CASE", 9)
    order = desk.request(("CASE", 5, "1"))
    reserve(desk, order, 4)
    (asked,) = desk.lines(order)
    later = line(asked, 3, "BACK_ORDERED")
    given = record(order, "D1", line(asked, 2), later, status="PART_DISPATCHED")
    assert desk.answer("LONDON", given) == [None]
    assert (desk.reserved(order), desk.stock_of("LONDON", "CASE")) == (
        {("LONDON", "CASE"): 2}, (7, 2, 0),
    )  # fmt: skip


def test_records_of_one_product_in_one_batch(desk: Desk) -> None:
    """Many records and lines of a product in a file are one change of its stock."""
    desk.stock("LONDON", "CASE", 100)
    desk.stock("LONDON", "WELCOME", 1)
    orders = [desk.order(("CASE", 2, "1"), ("CASE", 3, "2"), ("WELCOME", 1, "0")) for _ in range(5)]
    desk.request_all()
    for order in orders:
        reserve(desk, order, 5)
    given = [
        record(
            order,
            f"D{order}",
            *(line(at, n) for at, n in zip(desk.lines(order), (2, 3, 1), strict=True)),
        )
        for order in orders
    ]
    assert desk.answer("LONDON", *given) == [None] * 5
    assert desk.stock_of("LONDON", "CASE") == (75, 0, 0)
    assert desk.stock_of("LONDON", "WELCOME") == (0, 0, 4)


def test_what_is_not_managed(desk: Desk) -> None:
    """A product without a row stays without, also where the warehouse manages others."""
    desk.stock("LONDON", "PHONE", 1)
    order = desk.request(("CASE", 2, "1"))
    assert desk.answer("LONDON", record(order, "D1", line(desk.lines(order)[0], 2))) == [None]
    assert desk.value("select count(*) from stock") == 1
