"""Taking files up: repeats by content, quarantine with its reason, strays, recovery, limits."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.envelope import Profile
from tests.daemons.depot import GOOD, STRANGER, Depot, document
from tests.daemons.desk import line, record


def test_a_file_is_loaded_and_archived(depot: Depot) -> None:
    """A good file becomes a batch at Extract/Load, Complete; the archive keeps the bytes we
    read.
    """
    sent = document(
        record(
            7, "D1", line(8, 2, units=[{"serialNumber": " a ", "colour": "red"}, {"imei": "x"}])
        ),
        record(9, "D2", status="REJECTED", errors=[{"id": "E", "errorMessage": "No\nway \\ ☃"}]),
        wareHouse={"id": "LONDON", "fileSequence": 41},
    )
    data = depot.sealed(sent)
    depot.drop("LONDON", data, "any.name_1.p7m")
    assert depot.take_up() == 1
    assert depot.files() == [("any.name_1.p7m", "ARCHIVED", None)]
    (batch,) = depot.rows(
        "select id, type, stage || ', ' || stage_status, record_count, partner_sequence from batch"
    )
    assert batch[1:] == ("Sales Order Dispatch", "Extract/Load, Complete", 2, 41)
    assert depot.rows(
        "select order_ref, order_id, dispatch_id, status, errors from dispatch_detail order by 1"
    ) == [
        ("7", 7, "D1", "DISPATCHED", None),
        ("9", 9, "D2", "REJECTED", [{"id": "E", "errorMessage": "No\nway \\ ☃"}]),
    ]
    assert depot.rows(
        "select serial_numbers, imeis, extras, unit_count, fault from dispatch_line"
    ) == [(["A", None], [None, "X"], [{"colour": "red"}, {}], 2, "IMEI_INVALID")]
    (name,) = depot.names("archive")
    assert (depot.inbound.root / "archive" / "LONDON" / name).read_bytes() == data
    assert depot.names("work") == []
    assert list(depot.inbound.inbox("LONDON").iterdir()) == []


def test_repeats_are_recognised_by_content(depot: Depot) -> None:
    """The same signed content is a repeat under any name and in any envelope; other content is
    not.
    """
    sealed = depot.sealed(GOOD)
    other = document(record(1, "D1", line(1, 2)))
    for name, data in (
        ("first.p7m", sealed),
        ("renamed.p7m", sealed),
        ("resealed.p7m", depot.sealed(GOOD)),
        ("first.p7m", depot.sealed(other)),
    ):
        depot.drop("LONDON", data, name)
        depot.take_up()
    assert depot.files() == [
        ("first.p7m", "ARCHIVED", None),
        ("renamed.p7m", "REPEATED", None),
        ("resealed.p7m", "REPEATED", None),
        ("first.p7m", "ARCHIVED", None),
    ]
    first = depot.value("select min(id) from inbound_file")
    assert depot.rows("select distinct repeats_id from inbound_file where status = 'REPEATED'") == [
        (first,)
    ]
    assert depot.value("select count(*) from batch") == 2
    assert len(depot.names("archive")) == 4


def test_an_export_anew_is_another_file_of_the_same_dispatches(depot: Depot) -> None:
    """Content that was written anew is loaded, and its dispatches are then known by their ids."""
    order = depot.request(("CASE", 1, "1"))
    entry = record(order, "D1", line(depot.lines(order)[0], 1))
    for payload in (document(entry), json.dumps(json.loads(document(entry)), indent=1).encode()):
        depot.drop("LONDON", depot.sealed(payload))
        depot.take_up()
        depot.apply()
    assert [status for _, status, _ in depot.files()] == ["ARCHIVED", "ARCHIVED"]
    assert depot.value("select count(*) from charge") == 1
    assert not depot.rows("select 1 from batch where stage_status = 'Error'")


def test_only_an_accepted_file_blocks_its_repeat(depot: Depot) -> None:
    """A file that was refused is loaded when it comes again and can be accepted."""
    depot.set(load_from_generic_maxbytes="1kB")
    data = depot.sealed(GOOD)
    depot.drop("LONDON", data)
    depot.take_up()
    depot.set(load_from_generic_maxbytes="1MB")
    depot.drop("LONDON", data)
    depot.take_up()
    assert depot.files() == [
        ("answer.p7m", "QUARANTINED", "FILE_TOO_LARGE"),
        ("answer.p7m", "ARCHIVED", None),
    ]


def flipped(data: bytes) -> bytes:
    """One bit of the last byte is another."""
    return data[:-1] + bytes([data[-1] ^ 1])


HOSTILE: dict[str, tuple[str, Callable[[Depot], bytes]]] = {
    "empty": ("FILE_EMPTY", lambda _: b""),
    "noise": ("ENVELOPE_REFUSED", lambda _: b"\x30\x80noise"),
    "plain": ("ENVELOPE_REFUSED", lambda _: GOOD),
    "tampered": ("ENVELOPE_REFUSED", lambda depot: flipped(depot.sealed(GOOD))),
    "cut": ("ENVELOPE_REFUSED", lambda depot: depot.sealed(GOOD)[:-20]),
    "stranger": ("ENVELOPE_REFUSED", lambda depot: depot.sealed(GOOD, STRANGER)),
    "profile": ("ENVELOPE_REFUSED", lambda depot: depot.sealed(GOOD, profile=Profile.CMS_CBC)),
    "no json": ("NOT_JSON", lambda depot: depot.sealed(b"{")),
    "twice": ("NOT_JSON", lambda depot: depot.sealed(
        GOOD.replace(b"{", b'{"version": "1.2", ', 1))),
    "nothing": ("NOT_JSON", lambda depot: depot.sealed(b"")),
    "schema": ("SCHEMA_INVALID", lambda depot: depot.sealed(document(externalFileName=None))),
    "list": ("SCHEMA_INVALID", lambda depot: depot.sealed(b"[]")),
    "interface": ("WRONG_INTERFACE", lambda depot: depot.sealed(document(version="1.1"))),
    "house": ("WRONG_WAREHOUSE", lambda depot: depot.sealed(document(warehouse="LEEDS"))),
    "count": ("COUNT_MISMATCH", lambda depot: depot.sealed(document(recordCount=3))),
    "deep": ("NOT_JSON", lambda depot: depot.sealed(b"[" * 100_000)),
    "nul": ("SCHEMA_INVALID", lambda depot: depot.sealed(
        document(record(1, "D", line(1, 1, reason="a\0b"))))),
    "surrogate": ("NOT_JSON", lambda depot: depot.sealed(
        document(record(1, "D", line(1, 1, reason="\ud800"))))),
    "huge number": ("SCHEMA_INVALID", lambda depot: depot.sealed(
        document(record(1, "D", line(1, 10**30))))),
    "no such day": ("SCHEMA_INVALID", lambda depot: depot.sealed(
        document(record(1, "D", line(1, 1)) | {"dispatchDateTime": "2026-02-30T00:00:00Z"}))),
}  # fmt: skip


def test_each_bad_file_is_quarantined_with_its_reason(depot: Depot) -> None:
    """Whatever a file is, it is refused whole with its reason beside it, and the next one is
    loaded.
    """
    for number, (name, (_, make)) in enumerate(HOSTILE.items()):
        depot.drop("LONDON", make(depot), f"{number:02}-{name.replace(' ', '_')}.p7m")
    depot.drop("LONDON", depot.sealed(GOOD), "z.p7m")
    depot.take_up()
    *bad, last = depot.files()
    expected = {f"{number:02}-{name.replace(' ', '_')}.p7m": reason
                for number, (name, (reason, _)) in enumerate(HOSTILE.items())}  # fmt: skip
    assert {name: reason for name, _, reason in bad} == expected
    assert {status for _, status, _ in bad} == {"QUARANTINED"}
    assert last == ("z.p7m", "ARCHIVED", None)
    reasons = depot.quarantined()
    assert {name: text.split("\n")[0] for name, text in reasons.items()} == expected
    assert all(text.count("\n") == 2 and text.split("\n")[1] for text in reasons.values())
    # Before the signature has been verified all refusals are one.
    assert len({text for text in reasons.values() if text.startswith("ENVELOPE")}) == 1
    assert depot.names("work") == []
    assert depot.value("select count(*) from batch") == 1


def test_hostile_but_well_signed_records_are_loaded_or_refused_whole(depot: Depot) -> None:
    """What the schema lets pass, at its limits, can be loaded: no document stops the daemon."""
    odd = (
        "".join(map(chr, [9, 10, 13, 0x7F, 0x80, 0x2028, 0xFEFF, 0xFFFF, 0x1F600]))
        + "\\N\\.\\x\"{}'"
    )
    most = 8_999_999_999_999_999_999
    depot.drop(
        "LONDON",
        depot.sealed(
            document(
                record(most, "!~" * 32, line(most, 1_000_000, "REJECTED", reason=odd)),
                record(1, "D", line(1, 1, units=[{"a": "\\N", "b" * 40: "{}" * 50}]),
                       carrier="\\N", trackingNumbers=["", "x"][1:] * 100,
                       errors=[{"id": "", "errorMessage": odd}]),
                record(1, "E", line(1, 1)) | {"dispatchDateTime": "1000-01-01T00:00:00+14:59"},
                record(1, "F", line(1, 1)) | {"dispatchDateTime": "2999-12-31T23:59:59-14:59"},
                record(1, "G", line(1, 1, units=[{"serialNumber": " "}])),
                wareHouse={"id": "LONDON", "fileSequence": most},
            )
        ),
    )  # fmt: skip
    depot.take_up()
    assert depot.files() == [("answer.p7m", "ARCHIVED", None)]
    assert depot.rows("select reason from dispatch_line where quantity = 1000000") == [(odd,)]
    assert depot.apply() == 1
    assert depot.rows("select reason, count(*) from dispatch_detail group by 1") == [
        ("UNKNOWN_ORDER", 5)
    ]


STRAYS = ("note.txt", "a.p7m.tmp", "x" * 61 + ".p7m", "sp ace.p7m", "a\nb.p7m", "ü.p7m", "p7m")


def test_strays_are_left_alone(depot: Depot) -> None:
    """Links, pipes, directories, unfinished files and other names are never taken up, nor
    touched.
    """
    inbox = depot.inbound.inbox("LONDON")
    data = depot.sealed(GOOD)
    secret = depot.root / "secret.p7m"
    secret.write_bytes(data)
    (inbox / "link.p7m").symlink_to(secret)
    (inbox / "dangling.p7m").symlink_to(depot.root / "nowhere")
    os.mkfifo(inbox / "pipe.p7m")
    (inbox / "folder.p7m").mkdir()
    (inbox / ".unfinished.p7m").write_bytes(data)
    for name in STRAYS:
        (inbox / name).write_bytes(data)
    before = sorted(inbox.iterdir())
    assert depot.take_up() == 0
    assert sorted(inbox.iterdir()) == before
    assert depot.files() == []
    longest = "x" * 60 + ".p7m"
    depot.drop("LONDON", data, longest)
    assert depot.take_up() == 1
    assert depot.files() == [(longest, "ARCHIVED", None)]


def swap_for_link(path: Path, secret: Path) -> None:
    """The name becomes a link to a good file elsewhere."""
    path.symlink_to(secret)


def swap_for_pipe(path: Path, _: Path) -> None:
    """The name becomes a pipe, whose opening would never end."""
    os.mkfifo(path)


def swap_for_folder(path: Path, _: Path) -> None:
    """The name becomes a directory."""
    path.mkdir()


@pytest.mark.parametrize("swap", [swap_for_link, swap_for_pipe, swap_for_folder])
def test_what_is_swapped_in_after_the_look_is_refused(
    depot: Depot, swap: Callable[[Path, Path], None]
) -> None:
    """A link, pipe or directory put in place of a file after it was listed ends quarantined
    unopened.
    """
    data = depot.sealed(GOOD)
    secret = depot.root / "secret.p7m"
    secret.write_bytes(data)
    inbox = depot.inbound.inbox("LONDON")
    swap(inbox / "file.p7m", secret)
    # As the daemon does after it has listed a regular file of this name.
    assert depot.inbound.claim("LONDON", "file.p7m") is not None
    depot.take_up()
    assert depot.files() == [("file.p7m", "QUARANTINED", "NOT_REGULAR")]
    assert depot.quarantined()["file.p7m"].startswith("NOT_REGULAR\n")
    assert secret.read_bytes() == data


def test_too_large_is_refused_at_the_limit(depot: Depot) -> None:
    """A file of the limit's size is taken, one byte more is refused without being read whole."""
    data = depot.sealed(GOOD)
    depot.set(load_from_generic_maxbytes=f"{len(data)}B")
    depot.drop("LONDON", data + b"x", "large.p7m")
    depot.drop("LONDON", data, "fits.p7m")
    with (depot.inbound.inbox("LONDON") / "sparse.p7m").open("wb") as file:
        file.truncate(1 << 40)
    depot.take_up()
    assert set(depot.files()) == {
        ("large.p7m", "QUARANTINED", "FILE_TOO_LARGE"),
        ("sparse.p7m", "QUARANTINED", "FILE_TOO_LARGE"),
        ("fits.p7m", "ARCHIVED", None),
    }


