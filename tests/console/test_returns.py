"""Goods that come back: by a warehouse's record, and entered by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.db import reconciling, reconciling_batches, reconciling_charges
from core.domain.dispatch import Claim, Line, Record
from core.domain.returns import Away, Out, Unit
from core.errors import Reject
from tests.console.conftest import Counter
from tests.daemons.desk import line, phones, record, units


def back(
    order: int, dispatch: str, *lines: dict[str, Any], status: str = "RETURNED"
) -> dict[str, Any]:
    """A record of goods that came back."""
    return record(order, dispatch, *lines, status=status)


def came(line_id: int, quantity: int, status: str = "RETURNED", **more: Any) -> dict[str, Any]:
    """An entry of its lines[]."""
    return line(line_id, quantity, status, **more)


def _agrees(counter: Counter) -> None:
    for look in (
        reconciling.item_counters,
        reconciling.line_counters,
        reconciling.share_counters,
        reconciling.unit_count,
        reconciling.open_though_ended,
        reconciling.nothing_open,
        reconciling_charges.charges_missing,
        reconciling_charges.charges_surplus,
        reconciling_charges.charges_wrong,
        reconciling_batches.record_count,
    ):
        assert look(counter.owner, None) == [], look.__name__


def _balance(counter: Counter) -> list[tuple[Any, ...]]:
    """(units, money) billed and not credited, by product."""
    return counter.rows(
        "select product_code, sum(quantity), sum(amount) from charge group by 1 order by 1"
    )


def _returned(counter: Counter, line_id: int) -> tuple[int, int]:
    return counter.rows(
        "select returned, excess_returned from request_line where id = %s", line_id
    )[0]


def _sent(counter: Counter, *items: tuple[Any, ...]) -> tuple[int, list[int]]:
    order = counter.request(*items)
    return order, counter.lines(order)


def test_a_serial_comes_back_and_goes_out_again(counter: Counter) -> None:
    """The unit is out no more, the charge is reversed once, and another customer may have it."""
    order, (phone,) = _sent(counter, ("PHONE", 2, "100.50"))
    two = phones(2)
    assert counter.answer("LONDON", record(order, "D1", line(phone, 2, units=two))) == [None]
    assert counter.status(order) == "COMPLETE"
    before = counter.rows("select status, status_at, status_reason from sales_order")
    assert counter.answer("LONDON", back(order, "R1", came(phone, 1, units=two[:1]))) == [None]
    assert counter.rows("select status, status_at, status_reason from sales_order") == before
    assert _balance(counter) == [("PHONE", 1, Decimal("100.50"))]
    assert counter.rows("select active, return_id from dispatched_unit order by unit_no") == [
        (False, "R1"),
        (True, None),
    ]
    _agrees(counter)
    other, (again,) = _sent(counter, ("PHONE", 1, "1"))
    assert counter.answer("LONDON", record(other, "D2", line(again, 1, units=two[1:]))) == [
        "SERIAL_ACTIVE"
    ]
    assert counter.answer("LONDON", record(other, "D3", line(again, 1, units=two[:1]))) == [None]
    _agrees(counter)


def test_the_same_return_again_has_no_effect(counter: Counter) -> None:
    """A repeat by dispatchId and content; another content under the number is refused."""
    order, (case,) = _sent(counter, ("CASE", 3, "1.10"))
    counter.answer("LONDON", record(order, "D1", line(case, 3)))
    once = back(order, "R1", came(case, 1))
    assert counter.answer("LONDON", once) == [None]
    state = counter.fingerprint()
    assert counter.answer("LONDON", once, once) == [None, None]
    assert counter.fingerprint() == state
    assert counter.answer("LONDON", back(order, "R1", came(case, 2))) == ["DISPATCH_ID_REUSED"]
    assert counter.answer("LONDON", back(order, "D1", came(case, 1))) == ["DISPATCH_ID_REUSED"]
    assert counter.fingerprint() == state
    assert _balance(counter) == [("CASE", 2, Decimal("2.20"))]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([(4, {})], "OVER_RETURNED"),
        ([(2, {}), (2, {"status": "RETURNED_DAMAGED"})], "OVER_RETURNED"),
        ([(1, {}), (1, {})], "DUPLICATE_LINE"),
        ([(1, {"status": "DISPATCHED"})], "CONTRADICTORY"),
        ([(1, {"status": "CANCELLED"})], "CONTRADICTORY"),
        ([(1, {"units": units("X1")})], "NOT_OUT"),
        ([(2, {"units": units("X1", "X2", "X3")})], "UNIT_COUNT"),
    ],
)
def test_what_cannot_come_back(
    counter: Counter, entries: list[tuple[int, dict[str, Any]]], reason: str
) -> None:
    """More than is out, or units that are not, or what is no return: refused, nothing changed."""
    order, (case,) = _sent(counter, ("CASE", 5, "1.10"))
    counter.answer("LONDON", record(order, "D1", line(case, 3), status="PART_DISPATCHED"))
    state = counter.fingerprint()
    lines = [came(case, quantity, **more) for quantity, more in entries]
    assert counter.answer("LONDON", back(order, "R1", *lines)) == [reason]
    assert counter.fingerprint() == state


def test_units_that_are_not_out(counter: Counter) -> None:
    """Never dispatched, of another order, back already, given twice, or not named at all."""
    order, (phone,) = _sent(counter, ("PHONE", 3, "1"))
    other, (theirs,) = _sent(counter, ("PHONE", 1, "1"))
    mine, foreign = phones(3), phones(1)
    counter.answer("LONDON", record(order, "D1", line(phone, 3, units=mine)))
    counter.answer("LONDON", record(other, "D2", line(theirs, 1, units=foreign)))
    assert counter.answer("LONDON", back(order, "R1", came(phone, 1, units=mine[:1]))) == [None]
    state = counter.fingerprint()
    for number, named in enumerate([phones(1), foreign, mine[:1], mine[1:2] * 2]):
        wrong = back(order, f"W{number}", came(phone, len(named), units=named))
        assert counter.answer("LONDON", wrong) == ["NOT_OUT"], number
    assert counter.answer("LONDON", back(order, "W8", came(phone, 1))) == ["UNIT_COUNT"]
    mixed = mine[1] | {"imei": foreign[0]["imei"]}
    assert counter.answer("LONDON", back(order, "W9", came(phone, 1, units=[mixed]))) == ["NOT_OUT"]
    assert counter.fingerprint() == state
    both = [
        back(order, "R2", came(phone, 1, units=mine[1:2])),
        back(order, "R3", came(phone, 1, units=mine[1:2])),
    ]
    assert counter.answer("LONDON", *both) == [None, "NOT_OUT"]
    _agrees(counter)


def test_only_a_return_brings_back(counter: Counter) -> None:
    """A line that is RETURNED stands in no other record; a return names lines of the warehouse."""
    order, (case,) = _sent(counter, ("CASE", 3, "1.10"))
    counter.answer("LONDON", record(order, "D1", line(case, 2), status="PART_DISPATCHED"))
    for status in ("DISPATCHED", "PART_DISPATCHED", "REJECTED", "CANCELLED"):
        wrong = record(order, f"W-{status}", came(case, 1), status=status)
        assert counter.answer("LONDON", wrong) == ["CONTRADICTORY"]
    assert counter.answer("LEEDS", back(order, "R1", came(case, 1))) == ["LINE_NOT_YOURS"]
    assert counter.answer("LONDON", back(order, "R2", came(case + 999, 1))) == ["UNKNOWN_LINE"]


def test_returned_and_out_again_in_one_file(counter: Counter) -> None:
    """Wherever in the file they stand: what comes back is taken in first."""
    order, (phone,) = _sent(counter, ("PHONE", 1, "1"))
    other, (again,) = _sent(counter, ("PHONE", 1, "1"))
    third, (clash,) = _sent(counter, ("PHONE", 1, "1"))
    one = phones(1)
    counter.answer("LONDON", record(order, "D1", line(phone, 1, units=one)))
    assert counter.answer(
        "LONDON",
        record(other, "D2", line(again, 1, units=one)),
        record(third, "D3", line(clash, 1, units=one)),
        back(order, "R1", came(phone, 1, units=one)),
    ) == [None, "SERIAL_ACTIVE", None]
    _agrees(counter)


def test_while_the_rest_is_open(counter: Counter) -> None:
    """A part may come back before the rest has left; the order settles as if it had not."""
    order, (case,) = _sent(counter, ("CASE", 3, "1.10"))
    counter.answer("LONDON", record(order, "D1", line(case, 2), status="PART_DISPATCHED"))
    assert counter.answer("LONDON", back(order, "R1", came(case, 2))) == [None]
    assert (counter.status(order), counter.items(order)) == ("AWAITING_DISPATCH", [(1, 2, 0)])
    assert counter.answer("LONDON", record(order, "D2", line(case, 1))) == [None]
    assert counter.status(order) == "COMPLETE"
    assert _balance(counter) == [("CASE", 1, Decimal("1.10"))]
    _agrees(counter)


def test_what_was_never_billed_comes_back_first(counter: Counter) -> None:
    """Of a line that got more than was asked the excess is not credited, the rest is."""
    counter.owner.execute("update warehouse set over_dispatch_percent = 50")
    order, (case,) = _sent(counter, ("CASE", 4, "1.10"))
    assert counter.answer("LONDON", record(order, "D1", line(case, 6))) == [None]
    assert _balance(counter) == [("CASE", 4, Decimal("4.40"))]
    lines = [came(case, 1), came(case, 2, "RETURNED_DAMAGED")]
    assert counter.answer("LONDON", back(order, "R1", *lines)) == [None]
    assert (_returned(counter, case), _balance(counter)) == (
        (1, 2), [("CASE", 3, Decimal("3.30"))],
    )  # fmt: skip
    assert counter.answer("LONDON", back(order, "R2", came(case, 3))) == [None]
    assert (_returned(counter, case), _balance(counter)) == ((4, 2), [("CASE", 0, Decimal("0.00"))])
    assert counter.answer("LONDON", back(order, "R3", came(case, 1))) == ["OVER_RETURNED"]
    _agrees(counter)


def test_stock_comes_back_if_it_can_be_sold(counter: Counter) -> None:
    """On hand grows by what is whole; what is damaged, or not kept in stock, it does not."""
    counter.owner.execute(
        "insert into stock (warehouse_id, product_code, on_hand) values ('LONDON', 'CASE', 10)"
    )
    order, (case, welcome) = _sent(counter, ("CASE", 5, "1"), ("WELCOME", 2, "0"))
    counter.answer("LONDON", record(order, "D1", line(case, 5), line(welcome, 2)))
    on_hand = "select on_hand from stock"
    assert counter.value(on_hand) == 5
    lines = [came(case, 2), came(case, 1, "RETURNED_DAMAGED"), came(welcome, 2)]
    assert counter.answer("LONDON", back(order, "R1", *lines)) == [None]
    assert counter.value(on_hand) == 7
    # What is not billed is not credited.
    assert _balance(counter) == [("CASE", 2, Decimal(2))]
    _agrees(counter)


def test_a_return_leaves_alone_what_is_reserved_anew(counter: Counter) -> None:
    """Of an order that was regenerated: what is reserved for the rest stays, requested or not."""
    counter.stock("LONDON", "CASE", 10)
    order, (case,) = _sent(counter, ("CASE", 3, "1"))
    split = [line(case, 1), line(case, 2, "REJECTED")]
    counter.answer("LONDON", record(order, "D1", *split, status="PART_DISPATCHED"))
    assert counter.call("order", "regenerate", order).code == 0
    assert counter.answer("LONDON", back(order, "R1", came(case, 1))) == [None]
    assert counter.reserved(order) == {("LONDON", "CASE"): 2}
    assert counter.stock_of("LONDON", "CASE") == (10, 2, 0)


def test_stock_is_locked_by_key_whichever_way_goods_went(counter: Counter) -> None:
    """What goes out and what comes back in one file are locked together, in the order of the key:
    who waits for the first row has none of the later ones.
    """
    counter.stock("LONDON", "CASE", 10)
    counter.stock("LONDON", "WELCOME", 10)
    order, (welcome,) = _sent(counter, ("WELCOME", 1, "0"))
    other, (case,) = _sent(counter, ("CASE", 1, "1"))
    counter.answer("LONDON", record(order, "D1", line(welcome, 1)))
    counter.load("LONDON", back(order, "R1", came(welcome, 1)), record(other, "D2", line(case, 1)))
    stock = "select from stock where product_code = %s for no key update"
    counter.properties  # noqa: B018  # written before the thread needs it
    with ThreadPoolExecutor(1) as pool, counter.database.connect() as conn:
        with conn.transaction():
            conn.execute(stock, ("CASE",))
            applied = pool.submit(counter.apply)
            counter.wait_for(
                "select exists (select from pg_stat_activity where wait_event_type = 'Lock'"
                " and datname = current_database())"
            )
            conn.execute(f"{stock} nowait", ("WELCOME",))
        assert applied.result() == 1
    assert counter.stock_of("LONDON", "WELCOME") == (10, 0, 0)
    assert counter.stock_of("LONDON", "CASE") == (9, 0, 0)


def test_units_without_a_number(counter: Counter) -> None:
    """Units that nothing tells apart come back by their count, by record and by hand; as many are
    out no more, and one that has a number beside them has to be named.
    """
    counter.product("MODEM", "LONDON", serialised=True, attributes=["macAddress"])
    order, (modem,) = _sent(counter, ("MODEM", 5, "1"))
    five = [*units("A", "B", "C", "D", name="macAddress"), {"macAddress": "E", "serialNumber": "E"}]
    assert counter.answer("LONDON", record(order, "D1", line(modem, 5, units=five))) == [None]
    assert counter.answer(
        "LONDON",
        back(order, "R1", came(modem, 1, units=five[:1])),
        back(order, "R2", came(modem, 1)),
        back(order, "R3", came(modem, 4)),
    ) == [None, None, "OVER_RETURNED"]
    _agrees(counter)
    _enter(counter, order, "--product", "MODEM", "--quantity", 1)
    assert counter.value("select count(*) from dispatched_unit where active") == 2
    _agrees(counter)
    assert counter.answer(
        "LONDON",
        back(order, "R4", came(modem, 2, units=five[3:4])),
        back(order, "R5", came(modem, 2, units=five[3:])),
    ) == ["UNIT_COUNT", None]
    assert _balance(counter) == [("MODEM", 0, Decimal(0))]
    _agrees(counter)


def test_a_line_that_comes_back_one_by_one(counter: Counter) -> None:
    """Each unit is found by its number, however many its line has: else one file could occupy
    Dispatch for ever.
    """
    many = 8000
    order, (phone,) = _sent(counter, ("PHONE", many, "1"))
    all_of_it = phones(many)
    counter.answer("LONDON", record(order, "D1", line(phone, many, units=all_of_it)))
    counter.conn("dispatch").execute("set statement_timeout = '2s'")
    records = [
        back(order, f"R{number}", came(phone, 1, units=[{"imei": one["imei"]}]))
        for number, one in enumerate(all_of_it)
    ]
    assert set(counter.answer("LONDON", *records)) == {None}
    assert _returned(counter, phone) == (many, 0)


def test_a_merged_line(counter: Counter) -> None:
    """Of items that were asked for as one line."""
    order = counter.request(("ROUTER", 1, "9"), ("ROUTER", 2, "9"))
    (router,) = counter.lines(order)
    three = units("A1", "A2", "A3")
    counter.answer("BELFAST", record(order, "D1", line(router, 3, units=three)))
    assert counter.answer("BELFAST", back(order, "R1", came(router, 2, units=three[1:]))) == [None]
    assert _balance(counter) == [("ROUTER", 1, Decimal(9))]
    _agrees(counter)


def test_the_database_lets_no_more_back_than_left(counter: Counter) -> None:
    """Whatever program writes."""
    _, (case,) = _sent(counter, ("CASE", 1, "1"))
    for counters in ("returned = 1", "excess_returned = 1", "returned = -1"):
        with pytest.raises(psycopg.errors.CheckViolation, match="request_line_returned"):
            counter.owner.execute(f"update request_line set {counters} where id = %s", (case,))  # noqa: S608


def _enter(counter: Counter, *arguments: object) -> str:
    ended = counter.call("order", "return", *arguments, "--reason", "unwanted")
    assert (ended.code, ended.err) == (0, "")
    assert counter.apply() == 1
    return ended.out


def test_entered_by_hand_by_number(counter: Counter) -> None:
    """By serial number or IMEI, and by both at once it is one unit; reconcile knows that such a
    batch has no file.
    """
    order, (phone,) = _sent(counter, ("PHONE", 3, "100"))
    three = phones(3)
    counter.answer("LONDON", record(order, "D1", line(phone, 3, units=three)))
    serial, imei = three[0]["serialNumber"], three[0]["imei"]
    # As it is typed: on record it is in capitals.
    said = _enter(
        counter,
        order,
        "--unit",
        f" {serial}",
        "--unit",
        imei,
        "--unit",
        three[1]["imei"],
        "--damaged",
    )
    assert serial not in said
    assert "the return of 2 units" in said
    assert _balance(counter) == [("PHONE", 1, Decimal(100))]
    batch = counter.value("select max(id) from batch")
    assert counter.stage(batch) == "Batch, Complete"
    assert reconciling_batches.stage_unlike_file(counter.owner, [batch]) == []
    again = counter.call("order", "return", order, "--unit", imei, "--reason", "x")
    assert (again.code, "no unit of order" in again.err) == (1, True)
    told = counter.call("order", "show", order).out
    assert "came back" in told
    assert "entered by" in told
    _agrees(counter)


def test_entered_by_hand_by_product(counter: Counter) -> None:
    """So many of a product, over its lines; no more than is out, and none that has a number."""
    order, lines = _sent(counter, ("CASE", 2, "1"), ("CASE", 3, "1"), ("PHONE", 1, "1"))
    first, second, phone = lines
    sent = [line(first, 2), line(second, 3), line(phone, 1, units=phones(1))]
    counter.answer("LONDON", record(order, "D1", *sent))
    _enter(counter, order, "--product", "CASE", "--quantity", 4)
    assert [_returned(counter, one) for one in lines] == [(2, 0), (2, 0), (0, 0)]
    for product, quantity, words in (
        ("CASE", 2, "has 1 units of CASE out, not 2"),
        ("PHONE", 1, "1 more have numbers, and are named by --unit"),
        ("NONE", 1, "has 0 units of NONE out"),
    ):
        ended = counter.call(
            "order", "return", order, "--product", product, "--quantity", quantity, "--reason", "x"
        )
        assert ended.code == 1
        assert words in ended.err
    assert counter.call("order", "return", order, "--reason", "x").code == 2
    _agrees(counter)


def test_a_person_cannot_use_a_warehouse_s_number(counter: Counter) -> None:
    """No dispatchId of a warehouse has a blank in it, and those entered by hand have."""
    order, (case,) = _sent(counter, ("CASE", 2, "1"))
    counter.answer("LONDON", record(order, "D1", line(case, 2)))
    _enter(counter, order, "--product", "CASE", "--quantity", 1)
    assert counter.value("select count(*) from dispatch where dispatch_id like 'return %%'") == 1
    conn = counter.conn("console")
    for table in ("dispatch_detail", "dispatch_line", "dispatch", "charge"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(f"insert into {table} default values")


CLAIMS = st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(1, 4), st.booleans()), max_size=3)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.tuples(st.integers(0, 5), st.integers(0, 3)),
    st.tuples(st.integers(0, 5), st.integers(0, 3)),
    st.lists(CLAIMS, max_size=6),
)
def test_never_more_than_was_out(
    first: tuple[int, int], second: tuple[int, int], records: list[list[tuple[int, int, bool]]]
) -> None:
    """Whatever comes back, in whatever order: the sum is at most what was out, what was not billed
    is taken first, and a refused record takes nothing.
    """
    out = Out({1: Away(*first), 2: Away(*second)})
    left = {1: sum(first), 2: sum(second)}
    unbilled = {1: first[1], 2: second[1]}
    for sequence, claims in enumerate(records):
        claimed = []
        for number, (line_id, quantity, whole) in enumerate(claims, 1):
            status = "RETURNED" if whole else "RETURNED_DAMAGED"
            claim = Claim(number, line_id, status, quantity, 0, frozenset(), None)
            claimed.append(
                (
                    claim,
                    Line(line_id, 1, "A", 0, sealed=True, serialised=False, attributes=frozenset()),
                )
            )
        one = Record(sequence, 1, str(sequence), "RETURNED", b"", [claim for claim, _ in claimed])
        try:
            excess = out.take_back(one, claimed)
        except Reject:
            continue
        beyond = {number: units for _, number, units in excess}
        for claim, of in claimed:
            left[of.line_id] -= claim.quantity
            taken = beyond.get(claim.line_no, 0)
            assert taken == min(claim.quantity, unbilled[of.line_id])
            unbilled[of.line_id] -= taken
        assert min(left.values()) >= 0


def test_a_refused_record_uses_no_unit_up() -> None:
    """The next record may bring back what the refused one named."""
    unit = Unit(1, "D", 1, ("imei 1",))
    out = Out({1: Away(1, 0, 1)}, {(1, 1): [unit], (1, 2): [unit], (2, 1): [unit]})
    of = Line(1, 1, "A", 0, sealed=True, serialised=True, attributes=frozenset())

    def claim(number: int, status: str) -> Claim:
        return Claim(number, 1, status, 1, 1, frozenset(), None)

    twice = [(claim(1, "RETURNED"), of), (claim(2, "RETURNED_DAMAGED"), of)]
    with pytest.raises(Reject):
        out.take_back(Record(1, 1, "R1", "RETURNED", b"", ()), twice)
    assert out.freed == set()
    out.take_back(Record(2, 1, "R2", "RETURNED", b"", ()), [(claim(1, "RETURNED"), of)])
    assert out.freed == {"imei 1"}
