"""The published schemas: closed, bounded, described, and the same numbers as the code's."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest

from core.documents import acknowledgement, limits
from core.documents.dispatch import CATEGORY, TYPE, VERSION
from core.documents.request import TYPE as REQUEST_TYPE
from core.documents.request import VERSION as REQUEST_VERSION
from core.documents.validation import ACKNOWLEDGEMENT, DISPATCH, REQUEST, Schema
from core.domain.batch import Action
from core.screening import service

from .samples import example, example_names, schema_of, subschemas

EACH = pytest.mark.parametrize(
    "schema",
    [REQUEST, DISPATCH, ACKNOWLEDGEMENT, service.REQUEST, service.ANSWER],
    ids=["request", "dispatch", "acknowledgement", "fraud check request", "fraud check answer"],
)
NUMBERS = {
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
}


def _text(maximum: int, minimum: int = 1) -> dict[str, int]:
    limit = {"minLength": minimum, "maxLength": maximum}
    return {name: value for name, value in limit.items() if value}


def _number(maximum: int, minimum: int = 1) -> dict[str, int]:
    return {"minimum": minimum, "maximum": maximum}


def _entries(maximum: int, minimum: int = 1) -> dict[str, int]:
    return {"minItems": minimum, "maxItems": maximum} if minimum else {"maxItems": maximum}


COMMON: dict[str, dict[str, int]] = {
    "interfaceCategory": {"maxLength": limits.INTERFACE_LENGTH},
    "interfaceType": {"maxLength": limits.INTERFACE_LENGTH},
    "id": _text(limits.ID_LENGTH),
    "dateTime": _text(limits.DATE_TIME_LENGTH, limits.DATE_TIME_LENGTH_MIN),
    "order.lines": _entries(limits.LINES_MAX),
    "line.quantity": _number(limits.QUANTITY_MAX),
}
REQUEST_LIMITS: dict[str, dict[str, int]] = COMMON | {
    "identifier": _number(limits.ID_MAX, limits.ID_MIN),
    "warehouseId": _text(limits.WAREHOUSE_ID_LENGTH),
    "wareHouse.name": _text(limits.WAREHOUSE_NAME_LENGTH),
    "wareHouse.fileSequence": _number(limits.FILE_SEQUENCE_MAX),
    "recordCount": _number(limits.RECORDS_MAX),
    "orders": _entries(limits.RECORDS_MAX),
    "order.accountId": _number(limits.ID_MAX, limits.ID_MIN),
    "order.contactDetails": {"minProperties": 1},
    "order.contactDetails.name": _text(limits.NAME_LENGTH),
    "order.contactDetails.email": _text(limits.EMAIL_LENGTH),
    "order.contactDetails.phone": _text(limits.PHONE_LENGTH),
    "order.deliveryMethod.id": _text(limits.DELIVERY_METHOD_LENGTH),
    "order.deliveryInstructions": _text(limits.DELIVERY_INSTRUCTIONS_LENGTH),
    "order.deliveryAddress.name": _text(limits.NAME_LENGTH),
    "order.deliveryAddress.lines": _entries(limits.ADDRESS_LINES_MAX),
    "order.deliveryAddress.lines[]": _text(limits.ADDRESS_LINE_LENGTH),
    "order.deliveryAddress.town": _text(limits.TOWN_LENGTH),
    "order.deliveryAddress.county": _text(limits.COUNTY_LENGTH),
    "order.deliveryAddress.postCode": _text(limits.POST_CODE_LENGTH),
    "order.deliveryAddress.country": _text(limits.COUNTRY_LENGTH, limits.COUNTRY_LENGTH),
    "line.productCode": _text(limits.PRODUCT_CODE_LENGTH),
    "line.description": _text(limits.DESCRIPTION_LENGTH),
    "line.unitPrice": _text(limits.UNIT_PRICE_LENGTH),
    "line.currency": _text(limits.CURRENCY_LENGTH, limits.CURRENCY_LENGTH),
    "line.attributes": _entries(limits.LINE_ATTRIBUTES_MAX),
    "line.attributes[]": _text(limits.ATTRIBUTE_NAME_LENGTH),
}
DISPATCH_LIMITS: dict[str, dict[str, int]] = COMMON | {
    "externalFileName": {"maxLength": limits.EXTERNAL_FILE_NAME_LENGTH},
    "wareHouse.id": _text(limits.WAREHOUSE_ID_LENGTH),
    "wareHouse.fileSequence": _number(limits.ID_MAX, 0),
    "recordCount": _number(limits.RECORDS_MAX, 0),
    "orders": _entries(limits.RECORDS_MAX, 0),
    "order.dispatchId": _text(limits.DISPATCH_ID_LENGTH),
    "order.carrier": _text(limits.CARRIER_LENGTH),
    "order.trackingNumbers": _entries(limits.TRACKING_NUMBERS_MAX, 0),
    "order.trackingNumbers[]": _text(limits.TRACKING_NUMBER_LENGTH),
    "order.errors": _entries(limits.ERRORS_MAX, 0),
    "line.reason": _text(limits.REASON_LENGTH, 0),
    "line.units": _entries(limits.UNITS_MAX, 0),
    "unit": {"minProperties": 1, "maxProperties": limits.UNIT_ATTRIBUTES_MAX},
    "unit<name>": _text(limits.ATTRIBUTE_NAME_LENGTH),
    "unit<value>": _text(limits.ATTRIBUTE_VALUE_LENGTH),
    "serial": _text(limits.ATTRIBUTE_VALUE_LENGTH),
    "error.id": _text(limits.ERROR_ID_LENGTH, 0),
    "error.errorMessage": _text(limits.ERROR_MESSAGE_LENGTH, 0),
}
ACKNOWLEDGEMENT_LIMITS: dict[str, dict[str, int]] = {
    **{name: COMMON[name] for name in ("interfaceCategory", "interfaceType", "id", "dateTime")},
    "identifier": _number(limits.ID_MAX, limits.ID_MIN),
    "wareHouse.id": _text(limits.WAREHOUSE_ID_LENGTH),
    "wareHouse.acknowledgementSequence": _number(limits.FILE_SEQUENCE_MAX),
    "recordCount": _number(limits.RECORDS_MAX, 0),
    "records": _entries(limits.RECORDS_MAX, 0),
    "code": _text(limits.CODE_LENGTH),
    "message": _text(limits.REASON_LENGTH),
    "file.name": _text(limits.FILE_NAME_LENGTH),
    "file.interfaceType": {"maxLength": limits.INTERFACE_LENGTH},
    "file.identifier": _number(limits.ID_MAX, limits.ID_MIN),
    "file.externalFileName": {"maxLength": limits.EXTERNAL_FILE_NAME_LENGTH},
    "file.fileSequence": _number(limits.ID_MAX, 0),
    "file.contentSha256": _text(limits.SHA256_LENGTH, limits.SHA256_LENGTH),
    "record.sequence": _number(limits.RECORDS_MAX),
    "record.dispatchId": _text(limits.DISPATCH_ID_LENGTH),
}
FRAUD_REQUEST_LIMITS: dict[str, dict[str, int]] = {
    "orders": _entries(5000),
    "id": COMMON["id"],
    "dateTime": COMMON["dateTime"],
    **{
        place: numbers
        for place, numbers in REQUEST_LIMITS.items()
        if place.startswith(("order.accountId", "order.contactDetails", "order.deliveryAddress"))
    },
}
FRAUD_ANSWER_LIMITS: dict[str, dict[str, int]] = {
    "orders": _entries(5000),
    "id": COMMON["id"],
    "verdict.score": _number(1_000_000, 0),
    "verdict.reasons": _entries(40, 0),
    "verdict.reasons[]": _text(40),
}
PATTERNS = {
    (ACKNOWLEDGEMENT, "id"): limits.ID_PATTERN,
    (ACKNOWLEDGEMENT, "wareHouse.id"): limits.WAREHOUSE_ID_PATTERN,
    (ACKNOWLEDGEMENT, "code"): limits.CODE_PATTERN,
    (ACKNOWLEDGEMENT, "file.name"): limits.FILE_NAME_PATTERN,
    (ACKNOWLEDGEMENT, "file.externalFileName"): limits.EXTERNAL_FILE_NAME_PATTERN,
    (ACKNOWLEDGEMENT, "file.contentSha256"): limits.SHA256_PATTERN,
    (ACKNOWLEDGEMENT, "record.dispatchId"): limits.DISPATCH_ID_PATTERN,
    (REQUEST, "id"): limits.ID_PATTERN,
    (DISPATCH, "id"): limits.ID_PATTERN,
    (REQUEST, "warehouseId"): limits.WAREHOUSE_ID_PATTERN,
    (DISPATCH, "wareHouse.id"): limits.WAREHOUSE_ID_PATTERN,
    (REQUEST, "order.deliveryAddress.country"): limits.COUNTRY_PATTERN,
    (REQUEST, "line.currency"): limits.CURRENCY_PATTERN,
    (REQUEST, "line.unitPrice"): limits.UNIT_PRICE_PATTERN,
    (REQUEST, "line.attributes[]"): limits.ATTRIBUTE_NAME_PATTERN,
    (DISPATCH, "unit<name>"): limits.ATTRIBUTE_NAME_PATTERN,
    (DISPATCH, "order.dispatchId"): limits.DISPATCH_ID_PATTERN,
    (DISPATCH, "externalFileName"): limits.EXTERNAL_FILE_NAME_PATTERN,
}


@EACH
def test_draft(schema: Schema) -> None:
    """A schema names its draft by the https address, the only one known, and is valid in it."""
    assert schema.document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema.document)


@EACH
def test_described(schema: Schema) -> None:
    """Every property and every other part that describes a value says what it is."""
    silent = [
        place
        for place, part in subschemas(schema.document)
        # An entry that is described elsewhere needs no second description; a property does.
        if not part.get("description") and not (place.endswith("[]") and "$ref" in part)
    ]
    assert silent == []


@EACH
def test_closed(schema: Schema) -> None:
    """Objects take the properties that the schema names and no others, but for a unit's."""
    objects = {
        place: part for place, part in subschemas(schema.document) if part.get("type") == "object"
    }
    open_ones = [
        place for place, part in objects.items() if part["additionalProperties"] is not False
    ]
    assert objects
    assert open_ones == (["unit"] if schema is DISPATCH else [])


