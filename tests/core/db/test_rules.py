"""What no program gets round: the database refuses it in plain SQL, even from its owner."""

from __future__ import annotations

import threading
import time
from typing import LiteralString

import psycopg
import pytest

from tests.daemons.desk import Desk

DEADLINE = 30.0
FIXED = "order_item_fixed"
Statement = tuple[LiteralString, tuple[object, ...]]


def refusal(conn: psycopg.Connection, statement: str, *values: object, **named: object) -> str:
    """The constraint, or the sentence, with which a statement is refused; "" if it is not."""
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement, named or values)
    except psycopg.errors.IntegrityError as error:
        return error.diag.constraint_name or str(error.diag.message_primary)
    return ""


@pytest.fixture
def order(shared: Desk, conn: psycopg.Connection) -> int:
    """An order of two items that has left New; undone with everything else."""
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    return shared.order(("CASE", 5, "1.50"), ("CASE", 1, "2"))


@pytest.fixture
def line(conn: psycopg.Connection, order: int) -> int:
    """A request line of 5 of it, with a share of 3."""
    row = conn.execute(
        "insert into request_line (order_id, generation, warehouse_id, product_code, quantity,"
        " unit_price, serialised, billable) values (%s, 1, 'LONDON', 'CASE', 5, 1.5, true, true)"
        " returning id",
        (order,),
    ).fetchone()
    assert row is not None
    conn.execute(
        "insert into request_line_share (line_id, order_id, item_no, quantity)"
        " values (%s, %s, 1, 3)",
        (row[0], order),
    )
    return int(row[0])


