"""`file discard` and `file requeue` of what is in quarantine and is no regular file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.console.conftest import Counter


def _make(kind: str, path: Path, kept: Path) -> None:
    kept.mkdir()
    (kept / "inner").write_bytes(b"theirs")
    match kind:
        case "folder":
            path.mkdir()
            (path / "deep").mkdir()
            (path / "deep" / "link").symlink_to(kept)
        case "link":
            path.symlink_to(kept)
        case _:
            os.mkfifo(path)


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_whatever_was_set_aside_can_be_discarded(counter: Counter, kind: str) -> None:
    """What took a file's place goes with all that is in it, and nothing that it points to."""
    kept = counter.root / "kept"
    _make(kind, counter.inbound.inbox("LONDON") / "odd.p7m", kept)
    assert counter.inbound.claim("LONDON", "odd.p7m") is not None
    counter.take_up()
    assert counter.files() == [("odd.p7m", "QUARANTINED", "NOT_REGULAR")]
    number = counter.value("select id from inbound_file")
    ended = counter.call("file", "discard", number, "--reason", "a trick")
    assert ended.code == 0, ended.err
    assert counter.names("quarantine") == []
    assert (kept / "inner").read_bytes() == b"theirs"
    assert counter.call("reconcile").code == 0


def test_what_was_set_aside_and_is_requeued_stays_a_stray(counter: Counter) -> None:
    """A folder that is put back is left alone from then on, and told of."""
    _make("folder", counter.inbound.inbox("LONDON") / "odd.p7m", counter.root / "kept")
    assert counter.inbound.claim("LONDON", "odd.p7m") is not None
    counter.take_up()
    number = counter.value("select id from inbound_file")
    assert counter.call("file", "requeue", number).code == 0
    assert counter.take_up() == 0
    assert [path.name.split("-")[0] for path in counter.inbound.inbox("LONDON").iterdir()] == [
        "requeued"
    ]
