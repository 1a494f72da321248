"""Directory entries that are no plain files, or do not stay what they were."""

from __future__ import annotations

import os
import resource
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import structlog

from tests.daemons.depot import GOOD, document
from tests.daemons.hostile.gate import Gate

Make = Callable[[Path, Path], None]
"""Puts something at a path; the other path is that of a good file elsewhere."""


def _link(path: Path, good: Path) -> None:
    path.symlink_to(good)


def _link_to_nothing(path: Path, good: Path) -> None:
    path.symlink_to(good.with_name("nowhere"))


def _link_to_itself(path: Path, _: Path) -> None:
    path.symlink_to(path)


def _link_to_the_key(path: Path, good: Path) -> None:
    path.symlink_to(good.parent / "desk.properties")


def _link_to_what_never_ends(path: Path, _: Path) -> None:
    path.symlink_to("/dev/zero")


def _link_to_ourselves(path: Path, _: Path) -> None:
    path.symlink_to("/proc/self/mem")


def _link_to_a_folder(path: Path, good: Path) -> None:
    path.symlink_to(good.parent)


def _pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path, _: Path) -> None:
    path.mkdir()


def _full_folder(path: Path, good: Path) -> None:
    path.mkdir()
    (path / "inner.p7m").write_bytes(good.read_bytes())


def _socket(path: Path, _: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            # By the directory's descriptor: a socket's own path may have 107 bytes only.
            listening.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)


def _device(path: Path, _: Path) -> None:
    try:
        # The numbers of /dev/zero, which is an endless file.
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this user may not make devices")


def _disk(path: Path, _: Path) -> None:
    try:
        # The numbers of a loop device that nobody uses; it is never opened.
        os.mknod(path, stat.S_IFBLK | 0o000, os.makedev(7, 255))
    except PermissionError:
        pytest.skip("this user may not make devices")


ENTRIES: dict[str, Make] = {
    "link": _link,
    "link to nothing": _link_to_nothing,
    "link to itself": _link_to_itself,
    "link to our properties": _link_to_the_key,
    "link to an endless device": _link_to_what_never_ends,
    "link to our memory": _link_to_ourselves,
    "link to a folder": _link_to_a_folder,
    "pipe": _pipe,
    "folder": _folder,
    "full folder": _full_folder,
    "socket": _socket,
    "character device": _device,
    "block device": _disk,
}
kinds = pytest.mark.parametrize("kind", ENTRIES)


@pytest.fixture
def inbox(gate: Gate) -> Iterator[Path]:
    """The partner's directory, which holds nothing before and after."""
    inbox = gate.inbound.inbox("LONDON")
    assert list(inbox.iterdir()) == []
    yield inbox
    for path in inbox.iterdir():
        if path.is_dir() and not path.is_symlink():
            for inner in path.iterdir():
                inner.unlink()
            path.rmdir()
        else:
            path.unlink()


@pytest.fixture
def good(gate: Gate) -> Path:
    """A good file outside of the tree."""
    path = gate.root / "good.p7m"
    path.write_bytes(gate.sealed(GOOD))
    return path


def seen(path: Path) -> tuple[int, int, int]:
    """What an entry is, that it may not cease to be."""
    status = os.lstat(path)
    return status.st_ino, status.st_mode, status.st_nlink


@kinds
def test_what_is_no_regular_file_is_left_alone(
    gate: Gate, inbox: Path, good: Path, kind: str
) -> None:
    """It is neither opened nor moved, an event tells of it once, and the next file is served."""
    ENTRIES[kind](inbox / "odd.p7m", good)
    before, held, world = seen(inbox / "odd.p7m"), good.read_bytes(), gate.world
    loader = gate.loader()
    with structlog.testing.capture_logs() as told:
        for _ in range(3):
            assert not loader(gate.conn("load_from_generic"))
    assert [(line["event"], line["count"], line["example"]) for line in told] == [
        ("STRAY_FILES", 1, "odd.p7m")
    ]
    assert seen(inbox / "odd.p7m") == before
    assert good.read_bytes() == held
    assert gate.world == world
    assert not gate.rows("select 1 from inbound_file where partner_name = 'odd.p7m'")
    gate.serve_next()


@kinds
def test_what_takes_a_files_place_is_refused_unopened(
    gate: Gate, inbox: Path, good: Path, kind: str
) -> None:
    """What came under the name of a file between the look and the claim is moved aside as it is."""
    name = f"swapped-{kind.replace(' ', '-')}.p7m"
    ENTRIES[kind](inbox / name, good)
    held = good.read_bytes()
    # As the daemon does once it has listed a regular file of this name.
    assert gate.inbound.claim("LONDON", name) is not None
    assert gate.judge_entry(name) == ("QUARANTINED", "NOT_REGULAR")
    assert good.read_bytes() == held