@pytest.mark.parametrize(
    "statement",
    [
        (
            "insert into order_item (order_id, item_no, product_code, quantity, unit_price)"
            " values (%(order)s, 3, 'CASE', 1, 1)"
        ),
        "delete from order_item where order_id = %(order)s and item_no = 2",
        "delete from order_item where order_id = %(order)s",
        "update order_item set quantity = 6 where order_id = %(order)s and item_no = 1",
        "update order_item set product_code = 'WELCOME' where order_id = %(order)s",
        "update order_item set unit_price = 0 where order_id = %(order)s and item_no = 1",
        "update order_item set warehouse_id = 'LEEDS' where order_id = %(order)s",
        "update order_item set item_no = item_no + 10 where order_id = %(order)s",
        "update order_item set order_id = %(new)s where order_id = %(order)s",
        "update order_item set order_id = %(order)s, item_no = 9 where order_id = %(new)s",
        (
            "insert into order_item select %(order)s, 9, 'CASE', 1, 1"
            " on conflict (order_id, item_no) do update set quantity = 9"
        ),
        (
            "insert into order_item select %(order)s, 1, 'CASE', 1, 1"
            " on conflict (order_id, item_no) do update set quantity = 9"
        ),
        (
            "merge into order_item i using (select 1) one"
            " on i.order_id = %(order)s and i.item_no = 1 when matched then delete"
        ),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("status", ["AWAITING_GENERATION", "ERROR", "CANCELLED"])
def test_items_are_fixed(
    shared: Desk, conn: psycopg.Connection, order: int, statement: str, status: str
) -> None:
    """Once an order has left New, no item of it is added, removed, changed or moved, in any
    status.
    """
    new = shared.order(("CASE", 1, "1"), submit=False)
    if status != "AWAITING_GENERATION":
        conn.execute("update sales_order set status = %s where id = %s", (status, order))
    named = {"order": order, "new": new}
    with pytest.raises(psycopg.errors.IntegrityError) as refused, conn.transaction():
        conn.execute(statement, named)
    assert refused.value.diag.constraint_name == FIXED


def test_items_of_a_new_order_are_free(shared: Desk, conn: psycopg.Connection) -> None:
    """While an order is New its items come, change and go."""
    order = shared.order(("CASE", 5, "1"), submit=False)
    for statement in (
        "update order_item set quantity = 6, unit_price = 2 where order_id = %s",
        "insert into order_item select id, 2, 'CASE', 1, 1 from sales_order where id = %s",
        "update order_item set warehouse_id = 'LEEDS' where order_id = %s",
        "delete from order_item where order_id = %s and item_no = 2",
    ):
        conn.execute(statement, (order,))
    assert shared.rows("select item_no, quantity from order_item where order_id = %s", order) == [
        (1, 6)
    ]


class Session(threading.Thread):
    """Runs one statement elsewhere, which may have to wait."""

    def __init__(self, desk: Desk, statement: str, order: int) -> None:
        super().__init__(daemon=True)
        self.conn = desk.database.connect()
        self.pid = self.conn.info.backend_pid
        self._statement, self._order = statement, order
        self.error: psycopg.Error | None = None

    def run(self) -> None:
        """Keep how it ended."""
        try:
            self.conn.execute(self._statement, (self._order,))
        except psycopg.Error as error:
            self.error = error

    def wait_until_blocked(self, conn: psycopg.Connection) -> None:
        """Return once it waits for a lock."""
        end = time.monotonic() + DEADLINE
        query = "select cardinality(pg_blocking_pids(%s)) > 0"
        while conn.execute(query, (self.pid,)).fetchone() != (True,):
            assert self.is_alive(), "it did not wait"
            assert time.monotonic() < end


SUBMIT = "update sales_order set status = 'AWAITING_GENERATION' where id = %s"
ADD = "insert into order_item select id, 2, 'CASE', 1, 1 from sales_order where id = %s"
CHANGE = "update order_item set quantity = 9 where order_id = %s"
REMOVE = "delete from order_item where order_id = %s"


@pytest.fixture
def new(desk: Desk) -> int:
    """A committed order in New."""
    return desk.order(("CASE", 5, "1"), submit=False)


@pytest.mark.parametrize("statement", [ADD, CHANGE, REMOVE], ids=["add", "change", "remove"])
def test_submit_waits_for_an_item(desk: Desk, new: int, statement: str) -> None:
    """An order cannot leave New while another session's change of its items is uncommitted."""
    with desk.owner.transaction():
        desk.owner.execute(statement, (new,))
        submit = Session(desk, SUBMIT, new)
        submit.start()
        submit.wait_until_blocked(desk.owner)
    submit.join(DEADLINE)
    assert submit.error is None
    assert desk.status(new) == "AWAITING_GENERATION"


@pytest.mark.parametrize("statement", [ADD, CHANGE, REMOVE], ids=["add", "change", "remove"])
def test_an_item_waits_for_submit_and_is_refused(desk: Desk, new: int, statement: str) -> None:
    """An item that meets an uncommitted submit waits for it, and is refused when it commits."""
    with desk.owner.transaction():
        desk.owner.execute(SUBMIT, (new,))
        change = Session(desk, statement, new)
        change.start()
        change.wait_until_blocked(desk.owner)
    change.join(DEADLINE)
    assert isinstance(change.error, psycopg.errors.IntegrityError)
    assert change.error.diag.constraint_name == FIXED
    assert desk.items(new) == [(0, 0, 0)]


@pytest.mark.parametrize(
    "statement",
    [
        "update order_history set who = 'me'",
        "update order_history set to_status = 'CANCELLED' where false",
        "delete from order_history",
        "delete from order_history where order_id = -1",
    ],
    ids=range(4),
)
def test_history_is_kept(conn: psycopg.Connection, order: int, statement: str) -> None:
    """History is neither changed nor deleted, by anybody."""
    assert order
    assert refusal(conn, statement) == "history is never changed"


def test_an_order_keeps_its_id(conn: psycopg.Connection, order: int) -> None:
    """An order's id, which partners have been told, never changes."""
    statement = "update sales_order set id = id + 1000 where id = %s"
    assert refusal(conn, "delete from order_item where false") == ""
    with conn.transaction(force_rollback=True):
        row = conn.execute(
            "insert into sales_order (account_id, currency, delivery_method, delivery_name,"
            " delivery_lines, country) values (1, 'GBP', 'X', 'X', '{X}', 'GB') returning id"
        ).fetchone()
        assert row is not None
        assert refusal(conn, statement, row[0]) == "an order keeps its id"
    assert refusal(conn, statement, order) == "an order keeps its id"


@pytest.mark.parametrize("change", ["id = id + 1000", "type = 'Sales Order Dispatch'"])
def test_a_batch_keeps_its_type_and_id(conn: psycopg.Connection, change: str) -> None:
    """A batch's id and type never change."""
    conn.execute(
        "insert into batch (type, warehouse_id, stage, stage_status, record_count)"
        " values ('Sales Order Request', 'LONDON', 'Batch', 'Complete', 0)"
    )
    statement = f"update batch set {change}"  # noqa: S608
    assert refusal(conn, statement) == "a batch keeps its type and id"


@pytest.mark.parametrize(
    ("table", "counters", "constraint"),
    [
        ("order_item", "open_quantity = 6", "order_item_sums"),
        ("order_item", "dispatched_quantity = 6", "order_item_sums"),
        ("order_item", "cancelled_quantity = 6", "order_item_sums"),
        ("order_item", "open_quantity = 2, dispatched_quantity = 2, cancelled_quantity = 2",
         "order_item_sums"),
        ("order_item", "open_quantity = -1", "order_item_open_quantity_check"),
        ("order_item", "dispatched_quantity = -1", "order_item_dispatched_quantity_check"),
        ("order_item", "cancelled_quantity = -1", "order_item_cancelled_quantity_check"),
        ("request_line", "dispatched = 6", "request_line_sums"),
        ("request_line", "dispatched = 2, cancelled = 2, rejected = 2", "request_line_sums"),
        ("request_line", "rejected = -1, dispatched = 6", "request_line_rejected_check"),
        ("request_line", "cancelled = -1, dispatched = 6", "request_line_cancelled_check"),
        ("request_line", "dispatched = -1, rejected = 6", "request_line_dispatched_check"),
        ("request_line", "quantity = 0", "request_line_quantity_check"),
        ("request_line_share", "dispatched = 2, cancelled = 1, rejected = 1",
         "request_line_share_sums"),
        ("request_line_share", "rejected = -1, dispatched = 4",
         "request_line_share_rejected_check"),
    ],
    ids=range(15),
)  # fmt: skip
def test_counters_stay_within_the_quantity(
    conn: psycopg.Connection, order: int, line: int, table: str, counters: str, constraint: str
) -> None:
    """What was dispatched, cancelled, rejected or is open is never more than ordered, nor
    negative.
    """
    assert line
    where = "order_id = %s" + (" and item_no = 1" if table == "order_item" else "")
    assert refusal(conn, f"update {table} set {counters} where {where}", order) == constraint  # noqa: S608


UNIT = (
    "insert into dispatched_unit (line_id, dispatch_id, unit_no, order_id, warehouse_id,"
    " product_code, serial_number, imei, iccid, active)"
    " values (%(line)s, %(dispatch)s, %(no)s, 1, 'LONDON', %(product)s, %(serial)s, %(imei)s,"
    " %(iccid)s, %(active)s)"
)


def unit(line: int, number: int, **values: object) -> dict[str, object]:
    """A dispatched unit without numbers, but for those given."""
    return {"line": line, "dispatch": "D1", "no": number, "product": "CASE", "serial": None,
            "imei": None, "iccid": None, "active": True, **values}  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "constraint"),
    [
        ({"serial": "S"}, {"serial": "S"}, "dispatched_unit_serial_number"),
        ({"serial": "S"}, {"serial": "S", "product": "PHONE"}, ""),
        ({"imei": "I"}, {"imei": "I", "product": "PHONE"}, "dispatched_unit_imei"),
        ({"iccid": "C"}, {"iccid": "C", "product": "PHONE"}, "dispatched_unit_iccid"),
        ({"serial": "S", "active": False}, {"serial": "S"}, ""),
        ({"imei": "I", "active": False}, {"imei": "I"}, ""),
        ({"iccid": "C", "active": False}, {"iccid": "C"}, ""),
        ({}, {}, ""),
        ({"no": 7}, {"no": 7}, "dispatched_unit_pkey"),
    ],
    ids=range(9),
)
def test_a_number_is_active_once(
    conn: psycopg.Connection,
    line: int,
    first: dict[str, object],
    second: dict[str, object],
    constraint: str,
) -> None:
    """A serial number with its product, an IMEI, an ICCID is active once; one that came back is
    free.
    """
    conn.execute(UNIT, unit(line, 1, **first))
    values = unit(line, 2, **second)
    if not constraint:
        conn.execute(UNIT, values)
        return
    with pytest.raises(psycopg.errors.UniqueViolation) as refused, conn.transaction():
        conn.execute(UNIT, values)
    assert refused.value.diag.constraint_name == constraint


