"""The Sales Order Dispatch job: refused records, each alone and for its own reason."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.daemons.desk import CASE, Desk, imei, line, phones, record, units


def reasons_file(desk: Desk) -> tuple[list[dict[str, Any]], list[str | None]]:
    """A file in which good records stand between bad ones of every kind."""
    taken = desk.request(("PHONE", 1, "1"))
    number = phones(1)
    desk.answer("LONDON", record(taken, "taken", line(desk.lines(taken)[0], 1, units=number)))
    phone = desk.request(("PHONE", 2, "1"))
    other = desk.request(("SIM", 1, "1"))
    fine = desk.request(CASE)
    queued = desk.order(CASE)
    desk.generate()
    closed = desk.request(CASE)
    # What stands in a batch is asked of nobody before it is sealed.
    (handset,), (case,), (last,) = desk.lines(phone), desk.lines(fine), desk.lines(closed)
    desk.answer("LONDON", record(closed, "closes", line(last, 3)))
    desk.lose("delete from request_detail where order_id = %s", queued)
    wrong = [{"serialNumber": "x1", "imei": "490154203237517"}]
    file: list[tuple[dict[str, Any], str | None]] = [
        (record(999999, "N1", line(1, 1)), "UNKNOWN_ORDER"),
        (record(fine, "N2", line(999999, 1)), "UNKNOWN_LINE"),
        (record(fine, "N3", line(handset, 1)), "UNKNOWN_LINE"),
        (record(other, "N4", line(desk.lines(other)[0], 1)), "LINE_NOT_YOURS"),
        (record(queued, "N5", line(desk.lines(queued)[0], 1)), "NOT_REQUESTED"),
        (record(queued, "N6", status="REJECTED"), "NOT_REQUESTED"),
        (record(closed, "N7", line(last, 1)), "LINE_CLOSED"),
        (record(closed, "N8", status="CANCELLED"), "LINE_CLOSED"),
        (record(fine, "N9", line(case, 4)), "OVER_DISPATCHED"),
        (record(fine, "N10", line(case, 1), line(case, 1)), "DUPLICATE_LINE"),
        (record(fine, "N11", line(case, 1), status="REJECTED"), "CONTRADICTORY"),
        (record(fine, "closes", line(case, 1)), "DISPATCH_ID_REUSED"),
        (record(phone, "N12", line(handset, 1, units=number)), "SERIAL_ACTIVE"),
        (record(phone, "N13", line(handset, 1)), "UNIT_COUNT"),
        (record(phone, "N14", line(handset, 2, units=phones(1))), "UNIT_COUNT"),
        (record(phone, "N15", line(handset, 1, units=units("y1"))), "ATTRIBUTE_MISSING"),
        (record(phone, "N16", line(handset, 1, units=wrong)), "IMEI_INVALID"),
        (record(fine, "G1", line(case, 2)), None),
        (record(phone, "G2", line(handset, 2, units=phones(2))), None),
        (record(fine, "G3", line(case, 1)), None),
    ]
    return [one for one, _ in file], [reason for _, reason in file]


def test_each_reason_and_the_good_ones_apply(desk: Desk) -> None:
    """Each bad record has its own reason and changes nothing; all good ones beside it take
    effect.
    """
    records, expected = reasons_file(desk)
    batch = desk.load("LONDON", *records)
    desk.apply()
    assert desk.reasons(batch) == expected
    assert desk.stage(batch) == "Batch, Error"
    assert desk.rows("select reason, sentence from batch where id = %s", batch) == [
        ("RECORDS_REFUSED", "17 of 20 records refused")
    ]
    assert not desk.rows("select 1 from dispatch where dispatch_id like 'N%%'")
    good = {int(records[17]["id"]), int(records[18]["id"])}
    assert {desk.status(order) for order in good} == {"COMPLETE"}
    assert not desk.rows("select 1 from dispatch_detail where reason is not null"
                         " and coalesce(sentence, '') = ''")  # fmt: skip


def test_bad_records_alone_change_nothing(desk: Desk) -> None:
    """A file of bad records leaves orders, counters, units, charges and history as they were."""
    records, expected = reasons_file(desk)
    bad = [one for one, reason in zip(records, expected, strict=True) if reason]
    before = desk.fingerprint()
    assert desk.answer("LONDON", *bad) == [reason for reason in expected if reason]
    assert desk.fingerprint() == before


def test_reprocess_applies_only_what_was_refused(desk: Desk) -> None:
    """A reprocess judges the refused records alone; mended circumstances apply them, once."""
    order = desk.request(CASE)
    (case,) = desk.lines(order)
    late = desk.order(("CASE", 1, "5"))
    desk.generate()
    waiting = desk.lines(late)[0]
    batch = desk.load(
        "LONDON", record(order, "D1", line(case, 3)), record(late, "D2", line(waiting, 1)),
        record(order, "D3", line(case, 1)),
    )  # fmt: skip
    desk.apply()
    assert desk.reasons(batch) == [None, "NOT_REQUESTED", "LINE_CLOSED"]
    desk.seal(*desk.batch())
    desk.reprocess(batch)
    assert desk.reasons(batch) == [None, None, "LINE_CLOSED"]
    assert desk.stage(batch) == "Batch, Error"
    assert desk.rows("select dispatch_id, amount from charge order by 1") == [
        ("D1", Decimal("3.30")),
        ("D2", Decimal(5)),
    ]
    before = desk.fingerprint()
    desk.reprocess(batch)
    assert desk.fingerprint() == before


def test_the_same_id_with_other_content_is_refused(desk: Desk) -> None:
    """A dispatchId that comes again with other content is refused, and changes nothing."""
    order = desk.request(CASE)
    (case,) = desk.lines(order)
    assert desk.answer("LONDON", record(order, "D1", line(case, 1))) == [None]
    before = desk.fingerprint()
    for other in (line(case, 2), line(case, 1, "REJECTED"), line(case, 1, reason="x")):
        assert desk.answer("LONDON", record(order, "D1", other)) == ["DISPATCH_ID_REUSED"]
    assert desk.fingerprint() == before


def test_one_number_twice_in_a_file(desk: Desk) -> None:
    """Of two records of a file with one number the first wins; later ones of its line are good."""
    one, two = desk.request(("PHONE", 1, "1")), desk.request(("PHONE", 1, "1"))
    (first,), (second,) = desk.lines(one), desk.lines(two)
    number, spare = phones(1), phones(1)
    reasons = desk.answer(
        "LONDON",
        record(one, "D1", line(first, 1, units=number)),
        record(two, "D2", line(second, 1, units=[number[0] | {"imei": imei()}])),
        record(two, "D3", line(second, 1, units=spare)),
    )
    assert reasons == [None, "SERIAL_ACTIVE", None]
    assert desk.value("select count(*) from dispatched_unit") == 2
    assert {desk.status(one), desk.status(two)} == {"COMPLETE"}


def test_one_number_twice_in_a_record(desk: Desk) -> None:
    """A record that gives one number to two units is refused, whatever its case and blanks."""
    order = desk.request(("SIM", 2, "1"), ("ROUTER", 2, "1"))
    router = desk.lines(order)[-1]
    reasons = desk.answer("BELFAST", record(order, "D1", line(router, 2, units=units("a1", " A1"))))
    assert reasons == ["SERIAL_ACTIVE"]
    assert desk.value("select count(*) from dispatched_unit") == 0


def test_a_serial_number_goes_with_its_product(desk: Desk) -> None:
    """Two products may share a serial number; a unit that came back may go out again."""
    order = desk.request(("PHONE", 1, "1"), ("ROUTER", 2, "1"))
    phone, router = desk.lines(order)
    assert desk.answer(
        "LONDON",
        record(order, "D1", line(phone, 1, units=[{"serialNumber": "S1", "imei": imei()}])),
    ) == [None]
    once = record(order, "D1", line(router, 1, units=units("S1")))
    again = record(order, "D2", line(router, 1, units=units("s1")))
    assert desk.answer("BELFAST", once, again) == [None, "SERIAL_ACTIVE"]
    desk.owner.execute("update dispatched_unit set active = false where product_code = 'ROUTER'")
    assert desk.answer("BELFAST", again) == [None]


def test_one_number_at_two_warehouses(desk: Desk) -> None:
    """A number that another warehouse dispatched is refused, and the customer's line stays open."""
    desk.product("ESIM", "LEEDS", serialised=True, attributes=["imei"])
    order = desk.request(("PHONE", 1, "1"), ("ESIM", 1, "1"))
    phone, esim = desk.lines(order)
    unit = phones(1)
    assert desk.answer("LONDON", record(order, "D", line(phone, 1, units=unit))) == [None]
    taken = record(order, "D", line(esim, 1, units=units(unit[0]["imei"], name="imei")))
    assert desk.answer("LEEDS", taken) == ["SERIAL_ACTIVE"]
    assert desk.items(order) == [(0, 1, 0), (1, 0, 0)]


