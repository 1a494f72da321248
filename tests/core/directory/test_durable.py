"""The few operations on files: each may be taken twice, and none writes to what is not its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from core.directory import durable


def test_create_writes_to_nothing_that_is_there(tmp_path: Path) -> None:
    """A file, a link or a dangling link under the name is never written to, nor through."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"kept")
    (tmp_path / "link").symlink_to(victim)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("victim", "link", "dangling"):
        with pytest.raises(FileExistsError):
            durable.create(tmp_path / name, b"new")
    assert victim.read_bytes() == b"kept"
    assert not (tmp_path / "nowhere").exists()


def test_create_anew_replaces_the_name_alone(tmp_path: Path) -> None:
    """What an attempt left under the name is replaced; another name of the same file keeps it."""
    path, other = tmp_path / "file", tmp_path / "other"
    durable.create_anew(path, b"first")
    other.hardlink_to(path)
    durable.create_anew(path, b"second")
    assert (path.read_bytes(), other.read_bytes()) == (b"second", b"first")
    victim = tmp_path / "victim"
    victim.write_bytes(b"kept")
    (tmp_path / "link").symlink_to(victim)
    durable.create_anew(tmp_path / "link", b"new")
    assert victim.read_bytes() == b"kept"
    assert not (tmp_path / "link").is_symlink()


def test_files_are_not_for_others(tmp_path: Path) -> None:
    """A file can be read by its owner and group; no bit is given to others, nor to execute."""
    before = os.umask(0)
    try:
        durable.create(tmp_path / "file", b"")
        durable.make_directory(tmp_path / "folder")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) & 0o777 == 0o770


def test_replace_is_whole_at_any_time(tmp_path: Path) -> None:
    """Whoever reads while a file is replaced sees the old content or the new one, and no rest."""
    path = tmp_path / "file"
    durable.replace(path, b"first")
    (tmp_path / ".file.unfinished").write_bytes(b"of an attempt that ended")
    with path.open("rb") as reader:
        durable.replace(path, b"second")
        assert reader.read() == b"first"
    assert path.read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208  # hidden ones too


def test_link_may_be_taken_twice(tmp_path: Path) -> None:
    """A second name is given once; the same again is nothing, and another file's name is
    refused.
    """
    source, target, other = tmp_path / "source", tmp_path / "target", tmp_path / "other"
    source.write_bytes(b"x")
    other.write_bytes(b"x")
    durable.link(source, target)
    durable.link(source, target)
    assert source.samefile(target)
    with pytest.raises(FileExistsError):
        durable.link(source, other)
    assert not source.samefile(other)
    with pytest.raises(FileNotFoundError):
        durable.link(tmp_path / "gone", tmp_path / "new")


def test_link_follows_no_link(tmp_path: Path) -> None:
    """Of a symbolic link the link itself gets the second name, not what it points to."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"x")
    (tmp_path / "source").symlink_to(victim)
    durable.link(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").is_symlink()
    assert victim.stat().st_nlink == 1
    durable.link(tmp_path / "source", tmp_path / "target")
    with pytest.raises(FileExistsError):
        durable.link(tmp_path / "source", victim)


def test_unlink_and_make_may_be_taken_twice(tmp_path: Path) -> None:
    """What is gone is gone, and what is there is there."""
    (tmp_path / "file").touch()
    for _ in range(2):
        durable.unlink(tmp_path / "file")
        durable.make_directory(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    ("step", "synced"),
    [
        (lambda a: durable.create(a / "x", b"1"), ["x"]),
        (lambda a: durable.create_anew(a / "x", b"1"), ["x"]),
        (lambda a: durable.replace(a / "x", b"1"), [".x.unfinished"]),
        (lambda a: durable.unlink(a / "old"), ["a"]),
        (lambda a: durable.unlink(a / "gone"), ["a"]),
        (lambda a: durable.make_directory(a / "new"), ["a"]),
        (lambda a: durable.make_directory(a / "b"), ["a"]),
        (lambda a: durable.rename(a / "old", a / "b" / "new"), ["b", "a"]),
        (lambda a: durable.sync_directory(a / "b"), ["b"]),
    ],
    ids=range(9),
)
def test_what_is_synced(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[[Path], None],
    synced: list[str],
) -> None:
    """Content is synced where it is written, a name in its directory, a move in both, target
    first.
    """
    folder = tmp_path / "a"
    (folder / "b").mkdir(parents=True)
    (folder / "old").touch()
    found: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        found.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    step(folder)
    assert found == synced


def test_a_large_write_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes a part of the bytes at a time gets all of them."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    durable.create(tmp_path / "file", bytes(range(256)))
    assert (tmp_path / "file").read_bytes() == bytes(range(256))
