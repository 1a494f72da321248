"""What must hold holds without the programs: each role that could break it tries, in plain SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest

from tests import postgres
from tests.core.db.test_rights import ROLES
from tests.daemons.conftest import catalogue
from tests.daemons.desk import Desk, imei, line, record

DAEMONS = ("request_extract", "extract_to_generic", "load_from_generic", "dispatch")
EXTRACT, SEAL, LOAD, DISPATCH = DAEMONS
RETENTION, CONSOLE, ADOPT = "retention", "console", "adopt"

RULE = "23000"
"""SQLSTATE of what a trigger refuses (integrity_constraint_violation)."""
FOREIGN, UNIQUE, CHECK, DENIED = "23503", "23505", "23514", "42501"


class Break(NamedTuple):
    """A statement that breaks an invariant, and what stands against it."""

    statement: str
    """Over the rows of `facts`, by name."""
    state: str
    """The SQLSTATE with which those are refused who have the right to run it."""
    rule: str
    """The constraint, or the sentence of the trigger."""
    may: tuple[str, ...]
    """Who has the right; to all others it is denied for want of it."""
    instead: tuple[tuple[str, str, str], ...] = ()
    """Role, SQLSTATE and rule, where another rule stands against a role."""


NEW_UNIT = (
    "insert into dispatched_unit (line_id, dispatch_id, unit_no, order_id, warehouse_id,"
    " product_code, serial_number, imei, iccid)"
    " values ({line}, 'other', 1, {phone}, 'LONDON', '{product}', {numbers})"
)
NEW_CHARGE = (
    "insert into charge (warehouse_id, dispatch_id, line_id, unit_no, order_id, account_id,"
    " product_code, quantity, unit_price, amount, currency)"
    " values ('LONDON', '{dispatch}', {line}, 0, {order}, 1, 'CASE', 2, 1.5, {amount}, 'GBP')"
)
NEW_BATCH = (
    "insert into batch (type, warehouse_id, stage, stage_status, record_count)"
    " values ('Sales Order {kind}', 'LONDON', '{stage}', '{status}', 0)"
)
ANSWERED = "an answered cancellation stays as it is"
FIXED = "order_item_fixed"
MOVE, BATCH_MOVE = "order_history_legal_move", "batch_history_legal_move"
MAKER = "this role makes batches of the other direction"
JUDGED = "a file is accepted or refused by Load from Generic"

BREAKS = {
    # Moves.
    "an order skips its states": Break(
        "update sales_order set status = 'COMPLETE' where id = {new}",
        CHECK, MOVE, (EXTRACT, DISPATCH, CONSOLE, ADOPT)),
    "an order comes back from its end": Break(
        "update sales_order set status = 'AWAITING_DISPATCH' where id = {ended}",
        CHECK, MOVE, (EXTRACT, DISPATCH, CONSOLE, ADOPT)),
    "an order begins in the middle": Break(
        "insert into sales_order (account_id, status, currency, delivery_method, delivery_name,"
        " delivery_lines, country) values (1, 'AWAITING_DISPATCH', 'GBP', 'X', 'X', '{{X}}', 'GB')",
        CHECK, MOVE, ()),
    "a published batch is batched anew": Break(
        "update batch set stage = 'Batch', stage_status = 'Complete' where id = {batch}",
        CHECK, BATCH_MOVE, (SEAL, DISPATCH, CONSOLE, ADOPT)),
    "a request batch begins sealed": Break(
        NEW_BATCH.format(kind="Request", stage="Extract/Load", status="In Progress"),
        CHECK, BATCH_MOVE, (EXTRACT, LOAD, ADOPT), ((LOAD, RULE, MAKER),)),
    "a dispatch batch begins applied": Break(
        NEW_BATCH.format(kind="Dispatch", stage="Batch", status="Complete"),
        CHECK, BATCH_MOVE, (EXTRACT, LOAD, ADOPT),
        ((EXTRACT, RULE, MAKER), (ADOPT, RULE, MAKER))),
    "an order takes another id": Break(
        "update sales_order set id = id + 1000 where id = {order}",
        RULE, "an order keeps its id", ()),
    "a batch changes sides": Break(
        "update batch set type = 'Sales Order Dispatch' where id = {batch}",
        RULE, "a batch keeps its type and id", ()),
    "a batch changes its warehouse": Break(
        "update batch set warehouse_id = 'LEEDS' where id = {batch}",
        RULE, "a batch keeps its warehouse", ()),
    # Sums.
    "more of a line is dispatched than was asked": Break(
        "update request_line set dispatched = 6 where id = {line}",
        CHECK, "request_line_sums", (DISPATCH,)),
    "more of a line is rejected than was asked": Break(
        "update request_line set rejected = 6 where id = {line}",
        CHECK, "request_line_sums", (EXTRACT, DISPATCH, CONSOLE)),
    "more of a share is dispatched than it has": Break(
        "update request_line_share set dispatched = 4 where line_id = {merged}",
        CHECK, "request_line_share_sums", (DISPATCH,)),
    "more of a share is rejected than it has": Break(
        "update request_line_share set rejected = 4 where line_id = {merged}",
        CHECK, "request_line_share_sums", (EXTRACT, DISPATCH, CONSOLE)),
    "more of an item is open than was ordered": Break(
        "update order_item set open_quantity = 6 where order_id = {order}",
        CHECK, "order_item_sums", (EXTRACT, DISPATCH, CONSOLE, ADOPT)),
    "more of an item is dispatched than was ordered": Break(
        "update order_item set dispatched_quantity = 6 where order_id = {order}",
        CHECK, "order_item_sums", (DISPATCH,)),
    "less than nothing of an item is open": Break(
        "update order_item set open_quantity = -1 where order_id = {order}",
        CHECK, "order_item_open_quantity_check", (EXTRACT, DISPATCH, CONSOLE, ADOPT)),
    "more comes back than was dispatched": Break(
        "update request_line set returned = dispatched + 1 where id = {line}",
        CHECK, "request_line_returned", (DISPATCH,)),
    "more of an excess comes back than there was": Break(
        "update request_line set excess_returned = 1 where id = {line}",
        CHECK, "request_line_returned", (DISPATCH,)),
    # Once.
    "a serial number is out twice": Break(
        NEW_UNIT.replace("{numbers}", "'SERIAL1', null, null").replace("{product}", "PHONE"),
        UNIQUE, "dispatched_unit_serial_number", (DISPATCH,)),
    "an IMEI is out twice, in another product": Break(
        NEW_UNIT.replace("{numbers}", "null, '{imei}', null").replace("{product}", "SIM"),
        UNIQUE, "dispatched_unit_imei", (DISPATCH,)),
    "an ICCID is out twice, in another product": Break(
        NEW_UNIT.replace("{numbers}", "null, null, 'ICCID1'").replace("{product}", "PHONE"),
        UNIQUE, "dispatched_unit_iccid", (DISPATCH,)),
    "a unit with a number is removed, which frees it": Break(
        "delete from dispatched_unit where serial_number = 'SERIAL1'",
        RULE, "a unit with a number is never removed", (RETENTION,)),
    "a dispatch is charged twice": Break(
        NEW_CHARGE.replace("{dispatch}", "D1").replace("{amount}", "3"),
        UNIQUE, "charge_pkey", (DISPATCH,)),
    "a charge is more than price times quantity": Break(
        NEW_CHARGE.replace("{dispatch}", "D2").replace("{amount}", "3.01"),
        CHECK, "charge_amount", (DISPATCH,)),
    "a dispatchId is used twice": Break(
        "insert into dispatch (warehouse_id, dispatch_id, order_id, batch_id, sequence,"
        " content_sha256) values ('LONDON', 'D1', {order}, 1, 1, '')",
        UNIQUE, "dispatch_pkey", (DISPATCH,)),
    "a file number is used twice": Break(
        "insert into outbound_file (batch_id, warehouse_id, file_sequence, name, tree_id,"
        " payload_sha256, file_sha256, byte_count)"
        " values ({unsealed}, 'LONDON', 1, 'x', gen_random_uuid(), '', '', 1)",
        UNIQUE, "outbound_file_warehouse_id_file_sequence_key", (SEAL, ADOPT)),
    "a batch is sealed twice": Break(
        "insert into outbound_file (batch_id, warehouse_id, file_sequence, name, tree_id,"
        " payload_sha256, file_sha256, byte_count)"
        " values ({batch}, 'LONDON', 99, 'x', gen_random_uuid(), '', '', 1)",
        UNIQUE, "outbound_file_batch_id_key", (SEAL, ADOPT)),
    "a content is accepted twice": Break(
        "insert into inbound_file (claim_name, warehouse_id, partner_name, status, received_at,"
        " payload_sha256, signer)"
        " values ('second', 'LONDON', 'x', 'LOADED', now(), 'digest', 'me')",
        UNIQUE, "inbound_file_accepted", ()),
    "a refused content is accepted beside another": Break(
        "update inbound_file set status = 'ARCHIVED' where claim_name = 'refused'",
        UNIQUE, "inbound_file_accepted", (LOAD, CONSOLE, ADOPT),
        ((CONSOLE, RULE, JUDGED), (ADOPT, RULE, JUDGED))),
    "a reference is submitted twice": Break(
        "update sales_order set reference = 'REFERENCE1' where id = {new}",
        UNIQUE, "sales_order_reference_key", ()),
    "a request is in two batches": Break(
        "insert into request_detail (batch_id, sequence, order_id, generation, warehouse_id)"
        " values ({unsealed}, 99, {order}, 1, 'LONDON')",
        UNIQUE, "request_detail_once", (EXTRACT, ADOPT)),
    "a request is in two batches, its warehouse unsaid": Break(
        "insert into request_detail (batch_id, sequence, order_id, generation)"
        " values ({unsealed}, 99, {order}, 1)",
        UNIQUE, "request_detail_once", (EXTRACT, ADOPT)),
    "a request is in two batches, under a false warehouse": Break(
        "insert into request_detail (batch_id, sequence, order_id, generation, warehouse_id)"
        " values ({unsealed}, 99, {order}, 1, 'LEEDS')",
        RULE, "request_detail_of_batch", (EXTRACT, ADOPT)),
    "a request is in a batch of answers": Break(
        "insert into request_detail (batch_id, sequence, order_id, generation, warehouse_id)"
        " select min(id), 99, {order}, 2, 'LONDON' from batch where type = 'Sales Order Dispatch'",
        RULE, "request_detail_of_batch", (EXTRACT, ADOPT)),
    "a hold of a kind is open twice": Break(
        "insert into order_hold (order_id, kind, reason, placed_by)"
        " values ({order}, 'OPERATOR', 'x', 'me')",
        UNIQUE, "order_hold_open", (EXTRACT, CONSOLE)),
    "a released hold opens again beside another": Break(
        "update order_hold set released_at = null, released_by = null where order_id = {order}"
        " and released_at is not null",
        UNIQUE, "order_hold_open", (CONSOLE,)),
    "a cancellation is asked twice": Break(
        "insert into cancellation (order_id, warehouse_id, generation, reason)"
        " values ({order}, 'LONDON', 1, 'again')",
        UNIQUE, "cancellation_open", (CONSOLE, ADOPT)),
    # Stock.
    "there is less than nothing on hand": Break(
        "update stock set on_hand = -1 where product_code = 'PHONE'",
        CHECK, "stock_quantity_check", (DISPATCH, CONSOLE)),
    "less is on hand than is reserved": Break(
        "update stock set on_hand = 2 where product_code = 'CASE'",
        CHECK, "stock_reserved", (DISPATCH, CONSOLE)),
    "a reservation grows beyond the stock": Break(
        "update reservation set quantity = 11 where order_id = {new}",
        CHECK, "stock_reserved", (DISPATCH, CONSOLE)),
    "more is reserved than there is": Break(
        "insert into reservation values ({order}, 'LONDON', 'CASE', 8)",
        CHECK, "stock_reserved", (CONSOLE,)),
    # What is fixed.
    "an item is added after New": Break(
        "insert into order_item (order_id, item_no, product_code, quantity, unit_price)"
        " values ({order}, 9, 'CASE', 1, 1)",
        RULE, FIXED, (CONSOLE,)),
    "an item is changed after New": Break(
        "update order_item set quantity = 6 where order_id = {order}", RULE, FIXED, ()),
    "an item is given to another order": Break(
        "update order_item set order_id = {order}, item_no = 9 where order_id = {new}",
        RULE, FIXED, ()),
    "an item is removed from its order": Break(
        "delete from order_item where order_id = {order}", RULE, "order_left", (RETENTION,)),
    "the payer changes after New": Break(
        "update sales_order set account_id = 2 where id = {order}",
        RULE, "account and currency of an order are fixed once it has left New", ()),
    "an order is removed that has not ended": Break(
        "delete from sales_order where id = {new}",
        RULE, "only an order that has ended is removed", (RETENTION,)),
    "an answer of the warehouse is turned round": Break(
        "update cancellation set status = 'REFUSED' where id = {answered}",
        RULE, ANSWERED, (SEAL, DISPATCH, ADOPT)),
    "the time of an answer changes": Break(
        "update cancellation set answered_at = now() + interval '1 day' where id = {answered}",
        RULE, ANSWERED, (DISPATCH,)),
    "an answered question goes out in another batch": Break(
        "update cancellation set batch_id = {unsealed}, sequence = 98 where id = {answered}",
        RULE, ANSWERED, (EXTRACT, SEAL, CONSOLE, ADOPT)),
    "an answer is removed": Break(
        "delete from cancellation where id = {answered}",
        RULE, "a cancellation that was sent or answered stays", (RETENTION, ADOPT),
        ((RETENTION, RULE, "order_left"),)),
    "history of an order is removed": Break(
        "delete from order_history where order_id = {order}", RULE, "order_left", (RETENTION,)),
    "history of a batch is removed": Break(
        "delete from batch_history where batch_id = {batch}", RULE, "batch_left", (RETENTION,)),
    "history of an order is changed": Break(
        "update order_history set why = 'because'", DENIED, "", ()),
    "history of a batch is changed": Break(
        "update batch_history set why = 'because'", DENIED, "", ()),
    "a request is moved to another batch": Break(
        "update request_detail set batch_id = {unsealed}", DENIED, "", ()),
    "a published file is removed": Break(
        "delete from outbound_file where batch_id = {batch}",
        RULE, "a file that was published stays", (ADOPT,)),
    # What names a line.
    "a unit is of no line": Break(
        "insert into dispatched_unit (line_id, dispatch_id, unit_no, order_id, warehouse_id,"
        " product_code) values (999999, 'other', 1, {order}, 'LONDON', 'CASE')",
        FOREIGN, "request_line_named", (DISPATCH,)),
    "a charge is of no line": Break(
        NEW_CHARGE.replace("{dispatch}", "D2").replace("{amount}", "3").replace("{line}", "999999"),
        FOREIGN, "request_line_named", (DISPATCH,)),
    "a line is removed under its charge": Break(
        "delete from request_line where id = {line}",
        FOREIGN, "request_line_named", (RETENTION, ADOPT)),
    "a line takes another id": Break(
        "update request_line set id = id + 1000 where id = {line}",
        RULE, "a request line keeps its id", ()),
}  # fmt: skip


class Facts(NamedTuple):
    """An installation in which there is one of everything, and the numbers of its rows."""

    desk: Desk
    numbers: dict[str, object]


@pytest.fixture(scope="module")
def facts(postgres_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    """Made by the daemons' own work where it is theirs; nothing that follows stays in it."""
    with postgres.clone(postgres_host) as database:
        desk = Desk(tmp_path_factory.mktemp("desk"), database)
        catalogue(desk)
        yield Facts(desk, _rows(desk))


