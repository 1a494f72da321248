"""What a checker is: somebody who judges orders, a set at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from core.domain.fraud import Judgement, Subject

if TYPE_CHECKING:
    import psycopg


class CheckerAway(Exception):
    """No judgement can be had now; the sentence says why, and holds nothing of any order."""


class Checker(Protocol):
    """The rules, or the service."""

    @property
    def name(self) -> str:
        """As sales.order.request.extract.fraud.checker names it; kept with each verdict."""

    @property
    def most(self) -> int:
        """How many orders it judges at a time."""

    def judge(self, conn: psycopg.Connection, subjects: Sequence[Subject]) -> list[Judgement]:
        """One judgement an order, in their order; CheckerAway if it cannot be had now.

        Outside any transaction, and without changing anything.
        """
