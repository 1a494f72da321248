"""Online Retail (UCI, CC BY 4.0): 541,909 lines of 25,900 invoices, with all their dirt.

Chen, Sain and Guo 2012, doi:10.1057/dbm.2012.17. The delivery parties are ours to add, because the
source has no addresses: each customer is paired with a practice of the NHS Organisation Data
Service (Open Government Licence v3.0; contains public sector information), by the number alone.

Taken as they are: invoice numbers, customers (17850.0 is the number of an account), stock codes,
descriptions, quantities, prices and times, which are taken for UTC. An invoice without a customer
has neither account nor party. Each line of an invoice is one item, even where the same stock code
stands twice. A price of 0 is a price: gifts are dispatched like all else, and charged with 0. A
cancellation (C before its number) is submitted like the others, and refused for its quantities.
The country of the customer is left out: the practices' addresses are British.
"""

from __future__ import annotations

import csv
import lzma
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.real.sources import Item, Order, Party, source

WAREHOUSE: Final = "LONDON"

# Practices on the Channel Islands, by the first letters of their code; all others count as GB.
_ISLANDS: Final = {"ALD": "GG", "GUE": "GG", "JER": "JE"}


class Line(NamedTuple):
    """One line of the source, as text."""

    invoice: str
    stock_code: str
    description: str
    quantity: str
    date: str
    price: str
    customer: str
    country: str


def lines() -> Iterator[Line]:
    """Every line, streamed out of the compressed file."""
    path = source("online-retail", "online_retail.csv.xz")
    with lzma.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        next(rows)
        yield from map(Line._make, rows)


@dataclass
class Survey:
    """What has to be known of the whole before the first invoice can be given out."""

    invoices: Counter[str] = field(default_factory=Counter)
    """How many lines each has: one of them is interrupted by another."""
    descriptions: dict[str, str] = field(default_factory=dict)
    """The first description of each stock code; some have none and are never sold."""


def survey() -> Survey:
    """Look at every line once."""
    found = Survey()
    for line in lines():
        found.invoices[line.invoice] += 1
        if line.description:
            found.descriptions.setdefault(line.stock_code, line.description)
    return found


def products(known: Survey) -> Iterator[tuple[str, str, str]]:
    """(code, description, warehouse) of whatever has a description."""
    for code, description in known.descriptions.items():
        yield code, description, WAREHOUSE


def parties() -> list[Party]:
    """The NHS practices, in the order of their file: five lines of address, whichever are used."""
    with source("nhs-ods", "epraccur.csv").open(encoding="utf-8", newline="") as file:
        return [
            Party(
                name=row[1],
                lines=tuple(line for line in row[4:9] if line),
                post_code=row[9] or None,
                phone=row[17] or None,
                country=_ISLANDS.get(row[0][:3], "GB"),
            )
            for row in csv.reader(file, strict=True)
        ]


def orders(known: Survey) -> Iterator[Order]:
    """Each invoice, as soon as its last line has come; only those begun are in memory."""
    practices = parties()
    begun: dict[str, list[Line]] = {}
    for line in lines():
        so_far = begun.setdefault(line.invoice, [])
        so_far.append(line)
        if len(so_far) == known.invoices[line.invoice]:
            yield _order(begun.pop(line.invoice), practices)


def _order(invoice: list[Line], practices: list[Party]) -> Order:
    first = invoice[0]
    return Order(
        reference=first.invoice,
        account=first.customer or None,
        currency="GBP",
        method="STANDARD",
        entered_at=f"{first.date.replace(' ', 'T')}Z",
        party=_party(first.customer, practices) if first.customer else None,
        items=tuple(Item(line.stock_code, line.quantity, line.price) for line in invoice),
    )


def _party(customer: str, practices: list[Party]) -> Party:
    """Two customers never share one: their numbers span less than there are practices."""
    return practices[int(float(customer)) % len(practices)]
