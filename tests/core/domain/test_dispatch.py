"""The judgement of dispatch records: what it must hold for any file whatsoever."""

from __future__ import annotations

from collections import Counter
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from core.domain.dispatch import WHOLE_ORDER, Claim, Line, Record, Verdicts, judge
from core.errors import Reason

HERE, THERE = "LONDON", "LEEDS"
STATUSES = ("DISPATCHED", "BACK_ORDERED", "REJECTED", "CANCELLED")
NONE: frozenset[str] = frozenset()


def line(line_id: int, left: int = 3, **more: object) -> Line:
    """An open, sealed line of order 1 here, of a product without serial numbers."""
    plain = Line(line_id, 1, HERE, left, sealed=True, serialised=False, attributes=NONE)
    return plain._replace(**more)  # type: ignore[arg-type]


def claim(
    line_id: int | None, quantity: int = 1, status: str = "DISPATCHED", **more: object
) -> Claim:
    """What a record says of a line."""
    return Claim(1, line_id, status, quantity, 0, NONE, None)._replace(**more)  # type: ignore[arg-type]


def record(sequence: int, *claims: Claim, **more: object) -> Record:
    """A record of order 1 with a dispatchId of its own."""
    plain = Record(sequence, 1, f"D{sequence}", "DISPATCHED", str(sequence).encode(), claims)
    return plain._replace(**more)  # type: ignore[arg-type]


def judged(
    records: list[Record],
    lines: list[Line],
    applied: dict[str, bytes] | None = None,
    refused: dict[int, tuple[Reason, str]] | None = None,
) -> Verdicts:
    """Judge with orders 1 and 2 known."""
    return judge(
        HERE, records, orders={1, 2}, lines=lines, applied=applied or {},
        refused_already=refused or {},
    )  # fmt: skip


def reason_of(records: list[Record], lines: list[Line], **more: object) -> Reason | None:
    """The reason of the last record."""
    verdicts = judged(records, lines, **more)  # type: ignore[arg-type]
    reasons = {one.sequence: one.reason for one in verdicts.refused}
    return reasons.get(records[-1].sequence)


SERIALISED = line(1, serialised=True, attributes=frozenset({"imei"}))
UNITS: dict[str, Any] = {"unit_count": 1, "captured": frozenset({"imei"})}


@pytest.mark.parametrize(
    ("asked", "lines", "reason"),
    [
        (record(1, claim(1, 3)), [line(1)], None),
        (record(1, claim(1), order_id=None), [line(1)], Reason.UNKNOWN_ORDER),
        (record(1, claim(1), order_id=9), [line(1)], Reason.UNKNOWN_ORDER),
        (record(1, claim(None)), [line(1)], Reason.UNKNOWN_LINE),
        (record(1, claim(9)), [line(1)], Reason.UNKNOWN_LINE),
        (record(1, claim(2)), [line(1), line(2, order_id=2)], Reason.UNKNOWN_LINE),
        (record(1, claim(2)), [line(1), line(2, warehouse=THERE)], Reason.LINE_NOT_YOURS),
        (record(1, claim(2)), [line(2, warehouse=THERE)], Reason.LINE_NOT_YOURS),
        (record(1, claim(1)), [], Reason.NOT_REQUESTED),
        (record(1, claim(1)), [line(1, sealed=False)], Reason.NOT_REQUESTED),
        (record(1, claim(1)), [line(1, 0)], Reason.LINE_CLOSED),
        (record(1, claim(1, status="BACK_ORDERED")), [line(1, 0)], Reason.LINE_CLOSED),
        (record(1, claim(1, 4)), [line(1)], Reason.OVER_DISPATCHED),
        (record(1, claim(1, 2), claim(1, 2, "REJECTED")), [line(1)], Reason.OVER_DISPATCHED),
        (record(1, claim(1, 2), claim(1, 2, "BACK_ORDERED")), [line(1)], Reason.OVER_DISPATCHED),
        (record(1, claim(1, 2), claim(1, 1, "CANCELLED")), [line(1)], None),
        (record(1, claim(1), claim(1)), [line(1)], Reason.DUPLICATE_LINE),
        (record(1, claim(1), status="REJECTED"), [line(1)], Reason.CONTRADICTORY),
        (record(1, claim(1, 1, "REJECTED"), status="CANCELLED"), [line(1)], Reason.CONTRADICTORY),
        (record(1, claim(1, 1, "REJECTED"), status="FRAUD_REJECTED"), [line(1)], None),
        (record(1, claim(1, 1, "CANCELLED"), status="CANCELLED"), [line(1)], None),
        (record(1, claim(1, 1, **UNITS)), [SERIALISED], None),
        (record(1, claim(1, 1)), [SERIALISED], Reason.UNIT_COUNT),
        (record(1, claim(1, 2, **UNITS)), [SERIALISED], Reason.UNIT_COUNT),
        (record(1, claim(1, 2, unit_count=1)), [line(1)], Reason.UNIT_COUNT),
        (record(1, claim(1, 2, unit_count=2)), [line(1)], None),
        (record(1, claim(1, unit_count=1)), [SERIALISED], Reason.ATTRIBUTE_MISSING),
        (record(1, claim(1, 1, "REJECTED")), [SERIALISED], None),
        (record(1, claim(1, 1, **UNITS, fault="IMEI_INVALID")), [SERIALISED], Reason.IMEI_INVALID),
        (record(1, status="REJECTED"), [line(1, 0), line(2, 0)], Reason.LINE_CLOSED),
        (record(1, status="REJECTED"), [line(1), line(2, sealed=False)], Reason.NOT_REQUESTED),
        (record(1, status="CANCELLED"), [line(1, warehouse=THERE)], Reason.LINE_NOT_YOURS),
        (record(1, status="FRAUD_REJECTED"), [], Reason.NOT_REQUESTED),
        (record(1, status="CANCELLED", order_id=9), [line(1)], Reason.UNKNOWN_ORDER),
    ],
    ids=range(34),
)
def test_each_reason(asked: Record, lines: list[Line], reason: Reason | None) -> None:
    """A record is refused for its one reason, and applied where there is none."""
    assert reason_of([asked], lines) == reason


