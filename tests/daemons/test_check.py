"""The fraud check between generation and batching: once for each input, and what follows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from console import order_moves
from console.fraud_service import StandInService, by_rules, unavailable
from core import checkers, config, log
from core.db import batching, reconciling, requests
from core.domain.fraud import Judgement, Rule, Subject
from core.errors import Defer
from core.screening import Rules, Screening
from daemons.request_extract import Check, Prune
from tests.daemons.desk import CASE, Desk

GENUINE: dict[str, Any] = {
    "delivery_name": "Zoë Brontë",
    "delivery_lines": ["17 Station Road"],
    "town": "Leeds",
    "post_code": "LS1 4AP",
    "contact_email": "zoe@example.com",
    "contact_phone": "0113 496 0000",
}
BAD: dict[str, Any] = GENUINE | {"delivery_name": "Test Test"}


@pytest.fixture
def checking(desk: Desk) -> Desk:
    """An installation with the rules on."""
    desk.require_check("rules")
    return desk


def generated(desk: Desk, **columns: Any) -> int:
    """An order that waits for its check."""
    order = desk.order(CASE, **columns)
    desk.generate()
    return order


def batched(desk: Desk, order: int) -> int:
    """In how many batches an order is."""
    return int(desk.value("select count(*) from request_detail where order_id = %s", order))


def verdict(desk: Desk, order: int) -> tuple[Any, ...]:
    """Verdict, score and reasons of an order."""
    return desk.rows("select verdict, score, reasons from fraud_check where order_id = %s", order)[
        0
    ]


def consistent(desk: Desk) -> None:
    """Counters of lines, shares and items add up, and nothing is open that should not be."""
    for look in (
        reconciling.line_counters,
        reconciling.item_counters,
        reconciling.share_counters,
        reconciling.open_though_ended,
        reconciling.queued_unfit,
        reconciling.nothing_open,
    ):
        assert look(desk.owner, None) == []


def test_without_a_checker_nothing_is_checked(desk: Desk) -> None:
    """With the checker none a bad order is batched at once, and no verdict is written."""
    order = generated(desk, **BAD)
    assert len(desk.batch()) == 1
    assert batched(desk, order) == 1
    assert desk.value("select count(*) from fraud_check") == 0


def test_what_is_not_required_is_not_done(checking: Desk) -> None:
    """A checker that is named checks nothing while no fraud check is required."""
    checking.set(request_extract_fraudcheckrequired="false")
    order = generated(checking, **BAD)
    assert checkers.screening(checking.properties) is None
    assert len(checking.batch()) == 1
    assert batched(checking, order) == 1


def test_nothing_is_batched_before_its_verdict(checking: Desk) -> None:
    """With a checker an order waits for its verdict; once it has passed it is batched."""
    order = generated(checking, **GENUINE)
    assert checking.batch() == []
    assert checking.check() == 1
    assert verdict(checking, order) == ("PASS", 0, [])
    assert len(checking.batch()) == 1


def test_gathering_counts_checked_orders_alone(checking: Desk) -> None:
    """A batch that gathers is full by the orders with a verdict, not by those without one."""
    checking.set(request_extract_batch_maxwait="1h", request_extract_batch_maxorders="2")
    for _ in range(2):
        generated(checking, **GENUINE)
    assert checking.batch() == []
    checking.check()
    assert len(checking.batch()) == 1


def test_a_batch_takes_what_is_checked_alone(checking: Desk) -> None:
    """With a checked order beside an unchecked one in the queue, only the first is batched."""
    checked = generated(checking, **GENUINE)
    checking.check()
    unchecked = generated(checking, **GENUINE)
    assert len(checking.batch()) == 1
    assert (batched(checking, checked), batched(checking, unchecked)) == (1, 0)


@pytest.mark.parametrize("wait", [0.0, 3600.0], ids=["waited", "full"])
def test_a_warehouse_is_ready_by_what_is_checked(checking: Desk, wait: float) -> None:
    """What has no verdict makes no warehouse ready: not by its age, and not by its number."""
    generated(checking, **GENUINE)
    conn = checking.conn("request_extract")

    def ready() -> list[str]:
        found = batching.ready(conn, max_wait=wait, max_orders=1, checked=True)
        return [warehouse for warehouse, _ in found]

    assert ready() == []
    checking.check()
    assert ready() == ["LONDON"]


def test_a_referred_order_is_held_with_its_reasons(checking: Desk) -> None:
    """REFER puts one open hold of kind FRAUD with codes and sentences; the order is not batched."""
    order = generated(checking, **BAD)
    checking.check()
    assert verdict(checking, order) == ("REFER", 50, ["NAME_PLACEHOLDER"])
    [(kind, reason, who)] = checking.rows(
        "select kind, reason, placed_by from order_hold where released_at is null"
    )
    assert (kind, who) == ("FRAUD", "sales_order_request_extract")
    assert reason == f"REFER at score 50; NAME_PLACEHOLDER: {Rule.NAME_PLACEHOLDER.sentence}"
    assert checking.batch() == []
    assert checking.status(order) == "AWAITING_DISPATCH"


def test_a_rejected_order_is_in_error(checking: Desk) -> None:
    """REJECT ends in Error with its reason, every line closed and all owed again: not cancelled."""
    checking.set(request_extract_fraud_reject="50")
    order = checking.order(CASE, ("SIM", 2, "1"), ("ROUTER", 1, "1"), ("ROUTER", 4, "1"), **BAD)
    checking.generate()
    checking.check()
    assert checking.status(order) == "ERROR"
    assert checking.value("select status_reason from sales_order").startswith(
        "FRAUD_CHECK_REJECTED: REJECT at score 50; NAME_PLACEHOLDER:"
    )
    assert checking.value("select count(*) from request_queue") == 0
    assert checking.items(order) == [(0, 0, 0)] * 4
    shares = "select count(*), sum(rejected - quantity) from request_line_share"
    assert checking.rows(shares) == [(2, 0)]
    assert checking.value("select count(*) from order_hold") == 0
    consistent(checking)


def test_a_rejected_order_that_is_regenerated_is_held(checking: Desk) -> None:
    """A person who has it generated again is not overruled: the verdict of before holds it, and
    nothing is checked anew.
    """
    checking.set(request_extract_fraud_reject="50")
    order = generated(checking, **BAD)
    checking.check()
    before = checking.value("select checked_at from fraud_check")
    checking.set(request_extract_fraud_reject="0", request_extract_fraud_refer="0")
    checking.owner.execute("update request_line set superseded = true")
    checking.owner.execute("update sales_order set status = 'AWAITING_GENERATION'")
    checking.generate()
    checking.check()
    assert checking.status(order) == "AWAITING_DISPATCH"
    assert verdict(checking, order)[0] == "REJECT"
    assert checking.value("select count(*) from order_hold where released_at is null") == 1
    assert checking.value("select checked_at from fraud_check") > before
    consistent(checking)


def test_unchanged_is_not_checked_twice(checking: Desk) -> None:
    """What has a verdict is not asked about again, nor after its next generation."""
    order = generated(checking, **GENUINE)
    assert checking.check() == 1
    assert checking.check() == 0
    checking.seal(*checking.batch())
    checking.owner.execute("update request_line set rejected = quantity, superseded = true")
    checking.owner.execute("update order_item set open_quantity = 0")
    for status in ("ERROR", "AWAITING_GENERATION"):
        checking.owner.execute("update sales_order set status = %s", (status,))
    checking.generate()
    # By these rules it would be refused now; its verdict stands.
    checking.set(request_extract_fraud_weight_countymissing="900")
    checking.owner.execute("insert into blocked_address values (%s, 'x', 'x', now(), 'x')",
                           (checking.value("select address_key from fraud_check"),))  # fmt: skip
    checking.check()
    assert verdict(checking, order) == ("PASS", 0, [])
    assert len(checking.batch()) == 1


def test_a_changed_input_is_checked_anew(checking: Desk) -> None:
    """Whoever changes name, address or contact after the verdict takes its effect away."""
    order = generated(checking, **GENUINE)
    checking.check()
    checking.owner.execute("update sales_order set delivery_name = 'Test Test'")
    assert checking.batch() == []
    checking.check()
    assert verdict(checking, order)[0] == "REFER"
    assert checking.batch() == []


@pytest.mark.parametrize(
    "change",
    ["contact_name = 'X Y'", "contact_email = 'x@example.com'", "contact_phone = '0113 496 0001'",
     "delivery_name = 'X Y'", "delivery_lines = '{2 Mill Lane}'", "town = 'York'",
     "county = 'Kent'", "post_code = 'YO1 7HH'", "country = 'IE'"],
)  # fmt: skip
def test_each_part_of_the_input_counts(checking: Desk, change: str) -> None:
    """Each column that a checker is given makes the verdict stale, and its digest another one."""
    generated(checking, **GENUINE)
    checking.check()
    before = checking.value("select input_sha256 from fraud_check")
    checking.owner.execute(f"update sales_order set {change}".encode())  # noqa: S608
    assert checking.value("select stale from fraud_check")
    assert checking.value("select fraud_input(o) from sales_order o") != before


def test_a_move_does_not_make_a_verdict_stale(checking: Desk) -> None:
    """The daemons' own updates, and one that changes nothing, leave the verdict as it is."""
    generated(checking, **GENUINE)
    checking.check()
    checking.owner.execute("update sales_order set town = town, status_at = now()")
    assert not checking.value("select stale from fraud_check")


