"""The Sales Order Dispatch job among others: several copies, order of files, set aside, merged
lines.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import hypothesis.strategies as st
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from daemons.dispatch import Dispatch
from tests import postgres
from tests.daemons.conftest import catalogue
from tests.daemons.desk import Desk, drained, line, record, units


def in_parallel(desk: Desk, copies: int = 2) -> int:
    """Several copies of the daemon at once; how many batches they have applied."""
    done: list[int] = []
    pairs = [
        (Dispatch(desk.properties), desk.database.connect("sales_order_dispatch"))
        for _ in range(copies)
    ]
    threads = [
        threading.Thread(target=lambda unit, conn: done.append(drained(unit, conn)), args=pair)
        for pair in pairs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == copies, "a copy has failed"
    # A copy that found every warehouse taken has ended early, and the work is done all the same.
    return sum(done) + desk.apply()


def test_copies_share_the_work(desk: Desk) -> None:
    """Several copies apply each file once; no unit is dispatched, nor charged, twice."""
    orders = [desk.order(("CASE", 1, "2"), ("SIM", 1, "3"), ("ROUTER", 2, "5")) for _ in range(12)]
    desk.request_all()
    for number, order in enumerate(orders):
        case, sim, router = desk.lines(order)
        for warehouse, entry in (
            ("LONDON", line(case, 1)),
            ("LEEDS", line(sim, 1, units=units(f"89{number}", name="iccid"))),
            ("BELFAST", line(router, 2, units=units(f"r{number}", f"q{number}"))),
        ):
            once = record(order, f"D{number}", entry)
            desk.load(warehouse, once, once)
            desk.load(warehouse, once)
    assert in_parallel(desk, 3) == 72
    assert {desk.status(order) for order in orders} == {"COMPLETE"}
    assert desk.rows("select count(*), sum(amount) from charge") == [(36, Decimal(180))]
    assert desk.value("select count(*) from dispatched_unit") == 36
    assert not desk.rows("select 1 from batch where stage_status = 'Error'")
    assert desk.value("select count(*) from order_history where to_status = 'COMPLETE'") == 12


def test_one_number_at_two_warehouses_at_once(desk: Desk) -> None:
    """Two warehouses that dispatch one unit at the same time: one is applied, the other refused."""
    desk.product("TAB", "LEEDS", serialised=True, attributes=["imei"])
    desk.product("TAG", "LONDON", serialised=True, attributes=["imei"])
    one, two = desk.request(("TAB", 1, "1")), desk.request(("TAG", 1, "1"))
    number = units("490154203237518", name="imei")
    batches = [
        desk.load("LEEDS", record(one, "D", line(desk.lines(one)[0], 1, units=number))),
        desk.load("LONDON", record(two, "D", line(desk.lines(two)[0], 1, units=number))),
    ]
    # A transaction in which a unit of the first has gone out and is not yet committed.
    other = desk.database.connect()
    waiting = threading.Thread(target=in_parallel, args=(desk,))
    with other.transaction(force_rollback=True):
        other.execute(
            "insert into dispatched_unit (line_id, dispatch_id, unit_no, order_id, warehouse_id,"
            " product_code, imei) values (%s, 'X', 1, 1, 'X', 'X', '490154203237518')",
            (desk.lines(one)[0],),
        )
        waiting.start()
        desk.wait_for(
            "select count(*) = 2 from pg_stat_activity"
            " where wait_event_type = 'Lock' and datname = current_database()"
        )
    waiting.join(60)
    reasons = [desk.reasons(batch)[0] for batch in batches]
    assert sorted(str(reason) for reason in reasons) == ["None", "SERIAL_ACTIVE"]
    assert desk.value("select count(*) from dispatched_unit") == 1
    assert desk.value("select count(*) from charge") == 1


def test_one_warehouse_is_applied_one_at_a_time(desk: Desk) -> None:
    """While one copy has a warehouse's turn another takes nothing of it, and serves the others."""
    order = desk.request(("CASE", 1, "1"), ("SIM", 1, "1"))
    case, sim = desk.lines(order)
    mine = desk.load("LONDON", record(order, "D", line(case, 1)))
    other = desk.load("LEEDS", record(order, "D", line(sim, 1, units=units("1", name="iccid"))))
    number = desk.value("select number from warehouse where id = 'LONDON'")
    desk.owner.execute("select pg_advisory_lock(4, %s)", (number,))
    assert desk.apply() == 1
    assert (desk.stage(mine), desk.stage(other)) == ("Extract/Load, Complete", "Batch, Complete")
    desk.owner.execute("select pg_advisory_unlock(4, %s)", (number,))
    assert desk.apply() == 1


def test_the_partners_sequence_decides(desk: Desk) -> None:
    """Files of a warehouse are applied by the partner's sequence, those without one last."""
    order = desk.request(("CASE", 1, "1"))
    (case,) = desk.lines(order)
    for name, sequence in (("none", None), ("nine", 9), ("seven", 7), ("ten", 10)):
        desk.load("LONDON", record(order, name, line(case, 1)), sequence=sequence)
    desk.apply()
    assert desk.rows(
        "select dispatch_id, d.reason from dispatch_detail d join batch b on b.id = d.batch_id"
        " order by partner_sequence nulls last"
    ) == [
        ("seven", None),
        ("nine", "LINE_CLOSED"),
        ("ten", "LINE_CLOSED"),
        ("none", "LINE_CLOSED"),
    ]


