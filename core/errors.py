"""What can go wrong with an order, a file or a batch, as stable codes and three exceptions.

A `Reason` is a promise to partners and to monitoring: once released, a code keeps its meaning.
The docs' table of reasons is made from this file.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """The stable code of everything that can be refused or set aside; `meaning` is one sentence."""

    meaning: str

    def __new__(cls, code: str, meaning: str = "") -> Self:
        """Keep the sentence beside the code, so that neither is documented without the other."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    # Before the signature has been verified: one reason, so that the answer helps no forger.
    ENVELOPE_REFUSED = (
        "ENVELOPE_REFUSED",
        "The file could not be opened, or its signer is not the one pinned for the warehouse.",
    )
    # Told inside only: the partner is answered ENVELOPE_REFUSED.
    SIGNER_EXPIRED = (
        "SIGNER_EXPIRED",
        "The pinned signer has signed the file, with a certificate that is not valid now.",
    )
    SIGNER_REVOKED = (
        "SIGNER_REVOKED",
        "The file is signed with a key of the warehouse that has been revoked.",
    )
    # A file as a whole.
    FILE_EMPTY = "FILE_EMPTY", "The file has no content."
    FILE_TOO_LARGE = "FILE_TOO_LARGE", "The file is larger than the property allows."
    NOT_READABLE = "NOT_READABLE", "The file's mode does not let us read it."
    NOT_REGULAR = "NOT_REGULAR", "The directory entry is no regular file."
    NOT_JSON = "NOT_JSON", "The signed content is not JSON, or names a key twice."
    SCHEMA_INVALID = "SCHEMA_INVALID", "The document does not match its schema."
    WRONG_WAREHOUSE = (
        "WRONG_WAREHOUSE",
        "The document names another warehouse than the directory it was dropped in.",
    )
    WRONG_INTERFACE = (
        "WRONG_INTERFACE",
        "Category, type or version of the document is not the one this interface takes.",
    )
    COUNT_MISMATCH = "COUNT_MISMATCH", "recordCount is not the number of records in orders[]."
    CHANGED_AFTER_READING = (
        "CHANGED_AFTER_READING",
        "The file was accepted, and changed before it could be archived; what was accepted counts.",
    )
    REPEATED_FILE = (
        "REPEATED_FILE",
        "The same signed content of the same signer was accepted before.",
    )
    UNKNOWN_FILE = (
        "UNKNOWN_FILE",
        "The acknowledgement names a file that was not sent to this warehouse.",
    )
    REPEATED_CRASH = (
        "REPEATED_CRASH",
        "The work on it ended its process again and again, so it was set aside.",
    )
    INTERNAL_ERROR = (
        "INTERNAL_ERROR",
        "A fault of this software stopped the work on it; the traceback is in the log.",
    )
    # A record of a dispatch file.
    UNKNOWN_ORDER = "UNKNOWN_ORDER", "No order has this id."
    UNKNOWN_LINE = "UNKNOWN_LINE", "The order has no request line with this id."
    LINE_NOT_YOURS = (
        "LINE_NOT_YOURS",
        "The request line, or the whole order, belongs to another warehouse.",
    )
    NOT_REQUESTED = "NOT_REQUESTED", "The line has not been sealed in a request file yet."
    LINE_CLOSED = (
        "LINE_CLOSED",
        "The line is settled already; goods may have moved, a person decides.",
    )
    OVER_DISPATCHED = (
        "OVER_DISPATCHED",
        "More was dispatched, rejected or cancelled than the line still has open.",
    )
    DUPLICATE_LINE = "DUPLICATE_LINE", "The record names a line twice with the same status."
    CONTRADICTORY = "CONTRADICTORY", "The status of the record contradicts the status of its lines."
    NOT_TO_CANCEL = (
        "NOT_TO_CANCEL",
        "The warehouse refuses a cancellation of the order that it was not asked for.",
    )
    OVER_RETURNED = "OVER_RETURNED", "More came back than is out of the line."
    NOT_OUT = (
        "NOT_OUT",
        "A unit that came back is not out on the line, or is given twice in the file.",
    )
    DISPATCH_ID_REUSED = "DISPATCH_ID_REUSED", "The dispatchId was used before for other content."
    SERIAL_ACTIVE = (
        "SERIAL_ACTIVE",
        "A serial number, IMEI or ICCID is with another customer already.",
    )
    UNIT_COUNT = (
        "UNIT_COUNT",
        "A serialised product needs one entry of units[] for each unit dispatched.",
    )
    ATTRIBUTE_MISSING = "ATTRIBUTE_MISSING", "A unit lacks an attribute that the product requires."
    IMEI_INVALID = "IMEI_INVALID", "An IMEI has a wrong check digit."
    RECORDS_REFUSED = (
        "RECORDS_REFUSED",
        "Records of the batch were refused; each has its own reason.",
    )
    RECORD_FAILED = "RECORD_FAILED", "The database refused the record's data."
    # An order at generation.
    NO_ITEMS = "NO_ITEMS", "The order has no items."
    UNKNOWN_PRODUCT = "UNKNOWN_PRODUCT", "An item's product is not in the catalogue."
    NO_WAREHOUSE = "NO_WAREHOUSE", "Neither an item nor its product names a warehouse."
    UNKNOWN_WAREHOUSE = "UNKNOWN_WAREHOUSE", "An item names a warehouse that does not exist."
    TOO_MANY_UNITS = (
        "TOO_MANY_UNITS",
        "An order for a UNIT warehouse has more units than the property allows.",
    )
    NOTHING_OWED = "NOTHING_OWED", "Nothing of the order is left to request."
    # An order as it is submitted.
    ALREADY_SUBMITTED = (
        "ALREADY_SUBMITTED",
        "The reference was submitted before, with other content.",
    )
    OUT_OF_STOCK = (
        "OUT_OF_STOCK",
        "The warehouses do not have what the order asks for; it stays New.",
    )
    NOT_CSV = "NOT_CSV", "The file is not CSV with the columns that are known."
    # A count of the stock.
    BELOW_RESERVED = "BELOW_RESERVED", "Less would be on hand than is reserved for orders."
    # The outcome of an order.
    REJECTED = "REJECTED", "The warehouse rejected a line."
    FRAUD_REJECTED = "FRAUD_REJECTED", "The fraud check at the warehouse rejected the order."
    FRAUD_CHECK_REJECTED = (
        "FRAUD_CHECK_REJECTED",
        "The order was rejected before it was sent, by the fraud check or by who decided its hold.",
    )
    # A batch as a whole.
    WITHDRAWN = (
        "WITHDRAWN",
        "An operator has taken the batch apart before it was sealed; its orders are queued again.",
    )
    SENT_AGAIN = "SENT_AGAIN", "An operator has had the file of the batch published once more."
    # A tree and the database.
    WORK_TREE_CHANGED = (
        "WORK_TREE_CHANGED",
        "The mounted tree is not the one in which the batch was sealed.",
    )
    WORK_FILE_LOST = (
        "WORK_FILE_LOST",
        "The sealed file is gone from work and was never published; somebody has removed it.",
    )
    WORK_FILE_CHANGED = (
        "WORK_FILE_CHANGED",
        "The sealed file in work is not what was sealed; it was not published.",
    )
    DATABASE_OLDER_THAN_FILES = (
        "DATABASE_OLDER_THAN_FILES",
        "The archive knows files that the database does not: it has lost commits.",
    )


class Reject(Exception):
    """The sender must mend it: the file or record is refused with its stable reason.

    The sentence says what, where and what is allowed; it goes to partners and logs, so it never
    carries a value that may be personal data or a secret.
    """

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(f"{reason}: {sentence}")
        self.reason = reason
        self.sentence = sentence


class Defer(Exception):
    """It may work later: the unit is tried again after `delay` seconds (None: at the next look)."""

    def __init__(self, why: str, delay: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.delay = delay


class StaleState(Exception):
    """The row is no longer in the state that the caller saw: look again, nothing was changed."""