def test_a_change_during_the_check_counts(checking: Desk) -> None:
    """The verdict on what was read is not written on an order that was changed meanwhile: it
    waits, and is checked as it is then.
    """
    order = generated(checking, **GENUINE)

    def change() -> None:
        checking.owner.execute("update sales_order set delivery_name = 'Test Test'")

    unit = _slow(checking, change).unit(checking.conn("request_extract"))
    assert unit is not None
    assert unit.orders == 0
    assert checking.batch() == []
    checking.check()
    assert verdict(checking, order)[0] == "REFER"


def test_a_cancellation_during_the_check_counts(checking: Desk) -> None:
    """An order that is cancelled while the checker is asked gets neither verdict nor hold."""
    order = generated(checking, **BAD)
    console = checking.conn("console")

    def withdraw() -> None:
        order_moves.cancel(console, str(order), "customer withdrew")

    unit = _slow(checking, withdraw).unit(checking.conn("request_extract"))
    assert unit is not None
    assert unit.orders == 0
    assert checking.status(order) == "CANCELLED"
    assert checking.value("select count(*) from order_hold") == 0


def _slow(desk: Desk, meanwhile: Callable[[], None]) -> Screening:
    """The check by the rules, with something that happens while they judge."""

    class Slow(Rules):
        def judge(self, conn: psycopg.Connection, subjects: Sequence[Subject]) -> list[Judgement]:
            meanwhile()
            return super().judge(conn, subjects)

    return Screening(Slow(checkers.rules(desk.properties).settings), pass_when_away=False)


