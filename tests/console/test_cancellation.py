"""Cancellation in two steps: what is not sealed at once, the rest by the warehouse's word."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from console import order_moves
from console.standin import Plan
from core.db import batches, cancellations, reconciling, reconciling_batches, reconciling_charges
from core.domain.batch import BATCHED
from core.overdue import Overdue
from daemons.dispatch import lateness
from tests.console.conftest import Counter
from tests.daemons.conftest import site
from tests.daemons.desk import line, record
from tests.site import Site

__all__ = ["site"]
"""The fixture, from the daemons' tests."""


def _states(counter: Counter) -> list[tuple[Any, ...]]:
    return counter.rows("select warehouse_id, status from cancellation order by id")


def _cancel(counter: Counter, order: int) -> str:
    ended = counter.call("order", "cancel", order, "--reason", "customer withdrew")
    assert ended.code == 0, ended.err
    return ended.out + ended.err


def _sealed(counter: Counter, *items: tuple[Any, ...]) -> int:
    """An order whose files lie where the partners take them."""
    order = counter.order(*items)
    counter.generate()
    counter.batch()
    counter.extract()
    return order


def _asked(counter: Counter, *items: tuple[Any, ...]) -> int:
    """An order of which a warehouse was sent the request, and then its cancellation."""
    order = _sealed(counter, *(items or [("CASE", 3, "1.10")]))
    _cancel(counter, order)
    counter.batch()
    counter.extract()
    return order


def _agrees(counter: Counter) -> None:
    for look in (
        reconciling.item_counters,
        reconciling.line_counters,
        reconciling.share_counters,
        reconciling.open_though_ended,
        reconciling.nothing_open,
        reconciling.cancellation_astray,
        reconciling_charges.charges_missing,
        reconciling_batches.record_count,
    ):
        assert look(counter.owner, None) == [], look.__name__


def test_the_warehouse_is_asked_in_its_next_file(counter: Counter) -> None:
    """A record with action CANCEL names the lines and what is open of them; nothing is cancelled
    until the answer is there.
    """
    order = _sealed(counter, ("CASE", 3, "1.10"), ("WELCOME", 1, "0"))
    case, welcome = counter.lines(order)
    counter.answer("LONDON", record(order, "D1", line(case, 2)))
    said = _cancel(counter, order)
    assert "LONDON is asked to cancel it" in said
    assert _states(counter) == [("LONDON", "REQUESTED")]
    counter.batch()
    counter.extract()
    assert _states(counter) == [("LONDON", "SENT")]
    request, cancel = counter.sent("LONDON")
    assert [one["action"] for one in request["orders"]] == ["REQUEST"]
    (entry,) = cancel["orders"]
    assert (entry["id"], entry["action"]) == (str(order), "CANCEL")
    assert [(one["id"], one["quantity"]) for one in entry["lines"]] == [
        (str(case), 1),
        (str(welcome), 1),
    ]
    assert cancel["wareHouse"]["fileSequence"] == 2
    assert counter.status(order) == "AWAITING_DISPATCH"
    assert counter.counters(case) == (2, 0, 0)
    _agrees(counter)


def test_nobody_is_checked_for_fraud_to_be_cancelled(counter: Counter) -> None:
    """Where a check is required of requests, a cancellation asks for none, and has no contact."""
    counter.set(request_extract_fraudcheckrequired="true")
    order = counter.order(("CASE", 1, "1"), contact_name="A Person", contact_phone="020 7946 0018")
    counter.generate()
    counter.batch()
    counter.extract()
    _cancel(counter, order)
    counter.batch()
    counter.extract()
    request, cancel = (one["orders"][0] for one in counter.sent("LONDON"))
    assert (request["fraudCheckRequired"], "contactDetails" in request) == (True, True)
    assert (cancel["fraudCheckRequired"], "contactDetails" in cancel) == (False, False)


def test_what_has_left_is_not_asked_back(counter: Counter) -> None:
    """A line with nothing open is not in the record."""
    order = _sealed(counter, ("CASE", 3, "1.10"), ("WELCOME", 1, "0"))
    case, welcome = counter.lines(order)
    counter.answer("LONDON", record(order, "D1", line(case, 3), status="PART_DISPATCHED"))
    _cancel(counter, order)
    counter.batch()
    counter.extract()
    (entry,) = counter.sent("LONDON")[-1]["orders"]
    assert [one["id"] for one in entry["lines"]] == [str(welcome)]


