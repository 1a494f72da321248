"""The limits of the generic files and the database's CHECKs are the same, at every boundary."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from psycopg import sql

from core.db import batching, generation, requests
from core.documents import RequestHeader, build_request, limits
from core.domain.batch import Action
from core.domain.order import BatchLimits, GenerateLimits
from tests.core.db.test_moves import attempt
from tests.daemons.desk import Desk

ORDER: dict[str, Any] = {
    "account_id": 1,
    "currency": "GBP",
    "delivery_method": "X",
    "delivery_name": "X",
    "delivery_lines": ["X"],
    "country": "GB",
}
ITEM: dict[str, Any] = {"item_no": 1, "product_code": "X", "quantity": 1, "unit_price": "1"}
ROWS: dict[str, dict[str, Any]] = {
    "sales_order": ORDER,
    "order_item": ITEM,
    "product": {"code": "X", "description": "X"},
    "warehouse": {"id": "X", "name": "X"},
}


def insert(table: str, row: dict[str, Any]) -> sql.Composed:
    """The statement that inserts a row."""
    return sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() * len(row)),
    )


def taken(desk: Desk, conn: psycopg.Connection, table: str, **values: Any) -> bool:
    """Whether the database takes a row with these values."""
    row = ROWS[table] | values
    if table == "order_item":
        row = {"order_id": desk.order(submit=False)} | row
    statement = insert(table, row).as_string()
    try:
        return attempt(conn, statement, *row.values()) is None
    except psycopg.errors.FeatureNotSupported:  # an array of arrays
        return False


TEXTS = [
    ("sales_order", "delivery_method", limits.DELIVERY_METHOD_LENGTH),
    ("sales_order", "delivery_instructions", limits.DELIVERY_INSTRUCTIONS_LENGTH),
    ("sales_order", "contact_name", limits.NAME_LENGTH),
    ("sales_order", "contact_email", limits.EMAIL_LENGTH),
    ("sales_order", "contact_phone", limits.PHONE_LENGTH),
    ("sales_order", "delivery_name", limits.NAME_LENGTH),
    ("sales_order", "town", limits.TOWN_LENGTH),
    ("sales_order", "county", limits.COUNTY_LENGTH),
    ("sales_order", "post_code", limits.POST_CODE_LENGTH),
    ("order_item", "product_code", limits.PRODUCT_CODE_LENGTH),
    ("product", "code", limits.PRODUCT_CODE_LENGTH),
    ("product", "description", limits.DESCRIPTION_LENGTH),
    ("warehouse", "name", limits.WAREHOUSE_NAME_LENGTH),
]


@pytest.mark.parametrize(
    ("table", "column", "longest"), TEXTS, ids=[f"{t}.{c}" for t, c, _ in TEXTS]
)
def test_texts(
    shared: Desk, conn: psycopg.Connection, table: str, column: str, longest: int
) -> None:
    """A text has 1 to so many characters, whatever their bytes, in the table as in the file."""
    for character in ("x", "☃", "\U0001f4f1", "\n", "\\"):
        assert taken(shared, conn, table, **{column: character * longest})
        assert not taken(shared, conn, table, **{column: character * (longest + 1)})
    assert not taken(shared, conn, table, **{column: ""})


MOST_DIGITS = limits.UNIT_PRICE_DIGITS
BOUNDS: list[tuple[str, str, list[Any], list[Any]]] = [
    ("sales_order", "account_id", [limits.ID_MIN, limits.ID_MAX],
     [limits.ID_MIN - 1, limits.ID_MAX + 1]),
    ("sales_order", "id", [limits.ID_MAX], [limits.ID_MIN - 1, limits.ID_MAX + 1]),
    ("sales_order", "currency", ["XXX"], ["XX", "XXXX", "xxx", "XÄX", "XX\n", "XXX\n", ""]),
    ("sales_order", "country", ["ZZ"], ["Z", "ZZZ", "zz", "ZÄ", "ZZ\n", ""]),
    ("sales_order", "delivery_lines",
     [["x" * limits.ADDRESS_LINE_LENGTH] * limits.ADDRESS_LINES_MAX],
     [[], ["x"] * (limits.ADDRESS_LINES_MAX + 1), ["x", "x" * (limits.ADDRESS_LINE_LENGTH + 1)],
      ["x", ""], ["x", None], [["x", "y"], ["x", "y"]]]),
    ("sales_order", "entered_at", ["1000-01-02T00:00:00Z", "2999-12-30T23:59:59.999999Z"],
     ["1000-01-01T23:59:59Z", "2999-12-31T00:00:00Z", "infinity", "-infinity",
      "0044-03-15 BC"]),
    ("order_item", "quantity", [1, limits.QUANTITY_MAX], [0, -1, limits.QUANTITY_MAX + 1]),
    ("order_item", "unit_price",
     ["0", "9" * MOST_DIGITS + "." + "9" * limits.UNIT_PRICE_SCALE, "0.0000000001"],
     ["-0.01", "1" + "0" * MOST_DIGITS, "0.00000000001", "1.00000000000", "NaN", "Infinity"]),
    ("order_item", "item_no", [1, limits.LINES_MAX], [0, limits.LINES_MAX + 1]),
    ("warehouse", "id", ["X" * limits.WAREHOUSE_ID_LENGTH, "0-_A"],
     ["X" * (limits.WAREHOUSE_ID_LENGTH + 1), "", "x", "-X", "_X", "X.", "X/Y", "Ä", "X\n"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "column", "good", "bad"), BOUNDS, ids=[f"{row[0]}.{row[1]}" for row in BOUNDS]
)
def test_bounds(
    shared: Desk,
    conn: psycopg.Connection,
    table: str,
    column: str,
    good: list[Any],
    bad: list[Any],
) -> None:
    """The last value that a file can carry is taken, the next one is refused."""
    for value in good:
        assert taken(shared, conn, table, **{column: value}), value
    for value in bad:
        assert not taken(shared, conn, table, **{column: value}), value


NAMES = [f"a{n}" for n in range(limits.LINE_ATTRIBUTES_MAX)]
LONGEST = "a" * limits.ATTRIBUTE_NAME_LENGTH


@pytest.mark.parametrize(
    ("attributes", "good"),
    [
        ([], True),
        (NAMES, True),
        ([LONGEST, "imei"], True),
        ([*NAMES, "b"], False),
        ([LONGEST + "a"], False),
        (["imei", "imei"], False),
        (["a b"], False),
        (["imei", ""], False),
        (["imei", None], False),
        ([None], False),
        (["Imei"], False),
        (["1"], False),
        (["imei\n"], False),
        (["ä"], False),
        ([["imei"], ["iccid"]], False),
    ],
    ids=range(15),
)
def test_attributes(
    shared: Desk, conn: psycopg.Connection, attributes: list[Any], *, good: bool
) -> None:
    """A product's attributes are a plain list of names that the schema takes, none of them
    twice.
    """
    assert taken(shared, conn, "product", serialised=True, attributes=attributes) is good
    if attributes:
        assert not taken(shared, conn, "product", serialised=False, attributes=attributes)


# Whatever the CHECKs let in can be sent.

CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")


def text(longest: int) -> st.SearchStrategy[str]:
    """A text of any characters, often as long as it may be."""
    full = CHARACTERS.map(lambda one: one * longest)
    return st.text(CHARACTERS, min_size=1, max_size=longest) | full


@st.composite
def orders(draw: st.DrawFn) -> dict[str, Any]:
    """The columns of an order within the limits, with everything that is optional or not."""
    row: dict[str, Any] = {
        "account_id": draw(st.integers(limits.ID_MIN, limits.ID_MAX)),
        "currency": draw(st.from_regex(limits.CURRENCY_PATTERN.replace("$", r"\Z"))),
        "country": draw(st.from_regex(limits.COUNTRY_PATTERN.replace("$", r"\Z"))),
        "delivery_lines": draw(
            st.lists(text(limits.ADDRESS_LINE_LENGTH), min_size=1,
                     max_size=limits.ADDRESS_LINES_MAX)),
        "entered_at": draw(
            st.datetimes(datetime(1000, 1, 2), datetime(2999, 12, 30),  # noqa: DTZ001
                         timezones=st.just(UTC))),
    }  # fmt: skip
    for table, column, longest in TEXTS:
        if table == "sales_order":
            needed = column in ORDER
            row[column] = draw(text(longest) if needed else st.none() | text(longest))
    return row


PRICES = st.decimals(0, Decimal("999999999999.9999999999"), places=10) | st.sampled_from(
    [Decimal(0), Decimal("0.001"), Decimal("1E+5"), Decimal("999999999999.9999999999")]
)
PRODUCTS = st.fixed_dictionaries(
    {
        "code": text(limits.PRODUCT_CODE_LENGTH),
        "description": text(limits.DESCRIPTION_LENGTH),
        "attributes": st.lists(
            st.from_regex(limits.ATTRIBUTE_NAME_PATTERN.replace("$", r"\Z")),
            max_size=limits.LINE_ATTRIBUTES_MAX,
            unique=True,
        ),
    }
)


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    order=orders(),
    product=PRODUCTS,
    name=text(limits.WAREHOUSE_NAME_LENGTH),
    quantity=st.integers(1, limits.QUANTITY_MAX),
    price=PRICES,
    fraud=st.booleans(),
)
@example(
    order=ORDER, product={"code": "\x7f", "description": "\u2028", "attributes": []}, name="\x01",
    quantity=1, price=Decimal("0E-10"), fraud=True,
)  # fmt: skip
def test_whatever_is_let_in_can_be_sent(
    shared: Desk,
    conn: psycopg.Connection,
    order: dict[str, Any],
    product: dict[str, Any],
    name: str,
    quantity: int,
    price: Decimal,
    fraud: bool,  # noqa: FBT001  # Hypothesis passes it by name
) -> None:
    """An order that the CHECKs let in makes a file that its schema accepts, and is what was
    entered.
    """
    with conn.transaction(force_rollback=True):
        conn.execute("insert into warehouse (id, name) values ('ODD', %s)", (name,))
        shared.product(**product, warehouse="ODD", serialised=True)
        number = shared.order((product["code"], quantity, price), **order)
        generation.generate(conn, [number])
        bound = shared.value("select byte_count from request_queue where order_id = %s", number)
        batch = batching.insert_batch(conn, "ODD", Action.REQUEST, fraud_check=fraud)
        assert batching.fill(conn, batch, "ODD", BatchLimits(10, 10, 10), checked=False) == 1
        now = datetime.now(UTC)
        header = RequestHeader(1, "ODD", name, 1, now, now, "REQUEST", fraud)
        rows = list(requests.lock_orders(conn, batch).values())
        payload = build_request(header, rows, requests.line_rows(conn, batch, "ODD"))
    assert len(rows) == 1
    if not any(set(map(ord, str(value))) & set(range(32)) for value in order.values()):
        # A control character may take six bytes; of all else the queue's reckoning is a bound.
        assert bound >= len(payload) - len(name.encode()) * 6 - 500
    with conn.transaction(force_rollback=True):
        assert generation.judge(conn, [], GenerateLimits(1, 1, 1)) == ([], [])
