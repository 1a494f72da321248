"""The Sales Order Dispatch job: counters, units, charges, settlement, refusals, over real rows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.daemons.desk import CASE, Desk, imei, line, phones, record, units


def test_dispatched_in_full(desk: Desk) -> None:
    """What is dispatched is counted, its numbers are recorded as they compare, and it is billed."""
    order = desk.request(("PHONE", 2, "499.99"), CASE, account_id=77)
    phone, case = desk.lines(order)
    given = [{"serialNumber": " ab1 ", "imei": imei(), "colour": "red"},
             {"serialNumber": "ab2", "imei": imei(), "colour": "Blue"}]  # fmt: skip
    reasons = desk.answer(
        "LONDON",
        record(order, "D1", line(phone, 2, units=given), line(case, 3),
               carrier="DPD", trackingNumbers=["T1", "T2"]),
    )  # fmt: skip
    assert reasons == [None]
    assert desk.status(order) == "COMPLETE"
    assert desk.items(order) == [(0, 2, 0), (0, 3, 0)]
    assert desk.rows(
        "select unit_no, serial_number, imei, attributes ->> 'colour', product_code, active"
        " from dispatched_unit order by unit_no"
    ) == [
        (1, "AB1", given[0]["imei"], "red", "PHONE", True),
        (2, "AB2", given[1]["imei"], "Blue", "PHONE", True),
    ]
    assert desk.rows(
        "select line_id, account_id, quantity, unit_price, amount::text, currency from charge"
        " order by line_id"
    ) == [
        (phone, 77, 2, Decimal("499.99"), "999.98", "GBP"),
        (case, 77, 3, Decimal("1.10"), "3.30", "GBP"),
    ]
    assert desk.rows("select dispatch_id, carrier, tracking from dispatch") == [
        ("D1", "DPD", ["T1", "T2"])
    ]


def test_dispatched_in_parts(desk: Desk) -> None:
    """Parts add up; what is back-ordered stays open and charges nothing; the last part
    completes.
    """
    order = desk.request(CASE)
    (case,) = desk.lines(order)
    part = record(order, "D1", line(case, 1), line(case, 2, "BACK_ORDERED"),
                  status="PART_DISPATCHED")  # fmt: skip
    assert desk.answer("LONDON", part) == [None]
    assert (desk.status(order), desk.items(order)) == ("AWAITING_DISPATCH", [(2, 1, 0)])
    assert desk.value("select back_ordered_at is not null from request_line")
    assert desk.answer("LONDON", record(order, "D2", line(case, 2))) == [None]
    assert (desk.status(order), desk.items(order)) == ("COMPLETE", [(0, 3, 0)])
    assert desk.rows("select dispatch_id, amount from charge order by 1") == [
        ("D1", Decimal("1.10")),
        ("D2", Decimal("2.20")),
    ]


@pytest.mark.parametrize(
    ("outcomes", "status", "why", "items"),
    [
        ([("DISPATCHED", 3)], "COMPLETE", None, (0, 3, 0)),
        ([("CANCELLED", 3)], "CANCELLED", "cancelled by the warehouse", (0, 0, 3)),
        ([("REJECTED", 3)], "ERROR", "REJECTED", (0, 0, 0)),
        ([("DISPATCHED", 1), ("CANCELLED", 2)], "COMPLETE", None, (0, 1, 2)),
        ([("DISPATCHED", 2), ("REJECTED", 1)], "ERROR", "REJECTED", (0, 2, 0)),
        ([("CANCELLED", 2), ("REJECTED", 1)], "ERROR", "REJECTED", (0, 0, 2)),
        ([("BACK_ORDERED", 3)], "AWAITING_DISPATCH", None, (3, 0, 0)),
        ([("DISPATCHED", 2)], "AWAITING_DISPATCH", None, (1, 2, 0)),
    ],
    ids=range(8),
)
def test_settlement(
    desk: Desk,
    outcomes: list[tuple[str, int]],
    status: str,
    why: str | None,
    items: tuple[int, int, int],
) -> None:
    """Any rejected gives Error, else any dispatched Complete, else Cancelled; open lines settle
    none.
    """
    order = desk.request(CASE)
    (case,) = desk.lines(order)
    lines = [line(case, quantity, outcome) for outcome, quantity in outcomes]
    assert desk.answer("LONDON", record(order, "D1", *lines)) == [None]
    assert desk.status(order) == status
    assert desk.value("select status_reason from sales_order") == why
    assert desk.items(order) == [items]


@pytest.mark.parametrize(
    ("said", "status", "why"),
    [
        ("REJECTED", "ERROR", "REJECTED"),
        ("FRAUD_REJECTED", "ERROR", "FRAUD_REJECTED"),
        ("CANCELLED", "CANCELLED", "cancelled by the warehouse"),
    ],
)
def test_whole_orders(desk: Desk, said: str, status: str, why: str) -> None:
    """A record without lines means every open line of the order at this warehouse."""
    order = desk.request(("CASE", 3, "1"), ("WELCOME", 1, "0"))
    assert desk.answer("LONDON", record(order, "D1", status=said)) == [None]
    assert desk.status(order) == status
    assert desk.value("select status_reason from sales_order") == why
    assert {desk.counters(one)[1 if said == "CANCELLED" else 2] for one in desk.lines(order)} == {
        3, 1,
    }  # fmt: skip
    assert desk.value("select count(*) from charge") == 0


def test_an_order_of_two_warehouses_waits_for_both(desk: Desk) -> None:
    """An order is settled when all its lines are, at every warehouse; each answers for its own."""
    order = desk.request(("CASE", 1, "1"), ("SIM", 1, "2"))
    case, sim = desk.lines(order)
    sims = units("8944", name="iccid")
    assert desk.answer("LEEDS", record(order, "D1", line(case, 1))) == ["LINE_NOT_YOURS"]
    assert desk.answer("LEEDS", record(order, "D1", line(sim, 1, units=sims))) == [None]
    assert desk.status(order) == "AWAITING_DISPATCH"
    assert desk.answer("LONDON", record(order, "D1", status="REJECTED")) == [None]
    assert desk.status(order) == "ERROR"
    assert desk.rows("select warehouse_id, dispatch_id from dispatch order by 1") == [
        ("LEEDS", "D1"),
        ("LONDON", "D1"),
    ]


def test_the_same_dispatch_again_has_no_effect(desk: Desk) -> None:
    """The same dispatchId and content has no effect, in one file or another, in any order
    inside.
    """
    order = desk.request(("CASE", 3, "1"), ("PHONE", 2, "2"))
    case, phone = desk.lines(order)
    two = phones(2)
    first = record(
        order, "D1", line(case, 3), line(phone, 2, units=two), trackingNumbers=["a", "b"]
    )
    shuffled = record(
        order, "D1", line(phone, 2, units=two[::-1]), line(case, 3), trackingNumbers=["b", "a"]
    )
    batch = desk.load("LONDON", first, first)
    desk.apply()
    before = desk.fingerprint()
    again = desk.load("LONDON", shuffled)
    desk.apply()
    assert desk.reasons(batch) == [None, None]
    assert desk.reasons(again) == [None]
    assert {desk.stage(batch), desk.stage(again)} == {"Batch, Complete"}
    assert desk.fingerprint() == before
    assert desk.value("select count(*) from charge") == 2


def test_merged_lines_go_to_their_items(desk: Desk) -> None:
    """Of a merged line the first items are dispatched first, then cancelled, then rejected."""
    order = desk.request(("ROUTER", 2, "80"), ("ROUTER", 3, "80"), ("ROUTER", 1, "81"))
    merged, single = desk.lines(order)
    some = [f"r{n}" for n in range(3)]
    part = record(order, "D1", line(merged, 3, units=units(*some)), line(merged, 1, "CANCELLED"))
    assert desk.answer("BELFAST", part) == [None]
    assert desk.items(order) == [(0, 2, 0), (1, 1, 1), (1, 0, 0)]
    rest = record(order, "D2", line(merged, 1, "REJECTED"), line(single, 1, units=units("r9")))
    assert desk.answer("BELFAST", rest) == [None]
    assert desk.items(order) == [(0, 2, 0), (0, 1, 1), (0, 1, 0)]
    assert desk.status(order) == "ERROR"
    assert desk.rows("select amount from charge order by 1") == [(Decimal(81),), (Decimal(240),)]


@pytest.mark.parametrize(
    ("quantity", "price", "amount"),
    [
        (80995, "0.001", "80.995"),
        (1000000, "999999999999.9999999999", "999999999999999999.9999000000"),
        (3, "0.3333333333", "0.9999999999"),
        (7, "0", "0"),
        (1, "0.10", "0.10"),
    ],
    ids=range(5),
)
def test_charges_are_exact(desk: Desk, quantity: int, price: str, amount: str) -> None:
    """A charge is quantity times the price as ordered, exact and unrounded, whatever its size."""
    order = desk.request(("CASE", quantity, price), currency="JPY")
    desk.answer("LONDON", record(order, "D1", line(desk.lines(order)[0], quantity)))
    assert desk.rows("select amount::text, currency from charge") == [(amount, "JPY")]


def test_only_billable_products_are_charged(desk: Desk) -> None:
    """A dispatched product that is not billable makes no charge, and its order is complete."""
    order = desk.request(("WELCOME", 2, "5"))
    desk.answer("LONDON", record(order, "D1", line(desk.lines(order)[0], 2)))
    assert desk.status(order) == "COMPLETE"
    assert desk.value("select count(*) from charge") == 0


def test_regenerated_then_complete(desk: Desk) -> None:
    """Regenerate asks for what was rejected alone; its dispatch completes the order, billed once
    each.
    """
    order = desk.request(("CASE", 5, "1"), ("WELCOME", 1, "0"))
    case, welcome = desk.lines(order)
    first = record(order, "D1", line(case, 2), line(case, 3, "REJECTED"), line(welcome, 1))
    assert desk.answer("LONDON", first) == [None]
    assert desk.status(order) == "ERROR"
    with desk.owner.transaction():
        desk.owner.execute("update request_line set superseded = true where rejected > 0")
        desk.owner.execute("update sales_order set status = 'AWAITING_GENERATION'")
    desk.request_all()
    assert len(desk.lines(order)) == 3
    anew = desk.lines(order)[-1]
    assert desk.rows("select quantity, generation from request_line where id = %s", anew) == [
        (3, 2)
    ]
    assert desk.answer("LONDON", record(order, "D2", line(case, 1))) == ["LINE_CLOSED"]
    assert desk.answer("LONDON", record(order, "D2", line(anew, 3))) == [None]
    assert desk.status(order) == "COMPLETE"
    assert desk.items(order) == [(0, 5, 0), (0, 1, 0)]
    assert desk.value("select sum(amount) from charge") == 5


def test_an_empty_file_completes(desk: Desk) -> None:
    """A file without records is applied and changes nothing."""
    batch = desk.load("LONDON")
    assert desk.apply() == 1
    assert desk.stage(batch) == "Batch, Complete"
