"""`purge`: what is settled and old goes, what is owed or recognises a repeat stays."""

from __future__ import annotations

import psycopg
import pytest

from console.main import main
from tests.console.conftest import Console
from tests.daemons.conftest import site
from tests.daemons.desk import CASE, line, record
from tests.daemons.test_check import BAD, GENUINE, generated
from tests.site import Site

__all__ = ["site"]
"""The fixture, from the daemons' tests."""

EMPTIED = ("order_item", "order_history", "request_detail", "dispatch_detail", "charge")


def settle(console: Console, order: int, dispatch: str, *, quantity: int = 1) -> None:
    """Take an order of one line for LONDON to its end; the partner has taken the file."""
    console.generate()
    console.seal(*console.batch())
    console.owner.execute("update outbound_file set taken_at = now() where taken_at is null")
    console.load("LONDON", record(order, dispatch, line(console.lines(order)[0], quantity)))
    console.apply()
    assert console.status(order) == "COMPLETE"


def age(console: Site, months: int = 25) -> None:
    """As if everything had happened so long ago."""
    past = f"now() - interval '{months} months'"
    console.owner.execute(f"update sales_order set status_at = {past}")  # noqa: S608  # ours
    console.owner.execute(f"update batch set stage_at = {past}")  # noqa: S608  # ours


def count(console: Console, table: str) -> int:
    """How many rows there are."""
    return int(console.value(f"select count(*) from {table}"))  # noqa: S608  # ours


def test_nothing_is_removed_without_being_asked(console: Console) -> None:
    """Without the property nothing is ever too old; with it, or --months, what would go is only
    counted until --yes says so.
    """
    order = console.order(("CASE", 1, "1"))
    settle(console, order, "D")
    age(console)
    assert "kept for ever" in console.call("purge", "--yes").out
    assert console.call("purge", "--months", 24, "--json").json == {
        "months": 24,
        "orders": 1,
        "batches": 0,
        "removed": False,
    }
    assert console.status(order) == "COMPLETE"


def test_what_is_old_goes_whole(console: Console) -> None:
    """A settled order goes with its items, lines, history and charges, and its batches lose their
    details; the rows of batches, files and dispatches stay.
    """
    order = console.order(("CASE", 1, "1"))
    settle(console, order, "D")
    age(console)
    told = console.call("purge", "--months", 24, "--yes", "--json").json
    assert (told["orders"], told["batches"]) == (1, 2)
    for table in ("sales_order", "request_line", "dispatch_line", *EMPTIED):
        assert count(console, table) == 0, table
    for table, rows in (("batch", 2), ("outbound_file", 1), ("dispatch", 1)):
        assert count(console, table) == rows


def test_a_verdict_goes_with_its_order(console: Console) -> None:
    """Whatever the property says of verdicts: with a settled order its verdict goes, and no other
    one does. A referred order that a person cancelled is settled as well, its hold ended by that.
    """
    console.require_check("rules")
    order = generated(console, **GENUINE)
    console.check()
    settle(console, order, "D", quantity=CASE[1])
    cancelled, young = generated(console, **BAD), generated(console, **GENUINE)
    console.check()
    assert console.call("order", "cancel", cancelled, "--reason", "no answer").code == 0
    assert console.rows("select decision, released_by is null from order_hold") == [
        ("CANCELLED", False)
    ]
    age(console)
    told = console.call("purge", "--months", 24, "--yes", "--json").json
    assert told["orders"] == 2
    assert console.rows("select order_id from fraud_check") == [(young,)]
    assert count(console, "order_hold") == 0


def test_a_young_credit_keeps_its_order(console: Console) -> None:
    """What came back after years is credited first: the order goes when that is as old."""
    order = console.order(("CASE", 1, "1"))
    settle(console, order, "D")
    age(console)
    returned = line(console.lines(order)[0], 1, "RETURNED")
    assert console.answer("LONDON", record(order, "R", returned, status="RETURNED")) == [None]
    assert console.call("purge", "--months", 24, "--yes", "--json").json["orders"] == 0
    assert console.value("select count(*) from charge where quantity < 0") == 1
    age(console)
    assert console.call("purge", "--months", 24, "--yes", "--json").json["orders"] == 1


def test_stock_stays(console: Console) -> None:
    """What goes has nothing reserved; the stock, and what it keeps for others, stays as it is."""
    console.stock("LONDON", "CASE", 9)
    order, other = (console.order(("CASE", 2, "1"), submit=False) for _ in range(2))
    assert console.call("order", "reserve", order).code == 0
    settle(console, order, "D", quantity=2)
    age(console)
    assert console.call("order", "reserve", other).code == 0
    assert console.call("purge", "--months", 24, "--yes", "--json").json["orders"] == 1
    assert count(console, "sales_order") == 1
    assert console.stock_of("LONDON", "CASE") == (7, 2, 0)


