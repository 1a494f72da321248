"""`warehouse pause|resume`, and what `status` tells of it and of files that are amiss."""

from __future__ import annotations

import pytest

from tests.console.conftest import Console


def test_status_tells_who_when_and_why(console: Console) -> None:
    """A pause stands in `status` with its reason and the verb that ends it, beside a hold."""
    console.call("warehouse", "pause", "LONDON", "--reason", "stocktaking")
    told = console.call("status", "--json").json
    [one] = told["warehouses_paused"]
    assert (one["warehouse"], one["reason"]) == ("LONDON", "stocktaking")
    assert one["paused_by"].startswith("console ")
    out = console.call("status").out
    assert "LONDON is paused by console" in out
    assert "warehouse resume" in out
    assert console.call("warehouse", "resume", "LONDON").code == 0
    assert console.call("status", "--json").json["warehouses_paused"] == []


def test_a_pause_stands_beside_a_hold(console: Console) -> None:
    """A daemon's hold and an operator's pause do not end each other."""
    console.owner.execute(
        "update warehouse set held_reason = 'WORK_TREE_CHANGED', held_at = now()"
        " where id = 'LONDON'"
    )
    assert console.call("warehouse", "pause", "LONDON", "--reason", "x").code == 0
    assert console.call("warehouse", "resume", "LONDON").code == 0
    assert console.value("select held_reason from warehouse where id = 'LONDON'") == (
        "WORK_TREE_CHANGED"
    )


@pytest.mark.parametrize("name", ["NOWHERE", "london", ""])
def test_of_a_warehouse_that_is_not_there(console: Console, name: str) -> None:
    """Neither verb makes up a warehouse."""
    assert console.call("warehouse", "pause", name, "--reason", "x").code in (1, 2)
    assert console.call("warehouse", "resume", name).code in (1, 2)


def test_status_tells_what_is_amiss_with_files(console: Console) -> None:
    """Rejected files and missing numbers stand in `status`, the former with the verb for it."""
    console.request(("CASE", 1, "1"))
    console.owner.execute(
        "update outbound_file set acknowledged_at = now(), verdict = 'REJECTED', reason = 'FULL'"
    )
    batch = console.load("LONDON", sequence=4)
    console.owner.execute(
        "insert into sequence_gap (warehouse_id, first_missing, last_missing, batch_id)"
        " values ('LONDON', 2, 3, %s)",
        (batch,),
    )
    out = " ".join(console.call("status").out.split())
    assert "1 request files rejected by their partner" in out
    assert "LONDON: 2 of its files from number 2 to 3 have not come" in out
    [listed] = console.call("file", "list", "--rejected", "--json").json
    assert (listed["verdict"], listed["reason"]) == ("REJECTED", "FULL")
