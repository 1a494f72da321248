"""`order submit`: nothing lost, nothing doubled, everything refused is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from console import admission
from console.admission import SCHEMA
from console.main import main
from console.order_file import Entry
from console.submit import Submission
from core.db import intake, reserving
from tests.console.conftest import Console
from tests.console.orders import item, order


def test_values_are_kept_as_they_are(console: Console) -> None:
    """Odd characters, blanks, tabs, quotes and digits of a price arrive in the tables unchanged."""
    odd = ' \\N {"a,b"}\t\r\n\'%\u2028 Łódź 🏠 \\.'
    given = order(
        odd,
        item("CASE", 80995, 0.001),
        item("CASE", 1, 12345678901.0123456789),
        item("PHONE", 2, "10.50", warehouse="LEEDS"),
        contact={"name": odd, "email": odd, "phone": odd},
        delivery={
            "name": odd,
            "lines": [odd, "NULL", " "],
            "town": odd,
            "county": odd,
            "postCode": "  ",
            "country": "PL",
        },
        deliveryInstructions=odd,
        enteredAt="1996-07-04T23:30:00.25+02:00",
        accountId=8999999999999999999,
    )
    text = json.dumps(given).replace("12345678901.012346", "12345678901.0123456789")
    assert console.submit([text]).code == 0
    assert console.rows(
        "select reference, contact_name, contact_email, contact_phone, delivery_name,"
        " delivery_lines, town, county, post_code, delivery_instructions, account_id,"
        " entered_at = '1996-07-04T21:30:00.25Z', status from sales_order"
    ) == [
        (odd, odd, odd, odd, odd, [odd, "NULL", " "], odd, odd, "  ", odd, 8999999999999999999,
         True, "AWAITING_GENERATION")
    ]  # fmt: skip
    assert console.rows(
        "select item_no, product_code, quantity, unit_price::text, warehouse_id"
        " from order_item order by item_no"
    ) == [
        (1, "CASE", 80995, "0.001", None),
        (2, "CASE", 1, "12345678901.0123456789", None),
        (3, "PHONE", 2, "10.50", "LEEDS"),
    ]


def test_examples(console: Console) -> None:
    """The published examples of a product and an order are taken as they are."""
    schemas = Path(__file__).parents[2] / "schemas"
    assert console.call("product", "import", schemas / "product.example.jsonl").code == 0
    assert console.call("order", "submit", schemas / "order.example.jsonl").code == 0
    assert console.value("select count(*) from order_item") == 2


def test_each_refused_order_is_told(console: Console) -> None:
    """A refused order is told with line, reference and reason; the others are entered; exit 1."""
    no_account = order("NO-ACCOUNT")
    del no_account["accountId"]
    refused = console.root / "refused.jsonl"
    ended = console.submit(
        [
            order("GOOD-1"),
            order("NEGATIVE", item(), item(quantity=-3)),
            "",
            no_account,
            order("NEGATIVE-TOO", item(quantity=-1)),
            "{",
            order("NO-ITEMS", items=[]),
            "[]",
            '{"reference": "TWICE", "reference": "TWICE"}',
            order("FEBRUARY", enteredAt="2026-02-30T00:00:00Z"),
            order("NUL", deliveryInstructions="a\0b"),
            order("GOOD-2"),
        ],
        "--json",
        "--refused",
        refused,
    )
    assert ended.code == 1
    assert (ended.json["entered"], ended.json["refused"]) == (2, 9)
    lines = [json.loads(line) for line in refused.read_text().splitlines()]
    assert [(one["line"], one["reference"], one["reason"], one["sentence"]) for one in lines] == [
        (2, "NEGATIVE", "SCHEMA_INVALID", "/items/1/quantity must be at least 1."),
        (4, "NO-ACCOUNT", "SCHEMA_INVALID", "The document lacks the property accountId."),
        (5, "NEGATIVE-TOO", "SCHEMA_INVALID", "/items/0/quantity must be at least 1."),
        (6, None, "NOT_JSON", "The line is not JSON in UTF-8."),
        (7, "NO-ITEMS", "SCHEMA_INVALID", "/items must have at least 1 entries."),
        (8, None, "NOT_JSON", "The line is not a JSON object."),
        (9, None, "NOT_JSON", "A key is given twice in one object."),
        (10, "FEBRUARY", "SCHEMA_INVALID", "/enteredAt is not a day that the calendar has."),
        (11, "NUL", "SCHEMA_INVALID", r"/deliveryInstructions must match ^[^\x00]*$."),
    ]
    assert ended.json["reasons"][0] == {
        "reason": "SCHEMA_INVALID",
        "rule": "/items/*/quantity must be at least 1.",
        "orders": 2,
    }
    assert console.rows("select reference from sales_order order by 1") == [
        ("GOOD-1",),
        ("GOOD-2",),
    ]


def test_summary_for_people_holds_nothing_personal(console: Console) -> None:
    """What is refused is printed with line and reference, and with no other value of the order."""
    secret = "Marker-Person-4711"
    party = {"name": secret, "lines": [secret], "country": secret}
    ended = console.submit([order("R-1", delivery=party, contact={secret: secret})])
    assert "R-1" in ended.out
    assert secret not in ended.out + ended.err


def test_the_same_file_again_changes_nothing(console: Console) -> None:
    """Orders that are there, saying the same, are counted and left: a crash needs no care."""
    orders = [order(f"A-{n}", item(quantity=n + 1), item("PHONE", 1, "1.0")) for n in range(5)]
    assert console.submit(orders[:3]).code == 0
    before = console.rows("select * from order_history order by id")
    ended = console.submit(orders, "--json")
    assert ended.code == 0
    assert (ended.json["entered"], ended.json["already_there"]) == (2, 3)
    assert console.rows("select * from order_history order by id")[: len(before)] == before
    assert console.value("select count(*) from order_item") == 10


@pytest.mark.parametrize(
    "other",
    [
        order("A", item(quantity=2)),
        order("A", item(), item()),
        order("A", item("PHONE")),
        order("A", item(price="9.98")),
        order("A", item(warehouse="LEEDS")),
        order("A", accountId=1),
        order("A", contact={"name": "B"}),
        order("A", enteredAt="2026-01-01T00:00:00Z"),
    ],
)
def test_same_reference_with_other_content_is_refused(console: Console, other: Any) -> None:
    """A reference names one order for ever: other content under it is refused whole."""
    console.submit([order("A")])
    ended = console.submit([other], "--json")
    assert ended.code == 1
    assert ended.json["first_refused"][0]["reason"] == "ALREADY_SUBMITTED"
    assert console.rows("select quantity, product_code, unit_price from order_item") == [
        (1, "CASE", Decimal("9.99"))
    ]


def test_repeats_inside_a_file(console: Console) -> None:
    """Of one reference in a file the first order counts, whatever its place in the transaction."""
    ended = console.submit(
        [order("B"), order("A"), order("A", item(quantity=7)), order("A", item(price="9.990"))],
        "--json",
    )
    assert (ended.json["entered"], ended.json["already_there"], ended.json["refused"]) == (2, 1, 1)
    assert ended.json["first_refused"][0]["line"] == 3
    assert console.value("select max(quantity) from order_item") == 1


def test_draft_stays_new_until_it_is_submitted(console: Console) -> None:
    """--draft leaves orders New; the same file without it moves them on, and only those."""
    console.submit([order("A")], "--draft")
    assert console.rows("select status from sales_order") == [("NEW",)]
    ended = console.submit([order("A"), order("B")], "--json")
    assert ended.json["drafts_submitted"] == 1
    assert console.rows("select distinct status from sales_order") == [("AWAITING_GENERATION",)]


def test_transactions_are_bounded(console: Console) -> None:
    """Orders are entered so many a transaction, in the file's order; together they are all."""
    entries = [Entry(n, order(f"A-{n}", item(quantity=n))) for n in range(1, 31)]
    Submission(console.conn("console"), orders_a_transaction=7).run(entries)
    assert console.value("select count(distinct xmin::text) from order_item") == 5
    assert console.value("select sum(quantity) from order_item") == 465
    references = console.rows("select reference from sales_order order by id")
    assert references == [(f"A-{n}",) for n in range(1, 31)]


