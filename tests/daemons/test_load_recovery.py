"""Taking files up: their order, going on after a crash, trouble and faults, several copies."""

from __future__ import annotations

import os
import threading
import time

import pytest

from core.db import comparing
from core.errors import Reason, Reject
from daemons.load_from_generic import Compare
from tests.daemons.depot import GOOD, Depot, document
from tests.daemons.desk import drained, line, record


def test_files_are_taken_up_oldest_first(depot: Depot) -> None:
    """Files are loaded by the time that they were written, then by name."""
    for name, written in (("c", 5), ("a", 9), ("b", 9), ("d", 1)):
        path = depot.drop("LONDON", depot.sealed(document(externalFileName=name)), f"{name}.p7m")
        os.utime(path, (written, written))
    depot.take_up()
    assert [name for name, _, _ in depot.files()] == ["d.p7m", "c.p7m", "a.p7m", "b.p7m"]


def test_files_are_applied_in_the_partners_order(depot: Depot) -> None:
    """Of what is loaded the partner's sequence decides, however the files came; then the rest."""
    order = depot.request(("CASE", 1, "1"))
    (case,) = depot.lines(order)
    for name, sequence in (("a", 3), ("b", 2), ("c", 10), ("d", None)):
        house = {"id": "LONDON"} | ({} if sequence is None else {"fileSequence": sequence})
        entry = record(order, name, line(case, 1))
        depot.drop("LONDON", depot.sealed(document(entry, wareHouse=house)), f"{name}.p7m")
        depot.take_up()
    depot.apply()
    assert depot.rows("select dispatch_id from dispatch") == [("b",)]
    assert depot.rows("select dispatch_id from dispatch_detail where reason = 'LINE_CLOSED'"
                      " order by 1") == [("a",), ("c",), ("d",)]  # fmt: skip


def claimed(depot: Depot) -> str:
    """A good file that is claimed and not yet recorded."""
    depot.drop("LONDON", depot.sealed(GOOD))
    claim = depot.inbound.claim("LONDON", "answer.p7m")
    assert claim is not None
    return claim


def row(depot: Depot, claim: str, status: str) -> None:
    """The row of a claimed file."""
    depot.owner.execute(
        "insert into inbound_file (claim_name, warehouse_id, partner_name, status, received_at,"
        " attempts, reason, sentence) values (%s, 'LONDON', 'answer.p7m', %s, now(), 1, %s, %s)",
        (claim, status, *(("NOT_JSON", "words") if status != "CLAIMED" else (None, None))),
    )


@pytest.mark.parametrize("recorded", [False, True])
def test_recovery_of_a_claimed_file(depot: Depot, *, recorded: bool) -> None:
    """A file that was claimed, recorded or not, is loaded by whoever comes next."""
    claim = claimed(depot)
    if recorded:
        row(depot, claim, "CLAIMED")
    depot.take_up()
    assert depot.files() == [("answer.p7m", "ARCHIVED", None)]
    assert depot.names("archive") == [claim]
    assert depot.names("work") == []


@pytest.mark.parametrize("copied", ["no", "half", "whole"])
def test_recovery_of_a_loaded_file(depot: Depot, copied: str) -> None:
    """A file that was loaded and not archived is archived; its own content does not make it a
    repeat.
    """
    depot.drop("LONDON", depot.sealed(GOOD))
    depot.take_up()
    (claim,) = depot.names("archive")
    archived = depot.inbound.place("archive", "LONDON", claim)
    data = archived.read_bytes()
    depot.inbound.place("work", "LONDON", claim).write_bytes(data)
    if copied == "no":
        archived.unlink()
    elif copied == "half":
        archived.write_bytes(data[:7])
    depot.owner.execute("update inbound_file set status = 'LOADED'")
    depot.take_up()
    assert depot.files() == [("answer.p7m", "ARCHIVED", None)]
    assert archived.read_bytes() == data
    assert depot.names("work") == []
    assert depot.value("select count(*) from batch") == 1


def test_recovery_of_an_archived_file_that_is_not_recorded(depot: Depot) -> None:
    """A file that lies in the archive and has left work is recorded as archived, without any
    file.
    """
    depot.drop("LONDON", depot.sealed(GOOD))
    depot.take_up()
    depot.owner.execute("update inbound_file set status = 'LOADED'")
    depot.take_up()
    assert depot.files() == [("answer.p7m", "ARCHIVED", None)]