@EACH
def test_every_limit_stated(schema: Schema) -> None:
    """Each text, list and number has its bounds, so that no reader has to guess a column's size."""
    needed = {"string": {"maxLength"}, "array": {"maxItems"}, "integer": {"minimum", "maximum"}}
    boundless = [
        place
        for place, part in subschemas(schema.document)
        if not {"const", "enum", "$ref"} & part.keys()
        and not needed.get(part["type"], set()) <= part.keys()
    ]
    assert boundless == []


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (REQUEST, REQUEST_LIMITS),
        (DISPATCH, DISPATCH_LIMITS),
        (ACKNOWLEDGEMENT, ACKNOWLEDGEMENT_LIMITS),
        (service.REQUEST, FRAUD_REQUEST_LIMITS),
        (service.ANSWER, FRAUD_ANSWER_LIMITS),
    ],
    ids=["request", "dispatch", "acknowledgement", "fraud check request", "fraud check answer"],
)
def test_limits_are_the_codes(schema: Schema, expected: dict[str, dict[str, int]]) -> None:
    """Each number in a schema is a constant of core.documents.limits, and the other way round."""
    stated = {
        place: numbers
        for place, part in subschemas(schema.document)
        if (numbers := {name: part[name] for name in NUMBERS & part.keys()})
    }
    assert stated == expected


