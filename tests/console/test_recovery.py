"""docs/recovery.md, played: the fault is made, its section's verbs are said, and it is mended."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from core import envelope
from core.directory import published_name
from core.domain.batch import FAILED, PUBLISHED, SET_ASIDE
from tests.daemons.depot import PARTNER, STRANGER, document, partner_acknowledgement
from tests.daemons.desk import line, record
from tests.daemons.test_extract_recovery import sealed_and_not_published

if TYPE_CHECKING:
    from tests.console.conftest import Counter, Ended

PAGE = (Path(__file__).parents[2] / "docs" / "recovery.md").read_text("utf-8")
NAME = published_name("LONDON", 1)


class Section:
    """A section of the page, whose verbs are said as it has them."""

    def __init__(self, counter: Counter, title: str) -> None:
        [text] = re.findall(rf"^### {title}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
        self._text = " ".join(text.split())
        self._counter = counter

    def say(self, verb: str, *more: object) -> Ended:
        """Run a verb with these words, which the section names; it must do what it is told."""
        assert f"orders {verb}" in self._text, verb
        ended = self._counter.call(*verb.split(), *more)
        assert ended.code == 0, ended.err
        return ended


def agree(counter: Counter) -> None:
    """Whatever was mended: tables and trees agree."""
    ended = counter.call("reconcile")
    assert ended.code == 0, ended.out


def test_a_lost_work_file(counter: Counter) -> None:
    """Put back from a backup of the tree and reprocessed, the batch is published."""
    batch = sealed_and_not_published(counter)
    backup = counter.outbound.work("LONDON", batch).read_bytes()
    counter.outbound.work("LONDON", batch).unlink()
    counter.outbound.archived("LONDON", NAME).unlink()
    counter.extract()
    assert counter.stage(batch) == str(SET_ASIDE)
    counter.outbound.work("LONDON", batch).write_bytes(backup)
    section = Section(counter, "A file is missing in out/work, or is not what was sealed")
    section.say("batch reprocess", batch)
    counter.extract()
    assert counter.stage(batch) == str(PUBLISHED)
    assert (counter.outbound.outbox("LONDON") / NAME).read_bytes() == backup
    agree(counter)


def test_lost_commits(counter: Counter) -> None:
    """Looked at as the console and adopted as the role for it, what was sent is known again."""
    order, _ = counter.batched()
    counter.extract()
    for table in ("outbound_file", "request_detail"):
        counter.lose(f"delete from {table}")  # noqa: S608  # ours
    counter.lose("update warehouse set file_sequence = 0")
    counter.lose(
        "insert into request_queue (warehouse_id, entered_at, order_id, generation, line_count,"
        " byte_count) select 'LONDON', entered_at, id, generation, 1, 1 from sales_order"
    )
    counter.watch()
    held = counter.rows("select held_reason from warehouse where held_reason is not null")
    assert held == [("DATABASE_OLDER_THAN_FILES",)]
    section = Section(counter, "The database has lost commits")
    told = section.say("reconcile --adopt --dry-run", "--json").json
    assert [(one["files"], one["done"]) for one in told] == [([NAME], False)]
    told = section.say("reconcile --adopt", "--json").json
    assert [(one["orders"], one["done"]) for one in told] == [(1, True)]
    assert not counter.rows("select from warehouse where held_reason is not null")
    assert counter.call("order", "show", order).out.count(NAME)
    assert counter.batch() == []


def test_quarantined_files(counter: Counter) -> None:
    """Listed, shown and inspected; discarded where the partner has to send another one."""
    counter.drop("LONDON", counter.sealed(document(), STRANGER), "forged.p7m")
    counter.take_up()
    section = Section(counter, "A file is in quarantine")
    [one] = section.say("file list --quarantined", "--json").json
    assert one["reason"] == "ENVELOPE_REFUSED"
    number = one["id"]
    assert "ENVELOPE_REFUSED" in section.say("file show", number).out
    [path] = (
        path
        for path in (counter.inbound.root / "quarantine" / "LONDON").iterdir()
        if path.suffix == ".p7m"
    )
    assert section.say("file inspect", path).out
    section.say("file discard", number, "--reason", "forged")
    assert counter.quarantined() == {}
    agree(counter)


def test_a_repeated_crash(counter: Counter) -> None:
    """What ended its daemon three times is taken again once its cause is mended."""
    counter.drop("LONDON", counter.sealed(document()), "large.p7m")
    counter.inbound.claim("LONDON", counter.inbound.candidates("LONDON")[0][0].name)
    [claim] = counter.names("work")
    counter.owner.execute(
        "insert into inbound_file (claim_name, warehouse_id, partner_name, status, received_at,"
        " attempts) values (%s, 'LONDON', 'large.p7m', 'CLAIMED', now(), 3)",
        (claim,),
    )
    counter.take_up()
    [(_, _, reason)] = counter.files()
    assert reason == "REPEATED_CRASH"
    number = counter.value("select id from inbound_file")
    Section(counter, "Something ended its daemon again and again").say("file requeue", number)
    counter.take_up()
    assert counter.files()[-1][1:] == ("ARCHIVED", None)
    agree(counter)


def test_refused_records(counter: Counter) -> None:
    """The batch is found, its records' reasons are shown, and those alone are applied anew."""
    order, batch = counter.batched()
    [asked] = counter.lines(order)
    loaded = counter.load("LONDON", record(order, "D1", line(asked, 1)))
    counter.apply()
    assert counter.stage(loaded) == str(FAILED)
    section = Section(counter, "A batch is in Error")
    assert [one["id"] for one in section.say("batch list --status error", "--json").json] == [
        loaded
    ]
    assert "NOT_REQUESTED" in section.say("batch show --refused", loaded).out
    counter.seal(batch)
    section.say("batch reprocess", loaded)
    counter.apply()
    assert counter.status(order) == "COMPLETE"


