"""Sealing and publishing: going on after a crash, trees that are away, set aside, copies."""

from __future__ import annotations

import threading

import pytest

from core.db import comparing
from core.directory import published_name
from core.errors import Reason
from tests.daemons.depot import Depot
from tests.daemons.desk import drained


def sealed_and_not_published(depot: Depot) -> int:
    """A batch whose file lies in work, since the outbound directory could not be written."""
    _, batch = depot.batched()
    outbox = depot.outbound.outbox("LONDON")
    outbox.rmdir()
    outbox.touch()
    depot.extract()
    outbox.unlink()
    outbox.mkdir()
    assert depot.stage(batch) == "Extract/Load, In Progress"
    assert depot.outbound.in_work("LONDON") == {str(batch)}
    return batch


def test_publishing_goes_on(depot: Depot) -> None:
    """A sealed batch is published as it was sealed, before anything else of its warehouse."""
    batch = sealed_and_not_published(depot)
    work = depot.outbound.work("LONDON", batch).read_bytes()
    depot.batched()
    depot.extract()
    assert (depot.outbound.outbox("LONDON") / published_name("LONDON", 1)).read_bytes() == work
    assert [file["wareHouse"]["fileSequence"] for file in depot.sent("LONDON")] == [1, 2]


def test_a_file_that_has_gone_out_is_not_sent_again(depot: Depot) -> None:
    """A file that was renamed and not recorded is recorded, also if the partner has taken it."""
    batch = sealed_and_not_published(depot)
    name = published_name("LONDON", 1)
    manifest = depot.outbound.archived("LONDON", f"{name}.json").read_bytes()
    depot.outbound.publish("LONDON", batch, name, manifest)
    (depot.outbound.outbox("LONDON") / name).unlink()
    depot.extract()
    assert depot.stage(batch) == "Extract/Load, Complete"
    assert depot.sent("LONDON") == []
    assert depot.rows("select published_at is not null from outbound_file") == [(True,)]


def test_another_tree_holds_the_warehouse(depot: Depot) -> None:
    """While another tree is mounted nothing counts as published; with the right one it goes on."""
    batch = sealed_and_not_published(depot)
    right = depot.outbound.root.rename(depot.root / "right")
    depot.outbound.init()
    depot.batched()
    depot.order(("SIM", 1, "1"))
    depot.generate()
    depot.batch()
    depot.extract()
    depot.watch()
    assert held(depot, "LONDON") == Reason.WORK_TREE_CHANGED
    assert depot.stage(batch) == "Extract/Load, In Progress"
    assert depot.outbound.present("LONDON") == set()
    assert len(depot.sent("LEEDS")) == 1
    depot.outbound.root.rename(depot.root / "wrong")
    right.rename(depot.outbound.root)
    depot.watch()
    assert held(depot, "LONDON") is None
    depot.extract()
    assert [file["wareHouse"]["fileSequence"] for file in depot.sent("LONDON")] == [1, 2]


def held(depot: Depot, warehouse: str) -> str | None:
    """Why a warehouse is held."""
    reason: str | None = depot.value("select held_reason from warehouse where id = %s", warehouse)
    return reason


def test_it_is_recorded_when_a_file_is_gone(depot: Depot) -> None:
    """A file is taken once it is gone from its directory, and not before."""
    depot.batched()
    depot.extract()
    depot.watch()
    assert depot.value("select taken_at from outbound_file") is None
    (depot.outbound.outbox("LONDON") / published_name("LONDON", 1)).rename(depot.root / "taken")
    depot.watch()
    first = depot.value("select taken_at from outbound_file")
    assert first is not None
    depot.watch()
    assert depot.value("select taken_at from outbound_file") == first


