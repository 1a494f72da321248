"""An order's whole story for people: what it is, where it stands, and everything that happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.text import Text

from console import show
from core.domain.order import OrderStatus
from core.domain.tmf622 import State, state

Row = dict[str, Any]
LONG = 30
"""Rows of one table that are shown; --json prints all."""


def tmf622(order: Row) -> State:
    """The order's state in the words of TM Forum."""
    return state(
        OrderStatus(order["status"]),
        generation=order["generation"],
        dispatched=sum(item["dispatched"] for item in order["items"]),
        held=any(hold["released_at"] is None for hold in order["holds"]),
        cancellation_asked=any(one["answered_at"] is None for one in order["cancellations"]),
    )


def tell(console: Console, order: Row) -> None:
    """Print it, the newest part last, with nothing for what there is nothing of."""
    console.print(_head(order))
    for title, columns, rows, line in (
        ("Items", _ITEM, order["items"], _item),
        ("Reserved in stock", _RESERVED, order["reserved"], _reserved),
        ("Request lines", _LINE, order["lines"], _line),
        ("Fraud check before sending", _CHECK, order["fraud_checks"], _check),
        ("Holds", _HOLD, order["holds"], _hold),
        ("Awaiting a batch", _QUEUED, order["queued"], _queued),
        ("Asked of the warehouses", _REQUEST, order["requests"], _request),
        ("Cancellation asked of the warehouses", _CANCEL, order["cancellations"], _cancellation),
        ("Answers of the warehouses", _DISPATCH, order["dispatches"], _dispatch),
        ("Units", _UNIT, order["units"], _unit),
        ("Charges", _CHARGE, order["charges"], _charge),
        ("History", _HISTORY, order["history"], _history),
    ):
        _part(console, title, columns, rows, line)


def _part(
    console: Console,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Row],
    line: Callable[[Row], Sequence[object]],
) -> None:
    if not rows:
        return
    console.print()
    shown = show.table(columns, [line(row) for row in rows[:LONG]], title=title)
    console.print(shown)
    if len(rows) > LONG:
        console.print(f"... and {len(rows) - LONG:,} more: --json shows all", style="dim")
    notes = [note for row in rows[:LONG] for note in _notes(row)]
    if notes:
        console.print(Group(*(Padding(Text(note, style="red"), (0, 0, 0, 2)) for note in notes)))


def _head(order: Row) -> Group:
    status = Text(
        OrderStatus(order["status"]).shown, style=show.STYLES.get(order["status"], "bold")
    )
    held = [hold["kind"] for hold in order["holds"] if hold["released_at"] is None]
    title = Text.assemble(
        ("Order ", "bold"),
        (str(order["id"]), "bold"),
        "  ",
        status,
        " since ",
        show.cell(order["status_at"]),
    )
    if held:
        title.append(f"  held ({', '.join(held)})", style="yellow")
    facts = [
        ("why", order["status_reason"]),
        ("reference", order["reference"]),
        ("account", order["account_id"]),
        ("entered", order["entered_at"]),
        ("delivery", order["delivery_method"]),
        ("instructions", order["delivery_instructions"]),
        ("to", ", ".join(_address(order))),
        ("contact", ", ".join(_present(order, "contact_name", "contact_email", "contact_phone"))),
    ]
    told = show.table(("", ""), [fact for fact in facts if fact[1]])
    told.show_header = False
    return Group(title, told)


def _address(order: Row) -> list[str]:
    return [
        order["delivery_name"],
        *order["delivery_lines"],
        *_present(order, "town", "county", "post_code", "country"),
    ]


def _present(order: Row, *names: str) -> list[str]:
    return [order[name] for name in names if order[name]]


_ITEM = (
    ">item",
    "product",
    "warehouse",
    ">quantity",
    ">price",
    ">open",
    ">dispatched",
    ">cancelled",
)


def _item(row: Row) -> Sequence[object]:
    names = ("item_no", "product_code", "warehouse", "quantity", "unit_price")
    return [row[name] for name in (*names, "open", "dispatched", "cancelled")]


_RESERVED = ("warehouse", "product", ">quantity")


def _reserved(row: Row) -> Sequence[object]:
    return [row["warehouse"], row["product_code"], row["quantity"]]


_LINE = (
    ">line",
    "for item",
    "warehouse",
    ">quantity",
    ">dispatched",
    ">cancelled",
    ">rejected",
    "",
)


def _line(row: Row) -> Sequence[object]:
    left = row["quantity"] - row["dispatched"] - row["cancelled"] - row["rejected"]
    remark = ""
    if row["superseded"]:
        remark = "requested anew"
    elif left and row["back_ordered_at"]:
        remark = "back-ordered"
    elif left:
        remark = f"{left} open"
    if row["excess"]:
        remark = f"{row['excess']} more than asked"
    if back := row["returned"] + row["excess_returned"]:
        remark = f"{back} came back"
    names = ("warehouse", "quantity", "dispatched", "cancelled", "rejected")
    items = row["merged_items"] if row["item_no"] is None else row["item_no"]
    return [row["id"], items, *(row[name] for name in names), remark]


