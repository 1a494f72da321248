"""The few operations on files that a crash may interrupt, each with what makes it last.

Written data last once the file is synced; a name made, moved or removed lasts once its directory is
synced, and a rename between two directories once both are. Nothing else in the project writes to
the trees, so that a test can stop at each of these steps and undo what had not been synced.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_MODE = 0o640
DIRECTORY_MODE = 0o770
"""A setgid bit comes from the directory above; asking for it is not allowed to a hardened unit."""


def create(path: Path, data: bytes) -> None:
    """Write a new file whole and sync its content; its name lasts after sync_directory().

    Raises FileExistsError rather than write to what is there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, FILE_MODE)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_anew(path: Path, data: bytes) -> None:
    """As create(), after removing what an interrupted attempt left under the same name."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    create(path, data)


def replace(path: Path, data: bytes) -> None:
    """Put a file whole in place of another, never half; it lasts after sync_directory()."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    create_anew(unfinished, data)
    os.rename(unfinished, path)


def rename(source: Path, target: Path) -> None:
    """Move a file and make the move last: both directories are synced, the target's first."""
    os.rename(source, target)
    sync_directory(target.parent)
    sync_directory(source.parent)


def link(source: Path, target: Path) -> None:
    """Give a file a second name, if it does not have it; it lasts after sync_directory().

    Raises FileExistsError if the name belongs to another file.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        if not os.path.samestat(os.lstat(source), os.lstat(target)):
            raise


def unlink(path: Path) -> None:
    """Remove a name, if it is there, and make that last."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    sync_directory(path.parent)


def remove(path: Path) -> None:
    """As unlink(); a directory goes with all that is in it, and nothing that links lead to."""
    if path.is_dir() and not path.is_symlink():
        # Safe while somebody exchanges what is in it: each step goes by its directory's descriptor.
        shutil.rmtree(path)
    unlink(path)


def sync_directory(path: Path) -> None:
    """Make the names in a directory last."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Make a directory, if it is not there, and make its name last.

    Also if it is there: whoever made it may have ended before its name was synced. The group can
    use it whatever the umask: daemons and console are different users, and share the trees.
    """
    before = os.umask(0o007)
    try:
        with suppress(FileExistsError):
            os.mkdir(path, DIRECTORY_MODE)
    finally:
        os.umask(before)
    sync_directory(path.parent)
