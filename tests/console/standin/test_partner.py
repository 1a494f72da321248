"""The stand-in at work on real files with real crypto."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from console.standin import PRESETS, Plan, StandIn
from tests.console.standin.conftest import WAREHOUSE, Both, order, request

CLEAN = Plan()


def test_a_request_is_taken_and_answered(both: Both) -> None:
    """The file is gone from our outbox, and one answer lies in our inbox, whole and readable."""
    both.send(request(1, [order(1, 2, 1), order(2)]))
    with both.partner(CLEAN) as partner:
        counts = partner.pass_once()
        assert (counts.files, counts.orders, counts.records, counts.problems) == (1, 2, 2, [])
        assert partner.seen() == {1: 1}
    assert list(both.take.iterdir()) == []
    (answer,) = both.answers()
    assert both.dropped() == ["LONDON-dispatch-00000001.p7m"]
    assert [row.status for row in answer.detail_rows] == ["DISPATCHED", "DISPATCHED"]
    assert answer.file_sequence == 1


def test_a_dot_file_is_not_finished_and_left_alone(both: Both) -> None:
    """The partner never takes what begins with a dot."""
    both.send(request(1, [order(1)]), name=".order-request-00000001.p7m")
    with both.partner(CLEAN) as partner:
        assert partner.pass_once().files == 0
    assert len(list(both.take.iterdir())) == 1
    assert both.dropped() == []


def test_an_identifier_that_comes_again_is_reported_and_not_answered(both: Both) -> None:
    """A batch that we send twice is counted: this is what proves that we never do."""
    with both.partner(CLEAN) as partner:
        both.send(request(1, [order(1)]))
        partner.pass_once()
        both.send(request(1, [order(1)]))
        counts = partner.pass_once()
        assert (counts.files, counts.repeated, counts.answers) == (0, 1, 0)
        assert "identifier 1" in counts.problems[0]
        assert partner.seen() == {1: 2}
    assert len(both.dropped()) == 1


def test_a_gap_in_our_numbering_is_seen(both: Both) -> None:
    """Files are numbered without gaps, so that a partner can tell that one is missing."""
    both.send(request(7, [order(1)], sequence=1))
    both.send(request(8, [order(2)], sequence=3))
    with both.partner(CLEAN) as partner:
        partner.pass_once()
        assert partner.missing() == [2]


def test_a_file_of_another_signer_is_refused(both: Both) -> None:
    """What was not signed by the one pinned signer is set aside with a reason and not answered."""
    path = both.take / "order-request-00000001.p7m"
    path.write_bytes(both.seal(request(1, [order(1)]), by=both.theirs))
    with both.partner(CLEAN) as partner:
        counts = partner.pass_once()
        assert (counts.files, counts.refused) == (0, 1)
    reason = both.root / "partner" / "refused" / f"{path.name}.reason"
    assert reason.read_text().startswith("ENVELOPE_REFUSED")
    assert both.dropped() == []


def test_a_file_for_another_warehouse_is_refused(both: Both) -> None:
    """A request that names another warehouse is not this partner's to answer."""
    both.send(request(1, [order(1)], warehouse="LEEDS"))
    with both.partner(CLEAN) as partner:
        assert "WRONG_WAREHOUSE" in partner.pass_once().problems[0]
    assert both.dropped() == []


def test_back_orders_come_later_in_a_file_of_their_own(both: Both) -> None:
    """What was back-ordered stays open until it is settled, and is then completed, once."""
    both.send(request(1, [order(1, 3), order(2, 1, 1)]))
    with both.partner(Plan(partial=1.0)) as partner:
        assert partner.pass_once().completed == 0
        assert partner.owes() == 2
        assert partner.pass_once(restock=3600).completed == 0
        assert partner.pass_once(settle=True).completed == 2
        assert partner.pass_once(settle=True).completed == 0
    first, second = both.answers()
    assert {row.status for row in first.detail_rows} == {"PART_DISPATCHED"}
    assert {row.status for row in second.detail_rows} == {"DISPATCHED"}
    sent = [
        (row.line_ref, row.quantity)
        for answer in (first, second)
        for row in answer.line_rows
        if row.status == "DISPATCHED"
    ]
    assert sum(quantity for line, quantity in sent if line == "10") == 3
    assert [one.file_sequence for one in (first, second)] == [1, 2]