def test_an_open_fraud_hold_stays_one(checking: Desk) -> None:
    """A second referral keeps the one open hold, with the newer reasons."""
    generated(checking, **BAD)
    checking.check()
    checking.owner.execute("update sales_order set post_code = 'nonsense'")
    checking.check()
    [reason] = checking.rows("select reason from order_hold where released_at is null")
    assert "POST_CODE_INVALID" in reason[0]
    with pytest.raises(psycopg.errors.UniqueViolation):
        checking.owner.execute(
            "insert into order_hold (order_id, kind, reason, placed_by)"
            " select order_id, kind, reason, placed_by from order_hold"
        )


def test_one_process_checks_at_a_time(checking: Desk) -> None:
    """While another process checks, a daemon takes nothing: no order is asked about twice."""
    generated(checking, **GENUINE)
    other = checking.database.connect("sales_order_request_extract")
    other.execute("select pg_advisory_lock(6, 0)")
    assert checking.check() == 0
    other.execute("select pg_advisory_unlock(6, 0)")
    assert checking.check() == 1


def test_partly_sealed_orders_are_held_instead_of_rejected(checking: Desk) -> None:
    """What is sealed at one warehouse cannot be taken back: the rest is held for a person."""
    checking.set(request_extract_fraud_reject="50")
    order = checking.order(CASE, ("SIM", 1, "1"), **BAD)
    checking.generate()
    checking.set(request_extract_fraud_checker="none")
    london, leeds = checking.batch()
    checking.seal(london)
    checking.owner.execute(
        "insert into request_queue (warehouse_id, entered_at, order_id, generation, line_count,"
        " byte_count) select 'LEEDS', now(), order_id, generation, 1, 1 from request_detail"
        " where batch_id = %s", (leeds,),
    )  # fmt: skip
    checking.owner.execute("delete from request_detail where batch_id = %s", (leeds,))
    checking.require_check("rules")
    checking.check()
    assert checking.status(order) == "AWAITING_DISPATCH"
    assert checking.value("select kind from order_hold where released_at is null") == "FRAUD"


