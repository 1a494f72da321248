"""The Sales Order Dispatch job's decisions: which records of a batch may be applied.

Records are judged in file order, and a refused one uses nothing up: a later record of the same line
is measured against what the earlier *good* ones left open.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.domain.returns import RETURNED, STATUSES, Out
from core.errors import Reason, Reject

WHOLE_ORDER = {"REJECTED": "REJECTED", "FRAUD_REJECTED": "REJECTED", "CANCELLED": "CANCELLED"}
"""The record statuses that may stand without lines, and what they make of each open line."""
CANCEL_REFUSED = "CANCEL_REFUSED"
"""The record status that says no to a cancellation; it changes nothing else."""
_LINE_STATUSES = ("DISPATCHED", "BACK_ORDERED", "REJECTED", "CANCELLED")
"""What a line may be in a record that is DISPATCHED or PART_DISPATCHED."""
LEAVES_OPEN = frozenset({CANCEL_REFUSED, RETURNED})
"""The record statuses that take nothing of what is open."""


class Claim(NamedTuple):
    """What a record says of one request line."""

    line_no: int
    line_id: int | None
    status: str
    quantity: int
    unit_count: int
    captured: frozenset[str]
    """The names of the attributes that every unit carries."""
    fault: str | None
    """A reason code that Load found in the units themselves."""


class Record(NamedTuple):
    """One entry of a dispatch file's orders[]."""

    sequence: int
    order_id: int | None
    dispatch_id: str
    status: str
    content: bytes
    claims: Sequence[Claim]


class Line(NamedTuple):
    """A request line as it stands under the order's lock."""

    line_id: int
    order_id: int
    warehouse: str
    open: int
    sealed: bool
    serialised: bool
    attributes: frozenset[str]
    allowance: int = 0
    """Units that the warehouse may dispatch beyond what is open."""