def _rows(desk: Desk) -> dict[str, object]:
    desk.product("CABLE", "BELFAST")
    order = desk.request(("CASE", 5, "1.5"))
    merged = desk.request(("CABLE", 3, "1"), ("CABLE", 3, "1"))
    phone = desk.request(("PHONE", 1, "1"))
    sim = desk.request(("SIM", 1, "1"))
    (line_of_order,), (line_of_phone,), (line_of_sim,) = map(desk.lines, (order, phone, sim))
    number = imei()
    handset = [{"serialNumber": "SERIAL1", "imei": number}]
    assert desk.answer(
        "LONDON",
        record(order, "D1", line(line_of_order, 2), status="PART_DISPATCHED"),
        record(phone, "D2", line(line_of_phone, 1, units=handset)),
    ) == [None, None]
    assert desk.answer(
        "LEEDS", record(sim, "D1", line(line_of_sim, 1, units=[{"iccid": "ICCID1"}]))
    ) == [None]  # fmt: skip
    ended = desk.order(submit=False)
    new = desk.order(("CASE", 5, "1"), submit=False)
    desk.stock("LONDON", "CASE", 10)
    desk.stock("LONDON", "PHONE", 1)
    desk.order(("CASE", 1, "1"), reference="REFERENCE1")
    desk.generate()
    (unsealed,) = desk.batch()
    batch = desk.value("select batch_id from request_detail where order_id = %s", order)
    execute = desk.owner.execute
    execute("update sales_order set status = 'CANCELLED' where id = %s", (ended,))
    execute("insert into reservation values (%s, 'LONDON', 'CASE', 3)", (new,))
    execute(
        "insert into order_hold (order_id, kind, reason, placed_by, released_at, released_by)"
        " values (%(order)s, 'OPERATOR', 'x', 'me', now(), 'me'),"
        "        (%(order)s, 'OPERATOR', 'x', 'me', null, null)",
        {"order": order},
    )
    execute(
        "insert into cancellation (order_id, warehouse_id, generation, status, reason, batch_id,"
        " sequence, sent_at, answered_at) values (%(order)s, 'LONDON', 1, 'AGREED', 'x', %(batch)s,"
        " 50, now(), now()), (%(order)s, 'LONDON', 1, 'REQUESTED', 'x', null, null, null, null)",
        {"order": order, "batch": batch},
    )
    execute(
        "insert into inbound_file (claim_name, warehouse_id, partner_name, status, received_at,"
        " payload_sha256, signer)"
        " values ('first', 'LONDON', 'x', 'ARCHIVED', now(), 'digest', 'me'),"
        " ('refused', 'LONDON', 'x', 'QUARANTINED', now(), 'digest', 'me')"
    )
    return {
        "order": order,
        "line": line_of_order,
        "merged": desk.lines(merged)[0],
        "phone": phone,
        "imei": number,
        "ended": ended,
        "new": new,
        "batch": batch,
        "unsealed": unsealed,
        "answered": desk.value("select id from cancellation where status = 'AGREED'"),
    }


