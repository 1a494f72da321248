"""What is known of one file, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from console import show

if TYPE_CHECKING:
    from rich.console import Console

PARTS = ("acknowledgements", "records")
TOLD = ("name", "verdict", "reason", "refused", "created_at", "published_at", "taken_at")
RECORD = ("sequence", "orderId", "dispatchId", "reason", "message")


def tell(console: Console, told: dict[str, Any]) -> None:
    """Print it, with nothing for what there is nothing of."""
    facts = [
        (name.removesuffix("_at").replace("_", " "), value)
        for name, value in told.items()
        if value is not None and name not in PARTS
    ]
    table = show.table(("", ""), facts)
    table.show_header = False
    console.print(table)
    for title, part, names in (
        ("What the partner was told", "acknowledgements", TOLD),
        ("Refused records", "records", RECORD),
    ):
        if told.get(part):
            columns = [name.removesuffix("_at") for name in names]
            rows = [[row.get(name) for name in names] for row in told[part]]
            console.print()
            console.print(show.table(columns, rows, title=title))