class Moment:
    """Calls something the next time that a file of some name is about to be opened.

    By an audit hook of the interpreter, which stands between the daemon's last look at the file
    and the system call. A hook stays for ever, so there is one for all tests.
    """

    def __init__(self) -> None:
        self._name = ""
        self._act: Callable[[Path], object] = str
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if event != "open" or not self._name or not isinstance(arguments[0], str | Path):
            return
        if str(arguments[0]).endswith(self._name):
            self._name = ""
            self._act(Path(arguments[0]))

    @contextmanager
    def of_opening(self, name: str, act: Callable[[Path], object]) -> Iterator[None]:
        """Within it, `act` is called with the path."""
        self._name, self._act = name, act
        yield
        assert self._name == "", "it was never opened"


@pytest.fixture(scope="module")
def moment() -> Moment:
    """The moment between look and opening."""
    return Moment()


def beside(path: Path, make: Make, good: Path) -> None:
    """Rename something over a claimed file, which no partner can: `work` is ours alone."""
    with suppress(FileNotFoundError):
        path.unlink()
    make(path, good)


@pytest.mark.parametrize("kind", [kind for kind in ENTRIES if kind != "character device"])
def test_what_takes_a_files_place_while_it_is_opened(
    gate: Gate, inbox: Path, good: Path, moment: Moment, kind: str
) -> None:
    """Even between the last look and the opening: no link is followed, no pipe waited for."""
    name = f"raced-{kind.replace(' ', '-')}.p7m"
    (inbox / name).write_bytes(gate.sealed(GOOD))
    with moment.of_opening(name, lambda path: beside(path, ENTRIES[kind], good)):
        gate.take_up()
    # A link that is met on opening is trouble first, and refused at the second look.
    if gate.files()[-1][1] == "CLAIMED":
        gate.take_up()
    assert gate.files()[-1] == (name, "QUARANTINED", "NOT_REGULAR")
    gate.serve_next()


def test_a_file_that_grows_while_it_is_read(gate: Gate, inbox: Path, moment: Moment) -> None:
    """A file without end is read to one byte beyond what is allowed."""
    name = "grows.p7m"
    (inbox / name).write_bytes(gate.sealed(GOOD))

    def grow(path: Path) -> None:
        with path.open("ab") as file:
            file.truncate(1 << 42)

    before = peak()
    with moment.of_opening(name, grow):
        gate.take_up()
    assert gate.files()[-1] == (name, "QUARANTINED", "FILE_TOO_LARGE")
    assert peak() - before < 200e6
    gate.serve_next()


def test_a_file_that_is_cut_while_it_is_read(gate: Gate, inbox: Path, moment: Moment) -> None:
    """What is read is what counts, be it less than was there at the last look."""
    name = "cut.p7m"
    (inbox / name).write_bytes(gate.sealed(GOOD))
    with moment.of_opening(name, lambda path: os.truncate(path, 0)):
        gate.take_up()
    assert gate.files()[-1] == (name, "QUARANTINED", "FILE_EMPTY")
    gate.serve_next()


def test_a_file_that_is_gone_when_it_is_opened(gate: Gate, inbox: Path, moment: Moment) -> None:
    """A claimed file that somebody takes away is trouble and no verdict, and stops no other."""
    name = "gone.p7m"
    (inbox / name).write_bytes(gate.sealed(GOOD))
    with moment.of_opening(name, Path.unlink):
        gate.take_up()
    assert gate.files()[-1] == (name, "CLAIMED", None)
    gate.serve_next()


def test_a_file_renamed_over_before_it_is_claimed(gate: Gate, inbox: Path) -> None:
    """Whatever bears the name when it is claimed is what is judged."""
    name = "over.p7m"
    (inbox / name).write_bytes(gate.sealed(gate.content()))
    (inbox / ".other").write_bytes(b"noise")
    (inbox / ".other").rename(inbox / name)
    assert gate.judge_entry(name) == ("QUARANTINED", "ENVELOPE_REFUSED")


def test_a_hard_link_is_a_file(gate: Gate, inbox: Path, good: Path) -> None:
    """It is read once as any file, and what stands in the archive is no link to the partner's."""
    good.write_bytes(gate.sealed(gate.content()))
    os.link(good, inbox / "hard.p7m")
    assert gate.judge_entry("hard.p7m") == ("ARCHIVED", None)
    assert good.stat().st_nlink == 1
    (kept,) = [name for name in gate.names("archive") if name.endswith("-hard.p7m")]
    archived = gate.inbound.place("archive", "LONDON", kept)
    assert archived.read_bytes() == good.read_bytes()
    assert not archived.samefile(good)
    good.write_bytes(b"changed afterwards")
    assert archived.read_bytes() != good.read_bytes()


def test_a_file_of_two_names_is_loaded_once(gate: Gate, inbox: Path, good: Path) -> None:
    """Two names of one file are a file and its repeat."""
    good.write_bytes(gate.sealed(gate.content()))
    for name in ("one-name.p7m", "two-names.p7m"):
        os.link(good, inbox / name)
    gate.take_up()
    assert [status for name, status, _ in gate.files() if "-name" in name] == [
        "ARCHIVED",
        "REPEATED",
    ]
    gate.serve_next()


