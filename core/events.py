"""Every event that the daemons tell of: its level, its fields, what it means and what to do.

The name of an event is a promise to those who watch the logs: once released it keeps its meaning.
The docs' table of events is made from this file.
"""

from __future__ import annotations

import uuid
from enum import Enum
from typing import Final

NAMESPACE: Final = uuid.UUID("9b6f1d6e-0c1c-4c58-8a2e-5f0b7a3c2d41")
"""Of which the events' message ids are made, by name."""


class Event(Enum):
    """Something that happened, with the fields that its line may carry besides the context's."""

    def __init__(
        self, level: str, fields: tuple[str, ...], meaning: str, what_to_do: str = "Nothing."
    ) -> None:
        self.level = level
        self.fields = frozenset(fields)
        self.meaning = meaning
        self.what_to_do = what_to_do

    # A daemon's own life.
    DAEMON_STARTED = (
        "info",
        ("version", "pid", "once"),
        "The process has begun; it has not looked at its surroundings yet.",
    )
    DAEMON_READY = (
        "info",
        ("seconds",),
        "Properties, keys, schema and trees have been checked; work is taken.",
    )
    DAEMON_STOPPED = (
        "info",
        ("why", "exit_code", "units", "seconds"),
        "The process ends, and why.",
    )
    CONFIG_REFUSED = (
        "error",
        ("problem",),
        (
            "A property or key is not usable: the daemon does not start (exit code 78), or, when "
            "told to read them again, goes on with those that it has."
        ),
        "Mend what the line names; `cmp-orders config show` prints the effective values.",
    )
    CONFIG_RELOADED = (
        "info",
        (),
        "Properties and certificates were read again (SIGHUP) and count from now on.",
    )
    # The surroundings: these never end a daemon.
    DATABASE_AWAY = (
        "error",
        ("sqlstate", "why", "attempts", "retry_in"),
        "The database does not answer or takes no writes; the daemon tries again by itself.",
        "Look at the server. Nothing is lost; do not restart the daemons.",
    )
    DATABASE_BACK = (
        "info",
        ("seconds", "attempts"),
        "The database answers again, after so many seconds.",
    )
    SURROUNDINGS_FAILED = (
        "error",
        ("why", "path", "attempts", "retry_in"),
        "A disk is full or a directory cannot be used; the daemon tries again by itself.",
        "Free the space, or mend the directory or its rights. Nothing is lost.",
    )
    SURROUNDINGS_BACK = (
        "info",
        ("seconds", "attempts"),
        "Disk and directories can be used again, after so many seconds.",
    )
    WAREHOUSE_RESTS = (
        "error",
        ("why",),
        (
            "The work on one warehouse cannot go on, for its directory or its keys; it is tried "
            "again and again, the other warehouses are served meanwhile."
        ),
        (
            "Mend what the line names; a certificate counts once its daemon has been reloaded "
            "(`systemctl reload`). Nothing is lost."
        ),
    )
    # One unit of work: a batch, a file.
    UNIT_FAILED = (
        "critical",
        ("why", "attempts", "retry_in"),
        (
            "A fault of this software stopped the work on one batch or file; it is set aside "
            "and the others go on."
        ),
        (
            "Report the traceback. `cmp-orders batch list` and `cmp-orders file list` show what "
            "was set aside; reprocess or requeue it once a release has mended the fault."
        ),
    )
    UNIT_DEFERRED = (
        "warning",
        ("why", "attempts", "retry_in"),
        "The work on one batch or file was put off and will be tried again.",
        "Nothing, unless it comes again and again: then what the line says must be mended.",
    )
    FAULT = (
        "critical",
        ("why", "thread"),
        "A fault of this software outside any unit of work.",
        "Report the traceback.",
    )
    # Request Extract.
    ORDERS_GENERATED = (
        "info",
        ("orders", "lines", "refused", "milliseconds"),
        "Orders have their request lines and wait to be batched.",
    )
    ORDER_REFUSED = (
        "info",
        ("reason", "sentence"),
        "An order could not be generated and is in Error.",
        "Mend what the reason names, then `cmp-orders order regenerate`.",
    )
    ORDERS_CHECKED = (
        "info",
        ("orders", "passed", "held", "rejected", "milliseconds"),
        "Orders have their verdict of the fraud check before sending; what passed is batched.",
    )
    ORDER_HELD = (
        "info",
        ("reasons", "score"),
        "The fraud check before sending refers an order to a person; it is not batched.",
        (
            "`cmp-orders order show` tells why; `cmp-orders order release` or `cmp-orders order "
            "reject` decides."
        ),
    )
    ORDER_REJECTED = (
        "info",
        ("reasons", "score"),
        "The fraud check before sending rejected an order, which is in Error and not cancelled.",
        "If it is genuine: `cmp-orders order regenerate`, and `cmp-orders order release`.",
    )
    ORDERS_UNCHECKED = (
        "warning",
        ("orders", "why"),
        "The fraud check's service is away, and the property says to send orders unchecked.",
        "Have the service mended. `cmp-orders fraud list --reason CHECK_AWAY` lists them.",
    )
    VERDICTS_PRUNED = (
        "info",
        ("verdicts",),
        "Verdicts of the fraud check were removed, older than the property keeps them.",
    )
    BATCH_CREATED = (
        "info",
        ("action", "orders", "milliseconds"),
        (
            "Orders of one warehouse were put in a request batch: to be dispatched (REQUEST), or "
            "not to be any more (CANCEL)."
        ),
    )
    # Extract to Generic.
    BATCH_SEALED = (
        "info",
        ("action", "orders", "bytes", "file_sequence", "cancelled", "held", "milliseconds"),
        (
            "The batch's file is made, signed and encrypted: the point of no return. Orders that "
            "were cancelled or held until then have dropped out."
        ),
    )
    BATCH_PUBLISHED = (
        "info",
        ("orders", "file_sequence", "milliseconds"),
        "The file is where the partner takes it.",
    )
    BATCH_EMPTY = (
        "info",
        ("cancelled", "held"),
        "Every order had dropped out of the batch: it ends without a file and without a number.",
    )
    BATCH_HELD = (
        "error",
        ("reason", "sentence", "attempts"),
        "The batch is set aside and is not tried again by itself.",
        "Mend what the reason names, then `cmp-orders batch reprocess`.",
    )
    ACKNOWLEDGEMENT_SEALED = (
        "info",
        ("number", "verdict", "bytes"),
        "What the partner is told of a file of its own is signed and encrypted.",
    )
    ACKNOWLEDGEMENT_PUBLISHED = (
        "info",
        ("number", "milliseconds"),
        "The acknowledgement is where the partner takes it.",
    )
    ACKNOWLEDGEMENT_HELD = (
        "error",
        ("reason", "sentence", "attempts"),
        (
            "An acknowledgement is set aside and is not tried again by itself; what it says of the "
            "partner's file is so all the same."
        ),
        "Mend what the reason names, then `cmp-orders file acknowledge`.",
    )
    ACKNOWLEDGEMENTS_WAIT = (
        "warning",
        ("count", "limit"),
        (
            "So many acknowledgements lie untaken in a partner's directory that no more are put "
            "there until it has taken some; they wait as rows."
        ),
        "Ask the partner to take them, or agree that it gets none (the warehouse's property).",
    )
    FILE_TAKEN = (
        "info",
        (),
        "The partner has taken a published file from its directory.",
    )
    FILES_NOT_COMPARED = (
        "warning",
        (),
        (
            "A warehouse's files wait: its archive has not been compared with the database since "
            "the server was started or restored. Extract to Generic does that before all else."
        ),
        (
            "Nothing, if Extract to Generic is starting; else start it, and mend what keeps it "
            "from reading its archive."
        ),
    )
    # What is late; each is told once and then seldom.
    FILE_NOT_TAKEN = (
        "warning",
        ("since", "times"),
        "A partner has left a published file in its directory for too long.",
        "Call the partner; never delete the file.",
    )
    FILE_NOT_ACKNOWLEDGED = (
        "warning",
        ("since", "times"),
        "A partner that acknowledges files has not acknowledged this one for too long.",
        "Ask the partner whether it has the file; `cmp-orders file resend` publishes it again.",
    )
    DISPATCH_OVERDUE = (
        "warning",
        ("orders", "since", "times"),
        (
            "Orders of a request file have open lines that the warehouse has neither dispatched "
            "nor put on back-order for too long; `order_id` is the oldest of them."
        ),
        "`cmp-orders order show`; ask the warehouse.",
    )
    BACK_ORDER_OVERDUE = (
        "warning",
        ("since", "times"),
        "A line of an order has been on back-order for too long.",
        "Ask the warehouse when the goods come, and tell the customer.",
    )
    CANCELLATION_OVERDUE = (
        "warning",
        ("since", "times"),
        "A warehouse has not answered for too long whether it cancels an order.",
        "Ask the warehouse, before the goods leave; `cmp-orders order show`.",
    )
    # Load from Generic.
    FILE_LOADED = (
        "info",
        ("records", "file_sequence", "milliseconds"),
        "The file was verified and loaded as a dispatch batch; our copy is in the archive.",
    )
    FILE_REPEATED = (
        "info",
        ("reason",),
        "The same signed content was accepted before; it has no effect.",
    )
    FILE_ACKNOWLEDGED = (
        "info",
        ("verdict",),
        "The partner has accepted a request file; `file` is its acknowledgement's name.",
    )
    FILE_REJECTED = (
        "error",
        ("identifier", "reason"),
        (
            "The partner has refused a request file whole, by an acknowledgement: its orders will "
            "not be dispatched as things stand."
        ),
        (
            "`cmp-orders file show` has the partner's words. Settle it with the partner, then "
            "`cmp-orders file resend`."
        ),
    )
    FILE_SEQUENCE_GAP = (
        "warning",
        ("first_missing", "last_missing", "file_sequence"),
        (
            "The number of a partner's file leaves others out. Nothing waits for them: they are "
            "applied when they come."
        ),
        "If they do not come soon, ask the partner; `cmp-orders status` counts what is missing.",
    )
    FILE_SEQUENCE_REPEATED = (
        "warning",
        ("file_sequence",),
        "A partner has given one number to two files of different content; both are applied.",
        "Tell the partner: its files may be applied in an order that it did not mean.",
    )
    FILE_QUARANTINED = (
        "warning",
        ("reason", "sentence", "attempts"),
        "The file was refused whole and moved to quarantine, its reason beside it.",
        (
            "Tell the partner the reason. `cmp-orders file requeue` has it tried once more, "
            "`cmp-orders file discard` puts an end to it."
        ),
    )
    STRAY_FILES = (
        "warning",
        ("count", "example"),
        "Entries of an inbound directory whose names no dispatch file has; they stay there.",
        "Ask the partner to mend the names, and remove the entries.",
    )
    QUARANTINE_FULL = (
        "error",
        ("files", "limit"),
        "The warehouse's quarantine is full; its files stay where they were dropped.",
        "`cmp-orders file list`; settle with the partner why, then requeue or discard them.",
    )
    # Dispatch.
    DISPATCH_APPLIED = (
        "info",
        (
            "records",
            "refused",
            "repeated",
            "charges",
            "complete",
            "in_error",
            "cancelled",
            "milliseconds",
        ),
        "A dispatch batch was applied: what was good took effect, the rest was refused.",
        "If records were refused: `cmp-orders batch show` says why.",
    )
    RECORD_REFUSED = (
        "info",
        ("sequence", "reason"),
        "One record of a dispatch batch had no effect.",
        "Settle the reason with the partner, then `cmp-orders batch reprocess`.",
    )
    CANCELLATION_ANSWERED = (
        "info",
        ("status",),
        (
            "A warehouse has decided on the cancellation of an order. AGREED: what was open of it "
            "is not dispatched. REFUSED: it is dispatched all the same. TOO_LATE: it was."
        ),
        "Where it is not AGREED the customer gets, and pays, what was to be cancelled: tell them.",
    )
    EXCESS_DISPATCHED = (
        "warning",
        ("sequence", "line", "units"),
        (
            "A warehouse dispatched more of a line than was asked, within what it is allowed; the "
            "excess is recorded and not billed."
        ),
        "A person decides, with the warehouse, whether the goods come back.",
    )
    LINE_CLOSED_DISPATCHED = (
        "error",
        ("sequence", "reason"),
        "A warehouse says that it dispatched a line that was settled: goods have moved unasked.",
        "A person decides, with the warehouse, whether the goods come back.",
    )
    STOCK_UNRECORDED = (
        "warning",
        ("products", "units"),
        "More was dispatched than the warehouse had on record beside what is reserved for others.",
        "`cmp-orders stock show` says of which products, as unrecorded; count them.",
    )
    # Trees and database.
    WORK_TREE_CHANGED = (
        "error",
        ("expected", "found"),
        "The mounted tree is not the one in which a batch was sealed; the warehouse is held.",
        "Mount the right tree, or put it back from a backup; the daemon then goes on by itself.",
    )
    DATABASE_OLDER_THAN_FILES = (
        "error",
        (),
        (
            "The archive knows files that the database does not: it lost commits, and the "
            "warehouse is held so that nothing is sent twice."
        ),
        (
            "`cmp-orders reconcile` shows what is missing, `sudo -u sales_order_adopt cmp-orders "
            "reconcile --adopt` takes it over from the files."
        ),
    )

    # What is periodic and no daemon's.
    PROBE_WARNING = (
        "warning",
        ("probe", "about", "value", "limit"),
        "A probe has passed its first target: something stands for long, or runs short.",
        "`cmp-orders probe list` says what to do for each probe.",
    )
    PROBE_SEVERE = (
        "error",
        ("probe", "about", "value", "limit"),
        "A probe has passed its second target, or could not look.",
        "`cmp-orders probe list` says what to do for each probe.",
    )
    ORDERS_PURGED = (
        "info",
        ("months", "orders", "batches", "milliseconds"),
        "Orders that were settled long ago, and batches' details, were removed for their age.",
    )

    @property
    def message_id(self) -> str:
        """The journal's MESSAGE_ID of this event (systemd.journal-fields(7)), for ever the same."""
        return uuid.uuid5(NAMESPACE, self.name).hex

    @classmethod
    def named(cls, name: str) -> Event | None:
        """The event of this name, None if there is none."""
        return cls.__members__.get(name)


CONTEXT = frozenset({"batch_id", "file", "warehouse", "order_id", "duty"})
"""Fields that any line may carry: what it is about, most often set once for a unit of work."""
