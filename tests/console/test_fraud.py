"""`order release|reject` of what the fraud check holds, and the verbs of `fraud`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from console import fraud_list
from core.db import reconciling, requests
from core.domain.fraud import Rule
from core.screening.rules import Rules
from tests.console.conftest import Console
from tests.daemons.desk import line, record
from tests.daemons.test_check import BAD, GENUINE, generated, verdict


@pytest.fixture
def held(console: Console) -> int:
    """An order that the rules have referred to a person."""
    console.require_check("rules")
    order = generated(console, **BAD)
    console.check()
    return order


def _hold(console: Console) -> tuple[Any, ...]:
    return console.rows(
        "select kind, released_by, release_reason, decision from order_hold order by id"
    )[-1]


def _agrees(console: Console) -> None:
    for look in (
        reconciling.line_counters,
        reconciling.item_counters,
        reconciling.share_counters,
        reconciling.open_though_ended,
        reconciling.queued_unfit,
        reconciling.nothing_open,
    ):
        assert look(console.owner, None) == []


# Deciding.


def test_release_lets_it_go(console: Console, held: int) -> None:
    """Released with a reason it is batched; who, when and why stay with the hold, and it is
    decided once.
    """
    assert console.call("order", "release", held).code == 1
    assert console.batch() == []
    ended = console.call("order", "release", held, "--reason", "has telephoned")
    assert (ended.code, ended.err) == (0, "")
    kind, by, why, decision = _hold(console)
    assert (kind, why, decision) == ("FRAUD", "has telephoned", "RELEASED")
    assert by.startswith("console ")
    assert console.call("order", "release", held, "--reason", "again").code == 1
    assert len(console.batch()) == 1


def test_a_release_lasts_until_the_input_changes(console: Console, held: int) -> None:
    """Checked again with the same input and reasons a released order is not held again; with
    another reason or another input it is.
    """
    console.call("order", "release", held, "--reason", "has telephoned")
    console.owner.execute("update fraud_check set stale = true")
    console.check()
    assert _hold(console)[-1] == "RELEASED"
    console.call("fraud", "block", "--order", held, "--reason", "empty house")
    console.check()
    assert _hold(console)[1:] == (None, None, None)
    console.call("order", "release", held, "--reason", "no: the neighbour's")
    console.owner.execute("update sales_order set delivery_name = 'Test'")
    console.check()
    assert _hold(console)[1:] == (None, None, None)


def test_reject_ends_in_error(console: Console, held: int) -> None:
    """Rejected it is in Error with its reason, every hold ended as rejected, and not cancelled."""
    console.call("order", "hold", held, "--reason", "in doubt")
    ended = console.call("order", "reject", held, "--reason", "nobody of that name")
    assert (ended.code, ended.err) == (0, "")
    assert console.status(held) == "ERROR"
    assert (
        console.rows("select decision, release_reason from order_hold")
        == [("REJECTED", "nobody of that name")] * 2
    )
    [(who, why)] = console.rows("select who, why from order_history where to_status = 'ERROR'")
    assert why == "FRAUD_CHECK_REJECTED: nobody of that name"
    assert who.startswith("console ")
    assert console.batch() == []
    _agrees(console)
    again = console.call("order", "reject", held, "--reason", "x")
    assert (again.code, "is Error" in again.err) == (1, True)


def test_a_rejected_order_taken_up_again_is_held(console: Console, held: int) -> None:
    """Generated again it is held once more by the same verdict; released then, it is sent and
    completes.
    """
    console.call("order", "reject", held, "--reason", "nobody of that name")
    assert console.call("order", "regenerate", held).code == 0
    console.generate()
    assert console.batch() == []
    console.check()
    assert console.batch() == []
    console.call("order", "release", held, "--reason", "has telephoned")
    console.seal(*console.batch())
    last = console.lines(held)[-1]
    assert console.answer("LONDON", record(held, "D1", line(last, 3))) == [None]
    assert console.status(held) == "COMPLETE"
    _agrees(console)


@pytest.mark.parametrize("stage", ["entered", "queued", "batched"])
def test_reject_before_the_seal(console: Console, stage: str) -> None:
    """Until it is sealed an order is rejected, held or not: lines and queue are closed with it,
    and a batch that has it already leaves it out.
    """
    order = console.order(("CASE", 2, "1"), ("SIM", 3, "1"), ("ROUTER", 1, "1"), ("ROUTER", 4, "1"))
    if stage != "entered":
        console.generate()
    made = console.batch() if stage == "batched" else []
    assert console.call("order", "reject", order, "--reason", "a ring").code == 0
    assert console.status(order) == "ERROR"
    assert console.value("select count(*) from request_queue") == 0
    for batch in made:
        assert requests.drop_cancelled(console.conn("extract_to_generic"), batch) == 1
    _agrees(console)
    assert console.call("order", "regenerate", order).code == 0
    console.generate()
    assert sum(row[0] for row in console.items(order)) == 10


def test_reject_after_the_seal_is_refused(console: Console) -> None:
    """Once sealed the warehouse has to be asked; nothing changes."""
    order = console.request(("CASE", 2, "1"))
    ended = console.call("order", "reject", order, "--reason", "a ring")
    assert (ended.code, "sealed in" in ended.err) == (1, True)
    assert console.status(order) == "AWAITING_DISPATCH"


@pytest.mark.parametrize("status", ["NEW", "CANCELLED"])
def test_what_is_not_on_its_way_is_not_rejected(console: Console, status: str) -> None:
    """A draft and an order that has ended are not rejected."""
    order = console.order(("CASE", 1, "1"), submit=False)
    if status == "CANCELLED":
        console.call("order", "cancel", order, "--reason", "x")
    ended = console.call("order", "reject", order, "--reason", "x")
    assert (ended.code, "on its way" in ended.err) == (1, True)


def test_the_story_tells_the_check(console: Console, held: int) -> None:
    """`order show` has the verdict with its reasons, and how the hold was decided."""
    console.call("order", "reject", held, "--reason", "nobody of that name")
    told = console.call("order", "show", held).out
    assert "REFER" in told
    assert "NAME_PLACEHOLDER" in told
    assert "rejected 2" in told
    assert console.call("order", "show", held, "--json").json["fraud_checks"][0]["score"] == 50


# fraud try.


def test_try_counts_and_writes_nothing(console: Console) -> None:
    """Each rule's orders are counted with a sample of ids, whatever their status; nothing is
    written, no verdict either.
    """
    bad = [console.order(("CASE", 1, "1"), **BAD) for _ in range(3)]
    console.order(("CASE", 1, "1"), submit=False, **GENUINE)
    before = console.fingerprint()
    told = console.call("fraud", "try", "--json", "--sample", "2").json
    assert told["orders"] == 4
    assert told["verdicts"] == {"PASS": 1, "REFER": 3, "REJECT": 0}
    by_rule = {one["rule"]: one for one in told["rules"]}
    assert set(by_rule) == set(Rule)
    assert by_rule["NAME_PLACEHOLDER"]["orders"] == 3
    assert by_rule["NAME_PLACEHOLDER"]["sample"] == bad[:2]
    assert console.fingerprint() == before
    assert console.value("select count(*) from fraud_check") == 0


def test_try_knows_what_came_before(console: Console) -> None:
    """Many names at one address are found among the orders looked at, though none has a verdict;
    --status and --limit narrow them.
    """
    for number in range(16):
        name = "Ann " + chr(ord("A") + number) * 2 + "ow"
        console.order(("CASE", 1, "1"), **GENUINE | {"delivery_name": name})
    ended = console.call("fraud", "try")
    assert re.search(r"ADDRESS_SHARED +50 +16 ", ended.out)
    assert "100.00% would not pass" in ended.out
    assert "nothing was written" in ended.out
    assert console.call("fraud", "try", "--limit", "5", "--json").json["orders"] == 5
    assert console.call("fraud", "try", "--status", "complete", "--json").json["orders"] == 0


def test_try_weighs_as_the_properties_say(console: Console) -> None:
    """A rule that is off is neither counted nor decides."""
    console.order(("CASE", 1, "1"), **BAD)
    file = console.root / "own.properties"
    file.write_text(
        console.properties_file.read_text()
        + "sales.order.request.extract.fraud.weight.nameplaceholder = 0\n"
    )
    told = console.call("fraud", "try", "--json", config=file).json
    assert told["verdicts"]["PASS"] == 1
    assert "off" in console.call("fraud", "try", config=file).out


# The list.


def test_block_and_unblock(console: Console) -> None:
    """A blocked address holds orders to it, in whatever spelling; unblocked it does no more."""
    console.require_check("rules")
    ended = console.call(
        "fraud", "block", "--line", "17, STATION RD.", "--post-code", "ls14ap",
        "--country", "gb", "--reason", "empty house",
    )  # fmt: skip
    assert ended.code == 0
    first = generated(console, **GENUINE)
    console.check()
    assert verdict(console, first) == ("REFER", 100, ["ADDRESS_BLOCKED"])
    [row] = console.call("fraud", "blocked", "--json").json
    assert row["reason"] == "empty house"
    assert row["address"] == "17, STATION RD., ls14ap, gb"
    assert "empty house" in console.call("fraud", "blocked").out
    assert console.call("fraud", "unblock", row["address_key"]).code == 0
    second = generated(console, **GENUINE)
    console.check()
    assert verdict(console, second)[0] == "PASS"


def test_block_reaches_what_is_not_sent_yet(console: Console) -> None:
    """Orders that have passed already are checked again before they are sent, batched or not."""
    console.require_check("rules")
    batched, queued = generated(console, **GENUINE), 0
    console.check()
    [batch] = console.batch()
    queued = generated(console, **GENUINE)
    console.check()
    ended = console.call("fraud", "block", "--order", queued, "--reason", "empty house")
    assert "2 orders to it are checked again" in ended.out
    assert console.batch() == []
    assert requests.requeue_held(console.conn("extract_to_generic"), batch, "LONDON",
                                 checked=True) == 1  # fmt: skip
    console.check()
    assert [verdict(console, order)[0] for order in (batched, queued)] == ["REFER"] * 2


def test_block_waits_for_the_check_that_runs(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that is blocked while an order to it is being checked keeps the order back,
    though the check has read the list before.
    """
    console.require_check("rules")
    order = generated(console, **GENUINE)
    conn = console.conn("console")
    judge = Rules.judge

    with ThreadPoolExecutor(1) as pool:
        blocked: list[futures.Future[str]] = []

        def meanwhile(*given: Any) -> Any:
            judged = judge(*given)
            if not blocked:
                address = fraud_list.of_order(conn, str(order))
                blocked.append(pool.submit(fraud_list.block, conn, address, "empty house"))
                futures.wait(blocked, timeout=0.5)
            return judged

        monkeypatch.setattr(Rules, "judge", meanwhile)
        console.check()
        assert "1 orders to it" in blocked[0].result()
    console.check()
    assert console.batch() == []
    assert verdict(console, order)[2] == [Rule.ADDRESS_BLOCKED]


