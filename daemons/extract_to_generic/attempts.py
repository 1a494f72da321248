"""Tries at one unit, counted in its row before each: what kills the process is set aside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import psycopg

from core import log
from core.envelope import KeyringError
from core.errors import Defer, Reason
from core.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.rota import Rota

SURROUNDINGS = (psycopg.OperationalError, OSError, Defer, KeyringError)
"""What is nobody's fault here: the unit is tried again, and its attempt does not count."""


class Count(Protocol):
    """Counts a try in the row of a unit."""

    def __call__(self, conn: psycopg.Connection, unit: int, /, *, afresh: bool) -> int:
        """The tries so far, this one included; `afresh` forgets the earlier ones."""


@dataclass
class Attempts:
    """The tries at the batches, or the acknowledgements, of this process."""

    limit: int
    rota: Rota
    count: Count
    excuse: Callable[[psycopg.Connection, int], None]
    set_aside: Callable[[psycopg.Connection, int, Reason], None]
    _excused: set[int] = field(default_factory=set)

    def attempt(
        self, conn: psycopg.Connection, unit: int, warehouse: str, step: Callable[[], None]
    ) -> bool:
        """Try a step, unless its unit was tried too often; False if the warehouse has to rest."""
        attempts = self.count(conn, unit, afresh=unit in self._excused)
        self._excused.discard(unit)
        if attempts > self.limit:
            self.set_aside(conn, unit, Reason.REPEATED_CRASH)
            return True
        try:
            step()
        except SURROUNDINGS as error:
            self._excused.add(unit)
            if isinstance(error, psycopg.Error):
                raise
            # In the row too, for the other processes, and this one once it is started anew.
            self.excuse(conn, unit)
            if self.rota.failed(warehouse):
                log.emit(Event.WAREHOUSE_RESTS, why=log.one_line(error))
            return False
        except Exception as error:  # noqa: BLE001  # our bug: set aside, the rest goes on
            log.emit(Event.UNIT_FAILED, why=log.one_line(error), error=error)
            self.set_aside(conn, unit, Reason.INTERNAL_ERROR)
            return True
        self.rota.served(warehouse)
        return True
