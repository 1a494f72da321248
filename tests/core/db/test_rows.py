"""What a role may do to some rows of a table and not to others, tried in plain SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests import postgres
from tests.core.db.test_alone import MAKER, NEW_BATCH, RULE, outcome
from tests.daemons.conftest import catalogue
from tests.daemons.desk import CASE, Desk

HOLD = "update warehouse set held_reason = {}, held_at = {} where id = 'LONDON'"
PAUSE = "update warehouse set paused_at = null, paused_by = null, pause_reason = null"
LOST, TREE = "'DATABASE_OLDER_THAN_FILES'", "'WORK_TREE_CHANGED'"
HELD = "this hold is not for this role to set or to end"
JUDGED = "a file is accepted or refused by Load from Generic"
AGAIN = "the console has a file sent again, and says nothing else of it"
SEALED = "request_detail_sealed"
FINE, DENIED = ("", ""), ("42501", "")
INBOUND = (
    "insert into inbound_file (claim_name, warehouse_id, partner_name, status, received_at)"
    " values ('new', 'LONDON', 'x', '{}', now())"
)


class Try(NamedTuple):
    """Who says what, after what, and how it ends: SQLSTATE and rule."""

    role: str
    statement: str
    ends: tuple[str, str]
    after: str = ""


def hold(reason: str) -> str:
    """A statement that holds LONDON, or with `null` ends the hold."""
    return HOLD.format(reason, "null" if reason == "null" else "now()")


def batch(kind: str) -> str:
    """A statement that makes a batch as it legally begins."""
    stage = "Batch" if kind == "Request" else "Extract/Load"
    return NEW_BATCH.format(kind=kind, stage=stage, status="Complete")


TRIES = {
    "load makes a batch of answers": Try("load_from_generic", batch("Dispatch"), FINE),
    "load makes a request batch": Try("load_from_generic", batch("Request"), (RULE, MAKER)),
    "extract makes a request batch": Try("request_extract", batch("Request"), FINE),
    "extract makes a batch of answers": Try("request_extract", batch("Dispatch"), (RULE, MAKER)),
    "adopting makes a batch of answers": Try("adopt", batch("Dispatch"), (RULE, MAKER)),
    "the console makes a batch": Try("console", batch("Request"), DENIED),
    # Holds of a warehouse.
    "load holds for lost commits": Try("load_from_generic", hold(LOST), FINE),
    "load finds lost commits behind another hold": Try(
        "load_from_generic", hold(LOST), FINE, hold(TREE)),
    "load holds for another cause": Try("load_from_generic", hold(TREE), (RULE, HELD)),
    "load ends another's hold": Try("load_from_generic", hold("null"), (RULE, HELD), hold(TREE)),
    "load ends its own hold": Try("load_from_generic", hold("null"), (RULE, HELD), hold(LOST)),
    "load ends a pause": Try("load_from_generic", PAUSE, DENIED),
    "extract holds for another tree": Try("extract_to_generic", hold(TREE), FINE),
    "extract goes on with the right tree": Try(
        "extract_to_generic", hold("null"), FINE, hold(TREE)),
    "extract goes on in spite of lost commits": Try(
        "extract_to_generic", hold("null"), (RULE, HELD), hold(LOST)),
    "extract makes less of lost commits": Try(
        "extract_to_generic", hold(TREE), (RULE, HELD), hold(LOST)),
    "the console holds": Try("console", hold(LOST), DENIED),
    "the console ends a hold": Try("console", hold("null"), DENIED, hold(LOST)),
    "adopting ends the hold": Try("adopt", hold("null"), FINE, hold(LOST)),
    "adopting holds": Try("adopt", hold(LOST), (RULE, HELD)),
    # Files.
    "adopting has a file loaded again": Try("adopt", INBOUND.format("REQUEUED"), FINE),
    "adopting accepts a file": Try("adopt", INBOUND.format("ARCHIVED"), (RULE, JUDGED)),
    "the console discards a file": Try(
        "console", "update inbound_file set status = 'DISCARDED'", FINE,
        INBOUND.format("QUARANTINED")),
    "the console accepts a file": Try(
        "console", "update inbound_file set status = 'LOADED'", (RULE, JUDGED),
        INBOUND.format("QUARANTINED")),
    "the console has a file sent again": Try(
        "console", "update outbound_file set published_at = null, resent = resent + 1", FINE),
    "the console says that a file was taken": Try(
        "console", "update outbound_file set taken_at = now()", (RULE, AGAIN)),
    "the console says that a file was accepted": Try(
        "console", "update outbound_file set published_at = null, acknowledged_at = now(),"
        " verdict = 'ACCEPTED'", (RULE, AGAIN)),
    # Details.
    "the console takes an unsealed batch apart": Try(
        "console", "delete from request_detail where batch_id = {unsealed}", FINE),
    "the console takes a sealed batch apart": Try(
        "console", "delete from request_detail where batch_id = {sealed}", (RULE, SEALED)),
    "adopting takes a sealed batch apart": Try(
        "adopt", "delete from request_detail where batch_id = {sealed}", (RULE, SEALED)),
    "extract takes a sealed batch apart": Try(
        "extract_to_generic", "delete from request_detail where batch_id = {sealed}",
        (RULE, SEALED)),
}  # fmt: skip


@pytest.fixture(scope="module")
def sent(
    postgres_host: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Desk, dict[str, int]]]:
    """A batch that was sent and one that is not sealed; nothing that follows stays."""
    with postgres.clone(postgres_host) as database:
        desk = Desk(tmp_path_factory.mktemp("desk"), database)
        catalogue(desk)
        order = desk.request(CASE)
        sealed = desk.value("select batch_id from request_detail where order_id = %s", order)
        desk.order(CASE)
        desk.generate()
        (unsealed,) = desk.batch()
        yield desk, {"sealed": sealed, "unsealed": unsealed}


@pytest.mark.parametrize("what", TRIES)
def test_a_role_does_its_work_to_its_rows_alone(
    sent: tuple[Desk, dict[str, int]], what: str
) -> None:
    """The same statement on the rows of its work goes through, on others' it is refused."""
    desk, numbers = sent
    one = TRIES[what]
    if one.after:
        desk.owner.execute(one.after.encode())
    try:
        assert outcome(desk.conn(one.role), one.statement.format(**numbers)) == one.ends
    finally:
        # The owner, too, would have to adopt.
        desk.lose(hold("null"))
        desk.lose("delete from inbound_file")
