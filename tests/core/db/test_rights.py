"""Each role can do what its work needs and nothing else."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from tests.daemons.desk import Desk

ROLES = (
    "request_extract", "extract_to_generic", "load_from_generic", "dispatch", "retention",
    "console", "adopt",
)  # fmt: skip
TABLES = (
    "warehouse", "product", "sales_order", "order_item", "order_hold", "order_history",
    "request_line", "request_line_share", "request_queue", "batch", "batch_history",
    "request_detail", "outbound_file", "inbound_file", "dispatch_detail", "dispatch_line",
    "dispatch", "dispatched_unit", "charge", "acknowledgement", "sequence_gap", "sequence_repeat",
    "overdue", "fraud_check", "blocked_address", "stock", "reservation", "cancellation",
    "files_compared", "schema_migration",
)  # fmt: skip

ALLOWED: dict[str, dict[str, set[str]]] = {
    "request_extract": {
        "insert": {"request_line", "request_line_share", "request_queue", "batch",
                   "request_detail", "order_hold", "fraud_check"},
        "delete": {"request_queue", "fraud_check"},
        "update": {"sales_order.status", "sales_order.status_reason", "sales_order.status_at",
                   "sales_order.generation", "order_item.open_quantity", "batch.record_count",
                   "request_queue.queued_at", "order_hold.reason", "fraud_check.generation",
                   "fraud_check.country", "fraud_check.input_sha256", "fraud_check.address_key",
                   "fraud_check.name_key", "fraud_check.checker", "fraud_check.verdict",
                   "fraud_check.score", "fraud_check.reasons", "fraud_check.released_reasons",
                   "fraud_check.stale", "fraud_check.checked_at",
                   "request_line.rejected", "request_line_share.rejected",
                   "cancellation.batch_id", "cancellation.sequence"},
    },
    "extract_to_generic": {
        "insert": {"request_queue", "outbound_file", "overdue", "files_compared"},
        "delete": {"request_detail"},
        "update": {"sales_order.status_at", "warehouse.file_sequence", "warehouse.held_reason",
                   "warehouse.held_at", "batch.stage", "batch.stage_status", "batch.stage_at",
                   "batch.attempts", "batch.reason", "batch.sentence", "batch.record_count",
                   "outbound_file.published_at", "outbound_file.taken_at",
                   "warehouse.acknowledgement_sequence", "acknowledgement.attempts",
                   "acknowledgement.set_aside_reason", "acknowledgement.number",
                   "acknowledgement.name", "acknowledgement.tree_id",
                   "acknowledgement.payload_sha256", "acknowledgement.file_sha256",
                   "acknowledgement.byte_count", "acknowledgement.sealed_at",
                   "acknowledgement.published_at", "acknowledgement.taken_at",
                   "overdue.told_at", "overdue.times", "cancellation.batch_id",
                   "cancellation.sequence", "cancellation.status", "cancellation.sent_at",
                   "files_compared.tree_id", "files_compared.server_started_at",
                   "files_compared.database_oid", "files_compared.filenode",
                   "files_compared.compared_at"},
    },
    "load_from_generic": {
        "insert": {"inbound_file", "batch", "dispatch_detail", "dispatch_line", "acknowledgement",
                   "sequence_gap", "sequence_repeat"},
        "delete": set(),
        "update": {"inbound_file.status", "inbound_file.status_at", "inbound_file.attempts",
                   "inbound_file.batch_id", "inbound_file.payload_sha256",
                   "inbound_file.file_sha256", "inbound_file.signer",
                   "inbound_file.external_file_name", "inbound_file.reason",
                   "inbound_file.sentence", "inbound_file.repeats_id",
                   "warehouse.held_reason", "warehouse.held_at",
                   "outbound_file.acknowledged_at", "outbound_file.verdict",
                   "outbound_file.reason", "outbound_file.sentence"},
    },
    "dispatch": {
        "insert": {"dispatch_line", "dispatch", "dispatched_unit", "charge", "acknowledgement",
                   "overdue"},
        "delete": {"dispatch_line", "reservation"},
        "update": {"sales_order.status", "sales_order.status_reason", "sales_order.status_at",
                   "order_item.open_quantity", "order_item.dispatched_quantity",
                   "order_item.cancelled_quantity", "request_line.dispatched",
                   "request_line.cancelled", "request_line.rejected",
                   "request_line.back_ordered_at", "request_line.excess",
                   "dispatch_line.excess", "request_line_share.dispatched",
                   "request_line_share.cancelled", "request_line_share.rejected",
                   "batch.stage", "batch.stage_status", "batch.stage_at", "batch.attempts",
                   "batch.reason", "batch.sentence", "dispatch_detail.order_id",
                   "dispatch_detail.reason", "dispatch_detail.sentence",
                   "dispatch_detail.applied_at", "overdue.told_at", "overdue.times",
                   "stock.on_hand", "stock.unrecorded", "reservation.quantity",
                   "cancellation.status", "cancellation.answered_at", "request_line.returned",
                   "request_line.excess_returned", "dispatched_unit.active",
                   "dispatched_unit.return_id"},
    },
    "retention": {
        "insert": set(),
        "delete": {"sales_order", "order_item", "order_hold", "order_history", "request_line",
                   "request_line_share", "batch_history", "request_detail", "dispatch_detail",
                   "dispatch_line", "dispatched_unit", "charge", "fraud_check",
                   "cancellation"},
        "update": {"sales_order.status_at", "batch.purged_at"},
    },
    "console": {
        "insert": {"warehouse", "product", "sales_order", "order_item", "order_hold",
                   "request_queue", "cancellation", "blocked_address", "stock", "reservation"},
        "delete": {"request_queue", "request_detail", "blocked_address", "stock", "reservation"},
        "update": {"warehouse.name", "warehouse.granularity", "warehouse.over_dispatch_percent",
                   "warehouse.priority", "warehouse.back_order", "warehouse.paused_at",
                   "warehouse.paused_by", "warehouse.pause_reason", "product.description",
                   "product.warehouse_id", "product.serialised", "product.billable",
                   "product.attributes", "sales_order.status", "sales_order.status_reason",
                   "sales_order.status_at", "order_item.open_quantity",
                   "order_item.cancelled_quantity", "order_item.warehouse_id",
                   "order_item.allotted", "order_hold.released_at", "order_hold.released_by",
                   "order_hold.release_reason", "order_hold.decision", "request_line.cancelled",
                   "request_line.rejected", "request_line.superseded",
                   "request_line_share.cancelled", "request_line_share.rejected", "batch.stage",
                   "batch.stage_status", "batch.stage_at", "batch.attempts", "batch.reason",
                   "batch.sentence", "batch.record_count", "cancellation.batch_id",
                   "cancellation.sequence", "inbound_file.status", "inbound_file.status_at",
                   "inbound_file.sentence", "outbound_file.published_at",
                   "outbound_file.taken_at", "outbound_file.acknowledged_at",
                   "outbound_file.verdict", "outbound_file.reason", "outbound_file.sentence",
                   "outbound_file.resent", "acknowledgement.attempts",
                   "acknowledgement.set_aside_reason", "fraud_check.released_reasons",
                   "fraud_check.stale", "stock.on_hand", "stock.unrecorded",
                   "reservation.quantity"},
    },
    "adopt": {
        "insert": {"request_line", "request_line_share", "request_queue", "request_detail",
                   "batch", "outbound_file", "inbound_file", "acknowledgement", "cancellation"},
        "delete": {"request_line", "request_line_share", "request_queue", "request_detail",
                   "outbound_file", "cancellation"},
        "update": {"warehouse.file_sequence", "warehouse.acknowledgement_sequence",
                   "warehouse.held_reason", "warehouse.held_at", "sales_order.status",
                   "sales_order.status_reason", "sales_order.status_at",
                   "sales_order.generation", "order_item.open_quantity",
                   "request_line.superseded", "request_line_share.line_id", "batch.stage",
                   "batch.stage_status", "batch.stage_at", "batch.attempts", "batch.reason",
                   "batch.sentence", "batch.record_count", "inbound_file.status",
                   "inbound_file.status_at", "acknowledgement.number", "acknowledgement.name",
                   "acknowledgement.tree_id", "acknowledgement.payload_sha256",
                   "acknowledgement.file_sha256", "acknowledgement.byte_count",
                   "acknowledgement.sealed_at", "cancellation.status", "cancellation.sent_at",
                   "cancellation.batch_id", "cancellation.sequence"},
    },
}  # fmt: skip
"""What a role may change."""
ENTERED: dict[tuple[str, str], set[str]] = {
    ("console", "sales_order"): {"status", "status_reason", "status_at", "generation"},
    ("console", "order_item"): {"open_quantity", "dispatched_quantity", "cancelled_quantity",
                                "allotted"},
    ("console", "warehouse"): {"file_sequence", "acknowledgement_sequence", "held_reason",
                               "held_at", "paused_at", "paused_by", "pause_reason"},
    ("console", "cancellation"): {"status", "asked_at", "asked_by", "batch_id", "sequence",
                                  "sent_at", "answered_at"},
    ("console", "order_hold"): {"placed_at", "released_at", "released_by", "release_reason",
                                "decision"},
    ("load_from_generic", "batch"): {"id", "category", "action", "fraud_check_required",
                                     "created_at", "stage_at", "attempts", "reason", "sentence",
                                     "entered_by", "purged_at"},
    ("load_from_generic", "dispatch_detail"): {"reason", "sentence", "applied_at"},
    ("load_from_generic", "dispatch_line"): {"excess"},
    ("load_from_generic", "inbound_file"): {"payload_sha256", "signer", "batch_id", "status_at",
                                            "claimed_at", "file_sha256", "external_file_name",
                                            "reason", "sentence", "repeats_id"},
    ("load_from_generic", "acknowledgement"): {"records", "published_at", "sealed_at", "number"},
    ("dispatch", "acknowledgement"): {"reason", "sentence", "published_at", "number"},
    ("adopt", "batch"): {"entered_by", "purged_at", "partner_sequence", "received_at"},
    ("adopt", "outbound_file"): {"taken_at", "acknowledged_at", "verdict", "resent"},
    ("adopt", "inbound_file"): {"payload_sha256", "signer", "batch_id", "reason"},
}  # fmt: skip
"""Columns with which a role cannot enter a row that it may enter: others say them, or nobody."""

PERSONAL = {"sales_order", "order_item"}
UNREADABLE = {
    "request_extract": {"inbound_file", "dispatch", "dispatch_detail", "dispatch_line",
                        "dispatched_unit", "charge", "order_history", "batch_history",
                        "outbound_file", "acknowledgement", "sequence_gap", "overdue", "stock",
                        "reservation"},
    "extract_to_generic": {"inbound_file", "dispatch", "dispatch_detail", "dispatch_line",
                           "dispatched_unit", "charge", "order_history", "batch_history",
                           "sequence_gap", "blocked_address", "stock", "reservation"},
    "load_from_generic": {"sales_order", "order_item", "order_hold", "request_line",
                          "request_queue", "request_detail", "outbound_file", "dispatch",
                          "dispatched_unit", "charge", "order_history", "batch_history",
                          "acknowledgement", "overdue", "fraud_check", "blocked_address",
                          "stock", "reservation", "cancellation"},
    "dispatch": {"inbound_file", "order_hold", "request_queue", "order_history",
                 "batch_history", "sequence_gap", "sequence_repeat", "fraud_check",
                 "blocked_address"},
    "retention": {"inbound_file", "dispatch", "product", "acknowledgement", "overdue",
                  "sequence_gap", "sequence_repeat", "blocked_address", "stock"},
    "console": set(),
    "adopt": {"order_hold", "order_history", "batch_history", "dispatch", "dispatch_detail",
              "dispatch_line", "dispatched_unit", "charge", "sequence_gap", "sequence_repeat",
              "overdue", "fraud_check", "blocked_address", "stock", "reservation"},
}  # fmt: skip


def may(conn: psycopg.Connection, statement: sql.Composed) -> bool:
    """Whether the role may run a statement, by trying it; it is undone."""
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return False
    except psycopg.Error:
        return True
    return True


def columns(desk: Desk, table: str) -> list[str]:
    """The columns of a table that are not generated."""
    return [
        row[0]
        for row in desk.rows(
            "select column_name from information_schema.columns where table_name = %s"
            " and is_generated = 'NEVER' and coalesce(identity_generation, '') <> 'ALWAYS'",
            table,
        )
    ]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_changes_what_its_work_needs_alone(shared: Desk, role: str) -> None:
    """Each role inserts, deletes and updates the tables and columns of its work and no other."""
    conn = shared.conn(role)
    allowed = ALLOWED[role]
    wrong = []
    for table in TABLES:
        name = sql.Identifier(table)
        if may(conn, sql.SQL("insert into {} default values").format(name)) != (
            table in allowed["insert"]
        ):
            wrong.append(f"insert into {table}")
        if may(conn, sql.SQL("delete from {}").format(name)) != (table in allowed["delete"]):
            wrong.append(f"remove from {table}")
        if may(conn, sql.SQL("truncate {}").format(name)):
            wrong.append(f"truncate {table}")
        for column in columns(shared, table):
            each = sql.Identifier(column)
            allows = f"{table}.{column}" in allowed["update"]
            # By a constant: reading the old value would ask for the right to read.
            statement = sql.SQL("update {} set {} = null").format(name, each)
            if may(conn, statement) != allows:
                wrong.append(f"update {table} ({column})")
    assert not wrong


@pytest.mark.parametrize(("role", "table"), ENTERED)
def test_a_role_enters_what_its_work_knows_alone(shared: Desk, role: str, table: str) -> None:
    """No order is entered as settled, no file as accepted, no record as applied."""
    conn = shared.conn(role)
    entered = {
        column
        for column in columns(shared, table)
        if may(
            conn,
            sql.SQL("insert into {} ({}) values (null)").format(
                sql.Identifier(table), sql.Identifier(column)
            ),
        )
    }
    assert entered
    assert not entered & ENTERED[role, table]


@pytest.mark.parametrize("role", ["console", "adopt"])
def test_the_console_moves_no_counter(shared: Desk, role: str) -> None:
    """What gives out ids is moved past the files by adopting alone."""
    statement = sql.SQL("select setval('batch_id_seq', {})").format(1)
    assert may(shared.conn(role), statement) == (role == "adopt")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_what_its_work_needs_alone(shared: Desk, role: str) -> None:
    """Load, which faces the partners, reads no order; nobody reads what another daemon keeps."""
    conn = shared.conn(role)
    unreadable = {
        table
        for table in TABLES
        if not may(conn, sql.SQL("select * from {}").format(sql.Identifier(table)))
    }
    assert unreadable >= UNREADABLE[role]
    if role == "load_from_generic":
        assert unreadable >= PERSONAL


@pytest.mark.parametrize(
    "statement",
    [
        "insert into charge default values",
        "update charge set amount = 0",
        "delete from charge",
        "insert into dispatch default values",
        "update dispatch set dispatch_id = 'x'",
        "delete from dispatch",
        "insert into dispatched_unit default values",
        "update dispatched_unit set active = false",
        "delete from dispatched_unit",
        "insert into order_history (order_id, to_status, who) values (1, 'NEW', 'x')",
        "update order_history set who = 'x'",
        "delete from order_history",
        "delete from sales_order",
        "delete from batch",
        "delete from inbound_file",
        "update schema_migration set sha256 = 'x'",
        "truncate sales_order",
        "update dispatch_detail set applied_at = now()",
        "insert into dispatch_line default values",
    ],
)
def test_the_console_can_neither_bill_nor_dispatch(shared: Desk, statement: str) -> None:
    """The console makes no charge, dispatch or history, and removes nothing that is evidence."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shared.conn("console").execute(statement)


