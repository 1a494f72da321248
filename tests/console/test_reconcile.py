"""cmp-orders reconcile: finds every kind of disagreement, and nothing that is just under way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from console.main import main
from console.reconcile.kinds import Disagreement, Kind
from console.reconcile.looking import disagreements
from console.reconcile.trees import Trees
from core.db.connect import Turn
from core.errors import Defer
from tests.postgres import Database
from tests.site import Site

NUMBER = 30


class Plant:
    """An installation in which every order is complete, to spoil one by one."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.product("PHONE", "LONDON", serialised=True, attributes=["serialNumber"])
        site.product("CASE", "BELFAST")
        site.product("CABLE", "LONDON")
        self._orders = iter(
            [
                site.order(("PHONE", 2, "499.99"), ("CASE", 1, "5"), ("CASE", 2, "5"))
                for _ in range(NUMBER)
            ]
        )
        for number in range(4):
            # A file each: request, answer and archive.
            site.order(("CABLE", 1, "1"), reference=f"file {number}")
            site.once()
            site.answer()
            site.once()
        (site.inbound.inbox("LONDON") / "bad.p7m").write_bytes(b"no envelope")
        (site.inbound.inbox("LONDON") / "worse.p7m").write_bytes(b"none at all")
        (site.inbound.inbox("LONDON") / "worst.p7m").write_bytes(b"nor this")
        site.once()
        site.owner.execute("set session_replication_role = replica")
        rows = site.rows(
            "select name, batch_id from outbound_file where warehouse_id = 'LONDON' "
            "order by file_sequence"
        )
        self._files = iter(rows[1:])
        self._archived = iter(self._claims("ARCHIVED"))
        self._quarantined = iter(self._claims("QUARANTINED"))

    def _claims(self, status: str) -> list[str]:
        return [
            row[0]
            for row in self.site.rows(
                "select claim_name from inbound_file where warehouse_id = 'LONDON' "
                "and status = %s order by id",
                status,
            )
        ]

    def run(self, statement: str, *parameters: object) -> None:
        """A statement that no rule of the database hinders."""
        self.site.owner.execute(statement.encode(), parameters)

    def order(self) -> int:
        """A complete order that has not been spoilt yet."""
        return next(self._orders)

    def spoil(self, statement: str) -> str:
        """Run a statement about an order of its own, `%s`; the subject."""
        order = self.order()
        self.run(statement, *[order] * statement.count("%s"))
        return f"order {order}"

    def file(self) -> tuple[str, int]:
        """A published file of LONDON of its own, and its batch."""
        name, batch = next(self._files)
        return str(name), int(batch)

    def archived(self) -> str:
        """An archived file of LONDON of its own."""
        return next(self._archived)

    def quarantined(self) -> str:
        """A quarantined file of LONDON of its own."""
        return next(self._quarantined)

    def place(self, *parts: str) -> Path:
        """A path below the trees' common folder."""
        return self.site.root.joinpath(*parts)

    def stray(self, *parts: str) -> str:
        """A file that nobody knows; its subject."""
        path = self.place(*parts)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"stray")
        return "/".join(parts)


def _reopened(plant: Plant) -> str:
    return plant.spoil("update sales_order set status = 'AWAITING_DISPATCH' where id = %s")


def _not_requested(plant: Plant) -> str:
    order = plant.order()
    plant.run("update sales_order set status = 'AWAITING_DISPATCH' where id = %s", order)
    plant.run("update request_line set dispatched = 0 where order_id = %s", order)
    plant.run("delete from request_detail where order_id = %s", order)
    return f"order {order}"


def _batched_twice(plant: Plant) -> str:
    # As a database has it whose index was damaged.
    plant.run("drop index request_detail_once")
    return plant.spoil(
        "insert into request_detail select batch_id, 9999, order_id, generation, warehouse_id "
        "from request_detail where order_id = %s limit 1"
    )


def _queue(plant: Plant, generation: int) -> str:
    order = plant.order()
    plant.run(
        "insert into request_queue (warehouse_id, entered_at, order_id, generation, line_count, "
        "byte_count) values ('LONDON', now(), %s, %s, 1, 1)",
        order,
        generation,
    )
    return f"order {order}"


def _sealed_without_file(plant: Plant) -> str:
    name, batch = plant.file()
    plant.run("update outbound_file set published_at = null where batch_id = %s", batch)
    plant.run("update batch set stage_status = 'Error' where id = %s", batch)
    del name
    return f"out/work/LONDON/{batch}"


def _without_copy(plant: Plant) -> str:
    name, _ = plant.file()
    plant.place("out", "archive", "LONDON", name).unlink()
    plant.place("out", "archive", "LONDON", f"{name}.json").write_bytes(b'{"cut": ')
    return f"out/archive/LONDON/{name}"


def _moved(plant: Plant, status: str) -> str:
    claim = plant.archived()
    plant.run("update inbound_file set status = %s where claim_name = %s", status, claim)
    return claim