def test_warehouses_take_turns(desk: Desk) -> None:
    """A warehouse with many files does not keep another with one file waiting."""
    for _ in range(5):
        desk.load("LONDON")
    late = desk.load("LEEDS")
    unit, conn = Dispatch(desk.properties), desk.conn("dispatch")
    assert [unit(conn), unit(conn)] == [True, True]
    assert desk.stage(late) == "Batch, Complete"


@pytest.mark.parametrize("cause", ["crash", "fault"])
def test_what_cannot_be_applied_is_set_aside(desk: Desk, cause: str) -> None:
    """A batch that ended its process three times, or fails by our fault, is set aside,
    unapplied.
    """
    order = desk.request(("CASE", 1, "1"))
    entry = record(order, "D", line(desk.lines(order)[0], 1))
    bad = desk.load("LONDON", entry)
    if cause == "crash":
        desk.owner.execute("update batch set attempts = 3 where id = %s", (bad,))
    else:
        desk.owner.execute("alter table dispatch rename to dispatch_away")
    desk.apply()
    assert desk.rows("select stage || ', ' || stage_status, reason, attempts from batch"
                     " where id = %s", bad) == [
        ("Batch, Error", "REPEATED_CRASH" if cause == "crash" else "INTERNAL_ERROR", 0)
    ]  # fmt: skip
    assert desk.status(order) == "AWAITING_DISPATCH"
    if cause == "fault":
        desk.owner.execute("alter table dispatch_away rename to dispatch")
    desk.owner.execute(
        "update batch set stage = 'Extract/Load', stage_status = 'Complete' where id = %s", (bad,)
    )
    desk.apply()
    assert desk.stage(bad) == "Batch, Complete"
    assert desk.status(order) == "COMPLETE"


def test_a_wait_that_is_too_long_is_no_crash(desk: Desk) -> None:
    """A batch whose order somebody keeps locked is tried again, however often, and not set
    aside.
    """
    order = desk.request(("CASE", 1, "1"))
    batch = desk.load("LONDON", record(order, "D", line(desk.lines(order)[0], 1)))
    conn = desk.conn("dispatch")
    conn.execute("set lock_timeout = '20ms'")
    unit = Dispatch(desk.properties)
    with desk.owner.transaction():
        desk.owner.execute("select from sales_order for update")
        for _ in range(5):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                unit(conn)
    assert drained(unit, conn) == 1
    assert desk.stage(batch) == "Batch, Complete"


def test_half_a_batch_is_never_seen(desk: Desk) -> None:
    """A job that is stopped in its transaction leaves nothing but the attempt that it counted."""
    order = desk.request(("CASE", 1, "1"))
    batch = desk.load("LONDON", record(order, "D", line(desk.lines(order)[0], 1)))
    before = desk.fingerprint()
    desk.owner.execute(
        "create function stop() returns trigger language plpgsql as"
        " $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;"
        "create trigger stop after insert on charge for each statement execute function stop()"
    )
    with pytest.raises(psycopg.OperationalError):
        desk.apply()
    assert desk.fingerprint() == before
    assert desk.rows("select stage_status, attempts from batch where id = %s", batch) == [
        ("Complete", 1)
    ]
    desk.owner.execute("drop trigger stop on charge")
    fresh = desk.database.connect("sales_order_dispatch")
    assert drained(Dispatch(desk.properties), fresh) == 1
    assert desk.status(order) == "COMPLETE"


# Merged lines against a model of a few lines.


@pytest.fixture(scope="module")
def shared(postgres_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One database for many examples."""
    with postgres.clone(postgres_host) as database:
        desk = Desk(Path(tmp_path_factory.mktemp("desk")), database)
        catalogue(desk)
        desk.product("CABLE", "BELFAST")
        yield desk


KINDS = {"DISPATCHED": 0, "CANCELLED": 1, "REJECTED": 2}


def model(quantities: list[int], steps: list[dict[str, int]]) -> list[list[int]]:
    """(dispatched, cancelled, rejected) of each share: unit by unit to the first with some open."""
    shares = [[0, 0, 0] for _ in quantities]
    for step in steps:
        for kind, index in KINDS.items():
            for _ in range(step.get(kind, 0)):
                first = next(n for n, q in enumerate(quantities) if sum(shares[n]) < q)
                shares[first][index] += 1
    return shares


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[int], list[dict[str, int]]]:
    """Quantities of items of one product and price, and what a warehouse answers in steps."""
    quantities = draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))
    left, steps = sum(quantities), []
    for _ in range(draw(st.integers(1, 3))):
        step = {}
        for kind in draw(st.permutations(list(KINDS))):
            count = draw(st.integers(0, left))
            left -= count
            if count:
                step[kind] = count
        if step:
            steps.append(step)
    return quantities, steps


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=answers())
def test_shares_are_a_waterfall(shared: Desk, case: tuple[list[int], list[dict[str, int]]]) -> None:
    """Items of a merged line get what happens to it in their order, dispatched before the rest."""
    quantities, steps = case
    order = shared.request(*(("CABLE", quantity, "1") for quantity in quantities))
    (merged,) = shared.lines(order)
    for number, step in enumerate(steps):
        entries = [line(merged, count, kind) for kind, count in step.items()]
        assert shared.answer("BELFAST", record(order, f"{order}-{number}", *entries)) == [None]
    expected = model(quantities, steps)
    assert shared.rows(
        "select dispatched, cancelled, rejected from request_line_share where line_id = %s"
        " order by item_no",
        merged,
    ) == [tuple(share) for share in expected]
    assert shared.items(order) == [
        (quantity - sum(share), share[0], share[1])
        for quantity, share in zip(quantities, expected, strict=True)
    ]
    assert shared.counters(merged) == tuple(map(sum, zip(*expected, strict=True)))
