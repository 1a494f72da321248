"""What has left and not come back, and which records may bring it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from core.errors import Reason, Reject

if TYPE_CHECKING:
    from core.domain.dispatch import Claim, Line, Record

RETURNED = "RETURNED"
"""The record status of goods that came back."""
SELLABLE = "RETURNED"
"""The line status of units that can be sold again."""
STATUSES = frozenset({SELLABLE, "RETURNED_DAMAGED"})
"""What a line of a record that is RETURNED may be; no other record has lines that are."""


class Away(NamedTuple):
    """Of one request line, what has left and not come back."""

    asked: int = 0
    """Units that were asked for: billed, where the product is."""
    excess: int = 0
    """Units beyond that, never billed."""
    units: int = 0
    """How many of all these are on record with a number: it has to be known which come back."""


class Unit(NamedTuple):
    """A unit on record that is out."""

    line_id: int
    dispatch_id: str
    unit_no: int
    numbers: tuple[str, ...]
    """Its numbers with their kind, as conflicts are told: see core.domain.dispatch.judge."""


class Out:
    """All that is away of the lines that a batch has returns for; less with each good record."""

    def __init__(
        self,
        lines: Mapping[int, Away] | None = None,
        units: Mapping[tuple[int, int], Sequence[Unit | None]] | None = None,
    ) -> None:
        """`units`: by sequence and line number what each entry of units[] with a number names.

        None: nothing that is out.
        """
        self._lines = dict(lines or {})
        self._units = units or {}
        self._back: set[Unit] = set()
        self.freed: set[str] = set()
        """The numbers of the units that have come back: they may go out again."""

    def take_back(
        self, record: Record, claimed: Sequence[tuple[Claim, Line]]
    ) -> list[tuple[int, int, int]]:
        """Take a record's lines back; (sequence, line number, units) that had not been asked for.

        Those come back first, so that nothing is credited that was not billed. Reject, and nothing
        is taken: CONTRADICTORY, DUPLICATE_LINE, OVER_RETURNED, UNIT_COUNT, NOT_OUT.
        """
        left: dict[int, Away] = {}
        named: set[tuple[int, str]] = set()
        back: set[Unit] = set()
        excess = []
        for claim, line in claimed:
            if claim.status not in STATUSES:
                raise Reject(
                    Reason.CONTRADICTORY,
                    f"a record that is RETURNED cannot have line {line.line_id} {claim.status}; "
                    f"allowed is {', '.join(sorted(STATUSES))}",
                )
            if (line.line_id, claim.status) in named:
                raise Reject(
                    Reason.DUPLICATE_LINE,
                    f"line {line.line_id} is named twice as {claim.status}; name it once with the "
                    "sum",
                )
            named.add((line.line_id, claim.status))
            away = left.get(line.line_id) or self._lines.get(line.line_id, Away())
            entries = self._units.get((record.sequence, claim.line_no), ())
            _check_counts(claim, line, away, len(entries))
            back |= self._named(entries, line, back)
            beyond = min(claim.quantity, away.excess)
            left[line.line_id] = Away(
                away.asked - claim.quantity + beyond,
                away.excess - beyond,
                away.units - len(entries),
            )
            if beyond:
                excess.append((record.sequence, claim.line_no, beyond))
        self._lines |= left
        self._back |= back
        self.freed.update(number for unit in back for number in unit.numbers)
        return excess

    def _named(self, entries: Sequence[Unit | None], line: Line, back: set[Unit]) -> set[Unit]:
        units = {unit for unit in entries if unit is not None}
        fresh = units.isdisjoint(back) and units.isdisjoint(self._back)
        if len(units) < len(entries) or not fresh:
            # Without the number, which is personal data.
            raise Reject(
                Reason.NOT_OUT,
                f"a unit of line {line.line_id} is not out, or is given twice in this file",
            )
        return units


def _check_counts(claim: Claim, line: Line, away: Away, named: int) -> None:
    out = away.asked + away.excess
    if claim.quantity > out:
        raise Reject(
            Reason.OVER_RETURNED,
            f"line {line.line_id} has {out} out, the record returns {claim.quantity}",
        )
    # What stays out has to have room for the units with a number that are not named.
    least = max(0, claim.quantity - (out - away.units))
    if named < least or claim.unit_count > claim.quantity:
        allowed = str(least) if least == claim.quantity else f"{least} to {claim.quantity}"
        raise Reject(
            Reason.UNIT_COUNT,
            f"line {line.line_id} returns {claim.quantity} with {claim.unit_count} entries in "
            f"units[], {named} of them with a number; allowed are {allowed}",
        )