def test_the_same_dispatch_can_stand_in_the_next_file_too(both: Both) -> None:
    """dispatch_again repeats a record unchanged in the file after the one that it stood in."""
    with both.partner(Plan(dispatch_again=1.0)) as partner:
        both.send(request(1, [order(1)]))
        partner.pass_once()
        both.send(request(2, [order(2)]))
        partner.pass_once()
    first, second = both.answers()
    assert second.detail_rows[1].content_digest == first.detail_rows[0].content_digest
    assert second.detail_rows[0].order_ref == "2"


def test_a_file_can_come_again_as_it_is_and_sealed_anew(both: Both) -> None:
    """file_again drops the same bytes, file_resealed the same content in another envelope."""
    both.send(request(1, [order(1)]))
    with both.partner(Plan(file_again=1.0, file_resealed=1.0)) as partner:
        assert partner.pass_once().repeats == 2
    again, resealed, first = both.dropped()
    assert (again, resealed) == (
        "LONDON-dispatch-00000001-again.p7m",
        "LONDON-dispatch-00000001-resealed.p7m",
    )
    assert (both.drop / again).read_bytes() == (both.drop / first).read_bytes()
    assert (both.drop / resealed).read_bytes() != (both.drop / first).read_bytes()
    assert both.payload(resealed) == both.payload(first)


def test_what_it_remembers_outlives_its_process(both: Both) -> None:
    """Stopped and started, it completes back-orders, goes on numbering, and knows identifiers."""
    both.send(request(1, [order(1, 2)]))
    with both.partner(Plan(back_ordered=1.0)) as partner:
        partner.pass_once()
    both.send(request(1, [order(1, 2)]))
    with both.partner(Plan(back_ordered=1.0)) as partner:
        counts = partner.pass_once(settle=True)
    assert (counts.repeated, counts.completed) == (1, 1)
    assert [one.file_sequence for one in both.answers()] == [1, 2]


def test_stopped_before_the_answer_is_dropped_it_drops_that_answer(both: Both) -> None:
    """An answer that was decided is delivered after a restart; no second one is made."""
    both.send(request(1, [order(1)]))
    both.drop.rmdir()
    with both.partner(CLEAN) as partner, pytest.raises(FileNotFoundError):
        partner.pass_once()
    both.drop.mkdir()
    with both.partner(CLEAN) as partner:
        counts = partner.pass_once()
        assert (counts.files, counts.answers, counts.repeated) == (0, 0, 0)
    assert both.dropped() == ["LONDON-dispatch-00000001.p7m"]


def test_stopped_before_the_request_is_put_away_it_does_not_count_it_twice(both: Both) -> None:
    """The file that its own crash left in hand is no repeat of ours, and is not answered again."""
    both.send(request(1, [order(1)]))
    done = both.root / "partner" / "done"
    with both.partner(CLEAN) as partner:
        shutil.rmtree(done)
        with pytest.raises(FileNotFoundError):
            partner.pass_once()
    with both.partner(CLEAN) as partner:
        assert partner.pass_once().repeated == 0
        assert partner.seen() == {1: 1}
        both.send(request(1, [order(1)]))
        assert partner.pass_once().repeated == 1
    assert len(both.dropped()) == 1


def test_an_order_rejected_and_requested_anew_gets_through_in_the_end(both: Both) -> None:
    """Each request of an order is drawn by how often it has been asked for."""
    plan = Plan(rejected=0.5)
    with both.partner(plan) as partner:
        for number in range(1, 12):
            both.send(request(number, [order(1) | {"lines": order(number)["lines"]}]))
            partner.pass_once()
    statuses = [row.status for answer in both.answers() for row in answer.detail_rows]
    assert set(statuses) == {"REJECTED", "DISPATCHED"}


