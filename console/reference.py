"""Prints docs/reference.md from the code: events, reasons, moves, TMF622 states, exit codes.

`python -m console.reference > docs/reference.md`; a test compares the page with what is printed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from console import exits
from core.config.catalogue import PREFIX
from core.config.fraud import weight_of
from core.domain import batch, order, tmf622
from core.domain.fraud import Rule
from core.errors import Reason
from core.events import CONTEXT, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DAEMON_EXITS = {
    0: "ended as asked",
    2: "wrong usage",
    75: "`--once`, `--check`: the surroundings do not allow it now; else the stop time ran out",
    78: "a property or key is wrong; systemd does not restart it",
}


def page() -> str:
    """The whole page, in Markdown."""
    parts = (_head(), _events(), _reasons(), _rules(), _moves(), _tmf622(), _exits())
    return "\n".join([*(line for part in parts for line in part), ""])


def _head() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Made from the code by `python -m console.reference`; a test keeps it true."
    yield ""
    yield "[Events](#events) · [Reasons](#reasons) · [Rules](#rules-of-the-fraud-check) ·"
    yield "[Moves](#moves) · [TM Forum's states](#tm-forums-states) · [Exit codes](#exit-codes)"


def _events() -> Iterator[str]:
    yield from ("", "## Events", "")
    yield "Every line of the log is one of these, with the fields `time`, `level`, `daemon` and"
    yield "`event`, what it is about where that is one thing "
    yield f"({', '.join(f'`{name}`' for name in sorted(CONTEXT))}), and its own fields. Under"
    yield "systemd they are fields of the journal in capitals: `journalctl EVENT=BATCH_HELD`, and"
    yield "each event has a MESSAGE_ID of its own. A line of warning or worse that says the same as"
    yield "one less than a minute before is held back; the next that is written counts them in"
    yield "`held_back`."
    yield ""
    yield "| event | level | fields | meaning | what to do | MESSAGE_ID |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for event in Event:
        fields = ", ".join(f"`{name}`" for name in sorted(event.fields))
        identity = f"`{event.message_id}`"
        what = (event.meaning, event.what_to_do, identity)
        yield _row(f"`{event.name}`", event.level, fields, *what)


def _reasons() -> Iterator[str]:
    yield from ("", "## Reasons", "")
    yield "The stable code of everything that is refused or set aside; it stands in the log, in a"
    yield "`.reason` file, in the batch's details and in an order's history."
    yield ""
    yield "| reason | meaning |"
    yield "| --- | --- |"
    for reason in Reason:
        yield _row(f"`{reason.value}`", reason.meaning)


def _rules() -> Iterator[str]:
    yield from ("", "## Rules of the fraud check", "")
    yield "What each adds to an order's score as delivered; the property of its name,"
    yield f"`{PREFIX}request.extract.fraud.weight.…`, sets another weight, and 0 turns it off."
    yield ""
    yield "| rule | weight | property | meaning |"
    yield "| --- | --- | --- | --- |"
    for rule in Rule:
        yield _row(f"`{rule.value}`", str(rule.weight), weight_of(rule), rule.sentence)


def _moves() -> Iterator[str]:
    yield from ("", "## Moves", "")
    yield "The only moves that an order and a batch can make; the database refuses all others."
    yield ""
    yield "| what | from | to |"
    yield "| --- | --- | --- |"
    for before, after in sorted(order.LEGAL_MOVES, key=str):
        yield _row("order", before.shown if before else "(entered)", after.shown)
    for kind, moves in batch.LEGAL_MOVES.items():
        for origin, target in sorted(moves, key=str):
            yield _row(f"batch, {kind.value}", str(origin or "(made)"), str(target))


def _tmf622() -> Iterator[str]:
    yield from ("", "## TM Forum's states", "")
    yield "`cmp-orders order show --json` tells in `tmf622_state` where an order stands, in the"
    yield "words of TM Forum's Product Ordering API (TMF622, version 4)."
    yield ""
    yield "| state | the order is |"
    yield "| --- | --- |"
    for state in tmf622.State:
        yield _row(f"`{state.value}`", state.meaning)


def _exits() -> Iterator[str]:
    yield from ("", "## Exit codes", "")
    yield "| code | daemons | `cmp-orders` |"
    yield "| --- | --- | --- |"
    console = dict(re.findall(r"^\| (\d+) \| (.+) \|$", exits.__doc__ or "", re.MULTILINE))
    for code in sorted({*map(int, console), *DAEMON_EXITS}):
        yield _row(str(code), DAEMON_EXITS.get(code, ""), console.get(str(code), ""))


def _row(*cells: str) -> str:
    return "| " + " | ".join(_cells(cells)) + " |"


def _cells(cells: Iterable[str]) -> Iterator[str]:
    return (" ".join(cell.split()).replace("|", "\\|") for cell in cells)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  # its purpose
