"""order-request as built from rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from core.documents import (
    OrderRow,
    RequestHeader,
    RequestLineRow,
    build_request,
    parse,
    request_document,
    validate_request,
)
from core.errors import Reason, Reject

from .samples import example

NOON = datetime(2026, 2, 27, 12, 0, tzinfo=UTC)
HEADER = RequestHeader(
    900017, "LONDON", "London Docklands", 1, NOON, NOON, action="REQUEST", fraud_check=False
)
ORDER = OrderRow(
    order_id=100231,
    account_id=7001442,
    entered_at=NOON,
    delivery_method="NEXT_DAY",
    delivery_instructions="Ring twice.",
    contact_name="Priya Raman",
    contact_email="priya.raman@example.com",
    contact_phone="020 7946 0018",
    delivery_name="Margaret Ellis",
    delivery_lines=["Flat 4", "18 Harbour Street"],
    town="Whitstable",
    county="Kent",
    post_code="CT5 1AQ",
    country="GB",
    currency="GBP",
)
LINE = RequestLineRow(
    order_id=100231,
    line_id=550871,
    product_code="PHONE-X1",
    description="X1 smartphone",
    quantity=2,
    unit_price="649.00",
    serialised=True,
    attributes=["serialNumber", "imei"],
)
# Everything that may be unknown is, once as NULL and once as an empty text.
BARE = [
    ORDER._replace(
        delivery_instructions=nothing,
        contact_name=nothing,
        contact_email=nothing,
        contact_phone=nothing,
        town=nothing,
        county=nothing,
        post_code=nothing,
    )
    for nothing in (None, "")
]


def _build(header: RequestHeader = HEADER, order: OrderRow = ORDER, **line: Any) -> dict[str, Any]:
    document: dict[str, Any] = parse(build_request(header, [order], [LINE._replace(**line)]))
    return document


def test_whole_file() -> None:
    """The file's head, and an order with everything known, property for property."""
    assert _build() == {
        "identifier": 900017,
        "version": "1.1",
        "interfaceCategory": "Sales Order",
        "interfaceType": "Sales Order Request",
        "wareHouse": {"id": "LONDON", "name": "London Docklands", "fileSequence": 1},
        "batchDateTime": "2026-02-27T12:00:00Z",
        "extractLoadDateTime": "2026-02-27T12:00:00Z",
        "recordCount": 1,
        "orders": [
            {
                "id": "100231",
                "action": "REQUEST",
                "accountId": 7001442,
                "orderDateTime": "2026-02-27T12:00:00Z",
                "fraudCheckRequired": False,
                "deliveryMethod": {"id": "NEXT_DAY"},
                "deliveryInstructions": "Ring twice.",
                "deliveryAddress": {
                    "name": "Margaret Ellis",
                    "lines": ["Flat 4", "18 Harbour Street"],
                    "town": "Whitstable",
                    "county": "Kent",
                    "postCode": "CT5 1AQ",
                    "country": "GB",
                },
                "lines": [
                    {
                        "id": "550871",
                        "productCode": "PHONE-X1",
                        "description": "X1 smartphone",
                        "quantity": 2,
                        "unitPrice": "649.00",
                        "currency": "GBP",
                        "serialised": True,
                        "attributes": ["serialNumber", "imei"],
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize("order", BARE, ids=["null", "empty"])
def test_unknown_is_absent(order: OrderRow) -> None:
    """What is unknown is absent: no null and no empty text stands for it."""
    for header in (HEADER, HEADER._replace(fraud_check=True)):
        entry = _build(header, order, description=None, attributes=[])["orders"][0]
        assert entry.keys() == {
            "id",
            "action",
            "accountId",
            "orderDateTime",
            "fraudCheckRequired",
            "deliveryMethod",
            "deliveryAddress",
            "lines",
        }
        assert entry["deliveryAddress"].keys() == {"name", "lines", "country"}
        assert not {"description", "attributes"} & entry["lines"][0].keys()


def test_fraud_check() -> None:
    """The fraud check marks every order and adds whom to contact; without it nobody is named."""
    asked = _build(HEADER._replace(fraud_check=True))["orders"][0]
    assert asked["fraudCheckRequired"] is True
    assert asked["contactDetails"] == {
        "name": "Priya Raman",
        "email": "priya.raman@example.com",
        "phone": "020 7946 0018",
    }
    assert "contactDetails" not in _build()["orders"][0]
    part = ORDER._replace(contact_email=None)
    asked = _build(HEADER._replace(fraud_check=True), part)["orders"][0]
    assert asked["contactDetails"].keys() == {"name", "phone"}


def test_order_of_the_file() -> None:
    """Orders stand as they come, whatever their ids; each has its own lines, in their order."""
    orders = [ORDER._replace(order_id=number) for number in (30, 10, 20)]
    lines = [
        LINE._replace(order_id=order, line_id=line)
        for order, line in [(10, 5), (10, 7), (20, 6), (30, 1), (30, 9)]
    ]
    # Plain tuples are what a cursor gives.
    document = parse(build_request(HEADER, map(tuple, orders), map(tuple, lines)))
    assert document["recordCount"] == 3
    assert [
        (entry["id"], [line["id"] for line in entry["lines"]]) for entry in document["orders"]
    ] == [
        ("30", ["1", "9"]),
        ("10", ["5", "7"]),
        ("20", ["6"]),
    ]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 2, 27, 12, 0, 0, 1, tzinfo=UTC), "2026-02-27T12:00:00.000001Z"),
        (datetime(2026, 2, 28, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2026-02-27T23:30:00Z"),
    ],
)
def test_times(moment: datetime, text: str) -> None:
    """Times are written in UTC, to the microsecond."""
    assert _build(order=ORDER._replace(entered_at=moment))["orders"][0]["orderDateTime"] == text


def test_odd_characters() -> None:
    """Names are kept as they are, in UTF-8, and ids of any size keep every digit."""
    name = "Ærøskøbing \u202e \"\\/\t\U0001f4e6 O'Neill & Söhne"
    largest = 8_999_999_999_999_999_999
    order = ORDER._replace(delivery_name=name, order_id=largest, account_id=largest)
    line = LINE._replace(order_id=largest, line_id=largest, unit_price="0.001")
    payload = build_request(HEADER, [order], [line])
    entry = json.loads(payload)["orders"][0]
    assert entry["deliveryAddress"]["name"] == name
    assert name.split(maxsplit=1)[0].encode() in payload
    assert (entry["id"], entry["accountId"]) == (str(largest), largest)
    assert (entry["lines"][0]["id"], entry["lines"][0]["unitPrice"]) == (str(largest), "0.001")


@pytest.mark.parametrize(
    ("price", "valid"),
    [
        ("1499.00", True),
        ("0", True),
        ("0.0000000001", True),
        ("999999999999.9999999999", True),
        ("0.00000000001", False),
        ("1000000000000", False),
        ("-1.00", False),
        ("1,00", False),
        ("1e3", False),
        ("NaN", False),
        ("01.00", False),
        (".5", False),
        ("1.", False),
        ("1.00\n", False),
        ("", False),
    ],
)
def test_money(price: str, valid: bool) -> None:  # noqa: FBT001
    """Money is text: what PostgreSQL prints of a numeric that is no negative, infinite or none."""
    document = request_document(HEADER, [ORDER], [LINE._replace(unit_price=price)])
    if valid:
        validate_request(document)
    else:
        with pytest.raises(Reject, match="/orders/0/lines/0/unitPrice") as refused:
            validate_request(document)
        assert refused.value.reason is Reason.SCHEMA_INVALID


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"delivery_name": ""}, "/orders/0/deliveryAddress/name"),
        ({"delivery_lines": []}, "/orders/0/deliveryAddress/lines"),
        ({"delivery_lines": ["x"] * 11}, "/orders/0/deliveryAddress/lines"),
        ({"delivery_lines": ["x" * 201]}, "/orders/0/deliveryAddress/lines/0"),
        ({"town": "x" * 101}, "/orders/0/deliveryAddress/town"),
        ({"post_code": "x" * 21}, "/orders/0/deliveryAddress/postCode"),
        ({"country": "GBR"}, "/orders/0/deliveryAddress/country"),
        ({"country": "gb"}, "/orders/0/deliveryAddress/country"),
        ({"delivery_method": ""}, "/orders/0/deliveryMethod/id"),
        ({"delivery_instructions": "x" * 1001}, "/orders/0/deliveryInstructions"),
        ({"account_id": 0}, "/orders/0/accountId"),
        ({"account_id": 2**63 - 1}, "/orders/0/accountId"),
        ({"entered_at": datetime(999, 1, 1, tzinfo=UTC)}, "/orders/0/orderDateTime"),
    ],
)
def test_a_broken_limit(change: dict[str, Any], place: str) -> None:
    """A file that its receiver would refuse is not built."""
    with pytest.raises(Reject) as refused:
        build_request(HEADER, [ORDER._replace(**change)], [LINE])
    assert refused.value.reason is Reason.SCHEMA_INVALID
    assert refused.value.sentence.startswith(place + " ")