def outcome(conn: psycopg.Connection, statement: str) -> tuple[str, str]:
    """The SQLSTATE and the rule with which a statement is refused; it is undone if it is not."""
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement.encode())
    except psycopg.Error as error:
        denied = error.sqlstate == DENIED
        rule = error.diag.constraint_name or error.diag.message_primary
        return str(error.sqlstate), "" if denied else str(rule)
    return "", ""


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("what", BREAKS)
def test_no_role_breaks_what_must_hold(facts: Facts, what: str, role: str) -> None:
    """Who has the right to run the statement is refused by the rule, all others for want of it."""
    broken = BREAKS[what]
    statement = broken.statement.format(**facts.numbers)
    rules = dict.fromkeys(broken.may, (broken.state, broken.rule))
    rules |= {each: (state, rule) for each, state, rule in broken.instead}
    expected = rules.get(role, (DENIED, ""))
    assert outcome(facts.desk.conn(role), statement) == expected


@pytest.mark.parametrize("what", BREAKS)
def test_nor_does_the_owner(facts: Facts, what: str) -> None:
    """Nothing of it depends on rights alone: the owner of the tables is refused too."""
    state, rule = outcome(facts.desk.owner, BREAKS[what].statement.format(**facts.numbers))
    assert re.fullmatch("23...", state)
    assert rule == BREAKS[what].rule or not BREAKS[what].rule or "history" in rule or rule == FIXED


def test_a_new_generation_is_a_new_request(facts: Facts) -> None:
    """What is asked anew after a rejection, or of another warehouse, is in a batch of its own."""
    conn, numbers = facts.desk.conn(EXTRACT), facts.numbers
    new = "insert into request_detail values ({unsealed}, 99, {order}, 2, 'LONDON')"
    assert outcome(conn, new.format(**numbers)) == ("", "")
    elsewhere = (
        "with made as (insert into batch (type, warehouse_id, stage, stage_status, record_count)"
        " values ('Sales Order Request', 'LEEDS', 'Batch', 'Complete', 0) returning id)"
        " select id from made"
    )
    with conn.transaction(force_rollback=True):
        (batch,) = conn.execute(elsewhere).fetchone() or (None,)
        conn.execute(
            "insert into request_detail values (%s, 1, %s, 1, 'LEEDS')", (batch, numbers["order"])
        )