def test_sentences_tell_the_partner_what_is_allowed() -> None:
    """The sentence of a refusal names line and quantities, and who asked what of whom."""
    verdicts = judged([record(1, claim(1, 4))], [line(1)])
    assert verdicts.refused[0].sentence == "line 1 has 3 open; the record answers for 4"


def test_a_repeat_is_known_by_id_and_content() -> None:
    """The same dispatchId with the same content has no effect; with other content it is refused."""
    asked = record(1, claim(1, 3), dispatch_id="D", content=b"c")
    again = asked._replace(sequence=2)
    other = asked._replace(sequence=3, content=b"x")
    lines = [line(1)]
    assert judged([asked], lines, applied={"D": b"c"}).repeated == [1]
    assert reason_of([asked], lines, applied={"D": b"x"}) == Reason.DISPATCH_ID_REUSED
    inside = judged([asked, again, other], lines)
    assert inside.repeated == [2]
    assert [(r.sequence, r.reason) for r in inside.refused] == [(3, Reason.DISPATCH_ID_REUSED)]


def test_only_an_applied_one_blocks_its_repeat() -> None:
    """A record that was refused may be sent again under its dispatchId, also mended."""
    refused = record(1, claim(1, 4), dispatch_id="D")
    mended = record(2, claim(1, 3), dispatch_id="D")
    assert reason_of([refused, mended], [line(1)]) is None


def test_a_repeat_comes_before_the_state_of_its_line() -> None:
    """A repeat of what closed its line is a repeat, not a dispatch for a closed line."""
    asked = record(1, claim(1, 3), dispatch_id="D", content=b"c")
    assert judged([asked], [line(1, 0)], applied={"D": b"c"}).repeated == [1]


def test_a_whole_order_means_what_is_still_open() -> None:
    """Without lines a status means the rest of each of the warehouse's lines, and no other's."""
    lines = [line(1), line(2, 0), line(3, 5), line(4, warehouse=THERE)]
    first = record(1, claim(1, 2))
    verdicts = judged([first, record(2, status="FRAUD_REJECTED")], lines)
    assert not verdicts.refused
    assert verdicts.implied == [(2, 0, 1, "REJECTED", 1), (2, -1, 3, "REJECTED", 5)]


def test_what_the_database_refused_uses_nothing() -> None:
    """A record refused by the database leaves its line to the later ones, with its own reason."""
    verdicts = judged(
        [record(1, claim(1, 3)), record(2, claim(1, 3))],
        [line(1)],
        refused={1: (Reason.SERIAL_ACTIVE, "x")},
    )
    assert [(one.sequence, one.reason) for one in verdicts.refused] == [(1, Reason.SERIAL_ACTIVE)]