def test_patterns_are_the_codes() -> None:
    """The patterns of core.documents.limits are those of the schemas."""
    schemas = (REQUEST, DISPATCH, ACKNOWLEDGEMENT)
    parts = {schema: dict(subschemas(schema.document)) for schema in schemas}
    stated = {(schema, place): parts[schema][place]["pattern"] for schema, place in PATTERNS}
    assert stated == PATTERNS


@EACH
def test_patterns_mean_the_same_everywhere(schema: Schema) -> None:
    r"""Patterns are anchored and use nothing that engines read differently: no `\d`, no dot."""
    patterns = [part["pattern"] for _, part in subschemas(schema.document) if "pattern" in part]
    assert patterns
    for pattern in patterns:
        assert re.fullmatch(r"\^(?:[^$.\\]|\\\.|\\x[0-9a-f]{2}|\[[^\]]*\])*\$", pattern), pattern


@EACH
def test_no_text_holds_nul(schema: Schema) -> None:
    """Each text has a pattern that refuses NUL anywhere: PostgreSQL could not store it."""
    texts = [
        part
        for _, part in subschemas(schema.document)
        if part.get("type") == "string" and not {"const", "enum"} & part.keys()
    ]
    assert texts
    for part in texts:
        for text in ("\0", "A\0", "\0A", "A\0A"):
            assert not re.search(part["pattern"], text), part


