"""`status` and `order show`: everything is at one step, and its whole story can be told."""

from __future__ import annotations

from core.db import batches, warehouses
from core.domain.batch import SET_ASIDE
from core.errors import Reason
from tests.console.conftest import Console
from tests.daemons.desk import line, record

WIDTH = 80


def _funnel(console: Console) -> dict[str, int]:
    told = console.call("status", "--json").json
    return {
        step["step"]: step["count"]
        for part in ("orders", "batches", "files")
        for step in told[part]
        if step["count"]
    }


def test_funnel_follows_an_order(console: Console) -> None:
    """At each step of its way an order, its batch and its file are counted where they stand."""
    order = console.order(("CASE", 1, "1"), submit=False)
    assert _funnel(console) == {"NEW": 1}
    console.owner.execute("update sales_order set status = 'AWAITING_GENERATION'")
    assert _funnel(console) == {"AWAITING_GENERATION": 1}
    console.generate()
    assert _funnel(console) == {"queued": 1, "AWAITING_DISPATCH": 1}
    console.call("order", "hold", order, "--reason", "x")
    assert _funnel(console) == {"held": 1, "AWAITING_DISPATCH": 1}
    console.call("order", "release", order)
    batches_ = console.batch()
    waiting = {"AWAITING_DISPATCH": 1}
    assert _funnel(console) == waiting | {"Sales Order Request, Batch, Complete": 1}
    console.seal(*batches_)
    sent = {"Sales Order Request, Extract/Load, Complete": 1, "PUBLISHED": 1}
    assert _funnel(console) == waiting | sent
    console.load("LONDON", record(order, "D", line(console.lines(order)[0], 1)))
    loaded = {"Sales Order Dispatch, Extract/Load, Complete": 1}
    assert _funnel(console) == waiting | sent | loaded
    console.apply()
    done = {"Sales Order Dispatch, Batch, Complete": 1, "COMPLETE": 1}
    assert _funnel(console) == sent | done


def test_oldest_and_what_needs_a_person(console: Console) -> None:
    """The oldest of a step has its age, and each kind of trouble is named with its verb."""
    assert "Nothing needs a person." in console.call("status").out
    held = console.order(("CASE", 1, "1"))
    console.call("order", "hold", held, "--reason", "x")
    console.order(("CASE", 1, "1"), account_id=1)
    console.order(("NOSUCH", 1, "1"))
    console.generate()
    [batch] = console.batch()
    batches.move(console.owner, batch, SET_ASIDE, reason=Reason.INTERNAL_ERROR)
    warehouses.hold(console.owner, "LEEDS", Reason.WORK_TREE_CHANGED)
    console.owner.execute("update batch set stage_at = now() - interval '125 minutes'")
    console.call("tree", "init")
    (console.root / "in" / "LONDON" / "a.p7m").write_bytes(b"x")
    told = console.call("status", "--json").json
    [aside] = [step for step in told["batches"] if step["count"]]
    assert 7500 <= aside["oldest_age_seconds"] < 7600
    assert [step["count"] for step in told["files"] if step["step"] == "dropped"] == [1]
    assert [(one["reason"], one["count"]) for one in told["errors"]] == [("UNKNOWN_PRODUCT", 1)]
    out = console.call("status").out
    assert max(map(len, out.splitlines())) <= WIDTH
    for sentence in (
        "LEEDS is held: WORK_TREE_CHANGED",
        "1 request batches set aside, oldest 2 h 5 min (cmp-orders batch list --status error)",
        "1 orders in Error for UNKNOWN_PRODUCT",
        "1 orders held (OPERATOR)",
    ):
        assert sentence in " ".join(out.split())


def test_whole_story(console: Console) -> None:
    """What is shown of an order is items, lines, batches, files, units, charges and history."""
    order = console.request(("PHONE", 2, "799.00"), ("ROUTER", 1, "20"), ("ROUTER", 1, "20"),
                            reference="WEB-1")  # fmt: skip
    phone = console.lines(order)[0]
    imeis = ("490154203237518", "356938035643809")
    numbers = [{"serialNumber": f"S{imei}", "imei": imei} for imei in imeis]
    answer = record(
        order,
        "D1",
        line(phone, 2, units=numbers),
        carrier="Royal Mail",
        errors=[{"id": "E1", "errorMessage": "late"}],
    )
    assert console.answer("LONDON", answer) == [None]
    told = console.call("order", "show", "WEB-1", "--json").json
    assert [item["dispatched"] for item in told["items"]] == [2, 0, 0]
    assert [line["merged_items"] for line in told["lines"]] == [None, [2, 3]]
    assert [unit["imei"] for unit in told["units"]] == ["490154203237518", "356938035643809"]
    assert [charge["amount"] for charge in told["charges"]] == ["1598.00"]
    assert {request["file"] for request in told["requests"]} == {"file-1"}
    assert [move["to_status"] for move in told["history"]] == [
        "NEW",
        "AWAITING_GENERATION",
        "AWAITING_DISPATCH",
    ]
    out = console.call("order", "show", str(order)).out
    for text in ("Awaiting Dispatch", "WEB-1", "D1", "490154203237518", "1598.00", "E1: late"):
        assert text in out


def test_show_steers_no_terminal(console: Console) -> None:
    """Control characters in an order's texts are printed as escapes."""
    order = console.order(("CASE", 1, "1"), delivery_name="\x1b[31mred[bold]", reference="a\x07b")
    out = console.call("order", "show", order).out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\\x1b[31mred[bold]" in out


def test_list_filters(console: Console) -> None:
    """Lists show what was asked for, the newest first."""
    first = console.request(("CASE", 1, "1"))
    second = console.order(("SIM", 1, "1"))
    everything = console.call("order", "list", "--json").json
    assert [one["id"] for one in everything] == [second, first]
    for arguments, expected in (
        (("--status", "awaiting_generation"), [second]),
        (("--warehouse", "LONDON"), [first]),
        (("--limit", 1), [second]),
        (("--since", "2999-01-01"), []),
    ):
        listed = console.call("order", "list", "--json", *arguments).json
        assert [one["id"] for one in listed] == expected
    assert len(console.call("batch", "list", "--type", "request", "--json").json) == 1
    assert console.call("batch", "list", "--unfinished", "--json").json == []
    assert console.call("file", "list", "--direction", "in", "--json").json == []