@pytest.mark.parametrize(
    ("answers", "state", "status", "charged"),
    [
        ([{"status": "CANCELLED"}], "AGREED", "CANCELLED", 0),
        ([{"status": "REJECTED"}], "AGREED", "ERROR", 0),
        ([{"status": "CANCEL_REFUSED"}], "REFUSED", "AWAITING_DISPATCH", 0),
        ([{"status": "CANCEL_REFUSED"}, {"quantity": 3}], "REFUSED", "COMPLETE", 3),
        ([{"quantity": 3}], "TOO_LATE", "COMPLETE", 3),
        ([{"quantity": 3}, {"status": "CANCEL_REFUSED"}], "REFUSED", "COMPLETE", 3),
        ([{"quantity": 1}], "SENT", "AWAITING_DISPATCH", 1),
        ([{"quantity": 1}, {"status": "CANCELLED"}], "AGREED", "COMPLETE", 1),
    ],
)
@pytest.mark.parametrize("files", ["one file", "a file each"])
def test_the_answer_decides(
    counter: Counter, answers: list[dict[str, Any]], state: str, status: str, charged: int,
    files: str,
) -> None:  # fmt: skip
    """Agreed, Refused or Too Late, as the warehouse says or does; what it dispatches is billed."""
    order = _asked(counter)
    (case,) = counter.lines(order)
    records = [
        record(order, f"D{number}", line(case, answer["quantity"]), status="PART_DISPATCHED")
        if "quantity" in answer
        else record(order, f"D{number}", status=answer["status"])
        for number, answer in enumerate(answers)
    ]
    together = files == "one file"
    for file in [records] if together else [[one] for one in records]:
        assert counter.answer("LONDON", *file) == [None] * len(file)
    late = state == "REFUSED" and "quantity" in answers[0] and not together
    assert _states(counter) == [("LONDON", "TOO_LATE" if late else state)]
    assert counter.status(order) == status
    assert counter.value("select coalesce(sum(quantity), 0) from charge") == charged
    _agrees(counter)


def test_a_refusal_after_the_goods_changes_nothing(counter: Counter) -> None:
    """Who dispatched and says so, and then says no as well, has said the same twice."""
    order = _asked(counter)
    counter.answer("LONDON", record(order, "D1", line(counter.lines(order)[0], 3)))
    before = counter.rows("select status, status_at, status_reason from sales_order")
    assert counter.answer("LONDON", record(order, "D2", status="CANCEL_REFUSED")) == [None]
    assert counter.rows("select status, status_at, status_reason from sales_order") == before
    assert _states(counter) == [("LONDON", "TOO_LATE")]


def test_a_repeated_refusal_has_no_effect(counter: Counter) -> None:
    """The same dispatchId and content again is the answer to the first question, not the second."""
    order = _asked(counter)
    no = record(order, "D1", status="CANCEL_REFUSED")
    assert counter.answer("LONDON", no) == [None]
    _cancel(counter, order)
    counter.batch()
    counter.extract()
    assert counter.answer("LONDON", no) == [None]
    assert _states(counter) == [("LONDON", "REFUSED"), ("LONDON", "SENT")]
    assert counter.answer("LONDON", record(order, "D2", status="CANCELLED")) == [None]
    assert _states(counter) == [("LONDON", "REFUSED"), ("LONDON", "AGREED")]


def test_nobody_refuses_what_was_not_asked(counter: Counter) -> None:
    """CANCEL_REFUSED without a question, before it was sent, or with lines, is refused itself."""
    order = _sealed(counter, ("CASE", 3, "1.10"))
    no = record(order, "D1", status="CANCEL_REFUSED")
    assert counter.answer("LONDON", no) == ["NOT_TO_CANCEL"]
    _cancel(counter, order)
    assert counter.answer("LONDON", no | {"dispatchId": "D2"}) == ["NOT_TO_CANCEL"]
    counter.batch()
    counter.extract()
    (case,) = counter.lines(order)
    with_lines = record(order, "D3", line(case, 3, "CANCELLED"), status="CANCEL_REFUSED")
    assert counter.answer("LONDON", with_lines) == ["CONTRADICTORY"]
    assert counter.answer("LEEDS", no) == ["LINE_NOT_YOURS"]
    assert _states(counter) == [("LONDON", "SENT")]


def test_goods_that_come_before_the_question_is_sent(counter: Counter) -> None:
    """It is Too Late without being sent: the batch of it ends empty, with no file."""
    order = _sealed(counter, ("CASE", 3, "1.10"))
    _cancel(counter, order)
    (batch,) = counter.batch()
    counter.answer("LONDON", record(order, "D1", line(counter.lines(order)[0], 3)))
    assert _states(counter) == [("LONDON", "TOO_LATE")]
    counter.extract()
    assert counter.stage(batch) == "Extract/Load, Complete"
    assert len(counter.sent("LONDON")) == 1
    assert counter.status(order) == "COMPLETE"
    _agrees(counter)


