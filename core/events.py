"""Every event that the daemons tell of: its level, its fields, what it means and what to do.

The name of an event is a promise to those who watch the logs: once released it keeps its meaning.
The docs' table of events is made from this file.
"""

from __future__ import annotations

from enum import Enum


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
        "A property or key is not usable, so the daemon does not start (exit code 78).",
        "Mend what the line names; `cmp-orders config show` prints the effective values.",
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
        "Mend what the line names. Nothing is lost.",
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
    BATCH_CREATED = (
        "info",
        ("orders", "milliseconds"),
        "Orders of one warehouse were put in a request batch.",
    )
    # Extract to Generic.
    BATCH_SEALED = (
        "info",
        ("orders", "bytes", "file_sequence", "cancelled", "held", "milliseconds"),
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
    # Load from Generic.
    FILE_TAKEN = (
        "info",
        (),
        "The partner has taken a published file from its directory.",
    )
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
        "The table stock says of which products, as unrecorded; count them and correct on_hand.",
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
            "`cmp-orders reconcile` shows what is missing, `cmp-orders reconcile --adopt` takes it "
            "over from the files."
        ),
    )

    @classmethod
    def named(cls, name: str) -> Event | None:
        """The event of this name, None if there is none."""
        return cls.__members__.get(name)


CONTEXT = frozenset({"batch_id", "file", "warehouse", "order_id", "duty"})
"""Fields that any line may carry: what it is about, most often set once for a unit of work."""
