"""The two trees: names, steps that may be taken twice, the tree's id, what --check tells."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from core.directory import Inbound, Outbound, partner_name, published_name, sequence_of
from core.directory.checks import file_system, problems_of_tree, warnings_of_tree
from core.directory.inbound import TAKEN_UP, requeued_name
from core.errors import Reason

HOUSE = "LONDON"
WAREHOUSES = st.from_regex(r"[A-Z0-9][A-Z0-9_-]{0,31}", fullmatch=True)


@pytest.fixture
def out(tmp_path: Path) -> Outbound:
    """An outbound tree with one warehouse."""
    tree = Outbound(tmp_path / "out")
    tree.init()
    tree.prepare(HOUSE)
    return tree


@pytest.fixture
def inn(tmp_path: Path) -> Inbound:
    """An inbound tree with one warehouse."""
    tree = Inbound(tmp_path / "in")
    tree.init()
    tree.prepare(HOUSE)
    return tree


def below(path: Path) -> dict[str, bytes]:
    """Every file below a directory, by its path there."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@settings(deadline=None)
@given(WAREHOUSES, st.integers(1, 8_999_999_999_999_999_999))
def test_published_names_tell_their_number(warehouse: str, sequence: int) -> None:
    """A published name says warehouse and number, of eight digits or more, and is read back."""
    name = published_name(warehouse, sequence)
    assert name == f"order-request-{warehouse}-{sequence:08d}.p7m"
    assert sequence_of(name) == sequence


@pytest.mark.parametrize(
    "name",
    ["", ".id", "order-request-LONDON-1.p7m", "order-request-LONDON-00000001.p7m.json",
     "order-request-LONDON-00000001.p7m\n", "Order-request-LONDON-00000001.p7m",
     "order-request--00000001.p7m", "order-request-LONDON-0000000x.p7m"],
)  # fmt: skip
def test_other_names_have_no_number(name: str) -> None:
    """A name that is no published one counts for nothing."""
    assert sequence_of(name) == 0


def test_a_tree_keeps_its_id(out: Outbound, tmp_path: Path) -> None:
    """A tree gets its id once; two trees have two; without one there is none."""
    first = out.tree_id()
    out.init()
    assert out.tree_id() == first == Outbound(out.root).tree_id()
    other = Outbound(tmp_path / "other")
    with pytest.raises(FileNotFoundError):
        other.tree_id()
    assert other.init() != first
    assert other.tree_id() != first


def test_sealing_may_be_taken_twice(out: Outbound) -> None:
    """What an attempt left in work is replaced whole; what needs no file leaves none."""
    out.seal(HOUSE, 7, b"long first attempt")
    out.seal(HOUSE, 7, b"second")
    assert out.work(HOUSE, 7).read_bytes() == b"second"
    assert out.in_work(HOUSE) == {"7"}
    for _ in range(2):
        out.unseal(HOUSE, 7)
    assert out.in_work(HOUSE) == set()


def test_publishing_leaves_file_copy_and_manifest(out: Outbound) -> None:
    """Publishing moves the one file, keeps a copy that is the same file, and a manifest beside
    it.
    """
    out.seal(HOUSE, 7, b"sealed")
    name = published_name(HOUSE, 1)
    assert out.publish(HOUSE, 7, name, b"{}")
    files = below(out.root)
    assert files.pop("work/.id")
    assert files == {
        f"{HOUSE}/{name}": b"sealed",
        f"archive/{HOUSE}/{name}": b"sealed",
        f"archive/{HOUSE}/{name}.json": b"{}",
    }
    assert out.present(HOUSE) == {name}
    assert out.highest_sequence(HOUSE) == 1


@pytest.mark.parametrize("taken", [False, True])
def test_publishing_may_be_taken_twice(out: Outbound, *, taken: bool) -> None:
    """What has gone out is not put there again, whether the partner has taken it or not."""
    out.seal(HOUSE, 7, b"sealed")
    name = published_name(HOUSE, 1)
    out.publish(HOUSE, 7, name, b"{}")
    if taken:
        (out.outbox(HOUSE) / name).unlink()
    before = below(out.root)
    assert not out.publish(HOUSE, 7, name, b"{}")
    assert below(out.root) == before


@pytest.mark.parametrize("done", ["link", "manifest"])
def test_publishing_goes_on_from_anywhere(out: Outbound, done: str) -> None:
    """An attempt that ended after the copy, or after the manifest, is finished by the next."""
    out.seal(HOUSE, 7, b"sealed")
    name = published_name(HOUSE, 1)
    os.link(out.work(HOUSE, 7), out.archived(HOUSE, name))
    if done == "manifest":
        out.archived(HOUSE, f"{name}.json").write_bytes(b"{")
    assert out.publish(HOUSE, 7, name, b"{}")
    assert out.archived(HOUSE, f"{name}.json").read_bytes() == b"{}"
    assert out.present(HOUSE) == {name}


