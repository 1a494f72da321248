"""Compares the trees of files with the rows of one warehouse.

What a daemon does next by itself is no disagreement: a file in `work` whose row says that it is to
be archived or quarantined, a renamed file whose publication is not recorded yet, what was left in
`out/work` by a batch that was not sealed and is written again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import psycopg

from console.reconcile.kinds import Disagreement, Kind
from core.db import reconciling_batches
from core.db.reconciling_batches import SentFile
from core.directory import Inbound, Outbound
from core.directory.listing import directories, ends_whole, sizes


@dataclass(frozen=True, slots=True)
class Trees:
    """The two trees."""

    out: Outbound
    in_: Inbound


def compare(conn: psycopg.Connection, trees: Trees, warehouse: str) -> list[Disagreement]:
    """Every disagreement of this warehouse's files with its rows.

    Without the warehouse's turns it may find what is just under way.
    """
    return [
        *_outbound(conn, trees.out, warehouse),
        *_inbound(conn, trees.in_, warehouse),
    ]


def unknown_directories(trees: Trees, known: set[str]) -> Iterator[Disagreement]:
    """Directories of warehouses that the database does not have, unless they are empty."""
    for tree, root, areas in (
        ("out", trees.out.root, trees.out.AREAS),
        ("in", trees.in_.root, trees.in_.AREAS),
    ):
        for area in areas:
            for name in sorted(directories(root / area) - known):
                files = sizes(root / area / name)
                if files:
                    path = f"{tree}/{area}/{name}"
                    detail = f"{len(files)} files"
                    yield Disagreement(Kind.DIRECTORY_UNKNOWN, name, path, detail)


def _outbound(conn: psycopg.Connection, tree: Outbound, warehouse: str) -> Iterator[Disagreement]:
    # The files first, the rows after: what is done between the two looks is then known.
    work = sizes(tree.root / "work" / warehouse)
    outbox = sizes(tree.outbox(warehouse))
    archive = sizes(tree.root / "archive" / warehouse)
    rows = {row.name: row for row in reconciling_batches.sent_files(conn, warehouse)}
    mounted = tree.tree_id()
    yield from _sent_files(tree, warehouse, mounted, rows, work, archive)
    yield from _stray_work(conn, warehouse, rows, work)
    for name in sorted(outbox.keys() - rows.keys()):
        size = f"{outbox[name]} bytes"
        yield Disagreement(Kind.OUTBOX_FILE_UNKNOWN, warehouse, f"out/{warehouse}/{name}", size)
    for name in sorted(archive.keys() - rows.keys()):
        path = f"out/archive/{warehouse}/{name}"
        if name.endswith(".json"):
            detail = "the database has no file of this name"
            if name.removesuffix(".json") not in rows:
                yield Disagreement(Kind.MANIFEST_UNKNOWN, warehouse, path, detail)
        elif f"{name}.json" not in archive:
            yield Disagreement(Kind.COPY_UNKNOWN, warehouse, path, f"{archive[name]} bytes")


def _sent_files(
    tree: Outbound,
    warehouse: str,
    mounted: UUID,
    rows: dict[str, SentFile],
    work: dict[str, int],
    archive: dict[str, int],
) -> Iterator[Disagreement]:
    for name, row in rows.items():
        # Files of another tree cannot be looked for in this one.
        if row.tree != mounted:
            continue
        path = f"out/archive/{warehouse}/{name}"
        copied = archive.get(name) == row.byte_count
        manifest = f"{name}.json" in archive and ends_whole(
            tree.archived(warehouse, f"{name}.json")
        )
        if row.published:
            if not copied:
                detail = f"{archive.get(name, 'no')} bytes instead of {row.byte_count}"
                yield Disagreement(Kind.PUBLISHED_WITHOUT_COPY, warehouse, path, detail)
            if not manifest:
                detail = f"{row.work} in out/work"
                yield Disagreement(
                    Kind.PUBLISHED_WITHOUT_MANIFEST, warehouse, f"{path}.json", detail
                )
            continue
        if manifest and not is_manifest_of(tree, warehouse, row):
            yield Disagreement(
                Kind.MANIFEST_UNKNOWN,
                warehouse,
                f"{path}.json",
                f"{row.work} was sealed as another file under this name",
            )
        # Renamed, and not recorded yet: the daemon's next pass does it, unless it was set aside.
        renamed = copied and manifest and row.stage_status == "In Progress"
        if work.get(row.work) != row.byte_count and not renamed:
            detail = f"{work.get(row.work, 'no')} bytes instead of {row.byte_count}"
            yield Disagreement(
                Kind.SEALED_WITHOUT_FILE, warehouse, f"out/work/{warehouse}/{row.work}", detail
            )


def is_manifest_of(tree: Outbound, warehouse: str, row: SentFile) -> bool:
    """Whether the manifest under the name of a row is of the very file that was sealed."""
    data = tree.archived(warehouse, f"{row.name}.json").read_bytes()
    # The digest's name and value, as orjson writes them: no need to read thousands of lines.
    return b'"fileSha256":"%b"' % row.file_sha256.hex().encode() in data


def _stray_work(
    conn: psycopg.Connection, warehouse: str, rows: dict[str, SentFile], work: dict[str, int]
) -> Iterator[Disagreement]:
    owned = {row.work for row in rows.values() if not row.published}
    strays = work.keys() - owned
    if strays:
        # They write it again when they are sealed.
        strays -= reconciling_batches.unsealed(conn, warehouse)
    for name in sorted(strays):
        yield Disagreement(
            Kind.WORK_FILE_WITHOUT_ROW,
            warehouse,
            f"out/work/{warehouse}/{name}",
            f"{work[name]} bytes",
        )


def _inbound(conn: psycopg.Connection, tree: Inbound, warehouse: str) -> Iterator[Disagreement]:
    areas = {area: sizes(tree.root / area / warehouse) for area in tree.AREAS}
    work, archive, quarantine = (areas[area] for area in ("work", "archive", "quarantine"))
    rows = reconciling_batches.received_files(conn, warehouse)
    for claim, status in sorted(rows.items()):
        kind = _missing(claim, status, work, archive, quarantine)
        if kind is not None:
            yield Disagreement(kind, warehouse, f"in/{claim}", f"its row says {status}")
    for claim in sorted(work.keys() & rows.keys()):
        if rows[claim] in ("ARCHIVED", "REQUEUED", "DISCARDED"):
            path = f"in/work/{warehouse}/{claim}"
            yield Disagreement(
                Kind.WORK_FILE_DECIDED, warehouse, path, f"its row says {rows[claim]}"
            )
    for claim in sorted(archive):
        status = rows.get(claim, "unknown")
        if status in ("unknown", "CLAIMED", "QUARANTINED"):
            path = f"in/archive/{warehouse}/{claim}"
            yield Disagreement(Kind.ARCHIVE_FILE_UNKNOWN, warehouse, path, f"its row says {status}")
    yield from _quarantined(warehouse, rows, quarantine)


def _missing(
    claim: str,
    status: str,
    work: dict[str, int],
    archive: dict[str, int],
    quarantine: dict[str, int],
) -> Kind | None:
    """What is wrong with the place of a row's file, if anything."""
    if status == "CLAIMED" and claim not in work:
        return Kind.CLAIMED_WITHOUT_FILE
    if status == "LOADED" and claim not in work and not archive.get(claim):
        return Kind.LOADED_WITHOUT_FILE
    if status == "REPEATED" and claim not in work and not archive.get(claim):
        return Kind.ARCHIVED_WITHOUT_FILE
    if status == "ARCHIVED" and not archive.get(claim):
        return Kind.ARCHIVED_WITHOUT_FILE
    if status == "QUARANTINED" and claim not in work and claim not in quarantine:
        return Kind.QUARANTINED_WITHOUT_FILE
    return None


def _quarantined(
    warehouse: str, rows: dict[str, str], quarantine: dict[str, int]
) -> Iterator[Disagreement]:
    for name in sorted(quarantine):
        path = f"in/quarantine/{warehouse}/{name}"
        if name.endswith(".reason"):
            claim = name.removesuffix(".reason")
            # Written before its file is moved here.
            if claim not in quarantine and rows.get(claim) not in ("CLAIMED", "QUARANTINED"):
                yield Disagreement(Kind.REASON_WITHOUT_FILE, warehouse, path, "")
            continue
        status = rows.get(name, "unknown")
        if status != "QUARANTINED":
            detail = f"its row says {status}"
            yield Disagreement(Kind.QUARANTINE_FILE_UNKNOWN, warehouse, path, detail)
        if not quarantine.get(f"{name}.reason"):
            yield Disagreement(Kind.REASON_MISSING, warehouse, path, "")
