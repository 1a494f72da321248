"""order-request: rows of the database to the bytes of one outbound file.

Written for speed over rows in plain tuples: one pass makes dictionaries, one call checks them
against the schema, one call dumps them. 5,000 orders with 12,500 lines take about a tenth of a
second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from core.documents.validation import REQUEST

VERSION: Final = "1.1"
CATEGORY: Final = "Sales Order"
TYPE: Final = "Sales Order Request"


class RequestHeader(NamedTuple):
    """What the file says of itself; times are aware."""

    identifier: int
    warehouse_id: str
    warehouse_name: str
    file_sequence: int
    batch_at: datetime
    extract_at: datetime
    action: str
    """What is asked for each of its orders: REQUEST or CANCEL."""
    fraud_check: bool


class OrderRow(NamedTuple):
    """One order of the file; a plain tuple in this order serves as well.

    The contact is looked at only when the header asks for a fraud check. None and "" are absent.
    """

    order_id: int
    account_id: int
    entered_at: datetime
    delivery_method: str
    delivery_instructions: str | None
    contact_name: str | None
    contact_email: str | None
    contact_phone: str | None
    delivery_name: str
    delivery_lines: list[str]
    town: str | None
    county: str | None
    post_code: str | None
    country: str
    currency: str
    """Of the unit prices of its lines."""


class RequestLineRow(NamedTuple):
    """One request line; a plain tuple in this order serves as well, and may have more behind it.

    `unit_price` is the text that PostgreSQL prints of its numeric; `attributes` names what the
    warehouse must capture of each unit, possibly nothing.
    """

    order_id: int
    line_id: int
    product_code: str
    description: str | None
    quantity: int
    unit_price: str
    serialised: bool
    attributes: list[str] | None


def build_request(
    header: RequestHeader,
    orders: Iterable[tuple[Any, ...]],
    lines: Iterable[tuple[Any, ...]],
) -> bytes:
    """The validated file of these orders (OrderRow) with their lines (RequestLineRow), in UTF-8.

    Orders and, within an order, lines stand in the file as they come. Raises
    Reject(SCHEMA_INVALID) when a value breaks a limit of the format, ValueError when orders and
    lines do not belong together or a time has no zone.
    """
    document = request_document(header, orders, lines)
    validate_request(document)
    return orjson.dumps(document)


def validate_request(document: object) -> None:
    """Raise Reject(SCHEMA_INVALID), naming the place and what is allowed, never the value."""
    REQUEST.validate(document)


def request_document(
    header: RequestHeader,
    orders: Iterable[tuple[Any, ...]],
    lines: Iterable[tuple[Any, ...]],
) -> dict[str, Any]:
    """The file as JSON values, not validated; arguments and ValueError as in `build_request`."""
    lines_of = _lines_by_order(lines)
    entries = [_order(row, lines_of, header) for row in orders]
    if lines_of:
        raise ValueError(f"lines of {len(lines_of)} orders that are not among the orders")
    return {
        "identifier": header.identifier,
        "version": VERSION,
        "interfaceCategory": CATEGORY,
        "interfaceType": TYPE,
        "wareHouse": {
            "id": header.warehouse_id,
            "name": header.warehouse_name,
            "fileSequence": header.file_sequence,
        },
        "batchDateTime": _instant(header.batch_at),
        "extractLoadDateTime": _instant(header.extract_at),
        "recordCount": len(entries),
        "orders": entries,
    }


def _lines_by_order(lines: Iterable[tuple[Any, ...]]) -> dict[int, list[dict[str, Any]]]:
    by_order: dict[int, list[dict[str, Any]]] = {}
    for row in lines:
        order_id, line_id, code, text, quantity, price, serialised, attributes = row[:8]
        line = {
            "id": str(line_id),
            "productCode": code,
            "quantity": quantity,
            "unitPrice": price,
            "serialised": serialised,
        }
        if text:
            line["description"] = text
        if attributes:
            line["attributes"] = attributes
        if order_id in by_order:
            by_order[order_id].append(line)
        else:
            by_order[order_id] = [line]
    return by_order


def _order(
    row: tuple[Any, ...], lines_of: dict[int, list[dict[str, Any]]], header: RequestHeader
) -> dict[str, Any]:
    (order_id, account_id, entered_at, method, instructions, *contact) = row[:8]
    lines = lines_of.pop(order_id, None)
    if lines is None:
        raise ValueError(f"order {order_id} has no lines, or is given twice")
    *address, currency = row[8:]
    for line in lines:
        line["currency"] = currency
    order = {
        "id": str(order_id),
        "action": header.action,
        "accountId": account_id,
        "orderDateTime": _instant(entered_at),
        "fraudCheckRequired": header.fraud_check,
        "deliveryMethod": {"id": method},
        "deliveryAddress": _address(address),
        "lines": lines,
    }
    if instructions:
        order["deliveryInstructions"] = instructions
    if header.fraud_check:
        details = {name: value for name, value in zip(_CONTACT, contact, strict=True) if value}
        if details:
            order["contactDetails"] = details
    return order


_CONTACT: Final = ("name", "email", "phone")


def _address(fields: Sequence[Any]) -> dict[str, Any]:
    name, lines, town, county, post_code, country = fields
    address: dict[str, Any] = {"name": name, "lines": lines, "country": country}
    if town:
        address["town"] = town
    if county:
        address["county"] = county
    if post_code:
        address["postCode"] = post_code
    return address


def _instant(moment: datetime) -> str:
    """RFC 3339 in UTC, as short as the moment allows."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
