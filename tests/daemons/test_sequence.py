"""Numbers of files: gapless and in order outbound; inbound gaps and repeats are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import structlog

from core.db import batches, sequences
from core.domain.batch import BATCHED, SET_ASIDE
from tests.daemons.depot import document
from tests.daemons.desk import line, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.daemons.depot import Depot


@pytest.fixture
def told(log_restored: None) -> Iterator[list[Any]]:
    """The lines of the log, as they come."""
    del log_restored
    with structlog.testing.capture_logs() as lines:
        yield lines


def _send(depot: Depot, *numbers: int | None) -> None:
    """Files of LONDON under these numbers, each of its own content, one after the other."""
    for number in numbers:
        house = {"id": "LONDON"} | ({} if number is None else {"fileSequence": number})
        count = depot.value("select count(*) from inbound_file")
        one = record(1, f"D{count}", line(1, 1))
        depot.drop("LONDON", depot.sealed(document(one, wareHouse=house)), f"{count}.p7m")
        depot.take_up()


def _events(lines: list[Any]) -> list[tuple[Any, ...]]:
    names = ("FILE_SEQUENCE_GAP", "FILE_SEQUENCE_REPEATED")
    fields = ("event", "file_sequence", "first_missing", "last_missing")
    return [
        tuple(one[name] for name in fields if name in one) for one in lines if one["event"] in names
    ]


def test_what_is_left_out_is_told_once(depot: Depot, told: list[Any]) -> None:
    """A number that leaves others out is told with them; it is loaded all the same, and what is
    missing is known until it comes.
    """
    _send(depot, 41, 42, 45)
    assert _events(told) == [("FILE_SEQUENCE_GAP", 45, 43, 44)]
    assert [status for _, status, _ in depot.files()] == ["ARCHIVED"] * 3
    assert sequences.missing(depot.conn("console")) == [("LONDON", 43, 44, 2)]
    told.clear()
    _send(depot, 44)
    assert _events(told) == []
    assert sequences.missing(depot.conn("console")) == [("LONDON", 43, 44, 1)]
    _send(depot, 43, 46)
    assert _events(told) == []
    assert sequences.missing(depot.conn("console")) == []


def test_a_restart_tells_nothing_again(depot: Depot, told: list[Any]) -> None:
    """What was noticed is a row: another process, or a repeat of the file, does not notice it."""
    _send(depot, 1, 3)
    told.clear()
    again = document(record(1, "D1", line(1, 1)), wareHouse={"id": "LONDON", "fileSequence": 3})
    depot.drop("LONDON", depot.sealed(again), "again.p7m")
    depot.take_up()
    assert [status for _, status, _ in depot.files()] == ["ARCHIVED", "ARCHIVED", "REPEATED"]
    assert _events(told) == []
    assert len(depot.rows("select * from sequence_gap")) == 1


def test_a_number_used_twice_is_told(depot: Depot, told: list[Any]) -> None:
    """Two contents under one number are both loaded, and told."""
    _send(depot, 7, 7)
    assert _events(told) == [("FILE_SEQUENCE_REPEATED", 7)]
    assert depot.rows("select number, batch_id <> first_batch_id from sequence_repeat") == [
        (7, True)
    ]
    assert depot.apply() == 2


def test_files_without_a_number_are_left_alone(depot: Depot, told: list[Any]) -> None:
    """FileSequence is optional: a file without one is no gap, nor does it hide one."""
    _send(depot, None, 5, None, 7)
    assert _events(told) == [("FILE_SEQUENCE_GAP", 7, 6, 6)]


def test_warehouses_count_by_themselves(depot: Depot, told: list[Any]) -> None:
    """Another warehouse's numbers are none of this one's."""
    _send(depot, 1)
    far = document(record(1, "X", line(1, 1)), wareHouse={"id": "LEEDS", "fileSequence": 9})
    depot.drop("LEEDS", depot.sealed(far))
    depot.take_up()
    assert _events(told) == []


# Outbound.


def _numbers(depot: Depot) -> list[tuple[int, int]]:
    """(number, batch) of LONDON's files in the order in which they were published."""
    return depot.rows(
        "select file_sequence, batch_id from outbound_file where published_at is not null "
        "order by published_at, file_sequence"
    )


def test_numbers_are_gapless_whatever_drops_out(depot: Depot) -> None:
    """A batch that comes to nothing takes no number; each other the next, in the order sealed."""
    made = [depot.batched() for _ in range(4)]
    depot.owner.execute("update sales_order set status = 'CANCELLED' where id = %s", (made[1][0],))
    batches.move(depot.owner, made[2][1], SET_ASIDE, reason="INTERNAL_ERROR")
    depot.extract()
    assert _numbers(depot) == [(1, made[0][1]), (2, made[3][1])]
    batches.move(depot.owner, made[2][1], BATCHED)
    depot.extract()
    assert _numbers(depot) == [(1, made[0][1]), (2, made[3][1]), (3, made[2][1])]


def test_a_seal_that_fails_takes_no_number(depot: Depot) -> None:
    """A seal that is rolled back gives its number back."""
    _, batch = depot.batched()
    kept = depot.trust / "LONDON" / "encryption.pem"
    content = kept.read_bytes()
    kept.unlink()
    depot.extract()
    work = depot.outbound.root / "work" / "LONDON"
    kept.write_bytes(content)
    work.rename(work.with_name("away"))
    work.write_bytes(b"in the way")
    depot.extract()
    work.unlink()
    work.with_name("away").rename(work)
    depot.extract()
    assert _numbers(depot) == [(1, batch)]


def test_a_sealed_file_set_aside_holds_the_later_ones(depot: Depot) -> None:
    """Files are published in the order of their numbers: none overtakes one that is set aside."""
    first, second = depot.batched()[1], depot.batched()[1]
    duty = depot.extractor()
    duty._publish = lambda *_: None  # type: ignore[method-assign]  # noqa: SLF001  # a crash
    duty(depot.conn("extract_to_generic"))
    path = depot.outbound.work("LONDON", first)
    data = path.read_bytes()
    path.unlink()
    depot.extract()
    assert depot.stage(first) == str(SET_ASIDE)
    assert _numbers(depot) == []
    path.write_bytes(data)
    depot.owner.execute("update batch set stage_status = 'In Progress' where id = %s", (first,))
    depot.extract()
    assert _numbers(depot) == [(1, first), (2, second)]