@pytest.mark.parametrize("mounted", ["nothing", "another"])
def test_a_tree_that_is_away_has_taken_nothing(depot: Depot, mounted: str) -> None:
    """While the tree is not mounted, or another one is, no file counts as taken."""
    depot.batched()
    depot.extract()
    right = depot.outbound.root.rename(depot.root / "right")
    depot.outbound.root.mkdir()
    if mounted == "another":
        depot.outbound.init()
        depot.watch()
    else:
        with pytest.raises(FileNotFoundError):
            depot.watch()
    assert depot.value("select taken_at from outbound_file") is None
    depot.outbound.root.rename(depot.root / "wrong")
    right.rename(depot.outbound.root)
    depot.watch()
    assert depot.value("select taken_at from outbound_file") is None


@pytest.mark.parametrize("step", ["seal", "publish"])
def test_a_batch_that_ends_its_process_is_set_aside(depot: Depot, step: str) -> None:
    """After three attempts that ended with their process a batch is set aside, the others go on."""
    batch = depot.batched()[1] if step == "seal" else sealed_and_not_published(depot)
    depot.order(("SIM", 1, "1"))
    depot.generate()
    depot.batch()
    depot.owner.execute("update batch set attempts = 3 where id = %s", (batch,))
    depot.extract()
    assert depot.stage(batch) == "Extract/Load, Error"
    assert depot.rows("select reason, attempts from batch where id = %s", batch) == [
        ("REPEATED_CRASH", 0)
    ]
    assert (len(depot.sent("LONDON")), len(depot.sent("LEEDS"))) == (0, 1)


def test_two_attempts_are_no_reason(depot: Depot) -> None:
    """A batch that was attempted twice is taken up a third time, and then its attempts are
    forgotten.
    """
    _, batch = depot.batched()
    depot.owner.execute("update batch set attempts = 2")
    depot.extract()
    assert depot.rows("select stage_status, attempts from batch where id = %s", batch) == [
        ("Complete", 0)
    ]


def test_trouble_is_no_crash(depot: Depot) -> None:
    """However often the surroundings fail a batch, by however many processes, it is not set
    aside.
    """
    _, batch = depot.batched()
    certificate = depot.trust / "LONDON" / "encryption.pem"
    kept = certificate.rename(depot.root / "kept.pem")
    for _ in range(5):
        depot.extract()
    kept.rename(certificate)
    depot.extract()
    assert depot.stage(batch) == "Extract/Load, Complete"


def test_a_sealed_batch_that_is_set_aside_holds_its_warehouse_up(depot: Depot) -> None:
    """Files come in the order of their numbers: none overtakes a sealed one that is set aside."""
    batch = sealed_and_not_published(depot)
    depot.owner.execute("update batch set attempts = 3 where id = %s", (batch,))
    depot.batched()
    depot.extract()
    assert depot.sent("LONDON") == []
    depot.owner.execute("update batch set stage_status = 'In Progress' where id = %s", (batch,))
    depot.extract()
    assert [file["wareHouse"]["fileSequence"] for file in depot.sent("LONDON")] == [1, 2]


def test_files_newer_than_the_database_hold_the_warehouse(depot: Depot) -> None:
    """When the archive has a higher number than the database gave out, that warehouse stops
    alone.
    """
    depot.batched()
    depot.extract()
    depot.lose("delete from outbound_file")
    depot.owner.execute("update warehouse set file_sequence = 0")
    depot.order(("CASE", 1, "1"), ("SIM", 1, "1"))
    depot.generate()
    depot.batch()
    depot.watch()
    depot.extract()
    assert held(depot, "LONDON") == Reason.DATABASE_OLDER_THAN_FILES
    assert held(depot, "LEEDS") is None
    assert (len(depot.sent("LONDON")), len(depot.sent("LEEDS"))) == (1, 1)


def test_a_new_connection_is_reason_to_compare(depot: Depot) -> None:
    """Behind it may be another state of the same database, whose rows look as they were."""
    compare, conn = depot.compare(), depot.conn("extract_to_generic")
    depot.batched()
    depot.extract()
    compare(conn)
    depot.lose("delete from outbound_file")
    depot.owner.execute("update warehouse set file_sequence = 0")
    compare(conn)
    assert held(depot, "LONDON") is None
    compare.reconnected(conn)
    assert held(depot, "LONDON") == Reason.DATABASE_OLDER_THAN_FILES