class Taken(NamedTuple):
    """What a good record takes of the lines."""

    uses: dict[int, int]
    """Units by line, of those that are open."""
    implied: list[tuple[int, int, int, str, int]]
    excess: list[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that is not applied, and why."""

    sequence: int
    reason: Reason
    sentence: str


@dataclass(slots=True)
class Verdicts:
    """The judgement of a batch: whatever is in none of the lists is applied as it stands."""

    refused: list[Refusal] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    """Sequences that were applied before, by dispatchId and content."""
    implied: list[tuple[int, int, int, str, int]] = field(default_factory=list)
    """(sequence, line number from 0 down, line id, status, quantity) that whole orders imply."""
    excess: list[tuple[int, int, int]] = field(default_factory=list)
    """(sequence, line number, units): beyond what the line had open, within the warehouse's policy.

    They are out there, but they are neither counted as what was asked nor billed.
    """


class Outstanding(NamedTuple):
    """What the records that take nothing of what is open are judged by."""

    to_cancel: Container[int]
    """The orders that the warehouse has been asked to cancel."""
    out: Out
    """What may come back."""


def judge(
    warehouse: str,
    records: Iterable[Record],
    *,
    orders: frozenset[int] | set[int],
    lines: Iterable[Line],
    applied: Mapping[str, bytes],
    refused_already: Mapping[int, tuple[Reason, str]],
    conflicts: Iterable[tuple[int, str, bool]] = (),
    outstanding: Outstanding | None = None,
) -> Verdicts:
    """Judge each record in file order, but returns first: what comes back may go out again.

    `orders` are the ids that exist; `lines` every request line of those orders, at any warehouse;
    `applied` the content digest of each dispatchId that this warehouse used before;
    `refused_already` the sequences that the database refused; `conflicts` are (sequence, kind and
    number, whether another customer has it) of the units' numbers that not everybody can have.
    """
    by_id = {line.line_id: line for line in lines}
    by_order: dict[int, list[Line]] = defaultdict(list)
    for line in by_id.values():
        by_order[line.order_id].append(line)
    left = {line.line_id: line.open for line in by_id.values()}
    known = dict(applied)
    numbers: dict[int, list[tuple[str, bool]]] = defaultdict(list)
    for sequence, what, taken in conflicts:
        numbers[sequence].append((what, taken))
    holders: set[str] = set()
    verdicts = Verdicts()
    outstanding = outstanding or Outstanding((), Out())
    for record in sorted(records, key=lambda one: one.status != RETURNED):
        if (before := refused_already.get(record.sequence)) is not None:
            verdicts.refused.append(Refusal(record.sequence, *before))
            continue
        try:
            if _is_repeat(record, known):
                verdicts.repeated.append(record.sequence)
                continue
            mine = _lines_of(record, warehouse, orders, by_order)
            if record.status in LEAVES_OPEN:
                takes = _takes_nothing_open(record, by_id, warehouse, outstanding)
            else:
                takes = _uses(record, mine, by_id, left, warehouse)
            carried = numbers.get(record.sequence, ())
            if carried:
                _check_numbers(carried, holders, outstanding.out.freed)
        except Reject as refusal:
            verdicts.refused.append(Refusal(record.sequence, refusal.reason, refusal.sentence))
            continue
        known[record.dispatch_id] = record.content
        holders.update(what for what, _ in carried)
        for line_id, quantity in takes.uses.items():
            left[line_id] -= quantity
        verdicts.implied.extend(takes.implied)
        verdicts.excess.extend(takes.excess)
    return verdicts


def _is_repeat(record: Record, known: Mapping[str, bytes]) -> bool:
    content = known.get(record.dispatch_id)
    if content is None:
        return False
    if content != record.content:
        raise Reject(
            Reason.DISPATCH_ID_REUSED,
            f"dispatchId {record.dispatch_id} was used before for other content; "
            "a new dispatch takes a new dispatchId",
        )
    return True


def _lines_of(
    record: Record,
    warehouse: str,
    orders: frozenset[int] | set[int],
    by_order: Mapping[int, list[Line]],
) -> list[Line]:
    """The order's lines at this warehouse that have been asked of it."""
    if record.order_id is None or record.order_id not in orders:
        raise Reject(Reason.UNKNOWN_ORDER, "no order has this id")
    of_order = by_order.get(record.order_id, ())
    mine = [line for line in of_order if line.warehouse == warehouse]
    if not mine:
        if of_order:
            raise Reject(Reason.LINE_NOT_YOURS, f"nothing of this order was asked of {warehouse}")
        raise Reject(Reason.NOT_REQUESTED, "the order has not been requested yet")
    return mine


def _takes_nothing_open(
    record: Record, by_id: Mapping[int, Line], warehouse: str, outstanding: Outstanding
) -> Taken:
    if record.status == CANCEL_REFUSED:
        _check_refusal(record, outstanding.to_cancel)
        return Taken({}, [], [])
    claimed = [(claim, _line(claim, record, by_id, warehouse)) for claim in record.claims]
    return Taken({}, [], outstanding.out.take_back(record, claimed))


def _check_refusal(record: Record, to_cancel: Container[int]) -> None:
    if record.claims:
        raise Reject(
            Reason.CONTRADICTORY,
            "a record that is CANCEL_REFUSED has no lines; what is dispatched has a record of its "
            "own",
        )
    if record.order_id not in to_cancel:
        raise Reject(Reason.NOT_TO_CANCEL, "this warehouse has not been asked to cancel the order")


def _uses(
    record: Record,
    mine: Sequence[Line],
    by_id: Mapping[int, Line],
    left: Mapping[int, int],
    warehouse: str,
) -> Taken:
    """What the record takes of each line, with the lines that a whole-order status implies."""
    if not record.claims:
        return _whole_order(record, mine, left)
    named: set[tuple[int | None, str]] = set()
    uses: dict[int, int] = {}
    asked: dict[int, int] = {}
    for claim in record.claims:
        line = _line(claim, record, by_id, warehouse)
        if (claim.line_id, claim.status) in named:
            raise Reject(
                Reason.DUPLICATE_LINE,
                f"line {line.line_id} is named twice as {claim.status}; name it once with the sum",
            )
        named.add((claim.line_id, claim.status))
        _check_status(record, claim)
        if left[line.line_id] == 0:
            raise Reject(Reason.LINE_CLOSED, f"line {line.line_id} has nothing open any more")
        asked[line.line_id] = asked.get(line.line_id, 0) + claim.quantity
        # What is back-ordered stays open.
        if claim.status != "BACK_ORDERED":
            uses[line.line_id] = uses.get(line.line_id, 0) + claim.quantity
        if claim.status == "DISPATCHED":
            _check_units(claim, line)
    excess: list[tuple[int, int, int]] = []
    for line_id, quantity in asked.items():
        if quantity > left[line_id]:
            excess.append(_excess(record, by_id[line_id], quantity, left[line_id]))
            uses[line_id] = left[line_id]
    return Taken(uses, [], excess)


def _check_status(record: Record, claim: Claim) -> None:
    meant = WHOLE_ORDER.get(record.status)
    if claim.status in STATUSES or (meant is not None and claim.status != meant):
        allowed = meant or ", ".join(_LINE_STATUSES)
        raise Reject(
            Reason.CONTRADICTORY,
            f"a record that is {record.status} cannot have line {claim.line_id} {claim.status}; "
            f"allowed is {allowed}",
        )


def _excess(record: Record, line: Line, asked: int, left: int) -> tuple[int, int, int]:
    """What a record dispatches beyond what is open, where the warehouse's policy bears it.

    It has to close the line by dispatching alone: what is rejected, cancelled or back-ordered is
    part of what was asked.
    """
    claims = [claim for claim in record.claims if claim.line_id == line.line_id]
    beyond = asked - left
    if beyond > line.allowance or any(claim.status != "DISPATCHED" for claim in claims):
        more = f", {line.allowance} more may be dispatched" if line.allowance else ""
        raise Reject(
            Reason.OVER_DISPATCHED,
            f"line {line.line_id} has {left} open{more}; the record answers for {asked}",
        )
    return record.sequence, claims[0].line_no, beyond


def _whole_order(
    record: Record,
    mine: Sequence[Line],
    left: Mapping[int, int],
) -> Taken:
    status = WHOLE_ORDER[record.status]
    still = [line for line in mine if left[line.line_id] > 0]
    if not still:
        raise Reject(Reason.LINE_CLOSED, "no line of the order is open any more")
    if not all(line.sealed for line in still):
        raise Reject(Reason.NOT_REQUESTED, "the order has not been requested yet")
    implied = [
        (record.sequence, -number, line.line_id, status, left[line.line_id])
        for number, line in enumerate(still)
    ]
    return Taken({line_id: quantity for _, _, line_id, _, quantity in implied}, implied, [])


def _line(claim: Claim, record: Record, by_id: Mapping[int, Line], warehouse: str) -> Line:
    line = by_id.get(claim.line_id) if claim.line_id is not None else None
    if line is None or line.order_id != record.order_id:
        raise Reject(
            Reason.UNKNOWN_LINE, f"entry {claim.line_no} of lines[] names no line of this order"
        )
    if line.warehouse != warehouse:
        raise Reject(Reason.LINE_NOT_YOURS, f"line {line.line_id} was not asked of {warehouse}")
    if not line.sealed:
        raise Reject(Reason.NOT_REQUESTED, f"line {line.line_id} has not been requested yet")
    return line


def _check_units(claim: Claim, line: Line) -> None:
    if line.serialised and claim.unit_count != claim.quantity:
        raise Reject(
            Reason.UNIT_COUNT,
            f"line {line.line_id} dispatches {claim.quantity} of a serialised product "
            f"with {claim.unit_count} entries in units[]",
        )
    if not line.serialised and claim.unit_count not in (0, claim.quantity):
        raise Reject(
            Reason.UNIT_COUNT,
            f"line {line.line_id} dispatches {claim.quantity} with {claim.unit_count} entries in "
            f"units[]; allowed are none or {claim.quantity}",
        )
    if not line.attributes <= claim.captured:
        missing = ", ".join(sorted(line.attributes - claim.captured))
        raise Reject(Reason.ATTRIBUTE_MISSING, f"a unit of line {line.line_id} lacks {missing}")
    if claim.fault is not None:
        reason = Reason(claim.fault)
        raise Reject(reason, f"line {line.line_id}: {reason.meaning}")


def _check_numbers(
    carried: Sequence[tuple[str, bool]], holders: set[str], freed: Container[str]
) -> None:
    """Of two records in one file with a number the first good one has it.

    What comes back in the same file is free.

    The sentence names the kind alone: a number is personal data.
    """
    times = Counter(what for what, _ in carried)
    clashing = [
        what
        for what, taken in carried
        if (taken and what not in freed) or what in holders or times[what] > 1
    ]
    if clashing:
        kinds = ", ".join(sorted({what.split(" ", 1)[0] for what in clashing}))
        raise Reject(
            Reason.SERIAL_ACTIVE,
            f"a unit's {kinds} is active already, or is given twice in this file",
        )
