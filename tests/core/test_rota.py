"""Whose turn it is: who was served longest ago, and nobody who rests."""

from __future__ import annotations

import time

import pytest

from core.rota import Rota

ALL = [("A", 1), ("B", 2), ("C", 3)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the rota sees, in its only element."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def names(rota: Rota) -> str:
    """The order in which warehouses would be served."""
    return "".join(name for name, _ in rota.order(ALL))


def test_who_was_served_goes_to_the_end(clock: list[float]) -> None:
    """The one served longest ago comes first, and those never served before all others."""
    rota = Rota(30)
    for served, order in (("A", "BCA"), ("B", "CAB"), ("A", "CBA"), ("C", "BAC")):
        clock[0] += 1
        rota.served(served)
        assert names(rota) == order


def test_only_who_waits_is_served(clock: list[float]) -> None:
    """A warehouse without work is not in the order, and keeps its place."""
    rota = Rota(30)
    rota.served("A")
    assert rota.order([("A", 1), ("C", 3)]) == [("C", 3), ("A", 1)]
    clock[0] += 1
    rota.served("C")
    assert names(rota) == "BAC"


def test_a_failure_rests_twice_as_long_each_time(clock: list[float]) -> None:
    """A warehouse in trouble rests 0.5, 1, 2, 4 seconds and at most the longest, the others go
    on.
    """
    rota = Rota(3)
    for rest in (0.5, 1, 2, 3, 3):
        assert rota.failed("A") is (rest == 0.5)
        clock[0] += rest - 0.01
        assert names(rota) == "BC"
        clock[0] += 0.01
        assert names(rota) == "BCA"


def test_success_ends_the_trouble(clock: list[float]) -> None:
    """After a success the next failure is told as the first, and rests as briefly."""
    rota = Rota(30)
    assert [rota.failed("A"), rota.failed("A")] == [True, False]
    rota.served("A")
    clock[0] += 0.01
    assert names(rota) == "BCA"
    assert rota.failed("A")
    clock[0] += 0.5
    assert names(rota) == "BCA"
