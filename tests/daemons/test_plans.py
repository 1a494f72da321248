"""What the daemons ask is looked up: no pass reads a whole table that grows with the orders.

Every statement of every duty is explained just before it runs, over a database with a past.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Self

import psycopg
import pytest

from tests.postgres import Database
from tests.site import Site

PAST = 100_000
"""Orders that are done."""
IN_HAND = 40
GROWING = {
    "sales_order", "order_item", "order_history", "request_line", "request_line_share",
    "request_detail", "dispatch", "dispatch_detail", "dispatch_line", "dispatched_unit", "charge",
    "fraud_check", "reservation",
}  # fmt: skip
OF_WAITING = "sales_order_awaiting_generation"
"""An index that holds what is to be done, and no more."""
STATEMENTS = ("select", "insert", "update", "delete", "with")


class Explained(psycopg.Cursor[Any]):
    """A cursor that notes which growing tables a statement would read from end to end."""

    seen: list[str]
    found: list[str]

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        """Explain, and then run."""
        if isinstance(query, str) and query.split(None, 1)[0].lower() in STATEMENTS:
            with psycopg.Cursor(self.connection) as cursor:
                row = cursor.execute(f"explain (format json) {query}", params).fetchone()
            assert row is not None
            self.seen.append(query)
            tables = {table for table in _scanned(row[0][0]["Plan"]) if table in GROWING}
            self.found += [f"{table}: {' '.join(query.split())}" for table in sorted(tables)]
        return super().execute(query, params, **options)


def _scanned(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    # The whole of an index is no better than the whole of its table.
    if plan.get("Index Name", OF_WAITING) != OF_WAITING and "Index Cond" not in plan:
        yield plan.get("Relation Name", plan["Index Name"])
    for child in plan.get("Plans", ()):
        yield from _scanned(child)


@contextmanager
def _explaining(conn: psycopg.Connection) -> Iterator[type[Explained]]:
    class Mine(Explained):
        seen: list[str] = []  # noqa: RUF012  # of this one test
        found: list[str] = []  # noqa: RUF012

    conn.cursor_factory = Mine
    yield Mine


@pytest.fixture
def past(site: Site) -> Site:
    """An installation in which many orders are done, and the planner knows nothing of them yet."""
    owner = site.owner
    owner.execute("set session_replication_role = replica")
    for statement in _past():
        owner.execute(statement.encode(), {"orders": PAST} if "%(orders)s" in statement else None)
    owner.execute("set session_replication_role = origin")
    return site


def _past() -> Sequence[str]:
    orders, batch = "generate_series(1, %(orders)s) o", "1 + o / 1000"
    return (
        f"""insert into sales_order (account_id, currency, delivery_method, delivery_name,
                                     delivery_lines, country, status, generation, entered_at)
            select o, 'GBP', 'STANDARD', 'A Person', '{{1 High Street}}', 'GB', 'COMPLETE', 1,
                   now() - interval '1 day' from {orders}""",  # noqa: S608  # constants of ours
        f"""insert into order_item (order_id, item_no, product_code, quantity, unit_price,
                                    dispatched_quantity)
            select o, i, 'CASE', 1, 1, 1 from {orders}, generate_series(1, 2) i""",  # noqa: S608
        f"""insert into request_line (order_id, generation, warehouse_id, item_no, product_code,
                                      quantity, unit_price, serialised, billable, dispatched)
            select o, 1, 'LONDON', i, 'CASE', 1, 1, false, true, 1
              from {orders}, generate_series(1, 2) i""",  # noqa: S608
        f"""insert into batch (type, warehouse_id, stage, stage_status, record_count)
            select t, 'LONDON', s, 'Complete', 1000 from generate_series(0, {PAST // 1000}),
                   (values ('Sales Order Request', 'Extract/Load'),
                           ('Sales Order Dispatch', 'Batch')) k (t, s) order by 1 desc""",  # noqa: S608
        """insert into outbound_file (batch_id, warehouse_id, file_sequence, name, tree_id,
                     payload_sha256, file_sha256, byte_count, published_at, taken_at)
            select id, 'LONDON', -id, id, gen_random_uuid(), '', '', 1, now(), now() from batch
             where type = 'Sales Order Request'""",
        f"insert into request_detail select {batch}, o, o, 1, 'LONDON' from {orders}",  # noqa: S608
        f"""insert into dispatch_detail (batch_id, sequence, order_ref, order_id, dispatch_id,
                                         status, content_sha256, applied_at)
            select {PAST // 1000 + 1} + {batch}, o, o, o, 'D-' || o, 'DISPATCHED', '', now()
              from {orders}""",  # noqa: S608
        f"""insert into dispatch_line (batch_id, sequence, line_no, line_id, status, quantity,
                                       unit_count)
            select {PAST // 1000 + 1} + {batch}, o, i, 2 * (o - 1) + i, 'DISPATCHED', 1, 0
              from {orders}, generate_series(1, 2) i""",  # noqa: S608
        f"""insert into dispatch (warehouse_id, dispatch_id, order_id, batch_id, sequence,
                                  content_sha256)
            select 'LONDON', 'D-' || o, o, 1, o, '' from {orders}""",  # noqa: S608
        f"""insert into charge (warehouse_id, dispatch_id, line_id, order_id, account_id,
                                product_code, quantity, unit_price, amount, currency)
            select 'LONDON', 'D-' || o, 2 * (o - 1) + i, o, o, 'CASE', 1, 1, 1, 'GBP'
              from {orders}, generate_series(1, 2) i""",  # noqa: S608
        f"""insert into dispatched_unit (line_id, dispatch_id, unit_no, order_id, warehouse_id,
                                         product_code, serial_number)
            select 2 * (o - 1) + i, 'D-' || o, 1, o, 'LONDON', 'CASE', 2 * (o - 1) + i
              from {orders}, generate_series(1, 2) i""",  # noqa: S608
        f"""insert into order_history (order_id, to_status, who)
            select o, 'NEW', 'test' from {orders}""",  # noqa: S608
        f"""insert into request_line_share (line_id, order_id, item_no, quantity, dispatched)
            select o, o, 1, 1, 1 from {orders}""",  # noqa: S608
        f"""insert into fraud_check (order_id, generation, account_id, country, entered_at,
                                     input_sha256, address_key, name_key, checker, verdict, score)
            select o, 1, o, 'GB', now(), sha256(''), decode(md5('a' || o), 'hex'),
                   decode(md5('n' || o), 'hex'), 'rules', 'PASS', 0 from {orders}""",  # noqa: S608
        f"""insert into reservation (order_id, warehouse_id, product_code, quantity)
            select o, 'LONDON', 'CASE', 1 from {orders}""",  # noqa: S608
        f"""insert into stock (warehouse_id, product_code, on_hand, reserved)
            values ('LONDON', 'CASE', {PAST}, {PAST})""",  # noqa: S608
    )


def _run(site: Site, daemon: str, monkeypatch: pytest.MonkeyPatch) -> type[Explained]:
    """Let a daemon's duties do all their work, each statement explained."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(site.credentials))
    built = importlib.import_module(f"daemons.{daemon}").build(site.properties)
    with closing(built.connect()) as conn, _explaining(conn) as explained:
        for duty in built.duties:
            while duty.work(conn):
                continue
    return explained


@pytest.mark.parametrize("known", [False, True], ids=["no statistics", "fresh statistics"])
def test_nothing_reads_a_growing_table_whole(
    past: Site, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:
    """From generation to settlement each statement of the daemons finds its rows by an index.

    Also when nothing is known of the tables, as after a great intake: plans must not hang on it.
    With the fraud check, by whose verdicts orders are batched.
    """
    past.settings["sales.order.request.extract.fraudcheckrequired"] = "true"
    past.settings["sales.order.request.extract.fraud.checker"] = "rules"
    past.settings["sales.order.request.extract.fraud.refer"] = "0"
    for _ in range(IN_HAND):
        past.order(("PHONE", 2, "499.99"), ("SIM", 3, "0.001"), ("ROUTER", 1, "80"),
                   ("ROUTER", 2, "80"))  # fmt: skip
    past.owner.execute(
        "insert into stock (warehouse_id, product_code, on_hand)"
        " select warehouse_id, code, 1000 from product where code in ('PHONE', 'SIM', 'ROUTER')"
    )
    past.owner.execute(
        "insert into reservation (order_id, warehouse_id, product_code, quantity)"
        " select i.order_id, p.warehouse_id, p.code, sum(i.quantity)"
        "   from order_item i join product p on p.code = i.product_code"
        "  where p.code <> 'CASE' group by 1, 2, 3"
    )
    found = []
    for daemon in ("request_extract", "extract_to_generic", "load_from_generic", "dispatch"):
        if known:
            past.owner.execute("analyze")
        explained = _run(past, daemon, monkeypatch)
        assert explained.seen
        found += [f"{daemon} reads all of {what}" for what in explained.found]
        if daemon == "extract_to_generic":
            past.answer()
    assert not found, "\n".join(found)
    assert past.value("select count(*) from sales_order where status = 'COMPLETE'") == (
        PAST + IN_HAND
    )
    taken = past.rows("select sum(1000 - on_hand), sum(reserved) from stock where on_hand < 9999")
    assert taken == [(IN_HAND * 8, 0)]


def test_it_would_be_seen(database: Database) -> None:
    """A statement that reads a growing table whole is noted, in a part and by its index too."""
    with _explaining(database.connect()) as explained:
        conn = database.connect()
        conn.cursor_factory = explained
        for statement in (
            "select count(*) from order_item",
            "with a as (select id from request_line offset 0) delete from batch using a",
            "select id from sales_order order by id",
        ):
            conn.execute(statement)
        conn.execute("select account_id from sales_order where id = 1")
    assert [what.split(":")[0] for what in explained.found] == [
        "order_item", "request_line", "sales_order",
    ]  # fmt: skip
