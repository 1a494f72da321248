"""`file resend|show|acknowledge|list`, and what the order's story and reconcile say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.directory import published_name
from core.domain.batch import PUBLISHED, SEALED
from tests.daemons.depot import partner_acknowledgement
from tests.daemons.desk import line, record
from tests.daemons.test_check import BAD, generated

if TYPE_CHECKING:
    from pathlib import Path

    from tests.console.conftest import Counter

NAME = published_name("LONDON", 1)


def _published(counter: Counter) -> tuple[int, int, Path]:
    """An order whose file lies in the outbound directory; (order, batch, file)."""
    order, batch = counter.batched()
    counter.extract()
    return order, batch, counter.outbound.outbox("LONDON") / NAME


def _taken(counter: Counter) -> tuple[int, int, bytes]:
    order, batch, path = _published(counter)
    data = path.read_bytes()
    path.unlink()
    counter.watch()
    return order, batch, data


@pytest.mark.parametrize("by", ["name", "identifier"])
def test_resend(counter: Counter, by: str) -> None:
    """The partner finds the same bytes under the same name, once; the row counts it, tables and
    trees agree all the way, and answers count as ever.
    """
    order, batch, data = _taken(counter)
    identifier = counter.value("select id from outbound_file")
    ended = counter.call("file", "resend", NAME if by == "name" else identifier)
    assert (ended.code, NAME in ended.out) == (0, True)
    assert counter.stage(batch) == str(SEALED)
    assert counter.call("reconcile").code == 0
    assert counter.extract() == 1
    assert (counter.outbound.outbox("LONDON") / NAME).read_bytes() == data
    assert counter.stage(batch) == str(PUBLISHED)
    assert counter.rows("select id, resent, taken_at, published_at is null from outbound_file") == [
        (identifier, 1, None, False)
    ]
    assert counter.call("reconcile").code == 0
    assert [row[0] for row in counter.rows(
        "select why from batch_history where batch_id = %s and to_stage = %s", batch, str(SEALED)
    )] == [None, "SENT_AGAIN"]  # fmt: skip
    assert counter.extract() == 0
    [line_id] = counter.lines(order)
    assert counter.answer("LONDON", record(order, "D1", line(line_id, 1))) == [None]
    assert "published again (1)" in counter.call("order", "show", order).out


def test_resend_tells_what_is_cancelled_since(counter: Counter) -> None:
    """A partner that had lost the file must not dispatch what it has agreed to cancel meanwhile."""
    order, _, _ = _taken(counter)
    assert counter.call("order", "cancel", order, "--reason", "x").code == 0
    counter.batch()
    counter.extract()
    assert counter.answer("LONDON", record(order, "C1", status="CANCELLED")) == [None]
    told = counter.call("file", "resend", NAME).out
    assert f"not to dispatch them: {order}" in told


def test_it_is_a_file_of_its_own(counter: Counter) -> None:
    """A partner that keeps the first one beside the second moves either as it likes."""
    _, _, path = _published(counter)
    kept = path.rename(counter.root / "kept")
    counter.watch()
    counter.call("file", "resend", NAME)
    counter.extract()
    # Two names of one file would both stay: rename(2).
    path.rename(kept)
    assert not path.exists()


def test_the_forms_in_which_it_is_refused(counter: Counter) -> None:
    """Not while it lies there, nor before it was published, nor without what was sealed."""
    _, batch, path = _published(counter)
    ended = counter.call("file", "resend", NAME)
    assert (ended.code, "lies in LONDON's directory still" in ended.err) == (1, True)
    data = path.read_bytes()
    path.unlink()
    kept = counter.outbound.archived("LONDON", NAME)
    for content in (None, b"another"):
        kept.unlink()
        if content:
            kept.write_bytes(content)
        ended = counter.call("file", "resend", NAME)
        assert (ended.code, "missing or not what was sealed" in ended.err) == (1, True)
        kept.write_bytes(data)
    mark = counter.outbound.root / "work" / ".id"
    ours = mark.read_text()
    mark.write_text("00000000-0000-0000-0000-000000000001\n")
    ended = counter.call("file", "resend", NAME)
    assert (ended.code, "another tree" in ended.err) == (1, True)
    mark.write_text(ours)
    assert counter.call("file", "resend", "another.p7m").code == 1
    assert counter.stage(batch) == str(PUBLISHED)
    assert counter.call("file", "resend", NAME).code == 0
    ended = counter.call("file", "resend", NAME)
    assert (ended.code, "is not published" in ended.err) == (1, True)
    assert counter.extract() == 1


def test_it_keeps_its_place_in_the_order(counter: Counter) -> None:
    """Sent again, a file goes before later ones that are not published yet."""
    _taken(counter)
    counter.batched()
    counter.call("file", "resend", NAME)
    counter.extract()
    assert counter.rows(
        "select file_sequence from outbound_file order by published_at, file_sequence"
    ) == [(1,), (2,)]


def test_a_rejected_file_sent_again_is_open_anew(counter: Counter) -> None:
    """What the partner said of it the first time is gone; its story and the file's tell it."""
    order, _, _ = _taken(counter)
    file = {"name": NAME, "identifier": counter.value("select id from outbound_file")}
    said = partner_acknowledgement(file, "REJECTED", reason="DISK_FULL", message="No space.")
    counter.drop("LONDON", counter.sealed(said))
    counter.take_up()
    for ended in (counter.call("file", "show", NAME), counter.call("order", "show", order)):
        text = " ".join(ended.out.split())
        assert "DISK_FULL" in text
        assert "No space." in text
    [one] = counter.call("order", "show", order, "--json").json["requests"]
    assert (one["verdict"], one["verdict_reason"]) == ("REJECTED", "DISK_FULL")
    assert [row["name"] for row in counter.call("file", "list", "--rejected", "--json").json] == [
        NAME
    ]
    counter.call("file", "resend", NAME)
    counter.extract()
    assert counter.call("file", "list", "--rejected", "--json").json == []
    counter.drop("LONDON", counter.sealed(partner_acknowledgement(file)))
    counter.take_up()
    told = counter.call("file", "show", NAME, "--json").json
    assert (told["verdict"], told["reason"], told["resent"]) == ("ACCEPTED", None, 1)