@pytest.mark.parametrize("bad", [[5], [1], [11], [3, 4, 9], list(range(1, 12))], ids=str)
def test_a_record_that_the_database_refuses_stands_alone(desk: Desk, bad: list[int]) -> None:
    """Data that only the database refuses fails its own record; all others are applied."""
    desk.owner.execute("alter table charge add constraint no_price check (unit_price <> 13)")
    orders = [desk.order(("CASE", 1, 13 if n in bad else 1)) for n in range(1, 12)]
    desk.request_all()
    records = [record(order, f"D{order}", line(desk.lines(order)[0], 1)) for order in orders]
    batch = desk.load("LONDON", *records)
    desk.apply()
    assert desk.reasons(batch) == ["RECORD_FAILED" if n in bad else None for n in range(1, 12)]
    statuses = [desk.status(order) for order in orders]
    assert statuses == ["AWAITING_DISPATCH" if n in bad else "COMPLETE" for n in range(1, 12)]
    assert desk.value("select count(*) from charge") == 11 - len(bad)
    desk.owner.execute("alter table charge drop constraint no_price")
    desk.reprocess(batch)
    assert desk.reasons(batch) == [None] * 11
    assert desk.value("select count(*) from charge") == 11


def test_halving_blames_nobody_else(desk: Desk) -> None:
    """Beside a record that the database refuses, each other one keeps the reason that is its
    own.
    """
    desk.owner.execute(
        "alter table request_line add constraint odd check (unit_price <> 13 or dispatched = 0)"
    )
    same = phones(1)
    orders = [desk.order(("PHONE", 1, 13 if n == 7 else 1)) for n in range(8)]
    desk.request_all()
    numbers = [same if n in {0, 2} else phones(1) for n in range(8)]
    records = [
        record(order, f"D{n}", line(desk.lines(order)[0], 1 if n not in {1, 3} else 2,
                                    units=numbers[n]))
        for n, order in enumerate(orders)
    ]  # fmt: skip
    assert desk.answer("LONDON", *records) == [
        None, "UNIT_COUNT", "SERIAL_ACTIVE", "UNIT_COUNT", None, None, None, "RECORD_FAILED",
    ]  # fmt: skip


def test_a_line_asks_for_what_it_asked_for(desk: Desk) -> None:
    """What the catalogue asks of a product later is not asked of lines that are on their way."""
    order = desk.request(CASE)
    desk.owner.execute(
        "update product set serialised = true, attributes = '{serialNumber}' where code = 'CASE'"
    )
    (case,) = desk.lines(order)
    batch = desk.load("LONDON", record(order, "D1", line(case, 3)))
    desk.apply()
    assert desk.reasons(batch) == [None]