def _decided(plant: Plant) -> str:
    claim = plant.archived()
    archived = plant.place("in", "archive", "LONDON", claim)
    shutil.copy(archived, plant.place("in", "work", "LONDON", claim))
    return f"in/work/LONDON/{claim}"


def _loaded_without_file(plant: Plant) -> str:
    claim = _moved(plant, "LOADED")
    plant.place("in", "archive", "LONDON", claim).unlink()
    return f"in/{claim}"


def _archived_without_file(plant: Plant) -> str:
    claim = plant.archived()
    plant.place("in", "archive", "LONDON", claim).write_bytes(b"")
    return f"in/{claim}"


def _quarantined_without_file(plant: Plant) -> str:
    claim = plant.quarantined()
    plant.place("in", "quarantine", "LONDON", claim).unlink()
    return f"in/{claim}"


def _reason_missing(plant: Plant) -> str:
    claim = plant.quarantined()
    plant.place("in", "quarantine", "LONDON", f"{claim}.reason").write_bytes(b"")
    return f"in/quarantine/LONDON/{claim}"


def _reason_without_file(plant: Plant) -> str:
    claim = plant.quarantined()
    plant.run("update inbound_file set status = 'DISCARDED' where claim_name = %s", claim)
    plant.place("in", "quarantine", "LONDON", claim).unlink()
    return f"in/quarantine/LONDON/{claim}.reason"


def _batch(plant: Plant, statement: str) -> str:
    batch = plant.site.value("select batch_id from request_detail where order_id = %s limit 1",
                             plant.order())  # fmt: skip
    plant.run(statement, batch)
    return f"batch {batch}"


def _not_applied(plant: Plant) -> str:
    batch = plant.site.value("select batch_id from dispatch_detail where order_id = %s limit 1",
                             plant.order())  # fmt: skip
    plant.run("update dispatch_detail set applied_at = null where batch_id = %s", batch)
    return f"batch {batch}"


def _reserved_by_nobody(plant: Plant) -> str:
    plant.run(
        """insert into stock (warehouse_id, product_code, on_hand, reserved)
           values ('LONDON', 'CABLE', 2, 1)"""
    )
    return "stock CABLE"


def _behind(plant: Plant) -> str:
    plant.run("update warehouse set file_sequence = 0 where id = 'BELFAST'")
    return "warehouse BELFAST"


CLAIM = f"{1:019}-00000000-lost.p7m"
PLANTS: dict[Kind, Callable[[Plant], str]] = {
    Kind.SEALED_WITHOUT_FILE: _sealed_without_file,
    Kind.WORK_FILE_WITHOUT_ROW: lambda p: p.stray("out", "work", "LONDON", "987654"),
    Kind.OUTBOX_FILE_UNKNOWN: lambda p: p.stray("out", "LONDON", "stray.p7m"),
    Kind.PUBLISHED_WITHOUT_COPY: _without_copy,
    Kind.PUBLISHED_WITHOUT_MANIFEST: lambda p: f"{_without_copy(p)}.json",
    Kind.MANIFEST_UNKNOWN: lambda p: p.stray("out", "archive", "LONDON", "x.p7m.json"),
    Kind.COPY_UNKNOWN: lambda p: p.stray("out", "archive", "LONDON", "y.p7m"),
    Kind.CLAIMED_WITHOUT_FILE: lambda p: f"in/{_moved(p, 'CLAIMED')}",
    Kind.LOADED_WITHOUT_FILE: _loaded_without_file,
    Kind.ARCHIVED_WITHOUT_FILE: _archived_without_file,
    Kind.ARCHIVE_FILE_UNKNOWN: lambda p: p.stray("in", "archive", "LONDON", CLAIM),
    Kind.QUARANTINED_WITHOUT_FILE: _quarantined_without_file,
    Kind.QUARANTINE_FILE_UNKNOWN: lambda p: p.stray("in", "quarantine", "LONDON", CLAIM),
    Kind.REASON_MISSING: _reason_missing,
    Kind.REASON_WITHOUT_FILE: _reason_without_file,
    Kind.WORK_FILE_DECIDED: _decided,
    Kind.DIRECTORY_UNKNOWN: lambda p: p.stray("in", "work", "PARIS", CLAIM).rpartition("/")[0],
    Kind.NOT_REQUESTED: _not_requested,
    Kind.NOTHING_OPEN: _reopened,
    Kind.OPEN_THOUGH_ENDED: lambda p: p.spoil(
        "update request_line set dispatched = 0 where order_id = %s"
    ),
    Kind.CANCELLATION_ASTRAY: lambda p: p.spoil(
        "insert into cancellation (order_id, warehouse_id, generation, reason) "
        "values (%s, 'LONDON', 1, 'x')"
    ),
    Kind.QUEUED_UNFIT: lambda p: _queue(p, 2),
    Kind.QUEUED_AND_BATCHED: lambda p: _queue(p, 1),
    Kind.BATCHED_TWICE: _batched_twice,
    Kind.ITEM_COUNTERS: lambda p: p.spoil(
        "update order_item set open_quantity = 1, dispatched_quantity = dispatched_quantity - 1 "
        "where order_id = %s"
    ),
    Kind.ITEM_NOT_REQUESTED: lambda p: p.spoil(
        "update order_item set quantity = quantity + 1 where order_id = %s"
    ),
    Kind.LINE_COUNTERS: lambda p: p.spoil(
        "update request_line set rejected = 1, quantity = quantity + 1 where order_id = %s"
    ),
    Kind.SHARE_COUNTERS: lambda p: p.spoil(
        "update request_line_share set quantity = quantity + 1 where order_id = %s"
    ),
    Kind.UNIT_COUNT: lambda p: p.spoil("delete from dispatched_unit where order_id = %s"),
    Kind.CHARGE_MISSING: lambda p: p.spoil("delete from charge where order_id = %s"),
    Kind.CHARGE_SURPLUS: lambda p: p.spoil(
        "insert into charge select warehouse_id, 'other', line_id, unit_no, order_id, account_id, "
        "product_code, quantity, unit_price, amount, currency from charge where order_id = %s"
    ),
    Kind.CHARGE_WRONG: lambda p: p.spoil(
        "update charge set quantity = quantity + 1, amount = (quantity + 1) * unit_price "
        "where order_id = %s"
    ),
    Kind.RESERVED_UNOWED: lambda p: p.spoil(
        """with kept as (insert into stock (warehouse_id, product_code, on_hand, reserved)
                         values ('LONDON', 'PHONE', 1, 1))
           insert into reservation values (%s, 'LONDON', 'PHONE', 1)"""
    ),
    Kind.STOCK_RESERVED: _reserved_by_nobody,
    Kind.RECORD_COUNT: lambda p: _batch(
        p, "update batch set record_count = record_count + 1 where id = %s"
    ),
    Kind.STAGE_UNLIKE_FILE: lambda p: _batch(p, "update batch set stage = 'Batch' where id = %s"),
    Kind.STAGE_UNLIKE_DETAILS: _not_applied,
    Kind.SEQUENCE_BEHIND: _behind,
}


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Site:
    """Two warehouses; one batch holds all orders of one."""
    return Site(tmp_path, database, warehouses={"LONDON": "ITEM", "BELFAST": "PRODUCT"})