CHARGE = (
    "insert into charge (warehouse_id, dispatch_id, line_id, unit_no, order_id, account_id,"
    " product_code, quantity, unit_price, amount, currency)"
    " values ('LONDON', %s, %s, %s, 1, 1, 'CASE', %s, %s, %s, 'GBP')"
)


def test_a_charge_is_made_once(conn: psycopg.Connection, line: int) -> None:
    """A dispatch of a line, or a unit of it, is charged once; another dispatch of it again."""
    conn.execute(CHARGE, ("D1", line, 0, 2, "1.5", "3"))
    assert refusal(conn, CHARGE, "D1", line, 0, 2, "1.5", "3") == "charge_pkey"
    assert refusal(conn, CHARGE, "D1", line, 0, 1, "1.5", "1.5") == "charge_pkey"
    assert refusal(conn, CHARGE, "D2", line, 0, 2, "1.5", "3") == ""
    assert refusal(conn, CHARGE, "D1", line, 1, 2, "1.5", "3") == ""


def test_a_line_stays_while_it_is_named(conn: psycopg.Connection, line: int) -> None:
    """Whoever deletes: a request line stays as long as a unit or a charge names it, others go."""
    conn.execute("delete from request_line_share where line_id = %s", (line,))
    delete = "delete from request_line where id = %s"
    assert refusal(conn, delete, line) == ""
    for statement, values in ((UNIT, unit(line, 1)), (CHARGE, ("D1", line, 0, 2, "1.5", "3"))):
        with conn.transaction(force_rollback=True):
            conn.execute(statement, values)
            assert refusal(conn, delete, line) == "request_line_named"


