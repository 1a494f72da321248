"""The duty that tells what is late: each kind by the daemon that owns it, once, and then seldom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core import log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg

    from core.db.overdue import Late
    from core.events import Event


@dataclass(frozen=True, slots=True)
class Lateness:
    """One kind of lateness: the event that tells it, and what finds it; 0 seconds: never."""

    event: Event
    find: Callable[[psycopg.Connection], list[Late]]
    seconds: float


class Overdue:
    """Looks for each kind of lateness in turn."""

    def __init__(self, kinds: Sequence[Lateness]) -> None:
        self._kinds = [kind for kind in kinds if kind.seconds > 0]

    def __call__(self, conn: psycopg.Connection) -> bool:
        """One look; never more to do: what it had to leave out waits for the next."""
        for kind in self._kinds:
            for one in kind.find(conn):
                fields: dict[str, Any] = {"since": one.since.isoformat(), "times": one.times}
                if "orders" in kind.event.fields:
                    fields["orders"] = one.orders
                with log.about(warehouse=one.warehouse, **_subject(one)):
                    log.emit(kind.event, **fields)
        return False


def _subject(one: Late) -> dict[str, str | int]:
    about = {"file": one.name, "order_id": one.order_id}
    return {name: value for name, value in about.items() if value is not None}