def test_what_a_partner_was_told_is_shown(counter: Counter) -> None:
    """`file show` of an inbound file has its acknowledgements, and `file list` has both kinds."""
    counter.set(warehouse_LONDON_acknowledgements="ours")
    counter.drop("LONDON", b"noise", "a.p7m")
    counter.take_up()
    number = counter.value("select id from inbound_file")
    [waiting] = counter.call("file", "list", "--direction", "out", "--json").json
    assert (waiting["type"], waiting["status"]) == ("ACKNOWLEDGEMENT", "WAITING")
    counter.acknowledge()
    told = counter.call("file", "show", number, "--json").json
    assert (told["type"], told["reason"]) == ("DISPATCH", "ENVELOPE_REFUSED")
    [answer] = told["acknowledgements"]
    assert answer["verdict"] == "REJECTED"
    shown = counter.call("file", "show", answer["name"], "--json").json
    assert (shown["file_name"], shown["inbound_file_id"]) == ("a.p7m", number)
    assert "REJECTED" in counter.call("file", "show", number).out
    listed = counter.call("file", "list", "--type", "acknowledgement", "--json").json
    assert [one["status"] for one in listed] == ["PUBLISHED"]
    assert counter.call("file", "show", "99").code == 1
    assert counter.call("reconcile").code == 0


def test_what_was_set_aside_is_taken_up_again(counter: Counter) -> None:
    """`file acknowledge` has a set aside acknowledgement tried again, and no other."""
    counter.set(warehouse_LONDON_acknowledgements="ours")
    counter.drop("LONDON", b"noise", "a.p7m")
    counter.take_up()
    number = counter.value("select id from inbound_file")
    ended = counter.call("file", "acknowledge", number)
    assert (ended.code, "is set aside" in ended.err) == (1, True)
    counter.owner.execute("update acknowledgement set set_aside_reason = 'REPEATED_CRASH'")
    assert counter.acknowledge() == 0
    assert "1 acknowledgements set aside" in " ".join(counter.call("status").out.split())
    assert counter.call("file", "acknowledge", number).code == 0
    assert counter.acknowledge() == 1


