"""Acknowledgements both ways: what a partner is told of its files, and what it says of ours."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from core.db import acknowledgements
from core.errors import Reason
from daemons.extract_to_generic import Acknowledge
from tests.daemons.depot import (
    GOOD,
    STRANGER,
    Depot,
    document,
    partner_acknowledgement,
)
from tests.daemons.desk import line, record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def agreed(depot: Depot) -> Depot:
    """With LONDON acknowledgements are agreed both ways."""
    depot.set(warehouse_LONDON_acknowledgements="both")
    return depot


def _requested(depot: Depot) -> tuple[int, int]:
    """An order whose request file is published; (order, line)."""
    order, _ = depot.batched()
    depot.extract()
    return order, depot.lines(order)[0]


def _sent_file(depot: Depot) -> dict[str, Any]:
    """How a partner names the only request file."""
    identifier, name = depot.rows("select id, name from outbound_file")[0]
    return {"identifier": identifier, "name": name}


# What we tell.


def test_an_accepted_file_is_acknowledged_and_then_its_records(agreed: Depot) -> None:
    """A loaded file is acknowledged as ACCEPTED, and once applied as PROCESSED with what was
    refused: sequence, order, dispatchId and reason.
    """
    order, line_id = _requested(agreed)
    good, bad = record(order, "D1", line(line_id, 1)), record(987, "D2", line(654, 1))
    payload = document(good, bad, wareHouse={"id": "LONDON", "fileSequence": 7})
    agreed.drop("LONDON", agreed.sealed(payload), "a.p7m")
    agreed.take_up()
    agreed.apply()
    assert agreed.acknowledge() == 2
    agreed.extract()
    accepted, processed = (
        one for one in agreed.sent("LONDON") if one["interfaceType"] == "Acknowledgement"
    )
    assert accepted["file"] == processed["file"] == {
        "name": "a.p7m",
        "interfaceType": "Sales Order Dispatch",
        "externalFileName": "answer.json",
        "fileSequence": 7,
        "contentSha256": hashlib.sha256(payload).hexdigest(),
    }  # fmt: skip
    assert (accepted["verdict"], accepted["recordCount"]) == ("ACCEPTED", 0)
    assert processed["verdict"] == "PROCESSED"
    [refused] = processed["records"]
    assert refused.pop("message")
    assert refused == {
        "sequence": 2, "orderId": "987", "dispatchId": "D2", "reason": "UNKNOWN_ORDER",
    }  # fmt: skip
    assert [one["wareHouse"]["acknowledgementSequence"] for one in (accepted, processed)] == [1, 2]


def test_a_reprocess_is_told_anew(agreed: Depot) -> None:
    """After a reprocess the partner is told what is refused still: nothing, once all is applied."""
    order, batch = agreed.batched()
    [line_id] = agreed.lines(order)
    agreed.drop("LONDON", agreed.sealed(document(record(order, "D1", line(line_id, 1)))))
    agreed.take_up()
    agreed.apply()
    agreed.extract()
    [loaded] = agreed.rows("select id from batch where type = 'Sales Order Dispatch'")[0]
    agreed.reprocess(loaded)
    agreed.acknowledge()
    counts = [
        (one["verdict"], one["recordCount"])
        for one in agreed.sent("LONDON")
        if one["interfaceType"] == "Acknowledgement"
    ]
    assert counts == [("ACCEPTED", 0), ("PROCESSED", 1), ("PROCESSED", 0)]
    assert agreed.stage(batch) == "Extract/Load, Complete"


def test_a_refused_file_is_told_with_its_reason(agreed: Depot) -> None:
    """A file that was verified and refused is acknowledged as REJECTED with the reason."""
    agreed.drop("LONDON", agreed.sealed(document(recordCount=3)), "a.p7m")
    agreed.take_up()
    agreed.acknowledge()
    assert agreed.told() == [("a.p7m", "REJECTED", "COUNT_MISMATCH")]


@pytest.mark.parametrize("kind", ["stranger", "noise", "empty", "large"])
def test_who_is_not_verified_learns_nothing(agreed: Depot, kind: str) -> None:
    """Before the signature is verified the only reason told is ENVELOPE_REFUSED, once a file."""
    agreed.set(load_from_generic_maxbytes="20kB")
    data = {
        "stranger": agreed.sealed(GOOD, STRANGER),
        "noise": b"noise",
        "empty": b"",
        "large": b"x" * 20_001,
    }[kind]
    agreed.drop("LONDON", data, "a.p7m")
    agreed.take_up()
    assert agreed.acknowledge() == 1
    assert agreed.told() == [("a.p7m", "REJECTED", "ENVELOPE_REFUSED")]
    [answer] = agreed.sent("LONDON")
    assert answer["message"] == Reason.ENVELOPE_REFUSED.meaning
    # Our own row and the .reason tell operators the truth.
    [(_, _, reason)] = agreed.files()
    expected = {"empty": "FILE_EMPTY", "large": "FILE_TOO_LARGE"}.get(kind, "ENVELOPE_REFUSED")
    assert reason == expected


def test_a_repeat_gets_the_first_verdict_again(agreed: Depot) -> None:
    """A repeat is acknowledged as accepted, saying that it has no further effect, and its records
    are told of once.
    """
    for name in ("a.p7m", "b.p7m"):
        agreed.drop("LONDON", agreed.sealed(GOOD), name)
        agreed.take_up()
    agreed.apply()
    agreed.acknowledge()
    assert agreed.told() == [
        ("a.p7m", "ACCEPTED", None),
        ("b.p7m", "ACCEPTED", "REPEATED_FILE"),
        ("a.p7m", "PROCESSED", None),
    ]


def test_a_requeued_file_keeps_its_name(agreed: Depot) -> None:
    """However often an operator has it requeued, the partner is told of the name that it gave."""
    agreed.drop("LONDON", agreed.sealed(document(recordCount=3)), "a.p7m")
    for _ in range(3):
        agreed.take_up()
        for claim in agreed.inbound.names("quarantine", "LONDON"):
            agreed.inbound.requeue("quarantine", "LONDON", claim)
    agreed.drop("LONDON", b"noise", f"requeued-{1:019}-00000000.p7m")
    agreed.take_up()
    agreed.acknowledge()
    assert {name for name, _, _ in agreed.told()} == {
        "a.p7m",
        f"requeued-{1:019}-00000000.p7m",
    }


def test_nothing_is_told_unless_agreed(depot: Depot) -> None:
    """By default no acknowledgement is made: a partner has to be ready for them."""
    depot.drop("LONDON", depot.sealed(GOOD), "a.p7m")
    depot.drop("LONDON", b"noise", "b.p7m")
    depot.take_up()
    depot.apply()
    assert depot.acknowledge() == 0
    assert depot.rows("select id from acknowledgement") == []


def test_a_flood_is_bounded(agreed: Depot) -> None:
    """No more acknowledgements lie untaken than the property allows; the rest waits as rows, and
    goes on when the partner takes some.
    """
    agreed.set(extract_to_generic_acknowledgement_maxuntaken="2")
    for number in range(4):
        agreed.drop("LONDON", b"noise", f"{number}.p7m")
    agreed.take_up()
    assert agreed.acknowledge() == 2
    names = sorted(agreed.outbound.present("LONDON"))
    (agreed.outbound.outbox("LONDON") / names[0]).unlink()
    agreed.watch()
    assert agreed.acknowledge() == 1
    assert len(agreed.outbound.present("LONDON")) == 2


# What a partner tells.


@pytest.mark.parametrize("exact", [False, True])
def test_a_partner_accepts_our_file(depot: Depot, *, exact: bool) -> None:
    """An acknowledgement is recorded with the file that it names, and kept in the archive."""
    _requested(depot)
    file = _sent_file(depot)
    if exact:
        file["contentSha256"] = depot.value("select payload_sha256 from outbound_file").hex()
    depot.drop("LONDON", depot.sealed(partner_acknowledgement(file)))
    assert depot.take_up() == 1
    assert depot.rows(
        "select verdict, reason, sentence from outbound_file where acknowledged_at is not null"
    ) == [("ACCEPTED", None, None)]
    assert depot.files() == [("answer.p7m", "ARCHIVED", None)]
    assert depot.rows("select id from batch where direction = 'IN'") == []


def test_the_latest_word_counts(depot: Depot) -> None:
    """A partner that refuses a file first and takes it later has taken it."""
    _requested(depot)
    file = _sent_file(depot)
    said = partner_acknowledgement(file, "REJECTED", reason="DISK_FULL", message="No space.")
    depot.drop("LONDON", depot.sealed(said))
    depot.take_up()
    assert depot.rows("select verdict, reason, sentence from outbound_file") == [
        ("REJECTED", "DISK_FULL", "No space.")
    ]
    depot.drop("LONDON", depot.sealed(partner_acknowledgement(file)))
    depot.take_up()
    assert depot.rows("select verdict, reason from outbound_file") == [("ACCEPTED", None)]


def test_an_acknowledgement_is_never_acknowledged(agreed: Depot) -> None:
    """Neither a partner's acknowledgement, nor its repeat, nor one that is refused gets an answer;
    and one of ours cannot be acknowledged.
    """
    _requested(agreed)
    good = agreed.sealed(partner_acknowledgement(_sent_file(agreed)))
    ours = {"name": "acknowledgement-LONDON-00000001.p7m", "interfaceType": "Acknowledgement"}
    for data in (
        good,
        good,
        agreed.sealed(partner_acknowledgement({"identifier": 99, "name": "x.p7m"})),
        agreed.sealed(partner_acknowledgement(ours)),
        agreed.sealed(partner_acknowledgement({}, wareHouse={})),
    ):
        agreed.drop("LONDON", data)
        agreed.take_up()
    assert [(status, reason) for _, status, reason in agreed.files()] == [
        ("ARCHIVED", None),
        ("REPEATED", None),
        ("QUARANTINED", "UNKNOWN_FILE"),
        ("QUARANTINED", "SCHEMA_INVALID"),
        ("QUARANTINED", "SCHEMA_INVALID"),
    ]
    assert agreed.acknowledge() == 0


@pytest.mark.parametrize(
    ("change", "top", "reason"),
    [
        ({"identifier": 1_000_000}, {}, "UNKNOWN_FILE"),
        ({"name": "another.p7m"}, {}, "UNKNOWN_FILE"),
        ({"contentSha256": "0" * 64}, {}, "UNKNOWN_FILE"),
        ({}, {"wareHouse": {"id": "LEEDS"}}, "WRONG_WAREHOUSE"),
        ({}, {"recordCount": 1}, "COUNT_MISMATCH"),
        ({}, {"verdict": "PROCESSED"}, "SCHEMA_INVALID"),
        ({}, {"verdict": "REJECTED"}, "SCHEMA_INVALID"),
        ({"interfaceType": "Sales Order Dispatch"}, {}, "SCHEMA_INVALID"),
    ],
)
def test_a_word_that_fits_no_file_changes_nothing(
    depot: Depot, change: dict[str, Any], top: dict[str, Any], reason: str
) -> None:
    """An acknowledgement that does not fit a file sent to this warehouse is refused whole."""
    _requested(depot)
    said = partner_acknowledgement(_sent_file(depot) | change, **top)
    depot.drop("LONDON", depot.sealed(said))
    depot.take_up()
    assert depot.files() == [("answer.p7m", "QUARANTINED", reason)]
    assert depot.rows("select acknowledged_at from outbound_file") == [(None,)]


def test_a_partner_speaks_of_its_own_files_alone(depot: Depot) -> None:
    """A warehouse cannot acknowledge a file that went to another one."""
    _requested(depot)
    said = partner_acknowledgement(_sent_file(depot), wareHouse={"id": "LEEDS"})
    depot.drop("LEEDS", depot.sealed(said))
    depot.take_up()
    assert depot.files() == [("answer.p7m", "QUARANTINED", "UNKNOWN_FILE")]


def test_only_the_pinned_signer_is_believed(depot: Depot) -> None:
    """An acknowledgement of a stranger has no effect."""
    _requested(depot)
    depot.drop("LONDON", depot.sealed(partner_acknowledgement(_sent_file(depot)), STRANGER))
    depot.take_up()
    assert depot.files() == [("answer.p7m", "QUARANTINED", "ENVELOPE_REFUSED")]
    assert depot.rows("select verdict from outbound_file") == [(None,)]


# Its files.


def _waiting(depot: Depot, name: str = "a.p7m") -> None:
    depot.drop("LONDON", b"noise", name)
    depot.take_up()


def test_numbers_are_gapless_and_apart_from_the_files(agreed: Depot) -> None:
    """Acknowledgements have a gapless number of their own; request files keep theirs."""
    for number in range(3):
        _waiting(agreed, f"{number}.p7m")
        agreed.acknowledge()
        _requested(agreed)
    assert sorted(agreed.outbound.present("LONDON")) == [
        *(f"acknowledgement-LONDON-0000000{number}.p7m" for number in (1, 2, 3)),
        *(f"order-request-LONDON-0000000{number}.p7m" for number in (1, 2, 3)),
    ]


def test_the_archive_keeps_copy_and_manifest(agreed: Depot) -> None:
    """A copy and a manifest of each are in the archive, the latter without the partner's words."""
    _waiting(agreed)
    agreed.acknowledge()
    [path] = agreed.outbound.outbox("LONDON").iterdir()
    kept = agreed.outbound.archived("LONDON", path.name)
    assert kept.read_bytes() == path.read_bytes()
    manifest = json.loads(kept.with_name(f"{path.name}.json").read_bytes())
    assert manifest["fileSha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (manifest["verdict"], manifest["fileName"]) == ("REJECTED", "a.p7m")


def test_taken_ones_are_noticed(agreed: Depot) -> None:
    """When the partner has taken one, its row says so."""
    _waiting(agreed)
    agreed.acknowledge()
    agreed.watch()
    assert agreed.rows("select taken_at from acknowledgement") == [(None,)]
    for path in agreed.outbound.outbox("LONDON").iterdir():
        path.unlink()
    agreed.watch()
    assert agreed.value("select taken_at is not null from acknowledgement")


def _sealed_only(depot: Depot) -> Path:
    """Sealed and not published, as a crash leaves it; where its file is."""
    _waiting(depot)
    conn = depot.conn("extract_to_generic")
    duty = Acknowledge(depot.properties, depot.outbound, depot.keyring, depot.compare())
    found = acknowledgements.next_unpublished(conn, "LONDON")
    assert found is not None
    duty._publish = lambda *_: None  # type: ignore[method-assign]  # noqa: SLF001  # the crash
    duty(conn)
    return depot.outbound.work("LONDON", found.work)


@pytest.mark.parametrize(
    ("harm", "reason"), [("lost", "WORK_FILE_LOST"), ("changed", "WORK_FILE_CHANGED")]
)
def test_what_is_not_what_was_sealed_is_set_aside(agreed: Depot, harm: str, reason: str) -> None:
    """A sealed one that somebody removed or changed is set aside, and the next ones go on."""
    path = _sealed_only(agreed)
    data = path.read_bytes()
    path.unlink()
    if harm == "changed":
        path.write_bytes(b"changed")
    _waiting(agreed, "b.p7m")
    agreed.acknowledge()
    assert agreed.rows("select file_name, set_aside_reason from acknowledgement order by id") == [
        ("a.p7m", reason),
        ("b.p7m", None),
    ]
    assert agreed.told() == [("b.p7m", "REJECTED", "ENVELOPE_REFUSED")]
    # Mended, it is taken up again: same bytes, same number.
    path.write_bytes(data)
    agreed.conn("console").execute(
        "update acknowledgement set set_aside_reason = null, attempts = 0"
    )
    agreed.acknowledge()
    assert [one for one, _, _ in agreed.told()] == ["a.p7m", "b.p7m"]


def test_another_tree_holds_the_warehouse(agreed: Depot) -> None:
    """With another tree mounted nothing is published; with the right one back it goes on."""
    _sealed_only(agreed)
    mark = agreed.outbound.root / "work" / ".id"
    ours = mark.read_text()
    mark.write_text("00000000-0000-0000-0000-000000000001\n")
    agreed.acknowledge()
    assert agreed.value("select held_reason from warehouse where id = 'LONDON'") == (
        "WORK_TREE_CHANGED"
    )
    agreed.watch()
    mark.write_text(ours)
    agreed.watch()
    agreed.acknowledge()
    assert len(agreed.told()) == 1


def test_an_archive_that_knows_more_holds_the_warehouse(agreed: Depot) -> None:
    """An acknowledgement in the archive beyond the counter shows that commits were lost."""
    _waiting(agreed)
    agreed.acknowledge()
    conn = agreed.conn("extract_to_generic")
    agreed.compare()(conn)
    assert agreed.value("select held_reason from warehouse where id = 'LONDON'") is None
    agreed.owner.execute("update warehouse set acknowledgement_sequence = 0")
    agreed.compare()(conn)
    assert agreed.value("select held_reason from warehouse where id = 'LONDON'") == (
        "DATABASE_OLDER_THAN_FILES"
    )


def test_a_missing_key_rests_the_warehouse_alone(agreed: Depot) -> None:
    """Without a partner's certificate its acknowledgements wait; other warehouses get theirs."""
    agreed.set(warehouse_LEEDS_acknowledgements="ours")
    _waiting(agreed)
    agreed.drop("LEEDS", b"noise", "b.p7m")
    agreed.take_up()
    kept = agreed.trust / "LONDON" / "encryption.pem"
    content = kept.read_bytes()
    kept.unlink()
    agreed.acknowledge()
    assert (agreed.told(), len(agreed.told("LEEDS"))) == ([], 1)
    assert agreed.rows("select max(attempts) from acknowledgement") == [(0,)]
    kept.write_bytes(content)
    agreed.acknowledge()
    assert len(agreed.told()) == 1


def test_a_notification_wakes_the_daemon(agreed: Depot) -> None:
    """A new acknowledgement is notified, so that the partner is told at once."""
    conn = agreed.database.connect()
    conn.execute("listen sales_order_acknowledgement")
    _waiting(agreed)
    assert [one.channel for one in conn.notifies(timeout=5, stop_after=1)] == [
        "sales_order_acknowledgement"
    ]
