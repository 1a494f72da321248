"""Files that are right in every way but in what their records say: refused record by record."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.daemons.desk import CASE, line, phones, record, units
from tests.daemons.hostile.scene import Scene

Make = Callable[[Scene], dict[str, Any]]
"""A record, or an entry of its lines, on the orders of a scene."""


def of(order: str, *lines: Make, id: str = "N", **more: Any) -> Make:  # noqa: A002  # the file's name
    """A record on one of the scene's orders."""
    return lambda scene: record(getattr(scene, order), id, *[each(scene) for each in lines], **more)


def on(order: str, quantity: int, status: str = "DISPATCHED", **more: Any) -> Make:
    """An entry on the first line of one of the scene's orders."""
    return lambda scene: line(scene.line(getattr(scene, order)), quantity, status, **more)


WRONG_CHECK_DIGIT = [{"serialNumber": "x", "imei": "490154203237517"}]
NONSENSE: dict[str, tuple[Make, str]] = {
    "unknown order": (lambda _: record(8 * 10**18, "N", line(1, 1)), "UNKNOWN_ORDER"),
    "unknown order rejected": (lambda _: record(999_999, "N", status="REJECTED"), "UNKNOWN_ORDER"),
    "unknown order returned": (
        lambda _: record(999_999, "N", line(1, 1, "RETURNED"), status="RETURNED"), "UNKNOWN_ORDER"),
    "unknown line": (lambda scene: record(scene.open, "N", line(8 * 10**18, 1)), "UNKNOWN_LINE"),
    "line of another order": (
        lambda scene: record(scene.open, "N", line(scene.line(scene.closed), 1)), "UNKNOWN_LINE"),
    "order of another warehouse": (of("foreign", on("foreign", 1)), "LINE_NOT_YOURS"),
    "order of another warehouse rejected": (of("foreign", status="REJECTED"), "LINE_NOT_YOURS"),
    "order of another warehouse cancelled": (of("foreign", status="CANCELLED"), "LINE_NOT_YOURS"),
    "another warehouse's line of a shared order": (
        lambda scene: record(scene.shared, "N", line(scene.line(scene.shared, 1), 1)),
        "LINE_NOT_YOURS"),
    "not requested": (of("queued", on("queued", 1)), "NOT_REQUESTED"),
    "not requested, rejected": (of("queued", status="REJECTED"), "NOT_REQUESTED"),
    "not requested, cancelled": (of("queued", status="CANCELLED"), "NOT_REQUESTED"),
    "closed": (of("closed", on("closed", 1)), "LINE_CLOSED"),
    "closed and rejected": (of("closed", status="REJECTED"), "LINE_CLOSED"),
    "closed and fraud": (of("closed", status="FRAUD_REJECTED"), "LINE_CLOSED"),
    "closed and cancelled": (of("closed", status="CANCELLED"), "LINE_CLOSED"),
    "over-dispatched": (of("open", on("open", 4)), "OVER_DISPATCHED"),
    "over-dispatched by far": (of("open", on("open", 1_000_000)), "OVER_DISPATCHED"),
    "over-cancelled": (of("open", on("open", 4, "CANCELLED"), status="CANCELLED"),
                       "OVER_DISPATCHED"),
    "over-rejected": (of("open", on("open", 4, "REJECTED"), status="REJECTED"), "OVER_DISPATCHED"),
    "over in two statuses": (
        of("open", on("open", 2), on("open", 2, "CANCELLED")), "OVER_DISPATCHED"),
    "a line twice": (of("open", on("open", 1), on("open", 1)), "DUPLICATE_LINE"),
    "rejected with goods": (of("open", on("open", 1), status="REJECTED"), "CONTRADICTORY"),
    "cancelled with goods": (of("open", on("open", 1), status="CANCELLED"), "CONTRADICTORY"),
    "dispatched and returned": (of("open", on("open", 1, "RETURNED")), "CONTRADICTORY"),
    "returned and dispatched": (of("open", on("open", 1), status="RETURNED"), "CONTRADICTORY"),
    "an id of before": (of("open", on("open", 1), id="closes"), "DISPATCH_ID_REUSED"),
    "cancel refused, never asked": (of("open", status="CANCEL_REFUSED"), "NOT_TO_CANCEL"),
    "cancel refused of what is closed": (of("closed", status="CANCEL_REFUSED"), "NOT_TO_CANCEL"),
    "cancel refused of an unknown order": (
        lambda _: record(999_999, "N", status="CANCEL_REFUSED"), "UNKNOWN_ORDER"),
    "cancel refused of another warehouse": (
        of("foreign", status="CANCEL_REFUSED"), "LINE_NOT_YOURS"),
    "cancel refused with goods": (of("open", on("open", 1), status="CANCEL_REFUSED"),
                                  "CONTRADICTORY"),
    "returned, never sent": (of("open", on("open", 1, "RETURNED"), status="RETURNED"),
                             "OVER_RETURNED"),
    "returned more than was sent": (of("closed", on("closed", 4, "RETURNED"), status="RETURNED"),
                                    "OVER_RETURNED"),
    "returned by far": (of("closed", on("closed", 10**6, "RETURNED_DAMAGED"), status="RETURNED"),
                        "OVER_RETURNED"),
    "returned to another warehouse": (
        of("foreign", on("foreign", 1, "RETURNED"), status="RETURNED"), "LINE_NOT_YOURS"),
    "returned, a unit that is not out": (
        of("phone", on("phone", 1, "RETURNED", units=units("nobody", name="serialNumber")),
           status="RETURNED"), "NOT_OUT"),
    "returned, one unit twice": (
        lambda scene: record(scene.phone, "N", line(
            scene.line(scene.phone), 2, "RETURNED", units=scene.out[:1] * 2), status="RETURNED"),
        "NOT_OUT"),
    "a serial that another customer has": (
        lambda scene: record(scene.phone, "N", line(
            scene.line(scene.phone), 1, units=scene.out[:1])), "SERIAL_ACTIVE"),
    "no units": (of("phone", on("phone", 1)), "UNIT_COUNT"),
    "too many units": (
        lambda scene: record(scene.phone, "N", line(scene.line(scene.phone), 1, units=phones(2))),
        "UNIT_COUNT"),
    "very many units": (
        lambda scene: record(scene.phone, "N", line(
            scene.line(scene.phone), 1, units=[{"imei": str(n)} for n in range(20_000)])),
        "UNIT_COUNT"),
    "an attribute missing": (of("phone", on("phone", 1, units=units("y"))), "ATTRIBUTE_MISSING"),
    "a wrong check digit": (of("phone", on("phone", 1, units=WRONG_CHECK_DIGIT)), "IMEI_INVALID"),
    "an order that is new": (lambda scene: record(scene.new, "N", line(1, 1)), "NOT_REQUESTED"),
    "an order that is new rejected": (of("new", status="REJECTED"), "NOT_REQUESTED"),
}  # fmt: skip


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_refused_alone(scene: Scene, name: str) -> None:
    """A record that cannot be true has its own reason and leaves no trace."""
    make, expected = NONSENSE[name]
    assert scene.verdicts([make(scene)]) == [expected]