def test_recovery_of_a_repeat(depot: Depot) -> None:
    """A repeat that was recorded and still lies in work is archived."""
    for name in ("a.p7m", "b.p7m"):
        depot.drop("LONDON", depot.sealed(GOOD), name)
        depot.take_up()
    claim = depot.value("select claim_name from inbound_file where status = 'REPEATED'")
    depot.inbound.place("archive", "LONDON", claim).rename(
        depot.inbound.place("work", "LONDON", claim)
    )
    depot.take_up()
    assert claim in depot.names("archive")
    assert depot.names("work") == []
    assert [status for _, status, _ in depot.files()] == ["ARCHIVED", "REPEATED"]


def test_recovery_of_a_refused_file(depot: Depot) -> None:
    """A file that was refused and still lies in work goes to quarantine with the recorded
    reason.
    """
    claim = claimed(depot)
    row(depot, claim, "QUARANTINED")
    depot.take_up()
    assert depot.quarantined() == {"answer.p7m": "NOT_JSON\nwords\n"}
    assert depot.names("work") == []
    assert depot.value("select count(*) from batch") == 0


def test_a_file_that_ends_its_process_is_set_aside(depot: Depot) -> None:
    """After three attempts that ended with their process a file is quarantined, and the next
    loaded.
    """
    claim = claimed(depot)
    row(depot, claim, "CLAIMED")
    depot.owner.execute("update inbound_file set attempts = 3")
    depot.drop("LONDON", depot.sealed(document()), "next.p7m")
    depot.take_up()
    assert depot.files() == [
        ("answer.p7m", "QUARANTINED", "REPEATED_CRASH"),
        ("next.p7m", "ARCHIVED", None),
    ]


def test_trouble_is_no_crash(depot: Depot) -> None:
    """However often the surroundings fail a file, by however many processes, it is not set
    aside.
    """
    depot.drop("LONDON", depot.sealed(GOOD))
    certificate = depot.trust / "LONDON" / "signing.pem"
    kept = certificate.rename(depot.root / "kept.pem")
    for _ in range(5):
        assert depot.take_up() == 0
    kept.rename(certificate)
    depot.take_up()
    assert depot.files() == [("answer.p7m", "ARCHIVED", None)]


def test_a_warehouse_in_trouble_delays_itself_alone(depot: Depot) -> None:
    """A warehouse without pinned signer rests with its file claimed, and the others are loaded."""
    (depot.trust / "LONDON" / "signing.pem").unlink()
    for warehouse in depot.warehouses:
        depot.drop(warehouse, depot.sealed(document(warehouse=warehouse)))
    depot.take_up()
    assert depot.rows(
        "select warehouse_id from inbound_file where status = 'ARCHIVED' order by 1"
    ) == [
        ("BELFAST",),
        ("LEEDS",),
    ]


def test_an_inbox_that_cannot_be_listed_delays_itself_alone(depot: Depot) -> None:
    """A warehouse whose inbox is no directory rests, the others are loaded; then it is as well."""
    inbox = depot.inbound.inbox("LONDON")
    kept = inbox.rename(depot.root / "kept")
    inbox.write_bytes(b"")
    for warehouse in ("LEEDS", "BELFAST"):
        depot.drop(warehouse, depot.sealed(document(warehouse=warehouse)))
    assert depot.take_up() == 2
    inbox.unlink()
    kept.rename(inbox)
    depot.drop("LONDON", depot.sealed(document()))
    assert depot.take_up() == 1
    assert depot.value("select count(*) from inbound_file where status = 'ARCHIVED'") == 3


def test_a_fault_of_ours_sets_one_file_aside(depot: Depot) -> None:
    """A file whose loading fails by our fault is quarantined as INTERNAL_ERROR; the next is
    loaded.
    """
    depot.owner.execute(
        "alter table dispatch_detail add constraint odd check (dispatch_id <> 'D1')"
    )
    depot.drop("LONDON", depot.sealed(GOOD), "a.p7m")
    depot.take_up()
    depot.drop("LONDON", depot.sealed(document()), "b.p7m")
    depot.take_up()
    assert depot.files() == [
        ("a.p7m", "QUARANTINED", "INTERNAL_ERROR"),
        ("b.p7m", "ARCHIVED", None),
    ]
    assert depot.value("select count(*) from batch") == 1


