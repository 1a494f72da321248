"""What of the sent files cannot be taken over, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.db import adopting
from core.db.adopting import SentFile
from tests.daemons.desk import CASE, Desk


def sent(name: str, number: int, *orders: int) -> SentFile:
    """A file of LONDON that asked for these orders at their first generation."""
    manifest: dict[str, Any] = {
        "name": name,
        "identifier": 1000 + number,
        "batch": 1000 + number,
        "fileSequence": number,
        "payloadSha256": "00",
        "fileSha256": "00",
        "byteCount": 1,
        "orders": [{"id": order, "generation": 1, "lines": []} for order in orders],
    }
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return SentFile(manifest, UUID(int=1), published=True, sealed_at=at)


def told(desk: Desk, *files: SentFile) -> dict[int, str]:
    """By order the obstacle that is told of it."""
    with desk.owner.transaction(force_rollback=True):
        adopting.stage(desk.owner, files)
        found = adopting.obstacles(desk.owner, "LONDON")
    return {one.order_id: one.why for one in found}


def test_a_request_that_went_out_twice_is_told(desk: Desk) -> None:
    """A request that another published batch has, or two of the files, is for a person."""
    published = desk.request(CASE)
    (batch,) = desk.rows("select max(id) from batch")[0]
    waiting = desk.order(CASE)
    desk.generate()
    desk.batch()
    fine = desk.order(CASE)
    desk.generate()
    found = told(desk, sent("a", 71, published, waiting, fine), sent("b", 72, fine))
    assert found == {
        published: f"it is in batch {batch}, which was sent as well:"
        " ask the warehouse which of them counts",
        fine: "it was sent in two files: ask the warehouse which of them counts",
    }