def test_what_the_database_refuses_stands_alone(console: Console) -> None:
    """A rule that the database alone knows refuses its order, and none beside it."""
    console.owner.execute("alter table order_item add check (quantity <> 13)")
    orders = [order(f"A-{n}", item(quantity=n)) for n in range(1, 30)]
    ended = console.submit(orders, "--json")
    assert (ended.json["entered"], ended.json["refused"]) == (28, 1)
    assert ended.json["first_refused"] == [
        {
            "line": 13,
            "reference": "A-13",
            "reason": "RECORD_FAILED",
            "sentence": "The database refused the record's data.",
        }
    ]


def test_two_consoles_enter_the_same_file(console: Console) -> None:
    """Submitted by two at once, in opposite order, each order is entered once and neither fails."""
    codes: list[int] = []
    for name, step in (("up", 1), ("down", -1)):
        lines = [json.dumps(order(f"A-{n:04}")) for n in range(2000)][::step]
        (console.root / name).write_text("\n".join(lines))
    arguments = ["--config", str(console.properties_file), "order", "submit"]
    threads = [
        threading.Thread(
            target=lambda path: codes.append(main([*arguments, str(path), "--json"])),
            args=(console.root / name,),
        )
        for name in ("up", "down")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0]
    assert console.value("select count(*) from sales_order") == 2000
    assert console.value("select count(*) from order_item") == 2000