@pytest.mark.parametrize("regenerated", [False, True])
def test_block_reaches_what_may_be_sent_again(console: Console, *, regenerated: bool) -> None:
    """The verdict of an order in Error, or generated anew, does not let it go to an address that
    was blocked since.
    """
    console.require_check("rules")
    order = generated(console, **GENUINE)
    console.check()
    console.seal(*console.batch())
    assert console.answer("LONDON", record(order, "D1", status="REJECTED")) == [None]
    block = ("fraud", "block", "--order", order, "--reason", "empty house")
    regenerate = ("order", "regenerate", order)
    for verb in (regenerate, block) if regenerated else (block, regenerate):
        assert console.call(*verb).code == 0
    console.generate()
    console.check()
    assert console.batch() == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("block", "--reason", "x"), 2),
        (("block", "--order", "1", "--line", "x", "--reason", "x"), 2),
        (("block", "--line", "x", "--reason", "x"), 2),
        (("block", "--line", "x", "--country", "GB", "--reason", "x"), 2),
        (("block", "--order", "99", "--reason", "x"), 1),
        (("block", "--line", "x", "--town", "x", "--country", "GB", "--reason", ""), 1),
        (("block", "--line", "x" * 3001, "--town", "x", "--country", "GB", "--reason", "x"), 1),
        (("unblock", "x"), 1),
        (("unblock", "00" * 16), 1),
    ],
    ids=range(9),
)
def test_what_cannot_be_blocked(console: Console, arguments: tuple[str, ...], code: int) -> None:
    """What is missing, or not there, is told in a sentence."""
    ended = console.call("fraud", *arguments)
    assert ended.code == code
    assert ended.err
    assert "Traceback" not in ended.err