def test_a_held_warehouse_is_not_loaded(depot: Depot) -> None:
    """While a warehouse is held nothing of it is claimed; the others are."""
    depot.owner.execute(
        "update warehouse set held_at = now(), held_reason = 'DATABASE_OLDER_THAN_FILES'"
        " where id = 'LONDON'"
    )
    path = depot.drop("LONDON", depot.sealed(GOOD))
    depot.drop("LEEDS", depot.sealed(document(warehouse="LEEDS")))
    depot.take_up()
    assert path.exists()
    assert [status for _, status, _ in depot.files()] == ["ARCHIVED"]


def test_an_archive_newer_than_the_database_holds_the_warehouse(depot: Depot) -> None:
    """An accepted file that the database does not know holds its warehouse, and no other."""
    for warehouse in ("LONDON", "LEEDS"):
        depot.drop(warehouse, depot.sealed(document(warehouse=warehouse)))
    depot.take_up()
    conn = depot.conn("load_from_generic")
    Compare(depot.inbound).reconnected(conn)
    assert not depot.rows("select 1 from warehouse where held_reason is not null")
    depot.owner.execute("delete from inbound_file where warehouse_id = 'LONDON'")
    Compare(depot.inbound).reconnected(conn)
    assert depot.rows("select id, held_reason from warehouse where held_reason is not null") == [
        ("LONDON", "DATABASE_OLDER_THAN_FILES")
    ]


@pytest.mark.parametrize("column", ["server_started_at", "database_oid", "filenode", None])
def test_no_work_before_the_outbound_files_are_compared(depot: Depot, column: str | None) -> None:
    """On a server that was started since, in a database made anew, after a dump was restored, and
    for a warehouse entered anew, Extract to Generic looks first: it alone can see that requests
    were lost. Other warehouses go on meanwhile.
    """
    other = {"server_started_at": "now() - interval '1 day'"}.get(column or "", "1")
    depot.owner.execute(
        f"update files_compared set {column} = {other} where warehouse_id = 'LONDON'"  # noqa: S608
        if column
        else "delete from files_compared where warehouse_id = 'LONDON'"
    )
    waiting = depot.drop("LONDON", depot.sealed(GOOD))
    depot.drop("LEEDS", depot.sealed(document(warehouse="LEEDS")))
    loader = depot.loader()
    drained(loader, depot.conn("load_from_generic"))
    assert waiting.exists()
    assert loader.resting()
    assert [status for _, status, _ in depot.files()] == ["ARCHIVED"]
    depot.watch()
    drained(loader, depot.conn("load_from_generic"))
    assert [status for _, status, _ in depot.files()] == ["ARCHIVED", "ARCHIVED"]
    assert not loader.resting()


def test_a_table_that_a_restore_made_anew_is_no_comparison(depot: Depot) -> None:
    """A dump restored into the running server brings its own rows: they count for nothing."""
    conn = depot.conn("load_from_generic")
    assert comparing.current(conn).keys() == set(depot.warehouses)
    depot.owner.execute("create table kept as table files_compared")
    depot.owner.execute("truncate files_compared")
    depot.owner.execute("insert into files_compared select * from kept")
    assert comparing.current(conn) == {}
    depot.watch()
    assert comparing.current(conn).keys() == set(depot.warehouses)


def test_an_archive_that_was_away_at_the_connection_is_compared_before_the_first_file(
    depot: Depot,
) -> None:
    """A tree that is mounted later, or a warehouse entered later, is compared all the same; and
    again by the same process after a restore.
    """
    loader, conn = depot.loader(), depot.conn("load_from_generic")
    depot.drop("LONDON", depot.sealed(GOOD))
    drained(loader, conn)
    depot.owner.execute("delete from inbound_file; delete from files_compared")
    depot.watch()
    again = depot.drop("LONDON", depot.sealed(GOOD))
    drained(loader, conn)
    assert again.exists()
    assert depot.rows("select id, held_reason from warehouse where held_reason is not null") == [
        ("LONDON", "DATABASE_OLDER_THAN_FILES")
    ]


