"""The two validators agree, and a refusal says what is allowed and nothing of what came."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.documents.validation import DISPATCH, REQUEST, Schema
from core.errors import Reason, Reject

from .samples import example, example_names, record, schema_of

FULL_REQUEST = "order-request.example.json"
FULL_DISPATCH = "order-dispatch.example.json"
FRAUD_REQUEST = "order-request.fraud-check.example.json"

Path = tuple[str | int, ...]
GONE = object()


def _changed(document: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    holder: Any = changed
    for step in path[:-1]:
        holder = holder[step]
    if value is GONE:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return changed


def _places(value: object, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    entries: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    for step, child in entries:
        yield from _places(child, (*path, step))


def _agreed(schema: Schema, document: object) -> bool:
    """What both validators say of the document, and its words if they refuse it."""
    decision = schema.is_valid(document)
    assert decision == (next(schema.explain(document), None) is None)
    if not decision:
        with pytest.raises(Reject) as refused:
            schema.validate(document)
        assert refused.value.reason is Reason.SCHEMA_INVALID
        assert not refused.value.sentence.endswith("does not match the schema.")
    return decision


ODD: list[object] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    1.0,
    1.5,
    1e300,
    float("inf"),
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64,
    10**30,
    -(10**30),
    "",
    " ",
    "\n",
    "0",
    "1.0",
    "\x00",
    "a\x00b",
    "abc\n",
    "\x7f",
    "\u0085",
    "\u2028",
    "\ufeff",
    "e\u0301",
    "\u0661",
    "\U0001f600",
    "\uffff",
    [],
    {},
    [[]],
    {"": ""},
]


@pytest.mark.parametrize("name", example_names())
def test_agreement_over_odd_values(name: str) -> None:
    """At every place of every example, both say the same of an odd value, a gap and an extra."""
    document = example(name)
    schema = schema_of(name)
    refused = 0
    for path in _places(document):
        for value in ODD:
            refused += not _agreed(schema, _changed(document, path, value))
        refused += not _agreed(schema, _changed(document, path, GONE))
        refused += (
            not _agreed(schema, _changed(document, (*path[:-1], "extra"), "x"))
            if (isinstance(path[-1], str))
            else 0
        )
    assert refused > len(ODD)


@pytest.mark.parametrize("name", example_names())
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n",
        lambda text: "\n" + text,
        lambda text: text + "\r",
        lambda text: text.lower(),
        lambda text: text * 100,
        lambda text: text + "\U0001f600",
        lambda text: text[:-1],
        lambda text: text.translate({48 + n: 0x660 + n for n in range(10)}),
    ],
    ids=["newline", "newline before", "return", "lower", "long", "emoji", "short", "digits"],
)
def test_agreement_over_texts_nearly_right(name: str, change: Any) -> None:
    """Anchors, character classes and lengths mean the same to both, whatever stands in a text."""
    document = example(name)
    for path in _places(document):
        value: Any = document
        for step in path:
            value = value[step]
        if isinstance(value, str):
            _agreed(schema_of(name), _changed(document, path, change(value)))


_json = st.recursive(
    st.sampled_from([value for value in ODD if not isinstance(value, (list, dict))])
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.builds(
        lambda char, count: char * count, st.characters(codec="utf-8"), st.integers(0, 1100)
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "lines", "quantity", "imei", "color", "status"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_agreement_over_mutations(data: st.DataObject) -> None:
    """Both say the same of an example into which anything was put anywhere, up to three times."""
    name = data.draw(st.sampled_from(example_names("order-")))
    document = example(name)
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(_places(document))
        path = data.draw(st.sampled_from(places))
        if isinstance(path[-1], str) and data.draw(st.booleans()):
            path = (*path[:-1], data.draw(st.text(max_size=45)))
            document = _changed(document, path, data.draw(_json))
        else:
            document = _changed(document, path, data.draw(_json | st.just(GONE)))
    _agreed(schema_of(name), document)


@given(_json)
@settings(max_examples=200, deadline=None)
def test_agreement_over_anything(value: object) -> None:
    """Neither takes a document that has nothing to do with the format."""
    assert not _agreed(DISPATCH, value)
    assert not _agreed(REQUEST, value)


def test_integers() -> None:
    """1.0 is an integer and 1.5 is none (JSON Schema 2020-12 core, section 6.3); a bool is none."""
    path = ("orders", 0, "lines", 0, "quantity")
    document = example(FULL_DISPATCH)
    verdicts = {
        repr(value): _agreed(DISPATCH, _changed(document, path, value))
        for value in (1, 1.0, 1_000_000, 1.5, 0, 1_000_001, 10**30, float("inf"), True, "1", None)
    }
    assert [value for value, valid in verdicts.items() if valid] == ["1", "1.0", "1000000"]


def test_lengths_count_code_points() -> None:
    """A length counts code points: neither bytes, nor UTF-16 units, nor what the eye sees."""
    path = ("orders", 0, "deliveryInstructions")
    document = example(FULL_REQUEST)
    assert _agreed(REQUEST, _changed(document, path, "\U0001f600" * 1000))
    assert not _agreed(REQUEST, _changed(document, path, "\U0001f600" * 1001))
    assert not _agreed(REQUEST, _changed(document, path, "e\u0301" * 501))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (FULL_DISPATCH, ("externalFileName",)),
        (FULL_DISPATCH, ("orders", 0, "dispatchId")),
        (FULL_DISPATCH, ("orders", 0, "carrier")),
        (FULL_DISPATCH, ("orders", 0, "lines", 0, "id")),
        (FULL_DISPATCH, ("orders", 0, "lines", 0, "units", 0, "imei")),
        (FULL_REQUEST, ("wareHouse", "id")),
        (FULL_REQUEST, ("orders", 0, "deliveryAddress", "country")),
        (FULL_REQUEST, ("orders", 0, "lines", 0, "unitPrice")),
        (FULL_REQUEST, ("orders", 0, "orderDateTime")),
    ],
)
def test_a_newline_at_the_end_is_no_end(name: str, path: Path) -> None:
    """`$` is the end of a code, in both: "abc" passes where "abc" with a newline is refused."""
    document = example(name)
    value: Any = document
    for step in path:
        value = value[step]
    assert _agreed(schema_of(name), document)
    assert not _agreed(schema_of(name), _changed(document, path, value[:-1] + "\n"))


def test_formats_are_not_asserted() -> None:
    """An e-mail address is kept as the customer wrote it, right or wrong."""
    document = example(FRAUD_REQUEST)
    assert _agreed(REQUEST, _changed(document, ("orders", 0, "contactDetails", "email"), "at home"))


def test_contact_details_belong_to_the_fraud_check() -> None:
    """A contact is refused where no fraud check is asked for, and may lack where one is."""
    document = example(FRAUD_REQUEST)
    order = ("orders", 0)
    assert _agreed(REQUEST, _changed(document, (*order, "contactDetails"), GONE))
    assert not _agreed(REQUEST, _changed(document, (*order, "contactDetails"), {}))
    unasked = _changed(document, (*order, "fraudCheckRequired"), value=False)
    assert not _agreed(REQUEST, unasked)
    assert _sentence(REQUEST, unasked) == "/orders/0/fraudCheckRequired must be true."


@pytest.mark.parametrize("status", ["DISPATCHED", "PART_DISPATCHED"])
@pytest.mark.parametrize("name", ["lines", "dispatchDateTime"])
def test_dispatched_names_its_lines(status: str, name: str) -> None:
    """A dispatch says which lines left and when."""
    document = example(FULL_DISPATCH) | {"recordCount": 1, "orders": [record(status=status)]}
    assert _agreed(DISPATCH, document)
    del document["orders"][0][name]
    assert not _agreed(DISPATCH, document)
    assert _sentence(DISPATCH, document) == f"/orders/0 lacks the property {name}."


@pytest.mark.parametrize("status", ["REJECTED", "FRAUD_REJECTED", "CANCELLED"])
def test_refused_may_leave_out_its_lines(status: str) -> None:
    """A refusal without lines means them all; an empty list would mean nothing and is refused."""
    refusal = record(status=status, lines=None, dispatchDateTime=None)
    document = example(FULL_DISPATCH) | {"recordCount": 1, "orders": [refusal]}
    assert _agreed(DISPATCH, document)
    refusal["lines"] = []
    assert not _agreed(DISPATCH, document)


def _sentence(schema: Schema, document: object) -> str:
    with pytest.raises(Reject) as refused:
        schema.validate(document)
    return refused.value.sentence


UNIT: Path = ("orders", 0, "lines", 0, "units", 0)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("recordCount",), GONE, "The document lacks the property recordCount."),
        (("recordCount",), "2", "/recordCount must be a whole number."),
        (("recordCount",), -1, "/recordCount must be at least 0."),
        (("recordCount",), 10**30, "/recordCount must be at most 100000."),
        (("orders",), {}, "/orders must be an array."),
        (("orders", 1), [], "/orders/1 must be an object."),
        (("orders", 1, "carrier"), "", "/orders/1/carrier must have at least 1 characters."),
        (
            ("orders", 1, "carrier"),
            "x" * 101,
            "/orders/1/carrier must have at most 100 characters.",
        ),
        (("orders", 1, "id"), "0x", "/orders/1/id must match ^([1-9][0-9]{0,17}|[1-8][0-9]{18})$."),
        (
            ("orders", 1, "lines", 0, "status"),
            "SENT",
            (
                '/orders/1/lines/0/status must be "DISPATCHED" or "BACK_ORDERED" or "REJECTED" '
                'or "CANCELLED" or "RETURNED" or "RETURNED_DAMAGED".'
            ),
        ),
        (
            ("orders", 0, "lines", 3, "quantity"),
            0,
            "/orders/0/lines/3/quantity must be at least 1.",
        ),
        (("orders", 1, "lines"), [], "/orders/1/lines must have at least 1 entries."),
        (UNIT, {}, "/orders/0/lines/0/units/0 must have at least 1 properties."),
        (
            UNIT,
            {f"a{n}": "x" for n in range(24)},
            "/orders/0/lines/0/units/0 must have at most 23 properties.",
        ),
        (
            (*UNIT, "Serial"),
            "x",
            (
                "/orders/0/lines/0/units/0 has a property whose name is not allowed: "
                "a name must match ^[a-z][A-Za-z0-9]{0,39}$."
            ),
        ),
        ((*UNIT, "batteryNumber"), 7, "/orders/0/lines/0/units/0/* must be a string."),
        (
            ("wareHouse", "town"),
            "x",
            "/wareHouse has a property that is not allowed; allowed are id, fileSequence.",
        ),
        (("version",), "1.3", '/version must be "1.2".'),
        (
            ("orders", 0, "trackingNumbers"),
            ["x"] * 101,
            "/orders/0/trackingNumbers must have at most 100 entries.",
        ),
        (
            ("orders", 0, "trackingNumbers"),
            ["x", "y", 3],
            "/orders/0/trackingNumbers/2 must be a string.",
        ),
    ],
)
def test_sentences(path: Path, value: object, sentence: str) -> None:
    """A refusal names the place by its JSON pointer and says what is allowed there."""
    assert _sentence(DISPATCH, _changed(example(FULL_DISPATCH), path, value)) == sentence


def test_sentence_of_a_repeated_entry() -> None:
    """A list that must not repeat itself is told so."""
    path = ("orders", 0, "lines", 0, "attributes")
    document = _changed(example(FULL_REQUEST), path, ["imei", "imei"])
    assert _sentence(REQUEST, document) == (
        "/orders/0/lines/0/attributes must not have an entry twice."
    )


@pytest.mark.parametrize("name", [FULL_REQUEST, FULL_DISPATCH, FRAUD_REQUEST])
def test_no_value_in_a_sentence(name: str) -> None:
    """Whatever is wrong, and wherever, neither a value nor an unknown name comes out of it.

    The refusal has no cause either: the validators' own messages quote the value.
    """
    marker = "Zaphod.Beeblebrox\x00"
    document = example(name)
    for path in _places(document):
        for value in (
            marker,
            [marker],
            {marker: marker},
            {"imei": marker, marker: 1},
            4242424242.5,
        ):
            for place in (path, (*path[:-1], marker)) if isinstance(path[-1], str) else (path,):
                changed = _changed(document, place, value)
                if schema_of(name).is_valid(changed):
                    continue
                with pytest.raises(Reject) as refused:
                    schema_of(name).validate(changed)
                assert "Zaphod" not in str(refused.value)
                assert "4242424242" not in str(refused.value)
                assert refused.value.__cause__ is None
                assert refused.value.__context__ is None


def test_place_in_a_large_file() -> None:
    """The place is right behind thousands of good records, though the words look at one alone."""
    good = record(
        lines=[{"id": str(n), "quantity": 1, "status": "DISPATCHED"} for n in range(1, 9)]
    )
    records = [copy.copy(good) for _ in range(20_000)]
    bad = copy.deepcopy(good)
    bad["lines"][6]["reason"] = 7
    records[17_654] = bad
    document = example(FULL_DISPATCH) | {"recordCount": len(records), "orders": records}

    assert _sentence(DISPATCH, document) == "/orders/17654/lines/6/reason must be a string."