def test_asking_to_cancel_decides_what_is_held(checking: Desk) -> None:
    """Where one warehouse is asked to cancel what is sealed, what was held at another is cancelled
    at once: its hold is decided by that, and keeps the order from nothing later.
    """
    order = checking.order(CASE, ("SIM", 1, "1"), **GENUINE)
    checking.generate()
    checking.check()
    london, _ = checking.batch()
    checking.seal(london)
    checking.owner.execute(
        "insert into order_hold (order_id, kind, reason, placed_by) values (%s, 'FRAUD', 'x', 'x')",
        (order,),
    )
    order_moves.cancel(checking.conn("console"), str(order), "customer withdrew")
    assert checking.status(order) == "AWAITING_DISPATCH"
    assert checking.rows("select decision, release_reason from order_hold") == [
        ("CANCELLED", "customer withdrew")
    ]


def test_a_switched_on_checker_catches_what_is_queued(desk: Desk) -> None:
    """What was queued while there was no checker is checked before it is batched."""
    order = generated(desk, **BAD)
    desk.require_check("rules")
    assert desk.batch() == []
    desk.check()
    assert batched(desk, order) == 0
    assert desk.value("select count(*) from order_hold") == 1


# What is known around an order.


def test_many_names_at_one_address(checking: Desk) -> None:
    """The order with which the names at an address become many is held, however it is spelled;
    the same name again is not another one, and long ago is not recent.
    """
    checking.set(request_extract_fraud_shared_names="3", request_extract_fraud_shared_window="2d")
    generated(checking, **GENUINE | {"delivery_name": "Long Ago"}, entered_at="2020-01-01Z")
    for name, line in (("Ann Lee", "17 Station Rd."), ("Mr Lee, Ann", "17, STATION ROAD"),
                       ("Bob Ray", "17 Station Road")):  # fmt: skip
        generated(checking, **GENUINE | {"delivery_name": name, "delivery_lines": [line]})
        checking.check()
    assert checking.value("select count(*) from order_hold") == 0
    last = generated(checking, **GENUINE | {"post_code": "ls14ap", "town": "LEEDS"})
    checking.check()
    assert checking.rows("select order_id from order_hold") == [(last,)]
    assert verdict(checking, last) == ("REFER", 50, ["ADDRESS_SHARED"])


def test_many_names_in_one_set(checking: Desk) -> None:
    """Orders that are checked together tell against each other, too."""
    checking.set(request_extract_fraud_shared_names="3")
    for name in ("Ann Lee", "Bob Ray", "Cy Fox"):
        generated(checking, **GENUINE | {"delivery_name": name})
    checking.check()
    assert checking.value("select count(*) from order_hold") == 3