_CHECK = ("verdict", ">score", "reasons", "by", "at")


def _check(row: Row) -> Sequence[object]:
    verdict = row["verdict"] + (", counts no more" if row["stale"] else "")
    return [verdict, row["score"], row["reasons"], row["checker"], row["checked_at"]]


_HOLD = ("hold", "why", "")


def _hold(row: Row) -> Sequence[object]:
    ended = row["released_at"] and (
        f"{(row['decision'] or 'released').lower()} {show.moment(row['released_at'])}"
    )
    by = row["released_by"] and f"by {row['released_by']}"
    placed = f"placed {show.moment(row['placed_at'])}", f"by {row['placed_by']}"
    return [row["kind"], row["reason"], _below(*placed, ended, by, row["release_reason"])]


_QUEUED = ("warehouse", "since", ">lines")


def _queued(row: Row) -> Sequence[object]:
    return [row["warehouse"], row["queued_at"], row["line_count"]]


_REQUEST = (">batch", "file", "")


def _request(row: Row) -> Sequence[object]:
    stage = f"{row['stage']}, {row['stage_status']}"
    sealed = row["sealed_at"] and f"sealed {show.moment(row['sealed_at'])}"
    taken = row["taken_at"] and f"taken  {show.moment(row['taken_at'])}"
    told = row["verdict"] and f"{row['verdict'].lower()} {show.moment(row['acknowledged_at'])}"
    again = f"published again ({row['resent']})" if row["resent"] else None
    file = row["file"] or f"({row['warehouse']}, not sealed)"
    return [row["batch"], file, _below(None if taken else stage, sealed, again, taken, told)]


_CANCEL = ("warehouse", "why", "answer", "")


def _cancellation(row: Row) -> Sequence[object]:
    sent = row["sent_at"] and f"sent {show.moment(row['sent_at'])} in {row['file']}"
    answered = row["answered_at"] and f"answered {show.moment(row['answered_at'])}"
    asked = f"asked {show.moment(row['asked_at'])}", f"by {row['asked_by']}"
    answer = row["status"].replace("_", " ").title()
    return [row["warehouse"], row["reason"], answer, _below(*asked, sent, answered)]


_DISPATCH = (">batch", "file", "")


def _dispatch(row: Row) -> Sequence[object]:
    sent = " ".join([row["carrier"] or "", *row["tracking"]]).strip()
    applied = f"applied {show.moment(row['applied_at'])}" if row["applied_at"] else row["reason"]
    return [
        row["batch"],
        row["file"] or (row["entered_by"] and f"entered by {row['entered_by']}"),
        _below(f"{row['status']} {row['dispatch_id']}", sent, applied),
    ]


def _below(*lines: str | None) -> Text:
    """What is there of these, one below the other."""
    return Text("\n".join(show.printable(line) for line in lines if line))


_UNIT = (">line", ">unit", "serial number", "IMEI", "ICCID", "other", "")


def _unit(row: Row) -> Sequence[object]:
    other = ", ".join(f"{name} {value}" for name, value in (row["attributes"] or {}).items())
    names = ("line_id", "unit_no", "serial_number", "imei", "iccid")
    return [*(row[name] for name in names), other, "" if row["active"] else "came back"]


_CHARGE = (">line", "dispatch", "product", ">quantity", ">price", ">amount", "")


def _charge(row: Row) -> Sequence[object]:
    names = (
        "line_id",
        "dispatch_id",
        "product_code",
        "quantity",
        "unit_price",
        "amount",
        "currency",
    )
    return [row[name] for name in names]


_HISTORY = ("at", "to", "by", "why")


def _history(row: Row) -> Sequence[object]:
    return [row["at"], OrderStatus(row["to_status"]).shown, row["who"], row["why"]]


def _notes(row: Row) -> Iterable[str]:
    """What went wrong with a batch or a record, under its table."""
    # A cancellation is in a batch, and has a person's reason: that stands in its own table.
    if "batch" in row and "sentence" in row and row["reason"]:
        yield f"batch {row['batch']}: {row['reason']}: {show.printable(row['sentence'] or '')}"
    if row.get("verdict") == "REJECTED":
        words = f"{row['verdict_reason']}: {show.printable(row['verdict_sentence'] or '')}"
        yield f"batch {row['batch']}, the warehouse has rejected the file: {words}"
    for error in row.get("errors") or ():
        told = f"{error.get('id')}: {error.get('errorMessage')}"
        yield f"batch {row['batch']}, the warehouse says {show.printable(told)}"
