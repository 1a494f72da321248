"""`batch reprocess`, `file requeue|discard|inspect|open`: what is set aside, and how it goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core import envelope
from core.db import batches, inbound
from core.directory import Inbound
from core.domain.batch import FAILED, LOADED, SET_ASIDE
from core.errors import Reason
from tests.console.conftest import Console
from tests.daemons.desk import line, record


def _request_batch(console: Console) -> int:
    console.order(("CASE", 1, "1"))
    console.generate()
    [batch] = console.batch()
    return batch


def test_reprocess_of_an_unsealed_batch(console: Console) -> None:
    """A request batch set aside before its seal is batched again, its attempts forgotten."""
    batch = _request_batch(console)
    console.owner.execute("update batch set attempts = 3")
    batches.move(console.owner, batch, SET_ASIDE, reason="INTERNAL_ERROR", sentence="no key")
    assert console.call("batch", "reprocess", batch).code == 0
    assert console.rows("select stage, stage_status, attempts, reason, sentence from batch") == [
        ("Batch", "Complete", 0, None, None)
    ]


def test_reprocess_of_a_sealed_batch(console: Console) -> None:
    """A request batch that has a file is published again, never sealed twice."""
    batch = _request_batch(console)
    console.seal(batch)
    # Only psql makes this: set aside after its file was recorded.
    console.owner.execute("alter table batch disable trigger batch_moved")
    batches.move(console.owner, batch, SET_ASIDE, reason="REPEATED_CRASH")
    console.owner.execute("alter table batch enable trigger batch_moved")
    assert console.call("batch", "reprocess", batch).code == 0
    assert console.stage(batch) == "Extract/Load, In Progress"


def test_reprocess_of_a_dispatch_batch(console: Console) -> None:
    """A dispatch batch with refused records is loaded again, and applies what it can now."""
    order = console.order(("CASE", 1, "1"))
    console.generate()
    [batch] = console.batch()
    [one] = console.lines(order)
    loaded = console.load("LONDON", record(order, "D1", line(one, 1)))
    console.apply()
    assert console.stage(loaded) == str(FAILED)
    assert console.reasons(loaded) == ["NOT_REQUESTED"]
    told = console.call("batch", "show", loaded, "--refused", "--json").json
    assert told["details"][0]["reason"] == "NOT_REQUESTED"
    console.seal(batch)
    assert console.call("batch", "reprocess", loaded).code == 0
    assert console.stage(loaded) == str(LOADED)
    console.apply()
    assert console.status(order) == "COMPLETE"


def test_other_batches_are_not_reprocessed(console: Console) -> None:
    """A batch that is not in Error is left, with a sentence that says where it stands."""
    batch = _request_batch(console)
    ended = console.call("batch", "reprocess", batch)
    assert (ended.code, "at Batch, Complete; only one in Error" in ended.err) == (1, True)
    ended = console.call("batch", "reprocess", batch + 1)
    assert (ended.code, ended.err) == (1, f"cmp-orders: there is no batch {batch + 1}\n")


@pytest.fixture
def tree(console: Console) -> Inbound:
    """The inbound tree, made."""
    assert console.call("tree", "init").code == 0
    return Inbound(console.root / "in")


def _quarantined(console: Console, tree: Inbound, *, moved: bool = True) -> tuple[int, str]:
    (tree.inbox("LONDON") / "a.p7m").write_bytes(b"content")
    claim = tree.claim("LONDON", "a.p7m")
    assert claim is not None
    row = inbound.begin(
        console.owner,
        claim=claim,
        warehouse="LONDON",
        partner_name="a.p7m",
        received_at=datetime.now(UTC),
        afresh=False,
    )
    reason = Reason.ENVELOPE_REFUSED
    inbound.record_quarantined(console.owner, row.id, reason, reason.meaning)
    if moved:
        tree.quarantine("LONDON", claim, reason, reason.meaning)
    return row.id, claim


def test_requeue(console: Console, tree: Inbound) -> None:
    """A quarantined file goes back to where it was dropped, once, however often it is asked for."""
    number, _ = _quarantined(console, tree)
    listed = console.call("file", "list", "--quarantined", "--json").json
    assert [(one["id"], one["reason"]) for one in listed] == [(number, "ENVELOPE_REFUSED")]
    assert console.call("file", "requeue", number).code == 0
    assert "moved before" in console.call("file", "requeue", number).out
    [candidate] = tree.candidates("LONDON")[0]
    assert (tree.inbox("LONDON") / candidate.name).read_bytes() == b"content"
    assert tree.names("quarantine", "LONDON") == []
    assert console.rows("select status from inbound_file") == [("REQUEUED",)]


def test_requeue_goes_on_after_a_crash(console: Console, tree: Inbound) -> None:
    """Ended between the row's commit and the move, the same verb moves the file."""
    number, _ = _quarantined(console, tree)
    console.owner.execute("update inbound_file set status = 'REQUEUED'")
    assert "is back in" in console.call("file", "requeue", number).out
    assert len(tree.candidates("LONDON")[0]) == 1


