"""Under everything that the monkey does for a short while, nothing is lost and nothing doubled."""

from __future__ import annotations

from tests.system.chaos.run import run

SECONDS = 25.0


def test_nothing_lost_nothing_doubled() -> None:
    """Daemons, partners, database, disks and directories fail and come back: each order, file,
    unit and charge is there once, and each daemon works again by itself.
    """
    said: list[str] = []
    figures, problems = run(lambda monkey: monkey.run(SECONDS), 2, 10.0, said.append)
    assert not problems, "\n".join([*problems, *said])
    assert (figures["lost"], figures["doubled"]) == (0, 0)
    assert figures["faults"] >= 5
    assert figures["orders"] > 50