def test_the_console_ends_only_a_batch_that_it_took_apart(desk: Desk) -> None:
    """A batch with requests is Extract to Generic's; one that was taken apart the console ends."""
    desk.order(("CASE", 1, "1"))
    desk.generate()
    desk.batch()
    batch = desk.value("select id from batch")
    end = "update batch set stage = 'Extract/Load', stage_status = 'Complete'"
    console = desk.conn("console")
    with pytest.raises(psycopg.errors.IntegrityError, match="completed by Extract to Generic"):
        console.execute(end)
    with console.transaction():
        console.execute("delete from request_detail")
        console.execute(end)
    assert desk.stage(batch) == "Extract/Load, Complete"


@pytest.mark.parametrize("status", ["REQUEUED", "DISCARDED"])
def test_the_console_mends_only_what_is_in_quarantine(desk: Desk, status: str) -> None:
    """A file that was accepted is neither taken back nor discarded."""
    made = (
        "insert into inbound_file (claim_name, warehouse_id, partner_name, status, received_at)"
        " values ('x', 'LONDON', 'x', 'CLAIMED', now())"
    )
    mend = f"update inbound_file set status = '{status}'"  # noqa: S608  # a constant
    desk.owner.execute(made)
    with pytest.raises(psycopg.errors.IntegrityError, match="only a file in quarantine"):
        desk.conn("console").execute(mend)
    desk.owner.execute(
        "update inbound_file set status = 'QUARANTINED', reason = 'NOT_JSON', sentence = 'x'"
    )
    desk.conn("console").execute(mend)
    assert desk.value("select status from inbound_file") == status


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "create table mine ()",
        "alter table sales_order disable trigger all",
        "drop trigger order_history_kept on order_history",
        "alter table charge drop constraint charge_amount",
        "set session_replication_role = replica",
        "create function f() returns void language sql as 'select 1'",
        "create role another",
        "set role sales_order_dispatch_other",
        "copy sales_order to program 'cat'",
        "select pg_read_file('/etc/hostname')",
    ],
    ids=range(10),
)
def test_no_role_gets_round_the_rules(shared: Desk, role: str, statement: str) -> None:
    """No role makes or changes objects, switches triggers off, or reaches the server's files."""
    with pytest.raises(psycopg.Error) as refused:
        shared.conn(role).execute(statement)
    # 42501 insufficient privilege, 22023 no such role
    assert refused.value.sqlstate in {"42501", "22023"}


def test_the_owner_of_history_is_the_trigger(shared: Desk) -> None:
    """A role that cannot write history leaves it all the same, under the name of its session."""
    with shared.conn("console").transaction(force_rollback=True):
        shared.conn("console").execute(
            "insert into sales_order (account_id, currency, delivery_method, delivery_name,"
            " delivery_lines, country) values (1, 'GBP', 'X', 'X', '{X}', 'GB')"
        )
        row = shared.conn("console").execute("select who from order_history").fetchone()
    assert row == ("sales_order_console",)


@pytest.mark.parametrize("role", ROLES)
def test_the_rules_hold_for_each_role(desk: Desk, role: str) -> None:
    """Whoever may move an order cannot make an illegal move, nor count beyond the quantity."""
    order = desk.order(("CASE", 1, "1"))
    conn = desk.conn(role)
    illegal = sql.SQL("update sales_order set status = 'COMPLETE'")
    beyond = sql.SQL("update order_item set open_quantity = 2")
    for statement in (illegal, beyond):
        with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.InsufficientPrivilege)):
            conn.execute(statement)
    assert desk.status(order) == "AWAITING_GENERATION"
    assert desk.items(order) == [(0, 0, 0)]
