"""The outbound tree: files are sealed in `work` and published by one rename."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from core.directory import durable
from core.directory.checks import problems_of_tree, warnings_of_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = re.compile(
    r"(?P<kind>order-request|acknowledgement)-[A-Z0-9][A-Z0-9_-]*-(?P<number>\d{8,})\.p7m"
)


def published_name(warehouse: str, sequence: int) -> str:
    """The name under which a partner finds a file: order-request-LONDON-00000042.p7m."""
    return f"order-request-{warehouse}-{sequence:08}.p7m"


def acknowledgement_name(warehouse: str, number: int) -> str:
    """The name of an acknowledgement: acknowledgement-LONDON-00000042.p7m."""
    return f"acknowledgement-{warehouse}-{number:08}.p7m"


def sequence_of(name: str) -> int:
    """The file sequence in the published name of a request file, 0 for any other name."""
    return _number(name, "order-request")


def acknowledgement_number(name: str) -> int:
    """The number in the published name of an acknowledgement, 0 for any other name."""
    return _number(name, "acknowledgement")


def _number(name: str, kind: str) -> int:
    found = _NAME.fullmatch(name)
    return int(found["number"]) if found and found["kind"] == kind else 0


class Outbound:
    """`out/`: what goes to the partners: request files and acknowledgements.

    In `work` a request file has the number of its batch, an acknowledgement a name that says so.

    Steps may be taken twice; after a crash at any point, taking them again finishes the work.
    """

    AREAS = ("work", "archive")

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lasting: set[Path] = set()

    def outbox(self, warehouse: str) -> Path:
        """Where the partner takes its files."""
        return self.root / warehouse

    def work(self, warehouse: str, batch: int | str) -> Path:
        """The sealed file of a batch, or an acknowledgement, that is not published yet."""
        return self.root / "work" / warehouse / str(batch)

    def archived(self, warehouse: str, name: str) -> Path:
        """Our own copy of a published file."""
        return self.root / "archive" / warehouse / name

    def tree_id(self) -> uuid.UUID:
        """The id that this tree was given when it was made.

        FileNotFoundError says that no tree is here: it is not mounted, or `tree init` has not run.
        """
        return uuid.UUID((self.root / "work" / ".id").read_text(encoding="ascii").strip())

    def init(self) -> uuid.UUID:
        """Make the tree, if it is not there, and give it an id, if it has none."""
        self.root.mkdir(parents=True, exist_ok=True)
        for area in self.AREAS:
            durable.make_directory(self.root / area)
        path = self.root / "work" / ".id"
        with suppress(FileExistsError):
            durable.create(path, f"{uuid.uuid4()}\n".encode())
        durable.sync_directory(path.parent)
        return self.tree_id()

    def prepare(self, warehouse: str) -> None:
        """Make the warehouse's directories, if they are not there."""
        for directory in (
            self.outbox(warehouse),
            self.root / "work" / warehouse,
            self.root / "archive" / warehouse,
        ):
            if directory not in self._lasting or not directory.is_dir():
                durable.make_directory(directory)
                self._lasting.add(directory)

    def seal(self, warehouse: str, batch: int | str, data: bytes) -> None:
        """Write a batch's file into `work`, to last, in place of what an attempt left there."""
        path = self.work(warehouse, batch)
        durable.create_anew(path, data)
        durable.sync_directory(path.parent)

    def unseal(self, warehouse: str, batch: int | str) -> None:
        """Remove what an uncommitted attempt left of a batch that needs no file after all."""
        durable.unlink(self.work(warehouse, batch))

    def sealed_data(self, warehouse: str, batch: int | str) -> bytes | None:
        """The bytes of the sealed file in `work`; None if it is not there."""
        try:
            return self.work(warehouse, batch).read_bytes()
        except FileNotFoundError:
            return None

    def has_copy(self, warehouse: str, name: str) -> bool:
        """Whether the archive has a copy: it is made, to last, before a file is published."""
        return self.archived(warehouse, name).exists()

    def reseal(self, warehouse: str, batch: int | str, other: int | str) -> None:
        """Give the sealed file of a batch to another batch as well, to last."""
        durable.link(self.work(warehouse, batch), self.work(warehouse, other))
        durable.sync_directory(self.work(warehouse, other).parent)

    def copy_of(self, warehouse: str, name: str) -> bytes | None:
        """The archive's copy of a file; None if it is not there."""
        try:
            return self.archived(warehouse, name).read_bytes()
        except FileNotFoundError:
            return None

    def drop_copy(self, warehouse: str, name: str) -> None:
        """Remove the archive's copy of a file that was never published, and its manifest."""
        durable.unlink(self.archived(warehouse, f"{name}.json"))
        durable.unlink(self.archived(warehouse, name))

    def publish(self, warehouse: str, batch: int | str, name: str, manifest: bytes) -> bool:
        """Put copy and manifest into the archive, then the file into the outbox, each to last.

        False says that the file is not in `work` any more: an earlier attempt has published it.
        FileExistsError says that another file has gone out under this name.
        """
        work = self.work(warehouse, batch)
        archived = self.archived(warehouse, name)
        if work.exists():
            _refuse_other(archived.with_name(f"{name}.json"), manifest)
        try:
            durable.link(work, archived)
        except FileExistsError:
            # Sent again: the copy of the first time stays, of the same bytes in a file of its own.
            if archived.read_bytes() != work.read_bytes():
                raise
        except FileNotFoundError:
            # The rename of an earlier attempt may not have been synced before it ended.
            durable.sync_directory(self.outbox(warehouse))
            durable.sync_directory(work.parent)
            return False
        durable.replace(archived.with_name(f"{name}.json"), manifest)
        durable.sync_directory(archived.parent)
        durable.rename(work, self.outbox(warehouse) / name)
        return True

    def present(self, warehouse: str) -> set[str]:
        """The names that lie in the outbox now."""
        return _names(self.outbox(warehouse))

    def in_work(self, warehouse: str) -> set[str]:
        """The names that lie in `work` now."""
        return _names(self.root / "work" / warehouse)

    def highest_sequence(self, warehouse: str) -> int:
        """The highest file sequence that the archive has a manifest of, 0 if it has none."""
        names = _names(self.root / "archive" / warehouse)
        return max((sequence_of(n.removesuffix(".json")) for n in names), default=0)

    def highest_acknowledgement(self, warehouse: str) -> int:
        """The highest number of an acknowledgement in the archive, 0 if there is none."""
        names = _names(self.root / "archive" / warehouse)
        return max((acknowledgement_number(n.removesuffix(".json")) for n in names), default=0)

    def manifests(self, warehouse: str, *, above: int = 0) -> Iterator[bytes]:
        """The manifests of the files with a sequence above the given one, in their order."""
        names = {n for n in _names(self.root / "archive" / warehouse) if n.endswith(".json")}
        numbered = sorted((sequence_of(n.removesuffix(".json")), n) for n in names)
        for sequence, name in numbered:
            if sequence > above:
                yield self.archived(warehouse, name).read_bytes()

    def check(self) -> list[str]:
        """What would keep this tree from working, as sentences; a test file goes through it."""
        problems = problems_of_tree(self.root, self.AREAS)
        if not problems:
            try:
                self.tree_id()
            except (OSError, ValueError):
                problems.append(
                    f"{self.root}/work/.id is missing or unreadable: mount the tree, or make it "
                    "with cmp-orders tree init"
                )
        if not problems:
            problems += self._try_out()
        return problems

    def warnings(self) -> list[str]:
        """What is unusual about the tree, as sentences."""
        return warnings_of_tree(self.root) if self.root.is_dir() else []

    def _try_out(self) -> list[str]:
        mark = f".check-{os.getpid()}-{secrets.token_hex(4)}"
        work, archive = self.root / "work" / mark, self.root / "archive" / mark
        try:
            durable.create(work, b"check")
            durable.link(work, archive)
            durable.unlink(archive)
            durable.rename(work, archive)
        except OSError as error:
            return [f"{self.root}: a test file could not be taken through it: {error}"]
        finally:
            for path in (work, archive):
                with suppress(OSError):
                    durable.unlink(path)
        return []


def _refuse_other(path: Path, manifest: bytes) -> None:
    """A manifest outlives its copy, which may be removed: no other file takes its name."""
    try:
        earlier = json.loads(path.read_bytes())["fileSha256"]
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        # None, or none of ours.
        return
    # By content: an adopted file may have another identifier than when it was sent.
    if earlier != json.loads(manifest)["fileSha256"]:
        raise FileExistsError(
            errno.EEXIST,
            "another file went out under this name (cmp-orders reconcile tells of it):",
            str(path),
        )


def _names(directory: Path) -> set[str]:
    """The names in a directory that are nobody's temporary files; none if it does not exist."""
    try:
        return {name for name in os.listdir(directory) if not name.startswith(".")}
    except FileNotFoundError:
        return set()