def look(site: Site, *, wait: float = 5.0) -> list[Disagreement]:
    """What reconcile finds."""
    conn = site.database.connect("sales_order_console")
    return disagreements(conn, Trees(site.outbound, site.inbound), wait=wait)


def test_every_kind_is_found(site: Site) -> None:
    """Each kind of disagreement is told, with what it is about; in good order there is none."""
    plant = Plant(site)
    assert look(site) == []
    expected = {(kind, PLANTS[kind](plant)) for kind in Kind}
    found = {(one.kind, one.subject) for one in look(site)}
    assert expected - found == set()


def test_what_a_daemon_goes_on_with_is_none(site: Site) -> None:
    """Orders and files on their way, at whatever step, are no disagreement."""
    site.product("CABLE", "LONDON")
    site.order(("CABLE", 1, "1"), submit=False)
    site.order(("CABLE", 1, "1"))
    assert look(site) == []
    site.once("request_extract")
    (site.outbound.root / "work" / "LONDON" / "1").write_bytes(b"an attempt of before")
    assert look(site) == []
    site.once("extract_to_generic")
    assert look(site) == []
    site.answer()
    assert look(site) == []
    site.once("load_from_generic")
    assert look(site) == []
    site.once()
    assert look(site) == []


def test_it_waits_for_a_daemon_only_so_long(site: Site) -> None:
    """What cannot be looked at under lock is not told: the verb says who is in the way."""
    (site.outbound.root / "work" / "LONDON" / "77").write_bytes(b"just being written")
    number = site.value("select number from warehouse where id = 'LONDON'")
    site.owner.execute("select pg_advisory_lock(%s, %s)", (Turn.SEAL, number))
    with pytest.raises(Defer, match="LONDON"):
        look(site, wait=0.2)
    site.owner.execute("select pg_advisory_unlock_all()")
    assert [one.kind for one in look(site)] == [Kind.WORK_FILE_WITHOUT_ROW]


def test_the_verb(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 and a sentence when all agrees, else 1 with kind, subject, meaning and remedy."""
    config = str(site.properties_file)
    assert main(["--config", config, "reconcile"]) == 0
    assert capsys.readouterr().out == "tables and trees agree\n"
    (site.outbound.outbox("LONDON") / "stray.p7m").write_bytes(b"?")
    assert main(["--config", config, "reconcile"]) == 1
    assert "OUTBOX_FILE_UNKNOWN" in capsys.readouterr().out
    assert main(["--config", config, "reconcile", "--json"]) == 1
    (one,) = json.loads(capsys.readouterr().out)
    assert one["kind"] == "OUTBOX_FILE_UNKNOWN"
    assert one["subject"] == "out/LONDON/stray.p7m"
    assert one["what_to_do"]
    assert main(["--config", config, "reconcile", "--adopt", "--dry-run"]) == 0
    assert main(["--config", config, "reconcile", "--dry-run"]) == 2
