"""An installation for each test of the daemons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.daemons.depot import Depot, make_keys
from tests.daemons.desk import Desk
from tests.site import Site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Database


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Site:
    """Three warehouses of different granularity, a few products, no orders."""
    site = Site(tmp_path, database)
    catalogue(site)
    return site


@pytest.fixture
def desk(tmp_path: Path, database: Database) -> Desk:
    """The same without files and keys."""
    desk = Desk(tmp_path, database)
    catalogue(desk)
    return desk


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody's keys, made once."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def depot(tmp_path: Path, database: Database, keys: Path) -> Depot:
    """The same with trees, and keys that all tests share."""
    depot = Depot(tmp_path, database, keys)
    catalogue(depot)
    return depot


def catalogue(site: Site) -> None:
    """Products of each kind."""
    site.product("PHONE", "LONDON", serialised=True, attributes=["serialNumber", "imei"])
    site.product("SIM", "LEEDS", serialised=True, attributes=["iccid"])
    site.product("ROUTER", "BELFAST", serialised=True, attributes=["serialNumber"])
    site.product("CASE", "LONDON")
    site.product("WELCOME", "LONDON", billable=False)