ODD_NAMES: dict[str, bytes] = {
    "not UTF-8": b"\xff\xfe.p7m",
    "a newline": b"a\n2026 ALL IS WELL.p7m",
    "colours": b"\x1b[31mred\x1b[0m.p7m",
    "right to left": "\u202egpj.p7m".encode(),
    "a blank": b"a b.p7m",
    "blanks at the ends": b" a.p7m ",
    "a command": b"$(reboot).p7m",
    "a statement": b"';drop table batch;--.p7m",
    "a pattern": b"*.p7m",
    "the length that names may have": b"x" * 251 + b".p7m",
    "one letter too long": b"x" * 61 + b".p7m",
    "another ending": b"answer.p7m.exe",
    "the ending in capitals": b"answer.P7M",
    "no ending": b"answer",
    "the ending alone": b"p7m",
    "a newline at the end": b"answer.p7m\n",
    "wide letters": "\uff41nswer.p7m".encode(),
    "our areas": b"work",
    "a reason": b"answer.p7m.reason",
    "a percent sign": b"%s%n.p7m",
    "a backslash": b"a\\..\\b.p7m",
    "a tilde": b"~root.p7m",
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD_NAMES)
def test_an_odd_name_is_left_alone(gate: Gate, inbox: Path, good: Path, kind: str) -> None:
    """What is not named as agreed stays where it is, be its content good, and is told of."""
    path = os.path.join(os.fsencode(inbox), ODD_NAMES[kind])  # noqa: PTH118  # of bytes
    with open(path, "wb") as file:  # noqa: PTH123  # of bytes
        file.write(good.read_bytes())
    before = gate.files()
    with structlog.testing.capture_logs() as told:
        assert gate.take_up() == 0
    assert [line["event"] for line in told] == ["STRAY_FILES"]
    assert os.path.exists(path)  # noqa: PTH110  # of bytes
    assert gate.files() == before
    gate.serve_next()


NAMES_THAT_SERVE = (
    "-rf.p7m",
    "--config.p7m",
    "_.p7m",
    "a..p7m",
    "a...b.p7m",
    "x" * 60 + ".p7m",
    "CON.p7m",
    "0" * 60 + ".pgp",
    "a.reason.p7m",
    "1764068629000000000-deadbeef-a.p7m",
    "requeued-1764068629000000000-deadbeef.p7m",
)


@pytest.mark.parametrize("name", NAMES_THAT_SERVE)
def test_a_name_that_looks_like_something_else(gate: Gate, inbox: Path, name: str) -> None:
    """A name within the rule is nothing but a name: no option, no claim of ours, no reason."""
    (inbox / name).write_bytes(gate.sealed(gate.content()))
    assert gate.judge_entry(name) == ("ARCHIVED", None)


def test_very_many_strays(gate: Gate, inbox: Path) -> None:
    """A directory full of what is no file of ours is one event, and the next file is served."""
    for number in range(5000):
        (inbox / f"{number}.tmp").touch()
    with structlog.testing.capture_logs() as told:
        gate.take_up()
    assert [(line["event"], line["count"]) for line in told] == [("STRAY_FILES", 5000)]
    gate.serve_next()


def test_unfinished_files_are_the_partners(gate: Gate, inbox: Path) -> None:
    """What begins with a dot is not looked at, however large, and is no stray."""
    for name in (".answer.p7m", ".p7m", "..p7m", "...", "." + "x" * 200):
        with (inbox / name).open("wb") as file:
            file.truncate(1 << 40)
    with structlog.testing.capture_logs() as told:
        assert gate.take_up() == 0
    assert told == []
    gate.serve_next()


@pytest.mark.parametrize("size", [16_000_001, 1 << 33, 1 << 42])
def test_a_huge_file(gate: Gate, inbox: Path, size: int) -> None:
    """However large a file is, no more of it is read than is allowed."""
    name = f"huge-{size}.p7m"
    with (inbox / name).open("wb") as file:
        file.truncate(size)
    before = peak()
    assert gate.judge_entry(name) == ("QUARANTINED", "FILE_TOO_LARGE")
    assert peak() - before < 200e6


def test_a_file_of_the_allowed_size_that_is_nothing(gate: Gate, inbox: Path) -> None:
    """Sixteen megabytes of nothing are no envelope."""
    with (inbox / "zeros.p7m").open("wb") as file:
        file.truncate(16_000_000)
    assert gate.judge_entry("zeros.p7m") == ("QUARANTINED", "ENVELOPE_REFUSED")


def peak() -> float:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


MODES = (0o000, 0o200, 0o111, 0o4755, 0o2777, 0o7777)


@pytest.mark.parametrize("mode", MODES, ids=oct)
def test_any_mode(gate: Gate, inbox: Path, mode: int) -> None:
    """A file that we may read is read whatever its mode; one that we may not read is refused."""
    name = f"mode-{mode:o}.p7m"
    path = inbox / name
    path.write_bytes(gate.sealed(document(externalFileName=f"mode{mode:o}")))
    path.chmod(mode)
    readable = os.access(path, os.R_OK)
    expected = ("ARCHIVED", None) if readable else ("QUARANTINED", "NOT_READABLE")
    assert gate.judge_entry(name) == expected