def test_units_and_charges_name_a_line(conn: psycopg.Connection, line: int) -> None:
    """A unit or a charge of no line is refused; neither these nor the line can be moved away."""
    assert refusal(conn, UNIT, **unit(line + 1000, 1)) == "request_line_named"
    assert refusal(conn, CHARGE, "D1", line + 1000, 0, 2, "1.5", "3") == "request_line_named"
    assert "keeps its id" in refusal(
        conn, "update request_line set id = id + 1000 where id = %s", line
    )
    conn.execute(UNIT, unit(line, 1))
    conn.execute(CHARGE, ("D1", line, 0, 2, "1.5", "3"))
    for table, what in (("dispatched_unit", "a unit"), ("charge", "a charge")):
        moved = f"update {table} set line_id = line_id + 1000 where line_id = %s"  # noqa: S608
        assert refusal(conn, moved, line) == f"{what} keeps its line"


@pytest.mark.parametrize("billed_first", [True, False])
def test_a_line_is_not_removed_beside_its_charge(desk: Desk, *, billed_first: bool) -> None:
    """Whoever comes first, who bills a line or who removes it, the other waits and is refused."""
    desk.order(("CASE", 2, "1.5"))
    desk.generate()
    (line,) = desk.rows("select id from request_line")[0]
    bill: Statement = (CHARGE, ("D1", line, 0, 2, "1.5", "3"))
    remove: Statement = ("delete from request_line where id = %s", (line,))
    first, second = (bill, remove) if billed_first else (remove, bill)
    with desk.database.connect() as one, desk.database.connect() as other:
        other.autocommit = False
        ended: list[Exception | None] = []
        pid = other.info.backend_pid
        with one.transaction():
            one.execute(*first)
            thread = threading.Thread(target=lambda: ended.append(_outcome(other, *second)))
            thread.start()
            _wait_for_lock(desk, pid)
        thread.join(DEADLINE)
    assert isinstance(ended[0], psycopg.errors.ForeignKeyViolation)
    left = desk.rows("select (select count(*) from request_line), (select count(*) from charge)")
    assert left == [(1, 1) if billed_first else (0, 0)]


def _outcome(
    conn: psycopg.Connection, statement: LiteralString, values: tuple[object, ...]
) -> Exception | None:
    """The error with which a statement ends, in a transaction that is committed otherwise."""
    try:
        with conn.transaction():
            conn.execute(statement, values)
    except psycopg.Error as error:
        return error
    return None


def _wait_for_lock(desk: Desk, pid: int) -> None:
    """Until the session waits for another one's lock."""
    deadline = time.monotonic() + DEADLINE
    while not desk.value("select cardinality(pg_blocking_pids(%s)) > 0", pid):
        assert time.monotonic() < deadline, "nobody waits"


@pytest.mark.parametrize("amount", ["2.9999999999", "3.0000000001", "0", "-3", "NaN"])
def test_a_charge_is_exact(conn: psycopg.Connection, line: int, amount: str) -> None:
    """The amount of a charge is quantity times price and nothing else, to the last digit."""
    assert refusal(conn, CHARGE, "D1", line, 0, 2, "1.5", amount) == "charge_amount"
    assert refusal(conn, CHARGE, "D1", line, 0, 3, "0.3333333333", "0.9999999999") == ""