def test_another_files_copy_stops_the_publishing(out: Outbound) -> None:
    """A copy of another file under the name is neither overwritten nor passed by."""
    out.seal(HOUSE, 7, b"sealed")
    name = published_name(HOUSE, 1)
    out.archived(HOUSE, name).write_bytes(b"another")
    with pytest.raises(FileExistsError):
        out.publish(HOUSE, 7, name, b"{}")
    assert out.archived(HOUSE, name).read_bytes() == b"another"
    assert (out.present(HOUSE), out.in_work(HOUSE)) == (set(), {"7"})


def test_manifests_come_in_the_order_of_their_numbers(out: Outbound) -> None:
    """Manifests above a number are read in numeric order, also past eight digits; copies are
    none.
    """
    for number in (2, 100_000_000, 99_999_999, 1):
        name = published_name(HOUSE, number)
        out.archived(HOUSE, f"{name}.json").write_bytes(str(number).encode())
        out.archived(HOUSE, name).touch()
    out.archived(HOUSE, "note.json").write_bytes(b"no")
    assert list(out.manifests(HOUSE, above=1)) == [b"2", b"99999999", b"100000000"]
    assert out.highest_sequence(HOUSE) == 100_000_000
    assert out.highest_sequence("NOWHERE") == 0


NAMES = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,59}\.p7m", fullmatch=True)


@settings(deadline=None)
@given(NAMES)
def test_a_claim_keeps_the_partners_name(name: str) -> None:
    """Our name of a claimed file ends with the partner's; a file requeued has one that is taken
    up.
    """
    assert TAKEN_UP.fullmatch(name)
    claim = f"{1:019}-0123abcd-{name}"
    assert partner_name(claim) == name
    requeued = requeued_name(claim)
    assert TAKEN_UP.fullmatch(requeued)
    assert requeued.startswith("requeued-")
    assert requeued != requeued_name(f"{2:019}-0123abcd-{name}")


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("a.p7m", True), ("A-b_c.1.p7m", True), ("a.pgp", True), ("-.p7m", True),
        ("x" * 60 + ".p7m", True), ("x" * 61 + ".p7m", False), (".p7m", False), (".a.p7m", False),
        ("a.p7m\n", False), ("a b.p7m", False), ("a/b.p7m", False), ("../a.p7m", False),
        ("ä.p7m", False), ("a.P7M", False), ("a.p7m.tmp", False), ("a", False), ("", False),
        ("a\0.p7m", False),
    ],
    ids=range(18),
)  # fmt: skip
def test_names_that_are_taken_up(name: str, *, taken: bool) -> None:
    """Letters, digits, dots, hyphens, underscores, at most 64, ending .p7m or .pgp; hidden ones
    not.
    """
    assert bool(TAKEN_UP.fullmatch(name)) is taken


def test_claims_are_never_alike(inn: Inbound) -> None:
    """The same name claimed twice is two files of ours, in the order of their claims."""
    claims = []
    for content in (b"1", b"2"):
        (inn.inbox(HOUSE) / "a.p7m").write_bytes(content)
        claims.append(inn.claim(HOUSE, "a.p7m"))
    assert inn.claim(HOUSE, "a.p7m") is None
    assert inn.claimed(HOUSE) == claims
    assert [inn.read(HOUSE, str(claim), 9) for claim in claims] == [b"1", b"2"]


def test_archive_keeps_what_was_read(inn: Inbound) -> None:
    """The archive gets a file of our own, of the bytes that were read; the claimed one goes."""
    path = inn.inbox(HOUSE) / "a.p7m"
    path.write_bytes(b"read")
    claim = str(inn.claim(HOUSE, "a.p7m"))
    work = inn.place("work", HOUSE, claim)
    with work.open("r+b") as partner:
        data = inn.read(HOUSE, claim, 99)
        partner.write(b"CHANGED")
    for _ in range(2):
        inn.archive(HOUSE, claim, data)
    assert inn.place("archive", HOUSE, claim).read_bytes() == b"read"
    assert not work.exists()
    assert inn.was_archived(HOUSE, claim)


def test_quarantine_may_be_taken_twice(inn: Inbound) -> None:
    """The reason lies beside the file, code and sentence; discarding takes both, twice is
    nothing.
    """
    (inn.inbox(HOUSE) / "a.p7m").write_bytes(b"x")
    claim = str(inn.claim(HOUSE, "a.p7m"))
    for _ in range(2):
        inn.quarantine(HOUSE, claim, Reason.NOT_JSON, "Words.")
    area = inn.root / "quarantine" / HOUSE
    assert below(area) == {claim: b"x", f"{claim}.reason": b"NOT_JSON\nWords.\n"}
    assert inn.names("quarantine", HOUSE) == [claim]
    for _ in range(2):
        inn.discard(HOUSE, claim)
    assert below(inn.root) == {}


