"""Northwind (pthom/northwind_psql, Ms-PL): 830 orders of 2,155 lines to 21 countries.

The dump keeps prices as PostgreSQL once printed its four-byte floats: 9.80000019 is the price.
Taken as they are: who and where to deliver to, products, quantities, prices, dates, and the
customer's contact and phone. Decided here, because the source has no such thing: the account's
number is the customer's place in its table, the currency is USD, the delivery method is the
shipper's name, and the products are dealt to three warehouses in turn. Left out: freight, and the
discount of a line, since an order has the one price and is billed at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tests.real.sources import Item, Order, Party, source

WAREHOUSES: Final = ("LONDON", "LEEDS", "BELFAST")

# The names that the source uses, as ISO 3166-1 alpha-2.
COUNTRIES: Final = {
    "Argentina": "AR", "Austria": "AT", "Belgium": "BE", "Brazil": "BR", "Canada": "CA",
    "Denmark": "DK", "Finland": "FI", "France": "FR", "Germany": "DE", "Ireland": "IE",
    "Italy": "IT", "Mexico": "MX", "Norway": "NO", "Poland": "PL", "Portugal": "PT",
    "Spain": "ES", "Sweden": "SE", "Switzerland": "CH", "UK": "GB", "USA": "US",
    "Venezuela": "VE",
}  # fmt: skip

Row = tuple[str | None, ...]

_INSERT: Final = re.compile(r"INSERT INTO (\w+) VALUES \(")
_VALUE: Final = re.compile(r"'((?:[^']|'')*)'|(NULL)|(-?[0-9]+(?:\.[0-9]+)?)")


def inserts(text: str) -> Iterator[tuple[str, Row]]:
    """Each inserted row and its table, NULL as None; ValueError for what is not understood.

    Quotes are doubled in a text and a backslash is itself, as in standard SQL.
    """
    for insert in _INSERT.finditer(text):
        at = insert.end()
        row: list[str | None] = []
        while True:
            value = _VALUE.match(text, at)
            if value is None:
                raise ValueError(f"no value at {at} of {insert[1]}")
            quoted, null, number = value.groups()
            row.append(None if null else number if quoted is None else quoted.replace("''", "'"))
            at = value.end()
            if text.startswith(");", at):
                break
            if not text.startswith(", ", at):
                raise ValueError(f"neither a comma nor the end at {at} of {insert[1]}")
            at += 2
        yield insert[1], tuple(row)


def tables() -> dict[str, list[Row]]:
    """Every table of the dump with its rows, columns as its `create table` has them."""
    text = source("northwind", "northwind.sql").read_text(encoding="utf-8")
    found: dict[str, list[Row]] = {}
    for table, row in inserts(text):
        found.setdefault(table, []).append(row)
    return found


def products(dump: dict[str, list[Row]]) -> list[tuple[str, str, str]]:
    """(code, description, warehouse) of each product, the warehouses in turn."""
    return [
        (_text(row[0]), _text(row[1]), WAREHOUSES[place % len(WAREHOUSES)])
        for place, row in enumerate(dump["products"])
    ]


def orders(dump: dict[str, list[Row]]) -> list[Order]:
    """All orders with their lines, as the dump lists them."""
    items: dict[str, list[Item]] = {}
    for order, product, price, quantity, _discount in dump["order_details"]:
        items.setdefault(_text(order), []).append(
            Item(_text(product), _text(quantity), _text(price))
        )
    customers = {
        row[0]: (str(number), row[2], row[9]) for number, row in enumerate(dump["customers"], 1)
    }
    shippers = {row[0]: _text(row[1]) for row in dump["shippers"]}
    found = []
    for reference, customer, _, date, _, _, via, _, name, address, *place in dump["orders"]:
        city, region, post_code, country = place
        account, contact, phone = customers[customer]
        party = Party(
            name=_text(name),
            lines=(_text(address),),
            town=city,
            county=region,
            post_code=post_code,
            country=COUNTRIES[_text(country)],
            contact=contact,
            phone=phone,
        )
        found.append(
            Order(
                reference=_text(reference),
                account=account,
                currency="USD",
                method=shippers[via],
                entered_at=f"{date}T00:00:00Z",
                party=party,
                items=tuple(items[_text(reference)]),
            )
        )
    return found


def _text(value: str | None) -> str:
    assert value is not None
    return value
