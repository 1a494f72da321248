"""Takes over what the files know and the database has lost; house rule: files may be newer.

A warehouse is adopted whole, in one transaction, or not at all: while an order in its files cannot
be marked sent, nothing of it is changed and it stays held, unless told to go on without those
orders. Nothing that a partner has, or could have taken, is ever published again:

- A manifest is written before its file is renamed to the partner. So each order in an unknown
  manifest counts as sent, with the very line ids of the manifest, whatever the database had made of
  the order instead: that is taken out of queue and batches.
- If the sealed file still lies in `work`, the rename has not happened: its batch is recorded as
  sealed, and Extract to Generic publishes it.
- A copy without a manifest, or a file in `work` without one, was never published: it is removed,
  and its orders are still where the database has them.
- Acknowledgements in the archive count as sent too; no order hangs on them, and one that the
  database goes on to send again says what it said before. One that was never published goes.
- Inbound files that were accepted go back to where the partner dropped them, so that they are
  loaded and applied again; so do quarantined ones that the database has not judged.

Counters are moved past the files even if the rest is not done: numbers may be skipped, ids too.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg

from console.exits import Refusal
from console.reconcile import trees as files
from console.reconcile.kinds import Kind
from console.reconcile.looking import WAIT, patience, turns
from console.reconcile.trees import Trees
from core.db import adopting, adopting_acknowledgements, reconciling_batches, warehouses
from core.db import adopting_effects as effects
from core.db.adopting import Obstacle, SentFile
from core.db.connect import Turn
from core.db.requests import ManifestLine
from core.db.warehouses import Warehouse
from core.directory import Outbound, acknowledgement_number, partner_name
from core.directory.inbound import requeued_name
from core.directory.listing import sizes
from core.errors import Reason

WORK_NAME = re.compile(r"(acknowledgement-)?[0-9]+")
"""What we write into out/work."""
TURNS = (Turn.ADOPT, Turn.BATCH, Turn.SEAL, Turn.LOAD, Turn.APPLY)
AHEAD = frozenset(
    {
        Kind.MANIFEST_UNKNOWN,
        Kind.COPY_UNKNOWN,
        Kind.WORK_FILE_WITHOUT_ROW,
        Kind.ARCHIVE_FILE_UNKNOWN,
        Kind.QUARANTINE_FILE_UNKNOWN,
        Kind.SEQUENCE_BEHIND,
    }
)
"""What shows that the files are newer, or that an earlier --adopt was interrupted."""


@dataclass
class Adoption:
    """What was, or with a dry run would be, done for one warehouse."""

    warehouse: str
    files: list[str] = field(default_factory=list)
    """Request files that the database did not know."""
    acknowledgements: list[str] = field(default_factory=list)
    """Acknowledgements that it did not know."""
    orders: int = 0
    """Orders that are marked as sent in them."""
    put_back: list[str] = field(default_factory=list)
    """Inbound files that are loaded again, by the names that they have now."""
    removed: list[str] = field(default_factory=list)
    """Files that were never published."""
    obstacles: list[Obstacle] = field(default_factory=list)
    """Orders that cannot be marked sent."""
    done: bool = False
    released: bool = False
    """Whether the hold of the warehouse has ended by this."""


def adopt(
    conn: psycopg.Connection,
    trees: Trees,
    *,
    dry_run: bool = False,
    go_on: bool = False,
    wait: float = WAIT,
) -> list[Adoption]:
    """Adopt each warehouse whose files are ahead of the database, or that is held for that.

    Defer if a daemon does not finish its unit within `wait` seconds.
    """
    adoptions = []
    with patience(conn, wait):
        for warehouse in warehouses.all_warehouses(conn):
            if not _is_ahead(conn, trees, warehouse):
                continue
            with turns(conn, warehouse, TURNS):
                one = _Warehouse(conn, trees, warehouse)
                adoptions.append(one.look() if dry_run else one.adopt(go_on=go_on))
    return adoptions


def _is_ahead(conn: psycopg.Connection, trees: Trees, warehouse: Warehouse) -> bool:
    if warehouse.held_reason == Reason.DATABASE_OLDER_THAN_FILES:
        return True
    if any(one == warehouse.id for one, *_ in reconciling_batches.sequence_behind(conn)):
        return True
    return any(one.kind in AHEAD for one in files.compare(conn, trees, warehouse.id))


class _Warehouse:
    """One warehouse, with all its turns held."""

    def __init__(self, conn: psycopg.Connection, trees: Trees, warehouse: Warehouse) -> None:
        self._conn = conn
        self._trees = trees
        self._id = warehouse.id
        self._why = f"adopted: {Reason.DATABASE_OLDER_THAN_FILES}"
        self._found = files.compare(conn, trees, warehouse.id)
        self._sent = self._unknown_files()
        self._told = self._unknown_acknowledgements()
        self._received = self._unknown_received()
        self._report = Adoption(
            warehouse.id,
            files=[one.manifest["name"] for one in self._sent],
            acknowledgements=[one["name"] for one in self._told],
            put_back=[requeued_name(claim) for claim in self._received],
        )

    def look(self) -> Adoption:
        """Find out what would be done; changes nothing."""
        with self._conn.transaction(force_rollback=True):
            self._judge()
        self._report.removed = [
            one.subject
            for one in self._found
            if one.kind in (Kind.COPY_UNKNOWN, Kind.WORK_FILE_WITHOUT_ROW)
            and one.subject not in {self._work_path(sent) for sent in self._sent}
        ]
        return self._report

    def adopt(self, *, go_on: bool) -> Adoption:
        """Do it, unless an order is in the way."""
        conn = self._conn
        with conn.transaction() as whole:
            self._judge()
            effects.move_sequences(conn)
            if self._report.obstacles and not go_on:
                raise psycopg.Rollback(whole)
            adopting.leave_out(conn, [one.order_id for one in self._report.obstacles])
            self._mark_sent()
            adopting_acknowledgements.adopt(conn, self._id, self._told)
            # Before the commit: a file that is known as put back must lie there.
            self._put_back()
            self._report.released = warehouses.release(
                conn, self._id, Reason.DATABASE_OLDER_THAN_FILES
            )
            self._report.done = True
        if self._report.done:
            self._clear_away()
        return self._report

    def _judge(self) -> None:
        adopting.stage(self._conn, self._sent)
        adopting.lock(self._conn, self._id)
        self._report.obstacles = adopting.obstacles(self._conn, self._id)
        blocked = {one.order_id for one in self._report.obstacles}
        orders = {order["id"] for one in self._sent for order in one.manifest["orders"]}
        self._report.orders = len(orders - blocked)

    def _mark_sent(self) -> None:
        conn = self._conn
        if self._sent:
            effects.generate(conn, self._why)
            effects.unseal_others(conn, self._id, self._why)
            effects.take_out(conn, self._id)
            effects.renumber(conn)
            effects.insert_lines(conn, self._id)
            effects.count_items(conn)
            effects.choose_ids(conn, self._id)
            effects.give_back(conn, self._id)
            effects.insert_batches(conn, self._id, self._why)
            for batch, other in effects.batches_by_file(conn):
                self._trees.out.reseal(self._id, batch, other)
        effects.move_file_sequence(conn, self._id)

    def _put_back(self) -> None:
        claims = self._received
        if not claims:
            return
        self._trees.in_.prepare(self._id)
        for claim, area in claims.items():
            if area:
                self._trees.in_.requeue(area, self._id, claim)
        names = {claim: partner_name(claim) for claim in claims}
        effects.received_again(self._conn, self._id, names)

    def _clear_away(self) -> None:
        """Remove what was never published, and what was published under another batch's number."""
        out = self._trees.out
        for one in files.compare(self._conn, self._trees, self._id):
            name = one.subject.rsplit("/", 1)[-1]
            if one.kind is Kind.COPY_UNKNOWN:
                out.drop_copy(self._id, name)
            elif one.kind is Kind.MANIFEST_UNKNOWN and acknowledgement_number(_named(name)):
                out.drop_copy(self._id, _named(name))
            elif one.kind is Kind.WORK_FILE_WITHOUT_ROW and WORK_NAME.fullmatch(name):
                out.unseal(self._id, name)
            else:
                continue
            self._report.removed.append(one.subject)

    def _unknown_files(self) -> list[SentFile]:
        out = self._trees.out
        found = []
        for one in self._found:
            name = one.subject.rsplit("/", 1)[-1]
            if one.kind is Kind.MANIFEST_UNKNOWN and not acknowledgement_number(_named(name)):
                try:
                    found.append(_sent_file(out, self._id, name))
                except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
                    raise Refusal(
                        f"{one.subject} is no manifest, or its copy is missing: move it away"
                    ) from error
        return sorted(found, key=lambda one: int(one.manifest["fileSequence"]))

    def _unknown_acknowledgements(self) -> list[dict[str, Any]]:
        """The manifests of those that the partner has, or could have taken."""
        out, found = self._trees.out, []
        for one in self._found:
            name = one.subject.rsplit("/", 1)[-1]
            if one.kind is Kind.MANIFEST_UNKNOWN and acknowledgement_number(_named(name)):
                manifest = orjson.loads(out.archived(self._id, name).read_bytes())
                data = out.sealed_data(self._id, f"acknowledgement-{manifest['identifier']}")
                # Still in work: the rename into the partner's directory has not happened.
                if data is None or hashlib.sha256(data).hexdigest() != manifest["fileSha256"]:
                    found.append(manifest)
        return found

    def _unknown_received(self) -> dict[str, str]:
        """Our names of inbound files to put back, each with where it lies; "" if it is back."""
        areas = {Kind.ARCHIVE_FILE_UNKNOWN: "archive", Kind.QUARANTINE_FILE_UNKNOWN: "quarantine"}
        found = {}
        back = sizes(self._trees.in_.inbox(self._id))
        for one in self._found:
            claim = one.subject.rsplit("/", 1)[-1]
            if one.kind in areas and not one.detail.endswith("DISCARDED"):
                found[claim] = areas[one.kind]
            elif one.kind is Kind.CLAIMED_WITHOUT_FILE and requeued_name(claim) in back:
                found.setdefault(claim, "")
        return found

    def _work_path(self, sent: SentFile) -> str:
        return f"out/work/{self._id}/{sent.manifest['batch']}"