def test_reconcile_agrees(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """After whole batches of every granularity have gone, with units, shares and files, reconcile
    finds tables and trees as they should be, and the daemons go on.
    """
    for _ in range(3):
        site.order(
            *(("PHONE", 1, "1"), ("CASE", 2, "1"), ("SIM", 2, "1"), ("ROUTER", 1, "1")),
            *(("ROUTER", 2, "1"),),
        )
    site.once()
    site.answer()
    site.once()
    assert site.value("select count(*) from sales_order where status = 'COMPLETE'") == 3
    age(site)
    config = ("--config", str(site.properties_file))
    assert main([*config, "purge", "--months", "24", "--yes"]) == 0
    assert site.value("select count(*) from sales_order") == 0
    assert site.value("select count(*) from batch where purged_at is null") == 0
    code = main([*config, "reconcile"])
    assert code == 0, capsys.readouterr().out
    order = site.order(("CASE", 1, "1"))
    site.once()
    site.answer()
    site.once()
    assert site.status(order) == "COMPLETE"


def test_younger_orders_stay(console: Console) -> None:
    """What is younger than the months stays, and with it the details of its batches."""
    old, young = console.order(("CASE", 1, "1")), console.order(("CASE", 1, "2"))
    console.generate()
    console.seal(*console.batch())
    console.owner.execute("update outbound_file set taken_at = now()")
    for order in (old, young):
        console.load("LONDON", record(order, f"D{order}", line(console.lines(order)[0], 1)))
    console.apply()
    age(console)
    console.owner.execute("update sales_order set status_at = now() where id = %s", (young,))
    told = console.call("purge", "--months", 24, "--yes", "--json").json
    assert (told["orders"], told["batches"]) == (1, 1)
    assert console.status(young) == "COMPLETE"
    # The batch in which both were keeps all of its details until both are gone.
    assert count(console, "request_detail") == 2


@pytest.mark.parametrize(
    "obstacle",
    [
        "update sales_order set status = 'ERROR' where false",
        "update request_line set dispatched = 0",
        "update outbound_file set taken_at = null",
        """
        insert into order_hold (order_id, kind, reason, placed_by)
        select id, 'OPERATOR', 'x', 'x' from sales_order
        """,
        """
        insert into request_queue
            (warehouse_id, entered_at, order_id, generation, line_count, byte_count)
        select 'LONDON', now(), id, 1, 1, 1 from sales_order
        """,
        "update batch set stage_status = 'Error' where type = 'Sales Order Dispatch'",
    ],
    ids=["none", "open line", "not taken", "held", "queued", "records refused"],
)
def test_what_is_owed_stays(console: Console, obstacle: str) -> None:
    """However old: an order stays while a line of it is open, its file is not taken, it is held or
    queued, or a batch of it has refused records.
    """
    order = console.order(("CASE", 1, "1"))
    settle(console, order, "D")
    age(console)
    with console.owner.transaction():
        # Moves that the rules forbid, to stand for what a program or a person got wrong.
        console.owner.execute("set local session_replication_role = replica")
        console.owner.execute(obstacle)
    console.call("purge", "--months", 24, "--yes")
    gone = obstacle.endswith("where false")
    assert count(console, "sales_order") == (0 if gone else 1)


def test_unsettled_orders_stay(console: Console) -> None:
    """New, waiting and failed orders are never removed, however old: they are owed."""
    console.order(("CASE", 1, "1"), submit=False)
    console.order(("NOSUCH", 1, "1"))
    console.generate()
    console.order(("CASE", 1, "1"))
    age(console, 1200)
    assert console.call("purge", "--months", 1, "--yes", "--json").json["orders"] == 0
    assert count(console, "sales_order") == 3


def test_serial_numbers_are_recognised_for_ever(console: Console) -> None:
    """A unit with a serial number stays when its order goes: the number cannot be sold twice."""
    first = console.order(("PHONE", 1, "1"))
    console.generate()
    console.seal(*console.batch())
    console.owner.execute("update outbound_file set taken_at = now()")
    units = [{"serialNumber": "S1", "imei": "490154203237518"}]
    console.load("LONDON", record(first, "D1", line(console.lines(first)[0], 1, units=units)))
    console.apply()
    age(console)
    assert console.call("purge", "--months", 24, "--yes", "--json").json["orders"] == 1
    assert count(console, "dispatched_unit") == 1
    second = console.order(("PHONE", 1, "1"))
    console.generate()
    console.seal(*console.batch())
    console.load("LONDON", record(second, "D2", line(console.lines(second)[0], 1, units=units)))
    console.apply()
    assert console.status(second) == "AWAITING_DISPATCH"
    assert console.value("select max(reason) from dispatch_detail") == "SERIAL_ACTIVE"


def test_a_repeat_has_no_effect(console: Console) -> None:
    """The dispatch of an order that is gone, sent once more, moves and bills nothing."""
    order = console.order(("CASE", 2, "1"))
    settle(console, order, "D", quantity=2)
    again = record(order, "D", line(console.lines(order)[0], 2))
    age(console)
    console.call("purge", "--months", 24, "--yes")
    console.load("LONDON", again)
    console.apply()
    assert count(console, "charge") == 0
    assert count(console, "dispatch") == 1


def test_only_retention_removes(console: Console) -> None:
    """History and items can be removed by the role of retention alone: by no daemon, not by the
    console, not by the tables' owner.
    """
    order = console.order(("CASE", 1, "1"))
    for statement in (
        "delete from order_history where order_id = %s",
        "delete from order_item where order_id = %s",
    ):
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
            console.owner.execute(statement, (order,))
    retention = console.conn("retention")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        retention.execute("update order_history set why = 'x'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        retention.execute("delete from dispatch")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        retention.execute("delete from inbound_file")


def test_many_at_a_time(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, a transaction removes a bounded number, and all go in the end."""
    orders = [console.order(("CASE", 1, "1")) for _ in range(7)]
    console.generate()
    console.seal(*console.batch())
    console.owner.execute("update outbound_file set taken_at = now()")
    records = [record(o, f"D{o}", line(console.lines(o)[0], 1)) for o in orders]
    console.load("LONDON", *records)
    console.apply()
    age(console)
    monkeypatch.setattr("console.purge.AT_ONCE", 3)
    before = console.value("select max(xmin::text::bigint) from sales_order")
    assert console.call("purge", "--months", 24, "--yes", "--json").json["orders"] == 7
    assert console.value("select pg_current_xact_id()::text::bigint") - before >= 3