def test_an_order_in_error(counter: Counter) -> None:
    """Listed, shown; once the catalogue is mended regenerated, or given up."""
    first, second = (counter.order(("NO-SUCH", 1, "1")) for _ in range(2))
    counter.generate()
    section = Section(counter, "An order is in Error")
    listed = section.say("order list --status ERROR", "--json").json
    assert {one["id"] for one in listed} == {first, second}
    assert "UNKNOWN_PRODUCT" in section.say("order show", first).out
    counter.product("NO-SUCH", "LONDON")
    section.say("order regenerate", first)
    section.say("order cancel", second, "--reason", "wrong")
    counter.generate()
    assert [counter.status(one) for one in (first, second)] == ["AWAITING_DISPATCH", "CANCELLED"]


def test_a_refused_file(counter: Counter) -> None:
    """The partner's words are shown, and the same bytes sent again."""
    counter.batched()
    counter.extract()
    path = counter.outbound.outbox("LONDON") / NAME
    data = path.read_bytes()
    path.unlink()
    counter.watch()
    file = {"name": NAME, "identifier": counter.value("select id from outbound_file")}
    said = partner_acknowledgement(file, "REJECTED", reason="DISK_FULL", message="No space.")
    counter.drop("LONDON", counter.sealed(said))
    counter.take_up()
    section = Section(counter, "The partner has refused or lost a file")
    assert "No space." in section.say("file show", NAME).out
    section.say("file resend", NAME)
    counter.extract()
    assert path.read_bytes() == data
    agree(counter)


def test_a_lost_signing_key(counter: Counter) -> None:
    """A new pair is made over the lost one, and signs."""
    own = counter.root / "credentials"
    shutil.copytree(counter.keys / "us" / "credentials", own)
    shutil.copytree(counter.keys / "us" / "trust" / "own", counter.trust / "own")
    (own / "signing.key").unlink()
    section = Section(counter, "A key of ours is lost, was stolen, or runs out")
    section.say(
        "keys generate --use signing --overwrite --name", "us", "--credentials", own,
        "--trust", counter.trust,
    )  # fmt: skip
    ring = envelope.load(counter.trust, own)
    theirs = counter.root / "theirs"
    shutil.copytree(counter.keys / PARTNER / "trust", theirs)
    shutil.rmtree(theirs / "CMP")
    envelope.pin(counter.trust, "CMP", theirs)
    partner = envelope.load(theirs, counter.keys / PARTNER / "credentials")
    sealed = envelope.seal(
        b"{}", signer=ring.signing, recipients=ring.encryption_for("LONDON"),
        profile=envelope.Profile.CMS_GCM,
    )  # fmt: skip
    opened = envelope.open_(
        sealed, decryption=partner.decryption, signers=partner.signers_of("CMP"),
        profiles=list(envelope.Profile),
    )  # fmt: skip
    assert opened.payload == b"{}"


def test_traffic_stops_and_a_batch_is_taken_apart(counter: Counter) -> None:
    """Paused, nothing of a warehouse is sealed; its batch is withdrawn, its orders held."""
    order, batch = counter.batched()
    stop = Section(counter, "Traffic with one partner has to stop")
    stop.say("warehouse pause", "LONDON", "--reason", "stocktaking")
    counter.extract()
    assert counter.sent("LONDON") == []
    apart = Section(counter, "A batch is wrong and not sealed yet")
    apart.say("batch withdraw", batch, "--reason", "wrong", "--hold")
    stop.say("warehouse resume", "LONDON")
    assert counter.batch() == []
    Section(counter, "An order is stuck").say("order release", order, "--reason", "right")
    counter.batch()
    counter.extract()
    assert [one["orders"][0]["id"] for one in counter.sent("LONDON")] == [str(order)]
    agree(counter)


def test_goods_come_back_and_stock_is_counted(counter: Counter) -> None:
    """A return by hand is applied by Dispatch; what was unrecorded is shown, and counted."""
    order = counter.request(("CASE", 2, "1"))
    counter.stock("LONDON", "CASE", 0)
    [asked] = counter.lines(order)
    assert counter.answer("LONDON", record(order, "D1", line(asked, 2))) == [None]
    section = Section(counter, "Stock is unrecorded")
    assert "CASE" in section.say("stock show").out
    section.say("stock set", "LONDON", "CASE", 7)
    assert counter.stock_of("LONDON", "CASE") == (7, 0, 0)
    back = Section(counter, "Goods came back")
    back.say("order return", order, "--product", "CASE", "--quantity", 1, "--reason", "too large")
    counter.apply()
    assert counter.stock_of("LONDON", "CASE") == (8, 0, 0)


def test_an_order_is_cancelled(counter: Counter) -> None:
    """What is not sealed is cancelled at once; for the rest the warehouse is asked."""
    sent, waiting = counter.request(("CASE", 1, "1")), counter.order(("CASE", 1, "1"))
    section = Section(counter, "An order has to be cancelled")
    for order in (waiting, sent):
        section.say("order cancel", order, "--reason", "customer withdrew")
    assert counter.status(waiting) == "CANCELLED"
    assert counter.status(sent) == "AWAITING_DISPATCH"
    assert "Requested" in section.say("order show", sent).out


def test_what_only_looks(counter: Counter) -> None:
    """Properties and schema are looked at by the verbs of their sections."""
    refused = Section(counter, "A property or key is refused")
    assert "database.host" in refused.say("config show").out
    Section(counter, "The database needs a migration").say("db status")
    Section(counter, "The partner does not answer").say("order show", counter.order())
