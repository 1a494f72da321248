"""Every kind of disagreement: a stable code, what it means, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Kind(StrEnum):
    """What tables and trees can disagree about; once released, a code keeps its meaning."""

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str, remedy: str) -> Self:
        """Keep meaning and remedy beside the code, so that none of them stands alone."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member

    # Outbound tree.
    SEALED_WITHOUT_FILE = (
        "SEALED_WITHOUT_FILE",
        "A batch or an acknowledgement is sealed and not published, and not in out/work.",
        (
            "If the archive has its copy, batch reprocess (or file acknowledge) records that it "
            "was published; otherwise put the file back from a backup of the tree."
        ),
    )
    WORK_FILE_WITHOUT_ROW = (
        "WORK_FILE_WITHOUT_ROW",
        "A file lies in out/work that nothing sealed and unpublished owns.",
        (
            "It was never published. reconcile --adopt removes it if it has the name of a batch or "
            "an acknowledgement; move anything else away."
        ),
    )
    OUTBOX_FILE_UNKNOWN = (
        "OUTBOX_FILE_UNKNOWN",
        "A file lies where the partner takes its files, and the database does not know it.",
        (
            "With MANIFEST_UNKNOWN: reconcile --adopt. Otherwise it is a stray: move it away "
            "before the partner takes it."
        ),
    )
    PUBLISHED_WITHOUT_COPY = (
        "PUBLISHED_WITHOUT_COPY",
        "A file was published, and our copy in out/archive is missing or of another size.",
        "Put it back from a backup of the tree. The orders are not touched by it.",
    )
    PUBLISHED_WITHOUT_MANIFEST = (
        "PUBLISHED_WITHOUT_MANIFEST",
        "A file was published, and its manifest in out/archive is missing or cut short.",
        (
            "Put it back from a backup of the tree: without it a restored database cannot be "
            "told what was sent."
        ),
    )
    MANIFEST_UNKNOWN = (
        "MANIFEST_UNKNOWN",
        (
            "The archive has the manifest of a file that the database does not know, or knows "
            "otherwise: it has lost commits."
        ),
        "reconcile --adopt --dry-run tells what would be taken over, reconcile --adopt does it.",
    )
    COPY_UNKNOWN = (
        "COPY_UNKNOWN",
        (
            "The archive has the copy of a file that was never published, and the database "
            "does not know it."
        ),
        "reconcile --adopt removes it.",
    )
    # Inbound tree.
    CLAIMED_WITHOUT_FILE = (
        "CLAIMED_WITHOUT_FILE",
        "A file was claimed and not decided on, and it is not in in/work.",
        (
            "If the database was restored: reconcile --adopt. Otherwise ask the partner to "
            "send it again, and file discard the row."
        ),
    )
    LOADED_WITHOUT_FILE = (
        "LOADED_WITHOUT_FILE",
        "The records of a file were loaded, and neither in/work nor in/archive has it.",
        "The records count all the same. Put the file back from a backup of the tree.",
    )
    ARCHIVED_WITHOUT_FILE = (
        "ARCHIVED_WITHOUT_FILE",
        "A file was archived, and in/archive does not have it, or it is empty.",
        "The records count all the same. Put the file back from a backup of the tree.",
    )
    ARCHIVE_FILE_UNKNOWN = (
        "ARCHIVE_FILE_UNKNOWN",
        "in/archive has a file that the database has not accepted: it has lost commits.",
        "reconcile --adopt puts it back, so that it is loaded again.",
    )
    QUARANTINED_WITHOUT_FILE = (
        "QUARANTINED_WITHOUT_FILE",
        "A file was quarantined, and in/quarantine does not have it.",
        "file discard takes it from the list.",
    )
    QUARANTINE_FILE_UNKNOWN = (
        "QUARANTINE_FILE_UNKNOWN",
        "in/quarantine has a file that no quarantined row owns.",
        (
            "If the database was restored, reconcile --adopt puts it back, so that it is "
            "judged again. Otherwise move it away."
        ),
    )
    REASON_MISSING = (
        "REASON_MISSING",
        "A quarantined file has no .reason beside it, or an empty one.",
        (
            "file list shows the reason; write it beside the file, or file requeue to have it "
            "judged again."
        ),
    )
    REASON_WITHOUT_FILE = (
        "REASON_WITHOUT_FILE",
        "in/quarantine has a .reason without its file.",
        "Remove it.",
    )
    WORK_FILE_DECIDED = (
        "WORK_FILE_DECIDED",
        "in/work has a file that was archived, requeued or discarded already.",
        "Let Load from Generic run once: it clears the file away without loading it again.",
    )
    DIRECTORY_UNKNOWN = (
        "DIRECTORY_UNKNOWN",
        "A tree has files of a warehouse that the database does not have.",
        "Enter the warehouse again under the same id, then reconcile --adopt.",
    )
    # Orders.
    NOT_REQUESTED = (
        "NOT_REQUESTED",
        "An order awaits dispatch with open lines that are neither queued nor in a request batch.",
        (
            "order hold it, find out from its history what happened, and tell the makers: no "
            "daemon will take it up."
        ),
    )
    NOTHING_OPEN = (
        "NOTHING_OPEN",
        "An order awaits dispatch and has no open line: it should have been settled.",
        "Tell the makers; order show has its lines and what was dispatched.",
    )
    OPEN_THOUGH_ENDED = (
        "OPEN_THOUGH_ENDED",
        "An order has ended, or was not generated, and has open lines.",
        "If its status was changed in SQL, change it back: order cancel closes the lines too.",
    )
    CANCELLATION_ASTRAY = (
        "CANCELLATION_ASTRAY",
        (
            "What was asked of a warehouse to be cancelled contradicts the order's lines there, or "
            "the batch that carries it."
        ),
        "Tell the makers; order show has the cancellation and the lines.",
    )
    QUEUED_UNFIT = (
        "QUEUED_UNFIT",
        "The queue has a request whose order does not await it: cancelled, or generated anew.",
        (
            "If its status was changed in SQL, change it back: order cancel empties the queue "
            "too. It would drop out at sealing."
        ),
    )
    QUEUED_AND_BATCHED = (
        "QUEUED_AND_BATCHED",
        "A request is queued and in a batch as well: it would be sent twice.",
        "order hold it at once: held orders are not batched. Then tell the makers.",
    )
    BATCHED_TWICE = (
        "BATCHED_TWICE",
        "A request is in two batches of one warehouse: it was or will be sent twice.",
        "order hold it at once: held orders drop out at sealing. Then ask the warehouse.",
    )
    ITEM_COUNTERS = (
        "ITEM_COUNTERS",
        "The counters of an item are unlike the sums over its request lines.",
        "Tell the makers; nothing mends it by itself.",
    )
    ITEM_NOT_REQUESTED = (
        "ITEM_NOT_REQUESTED",
        "Part of an item of a requested order was neither requested nor answered.",
        "Tell the makers; order show has the order's lines.",
    )
    LINE_COUNTERS = (
        "LINE_COUNTERS",
        "The counters of a request line are unlike the applied records.",
        "Tell the makers; nothing mends it by itself.",
    )
    SHARE_COUNTERS = (
        "SHARE_COUNTERS",
        "The shares of a merged line do not add up to the line.",
        "Tell the makers; nothing mends it by itself.",
    )
    UNIT_COUNT = (
        "UNIT_COUNT",
        "A request line has more or fewer recorded units than were dispatched.",
        "Tell the makers; nothing mends it by itself.",
    )
    CHARGE_MISSING = (
        "CHARGE_MISSING",
        "Something billable was dispatched and not charged.",
        "Tell billing and the makers.",
    )
    CHARGE_SURPLUS = (
        "CHARGE_SURPLUS",
        "A charge stands for nothing that was dispatched.",
        "Tell billing and the makers.",
    )
    CHARGE_WRONG = (
        "CHARGE_WRONG",
        "A charge is not quantity times price as ordered, for the order's account and currency.",
        "Tell billing and the makers.",
    )
    # Stock.
    RESERVED_UNOWED = (
        "RESERVED_UNOWED",
        "More is reserved for an order than it still asks for: it has ended, or was requested.",
        (
            "order show has what it is owed. If its status was changed in SQL, change it back: "
            "the verbs give the stock back too."
        ),
    )
    STOCK_RESERVED = (
        "STOCK_RESERVED",
        "What a row of the stock has as reserved is unlike the sum of its reservations.",
        "Tell the makers; the database keeps it by itself, and somebody has got round that.",
    )
    # Batches.
    RECORD_COUNT = (
        "RECORD_COUNT",
        "The record count of a batch is not the number of its details.",
        "Tell the makers; nothing mends it by itself.",
    )
    STAGE_UNLIKE_FILE = (
        "STAGE_UNLIKE_FILE",
        "The stage of a batch contradicts what is recorded of its file.",
        "Tell the makers; batch show has its history.",
    )
    STAGE_UNLIKE_DETAILS = (
        "STAGE_UNLIKE_DETAILS",
        "A dispatch batch is at Batch, Complete with records that were not applied.",
        "Tell the makers; batch show has its details.",
    )
    SEQUENCE_BEHIND = (
        "SEQUENCE_BEHIND",
        (
            "A warehouse has a file with a higher number than its counter: a number would be "
            "given twice."
        ),
        "reconcile --adopt moves the counter.",
    )


@dataclass(frozen=True, slots=True, order=True)
class Disagreement:
    """One thing that tables and trees disagree about.

    `subject` is what it is about: a file's path below the tree, "order 17", "batch 4"; two looks
    that find the same kind about the same subject have found the same disagreement.
    """

    kind: Kind
    warehouse: str
    subject: str
    detail: str