def test_an_empty_file_is_not_built() -> None:
    """A request asks for something: a batch without orders has no file."""
    with pytest.raises(Reject) as refused:
        build_request(HEADER, [], [])
    assert refused.value.sentence in {
        "/recordCount must be at least 1.",
        "/orders must have at least 1 entries.",
    }


@pytest.mark.parametrize(
    ("orders", "lines"),
    [
        ([ORDER], []),
        ([ORDER, ORDER], [LINE]),
        ([ORDER], [LINE, LINE._replace(order_id=1)]),
    ],
    ids=["no lines", "order twice", "stray line"],
)
def test_orders_and_lines_belong_together(
    orders: list[OrderRow], lines: list[RequestLineRow]
) -> None:
    """Two queries that do not fit each other are a fault of ours, never a file."""
    with pytest.raises(ValueError, match="order"):
        build_request(HEADER, orders, lines)


def test_times_have_a_zone() -> None:
    """A time without a zone is a fault of ours."""
    naive = datetime(2026, 2, 27)  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="zone"):
        build_request(HEADER, [ORDER._replace(entered_at=naive)], [LINE])


def test_the_published_example() -> None:
    """The published example is what is built of its own values."""
    published = example("order-request.fraud-check.example.json")
    (entry,) = published["orders"]
    (line,) = entry["lines"]
    address, contact, house = (
        entry["deliveryAddress"],
        entry["contactDetails"],
        published["wareHouse"],
    )
    header = RequestHeader(
        published["identifier"],
        house["id"],
        house["name"],
        house["fileSequence"],
        datetime.fromisoformat(published["batchDateTime"]),
        datetime.fromisoformat(published["extractLoadDateTime"]),
        action=entry["action"],
        fraud_check=True,
    )
    order = (
        int(entry["id"]),
        entry["accountId"],
        datetime.fromisoformat(entry["orderDateTime"]),
        entry["deliveryMethod"]["id"],
        None,
        contact["name"],
        contact["email"],
        contact["phone"],
        address["name"],
        address["lines"],
        address["town"],
        None,
        address["postCode"],
        address["country"],
        line["currency"],
    )
    row = (int(entry["id"]), int(line["id"]), *(line[name] for name in _LINE_PROPERTIES))
    built = parse(build_request(header, [order], [row]))
    published["batchDateTime"] = built["batchDateTime"] = None
    published["extractLoadDateTime"] = built["extractLoadDateTime"] = None
    assert built == published


_LINE_PROPERTIES = (
    "productCode",
    "description",
    "quantity",
    "unitPrice",
    "serialised",
    "attributes",
)
