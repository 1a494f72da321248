"""One installation for each module of hostile files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.daemons.conftest import catalogue
from tests.daemons.hostile.gate import Gate
from tests.daemons.hostile.scene import Scene, set_up


@pytest.fixture(scope="module")
def gate(
    postgres_host: str, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gate]:
    """Where the hostile files of a module come to."""
    with postgres.clone(postgres_host) as database:
        gate = Gate(tmp_path_factory.mktemp("gate"), database, keys)
        catalogue(gate)
        yield gate


@pytest.fixture(scope="module")
def scene(gate: Gate) -> Scene:
    """Orders in every state: what is proven is that nonsense leaves no trace on them."""
    return set_up(gate)
