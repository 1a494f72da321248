"""The inbound tree: files are claimed by a rename, read once, and archived or quarantined."""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.directory import durable
from core.directory.checks import problems_of_tree, warnings_of_tree
from core.errors import Reason, Reject

if TYPE_CHECKING:
    from pathlib import Path

TAKEN_UP = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,59}\.(p7m|pgp)")
"""The names that are taken up; with their ending they have 64 characters at most."""
_CLAIM = re.compile(r"\d{19}-[0-9a-f]{8}-(?P<partner_name>.+)")


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """A file that can be claimed; they sort in the order of loading."""

    written_at: float
    """Seconds since the epoch."""
    name: str


class Inbound:
    """`in/`: what comes from the partners.

    Steps may be taken twice; after a crash at any point, taking them again finishes the work.
    """

    AREAS = ("work", "archive", "quarantine")

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lasting: set[Path] = set()

    def inbox(self, warehouse: str) -> Path:
        """Where the partner drops its files."""
        return self.root / warehouse

    def place(self, area: str, warehouse: str, claim: str) -> Path:
        """A claimed file in work, archive or quarantine."""
        return self.root / area / warehouse / claim

    def init(self) -> None:
        """Make the tree, if it is not there."""
        self.root.mkdir(parents=True, exist_ok=True)
        for area in self.AREAS:
            durable.make_directory(self.root / area)

    def prepare(self, warehouse: str) -> None:
        """Make the warehouse's directories, if they are not there."""
        areas = [self.root / area / warehouse for area in self.AREAS]
        for directory in (self.inbox(warehouse), *areas):
            if directory not in self._lasting or not directory.is_dir():
                durable.make_directory(directory)
                self._lasting.add(directory)

    def inboxes(self) -> list[Path]:
        """The partners' directories that are there now."""
        with suppress(FileNotFoundError):
            entries = sorted(self.root.iterdir())
            return [path for path in entries if path.name not in self.AREAS and path.is_dir()]
        return []

    def candidates(self, warehouse: str) -> tuple[list[Candidate], list[str]]:
        """What can be claimed, oldest first, and the names of strays.

        A name that begins with a dot is the partner's unfinished file, and neither.
        """
        found, strays = [], []
        with suppress(FileNotFoundError), os.scandir(self.inbox(warehouse)) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    regular = entry.is_file(follow_symlinks=False)
                    written_at = entry.stat(follow_symlinks=False).st_mtime
                except FileNotFoundError:
                    continue
                if regular and TAKEN_UP.fullmatch(entry.name):
                    found.append(Candidate(written_at, entry.name))
                else:
                    strays.append(entry.name)
        return sorted(found), sorted(strays)

    def waiting(self) -> int:
        """How many files were dropped or claimed and are not done with, as far as can be seen."""
        found = 0
        for inbox in self.inboxes():
            # Of a directory that cannot be read the work itself tells.
            with suppress(OSError):
                found += len(self.candidates(inbox.name)[0]) + len(self.claimed(inbox.name))
        return found

    def claim(self, warehouse: str, name: str) -> str | None:
        """Make a partner's file ours under a name of our own, to last; None if it is gone.

        Our names sort by the time of the claim, are never used twice, and end with the partner's.
        """
        claim = f"{time.time_ns():019}-{secrets.token_hex(4)}-{name}"
        try:
            durable.rename(self.inbox(warehouse) / name, self.place("work", warehouse, claim))
        except FileNotFoundError:
            return None
        return claim

    def claimed(self, warehouse: str) -> list[str]:
        """The files in `work`, oldest claim first."""
        return self.names("work", warehouse)

    def keep_claims(self, warehouse: str) -> None:
        """Make the claims found in `work` last, before anything is built on them.

        Whoever claimed them may have ended between the rename and the sync.
        """
        durable.sync_directory(self.root / "work" / warehouse)
        durable.sync_directory(self.inbox(warehouse))

    def was_archived(self, warehouse: str, claim: str) -> bool:
        """Whether archive() had done all its steps when it was ended; then they last."""
        work = self.place("work", warehouse, claim)
        if work.exists() or not self.place("archive", warehouse, claim).exists():
            return False
        # The copy had been synced before the claimed file was let go of.
        durable.sync_directory(work.parent)
        return True

    def names(self, area: str, warehouse: str) -> list[str]:
        """The claimed files in an area, oldest claim first."""
        try:
            return sorted(
                n
                for n in os.listdir(self.root / area / warehouse)
                if _CLAIM.fullmatch(n) and not n.endswith(".reason")
            )
        except FileNotFoundError:
            return []

    def written_at(self, warehouse: str, claim: str) -> datetime:
        """When the partner wrote a claimed file; FileNotFoundError if it is not in `work`."""
        seconds = os.lstat(self.place("work", warehouse, claim)).st_mtime
        # A partner can set any time, also one that no date can hold.
        return datetime.fromtimestamp(min(max(seconds, 0), 253402300799), UTC)

    def read(self, warehouse: str, claim: str, limit: int) -> bytes:
        """Read a claimed file once and whole; Reject if it is empty, too large, or not regular."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        path = self.place("work", warehouse, claim)
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise Reject(Reason.NOT_REGULAR, "only regular files are taken up")
        try:
            descriptor = os.open(path, flags)
        except PermissionError:
            raise Reject(Reason.NOT_READABLE, "give the group the right to read the file") from None
        with open(descriptor, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Reject(Reason.NOT_REGULAR, "only regular files are taken up")
            # One byte more than allowed tells a file that is, or grows, too large.
            data = _read_up_to(file, limit + 1)
        if len(data) > limit:
            raise Reject(Reason.FILE_TOO_LARGE, f"a file may have {limit} bytes at most")
        if not data:
            raise Reject(Reason.FILE_EMPTY, "the file has no content")
        return data

    def copy_of(self, warehouse: str, claim: str) -> bytes | None:
        """Our own copy of a file in the archive, which a crash may have left unfinished."""
        try:
            return self.place("archive", warehouse, claim).read_bytes()
        except FileNotFoundError:
            return None

    def archive(self, warehouse: str, claim: str, data: bytes) -> None:
        """Keep the bytes that were read as our own file, then let go of the claimed one."""
        copy = self.place("archive", warehouse, claim)
        durable.create_anew(copy, data)
        durable.sync_directory(copy.parent)
        durable.unlink(self.place("work", warehouse, claim))

    def quarantine(self, warehouse: str, claim: str, reason: Reason, sentence: str) -> None:
        """Set a claimed file aside with its reason beside it."""
        kept = self.place("quarantine", warehouse, claim)
        # Its name lasts together with that of the file, which is synced after the rename.
        durable.replace(kept.with_name(f"{claim}.reason"), f"{reason}\n{sentence}\n".encode())
        with suppress(FileNotFoundError):
            durable.rename(self.place("work", warehouse, claim), kept)

    def requeue(self, area: str, warehouse: str, claim: str) -> bool:
        """Put a file from quarantine or archive back where the partner dropped it; False if gone.

        The name begins with `requeued-`, so that no new file of the partner is overwritten.
        """
        source = self.place(area, warehouse, claim)
        target = self.inbox(warehouse) / requeued_name(claim)
        try:
            if area == "archive":
                durable.link(source, target)
                durable.sync_directory(target.parent)
            else:
                # The reason first: without its file nobody would find it again.
                durable.unlink(source.with_name(f"{claim}.reason"))
                durable.rename(source, target)
        except FileNotFoundError:
            return False
        return True

    def discard(self, warehouse: str, claim: str) -> None:
        """Remove a quarantined file and its reason for good; it may be no file but a directory."""
        kept = self.place("quarantine", warehouse, claim)
        durable.unlink(kept.with_name(f"{claim}.reason"))
        durable.remove(kept)

    def check(self) -> list[str]:
        """What would keep this tree from working, as sentences; a test file goes through it."""
        problems = problems_of_tree(self.root, self.AREAS)
        return problems or self._try_out()

    def warnings(self) -> list[str]:
        """What is unusual about the tree, as sentences."""
        return warnings_of_tree(self.root) if self.root.is_dir() else []

    def _try_out(self) -> list[str]:
        mark = f".check-{os.getpid()}-{secrets.token_hex(4)}"
        work, kept = self.root / "work" / mark, self.root / "quarantine" / mark
        try:
            durable.create(work, b"check")
            durable.rename(work, kept)
        except OSError as error:
            return [f"{self.root}: a test file could not be taken through it: {error}"]
        finally:
            for path in (work, kept):
                with suppress(OSError):
                    durable.unlink(path)
        return []


def partner_name(claim: str) -> str:
    """The partner's own name of a claimed file."""
    found = _CLAIM.fullmatch(claim)
    return found["partner_name"] if found else claim


def requeued_name(claim: str) -> str:
    """A name for a file that is loaded again: never one that a partner uses, and taken up."""
    digest = claim.split("-", 2)
    ending = partner_name(claim).rsplit(".", 1)[-1]
    return f"requeued-{digest[0]}-{digest[1]}.{ending}"


def requeued_from(name: str) -> str | None:
    """How our name began of the file that was requeued under this name; None for any other."""
    found = re.fullmatch(r"requeued-(\d{19}-[0-9a-f]{8})\.[a-z0-9]+", name)
    return f"{found[1]}-" if found else None


def _read_up_to(file: object, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size < limit and (part := file.read(min(limit - size, 1 << 20))):  # type: ignore[attr-defined]
        parts.append(part)
        size += len(part)
    return b"".join(parts)