def _boundaries() -> list[tuple[str, Any, Any]]:
    """(name, an order at the limit, one beyond it), of every limit of the schema."""
    top = SCHEMA.document["properties"]
    of_item = SCHEMA.document["$defs"]["item"]["properties"]
    delivery = order()["delivery"]

    def text(name: str, rule: Any, place: Callable[[str], Any]) -> tuple[str, Any, Any]:
        limit = rule["maxLength"]
        return name, place("ß" * limit), place("ß" * (limit + 1))

    def within(part: str, whole: Any, name: str) -> tuple[str, Any, Any]:
        rule = top[part]["properties"][name]
        return text(f"{part}.{name}", rule, lambda t: {**order(), part: {**whole, name: t}})

    def addressed(*lines: str) -> Any:
        return order(delivery={**delivery, "lines": list(lines)})

    def bought(**changed: Any) -> Any:
        return order("R", item(**changed))

    lines = top["delivery"]["properties"]["lines"]
    most, account = of_item["quantity"]["maximum"], top["accountId"]["maximum"]
    return [
        text("reference", top["reference"], lambda t: order(reference=t)),
        text("method", top["deliveryMethod"], lambda t: order(deliveryMethod=t)),
        text("instructions", top["deliveryInstructions"], lambda t: order(deliveryInstructions=t)),
        *(within("contact", {}, name) for name in ("name", "email", "phone")),
        *(within("delivery", delivery, name) for name in ("name", "town", "county", "postCode")),
        text("address line", lines["items"], addressed),
        ("address lines", addressed(*"x" * lines["maxItems"]), addressed(*"x" * 11)),
        text("product", of_item["product"], lambda t: bought(product=t)),
        ("quantity", bought(quantity=most), bought(quantity=most + 1)),
        ("no quantity", bought(quantity=1), bought(quantity=0)),
        ("account", order(accountId=account), order(accountId=account + 1)),
        ("no account", order(accountId=1), order(accountId=0)),
        ("price", bought(price="999999999999.9999999999"), bought(price="1000000000000")),
        ("scale", bought(price="0.0000000001"), bought(price="0.00000000001")),
        (
            "first day",
            order(enteredAt="1000-01-02T00:00:00Z"),
            order(enteredAt="1000-01-01T23:59:59Z"),
        ),
        (
            "last day",
            order(enteredAt="2999-12-30T23:59:59.999999Z"),
            order(enteredAt="2999-12-31T00:00:00Z"),
        ),
    ]


def _enter(conn: psycopg.Connection, rows: admission.Admitted) -> None:
    intake.copy_orders(conn, rows.order)
    intake.copy_items(conn, rows.items)
    intake.insert_orders(conn)
    intake.insert_items(conn)


@pytest.mark.parametrize(
    ("at_limit", "beyond"),
    [pytest.param(*orders, id=name) for name, *orders in _boundaries()],
)
def test_schema_and_database_have_the_same_limits(
    console: Console, at_limit: Any, beyond: Any
) -> None:
    """What the schema allows at each limit the tables take; one beyond it both refuse."""
    assert console.submit([at_limit], "--json").json["entered"] == 1
    console.owner.execute("truncate sales_order, order_item cascade")
    ended = console.submit([beyond], "--json").json
    assert [one["reason"] for one in ended["first_refused"]] == ["SCHEMA_INVALID"]
    conn = console.conn("console")
    intake.create_staging(conn)
    rows = admission.rows(Entry(1, beyond))
    with pytest.raises(psycopg.errors.CheckViolation), conn.transaction():
        _enter(conn, rows)


def test_an_order_that_was_allotted_is_known(console: Console) -> None:
    """What the check of stock chose is not what the seller said: the same file is the same."""
    orders = [order("A", item()), order("B", item(warehouse="LONDON"))]
    assert console.submit(orders, "--draft").code == 0
    console.stock("LONDON", "CASE", 9)
    ids = [row[0] for row in console.rows("select id from sales_order order by id")]
    with console.conn("console").transaction():
        reserving.reserve(console.conn("console"), ids, split=True, submit=False)
    places = console.rows("select warehouse_id from order_item")
    assert places == [("LONDON",), ("LONDON",)]
    assert console.submit(orders, "--json").json["already_there"] == 2
    other = [order("A", item(warehouse="LONDON")), order("B", item())]
    assert console.submit(other, "--json").json["refused"] == 2