def _named(manifest: str) -> str:
    return manifest.removesuffix(".json")


def _sent_file(out: Outbound, warehouse: str, name: str) -> SentFile:
    manifest = orjson.loads(out.archived(warehouse, name).read_bytes())
    copy = out.archived(warehouse, manifest["name"])
    if manifest["warehouse"] != warehouse or f"{manifest['name']}.json" != name:
        raise ValueError(name)
    columns = list(ManifestLine._fields)
    lines = [line for order in manifest["orders"] for line in order["lines"]]
    # Read by their places: of another release's manifest they would mean something else.
    if manifest["lineColumns"] != columns or any(len(line) != len(columns) for line in lines):
        raise ValueError(name)
    return SentFile(
        manifest,
        tree=UUID(manifest["tree"]),
        published=not _in_work(out, manifest),
        sealed_at=datetime.fromtimestamp(copy.lstat().st_mtime, UTC),
    )


def _in_work(out: Outbound, manifest: dict[str, Any]) -> bool:
    """Whether the very file of a manifest still lies in `work`: it was not renamed."""
    try:
        data = out.work(manifest["warehouse"], manifest["batch"]).read_bytes()
    except FileNotFoundError:
        return False
    return hashlib.sha256(data).hexdigest() == str(manifest["fileSha256"])