def test_another_country_than_before(checking: Desk) -> None:
    """A delivery to another country than most of the account's completed orders adds its weight;
    orders that are not completed tell nothing.
    """
    checking.set(request_extract_fraud_weight_deliveryabroad="60")
    abroad = GENUINE | {"country": "IE", "post_code": None}
    first = generated(checking, **GENUINE)
    checking.check()
    before = generated(checking, **abroad)
    checking.check()
    assert verdict(checking, before)[0] == "PASS"
    checking.owner.execute("update sales_order set status = 'COMPLETE' where id = %s", (first,))
    after = generated(checking, **abroad)
    other = generated(checking, account_id=815, **abroad)
    checking.check()
    assert verdict(checking, after) == ("REFER", 60, ["DELIVERY_ABROAD"])
    assert verdict(checking, other)[0] == "PASS"


# Keeping.


def test_verdicts_are_kept_as_long_as_the_property_says(checking: Desk) -> None:
    """A verdict goes when it is older than that and its order on its way no more."""
    checking.set(request_extract_fraud_keep="10d")
    orders = [generated(checking, **GENUINE) for _ in range(3)]
    checking.check()
    old, waiting, young = orders
    for order in (old, young):
        checking.owner.execute(
            "update sales_order set status = 'CANCELLED' where id = %s", (order,)
        )
    checking.owner.execute(
        "update fraud_check set checked_at = now() - interval '11 days' where order_id <> %s",
        (young,),
    )
    prune = Prune(checking.properties)
    assert prune(checking.conn("request_extract")) is False
    kept = checking.rows("select order_id from fraud_check order by 1")
    assert kept == [(waiting,), (young,)]


def test_the_duty_says_whether_there_may_be_more(checking: Desk) -> None:
    """A set with a verdict may be followed by another; an empty queue ends the look."""
    screening = checkers.screening(checking.properties)
    assert screening is not None
    duty = Check(screening)
    generated(checking, **GENUINE)
    assert duty(checking.conn("request_extract")) is True
    assert duty(checking.conn("request_extract")) is False


# The service.


def test_the_service_decides(desk: Desk) -> None:
    """With the checker http its verdicts count: pass goes on, refer is held, reject is in Error."""
    verdicts = {1: "PASS", 2: "REFER", 3: "REJECT"}

    def respond(body: bytes) -> tuple[int, bytes]:
        asked = [one["id"] for one in json.loads(body)["orders"]]
        told = [{"id": one, "verdict": verdicts[int(one)], "reasons": ["RING"]} for one in asked]
        return 200, json.dumps({"version": "1.0", "orders": told}).encode()

    orders = [generated(desk, **GENUINE) for _ in verdicts]
    assert orders == list(verdicts)
    with StandInService(respond) as service:
        desk.require_check("http", request_extract_fraud_http_url=service.url)
        desk.set(request_extract_fraud_http_orders="2")
        assert desk.check() == 2
    assert [desk.status(order) for order in orders] == [
        "AWAITING_DISPATCH", "AWAITING_DISPATCH", "ERROR",
    ]  # fmt: skip
    assert desk.rows("select order_id, reason from order_hold") == [(2, "REFER at score 0; RING")]
    assert desk.value("select status_reason from sales_order where id = 3") == (
        "FRAUD_CHECK_REJECTED: REJECT at score 0; RING"
    )
    assert len(desk.batch()) == 1
    consistent(desk)


@contextmanager
def away(desk: Desk, policy: str) -> Iterator[None]:
    """A service that is in trouble, and what the property says of that."""
    with StandInService(unavailable) as service:
        desk.require_check("http", request_extract_fraud_http_url=service.url)
        desk.set(request_extract_fraud_http_away=policy, request_extract_fraud_http_attempts="1")
        yield


def test_orders_wait_for_a_service_that_is_away(desk: Desk) -> None:
    """Away and hold: the duty is put off, the order has neither verdict nor hold, and waits; once
    the service answers it goes on by itself.
    """
    generated(desk, **GENUINE)
    with away(desk, "hold"), pytest.raises(Defer, match=r"away, orders wait for it: .*status 503"):
        desk.check()
    assert desk.value("select count(*) from fraud_check") == 0
    assert desk.value("select count(*) from order_hold") == 0
    assert desk.batch() == []
    with StandInService(by_rules(checkers.rules(desk.properties), config.Fraud())) as service:
        desk.set(request_extract_fraud_http_url=service.url)
        desk.check()
    assert len(desk.batch()) == 1


