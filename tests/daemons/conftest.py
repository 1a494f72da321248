"""An installation for each test of the daemons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.site import Site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Database


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Site:
    """Three warehouses of different granularity, a few products, no orders."""
    site = Site(tmp_path, database)
    site.product("PHONE", "LONDON", serialised=True, attributes=["serialNumber", "imei"])
    site.product("SIM", "LEEDS", serialised=True, attributes=["iccid"])
    site.product("ROUTER", "BELFAST", serialised=True, attributes=["serialNumber"])
    site.product("CASE", "LONDON")
    site.product("WELCOME", "LONDON", billable=False)
    return site
