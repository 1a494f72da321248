"""`batch withdraw` and `batch reprocess --all`: batches that operators take apart or try again."""

from __future__ import annotations

import threading

import pytest

from core.db import batches
from core.domain.batch import BATCHED, PUBLISHED, SET_ASIDE
from core.errors import Reason
from tests.console.conftest import Console
from tests.daemons.desk import line, record


@pytest.fixture
def made(console: Console) -> tuple[int, int, list[int]]:
    """A batch of two orders in the trees' world; (batch, its orders)."""
    assert console.call("tree", "init").code == 0
    orders = [console.order(("CASE", 1, "1")) for _ in range(2)]
    console.generate()
    [batch] = console.batch()
    return batch, len(orders), orders


def _queue(console: Console) -> list[int]:
    return [row[0] for row in console.rows("select order_id from request_queue order by 1")]


def test_its_orders_go_back_to_the_queue(
    console: Console, made: tuple[int, int, list[int]]
) -> None:
    """A withdrawn batch ends without a file, its orders are queued as they were and sent once."""
    batch, _, orders = made
    before = console.rows("select * from request_size order by order_id")
    ended = console.call("batch", "withdraw", batch, "--reason", "wrong stock")
    assert (ended.code, ended.out) == (
        0, f"batch {batch} is withdrawn: 2 orders are queued for another batch\n",
    )  # fmt: skip
    assert console.stage(batch) == str(PUBLISHED)
    assert console.rows("select record_count, reason, sentence from batch") == [
        (0, "WITHDRAWN", "wrong stock")
    ]
    assert console.rows("select * from request_detail") == []
    assert _queue(console) == orders
    assert console.rows("select * from request_size order by order_id") == before
    assert console.value("select file_sequence from warehouse where id = 'LONDON'") == 0
    [who] = console.rows("select who from batch_history where to_stage = %s", str(PUBLISHED))
    assert who[0].startswith("console ")
    [again] = console.batch()
    assert console.value("select count(*) from request_detail where batch_id = %s", again) == 2
    assert console.call("reconcile").code == 0


def test_its_orders_can_be_held(console: Console, made: tuple[int, int, list[int]]) -> None:
    """With --hold the orders are queued and held, and in no batch until they are released."""
    batch, _, orders = made
    console.call("order", "hold", orders[0], "--reason", "before")
    assert console.call("batch", "withdraw", batch, "--reason", "look", "--hold").code == 0
    assert _queue(console) == orders
    assert console.batch() == []
    assert console.rows(
        "select order_id, reason from order_hold where released_at is null order by 1"
    ) == [(orders[0], "before"), (orders[1], "look")]
    for order in orders:
        assert console.call("order", "release", order).code == 0
    assert len(console.batch()) == 1


def test_what_was_cancelled_stays_so(console: Console, made: tuple[int, int, list[int]]) -> None:
    """An order cancelled in the batch is not queued again."""
    batch, _, orders = made
    console.call("order", "cancel", orders[0], "--reason", "x")
    ended = console.call("batch", "withdraw", batch, "--reason", "x")
    assert "1 orders are queued for another batch; 1 had been cancelled" in ended.out
    assert _queue(console) == orders[1:]


def test_a_batch_set_aside_before_its_seal(
    console: Console, made: tuple[int, int, list[int]]
) -> None:
    """It is withdrawn too, by legal moves, and what an attempt left in out/work goes with it."""
    batch, _, orders = made
    batches.move(console.owner, batch, SET_ASIDE, reason="INTERNAL_ERROR")
    work = console.root / "out" / "work" / "LONDON"
    work.mkdir(exist_ok=True)
    (work / str(batch)).write_bytes(b"of an attempt")
    assert console.call("batch", "withdraw", batch, "--reason", "x").code == 0
    assert _queue(console) == orders
    assert list(work.iterdir()) == []
    assert [row[0] for row in console.rows("select to_stage from batch_history order by id")] == [
        str(BATCHED), str(SET_ASIDE), str(BATCHED), str(PUBLISHED),
    ]  # fmt: skip
    assert console.call("reconcile").code == 0


def test_sealed_is_the_point_of_no_return(
    console: Console, made: tuple[int, int, list[int]]
) -> None:
    """Once sealed, also if set aside then, a batch is not withdrawn; nor is a dispatch batch, nor
    one that is withdrawn already.
    """
    batch, _, _ = made
    loaded = console.load("LONDON", record(1, "D", line(1, 1)))
    console.apply()
    for number, why in ((loaded, "only a request batch"), (batch + 99, "there is no batch")):
        ended = console.call("batch", "withdraw", number, "--reason", "x")
        assert (ended.code, why in ended.err) == (1, True)
    console.seal(batch)
    ended = console.call("batch", "withdraw", batch, "--reason", "x")
    assert (ended.code, "is sealed in file-1" in ended.err) == (1, True)
    console.owner.execute("alter table batch disable trigger batch_moved")
    batches.move(console.owner, batch, SET_ASIDE, reason="WORK_FILE_LOST")
    ended = console.call("batch", "withdraw", batch, "--reason", "x")
    assert (ended.code, "is sealed in file-1" in ended.err) == (1, True)
    assert console.value("select count(*) from request_detail where batch_id = %s", batch) == 2