def test_all_nonsense_in_one_file(scene: Scene) -> None:
    """Beside each other, each under an id of its own, they have the same reasons."""
    records, expected = [], []
    for number, (make, reason) in enumerate(NONSENSE.values()):
        one = make(scene)
        records.append(one | ({"dispatchId": f"A{number}"} if one["dispatchId"] == "N" else {}))
        expected.append(reason)
    assert scene.verdicts(records) == expected


def test_ten_thousand_records_of_nonsense(scene: Scene) -> None:
    """Ten thousand of them cost seconds and megabytes, each is refused, and nothing has changed."""
    made = [(make(scene), reason) for make, reason in NONSENSE.values()
            if make(scene)["dispatchId"] == "N" and reason != "UNIT_COUNT"]  # fmt: skip
    records = [made[n % len(made)][0] | {"dispatchId": f"T{n}"} for n in range(10_000)]
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    reasons = scene.verdicts(records)
    assert time.monotonic() - started < 60
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 500e6
    assert Counter(reasons) == Counter(made[n % len(made)][1] for n in range(10_000))


def test_one_record_ten_thousand_times(scene: Scene) -> None:
    """A good record that is repeated without end is applied once; the rest has no effect."""
    before = scene.gate.value("select count(*) from charge")
    order = scene.gate.request(CASE)
    one = record(order, "again", line(scene.gate.lines(order)[0], 3))
    assert set(scene.verdicts([one] * 10_000)) == {None}
    assert scene.gate.value("select count(*) from charge") == before + 1


def test_good_ones_among_nonsense(scene: Scene) -> None:
    """The record that is true takes effect, wherever it stands among those that are not."""
    order = scene.gate.request(CASE)
    good = record(order, "true", line(scene.gate.lines(order)[0], 3))
    bad = [record(999_999, f"U{n}", line(1, 1)) for n in range(100)]
    reasons = scene.verdicts([*bad[:50], good, *bad[50:]])
    assert Counter(reasons) == {"UNKNOWN_ORDER": 100, None: 1}
    assert scene.gate.status(order) == "COMPLETE"
