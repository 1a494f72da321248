"""The daemons on two hosts, which have only the trees and the database in common."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.system.chaos.hosts import missing

SECONDS = "14"
SEED = "76"
"""It begins with a line that is cut for longer than either end waits."""


def test_nothing_lost_nothing_doubled_on_two_hosts() -> None:
    """Copies on several hosts share the work: whatever fails, the network between a host and the
    database included, nothing is lost or doubled, and every copy goes on by itself.
    """
    if reason := missing():
        pytest.skip(f"no hosts of their own: {reason}")
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tests.system.chaos", "--hosts", "2"),
            *("--seconds", SECONDS, "--seed", SEED),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(ran.stdout.splitlines()[-1])
    assert (figures["lost"], figures["doubled"], figures["hosts"]) == (0, 0, 2)
    assert figures["by_fault"].get("network_cut", 0) > 0, figures
    assert figures["orders"] > 50
