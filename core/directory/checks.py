"""Whether a directory can be a tree: there, writable, on one file system of a known kind."""

from __future__ import annotations

import os
from pathlib import Path

KNOWN_FILE_SYSTEMS = frozenset({"ext4", "xfs", "btrfs", "nfs4", "tmpfs", "overlay"})
"""tmpfs and overlay serve demonstrations and tests: they keep nothing through a power cut."""


def problems_of_tree(root: Path, areas: tuple[str, ...]) -> list[str]:
    """What would keep a tree from working, as sentences."""
    if not root.is_dir():
        return [f"{root} is no directory: mount the tree, or make it with cmp-orders tree init"]
    problems = []
    device = root.stat().st_dev
    for area in areas:
        path = root / area
        if not path.is_dir():
            problems.append(f"{path} is no directory: make it with cmp-orders tree init")
        elif path.stat().st_dev != device:
            problems.append(
                f"{path} is on another file system than {root}: a rename cannot cross over"
            )
        elif not os.access(path, os.W_OK | os.X_OK):
            problems.append(f"{path} cannot be written by user {os.geteuid()}")
    return problems


def warnings_of_tree(root: Path) -> list[str]:
    """What is unusual about a tree's file system, as sentences."""
    kind = file_system(root)
    if kind in KNOWN_FILE_SYSTEMS:
        return []
    return [f"{root} is on {kind}, which has not been tried; ext4, xfs, btrfs and nfs4 have"]


def file_system(path: Path) -> str:
    """The type of the file system that holds a path, as /proc/self/mountinfo names it."""
    wanted = path.stat().st_dev
    kind = "an unknown file system"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        major, _, minor = before.split()[2].partition(":")
        if os.makedev(int(major), int(minor)) == wanted:
            kind = after.split()[0]
    return kind
