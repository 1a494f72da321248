"""What becomes of an order at the stand-in."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.standin.plan import PRESETS, Answer, Outcome, Plan, answer
from core.documents import validate_dispatch
from core.domain.dispatch import Claim, Line, Record, judge
from tests.console.standin.conftest import WAREHOUSE, order

CERTAIN: dict[Outcome, Plan] = {
    one: Plan(**{one.value: 1.0}) for one in Outcome if one is not Outcome.DISPATCHED
}
CERTAIN[Outcome.DISPATCHED] = Plan()


def answered(request: dict[str, Any], plan: Plan, seed: int = 1, times: int = 1) -> Answer:
    """The answer of one warehouse."""
    return answer(request, plan, seed=seed, warehouse=WAREHOUSE, times=times)


def dated(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records as they are sent."""
    return [record | {"dispatchDateTime": "2026-02-28T09:30:00Z"} for record in records]


requests = st.builds(
    lambda number, quantities, fraud: order(number, *quantities, fraud=fraud),
    st.integers(1, 10**6),
    st.lists(st.integers(1, 12), min_size=1, max_size=5),
    st.booleans(),
)


@given(requests, st.sampled_from(Outcome), st.integers(0, 10))
def test_every_answer_accounts_for_each_unit_once(
    request: dict[str, Any], outcome: Outcome, seed: int
) -> None:
    """Over all records of an order, what is dispatched, rejected and cancelled of a line is its
    quantity; a serialised line names as many different units as it dispatches.
    """
    records = list(answered(request, CERTAIN[outcome], seed).records)
    for line in request["lines"]:
        entries = [e for r in records for e in r.get("lines", ()) if e["id"] == line["id"]]
        if all("lines" in record for record in records):
            settled = [e for e in entries if e["status"] != "BACK_ORDERED"]
            assert sum(e["quantity"] for e in settled) == line["quantity"]
        units = [unit["imei"] for e in entries for unit in e.get("units", ())]
        sent = sum(e["quantity"] for e in entries if e["status"] == "DISPATCHED")
        assert len(set(units)) == len(units) == (sent if line["serialised"] else 0)


@given(st.lists(requests, min_size=1, max_size=8, unique_by=lambda one: one["id"]), st.integers())
def test_every_answer_is_one_that_we_apply(requests: list[dict[str, Any]], seed: int) -> None:
    """The records match the published schema, and the Dispatch job's judge refuses none of them."""
    answers = [answered(one, CERTAIN[o], seed) for one in requests for o in Outcome]
    for outcome in range(len(Outcome)):
        records = dated([r for one in answers[outcome :: len(Outcome)] for r in one.records])
        validate_dispatch(
            {
                "interfaceCategory": "Sales Order",
                "interfaceType": "Sales Order Dispatch",
                "version": "1.2",
                "externalFileName": "x",
                "recordCount": len(records),
                "wareHouse": {"id": WAREHOUSE},
                "orders": records,
            }
        )
        assert not refused(requests, records)


def refused(requests: list[dict[str, Any]], records: list[dict[str, Any]]) -> list[object]:
    """What the judge says of these records."""
    lines = [
        Line(
            int(line["id"]),
            int(one["id"]),
            WAREHOUSE,
            line["quantity"],
            sealed=True,
            serialised=line["serialised"],
            attributes=frozenset(line.get("attributes", ())),
        )
        for one in requests
        for line in one["lines"]
    ]
    verdicts = judge(
        WAREHOUSE,
        [_record(sequence, record) for sequence, record in enumerate(records, 1)],
        orders={int(one["id"]) for one in requests},
        lines=lines,
        applied={},
        refused_already={},
    )
    return [*verdicts.refused, *verdicts.repeated]


def _record(sequence: int, record: dict[str, Any]) -> Record:
    claims = [
        Claim(
            number,
            int(line["id"]),
            line["status"],
            line["quantity"],
            len(line.get("units", ())),
            frozenset(name for unit in line.get("units", ()) for name in unit),
            None,
        )
        for number, line in enumerate(record.get("lines", ()), 1)
    ]
    return Record(
        sequence,
        int(record["id"]),
        record["dispatchId"],
        record["status"],
        repr(record).encode(),
        claims,
    )


def test_the_fate_of_an_order_follows_from_seed_and_id_alone() -> None:
    """Neither the numbers of its lines nor the orders around it change what becomes of an order,
    and another seed does.
    """
    plan = PRESETS["lively"]

    def fates(seed: int, shift: int) -> list[Outcome]:
        orders = [order(number, 2, 1, fraud=True) for number in range(1, 300)]
        for one in orders:
            for line in one["lines"]:
                line["id"] = str(int(line["id"]) + shift)
        return [answered(one, plan, seed).outcome for one in orders]

    assert fates(1, 0) == fates(1, 777)
    assert fates(1, 0) != fates(2, 0)


def test_a_plan_is_kept_in_the_long_run() -> None:
    """Of many orders, each outcome has about the share that the plan gives it."""
    plan = PRESETS["lively"]
    count = 20_000
    seen = Counter(answered(order(n, 2, 1, fraud=True), plan).outcome for n in range(1, count))
    for outcome in set(Outcome) - {Outcome.DISPATCHED}:
        assert seen[outcome] / count == pytest.approx(getattr(plan, outcome.value), rel=0.2)


def test_fraud_is_found_only_where_a_check_was_asked_for() -> None:
    """An order that does not ask for the fraud check is never FRAUD_REJECTED."""
    plan = CERTAIN[Outcome.FRAUD_REJECTED]
    assert answered(order(1, fraud=True), plan).now["status"] == "FRAUD_REJECTED"
    assert answered(order(1), plan).now["status"] == "DISPATCHED"


def test_a_part_is_neither_nothing_nor_all() -> None:
    """PARTIAL dispatches at least one unit now and leaves at least one, whatever the seed."""
    for seed in range(200):
        partly = answered(order(1, 1, 1), CERTAIN[Outcome.PARTIAL], seed)
        assert partly.later is not None
        assert [e["status"] for e in partly.now["lines"]] == ["DISPATCHED", "BACK_ORDERED"]


def test_the_only_unit_of_an_order_comes_later_as_a_whole() -> None:
    """An order of one unit cannot be dispatched in part: it is back-ordered."""
    partly = answered(order(1, 1), CERTAIN[Outcome.PARTIAL])
    assert [e["status"] for e in partly.now["lines"]] == ["BACK_ORDERED"]
    assert partly.later is not None
    assert [e["status"] for e in partly.later["lines"]] == ["DISPATCHED"]


def test_an_order_requested_anew_is_drawn_anew() -> None:
    """What was rejected once has its chance when it is regenerated and requested again."""
    plan = Plan(rejected=0.5)
    outcomes = {answered(order(1), plan, times=times).outcome for times in range(1, 30)}
    assert outcomes == {Outcome.REJECTED, Outcome.DISPATCHED}


@pytest.mark.parametrize(
    ("chances", "told"),
    [
        ({"rejected": 1.5}, "rejected"),
        ({"file_again": -0.1}, "file_again"),
        ({"partial": float("nan")}, "partial"),
        ({"rejected": 0.6, "cancelled": 0.6}, "more than 1"),
    ],
)
def test_what_is_no_chance_is_refused(chances: dict[str, float], told: str) -> None:
    """A chance is from 0 to 1, and outcomes that exclude each other have 1 to share."""
    with pytest.raises(ValueError, match=told):
        Plan(**chances)
