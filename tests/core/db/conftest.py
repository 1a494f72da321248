"""A database shared by the tests of a module that undo what they do, and a catalogue in each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.daemons.conftest import catalogue
from tests.daemons.desk import Desk


@pytest.fixture(scope="module")
def shared(postgres_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One database for a module; whoever changes it rolls back."""
    with postgres.clone(postgres_host) as database:
        desk = Desk(tmp_path_factory.mktemp("desk"), database)
        catalogue(desk)
        yield desk


@pytest.fixture
def conn(shared: Desk) -> Iterator[psycopg.Connection]:
    """The owner's connection, inside a transaction that is rolled back when the test ends."""
    with shared.owner.transaction(force_rollback=True):
        yield shared.owner


@pytest.fixture
def desk(tmp_path: Path, database: postgres.Database) -> Desk:
    """A database of the test's own, with the catalogue."""
    desk = Desk(tmp_path, database)
    catalogue(desk)
    return desk
