"""Whatever comes: a file ends accepted or refused, a record applied or refused, and nothing else.

Seconds by default; `make test-full` spends minutes on each rule.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from core import documents
from core.errors import Reason, Reject
from tests.core.envelope.forge import attributes, message, signer_info
from tests.daemons.depot import GOOD, document
from tests.daemons.desk import NOW
from tests.daemons.hostile.gate import Gate
from tests.daemons.hostile.scene import Scene

anything = settings(
    deadline=None,
    # One installation for all examples is what is wanted: none may leave a trace.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture,
                           HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip
OF_A_PAYLOAD = {
    Reason.NOT_JSON,
    Reason.SCHEMA_INVALID,
    Reason.WRONG_INTERFACE,
    Reason.WRONG_WAREHOUSE,
    Reason.COUNT_MISMATCH,
    Reason.UNKNOWN_FILE,
}
"""What a document may be refused for; an INTERNAL_ERROR is a fault of ours."""


def outcome(gate: Gate, data: bytes) -> tuple[str, str | None]:
    """Drop and take up a file; its status and reason, nothing of it being left behind."""
    before = gate.fingerprint()
    gate.drop("LONDON", data)
    assert gate.take_up() == 1
    ((status, reason),) = gate.rows(
        "select status, reason from inbound_file order by id desc limit 1"
    )
    assert gate.names("work") == []
    assert gate.fingerprint() == before
    return status, reason


@st.composite
def changed(draw: st.DrawFn, original: bytes) -> bytes:
    """A few places replaced, removed, doubled or inserted."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        data[start:end] = draw(
            st.one_of(
                st.binary(max_size=8),
                st.sampled_from(
                    [b"\x80", b"\0\0", b"\x30\x80", b"\x84\xff\xff\xff\xff", b"\xff" * 9]
                ),
                st.just(bytes(data[start:end]) * 2),
            )
        )
    return bytes(data)


@anything
@given(data=st.binary(max_size=2000))
def test_any_bytes(gate: Gate, data: bytes) -> None:
    """Bytes that nobody sealed are refused for their envelope."""
    expected = Reason.ENVELOPE_REFUSED if data else Reason.FILE_EMPTY
    assert outcome(gate, data) == ("QUARANTINED", expected)


@pytest.fixture(scope="module")
def right(gate: Gate) -> bytes:
    """A message that the partner has signed; what is drawn depends on its length."""
    return message(GOOD, signer_info(gate.signer, attributes(GOOD)))


@pytest.fixture(scope="module")
def sealed(gate: Gate, right: bytes) -> bytes:
    """The same, encrypted to us."""
    return gate.encrypted(right)


@anything
@given(data=st.data())
def test_a_changed_file(gate: Gate, sealed: bytes, data: st.DataObject) -> None:
    """A sealed file that was changed anywhere is refused for its envelope."""
    wrong = data.draw(changed(sealed))
    assume(wrong != sealed)
    assert outcome(gate, wrong)[1] in {Reason.ENVELOPE_REFUSED, Reason.FILE_EMPTY}


@anything
@given(data=st.data())
def test_a_changed_message(gate: Gate, right: bytes, data: st.DataObject) -> None:
    """Changed within the encryption, a message is refused, unless what was signed is whole."""
    status, reason = outcome(gate, gate.encrypted(data.draw(changed(right))))
    if reason != Reason.ENVELOPE_REFUSED:
        assert status in {"ARCHIVED", "REPEATED"}
        digest = gate.value("select payload_sha256 from inbound_file order by id desc limit 1")
        assert digest == hashlib.sha256(GOOD).digest()


@anything
@given(payload=st.one_of(st.binary(max_size=300), changed(GOOD)))
def test_a_changed_document(gate: Gate, payload: bytes) -> None:
    """Whatever the partner signs is loaded, or refused for a reason that it can mend."""
    status, reason = outcome(gate, gate.sealed(payload))
    assert status in {"ARCHIVED", "REPEATED"} or reason in OF_A_PAYLOAD


texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "\0", "\n", "\\N", "\u2028", "\ud800", "D1", "LONDON", "1" * 30, "x" * 2000]
    ),
)
numbers = st.one_of(
    st.integers(-2, 5),
    st.sampled_from([0.0, -0.0, 1.0, 1.5, 1e308, 2**31, 2**63 - 1, 2**63, 10**30, -(2**63)]),
    st.floats(allow_nan=False, allow_infinity=False),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
STATUSES = ["DISPATCHED", "PART_DISPATCHED", "REJECTED", "FRAUD_REJECTED", "CANCELLED",
            "CANCEL_REFUSED", "RETURNED"]  # fmt: skip
LINE_STATUSES = ["DISPATCHED", "BACK_ORDERED", "REJECTED", "CANCELLED", "RETURNED",
                 "RETURNED_DAMAGED"]  # fmt: skip
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=12)


NOBODYS = [990_001, 990_002]
"""Orders and lines that no test has."""


