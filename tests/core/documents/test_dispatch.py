"""order-dispatch as read into rows, and each reason for which it is not."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from core.documents import DetailRow, DispatchLineRow, copytext, read_dispatch
from core.errors import Reason, Reject

from .samples import dispatch, example_bytes, record

PHONE = {"serialNumber": " x1b7q0042 ", "imei": "490154203237518", "colour": "Black"}


def _refusal(payload: bytes, warehouse: str = "LONDON") -> Reject:
    with pytest.raises(Reject) as refused:
        read_dispatch(payload, warehouse)
    return refused.value


def _detail(**changes: object) -> DetailRow:
    (row,) = read_dispatch(dispatch(record(**changes)), "LONDON").detail_rows
    return row


def _line(**changes: object) -> DispatchLineRow:
    line = {"id": "11", "quantity": 1, "status": "DISPATCHED", **changes}
    (row,) = read_dispatch(dispatch(record(lines=[line])), "LONDON").line_rows
    return row


def test_the_published_example() -> None:
    """The published example gives these rows: the layout that the loading statement relies on."""
    document = read_dispatch(example_bytes("order-dispatch.example.json"), "LONDON")
    assert document.external_file_name == "LON_20260228_01.csv"
    assert document.file_sequence == 41
    assert document.transform_at == datetime(2026, 2, 28, 9, 40, 12, tzinfo=UTC)
    assert document.transmit_at == datetime(2026, 2, 28, 9, 40, 15, tzinfo=UTC)
    first, second = document.detail_rows
    assert first[:7] == (
        1,
        "100231",
        "LON-2026-0004711",
        "PART_DISPATCHED",
        datetime(2026, 2, 28, 9, 31, tzinfo=UTC),
        "Parcelforce",
        ["PF123456789GB"],
    )
    assert (len(first.content_digest), first.errors) == (32, None)
    assert (second.sequence, second.tracking) == (2, [])
    assert second.content_digest != first.content_digest
    sims = ["8944110068256270054", "8944110068256270062"]
    late = "Next delivery on Tuesday."
    assert [tuple(row) for row in document.line_rows] == [
        (1, 1, "550871", "DISPATCHED", 1, None, ["X1B7Q0042"], ["490154203237518"], None, None, 1,
             ["imei", "serialNumber"], None),
        (1, 2, "550871", "BACK_ORDERED", 1, late, None, None, None, None, 0, [], None),
        (1, 3, "550872", "DISPATCHED", 2, None, None, None, sims, None, 2, ["iccid"], None),
        (1, 4, "550873", "DISPATCHED", 1, None, None, None, None, None, 0, [], None),
        (2, 1, "550874", "DISPATCHED", 1, None, ["R5G-000918"], ["352099001761481"], None,
         '[{"ssid":"HOME-0918"}]', 1, ["imei", "serialNumber", "ssid"], None),
    ]  # fmt: skip


def test_refusals_by_the_warehouse() -> None:
    """A refused order may come without lines, and its errors are kept as JSON text."""
    document = read_dispatch(example_bytes("order-dispatch.refused.example.json"), "LONDON")
    assert [row.status for row in document.detail_rows] == [
        "FRAUD_REJECTED",
        "CANCELLED",
        "REJECTED",
    ]
    assert document.detail_rows[0].errors == (
        '[{"id":"FC-17","errorMessage":"The contact could not be confirmed."}]'
    )
    assert document.detail_rows[2].dispatched_at is None
    assert [(row.sequence, row.line_no, row.status) for row in document.line_rows] == [
        (2, 1, "CANCELLED")
    ]


def test_an_empty_file() -> None:
    """A file without records is valid, and what may be absent is None."""
    document = read_dispatch(dispatch(), "LONDON")
    assert (document.detail_rows, document.line_rows) == ([], [])
    assert (document.file_sequence, document.transform_at, document.transmit_at) == (None,) * 3


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff", Reason.NOT_JSON),
        (b'{"version":"1.2","version":"1.2"}', Reason.NOT_JSON),
        (b"[]", Reason.SCHEMA_INVALID),
        (b"{}", Reason.SCHEMA_INVALID),
        (dispatch(version="1.1"), Reason.WRONG_INTERFACE),
        (dispatch(version=""), Reason.WRONG_INTERFACE),
        (dispatch(version=1.2), Reason.SCHEMA_INVALID),
        (dispatch(version=None), Reason.SCHEMA_INVALID),
        (dispatch(version=["1.2"]), Reason.SCHEMA_INVALID),
        (dispatch(interfaceCategory="Sales order"), Reason.WRONG_INTERFACE),
        (dispatch(interfaceType="Sales Order Request"), Reason.WRONG_INTERFACE),
        (example_bytes("order-request.example.json"), Reason.WRONG_INTERFACE),
        (dispatch(town="x"), Reason.SCHEMA_INVALID),
        (dispatch(externalFileName="x" * 21), Reason.SCHEMA_INVALID),
        (dispatch(externalFileName="../x"), Reason.SCHEMA_INVALID),
        (dispatch(record(dispatchId=None)), Reason.SCHEMA_INVALID),
        (dispatch(record(status="LOST")), Reason.SCHEMA_INVALID),
        (dispatch(record(carrier="a\x00b")), Reason.SCHEMA_INVALID),
        (dispatch(record(lines=[])), Reason.SCHEMA_INVALID),
        (dispatch(wareHouse={"id": "LEEDS"}), Reason.WRONG_WAREHOUSE),
        (dispatch(wareHouse={"id": "london"}), Reason.SCHEMA_INVALID),
        (dispatch(recordCount=1), Reason.COUNT_MISMATCH),
        (dispatch(record(), recordCount=0), Reason.COUNT_MISMATCH),
    ],
)
def test_reasons(payload: bytes, reason: Reason) -> None:
    """Each fault of a file has its reason."""
    assert _refusal(payload).reason is reason


def test_the_first_reason_helps_most() -> None:
    """Of several faults the partner is told the first: interface, schema, warehouse, count."""
    faults: dict[str, Any] = {
        "version": "9",
        "town": "x",
        "wareHouse": {"id": "LEEDS"},
        "recordCount": 7,
    }
    reasons = []
    while faults:
        reasons.append(_refusal(dispatch(**faults)).reason)
        del faults[next(iter(faults))]
    assert reasons == [
        Reason.WRONG_INTERFACE,
        Reason.SCHEMA_INVALID,
        Reason.WRONG_WAREHOUSE,
        Reason.COUNT_MISMATCH,
    ]


def test_nothing_of_the_file_in_a_reason() -> None:
    """A reason names the place and what is right, never what the file had there."""
    for changes in (
        {"version": "ZAPHOD"},
        {"wareHouse": {"id": "ZAPHOD"}},
        {"recordCount": 4242},
        {"externalFileName": "ZAPHOD 4242"},
    ):
        refused = _refusal(dispatch(**changes))
        assert "ZAPHOD" not in str(refused)
        assert "4242" not in str(refused)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-02-28T09:31:00Z", datetime(2026, 2, 28, 9, 31, tzinfo=UTC)),
        ("2026-02-28T09:31:00.5Z", datetime(2026, 2, 28, 9, 31, 0, 500_000, tzinfo=UTC)),
        ("2026-02-28T09:31:00.000001+05:30", datetime(2026, 2, 28, 4, 1, 0, 1, tzinfo=UTC)),
        ("2026-02-28T00:31:00+14:00", datetime(2026, 2, 27, 10, 31, tzinfo=UTC)),
        ("2024-02-29T23:59:59-14:59", datetime(2024, 3, 1, 14, 58, 59, tzinfo=UTC)),
    ],
)
def test_times(text: str, expected: datetime) -> None:
    """A time is read with its offset, to the microsecond (RFC 3339 section 5.6)."""
    assert _detail(dispatchDateTime=text).dispatched_at == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T09:31:00Z",
        "2025-02-29T09:31:00Z",
        "2026-04-31T09:31:00Z",
        "2026-13-01T09:31:00Z",
        "2026-02-28T24:00:00Z",
        "2026-02-28T23:59:60Z",
        "2026-02-28T09:31:00",
        "2026-02-28T09:31Z",
        "2026-02-28 09:31:00Z",
        "2026-02-28t09:31:00z",
        "2026-02-28T09:31:00+1:00",
        "2026-02-28T09:31:00+15:00",
        "2026-02-28T09:31:00,5Z",
        "2026-02-28T09:31:00.Z",
        "2026-02-28T09:31:00.1234567Z",
        "0000-02-28T09:31:00Z",
        "2026-02-28",
        "20260228T093100Z",
        "2026-W09-6T09:31:00Z",
        "2026-02-28T09:31:00Z\n",
        "2026-02-2\u0668T09:31:00Z",
        "",
    ],
)
def test_times_that_are_none(text: str) -> None:
    """A day that does not exist, a time without offset or in another form is refused."""
    refused = _refusal(dispatch(record(), record(dispatchDateTime=text)))
    assert refused.reason is Reason.SCHEMA_INVALID
    assert refused.sentence.startswith("/orders/1/dispatchDateTime must ")
    refused = _refusal(dispatch(transmitDateTime=text))
    assert refused.reason is Reason.SCHEMA_INVALID
    assert refused.sentence.startswith("/transmitDateTime must ")


def test_units() -> None:
    """Known attributes stand in columns by unit, normalised; others as they came, in JSON."""
    row = _line(
        quantity=3,
        units=[PHONE, {"serialNumber": "   ", "batteryNumber": " b "}, {"serialNumber": "B2"}],
    )
    assert row.serials == ["X1B7Q0042", None, "B2"]
    assert row.imeis == ["490154203237518", None, None]
    assert row.iccids is None
    assert row.extras is not None
    assert json.loads(row.extras) == [{"colour": "Black"}, {"batteryNumber": " b "}, {}]
    assert row.unit_count == 3


@pytest.mark.parametrize("name", ["serialNumber", "imei", "iccid"])
@pytest.mark.parametrize("value", ["\u00df1", "\u0661", "a\tb", "a\u00a0b", "", "x" * 101])
def test_serials_are_printable_ascii(name: str, value: str) -> None:
    """What is compared is printable ASCII: its capitals are as long, and the same everywhere."""
    line = {"id": "11", "quantity": 1, "status": "DISPATCHED", "units": [{name: value}]}
    refused = _refusal(dispatch(record(lines=[line])))
    assert refused.reason is Reason.SCHEMA_INVALID
    assert refused.sentence.startswith(f"/orders/0/lines/0/units/0/{name} must ")


@pytest.mark.parametrize("units", [[], None])
def test_no_units(units: list[Any] | None) -> None:
    """No units, or an empty list of them, are no columns."""
    row = _line(units=units) if units is not None else _line()
    assert row[6:] == (None, None, None, None, 0, [], None)


def test_integers_written_as_doubles() -> None:
    """1.0 is an integer to JSON Schema; the rows have it as one, and it is the same content."""
    row = _line(quantity=2.0)
    assert (row.quantity, type(row.quantity)) == (2, int)
    payload = dispatch(recordCount=0.0, wareHouse={"id": "LONDON", "fileSequence": 7.0})
    sequence = read_dispatch(payload, "LONDON").file_sequence
    assert (sequence, type(sequence)) == (7, int)
    whole, double = (
        _detail(lines=[{"id": "1", "quantity": quantity, "status": "DISPATCHED"}])
        for quantity in (2, 2.0)
    )
    assert whole.content_digest == double.content_digest


def test_an_empty_reason_is_none() -> None:
    """An adaptor that always writes a reason says nothing with an empty one."""
    assert _line(reason="").reason is None
    assert _line(reason="Broken\nin transit").reason == "Broken\nin transit"


TWO_LINES = [
    {"id": "12", "quantity": 1, "status": "DISPATCHED"},
    {"id": "11", "quantity": 2, "status": "DISPATCHED", "units": [PHONE, {"serialNumber": "B2"}]},
    {"id": "11", "quantity": 1, "status": "BACK_ORDERED"},
]


def test_the_order_inside_a_record_is_no_content() -> None:
    """A repeat is one whatever the order of properties, lines, units and tracking numbers."""
    one = record(lines=TWO_LINES, trackingNumbers=["P1", "P2"])
    other = dict(reversed(record(lines=TWO_LINES[::-1], trackingNumbers=["P2", "P1"]).items()))
    other["lines"] = [dict(reversed(line.items())) for line in other["lines"]]
    other["lines"][1]["units"].reverse()
    document = read_dispatch(dispatch(one, other), "LONDON")
    assert len({row.content_digest for row in document.detail_rows}) == 1
    # The rows keep the file's order.
    assert [row.line_ref for row in document.line_rows] == ["12", "11", "11", "11", "11", "12"]
    assert [row.serials for row in document.line_rows if row.serials] == [
        ["X1B7Q0042", "B2"],
        ["B2", "X1B7Q0042"],
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "2"},
        {"status": "PART_DISPATCHED"},
        {"dispatchDateTime": "2026-02-28T09:31:01Z"},
        {"carrier": "Parcelforce"},
        {"trackingNumbers": ["P1"]},
        {"errors": [{"id": "1", "errorMessage": "late"}]},
        {"lines": TWO_LINES[:2]},
        {"lines": [*TWO_LINES[:2], {"id": "11", "quantity": 2, "status": "BACK_ORDERED"}]},
        {"lines": [TWO_LINES[0], {**TWO_LINES[1], "units": [PHONE]}, TWO_LINES[2]]},
    ],
)
def test_other_content(change: dict[str, Any]) -> None:
    """Any other difference is other content."""
    before = _detail(lines=TWO_LINES)
    assert _detail(**{"lines": TWO_LINES, **change}).content_digest != before.content_digest


def test_the_digest_is_for_ever() -> None:
    """The digest's rule cannot change: stored ones are compared with those of later releases."""
    canonical = (
        '{"carrier":"An Post Gaillimhe á","dispatchDateTime":"2026-02-28T09:31:00Z",'
        '"dispatchId":"D-1",'
        '"id":"1","lines":['
        '{"id":"11","quantity":1,"status":"BACK_ORDERED"},'
        '{"id":"11","quantity":2,"status":"DISPATCHED","units":[{"colour":"Black",'
        '"imei":"490154203237518","serialNumber":" x1b7q0042 "},{"serialNumber":"B2"}]},'
        '{"id":"12","quantity":1,"status":"DISPATCHED"}],'
        '"status":"DISPATCHED","trackingNumbers":["P1","P2"]}'
    )
    row = _detail(lines=TWO_LINES, carrier="An Post Gaillimhe á", trackingNumbers=["P2", "P1"])
    assert row.content_digest == hashlib.sha256(canonical.encode()).digest()
    # The detail row keeps the file's order.
    assert row.tracking == ["P2", "P1"]


def test_rows_are_ready_for_copy() -> None:
    """Both kinds of row can be written as COPY text, thirteen and nine columns wide."""
    document = read_dispatch(dispatch(record(lines=TWO_LINES, carrier="a\\b")), "LONDON")
    details, lines = copytext.encode(document.detail_rows), copytext.encode(document.line_rows)
    assert [line.count(b"\t") for line in details.splitlines()] == [8]
    assert [line.count(b"\t") for line in lines.splitlines()] == [12, 12, 12]
    assert rb"a\\b" in details