def test_each_warehouse_is_asked_for_its_own(counter: Counter) -> None:
    """Of an order that is sealed at one warehouse and batched at another the one is asked, and the
    other never hears of it; both end as they should.
    """
    order = counter.order(
        ("CASE", 3, "1.10"), ("SIM", 2, "5"), ("ROUTER", 1, "9"), ("ROUTER", 4, "9")
    )
    counter.generate()
    counter.batch()
    for one in ("LEEDS", "BELFAST"):
        counter.owner.execute("update warehouse set paused_at = now(), paused_by = 'x', "
                              "pause_reason = 'x' where id = %s", (one,))  # fmt: skip
    counter.extract()
    said = _cancel(counter, order)
    assert "LONDON is asked to cancel it" in said
    assert "what no warehouse has been asked for is cancelled" in said
    assert counter.items(order) == [(3, 0, 0), (0, 0, 2), (0, 0, 1), (0, 0, 4)]
    assert counter.status(order) == "AWAITING_DISPATCH"
    counter.owner.execute(
        "update warehouse set paused_at = null, paused_by = null, pause_reason = null"
    )
    counter.batch()
    counter.extract()
    assert (counter.sent("LEEDS"), counter.sent("BELFAST")) == ([], [])
    assert counter.answer("LONDON", record(order, "D1", status="CANCELLED")) == [None]
    assert counter.status(order) == "CANCELLED"
    _agrees(counter)


def test_what_waits_for_a_batch_waits_no_more(counter: Counter) -> None:
    """Of an order that is sealed at one warehouse and queued for another, the queue lets go."""
    order = counter.order(("CASE", 3, "1.10"), ("SIM", 2, "5"))
    assert counter.call("warehouse", "pause", "LEEDS", "--reason", "x").code == 0
    counter.generate()
    counter.batch()
    counter.extract()
    assert counter.rows("select warehouse_id from request_queue") == [("LEEDS",)]
    _cancel(counter, order)
    assert counter.rows("select warehouse_id from request_queue") == []
    assert counter.items(order) == [(3, 0, 0), (0, 0, 2)]
    _agrees(counter)


def test_a_hold_keeps_no_cancellation_back(counter: Counter) -> None:
    """An order that is held is asked back all the same."""
    order = _sealed(counter, ("CASE", 3, "1.10"))
    counter.owner.execute(
        "insert into order_hold (order_id, kind, reason, placed_by) values (%s, 'FRAUD', 'x', 'x')",
        (order,),
    )
    _cancel(counter, order)
    counter.batch()
    counter.extract()
    assert _states(counter) == [("LONDON", "SENT")]


def test_asking_twice_is_refused_until_the_answer(counter: Counter) -> None:
    """One question at a time: by the verb, and by the database."""
    order = _asked(counter)
    again = counter.call("order", "cancel", order, "--reason", "x")
    assert again.code == 1
    assert "LONDON has been asked" in again.err
    with pytest.raises(psycopg.errors.UniqueViolation):
        cancellations.ask(counter.owner, order, ["LONDON"], "x")
    counter.answer("LONDON", record(order, "D1", status="CANCEL_REFUSED"))
    assert "is asked to cancel it" in _cancel(counter, order)


def test_an_answer_stays(counter: Counter) -> None:
    """What was answered cannot be changed, in SQL neither."""
    order = _asked(counter)
    counter.answer("LONDON", record(order, "D1", status="CANCEL_REFUSED"))
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="stays as it is"):
        counter.owner.execute("update cancellation set status = 'AGREED'")


def test_they_go_before_requests_and_wait_for_nobody(counter: Counter) -> None:
    """A full queue that has not waited long enough keeps no cancellation waiting."""
    counter.set(request_extract_batch_maxwait="1h")
    order = _sealed(counter, ("CASE", 3, "1.10"))
    assert counter.status(order) == "AWAITING_DISPATCH"
    counter.owner.execute("update request_queue set queued_at = now() - interval '2 hours'")
    (first,) = counter.batch()
    counter.extract()
    counter.order(("CASE", 1, "1"))
    counter.generate()
    assert counter.batch() == []
    _cancel(counter, order)
    (batch,) = counter.batch()
    assert batch > first
    assert counter.value("select action from batch where id = %s", batch) == "CANCEL"


