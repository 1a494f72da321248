"""A warehouse that may dispatch more than was asked: how much, who pays, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from core.db import reconciling, reconciling_charges
from tests.daemons.desk import Desk, line, phones, record, units

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def generous(desk: Desk) -> Desk:
    """London and Belfast may dispatch half as much again."""
    desk.owner.execute(
        "update warehouse set over_dispatch_percent = 50 where id in ('LONDON', 'BELFAST')"
    )
    return desk


@pytest.fixture
def told(log_restored: None) -> Iterator[list[dict[str, object]]]:
    """The events."""
    del log_restored
    with structlog.testing.capture_logs() as found:
        yield found  # type: ignore[misc]


def agrees(desk: Desk) -> None:
    """Lines, records, units and charges say the same."""
    for look in (
        reconciling.item_counters,
        reconciling.line_counters,
        reconciling.share_counters,
        reconciling.unit_count,
        reconciling_charges.charges_missing,
        reconciling_charges.charges_surplus,
        reconciling_charges.charges_wrong,
    ):
        assert look(desk.owner, None) == []


@pytest.mark.parametrize(
    ("percent", "quantity", "sent", "reason"),
    [
        (0, 4, 5, "OVER_DISPATCHED"),
        (24, 4, 5, "OVER_DISPATCHED"),  # less than one unit is none
        (25, 4, 5, None),
        (25, 4, 6, "OVER_DISPATCHED"),
        (1, 99, 100, "OVER_DISPATCHED"),  # nor is nearly one
        (100, 1, 2, None),
        (100, 1, 3, "OVER_DISPATCHED"),
    ],
    ids=range(7),
)
def test_so_much_and_no_more(
    desk: Desk, percent: int, quantity: int, sent: int, reason: str | None
) -> None:
    """The policy is a percentage of the line's quantity, rounded down to whole units."""
    desk.owner.execute("update warehouse set over_dispatch_percent = %s", (percent,))
    order = desk.request(("CASE", quantity, "2"))
    (case,) = desk.lines(order)
    assert desk.answer("LONDON", record(order, "D1", line(case, sent))) == [reason]
    agrees(desk)


def test_the_excess_is_recorded_and_not_billed(
    generous: Desk, told: list[dict[str, object]]
) -> None:
    """Numbers of the excess are out there; counters, order and bill know what was asked alone."""
    order = generous.request(("PHONE", 2, "10"))
    (phone,) = generous.lines(order)
    three = phones(3)
    first = record(order, "D1", line(phone, 3, units=three))
    assert generous.answer("LONDON", first, first) == [None, None]
    assert generous.counters(phone) == (2, 0, 0)
    assert generous.items(order) == [(0, 2, 0)]
    assert generous.status(order) == "COMPLETE"
    assert generous.value("select excess from request_line") == 1
    assert generous.value("select count(*) from dispatched_unit where active") == 3
    assert generous.rows("select quantity, amount from charge") == [(2, 20)]
    excess = [one for one in told if one["event"] == "EXCESS_DISPATCHED"]
    assert [(one["order_id"], one["line"], one["units"]) for one in excess] == [(order, phone, 1)]
    assert three[0]["imei"] not in str(told)
    again = generous.request(("PHONE", 1, "10"))
    (other,) = generous.lines(again)
    taken = record(again, "D2", line(other, 1, units=three[2:]))
    assert generous.answer("LONDON", taken) == ["SERIAL_ACTIVE"]
    agrees(generous)


def test_parts_add_up_to_the_policy(generous: Desk) -> None:
    """The excess counts from what is open; once it is reached the line is closed for good."""
    order = generous.request(("CASE", 4, "1"))
    (case,) = generous.lines(order)
    assert generous.answer(
        "LONDON",
        record(order, "D1", line(case, 3)),
        record(order, "D2", line(case, 4)),  # one open and two more are three
        record(order, "D3", line(case, 3)),
        record(order, "D4", line(case, 1)),
    ) == [None, "OVER_DISPATCHED", None, "LINE_CLOSED"]
    assert generous.value("select excess from request_line") == 2
    assert generous.value("select sum(quantity) from charge") == 4
    agrees(generous)


@pytest.mark.parametrize("status", ["REJECTED", "CANCELLED", "BACK_ORDERED"])
def test_only_goods_exceed(generous: Desk, status: str) -> None:
    """What is rejected, cancelled or kept waiting is part of what was asked: it never exceeds."""
    order = generous.request(("CASE", 4, "1"))
    (case,) = generous.lines(order)
    both = record(order, "D1", line(case, 4), line(case, 1, status), status="PART_DISPATCHED")
    assert generous.answer("LONDON", both) == ["OVER_DISPATCHED"]
    assert generous.answer("LONDON", record(order, "D2", line(case, 5, status))) == [
        "OVER_DISPATCHED"
    ]
    assert generous.counters(case) == (0, 0, 0)


def test_merged_items_have_what_they_asked(generous: Desk) -> None:
    """The excess of a merged line belongs to none of its items."""
    order = generous.request(("ROUTER", 1, "80"), ("ROUTER", 3, "80"))
    (merged,) = generous.lines(order)
    six = units(*(f"r{number}" for number in range(6)))
    assert generous.answer("BELFAST", record(order, "D1", line(merged, 6, units=six))) == [None]
    assert generous.items(order) == [(0, 1, 0), (0, 3, 0)]
    agrees(generous)


def test_a_policy_made_wider_lets_the_refused_in(desk: Desk) -> None:
    """A record that was refused is applied by reprocess once the warehouse may exceed."""
    order = desk.request(("CASE", 4, "1"))
    (case,) = desk.lines(order)
    batch = desk.load("LONDON", record(order, "D1", line(case, 5)))
    desk.apply()
    assert desk.reasons(batch) == ["OVER_DISPATCHED"]
    desk.owner.execute("update warehouse set over_dispatch_percent = 25")
    desk.reprocess(batch)
    assert desk.reasons(batch) == [None]
    assert desk.value("select excess from dispatch_line") == 1
    agrees(desk)