LINES = st.lists(
    st.builds(
        Line,
        line_id=st.integers(1, 6),
        order_id=st.integers(1, 2),
        warehouse=st.sampled_from([HERE, HERE, HERE, THERE]),
        open=st.integers(0, 5),
        sealed=st.sampled_from([True, True, True, False]),
        serialised=st.booleans(),
        attributes=st.sampled_from([NONE, frozenset({"imei"})]),
        allowance=st.sampled_from([0, 0, 1, 3]),
    ),
    max_size=6,
    unique_by=lambda one: one.line_id,
)
CLAIMS = st.builds(
    Claim,
    line_no=st.integers(1, 1000),
    line_id=st.none() | st.integers(1, 7),
    status=st.sampled_from(STATUSES),
    quantity=st.integers(1, 4),
    unit_count=st.integers(0, 4),
    captured=st.sampled_from([NONE, frozenset({"imei"})]),
    fault=st.sampled_from([None, None, None, "IMEI_INVALID"]),
)


@st.composite
def files(draw: st.DrawFn) -> list[Record]:
    """Records in file order; those without claims have a status that may stand alone."""
    found = []
    for sequence in range(1, draw(st.integers(0, 8)) + 1):
        claims = draw(st.lists(CLAIMS, max_size=3, unique_by=lambda one: one.line_no))
        statuses = ["DISPATCHED", "PART_DISPATCHED", *WHOLE_ORDER] if claims else list(WHOLE_ORDER)
        found.append(
            Record(
                sequence,
                draw(st.none() | st.integers(1, 3)),
                draw(st.sampled_from("ABCDEFGH")),
                draw(st.sampled_from(statuses)),
                draw(st.binary(max_size=1)),
                claims,
            )
        )
    return found


def good(records: list[Record], verdicts: Verdicts) -> list[Record]:
    """The records that take effect."""
    out = {one.sequence for one in verdicts.refused} | set(verdicts.repeated)
    return [one for one in records if one.sequence not in out]


def used(records: list[Record], verdicts: Verdicts) -> Counter[int]:
    """Units taken of each line by the records that take effect."""
    taken: Counter[int] = Counter()
    for one in good(records, verdicts):
        for each in one.claims:
            assert each.line_id is not None
            if each.status != "BACK_ORDERED":
                taken[each.line_id] += each.quantity
    for _, _, line_id, _, quantity in verdicts.implied:
        taken[line_id] += quantity
    for line_id, quantity in exceeded(records, verdicts).items():
        taken[line_id] -= quantity
    return taken


def exceeded(records: list[Record], verdicts: Verdicts) -> Counter[int]:
    """Units of each line that good records dispatch beyond what was open."""
    beyond: Counter[int] = Counter()
    by_sequence = {one.sequence: one for one in good(records, verdicts)}
    for sequence, line_no, quantity in verdicts.excess:
        [line_id] = {
            one.line_id
            for one in by_sequence[sequence].claims
            if one.line_no == line_no and one.line_id is not None
        }
        beyond[line_id] += quantity
    return beyond


@settings(deadline=None)
@given(files(), LINES)
def test_no_line_gives_more_than_it_has(records: list[Record], lines: list[Line]) -> None:
    """Whatever the file says, the good records together take no more than a line has open here."""
    verdicts = judged(records, lines)
    open_here = {one.line_id: one.open for one in lines if one.warehouse == HERE and one.sealed}
    for line_id, quantity in used(records, verdicts).items():
        assert quantity <= open_here.get(line_id, 0)


@settings(deadline=None)
@given(files(), LINES)
def test_no_line_exceeds_its_allowance(records: list[Record], lines: list[Line]) -> None:
    """What goes out beyond what was open stays within the allowance, and closes the line."""
    verdicts = judged(records, lines)
    by_id = {one.line_id: one for one in lines}
    taken = used(records, verdicts)
    for line_id, quantity in exceeded(records, verdicts).items():
        assert 0 < quantity <= by_id[line_id].allowance
        assert taken[line_id] == by_id[line_id].open


@settings(deadline=None)
@given(files(), LINES)
def test_every_record_has_one_verdict(records: list[Record], lines: list[Line]) -> None:
    """A record is refused, a repeat, or good; only good ones imply lines, each line once."""
    verdicts = judged(records, lines)
    refused = [one.sequence for one in verdicts.refused]
    assert len(refused) == len(set(refused))
    assert not set(refused) & set(verdicts.repeated)
    assert {one[0] for one in verdicts.implied} <= {
        one.sequence for one in good(records, verdicts) if not one.claims
    }
    keys = [(one[0], one[1]) for one in verdicts.implied]
    assert len(keys) == len(set(keys))
    assert all(one[1] <= 0 < one[4] for one in verdicts.implied)