def test_a_lively_partner_settles_every_order(both: Both) -> None:
    """Whatever the mix does, after settling each unit requested is dispatched or refused, once."""
    orders = [order(number, 2, 3, fraud=True) for number in range(1, 400)]
    both.send(request(1, orders[:200]))
    both.send(request(2, orders[200:]))
    with both.partner(PRESETS["lively"]) as partner:
        partner.pass_once()
        partner.pass_once(settle=True)
        assert partner.owes() == 0
    known: dict[str, int] = {}
    seen: dict[bytes, str] = {}
    for answer in both.answers():
        for row in answer.detail_rows:
            if seen.setdefault(row.content_digest, row.dispatch_id) != row.dispatch_id:
                pytest.fail("one content under two dispatchIds")
    dispatched = {row.dispatch_id for answer in both.answers() for row in answer.detail_rows}
    assert len(dispatched) == len(seen)
    applied: set[str] = set()
    for answer in both.answers():
        details = {row.sequence: row for row in answer.detail_rows}
        fresh = {n for n, row in details.items() if row.dispatch_id not in applied}
        applied |= {details[n].dispatch_id for n in fresh}
        for row in answer.detail_rows:
            if row.sequence in fresh and row.status in ("REJECTED", "FRAUD_REJECTED", "CANCELLED"):
                known[row.order_ref] = 5
        for line in answer.line_rows:
            if line.sequence in fresh and line.status != "BACK_ORDERED":
                of = details[line.sequence].order_ref
                known[of] = known.get(of, 0) + line.quantity
    assert known == {one["id"]: 5 for one in orders}


def test_its_folder_may_be_on_another_file_system(both: Both) -> None:
    """Where a rename cannot cross over, the file is copied whole, and then gone from our outbox."""
    other = Path("/dev/shm")  # noqa: S108  # a folder of its own is made there
    if not other.is_dir() or other.stat().st_dev == both.root.stat().st_dev:
        pytest.skip("no second file system is here")
    both.send(request(1, [order(1)]))
    with TemporaryDirectory(dir=other) as folder:
        where = Path(folder)
        with StandIn(
            where, WAREHOUSE, both.theirs, take=both.take, drop=both.drop, plan=CLEAN
        ) as partner:
            assert partner.pass_once().orders == 1
            assert partner.pass_once().repeated == 0
        assert [path.name for path in (where / "done").iterdir()] == ["order-request-00000001.p7m"]
    assert list(both.take.iterdir()) == []


def test_a_file_that_was_copied_and_could_not_be_removed_is_no_second_file(both: Both) -> None:
    """Interrupted between the copy to its folder and the removal, it is seen once all the same."""
    path = both.send(request(1, [order(1)]))
    copy = path.read_bytes()
    with both.partner(CLEAN) as partner:
        partner.pass_once()
        path.with_name(f".taking.{path.name}").write_bytes(copy)
        assert partner.pass_once().repeated == 0
        assert partner.seen() == {1: 1}
    assert list(both.take.iterdir()) == []


def test_a_file_that_was_claimed_and_not_copied_is_taken(both: Both) -> None:
    """Interrupted between the claim and the copy, it is not left lying."""
    path = both.send(request(1, [order(1)]))
    path.rename(path.with_name(f".taking.{path.name}"))
    with both.partner(CLEAN) as partner:
        assert partner.pass_once().orders == 1
    assert list(both.take.iterdir()) == []


@pytest.mark.parametrize(
    ("plan", "status"),
    [(CLEAN, "CANCEL_REFUSED"), (Plan(back_ordered=1.0), "CANCELLED")],
)
def test_it_is_asked_to_cancel(both: Both, plan: Plan, status: str) -> None:
    """What it still owes it gives up, and never delivers; what has left it cannot take back."""
    one = order(1, 2, 3)
    both.send(request(1, [one]))
    with both.partner(plan) as partner:
        partner.pass_once()
        both.send(request(2, [one | {"action": "CANCEL"}]))
        partner.pass_once()
        assert partner.owes() == 0
        partner.pass_once(settle=True)
    records = [row for answer in both.answers() for row in answer.detail_rows]
    assert [row.status for row in records if "cancel" in row.dispatch_id] == [status]
    assert len(records) == 2
