"""What is late is told once by the daemon that owns it, and then seldom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import structlog

from daemons import dispatch, extract_to_generic
from tests.daemons.desk import line, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.daemons.depot import Depot


@pytest.fixture
def told(log_restored: None) -> Iterator[list[Any]]:
    """The lines of the log, as they come."""
    del log_restored
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as lines:
        yield lines


@pytest.fixture
def late(depot: Depot) -> Depot:
    """Whatever is older than a minute is late; told again after an hour."""
    depot.set(
        overdue_taken="1m", overdue_acknowledgement="1m", overdue_dispatch="1m",
        overdue_backorder="1m", overdue_pause="1h", warehouse_LONDON_acknowledgements="theirs",
    )  # fmt: skip
    return depot


def _look(depot: Depot, lines: list[Any]) -> list[tuple[str, str | None, int | None]]:
    """One look of both daemons, started now; (event, file, times) of what they tell."""
    lines.clear()
    for daemon, role in ((extract_to_generic, "extract_to_generic"), (dispatch, "dispatch")):
        assert daemon.lateness(depot.properties)(depot.conn(role)) is False
    return [(one["event"], one.get("file"), one["times"]) for one in lines]


def _age(depot: Depot, minutes: int) -> None:
    """Let so many minutes pass, for whatever happened until now."""
    span = f"interval '{minutes} minutes'"
    depot.owner.execute("set session_replication_role = replica")
    for table, columns in {
        "sales_order": ("status_at",),
        "outbound_file": ("published_at", "taken_at", "acknowledged_at"),
        "acknowledgement": ("published_at",),
        "request_line": ("back_ordered_at",),
        "overdue": ("told_at",),
    }.items():
        moved = ", ".join(f"{column} = {column} - {span}" for column in columns)
        depot.owner.execute(f"update {table} set {moved}")  # noqa: S608
    depot.owner.execute("set session_replication_role = origin")


NAME = "order-request-LONDON-00000001.p7m"


def _requested(depot: Depot) -> tuple[int, int]:
    order, _ = depot.batched()
    depot.extract()
    return order, depot.lines(order)[0]


def test_each_is_told_once_and_then_seldom(late: Depot, told: list[Any]) -> None:
    """Not before it is late; once, whoever looks again; once more after the pause."""
    _requested(late)
    assert _look(late, told) == []
    _age(late, 2)
    first = [("FILE_NOT_TAKEN", NAME, 1), ("FILE_NOT_ACKNOWLEDGED", NAME, 1),
             ("DISPATCH_OVERDUE", NAME, 1)]  # fmt: skip
    assert _look(late, told) == first
    assert _look(late, told) == []
    _age(late, 30)
    assert _look(late, told) == []
    _age(late, 31)
    assert _look(late, told) == [(event, name, 2) for event, name, _ in first]


def test_what_is_done_is_late_no_more(late: Depot, told: list[Any]) -> None:
    """Taken, acknowledged and answered in time, nothing is told."""
    order, line_id = _requested(late)
    late.owner.execute("update outbound_file set taken_at = now()")
    late.owner.execute("update outbound_file set acknowledged_at = now(), verdict = 'ACCEPTED'")
    late.answer("LONDON", record(order, "D1", line(line_id, 1)))
    _age(late, 100)
    assert _look(late, told) == []


def test_acknowledgements_are_expected_where_agreed(late: Depot, told: list[Any]) -> None:
    """A partner that does not acknowledge is never late with it."""
    late.set(warehouse_LONDON_acknowledgements="ours", overdue_dispatch="0s")
    _requested(late)
    _age(late, 2)
    assert _look(late, told) == [("FILE_NOT_TAKEN", NAME, 1)]


def test_zero_switches_off(late: Depot, told: list[Any]) -> None:
    """0s means never, for each kind by itself."""
    late.set(overdue_taken="0s", overdue_acknowledgement="0s")
    _requested(late)
    _age(late, 2)
    assert [event for event, _, _ in _look(late, told)] == ["DISPATCH_OVERDUE"]
    late.set(overdue_dispatch="0s")
    _age(late, 100)
    assert _look(late, told) == []


def test_a_file_stands_for_its_orders(late: Depot, told: list[Any]) -> None:
    """A late dispatch is told once a file, with how many orders wait and the first of them; what
    was put on back-order does not.
    """
    orders = [late.order(("CASE", 2, "1")) for _ in range(4)]
    late.generate()
    late.batch()
    late.extract()
    first, second = (late.lines(order)[0] for order in orders[:2])
    late.answer(
        "LONDON",
        record(orders[0], "D1", line(first, 2)),
        record(orders[1], "D2", line(second, 1), line(second, 1, "BACK_ORDERED"),
               status="PART_DISPATCHED"),
    )  # fmt: skip
    _age(late, 2)
    _look(late, told)
    [one] = [one for one in told if one["event"] == "DISPATCH_OVERDUE"]
    assert (one["orders"], one["order_id"], one["warehouse"]) == (2, orders[2], "LONDON")
    [one] = [one for one in told if one["event"] == "BACK_ORDER_OVERDUE"]
    assert (one["order_id"], one["times"]) == (orders[1], 1)


def test_a_back_order_that_came_is_not_late(late: Depot, told: list[Any]) -> None:
    """Once the goods have come, however late, nothing more is told of it."""
    order, line_id = _requested(late)
    late.answer("LONDON", record(order, "D1", line(line_id, 1, "BACK_ORDERED"),
                                 status="PART_DISPATCHED"))  # fmt: skip
    _age(late, 2)
    assert "BACK_ORDER_OVERDUE" in [event for event, _, _ in _look(late, told)]
    late.answer("LONDON", record(order, "D2", line(line_id, 1)))
    _age(late, 100)
    assert "BACK_ORDER_OVERDUE" not in [event for event, _, _ in _look(late, told)]


def test_two_processes_tell_one_line(late: Depot, told: list[Any]) -> None:
    """Of two processes that look at once one tells."""
    _requested(late)
    _age(late, 2)
    look = extract_to_generic.lateness(late.properties)
    role = "sales_order_extract_to_generic"
    with late.database.connect(role) as one, late.database.connect(role) as other:
        for conn in (one, other):
            look(conn)
    assert [line["event"] for line in told].count("FILE_NOT_TAKEN") == 1


def test_an_acknowledgement_can_lie_too_long_too(late: Depot, told: list[Any]) -> None:
    """An acknowledgement that nobody takes is told like a file."""
    late.set(warehouse_LONDON_acknowledgements="both")
    late.drop("LONDON", b"noise", "a.p7m")
    late.take_up()
    late.acknowledge()
    _age(late, 2)
    assert _look(late, told) == [("FILE_NOT_TAKEN", "acknowledgement-LONDON-00000001.p7m", 1)]