@settings(deadline=None)
@given(files(), LINES)
def test_refused_records_change_nothing(records: list[Record], lines: list[Line]) -> None:
    """Without the refused records the file is judged the same: they used up nothing."""
    verdicts = judged(records, lines)
    out = {one.sequence for one in verdicts.refused}
    rest = [one for one in records if one.sequence not in out]
    again = judged(rest, lines)
    assert (again.refused, again.repeated, again.implied) == (
        [], verdicts.repeated, verdicts.implied,
    )  # fmt: skip


@settings(deadline=None)
@given(files(), LINES)
def test_a_file_can_be_cut_in_two(records: list[Record], lines: list[Line]) -> None:
    """Two files one after the other are judged as one file of both would be."""
    whole = judged(records, lines)
    middle = len(records) // 2
    first = judged(records[:middle], lines)
    taken = used(records[:middle], first)
    known = {one.dispatch_id: one.content for one in good(records[:middle], first)}
    left = [one._replace(open=one.open - taken[one.line_id]) for one in lines]
    second = judged(records[middle:], left, applied=known)
    assert first.refused + second.refused == whole.refused
    assert first.repeated + second.repeated == whole.repeated


@settings(deadline=None)
@given(files(), LINES)
def test_a_file_that_comes_again_has_no_effect(records: list[Record], lines: list[Line]) -> None:
    """Of a file that comes again every record that was applied is a repeat, and none is applied."""
    verdicts = judged(records, lines)
    applied = good(records, verdicts)
    taken = used(records, verdicts)
    left = [one._replace(open=one.open - taken[one.line_id]) for one in lines]
    known = {one.dispatch_id: one.content for one in applied}
    again = judged(applied, left, applied=known)
    assert again.repeated == [one.sequence for one in applied]


NUMBERS = st.lists(st.tuples(st.integers(1, 5), st.sampled_from("abc"), st.booleans()), max_size=12)


def clashing(conflicts: list[tuple[int, str, bool]], upto: int) -> Verdicts:
    """Judge records 1 to `upto`, each of a line of its own, whose numbers are in conflict."""
    records = [record(number, claim(number)) for number in range(1, upto + 1)]
    lines = [line(number) for number in range(1, upto + 1)]
    return judge(
        HERE, records, orders={1}, lines=lines, applied={}, refused_already={}, conflicts=conflicts
    )


@example([(1, "a", False), (2, "a", False), (3, "b", False)])
@example([(1, "a", True), (1, "b", False), (2, "b", False)])
@settings(deadline=None)
@given(NUMBERS)
def test_the_first_holder_of_a_number_wins(found: list[tuple[int, str, bool]]) -> None:
    """Of several records with a number the first good one has it; the rest, and takers, are
    refused.
    """
    # A number that is active is so wherever it stands.
    active = {what for _, what, taken in found if taken}
    conflicts = [(sequence, f"imei {what}", what in active) for sequence, what, _ in sorted(found)]
    reasons = {one.sequence: one.reason for one in clashing(conflicts, 5).refused}
    holders: set[str] = set()
    for sequence in range(1, 6):
        numbers = [what for at, what, _ in conflicts if at == sequence]
        free = all(what[5:] not in active and what not in holders for what in numbers)
        if free and len(numbers) == len(set(numbers)):
            assert sequence not in reasons
            holders.update(numbers)
        else:
            assert reasons[sequence] == Reason.SERIAL_ACTIVE


def test_who_is_refused_for_a_number_leaves_its_line_to_the_next() -> None:
    """Every record of a chain on one line is judged in one look, whoever its refusal lets in."""
    records = [record(number, claim(1)) for number in range(1, 5)]
    conflicts = [(1, "imei a", True), (2, "imei a", True), (3, "imei a", True)]
    verdicts = judge(
        HERE, records, orders={1}, lines=[line(1, 1)], applied={}, refused_already={},
        conflicts=conflicts,
    )  # fmt: skip
    assert [one.sequence for one in verdicts.refused] == [1, 2, 3]


def test_no_number_is_told() -> None:
    """The sentence of a serial conflict names the kinds, never a number: that is personal data."""
    conflicts = [(1, "imei 490154203237518", True), (1, "serialNumber P X1", True)]
    [refusal] = clashing(conflicts, 1).refused
    assert refusal.sentence.startswith("a unit's imei, serialNumber is active already")
    assert "4901" not in refusal.sentence
    assert "X1" not in refusal.sentence