def test_a_tree_that_is_away_is_not_compared(depot: Depot) -> None:
    """An archive that is not mounted looks empty, and says nothing; once it is back it counts."""
    depot.batched()
    depot.extract()
    conn = depot.conn("extract_to_generic")
    depot.lose("delete from outbound_file; delete from files_compared")
    depot.owner.execute("update warehouse set file_sequence = 0")
    away = depot.outbound.root.rename(depot.root / "away")
    with pytest.raises(FileNotFoundError):
        depot.watch()
    assert comparing.current(conn) == {}
    away.rename(depot.outbound.root)
    depot.watch()
    assert comparing.current(conn).keys() == set(depot.warehouses)
    assert held(depot, "LONDON") == Reason.DATABASE_OLDER_THAN_FILES


def test_a_warehouse_entered_anew_is_compared_before_anything_is_sent(depot: Depot) -> None:
    """Lost with the commits and entered again, it may have been sent files: while running, too."""
    depot.batched()
    depot.extract()
    extractor = depot.extractor()
    depot.lose(
        "delete from outbound_file; delete from files_compared where warehouse_id = 'LONDON'"
    )
    depot.owner.execute("update warehouse set file_sequence = 0 where id = 'LONDON'")
    depot.batched()
    drained(extractor, depot.conn("extract_to_generic"))
    assert held(depot, "LONDON") == Reason.DATABASE_OLDER_THAN_FILES
    assert depot.rows("select file_sequence from warehouse where id = 'LONDON'") == [(0,)]
    assert depot.rows("select name from outbound_file") == []


def test_another_tree_is_compared_as_well(depot: Depot) -> None:
    """What was compared in one tree says nothing of another that is mounted in its place."""
    conn = depot.conn("extract_to_generic")
    assert comparing.current(conn, depot.outbound.tree_id()).keys() == set(depot.warehouses)
    depot.outbound.root.rename(depot.root / "first")
    depot.outbound.init()
    assert comparing.current(conn, depot.outbound.tree_id()) == {}
    depot.outbound.prepare("LONDON")
    (depot.outbound.archived("LONDON", published_name("LONDON", 7) + ".json")).write_text("{}")
    depot.watch()
    assert held(depot, "LONDON") == Reason.DATABASE_OLDER_THAN_FILES
    assert held(depot, "LEEDS") is None


def test_an_archive_that_cannot_be_read_keeps_its_warehouse_alone(depot: Depot) -> None:
    """The others are compared and served; this one is as soon as its archive can be read."""
    depot.lose("delete from files_compared")
    archive = depot.outbound.root / "archive" / "LONDON"
    archive.rmdir()
    archive.touch()
    depot.order(("CASE", 1, "1"), ("SIM", 1, "1"))
    depot.generate()
    depot.batch()
    depot.extract()
    assert (len(depot.sent("LONDON")), len(depot.sent("LEEDS"))) == (0, 1)
    compared = comparing.current(depot.conn("extract_to_generic"))
    assert compared.keys() == set(depot.warehouses) - {"LONDON"}
    archive.unlink()
    archive.mkdir()
    depot.extract()
    assert len(depot.sent("LONDON")) == 1