def test_published_constants() -> None:
    """Category, type, version and action are those that the code writes and reads."""
    request, dispatch, answer = (
        dict(subschemas(schema.document)) for schema in (REQUEST, DISPATCH, ACKNOWLEDGEMENT)
    )

    def head(parts: dict[str, Any]) -> tuple[str, str, str]:
        category, kind, version = (
            parts[name]["const"] for name in ("interfaceCategory", "interfaceType", "version")
        )
        return category, kind, version

    assert head(request) == (CATEGORY, REQUEST_TYPE, REQUEST_VERSION)
    assert head(request) == ("Sales Order", "Sales Order Request", "1.1")
    assert head(dispatch) == (CATEGORY, TYPE, VERSION)
    assert head(dispatch) == ("Sales Order", "Sales Order Dispatch", "1.2")
    assert head(answer) == (acknowledgement.CATEGORY, acknowledgement.TYPE, acknowledgement.VERSION)
    assert head(answer) == ("Sales Order", "Acknowledgement", "1.0")
    assert request["order.action"]["enum"] == list(Action)


def test_an_id_fits_a_bigint() -> None:
    """The longest id and the greatest number are below 2**63, so that a cast never fails."""
    assert limits.ID_MAX < 2**63
    assert re.fullmatch(limits.ID_PATTERN, str(limits.ID_MAX))
    for wrong in (limits.ID_MAX + 1, 2**63, 0, "01", "-1", "1.0", "", "1\n", "\u0661"):
        assert not re.fullmatch(limits.ID_PATTERN, str(wrong))


@pytest.mark.parametrize("name", example_names())
def test_examples(name: str) -> None:
    """The published examples match their schemas."""
    schema_of(name).validate(example(name))


def test_examples_of_each() -> None:
    """There is an example of each kind of file."""
    assert "order-request.example.json" in example_names("order-request")
    assert "order-dispatch.example.json" in example_names("order-dispatch")
    assert "acknowledgement.example.json" in example_names("acknowledgement")


@pytest.mark.parametrize(
    "kind",
    ["order-request", "order-dispatch", "acknowledgement", "fraud-check-request",
     "fraud-check-answer"],
)  # fmt: skip
def test_examples_show_every_property(kind: str) -> None:
    """Taken together, the examples show every property that a schema has."""
    schema = schema_of(kind)
    known = {place.rpartition(".")[2] for place, _ in subschemas(schema.document)} - set(
        schema.document["$defs"]
    )
    names = {name for name in known if re.fullmatch(r"\w+", name)}
    shown = set().union(*(_names(example(name)) for name in example_names(kind)))
    assert names - shown == set()


def _names(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_names, value.values()))
    if isinstance(value, list):
        return set().union(*map(_names, value))
    return set()