def test_limits_of_a_batch_hold_for_cancellations(counter: Counter) -> None:
    """No more in a file than is agreed, and nothing is left behind."""
    counter.set(request_extract_batch_maxorders="2")
    orders = [counter.order(("CASE", 1, "1")) for _ in range(5)]
    counter.generate()
    counter.batch()
    counter.extract()
    for order in orders:
        _cancel(counter, order)
    made = counter.batch()
    assert [counter.value("select record_count from batch where id = %s", one) for one in made] == [
        2, 2, 1,
    ]  # fmt: skip
    counter.extract()
    assert {status for _, status in _states(counter)} == {"SENT"}


@pytest.mark.parametrize("limit", ["maxlines", "maxbytes"])
def test_large_ones_go_in_files_of_their_own(counter: Counter, limit: str) -> None:
    """Lines and bytes are limited as well, and one that is larger than the limit goes alone."""
    orders = [_sealed(counter, ("CASE", 1, "1"), ("WELCOME", 1, "0")) for _ in range(2)]
    counter.set(**{f"request_extract_batch_{limit}": {"maxlines": "3", "maxbytes": "10kB"}[limit]})
    if limit == "maxbytes":
        counter.owner.execute(
            "update request_line set attributes = array_fill('aaaaaaaaaa'::text, array[500])"
        )
    for order in orders:
        _cancel(counter, order)
    made = counter.batch()
    assert [counter.value("select record_count from batch where id = %s", one) for one in made] == [
        1, 1,
    ]  # fmt: skip


def test_a_pause_keeps_them_back(counter: Counter) -> None:
    """Nothing is asked of a warehouse that is paused; once it is resumed they go."""
    order = _sealed(counter, ("CASE", 3, "1.10"))
    assert counter.call("warehouse", "pause", "LONDON", "--reason", "stocktaking").code == 0
    _cancel(counter, order)
    assert counter.batch() == []
    assert counter.call("warehouse", "resume", "LONDON").code == 0
    assert len(counter.batch()) == 1


def test_the_story_tells_it(counter: Counter) -> None:
    """An order's story has question and answer, and until then TM Forum's assessingCancellation."""
    order = _asked(counter)
    told = counter.call("order", "show", order, "--json").json
    assert told["tmf622_state"] == "assessingCancellation"
    assert [(one["status"], one["reason"]) for one in told["cancellations"]] == [
        ("SENT", "customer withdrew")
    ]
    counter.answer("LONDON", record(order, "D1", status="CANCEL_REFUSED"))
    told = counter.call("order", "show", order, "--json").json
    assert told["tmf622_state"] == "inProgress"
    shown = counter.call("order", "show", order).out
    assert "Cancellation asked of the warehouses" in shown
    assert "Refused" in shown


def test_a_batch_of_them_can_be_withdrawn(counter: Counter) -> None:
    """Before its seal; they then go into another. There is nothing in it that could be held."""
    order = _sealed(counter, ("CASE", 3, "1.10"))
    _cancel(counter, order)
    (batch,) = counter.batch()
    assert counter.call("batch", "withdraw", batch, "--reason", "x", "--hold").code == 1
    assert counter.call("batch", "withdraw", batch, "--reason", "x").code == 0
    assert counter.stage(batch) == "Extract/Load, Complete"
    (other,) = counter.batch()
    counter.extract()
    assert counter.rows("select batch_id, status from cancellation") == [(other, "SENT")]
    _agrees(counter)