def units(known: list[dict[str, str]]) -> st.SearchStrategy[dict[str, str]]:
    """A unit that is out, or one of any attributes that the schema knows."""
    return st.one_of(
        st.sampled_from(known),
        st.dictionaries(
            st.sampled_from(["serialNumber", "imei", "iccid", "colour"]),
            st.one_of(printable, st.sampled_from([" ", "490154203237518", "\\N", "{}"])),
            min_size=1,
        ),
    )


@st.composite
def records(draw: st.DrawFn, orders: list[int], lines: list[int], known: list[Any]) -> Any:
    """A record that the schema knows, of anything."""
    status = draw(st.sampled_from(STATUSES))
    made: dict[str, Any] = {
        "id": str(draw(st.sampled_from(orders))),
        "dispatchId": draw(st.sampled_from(["A", "B", "C", "out", "closes", "\\N", "~" * 64])),
        "status": status,
        "dispatchDateTime": NOW,
    }
    given_lines = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "id": st.sampled_from(lines).map(str),
                    "quantity": st.sampled_from([1, 1, 2, 3, 3.0, 4, 1_000_000]),
                    "status": st.sampled_from(LINE_STATUSES),
                },
                optional={"reason": words, "units": st.lists(units(known), max_size=4)},
            ),
            min_size=int(status in {"DISPATCHED", "PART_DISPATCHED", "RETURNED"}),
            max_size=4,
        )
    )
    if given_lines:
        made["lines"] = given_lines
    if draw(st.booleans()):
        made["errors"] = [{"id": "E", "errorMessage": draw(words)}]
    return made


def mangled(draw: st.DrawFn, whole: Any) -> Any:
    """One value of the document, wherever it stands, is anything, or gone, or under another key."""
    holder, place = whole, draw(st.sampled_from(sorted(whole)))
    while isinstance(holder[place], dict | list) and holder[place] and draw(st.booleans()):
        holder = holder[place]
        place = draw(
            st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder)))
        )
    match draw(st.sampled_from(["replace", "remove", "add"])):
        case "replace":
            holder[place] = draw(values)
        case "remove":
            del holder[place]
        case _ if isinstance(holder, dict):
            holder[draw(texts)] = draw(values)
        case _:
            holder.append(draw(values))
    return whole


@st.composite
def near_the_schema(draw: st.DrawFn) -> bytes:
    """A document that matches the schema, but for up to three places."""
    whole = json.loads(
        document(*draw(st.lists(records(NOBODYS, NOBODYS, [{"imei": "1"}]), max_size=3)))
    )
    for _ in range(draw(st.integers(0, 3))):
        whole = mangled(draw, whole)
        if not whole:
            break
    text = json.dumps(whole, ensure_ascii=draw(st.booleans()))
    return text.encode("utf-8", "surrogatepass")


@anything
@given(payload=near_the_schema())
def test_any_document_near_the_schema_is_read_or_refused(payload: bytes) -> None:
    """No document raises anything but Reject, and no sentence quotes one."""
    refused: Reject | None = None
    try:
        documents.read_received(payload, "LONDON")
    except Reject as refusal:
        refused = refusal
    if refused is not None:
        assert refused.reason in OF_A_PAYLOAD
        assert refused.sentence.endswith(".")
        assert refused.sentence.isprintable()


@anything
@given(payload=near_the_schema())
def test_any_document_near_the_schema_is_loaded_or_refused(gate: Gate, payload: bytes) -> None:
    """What passes the schema can be loaded: the database refuses nothing that we have let pass."""
    status, reason = outcome(gate, gate.sealed(payload))
    assert status in {"ARCHIVED", "REPEATED"} or reason in OF_A_PAYLOAD


@pytest.fixture(scope="module")
def known(scene: Scene) -> tuple[list[int], list[int], list[dict[str, str]]]:
    """Orders and lines of the scene, some that are not there, and units that are out."""
    gate = scene.gate
    lines = [line for order in scene.orders for line in gate.lines(order)]
    return [*scene.orders, 999_999], [*lines, 999_999], scene.out


@anything
@given(data=st.data())
def test_any_records_are_applied_or_refused(
    scene: Scene, known: tuple[list[int], list[int], list[dict[str, str]]], data: st.DataObject
) -> None:
    """Each has its verdict, found before the database had to object; sums and money agree."""
    gate = scene.gate
    made = data.draw(st.lists(records(*known), min_size=1, max_size=5))
    gate.drop("LONDON", gate.sealed(document(*made, externalFileName=gate.name())))
    assert gate.take_up() == 1
    gate.apply()
    batch = gate.value("select max(id) from batch where type = 'Sales Order Dispatch'")
    reasons = gate.reasons(batch)
    assert len(reasons) == len(made)
    assert not {Reason.RECORD_FAILED, Reason.INTERNAL_ERROR} & set(reasons)
    assert gate.stage(batch) == ("Batch, Error" if any(reasons) else "Batch, Complete")
    assert gate.value("select bool_and(amount = quantity * unit_price) is not false from charge")
    assert not gate.rows(
        "select 1 from request_line where dispatched + cancelled + rejected > quantity"
    )
