"""The benchmark still runs: with few orders, so that its figures mean nothing."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import volume
from benchmarks.latency import percentile
from benchmarks.pipeline import main
from benchmarks.stages import STAGES


@pytest.mark.parametrize("how", [[], ["--in-turn"]], ids=["all at once", "in turn"])
def test_it_runs(tmp_path: Path, how: list[str]) -> None:
    """It ends with a line of JSON, which it prints only if the end state is right."""
    few = ["--orders", "60", "--copies", "1", "--single", "2", "--folder", str(tmp_path)]
    told = CliRunner().invoke(main, [*few, *how])
    assert told.exit_code == 0, told.output
    figures = json.loads(told.stdout.splitlines()[-1])
    assert figures["orders"] == 60
    assert figures["at_once"] is not bool(how)
    for name in ("orders_per_second", "ratio_to_floor", "p99_commit_to_file_ms"):
        assert figures[name] > 0
    assert figures["peak_memory_mb"].keys() == set(STAGES.values())
    assert not list(tmp_path.iterdir())


def test_what_is_expected_follows_from_what_is_written(tmp_path: Path) -> None:
    """Units and charges are those of the rows, and the same seed writes the same rows."""
    made = volume.write(tmp_path, 100)
    rows = [line.split("\t") for line in made.items.read_text().splitlines()]
    free = {
        line.split("\t")[0]
        for line in made.products.read_text().splitlines()
        if line.split("\t")[4] == "f"
    }
    assert made.totals.items == len(rows)
    assert made.totals.units == sum(int(row[3]) for row in rows)
    assert free
    assert made.totals.charges == sum(
        (int(row[3]) * Decimal(row[4]) for row in rows if row[2] not in free), Decimal(0)
    )
    before = made.items.read_bytes()
    assert volume.write(tmp_path, 100).items.read_bytes() == before


def test_percentile() -> None:
    """The nearest rank: of a hundred values the 99th percentile is the second largest."""
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 99) == 99
    assert percentile(values, 50) == 50
    assert percentile(values[:10], 99) == 10
    assert percentile([], 99) == 0
