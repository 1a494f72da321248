"""Orders in every state that a partner could speak of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.daemons.depot import document
from tests.daemons.desk import CASE, line, phones, record

if TYPE_CHECKING:
    from tests.daemons.hostile.gate import Gate

Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Scene:
    """Orders in every state that a partner could speak of."""

    gate: Gate
    open: int
    closed: int
    phone: int
    queued: int
    new: int
    foreign: int
    shared: int
    out: list[dict[str, str]]
    """The units of PHONE that a customer has."""

    def line(self, order: int, place: int = 0) -> int:
        """The id of a request line."""
        return self.gate.lines(order)[place]

    def verdicts(self, records: Records, warehouse: str = "LONDON") -> list[str | None]:
        """Drop a file of these records, load and apply it; each record's reason.

        However many it refuses: no order, line, unit, charge or stock may have changed.
        """
        before, seen = self.gate.fingerprint(), self.gate.value("select max(id) from batch")
        self.gate.drop(warehouse, self.gate.sealed(document(*records, warehouse=warehouse)))
        assert self.gate.take_up() == 1
        self.gate.apply()
        (batch,) = self.gate.rows("select id from batch where id > %s", seen)
        reasons = self.gate.reasons(batch[0])
        if all(reasons):
            assert self.gate.fingerprint() == before
            assert self.gate.stage(batch[0]) == "Batch, Error"
        return reasons

    @property
    def orders(self) -> list[int]:
        """All of them."""
        return [self.open, self.closed, self.phone, self.queued, self.new, self.foreign,
                self.shared]  # fmt: skip


def set_up(gate: Gate) -> Scene:
    """Send, answer and settle what the scene needs."""
    out = phones(2)
    phone = gate.request(("PHONE", 3, "1"))
    closed = gate.request(CASE)
    first = [
        record(phone, "out", line(gate.lines(phone)[0], 2, units=out)),
        record(closed, "closes", line(gate.lines(closed)[0], 3)),
    ]
    gate.drop("LONDON", gate.sealed(document(*first)))
    gate.take_up()
    gate.apply()
    open_, foreign = gate.request(CASE), gate.request(("SIM", 1, "1"))
    shared = gate.request(CASE, ("SIM", 1, "1"))
    queued = gate.order(CASE)
    gate.generate()
    new = gate.order(CASE, submit=False)
    assert gate.status(closed) == "COMPLETE"
    return Scene(gate, open_, closed, phone, queued, new, foreign, shared, out)
