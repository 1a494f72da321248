"""Lines that say the same again and again are held back and counted."""

from __future__ import annotations

import pytest
import structlog

from core.log.repeats import QUIET, REMEMBERED, Repeats


class Clock:
    """A time that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def said(repeats: Repeats, **line: object) -> dict[str, object] | None:
    """What becomes of a line; None if it is held back."""
    try:
        return dict(repeats(None, "", {"level": "error", "event": "DATABASE_AWAY", **line}))
    except structlog.DropEvent:
        return None


def test_held_back_and_counted() -> None:
    """The first line is written at once, its like a minute later, with how many were held back."""
    clock = Clock()
    repeats = Repeats(clock)
    assert said(repeats, why="x", attempts=1) is not None
    assert [said(repeats, why="x", attempts=n) for n in (2, 3, 4)] == [None] * 3
    clock.now = QUIET
    line = said(repeats, why="x", attempts=5)
    assert line is not None
    assert line["held_back"] == 3
    clock.now = 2 * QUIET
    line = said(repeats, why="x", attempts=6)
    assert line is not None
    assert "held_back" not in line


@pytest.mark.parametrize(
    "other", [{"why": "y"}, {"file": "b"}, {"level": "warning"}, {"event": "BATCH_HELD"}]
)
def test_other_trouble_is_told(other: dict[str, object]) -> None:
    """Another reason, file, level or event is another trouble and is told at once."""
    repeats = Repeats(Clock())
    assert said(repeats, why="x", file="a") is not None
    assert said(repeats, **{"why": "x", "file": "a", **other}) is not None


def test_work_is_always_told() -> None:
    """A line that tells of work done is written however often it comes."""
    repeats = Repeats(Clock())
    for _ in range(3):
        assert said(repeats, level="info", event="BATCH_PUBLISHED") is not None


def test_memory_is_bounded() -> None:
    """Of more different lines than are remembered, the oldest is told anew."""
    repeats = Repeats(Clock())
    for number in range(REMEMBERED + 1):
        assert said(repeats, why=str(number)) is not None
    assert said(repeats, why="0") is not None
    assert said(repeats, why=str(REMEMBERED)) is None