def test_an_inbound_tree_that_is_away_is_not_compared(depot: Depot) -> None:
    """An archive that is not mounted looks empty, and says nothing; once it is back it counts."""
    loader, conn = depot.loader(), depot.conn("load_from_generic")
    depot.drop("LONDON", depot.sealed(GOOD))
    depot.take_up()
    depot.lose("update inbound_file set status = 'LOADED', claim_name = 'lost'")
    away = depot.inbound.root.rename(depot.root / "away")
    Compare(depot.inbound).reconnected(conn)
    drained(loader, conn)
    assert loader.resting()
    assert not depot.rows("select 1 from warehouse where held_reason is not null")
    away.rename(depot.inbound.root)
    again = depot.drop("LONDON", depot.sealed(GOOD))
    deadline = time.monotonic() + 10
    while not depot.value("select count(*) from warehouse where held_reason is not null"):
        assert time.monotonic() < deadline
        drained(loader, conn)
    assert again.exists()
    assert depot.rows("select id from warehouse where held_reason is not null") == [("LONDON",)]


def test_one_content_dropped_at_once_in_many_places(depot: Depot) -> None:
    """The same content in many files, taken up by two copies at once, is loaded once."""
    for number in range(6):
        depot.drop("LONDON", depot.sealed(GOOD), f"{number}.p7m")
        depot.drop("LEEDS", depot.sealed(document(warehouse="LEEDS")), f"{number}.p7m")
    pairs = [
        (depot.loader(), depot.database.connect("sales_order_load_from_generic")) for _ in range(2)
    ]
    threads = [threading.Thread(target=drained, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    depot.take_up()
    assert depot.rows(
        "select warehouse_id, status, count(*) from inbound_file group by 1, 2 order by 1, 2"
    ) == [
        ("LEEDS", "ARCHIVED", 1),
        ("LEEDS", "REPEATED", 5),
        ("LONDON", "ARCHIVED", 1),
        ("LONDON", "REPEATED", 5),
    ]
    assert depot.value("select count(*) from batch") == 2


def test_the_sentence_holds_no_value_of_the_file(depot: Depot) -> None:
    """Neither the .reason nor the row repeats what a refused file says."""
    planted = "PLANTED-7f3a"
    for number, payload in enumerate(
        [
            document(record(1, planted, line(1, 1), status=planted)),
            document(**{planted: planted}),
            document(externalFileName=f"{planted}!"),
            GOOD.replace(b"{", b'{"%s": 1, "%s": 2, ' % (planted.encode(), planted.encode()), 1),
        ]
    ):
        depot.drop("LONDON", depot.sealed(payload), f"{number}.p7m")
    depot.take_up()
    assert [status for _, status, _ in depot.files()] == ["QUARANTINED"] * 4
    assert not [text for text in depot.quarantined().values() if planted in text]
    assert not depot.rows("select 1 from inbound_file where sentence like %s", f"%{planted}%")


def test_reading_is_refused_by_its_reason(depot: Depot) -> None:
    """Each way in which a claimed file cannot be read has a reason; one that is gone has none."""
    claim = claimed(depot)
    with pytest.raises(Reject) as refused:
        depot.inbound.read("LONDON", claim, 10)
    assert refused.value.reason == Reason.FILE_TOO_LARGE
    with pytest.raises(FileNotFoundError):
        depot.inbound.read("LONDON", "gone", 10)


def test_only_what_was_accepted_is_archived(depot: Depot) -> None:
    """A file that its partner changes after it was accepted does not become the evidence of it."""
    path = depot.drop("LONDON", depot.sealed(document()))
    link = depot.root / "the partner's own link"
    os.link(path, link)
    depot.take_up()
    (name,) = depot.names("archive")
    accepted = depot.inbound.place("archive", "LONDON", name).read_bytes()
    # As if the process had ended before it let go of the claimed file.
    depot.inbound.place("archive", "LONDON", name).unlink()
    os.link(link, depot.inbound.place("work", "LONDON", name))
    depot.owner.execute("update inbound_file set status = 'LOADED'")
    link.write_bytes(b"something else altogether")
    depot.take_up()
    assert depot.names("archive") == []
    ((_, reason),) = depot.quarantined().items()
    assert reason.startswith("CHANGED_AFTER_READING\n")
    assert accepted != b"something else altogether"