def test_a_file_still_on_its_way_to_quarantine_is_left(console: Console, tree: Inbound) -> None:
    """Recorded as quarantined but not moved yet, a file is neither requeued nor discarded."""
    number, claim = _quarantined(console, tree, moved=False)
    for arguments in (("requeue", number), ("discard", number, "--reason", "x")):
        assert "try again" in console.call("file", *arguments).err
    assert tree.claimed("LONDON") == [claim]
    assert console.rows("select status from inbound_file") == [("QUARANTINED",)]


def test_discard(console: Console, tree: Inbound) -> None:
    """A discarded file is gone; its row says by whom and why, once."""
    number, _ = _quarantined(console, tree)
    for _ in range(2):
        assert console.call("file", "discard", number, "--reason", "a test").code == 0
    assert not list((tree.root / "quarantine" / "LONDON").iterdir())
    [(status, sentence)] = console.rows("select status, sentence from inbound_file")
    assert status == "DISCARDED"
    assert sentence.startswith(Reason.ENVELOPE_REFUSED.meaning + " Discarded by console ")
    assert sentence.endswith(": a test")
    assert console.call("file", "requeue", number).code == 1


def _sealed(root: Path, profile: envelope.Profile) -> Path:
    """A file from us to a partner, whose keys are in root/theirs."""
    envelope.generate("us", root / "trust", root / "ours")
    envelope.generate("LONDON", root / "theirs" / "trust", root / "theirs" / "keys")
    envelope.pin(root / "theirs" / "trust", "LONDON", root / "trust")
    envelope.pin(root / "trust", "CMP", root / "theirs" / "trust")
    keyring = envelope.load(root / "trust", root / "ours")
    path = root / f"{profile}.p7m"
    path.write_bytes(
        envelope.seal(
            b'{"a": 1}',
            signer=keyring.signing,
            recipients=keyring.encryption_for("LONDON"),
            profile=profile,
        )
    )
    return path


@pytest.mark.parametrize("profile", list(envelope.Profile))
def test_inspect_and_open(console: Console, profile: envelope.Profile) -> None:
    """Inspect tells algorithms and recipient without a key; open prints the content with one."""
    root = console.root
    path = _sealed(root, profile)
    told = console.call("file", "inspect", path, "--json").json
    assert told["profile"] == profile
    assert [one["known_as"] for one in told["recipients"]] == ["LONDON/encryption.pem"]
    theirs = ("--trust", root / "theirs" / "trust", "--keys", root / "theirs" / "keys")
    opened = console.call("file", "open", path, *theirs, "--signer", "CMP")
    assert (opened.code, opened.out) == (0, '{"a": 1}')
    ours = console.call("file", "open", path, "--keys", root / "ours", "--signer", "LONDON")
    assert (ours.code, ours.out) == (1, "")
    assert ours.err.startswith("cmp-orders: ENVELOPE_REFUSED: ")


def test_inspect_of_anything_else(console: Console) -> None:
    """What is no sealed file is told so."""
    path = console.root / "x.p7m"
    path.write_bytes(b"not CMS")
    ended = console.call("file", "inspect", path)
    assert (ended.code, ended.err.startswith("cmp-orders: this is no CMS file")) == (1, True)