@pytest.mark.parametrize("area", ["quarantine", "archive"])
def test_requeue(inn: Inbound, area: str) -> None:
    """A file goes back under a name that no partner uses; what was archived stays there as well."""
    (inn.inbox(HOUSE) / "a.p7m").write_bytes(b"x")
    claim = str(inn.claim(HOUSE, "a.p7m"))
    if area == "archive":
        inn.archive(HOUSE, claim, b"x")
    else:
        inn.quarantine(HOUSE, claim, Reason.NOT_JSON, "Words.")
    assert inn.requeue(area, HOUSE, claim)
    (candidate,), strays = inn.candidates(HOUSE)
    assert candidate.name == requeued_name(claim)
    assert strays == []
    assert (inn.inbox(HOUSE) / candidate.name).read_bytes() == b"x"
    assert inn.names(area, HOUSE) == ([claim] if area == "archive" else [])
    assert inn.requeue("quarantine", HOUSE, claim) is False


def test_a_tree_that_works_has_no_problem(out: Outbound, inn: Inbound) -> None:
    """The check takes a file through the tree and leaves nothing behind."""
    before = below(out.root), below(inn.root)
    assert (out.check(), inn.check()) == ([], [])
    assert (below(out.root), below(inn.root)) == before


def test_what_is_wrong_with_a_tree_is_told(out: Outbound, inn: Inbound, tmp_path: Path) -> None:
    """Each problem is a sentence with the path and what mends it."""
    assert Outbound(tmp_path / "none").check() == [
        f"{tmp_path}/none is no directory: mount the tree, or make it with cmp-orders tree init"
    ]
    (inn.root / "quarantine" / HOUSE).rmdir()
    (inn.root / "quarantine").rmdir()
    assert inn.check() == [
        f"{inn.root}/quarantine is no directory: make it with cmp-orders tree init"
    ]
    (out.root / "work" / ".id").write_text("no id\n")
    (problem,) = out.check()
    assert problem.startswith(f"{out.root}/work/.id is missing or unreadable")


def test_a_second_file_system_is_told() -> None:
    """An area on another file system cannot be renamed into, and the check says so."""
    shm = Path("/dev/shm")  # noqa: S108  # another file system, of which nothing is written
    if not shm.is_dir() or shm.stat().st_dev == Path("/dev").stat().st_dev:
        pytest.skip("no second file system here")
    assert problems_of_tree(shm.parent, (shm.name,)) == [
        f"{shm} is on another file system than {shm.parent}: a rename cannot cross over"
    ]


def test_an_unusual_file_system_is_told(tmp_path: Path) -> None:
    """A file system that has not been tried is named; those that have been are not."""
    assert warnings_of_tree(Path("/proc")) == [
        "/proc is on proc, which has not been tried; ext4, xfs, btrfs and nfs4 have"
    ]
    assert file_system(Path("/proc")) == "proc"
    kind = file_system(tmp_path)
    assert bool(warnings_of_tree(tmp_path)) == (
        kind not in {"ext4", "xfs", "btrfs", "nfs4", "tmpfs", "overlay"}
    )


def test_strays_are_told_apart(inn: Inbound) -> None:
    """Only regular files of allowed names are candidates; hidden ones are neither."""
    inbox = inn.inbox(HOUSE)
    (inbox / "b.p7m").write_bytes(b"x")
    os.utime(inbox / "b.p7m", (5, 5))
    (inbox / "a.p7m").write_bytes(b"x")
    os.utime(inbox / "a.p7m", (9, 9))
    (inbox / ".hidden.p7m").touch()
    (inbox / "link.p7m").symlink_to(inbox / "a.p7m")
    os.mkfifo(inbox / "pipe.p7m")
    (inbox / "note.txt").touch()
    candidates, strays = inn.candidates(HOUSE)
    assert [one.name for one in candidates] == ["b.p7m", "a.p7m"]
    assert strays == ["link.p7m", "note.txt", "pipe.p7m"]
    assert inn.candidates("NOWHERE") == ([], [])
    inn.claim(HOUSE, "b.p7m")
    assert inn.waiting() == 2
    assert inn.names("work", "NOWHERE") == []


def test_partners_directories_are_told_from_our_own(inn: Inbound) -> None:
    """The inboxes are the partners' directories; work, archive and quarantine are ours."""
    (inn.root / "note").touch()
    assert inn.inboxes() == [inn.inbox(HOUSE)]
    assert stat.S_ISDIR(inn.inbox(HOUSE).stat().st_mode)
    assert Inbound(inn.root / "none").inboxes() == []