def test_who_seals_first_wins(console: Console, made: tuple[int, int, list[int]]) -> None:
    """While a daemon seals the batch, withdraw waits, and then finds it gone on."""
    batch, _, _ = made
    told = []
    seal = console.conn("extract_to_generic")
    with seal.transaction():
        assert batches.lock(seal, batch, BATCHED) is not None
        ask = threading.Thread(
            target=lambda: told.append(console.call("batch", "withdraw", batch, "--reason", "x"))
        )
        ask.start()
        console.wait_for(
            "select exists (select from pg_stat_activity where wait_event_type = 'Lock' "
            "and application_name like 'console%%')"
        )
        batches.move(seal, batch, PUBLISHED)
    ask.join()
    assert told[0].code == 1
    assert console.value("select count(*) from request_detail where batch_id = %s", batch) == 2


# reprocess --all


@pytest.fixture
def failed(console: Console) -> dict[str, int]:
    """Three batches in Error, of two warehouses and both types."""
    order = console.order(("CASE", 1, "1"), ("SIM", 1, "1"))
    console.generate()
    made = console.batch()
    found = dict(console.rows("select warehouse_id, id from batch where id = any(%s)", made))
    for batch in made:
        batches.move(console.owner, batch, SET_ASIDE, reason="REPEATED_CRASH")
    found["dispatch"] = console.load("LONDON", record(order, "D1", line(1, 1)))
    console.apply()
    return found


def _in_error(console: Console) -> set[int]:
    return {row[0] for row in console.rows("select id from batch where stage_status = 'Error'")}


def test_a_dry_run_changes_nothing(console: Console, failed: dict[str, int]) -> None:
    """--dry-run shows each batch with where it would go on, and leaves all in Error."""
    told = console.call("batch", "reprocess", "--all", "--dry-run", "--json").json
    assert {one["batch"]: (one["to"], one["done"]) for one in told} == {
        failed["LONDON"]: ("Batch, Complete", False),
        failed["LEEDS"]: ("Batch, Complete", False),
        failed["dispatch"]: ("Extract/Load, Complete", False),
    }
    ended = console.call("batch", "reprocess", failed["LEEDS"], "--dry-run")
    assert "would be at Batch, Complete again" in ended.out
    assert _in_error(console) == set(failed.values())


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ((), {"LONDON", "LEEDS", "dispatch"}),
        (("--warehouse", "LEEDS"), {"LEEDS"}),
        (("--type", "request"), {"LONDON", "LEEDS"}),
        (("--type", "dispatch", "--warehouse", "LONDON"), {"dispatch"}),
        (("--reason", "REPEATED_CRASH"), {"LONDON", "LEEDS"}),
        (("--reason", "RECORDS_REFUSED"), {"dispatch"}),
        (("--reason", "UNKNOWN_LINE"), set()),
    ],
)
def test_all_that_match_are_tried_again(
    console: Console, failed: dict[str, int], filters: tuple[str, ...], names: set[str]
) -> None:
    """Every batch in Error that the filters match is put back, and no other."""
    ended = console.call("batch", "reprocess", "--all", "--yes", *filters)
    assert ended.code == 0
    assert f"{len(names)} batches are tried again" in ended.out
    assert set(failed.values()) - _in_error(console) == {failed[name] for name in names}


def test_a_records_own_reason_finds_its_batch(console: Console, failed: dict[str, int]) -> None:
    """--reason also finds a batch by the reason of a record in it."""
    [reason] = console.reasons(failed["dispatch"])
    console.call("batch", "reprocess", "--all", "--yes", "--reason", reason)
    assert failed["dispatch"] not in _in_error(console)


def test_nobody_to_ask(console: Console, failed: dict[str, int]) -> None:
    """Without a terminal and without --yes nothing is done."""
    ended = console.call("batch", "reprocess", "--all")
    assert (ended.code, "say --yes" in ended.err) == (1, True)
    assert _in_error(console) == set(failed.values())


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 3)])
def test_it_asks(
    console: Console,
    failed: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    left: int,
) -> None:
    """On a terminal it asks, and does nothing without a yes."""
    monkeypatch.setattr("console.show.answers", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer.strip())
    console.call("batch", "reprocess", "--all")
    assert len(_in_error(console)) == left
    assert len(failed) == 3


@pytest.mark.parametrize(
    "arguments", [(), ("1", "--all"), ("1", "--yes"), ("1", "--warehouse", "LONDON")]
)
def test_one_or_all(console: Console, arguments: tuple[str, ...]) -> None:
    """One batch is named, or --all with its filters is said, not both and not neither."""
    assert console.call("batch", "reprocess", *arguments).code == 2


def test_reasons_are_documented() -> None:
    """What a withdrawn or resent batch says is one of the stable reasons."""
    assert {Reason.WITHDRAWN, Reason.SENT_AGAIN} <= set(Reason)
