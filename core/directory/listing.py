"""What lies in a directory of a tree, as reconcile compares it with the tables."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def sizes(directory: Path) -> dict[str, int]:
    """Name and size in bytes of every file that is no temporary one; none without a directory."""
    found: dict[str, int] = {}
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            # Gone between the two looks: as if it had never been listed.
            with suppress(FileNotFoundError):
                found[entry.name] = entry.stat(follow_symlinks=False).st_size
    return found


def directories(root: Path) -> set[str]:
    """The names of the directories in a directory, none if it does not exist."""
    with suppress(FileNotFoundError), os.scandir(root) as entries:
        return {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
    return set()


def ends_whole(path: Path) -> bool:
    """Whether a JSON object was written to its end; False too if it is not there."""
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"}"
    except OSError:
        return False