def test_one_without_an_answer_is_told(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> None:
    """CANCELLATION_OVERDUE, once."""
    order = _asked(counter)
    counter.set(overdue_cancellation="1m")
    counter.owner.execute("update cancellation set sent_at = now() - interval '2 minutes'")
    late: Overdue = lateness(counter.properties)
    capsys.readouterr()
    for _ in range(2):
        late(counter.conn("dispatch"))
    told = counter.rows("select kind, times from overdue")
    assert told == [("CANCELLATION", 1)]
    assert counter.status(order) == "AWAITING_DISPATCH"


def test_the_question_and_the_goods_at_once(counter: Counter) -> None:
    """An operator who cancels while a dispatch is applied waits for it, and is told the truth."""
    order = _sealed(counter, ("CASE", 3, "1.10"))
    counter.load("LONDON", record(order, "D1", line(counter.lines(order)[0], 3)))
    holder = counter.database.connect()
    outcome: list[object] = []

    def ask() -> None:
        with counter.database.connect("sales_order_console") as conn:
            try:
                outcome.append(order_moves.cancel(conn, f"id:{order}", "x"))
            except Exception as error:  # noqa: BLE001  # told to the test
                outcome.append(error)

    with holder.transaction():
        holder.execute("select from sales_order where id = %s for no key update", (order,))
        thread = threading.Thread(target=ask)
        thread.start()
        counter.wait_for(
            "select exists (select from pg_stat_activity where wait_event_type = 'Lock' "
            "and datname = current_database())"
        )
        holder.execute("update request_line set dispatched = quantity")
        holder.execute("update order_item set open_quantity = 0, dispatched_quantity = 3")
        holder.execute("update sales_order set status = 'COMPLETE' where id = %s", (order,))
    thread.join(30)
    assert "is Complete" in str(outcome[0])
    assert _states(counter) == []


def test_the_seal_waits_for_an_answer_in_hand(counter: Counter) -> None:
    """What is answered while the batch waits for the order drops out of it."""
    order = _sealed(counter, ("CASE", 3, "1.10"))
    _cancel(counter, order)
    (batch,) = counter.batch()
    conn = counter.conn("extract_to_generic")
    with conn.transaction():
        assert batches.lock(conn, batch, BATCHED)
        counter.answer("LONDON", record(order, "D1", line(counter.lines(order)[0], 3)))
        cancellations.lock_orders(conn, batch)
        assert cancellations.drop_answered(conn, batch) == 1
        assert cancellations.order_rows(conn, batch) == []


@pytest.mark.parametrize(
    ("plan", "state", "status"),
    [
        (Plan(), "TOO_LATE", "COMPLETE"),
        (Plan(back_ordered=1.0), "AGREED", "CANCELLED"),
        (Plan(partial=1.0), "AGREED", "COMPLETE"),
    ],
)
def test_through_all_four_daemons(site: Site, plan: Plan, state: str, status: str) -> None:
    """The partner gives up what waits, and what has left has left: by real files both ways."""
    order = site.order(("CASE", 2, "1"))
    site.once("request_extract", "extract_to_generic")
    site.answer(plan, settle=False)
    if state == "AGREED":
        site.once("load_from_generic", "dispatch")
    with site.database.connect("sales_order_console") as conn:
        order_moves.cancel(conn, f"id:{order}", "customer withdrew")
    site.once("request_extract", "extract_to_generic")
    site.answer(plan, settle=False)
    site.once("load_from_generic", "dispatch")
    assert site.rows("select status from cancellation") == [(state,)]
    assert site.status(order) == status


def test_a_batch_of_them_stays_whole_for_the_youngest(counter: Counter) -> None:
    """Of two orders whose cancellations went in one file the old one goes; the batch keeps its
    history until the other goes, too.
    """
    old, young = (_sealed(counter, ("CASE", 1, "1")) for _ in range(2))
    for order in (old, young):
        _cancel(counter, order)
    (batch,) = counter.batch()
    counter.extract()
    for order in (old, young):
        counter.answer("LONDON", record(order, f"D{order}", status="CANCELLED"))
    for path in counter.outbound.outbox("LONDON").iterdir():
        path.unlink()
    counter.watch()
    past = "now() - interval '5 years'"
    counter.owner.execute(f"update batch set stage_at = {past}")  # noqa: S608  # ours
    counter.owner.execute(f"update sales_order set status_at = {past} where id = {old}")  # noqa: S608  # ours
    assert counter.call("purge", "--months", "12", "--yes").code == 0
    assert counter.rows("select id from sales_order") == [(young,)]
    assert counter.value("select purged_at is null from batch where id = %s", batch)
    counter.owner.execute(f"update sales_order set status_at = {past}")  # noqa: S608  # ours
    assert counter.call("purge", "--months", "12", "--yes").code == 0
    assert not counter.value("select purged_at is null from batch where id = %s", batch)


def test_a_purge_takes_them_along(counter: Counter) -> None:
    """They go with their order, and a batch of them loses nothing that is still owed."""
    order = _asked(counter)
    counter.answer("LONDON", record(order, "D1", status="CANCELLED"))
    for path in counter.outbound.outbox("LONDON").iterdir():
        Path(path).unlink()
    counter.watch()
    counter.owner.execute("update sales_order set status_at = now() - interval '5 years'")
    counter.owner.execute("update batch set stage_at = now() - interval '5 years'")
    ended = counter.call("purge", "--months", "12", "--yes")
    assert ended.code == 0, ended.err
    assert counter.value("select count(*) from sales_order") == 0
    assert _states(counter) == []