def test_quarantine_is_capped(depot: Depot) -> None:
    """When a warehouse's quarantine is full its files stay where they are; the others are
    served.
    """
    depot.set(load_from_generic_quarantine_maxfiles="2")
    for number in range(4):
        depot.drop("LONDON", b"noise", f"{number}.p7m")
    depot.drop("LEEDS", depot.sealed(document(warehouse="LEEDS")))
    depot.take_up()
    assert len(depot.quarantined()) == 2
    assert len(list(depot.inbound.inbox("LONDON").iterdir())) == 2
    assert depot.rows("select status from inbound_file where warehouse_id = 'LEEDS'") == [
        ("ARCHIVED",)
    ]
    for path in (depot.inbound.root / "quarantine" / "LONDON").iterdir():
        path.unlink()
    depot.take_up()
    assert list(depot.inbound.inbox("LONDON").iterdir()) == []


@pytest.mark.parametrize("seconds", [-(10**9), 0, 10**11, 2**40])
def test_any_file_time_can_be_recorded(depot: Depot, seconds: int) -> None:
    """A partner can set any time on its file; the file is loaded all the same."""
    path = depot.drop("LONDON", depot.sealed(GOOD))
    try:
        os.utime(path, (seconds, seconds))
    except OSError:
        pytest.skip("this file system has no such time")
    assert depot.take_up() == 1
    assert depot.files() == [("answer.p7m", "ARCHIVED", None)]
    assert depot.value("select received_at between '1970-01-01Z' and '9999-12-31T23:59:59Z'"
                       " from inbound_file")  # fmt: skip


def test_a_file_that_may_not_be_read_is_refused(depot: Depot) -> None:
    """A file whose mode keeps us out is quarantined with a reason; the next one is served."""
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    depot.drop("LONDON", depot.sealed(document()), "a.p7m").chmod(0)
    depot.drop("LONDON", depot.sealed(document()), "b.p7m")
    depot.take_up()
    assert depot.files() == [("a.p7m", "QUARANTINED", "NOT_READABLE"), ("b.p7m", "ARCHIVED", None)]
