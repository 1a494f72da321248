"""Interface batches: their types, stages and the legal moves between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CATEGORY = "Sales Order"


class BatchType(StrEnum):
    """The interface type of a batch; the direction follows from it."""

    REQUEST = "Sales Order Request"
    DISPATCH = "Sales Order Dispatch"


class Action(StrEnum):
    """What a request batch asks of its warehouse, as its records' `action` says it."""

    REQUEST = "REQUEST"
    """Dispatch these lines."""
    CANCEL = "CANCEL"
    """Dispatch what is open of these lines no more."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage with its status, as the operators' screens show it: "Batch, Complete"."""

    stage: str
    status: str

    def __str__(self) -> str:
        """Stage and status in the words of the history table."""
        return f"{self.stage}, {self.status}"


BATCHED = Stage("Batch", "Complete")
"""A request batch that awaits sealing; a dispatch batch that was applied whole."""
SEALED = Stage("Extract/Load", "In Progress")
"""A request batch whose file is in `work` and not yet published."""
PUBLISHED = Stage("Extract/Load", "Complete")
"""A request batch whose file the partner can take, or that was empty or withdrawn."""
LOADED = PUBLISHED
"""A dispatch batch that awaits the Dispatch job."""
SET_ASIDE = Stage("Extract/Load", "Error")
"""A request batch that cannot be sealed or published; reprocess takes it up again."""
FAILED = Stage("Batch", "Error")
"""A dispatch batch of which some records were refused."""

LEGAL_MOVES: dict[BatchType, frozenset[tuple[Stage | None, Stage]]] = {
    BatchType.REQUEST: frozenset(
        {
            (None, BATCHED),
            (BATCHED, SEALED),
            (BATCHED, PUBLISHED),  # nothing was left in it, or it was withdrawn
            (BATCHED, SET_ASIDE),
            (SEALED, PUBLISHED),
            (SEALED, SET_ASIDE),
            (SET_ASIDE, BATCHED),  # reprocess
            (SET_ASIDE, SEALED),
            (PUBLISHED, SEALED),  # its file is sent again
            (None, PUBLISHED),  # adopted: the database had lost it
        },
    ),
    BatchType.DISPATCH: frozenset(
        {
            (None, LOADED),
            (LOADED, BATCHED),
            (LOADED, FAILED),
            (FAILED, LOADED),  # reprocess
        },
    ),
}
"""Every move a batch may make; the database holds the same table as a CHECK on its history."""