def test_no_other_file_takes_a_name_that_was_given(
    depot: Depot, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even with the archive's copy removed its manifest keeps an order from going out twice."""
    depot.batched()
    depot.extract()
    name = published_name("LONDON", 1)
    depot.outbound.archived("LONDON", name).unlink()
    manifest = depot.outbound.archived("LONDON", f"{name}.json").read_bytes()
    (depot.outbound.outbox("LONDON") / name).unlink()
    depot.lose("delete from outbound_file")
    depot.owner.execute("update warehouse set file_sequence = 0 where id = 'LONDON'")
    depot.owner.execute("select setval('outbound_file_id_seq', 1, false)")
    depot.batched()
    # Of a copy that has not noticed.
    extractor = depot.extractor()
    extractor._compare.those = lambda conn, waiting: list(waiting(conn))  # type: ignore[method-assign]  # noqa: SLF001
    drained(extractor, depot.conn("extract_to_generic"))
    assert "another file went out under this name" in capsys.readouterr().out
    assert depot.sent("LONDON") == []
    assert depot.outbound.archived("LONDON", f"{name}.json").read_bytes() == manifest


def test_two_processes_share_the_work(depot: Depot) -> None:
    """Two copies publish each batch once, each warehouse's numbers without a gap."""
    depot.set(request_extract_batch_maxorders="1")
    for _ in range(6):
        depot.order(("CASE", 1, "1"), ("SIM", 1, "1"), ("ROUTER", 1, "1"))
    depot.generate()
    depot.batch()
    done: list[int] = []
    threads = [
        threading.Thread(target=lambda unit, conn: done.append(drained(unit, conn)), args=pair)
        for pair in [
            (depot.extractor(), depot.database.connect("sales_order_extract_to_generic"))
            for _ in range(2)
        ]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    depot.extract()
    assert sum(done) == 18
    for warehouse in depot.warehouses:
        files = depot.sent(warehouse)
        assert [file["wareHouse"]["fileSequence"] for file in files] == [1, 2, 3, 4, 5, 6]
        assert len({entry["id"] for file in files for entry in file["orders"]}) == 6


def test_a_lost_work_file_is_told(depot: Depot) -> None:
    """A sealed file that is gone without a copy in the archive was never published: set aside."""
    batch = sealed_and_not_published(depot)
    depot.outbound.work("LONDON", batch).unlink()
    # Publishing begins with the copy.
    depot.outbound.archived("LONDON", published_name("LONDON", 1)).unlink()
    depot.extract()
    assert depot.stage(batch) == "Extract/Load, Error"
    assert depot.rows("select reason from batch") == [(Reason.WORK_FILE_LOST,)]
    assert depot.rows("select published_at from outbound_file") == [(None,)]


def test_trouble_that_is_left_is_told(depot: Depot) -> None:
    """While a warehouse rests for its directory the duty says so, and no more once it is served."""
    depot.batched()
    outbox = depot.outbound.outbox("LONDON")
    outbox.rmdir()
    outbox.touch()
    extract = depot.extractor()
    assert drained(extract, depot.conn("extract_to_generic")) == 0
    assert extract.resting()
    outbox.unlink()
    again = depot.extractor()
    assert drained(again, depot.conn("extract_to_generic")) == 1
    assert not again.resting()


def test_a_changed_work_file_is_not_published(depot: Depot) -> None:
    """What lies in work is published only if it is what was sealed."""
    batch = sealed_and_not_published(depot)
    depot.outbound.work("LONDON", batch).write_bytes(b"rubbish")
    depot.extract()
    assert depot.rows("select reason from batch") == [(Reason.WORK_FILE_CHANGED,)]
    assert depot.outbound.present("LONDON") == set()


def test_lines_cancelled_before_the_seal_never_go_out(depot: Depot) -> None:
    """An order requested anew drops out of the batch of its former request, though it awaits."""
    order, batch = depot.batched()
    depot.owner.execute("update request_line set cancelled = quantity")
    depot.owner.execute("update order_item set open_quantity = 0")
    for status in ("ERROR", "AWAITING_GENERATION"):
        depot.owner.execute("update sales_order set status = %s where id = %s", (status, order))
    depot.generate()
    assert depot.status(order) == "AWAITING_DISPATCH"
    depot.extract()
    assert depot.rows("select record_count from batch where id = %s", batch) == [(0,)]
    assert depot.sent("LONDON") == []
