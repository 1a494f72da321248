"""Documents that the partner has rightly sealed and that are wrong: each is refused for what it is.

Whoever has taken over a partner's host has its key, and can sign anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.daemons.depot import document, partner_acknowledgement
from tests.daemons.desk import NOW, line, record
from tests.daemons.hostile.gate import Gate

NOT_JSON, SCHEMA_INVALID = "NOT_JSON", "SCHEMA_INVALID"
ONE = document(record(1, "D", line(1, 1)))


def text(payload: bytes = ONE) -> str:
    """A good document, as text."""
    return payload.decode()


def swapped(old: str, new: str, payload: bytes = ONE) -> bytes:
    """A good document in which one piece of the text is another."""
    assert old in text(payload)
    return text(payload).replace(old, new, 1).encode()


def reason(words: str) -> bytes:
    """A good document whose line has a reason of these words."""
    return json.dumps(
        json.loads(document(record(1, "D", line(1, 1, reason=words)))), ensure_ascii=False
    ).encode("utf-8", "surrogatepass")


TEXTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", NOT_JSON),
    "blanks": (b" \r\n\t " * 1000, NOT_JSON),
    "NUL": (b"\0", NOT_JSON),
    "null": (b"null", SCHEMA_INVALID),
    "true": (b"true", SCHEMA_INVALID),
    "a number": (b"0", SCHEMA_INVALID),
    "an endless number": (b"1" * 1_000_000, NOT_JSON),
    "an endless fraction": (b"0." + b"1" * 1_000_000, SCHEMA_INVALID),
    "a text": (b'"Sales Order Dispatch"', SCHEMA_INVALID),
    "an endless text": (b'"' + b"x" * 5_000_000 + b'"', SCHEMA_INVALID),
    "a list": (b"[]", SCHEMA_INVALID),
    "the document in a list": (b"[" + ONE + b"]", SCHEMA_INVALID),
    "the document in a text": (json.dumps(text()).encode(), SCHEMA_INVALID),
    "an empty object": (b"{}", SCHEMA_INVALID),
    "NaN": (b"NaN", NOT_JSON),
    "Infinity": (b"Infinity", NOT_JSON),
    "XML": (b'<?xml version="1.0"?><order/>', NOT_JSON),
    "CSV": (b"id;dispatchId;status\n1;D;DISPATCHED\n", NOT_JSON),
    "a comment": (b"/* ours */" + ONE, NOT_JSON),
    "single quotes": (text().replace('"', "'").encode(), NOT_JSON),
    "a comma too many": (text()[:-1].encode() + b",}", NOT_JSON),
    "the end missing": (ONE[:-1], NOT_JSON),
    "half of it": (ONE[: len(ONE) // 2], NOT_JSON),
    "two of them": (ONE + ONE, NOT_JSON),
    "two lines of them": (ONE + b"\n" + ONE, NOT_JSON),
    "a byte more": (ONE + b"\0", NOT_JSON),
    "a bracket more": (ONE + b"}", NOT_JSON),
    "a byte order mark": (b"\xef\xbb\xbf" + ONE, NOT_JSON),
    "UTF-16": (text().encode("utf-16"), NOT_JSON),
    "UTF-16 without mark": (text().encode("utf-16-be"), NOT_JSON),
    "UTF-16, the other way": (text().encode("utf-16-le"), NOT_JSON),
    "UTF-32": (text().encode("utf-32"), NOT_JSON),
    "UTF-7": (b"+AHs-", NOT_JSON),
    "EBCDIC": (text().encode("cp500"), NOT_JSON),
    "latin-1": (reason("Straße").decode().encode("latin-1"), NOT_JSON),
    "Windows-1252": (reason("5 \u20ac").decode().encode("cp1252"), NOT_JSON),
    "UTF-8 twice, cut": (reason("Straße").replace(b"\x9f", b""), NOT_JSON),
    "overlong UTF-8": (swapped("D", "@@").replace(b"@@", b"\xc0\xaf"), NOT_JSON),
    "surrogates in UTF-8": (reason("x").replace(b'"x"', b'"\xed\xa0\xbd\xed\xb8\x80"'),
                            NOT_JSON),
    "a lone surrogate": (reason("x").replace(b'"x"', b'"\\ud800"'), NOT_JSON),
    "beyond Unicode": (reason("x").replace(b'"x"', b'"\xf4\x90\x80\x80"'), NOT_JSON),
    "NUL in a text": (reason("x").replace(b'"x"', b'"\\u0000"'), SCHEMA_INVALID),
    "NUL in a text, unescaped": (reason("x").replace(b'"x"', b'"\0"'), NOT_JSON),
    "a newline in a text": (reason("x").replace(b'"x"', b'"\n"'), NOT_JSON),
    "an escape that is none": (reason("x").replace(b'"x"', b'"\\x41"'), NOT_JSON),
    "a key twice": (swapped('{"i', '{"version": "1.2", "i'), NOT_JSON),
    "a key twice, written otherwise": (swapped('{"i', '{"\\u0076ersion": "1.2", "i'), NOT_JSON),
    "recordCount twice": (swapped('"recordCount": 1', '"recordCount": 1, "recordCount": 0'),
                          NOT_JSON),
    "wareHouse.id twice": (swapped('{"id": "LONDON"', '{"id": "LEEDS", "id": "LONDON"'), NOT_JSON),
    "a record's id twice": (swapped('{"id": "1", "d', '{"id": "2", "id": "1", "d'), NOT_JSON),
    "a quantity twice": (swapped('"quantity": 1', '"quantity": 1, "quantity": 1'), NOT_JSON),
    "a key of a unit twice": (
        document(record(1, "D", line(1, 1, units=[{"imei": "1", "IMEI": "1"}])))
        .replace(b"IMEI", b"imei"), NOT_JSON),
    "deep lists": (b"[" * 1_000_000, NOT_JSON),
    "deep lists that end": (b"[" * 100_000 + b"]" * 100_000, NOT_JSON),
    "deep objects": (b'{"a":' * 100_000, NOT_JSON),
    "deep, as deep as is read": (b"[" * 150 + b"]" * 150, SCHEMA_INVALID),
    "deep in a record": (swapped('"D"', "[" * 150 + "]" * 150), SCHEMA_INVALID),
    "very deep in a record": (swapped('"D"', "[" * 5000 + "]" * 5000), NOT_JSON),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_no_document(gate: Gate, name: str) -> None:
    """Whatever is no JSON that all readers take alike is NOT_JSON; other JSON SCHEMA_INVALID."""
    payload, expected = TEXTS[name]
    assert gate.judge_payload(payload) == ("QUARANTINED", expected)


NUMBERS: dict[str, str] = {
    "-1": SCHEMA_INVALID,
    "1.5": SCHEMA_INVALID,
    "1e400": SCHEMA_INVALID,
    "-1e400": SCHEMA_INVALID,
    "1e308": SCHEMA_INVALID,
    "1e-400": "COUNT_MISMATCH",
    "NaN": NOT_JSON,
    "Infinity": NOT_JSON,
    "-Infinity": NOT_JSON,
    "01": NOT_JSON,
    "+1": NOT_JSON,
    ".5": NOT_JSON,
    "1.": NOT_JSON,
    "0x1": NOT_JSON,
    "1_0": NOT_JSON,
    "9223372036854775808": SCHEMA_INVALID,
    "1" + "0" * 4000: SCHEMA_INVALID,
    "1" + "0" * 100_000: NOT_JSON,
    "100001": SCHEMA_INVALID,
    "100000": "COUNT_MISMATCH",
    "0": "COUNT_MISMATCH",
    "-0": "COUNT_MISMATCH",
    "2": "COUNT_MISMATCH",
    "2.0": "COUNT_MISMATCH",
    '"1"': SCHEMA_INVALID,
    "true": SCHEMA_INVALID,
    "null": SCHEMA_INVALID,
    "[1]": SCHEMA_INVALID,
    "{}": SCHEMA_INVALID,
    "\u0661": NOT_JSON,
}


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{number[:24]}-{len(number)}")
def test_a_count_that_is_wrong(gate: Gate, number: str) -> None:
    """What recordCount may not be is refused by the schema, and any other number by the count."""
    payload = swapped('"recordCount": 1', f'"recordCount": {number}')
    assert gate.judge_payload(payload) == ("QUARANTINED", NUMBERS[number])


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "1e400", "1e300", "1000001", "1e7", '"1"',
                                    "true", "null", "[]", "9223372036854775808"])  # fmt: skip
def test_a_quantity_that_is_none(gate: Gate, number: str) -> None:
    """A quantity is a whole number from one to a million."""
    payload = swapped('"quantity": 1', f'"quantity": {number}')
    assert gate.judge_payload(payload) == ("QUARANTINED", SCHEMA_INVALID)


WHOLES: dict[str, tuple[dict[str, Any], str]] = {
    "another warehouse": ({"wareHouse": {"id": "LEEDS"}}, "WRONG_WAREHOUSE"),
    "an unknown warehouse": ({"wareHouse": {"id": "NOWHERE"}}, "WRONG_WAREHOUSE"),
    "nearly the warehouse": ({"wareHouse": {"id": "LONDON-"}}, "WRONG_WAREHOUSE"),
    "the warehouse in small letters": ({"wareHouse": {"id": "london"}}, SCHEMA_INVALID),
    "the warehouse and a blank": ({"wareHouse": {"id": "LONDON "}}, SCHEMA_INVALID),
    "the warehouse and a newline": ({"wareHouse": {"id": "LONDON\n"}}, SCHEMA_INVALID),
    "the warehouse in a wide letter": ({"wareHouse": {"id": "\uff2cONDON"}}, SCHEMA_INVALID),
    "a path for a warehouse": ({"wareHouse": {"id": "../LONDON"}}, SCHEMA_INVALID),
    "a statement for a warehouse": ({"wareHouse": {"id": "';drop table batch;--"}}, SCHEMA_INVALID),
    "no id of the warehouse": ({"wareHouse": {}}, SCHEMA_INVALID),
    "no warehouse": ({"wareHouse": None}, SCHEMA_INVALID),
    "a text for the warehouse": ({"wareHouse": "LONDON"}, SCHEMA_INVALID),
    "more of the warehouse": ({"wareHouse": {"id": "LONDON", "name": "London"}}, SCHEMA_INVALID),
    "a sequence below": ({"wareHouse": {"id": "LONDON", "fileSequence": -1}}, SCHEMA_INVALID),
    "a sequence beyond": ({"wareHouse": {"id": "LONDON", "fileSequence": 9 * 10**18}},
                          SCHEMA_INVALID),
    "a sequence beyond, as a double": ({"wareHouse": {"id": "LONDON", "fileSequence": 9e18}},
                                       SCHEMA_INVALID),
    "a sequence beyond 64 bits": ({"wareHouse": {"id": "LONDON", "fileSequence": 2**63}},
                                  SCHEMA_INVALID),
    "another category": ({"interfaceCategory": "Purchase Order"}, "WRONG_INTERFACE"),
    "an empty category": ({"interfaceCategory": ""}, "WRONG_INTERFACE"),
    "a category in capitals": ({"interfaceCategory": "SALES ORDER"}, "WRONG_INTERFACE"),
    "an endless category": ({"interfaceCategory": "x" * 1_000_000}, "WRONG_INTERFACE"),
    "no text for a category": ({"interfaceCategory": 1}, SCHEMA_INVALID),
    "no category": ({"interfaceCategory": None}, SCHEMA_INVALID),
    "our own type": ({"interfaceType": "Sales Order Request"}, "WRONG_INTERFACE"),
    "another type": ({"interfaceType": "Invoice"}, "WRONG_INTERFACE"),
    "a type and a newline": ({"interfaceType": "Sales Order Dispatch\n"}, "WRONG_INTERFACE"),
    "a list for a type": ({"interfaceType": ["Sales Order Dispatch"]}, SCHEMA_INVALID),
    "an object for a type": ({"interfaceType": {}}, SCHEMA_INVALID),
    "no type": ({"interfaceType": None}, SCHEMA_INVALID),
    "an older version": ({"version": "1.1"}, "WRONG_INTERFACE"),
    "a newer version": ({"version": "2.0"}, "WRONG_INTERFACE"),
    "a number for a version": ({"version": 1.2}, SCHEMA_INVALID),
    "no version": ({"version": None}, SCHEMA_INVALID),
    "no name": ({"externalFileName": None}, SCHEMA_INVALID),
    "an empty name": ({"externalFileName": ""}, SCHEMA_INVALID),
    "a long name": ({"externalFileName": "x" * 21}, SCHEMA_INVALID),
    "an enormous name": ({"externalFileName": "x" * 1_000_000}, SCHEMA_INVALID),
    "a path for a name": ({"externalFileName": "../../etc/passwd"}, SCHEMA_INVALID),
    "a name and a newline": ({"externalFileName": "a.json\n"}, SCHEMA_INVALID),
    "no orders": ({"orders": None}, SCHEMA_INVALID),
    "an object for the orders": ({"orders": {}}, SCHEMA_INVALID),
    "a list for an order": ({"orders": [[]], "recordCount": 1}, SCHEMA_INVALID),
    "a number for an order": ({"orders": [1], "recordCount": 1}, SCHEMA_INVALID),
    "one property more": ({"note": "thank you"}, SCHEMA_INVALID),
    "a property without a name": ({"": 1}, SCHEMA_INVALID),
    "a property of the language": ({"__class__": {"__init__": {}}}, SCHEMA_INVALID),
    "a property of an enormous name": ({"x" * 1_000_000: 1}, SCHEMA_INVALID),
    "a schema of its own": ({"$schema": "http://localhost:1/", "$ref": "file:///etc/passwd"},
                            SCHEMA_INVALID),
    "very many properties": ({f"p{number}": number for number in range(50_000)}, SCHEMA_INVALID),
    "30 February": ({"transformDateTime": "2026-02-30T00:00:00Z"}, SCHEMA_INVALID),
    "a leap second": ({"transmitDateTime": "2026-06-30T23:59:60Z"}, SCHEMA_INVALID),
    "a time without zone": ({"transmitDateTime": "2026-06-30T23:59:59"}, SCHEMA_INVALID),
    "hour 24": ({"transmitDateTime": "2026-06-30T24:00:00Z"}, SCHEMA_INVALID),
    "year 0": ({"transmitDateTime": "0000-01-01T00:00:00Z"}, SCHEMA_INVALID),
    "year 10000": ({"transmitDateTime": "10000-01-01T00:00:00Z"}, SCHEMA_INVALID),
    "a number for a time": ({"transmitDateTime": 1767225600}, SCHEMA_INVALID),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLES)
def test_a_head_that_is_wrong(gate: Gate, name: str) -> None:
    """A document of another warehouse, category, type or version is told just that; what the
    schema does not know is told by the schema.
    """
    changes, expected = WHOLES[name]
    assert gate.judge_payload(document(**changes)) == ("QUARANTINED", expected)


RECORDS: dict[str, dict[str, Any]] = {
    "id 0": {"id": "0"},
    "a negative id": {"id": "-1"},
    "an id with a zero before": {"id": "01"},
    "an id with a blank": {"id": " 1"},
    "an id with a newline": {"id": "1\n"},
    "an id with an exponent": {"id": "1e3"},
    "an id in other digits": {"id": "\uff11"},
    "an id beyond": {"id": "9" * 19},
    "a long id": {"id": "1" * 20},
    "an enormous id": {"id": "1" * 1_000_000},
    "a number for an id": {"id": 1},
    "null for an id": {"id": None},
    "an empty dispatchId": {"dispatchId": ""},
    "a long dispatchId": {"dispatchId": "x" * 65},
    "a dispatchId with a blank": {"dispatchId": "a b"},
    "a dispatchId with a newline": {"dispatchId": "a\n"},
    "a dispatchId beyond ASCII": {"dispatchId": "ä"},
    "a number for a dispatchId": {"dispatchId": 1},
    "no such status": {"status": "SHIPPED"},
    "a status in small letters": {"status": "dispatched"},
    "a list for a status": {"status": ["DISPATCHED"]},
    "no such day": {"dispatchDateTime": "2026-02-30T00:00:00Z"},
    "no such month": {"dispatchDateTime": "2026-13-01T00:00:00Z"},
    "year 0": {"dispatchDateTime": "0001-01-01T00:00:00Z"},
    "null for a time": {"dispatchDateTime": None},
    "no lines": {"lines": []},
    "null for the lines": {"lines": None},
    "a text for the lines": {"lines": "all"},
    "a line of nothing": {"lines": [{}]},
    "a line that is a list": {"lines": [[]]},
    "a line of no such status": {"lines": [line(1, 1, "LOST")]},
    "a line of more": {"lines": [line(1, 1, price="0")]},
    "an endless reason": {"lines": [line(1, 1, reason="x" * 1_000_000)]},
    "an id of a line beyond": {"lines": [line(9 * 10**18, 1)]},
    "a unit of nothing": {"lines": [line(1, 1, units=[{}])]},
    "a unit of too much": {"lines": [line(1, 1, units=[{f"a{n}": "x" for n in range(24)}])]},
    "a unit's name in capitals": {"lines": [line(1, 1, units=[{"IMEI": "1"}])]},
    "a unit's name of the language": {"lines": [line(1, 1, units=[{"__proto__": "1"}])]},
    "a unit's enormous name": {"lines": [line(1, 1, units=[{"a" * 100_000: "1"}])]},
    "a unit's value that is empty": {"lines": [line(1, 1, units=[{"imei": ""}])]},
    "a unit's value that is a number": {"lines": [line(1, 1, units=[{"imei": 1}])]},
    "a unit's value with a control character": {"lines": [line(1, 1, units=[{"a": "\x1b[2J"}])]},
    "a serial beyond ASCII": {"lines": [line(1, 1, units=[{"serialNumber": "№1"}])]},
    "a carrier with a newline": {"carrier": "a\nb"},
    "an enormous carrier": {"carrier": "x" * 1_000_000},
    "a tracking number that is a number": {"trackingNumbers": [1]},
    "too many tracking numbers": {"trackingNumbers": ["x"] * 101},
    "an error without text": {"errors": [{"id": "E"}]},
    "too many errors": {"errors": [{"id": "E", "errorMessage": "x"}] * 101},
    "an error of more": {"errors": [{"id": "E", "errorMessage": "x", "stack": ""}]},
    "a property more": {"price": "0.00"},
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_is_wrong(gate: Gate, name: str) -> None:
    """One record that the schema does not know, and the file is refused whole, good ones too."""
    good = record(1, "G", line(1, 1))
    wrong = record(1, "W", line(1, 1)) | RECORDS[name]
    assert gate.judge_payload(document(good, wrong, good)) == ("QUARANTINED", SCHEMA_INVALID)


def acknowledgement(**about: Any) -> bytes:
    """A partner's acknowledgement of a file that is described so."""
    return partner_acknowledgement({"identifier": 1, "name": "a.p7m", **about})


ACKNOWLEDGEMENTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "of a file that was never sent": (acknowledgement, "UNKNOWN_FILE"),
    "of a path": (lambda: acknowledgement(name="../1.p7m"), SCHEMA_INVALID),
    "of no identifier": (lambda: acknowledgement(identifier=0), SCHEMA_INVALID),
    "of an identifier beyond 64 bits": (lambda: acknowledgement(identifier=2**63), SCHEMA_INVALID),
    "of a file of theirs": (
        lambda: acknowledgement(interfaceType="Sales Order Dispatch"), SCHEMA_INVALID),
    "of an acknowledgement": (
        lambda: acknowledgement(interfaceType="Acknowledgement"), SCHEMA_INVALID),
    "with our verdict": (
        lambda: partner_acknowledgement({"identifier": 1, "name": "a.p7m"}, "PROCESSED"),
        SCHEMA_INVALID),
    "with no such verdict": (
        lambda: partner_acknowledgement({"identifier": 1, "name": "a.p7m"}, "MAYBE"),
        SCHEMA_INVALID),
    "for another warehouse": (
        lambda: partner_acknowledgement({"identifier": 1, "name": "a.p7m"},
                                        wareHouse={"id": "LEEDS"}), "WRONG_WAREHOUSE"),
    "with a wrong count": (
        lambda: partner_acknowledgement({"identifier": 1, "name": "a.p7m"}, recordCount=7),
        "COUNT_MISMATCH"),
    "of an older version": (
        lambda: partner_acknowledgement({"identifier": 1, "name": "a.p7m"}, version="0.9"),
        SCHEMA_INVALID),
}  # fmt: skip


