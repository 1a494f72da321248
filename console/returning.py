"""Enters what a customer sends back and no file of the warehouse tells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.exits import Refusal
from console.order_moves import checked, find
from console.show import printable
from core.db import orders, returns
from core.domain.attributes import normalise

if TYPE_CHECKING:
    import psycopg

Line = tuple[int, int, list[dict[str, str | None]]]
"""Request line, units, and their numbers."""


def by_numbers(conn: psycopg.Connection, order: int, numbers: Sequence[str]) -> dict[int, Line]:
    """The lines of which units with these numbers are out; Refusal of a number that is not."""
    # As they are on record, however they are typed.
    wanted = {normalise(number) for number in numbers}
    found = returns.units_away(conn, order, sorted(wanted))
    missing = sorted(wanted - {number for number, _, _ in found})
    if missing:
        raise Refusal(
            f"no unit of order {order} is out with {', '.join(map(printable, missing))}: "
            "cmp-orders order show lists its units"
        )
    units: dict[int, list[dict[str, str | None]]] = defaultdict(list)
    for _, line, unit in found:
        # Named by its serial number and by its IMEI it is one unit all the same.
        if unit not in units[line]:
            units[line].append(unit)
    return {line: (line, len(those), those) for line, those in units.items()}


def by_product(
    conn: psycopg.Connection, order: int, product: str, quantity: int
) -> dict[int, Line]:
    """The first lines of this product with so many units out; Refusal if there are not as many."""
    lines: dict[int, Line] = {}
    left, numbered = quantity, 0
    for line, _, code, out, units in returns.lines_away(conn, order):
        # Of units with numbers on record it has to be known which they are.
        plain = out - units if code == product else 0
        numbered += units if code == product else 0
        if plain and left:
            lines[line] = (line, min(plain, left), [])
            left -= lines[line][1]
    if left:
        more = f"; {numbered} more have numbers, and are named by --unit" if numbered else ""
        raise Refusal(
            f"order {order} has {quantity - left} units of {printable(product)} out, "
            f"not {quantity}{more}"
        )
    return lines


def enter(
    conn: psycopg.Connection,
    name: str,
    *,
    numbers: Sequence[str],
    product: str | None,
    quantity: int,
    damaged: bool,
    reason: str,
) -> str:
    """Enter a return, one batch a warehouse; what was done, as a sentence."""
    checked(reason)
    order = find(conn, name)
    with conn.transaction():
        orders.lock(conn, order)
        if product is None:
            chosen = by_numbers(conn, order, numbers)
        else:
            chosen = by_product(conn, order, product, quantity)
        of_house: dict[str, list[Line]] = defaultdict(list)
        for line, warehouse, *_ in returns.lines_away(conn, order):
            if line in chosen:
                of_house[warehouse].append(chosen[line])
        made = [
            returns.enter(conn, warehouse, order, lines, damaged=damaged, reason=reason)
            for warehouse, lines in of_house.items()
        ]
    units = sum(count for _, count, _ in chosen.values())
    batches = ", ".join(map(str, made))
    return (
        f"the return of {units} units of order {order} is entered in batch {batches}: Dispatch "
        "takes it in"
    )