def test_an_address_is_blocked_once(console: Console) -> None:
    """Another spelling of it is there already."""
    where = ("--post-code", "LS1 4AP", "--country", "GB", "--reason", "x")
    assert console.call("fraud", "block", "--line", "17 Station Road", *where).code == 0
    ended = console.call("fraud", "block", "--line", "Station Rd 17", *where)
    assert (ended.code, "blocked already" in ended.err) == (1, True)


# fraud list, fraud serve.


def test_list_verdicts(console: Console, held: int) -> None:
    """Verdicts are listed by verdict and by a reason's code, without a word of the order's data."""
    passed = generated(console, **GENUINE)
    console.check()
    rows = console.call("fraud", "list", "--json").json
    assert [row["order_id"] for row in rows] == [passed, held]
    [row] = console.call("fraud", "list", "--verdict", "refer", "--json").json
    assert (row["order_id"], row["held"]) == (held, True)
    by_reason = console.call("fraud", "list", "--reason", "name_placeholder").out
    assert "held, Awaiting Dispatch" in by_reason
    assert "Station" not in by_reason
    assert console.call("fraud", "list", "--reason", "CHECK_AWAY", "--json").json == []


def test_serve_answers_by_the_rules(console: Console) -> None:
    """The stand-in answers what it is asked, refuses what is no question, and ends when
    interrupted.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "console.main", "fraud", "serve", "--port", "0"],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:[0-9]+/", process.stdout.readline())
        assert found is not None
        order = {"id": "1", "accountId": 1, "orderDateTime": "2026-03-01T12:00:00Z",
                 "deliveryAddress": {"name": "Test", "lines": ["x"], "country": "GB"}}  # fmt: skip
        question = {"version": "1.0", "orders": [order]}
        with urllib3.PoolManager() as pool:
            good = pool.request("POST", found[0], body=json.dumps(question))
            bad = pool.request("POST", found[0], body=b"{}")
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == 130
        finally:
            process.kill()
    assert good.status == 200
    [told] = good.json()["orders"]
    assert (told["verdict"], bad.status) == ("REFER", 400)
    del console