def test_a_dispatch_id_is_used_once(conn: psycopg.Connection) -> None:
    """A warehouse's dispatchId is unique for ever; another warehouse may use the same."""
    statement = (
        "insert into dispatch (warehouse_id, dispatch_id, order_id, batch_id, sequence,"
        " content_sha256) values (%s, 'D1', 1, 1, 1, '')"
    )
    conn.execute(statement, ("LONDON",))
    assert refusal(conn, statement, "LONDON") == "dispatch_pkey"
    assert refusal(conn, statement, "LEEDS") == ""


@pytest.fixture
def batches(conn: psycopg.Connection) -> list[int]:
    """Three request batches of LONDON."""
    return [
        row[0]
        for row in conn.execute(
            "insert into batch (type, warehouse_id, stage, stage_status, record_count)"
            " select 'Sales Order Request', 'LONDON', 'Batch', 'Complete', 0"
            " from generate_series(1, 3) returning id"
        ).fetchall()
    ]


def test_a_file_sequence_is_used_once(conn: psycopg.Connection, batches: list[int]) -> None:
    """A warehouse's file sequence, and a batch's file, are there once."""
    statement = (
        "insert into outbound_file (batch_id, warehouse_id, file_sequence, name, tree_id,"
        " payload_sha256, file_sha256, byte_count)"
        " values (%s, %s, %s, 'x', gen_random_uuid(), '', '', 1)"
    )
    conn.execute(statement, (batches[0], "LONDON", 1))
    assert refusal(conn, statement, batches[1], "LONDON", 1) == (
        "outbound_file_warehouse_id_file_sequence_key"
    )
    assert refusal(conn, statement, batches[0], "LONDON", 2) == "outbound_file_batch_id_key"
    assert refusal(conn, statement, batches[1], "LEEDS", 1) == ""
    assert refusal(conn, statement, batches[1], "LONDON", 2) == ""


def test_an_order_has_one_open_hold_of_a_kind(conn: psycopg.Connection, order: int) -> None:
    """Of each kind of hold one can be open; once it is released there may be another."""
    statement = (
        "insert into order_hold (order_id, kind, reason, placed_by) values (%s, %s, 'x', 'me')"
    )
    conn.execute(statement, (order, "OPERATOR"))
    assert refusal(conn, statement, order, "OPERATOR") == "order_hold_open"
    assert refusal(conn, statement, order, "FRAUD") == ""
    half = "update order_hold set released_at = now() where order_id = %s"
    assert refusal(conn, half, order) == "order_hold_check"
    conn.execute("update order_hold set released_at = now(), released_by = 'me'")
    assert refusal(conn, statement, order, "OPERATOR") == ""


def test_content_is_accepted_once(conn: psycopg.Connection) -> None:
    """A signed content of one signer is accepted once; what was refused or requeued blocks
    nothing.
    """
    statement = (
        "insert into inbound_file (claim_name, warehouse_id, partner_name, status, received_at,"
        " payload_sha256, signer) values (%s, %s, 'x', %s, now(), 'digest', %s)"
    )
    for free in ("QUARANTINED", "REPEATED", "REQUEUED", "DISCARDED", "CLAIMED"):
        conn.execute(statement, (free, "LONDON", free, "signer"))
    conn.execute(statement, ("first", "LONDON", "LOADED", "signer"))
    for warehouse in ("LONDON", "LEEDS"):
        for status in ("LOADED", "ARCHIVED"):
            refused = refusal(conn, statement, "second", warehouse, status, "signer")
            assert refused == "inbound_file_accepted"
    assert refusal(conn, statement, "second", "LONDON", "LOADED", "another") == ""
    assert refusal(conn, statement, "first", "LONDON", "REPEATED", "x") == (
        "inbound_file_claim_name_key"
    )


def test_a_reference_is_submitted_once(shared: Desk, conn: psycopg.Connection) -> None:
    """The seller's own number of an order is there once."""
    shared.order(("CASE", 1, "1"), reference="R1")
    with pytest.raises(psycopg.errors.UniqueViolation), conn.transaction():
        shared.order(("CASE", 1, "1"), reference="R1")