def test_reconcile_knows_acknowledgements(counter: Counter) -> None:
    """A lost copy, manifest or sealed file of an acknowledgement is a disagreement."""
    counter.set(warehouse_LONDON_acknowledgements="ours")
    counter.drop("LONDON", b"noise", "a.p7m")
    counter.take_up()
    counter.acknowledge()
    name = counter.value("select name from acknowledgement")
    kept = counter.outbound.archived("LONDON", name)
    for path, kind in (
        (kept, "PUBLISHED_WITHOUT_COPY"),
        (kept.with_name(f"{name}.json"), "PUBLISHED_WITHOUT_MANIFEST"),
    ):
        data = path.read_bytes()
        path.unlink()
        assert [one["kind"] for one in counter.call("reconcile", "--json").json] == [kind]
        path.write_bytes(data)
    counter.owner.execute("update acknowledgement set published_at = null, set_aside_reason = 'X'")
    assert [one["kind"] for one in counter.call("reconcile", "--json").json] == [
        "SEALED_WITHOUT_FILE"
    ]
    counter.outbound.work("LONDON", "acknowledgement-999").write_bytes(b"x")
    assert "WORK_FILE_WITHOUT_ROW" in counter.call("reconcile").out
    counter.owner.execute("update warehouse set acknowledgement_sequence = 0")
    assert "SEQUENCE_BEHIND" in counter.call("reconcile").out


@pytest.mark.parametrize("published", [True, False])
def test_lost_acknowledgements_are_adopted(counter: Counter, *, published: bool) -> None:
    """After the database has lost one that was sent, --adopt records it and moves the number past
    it; one that was never published is removed. Then all agree, and numbers go on.
    """
    counter.set(warehouse_LONDON_acknowledgements="ours")
    counter.drop("LONDON", b"noise", "a.p7m")
    counter.take_up()
    counter.acknowledge()
    name = counter.value("select name from acknowledgement")
    number = counter.value("select id from acknowledgement")
    if not published:
        (counter.outbound.outbox("LONDON") / name).rename(
            counter.outbound.work("LONDON", f"acknowledgement-{number}")
        )
    counter.owner.execute("delete from acknowledgement")
    counter.owner.execute("update warehouse set acknowledgement_sequence = 0")
    counter.owner.execute("select setval('acknowledgement_id_seq', 1)")
    told = counter.call("reconcile", "--adopt", "--json").json
    assert [one["acknowledgements"] for one in told] == [[name] if published else []]
    assert counter.call("reconcile").code == 0
    counter.drop("LONDON", b"more noise", "b.p7m")
    counter.take_up()
    counter.acknowledge()
    rows = counter.rows("select number, file_name, published_at is not null from acknowledgement "
                        "order by number")  # fmt: skip
    sent = [(1, "a.p7m", True), (2, "b.p7m", True)]
    assert rows == (sent if published else [(1, "b.p7m", True)])
    assert counter.call("reconcile").code == 0


def test_tmf622_of_a_referred_order(counter: Counter) -> None:
    """A hold of the fraud check makes the state `held` until a person decides; rejected, it has
    failed.
    """
    counter.require_check("rules")
    orders = [generated(counter, **BAD) for _ in range(2)]
    counter.check()

    def state(order: int) -> str:
        return str(counter.call("order", "show", order, "--json").json["tmf622_state"])

    assert [state(order) for order in orders] == ["held", "held"]
    counter.call("order", "release", orders[0], "--reason", "has telephoned")
    counter.call("order", "reject", orders[1], "--reason", "nobody there")
    assert [state(order) for order in orders] == ["inProgress", "failed"]


def test_tmf622_in_the_orders_document(counter: Counter) -> None:
    """`order show --json` carries the TMF622 state of the moment."""
    order, _ = counter.batched()

    def state() -> str:
        return str(counter.call("order", "show", order, "--json").json["tmf622_state"])

    assert state() == "inProgress"
    counter.call("order", "hold", order, "--reason", "x")
    assert state() == "held"
    counter.call("order", "cancel", order, "--reason", "x")
    assert state() == "cancelled"