@pytest.mark.parametrize("name", ACKNOWLEDGEMENTS)
def test_an_acknowledgement_that_is_wrong(gate: Gate, name: str) -> None:
    """What acknowledges nothing of ours is refused as a dispatch file would be."""
    make, expected = ACKNOWLEDGEMENTS[name]
    assert gate.judge_payload(make()) == ("QUARANTINED", expected)


def test_the_first_fault_is_told(gate: Gate) -> None:
    """A file that is wrong in every way is told the fault that helps its partner most."""
    bad = {"recordCount": 9, "wareHouse": {"id": "LEEDS"}, "externalFileName": "!"}
    for changes, expected in (
        ({**bad, "version": "9"}, "WRONG_INTERFACE"),
        (bad, SCHEMA_INVALID),
        ({**bad, "externalFileName": "a"}, "WRONG_WAREHOUSE"),
        ({"recordCount": 9}, "COUNT_MISMATCH"),
    ):
        assert gate.judge_payload(document(**changes)) == ("QUARANTINED", expected)


ODD: dict[str, bytes] = {
    "a count written as a double": document(recordCount=0.0),
    "a quantity written as a double": document(record(1, "D", line(1, 1)) | {
        "lines": [line(1, 1) | {"quantity": 1.0}]}),
    "blanks around": b"\r\n\t " + document(externalFileName="blank") + b" \n",
    "the year 1000": document(record(1, "D", line(1, 1)) | {
        "dispatchDateTime": "1000-01-01T00:00:00+14:59"}),
    "the largest ids": document(record(8 * 10**18, "D", line(8_999_999_999_999_999_999, 10**6))),
    "as many units as go into a record": document(
        record(1, "D", line(1, 10_000, units=[{"a": str(n)} for n in range(10_000)]))),
    "marks of every script": reason("\u202e\u200b\ufeff\U0010ffff\x7f\x80"),
    "text that means something to COPY": reason("\\N\\.\t\\"),
    "text that means something to SQL": reason("'; drop table charge; -- $$"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_and_allowed(gate: Gate, name: str) -> None:
    """What the schema lets pass is loaded as it is, at its limits too: the database takes it."""
    assert gate.judge_payload(ODD[name]) == ("ARCHIVED", None)


def test_a_time_is_the_partners_word(gate: Gate) -> None:
    """A dispatch of the far future is loaded: when goods left is the warehouse's to say."""
    payload = document(
        record(1, "F", line(1, 1)) | {"dispatchDateTime": NOW.replace("2026", "2999")}
    )
    assert gate.judge_payload(payload) == ("ARCHIVED", None)