def test_orders_pass_a_service_that_is_away(
    desk: Desk, log_restored: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Away and pass: orders go unchecked, marked so and told at level warning; generated again
    they are asked about, since nobody has answered yet.
    """
    del log_restored
    log.configure("request-extract", format="json")
    order = generated(desk, **BAD)
    with away(desk, "pass"):
        desk.check()
    assert verdict(desk, order) == ("PASS", 0, ["CHECK_AWAY"])
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [told] = [line for line in lines if line["event"] == "ORDERS_UNCHECKED"]
    assert (told["level"], told["orders"]) == ("warning", 1)
    assert len(desk.batch()) == 1
    desk.owner.execute("update fraud_check set generation = 0")
    desk.owner.execute(
        "insert into request_queue select 'LONDON', entered_at, id, 1, now(), 1, 1 from sales_order"
    )
    with StandInService(by_rules(checkers.rules(desk.properties), config.Fraud())) as service:
        desk.set(request_extract_fraud_http_url=service.url)
        desk.check()
    assert verdict(desk, order)[0] == "REFER"


def test_the_log_names_no_customer(
    desk: Desk, log_restored: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is told of a check has order ids and codes, and nothing of what was checked."""
    del log_restored
    log.configure("request-extract", format="json")
    desk.require_check("rules")
    planted = {
        "delivery_name": "Test", "contact_name": "Xanthippe", "contact_email": "xanthippe",
        "contact_phone": "12-XANTHIPPE", "delivery_lines": ["Xanthippe", "x"], "town": "Xanthippe",
        "post_code": "Xanthippe",
    }  # fmt: skip
    order = generated(desk, **planted)
    desk.check()
    [line] = [one for one in capsys.readouterr().err.splitlines() if "ORDER_HELD" in one]
    told = json.loads(line)
    assert (told["order_id"], told["score"]) == (order, 200)
    everything = line + str(desk.rows("select * from order_hold"))
    everything += str(desk.rows("select * from fraud_check"))
    assert "anthippe" not in everything.lower()


def test_what_is_batched_and_changed_goes_back(desk: Desk) -> None:
    """A changed address in a batch that is not sealed yet is checked before it is sent."""
    desk.require_check("rules")
    generated(desk, **GENUINE)
    desk.check()
    [batch] = desk.batch()
    desk.owner.execute("update sales_order set town = 'York'")
    conn = desk.conn("extract_to_generic")
    assert requests.requeue_held(conn, batch, "LONDON", checked=False) == 0
    assert requests.requeue_held(conn, batch, "LONDON", checked=True) == 1
    assert desk.batch() == []
    desk.check()
    assert len(desk.batch()) == 1


def test_a_release_during_the_check_counts(checking: Desk) -> None:
    """A person who decides while the checker is asked is not overruled by what it then says."""
    order = generated(checking, **BAD)
    checking.check()
    checking.owner.execute("update fraud_check set stale = true")
    console = checking.conn("console")

    def decide() -> None:
        order_moves.release(console, str(order), None, "has telephoned")

    unit = _slow(checking, decide).unit(checking.conn("request_extract"))
    assert unit is not None
    assert unit.passed == 1
    assert len(checking.batch()) == 1


def test_a_verdict_wakes_whoever_batches(checking: Desk) -> None:
    """Verdicts are notified like new requests: a batch need not wait for the next look."""
    generated(checking, **GENUINE)
    listening = checking.database.connect("sales_order_request_extract")
    listening.execute("listen sales_order_request_queue")
    checking.check()
    heard = list(listening.notifies(timeout=30, stop_after=1))
    assert [one.channel for one in heard] == ["sales_order_request_queue"]
