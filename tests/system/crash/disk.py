"""What of the files would survive a power failure.

`Disk` stands in for `os` in core.directory.durable, which alone writes to the trees. The operations
are carried out at once, as the page cache would show them; beside that it keeps what has not been
synced, and `power_cut` undoes it:

- data of a file last from its fsync on; a file that was never synced is empty afterwards;
- a name that was made or removed lasts from the fsync of its directory on;
- a rename lasts once both its directories have been synced, and until then did not happen at all
  (file systems with a journal rename atomically);
- a directory lasts once the one that holds it has been synced; if it goes, all in it goes.

The undoing is the worst case: a real file system may have kept any part of it. A process that is
merely killed leaves everything as it is, and the next process may build on what never lasts.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from tests.system.crash.steps import Steps

Site = tuple[str, ...]
"""Where an fsync is called: functions and line numbers in core/directory, outermost first."""
TREES = str(Path("core") / "directory") + os.sep


@dataclass
class Change:
    """A change of names that does not last yet: until all these directories have been synced."""

    kind: str
    path: Path
    directories: set[Path]
    kept: Path | None = None
    """A name of ours for the file that the change was about, so that it can be brought back."""
    source: Path | None = None
    """Where a renamed file came from."""
    replaced: Path | None = None
    """A name of ours for the file that a rename replaced."""
    names: set[Path] = field(init=False)

    def __post_init__(self) -> None:
        self.names = {self.path} | ({self.source} if self.source else set())


class Disk:
    """A stand-in for the module `os`; what it does not define is the module's own."""

    def __init__(self, steps: Steps, kept: Path) -> None:
        self._steps = steps
        self._kept = kept
        """A folder on the same file system, for second names of files."""
        kept.mkdir()
        self._number = 0
        self._pending: list[Change] = []
        self._unsynced: dict[tuple[int, int], Path] = {}
        self._opened: dict[int, Path] = {}
        self.ignored: Site | None = None
        """The one call of fsync that has no effect."""
        self.synced: set[Site] = set()
        """Every place from which fsync was called."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    # What durable.py calls.

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        """As os.open; creating a file is a step."""
        if flags & os.O_CREAT:
            self._steps.take(f"create {path.name}")
        descriptor = os.open(path, flags, mode)
        self._opened[descriptor] = path
        if flags & os.O_CREAT:
            kept = self._keep(path)
            self._unsynced[_identity(path)] = kept
            self._pending.append(Change("create", path, {path.parent}, kept))
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        """As os.write; a step."""
        self._steps.take(f"write {self._opened[descriptor].name}")
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        """As os.fsync, as far as the model goes; a step."""
        path = self._opened[descriptor]
        self._steps.take(f"sync {path.name}")
        site = _site()
        self.synced.add(site)
        if site == self.ignored:
            return
        if path.is_dir():
            self._sync_directory(path)
        else:
            self._unsynced.pop(_identity(path), None)

    def close(self, descriptor: int) -> None:
        """As os.close; no step."""
        del self._opened[descriptor]
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """As os.rename; a step."""
        self._steps.take(f"rename {source.name} to {target.parent.name}/{target.name}")
        kept = self._keep(source)
        replaced = self._keep(target) if os.path.lexists(target) else None
        source.rename(target)
        directories = {source.parent, target.parent}
        self._pending.append(Change("rename", target, directories, kept, source, replaced))

    def link(self, source: Path, target: Path, *, follow_symlinks: bool = True) -> None:
        """As os.link; a step."""
        self._steps.take(f"link {source.name} as {target.parent.name}/{target.name}")
        os.link(source, target, follow_symlinks=follow_symlinks)
        self._pending.append(Change("link", target, {target.parent}, self._keep(target)))

    def unlink(self, path: Path) -> None:
        """As os.unlink; a step, if there is something to remove."""
        if not os.path.lexists(path):
            raise FileNotFoundError(path)
        self._steps.take(f"unlink {path.name}")
        kept = self._keep(path)
        path.unlink()
        self._pending.append(Change("unlink", path, {path.parent}, kept))

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        """As os.mkdir; a step."""
        if os.path.lexists(path):
            raise FileExistsError(path)
        self._steps.take(f"mkdir {path.parent.name}/{path.name}")
        path.mkdir(mode)
        self._pending.append(Change("mkdir", path, {path.parent}))

    # What the tests ask and do.

    def is_lasting(self, path: Path) -> bool:
        """Whether a name would be there, with its data, after a power failure."""
        above = {path, *path.parents}
        unsure = any(change.names & above for change in self._pending)
        return path.exists() and not unsure and _identity(path) not in self._unsynced

    def settle(self) -> None:
        """As if the system had written everything by itself: all lasts."""
        self._pending.clear()
        self._unsynced.clear()
        self._opened.clear()

    def power_cut(self) -> None:
        """Undo whatever does not last, the latest first, and cut files to what was synced."""
        for change in reversed(self._pending):
            self._undo(change)
        for kept in self._unsynced.values():
            os.truncate(kept, 0)
        self.settle()

    def _undo(self, change: Change) -> None:
        if change.kind == "mkdir":
            shutil.rmtree(change.path, ignore_errors=True)
            return
        assert change.kept is not None
        if change.kind == "unlink":
            _bring_back(change.kept, change.path)
            return
        # Only if it still is that file: a later change that lasts may have replaced it.
        if change.path.exists() and change.kept.samefile(change.path):
            change.path.unlink()
        if change.kind == "rename":
            assert change.source is not None
            _bring_back(change.kept, change.source)
            if change.replaced is not None:
                _bring_back(change.replaced, change.path)

    def _sync_directory(self, path: Path) -> None:
        for change in self._pending:
            change.directories.discard(path)
        self._pending = [change for change in self._pending if change.directories]

    def _keep(self, path: Path) -> Path:
        self._number += 1
        kept = self._kept / str(self._number)
        os.link(path, kept, follow_symlinks=False)
        return kept


def _bring_back(kept: Path, path: Path) -> None:
    """Give a file its name again, unless its directory is gone or the name is taken."""
    if path.parent.is_dir() and not os.path.lexists(path):
        os.link(kept, path, follow_symlinks=False)


def _identity(path: Path) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _site() -> Site:
    """The calls within core/directory that led to the fsync of the moment."""
    site = []
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001  # the cheap way, and it is called often
    while frame is not None and TREES in frame.f_code.co_filename:
        site.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        frame = frame.f_back
    return tuple(reversed(site))
