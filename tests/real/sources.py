"""Where the real data lies, and a real order in the words of `order submit`, values untouched."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

REPOSITORY: Final = Path(__file__).parents[2]
DATA: Final = REPOSITORY.parent / "shared" / "data"


def source(folder: str, name: str) -> Path:
    """A file of the data; without it the test is skipped, with the reason."""
    path = DATA / folder / name
    if not path.exists():
        pytest.skip(f"the real data is not there: ../shared/data/{folder}/{name}")
    return path


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a source. The numbers are its digits, since a float would change some."""

    product: str
    quantity: str
    price: str

    @property
    def amount(self) -> Decimal:
        """What the line comes to, unrounded: computed here, far from the code under test."""
        return Decimal(self.quantity) * Decimal(self.price)


@dataclass(frozen=True, slots=True)
class Party:
    """Whom and where to deliver; None is what the source leaves open."""

    name: str
    lines: tuple[str, ...]
    country: str
    town: str | None = None
    county: str | None = None
    post_code: str | None = None
    contact: str | None = None
    phone: str | None = None

    def address(self) -> dict[str, Any]:
        """The party as `deliveryAddress` of a request file, and `delivery` of an order, has it."""
        return _given(
            name=self.name,
            lines=list(self.lines),
            town=self.town,
            county=self.county,
            postCode=self.post_code,
            country=self.country,
        )

    def contacts(self) -> dict[str, str]:
        """The party as `contactDetails` and `contact` have it; empty where nothing is known."""
        return _given(name=self.contact, phone=self.phone)


@dataclass(frozen=True, slots=True)
class Order:
    """One order of a source; without an account there is nobody to deliver to either."""

    reference: str
    account: str | None
    currency: str
    method: str
    entered_at: str
    party: Party | None
    items: tuple[Item, ...]


def json_line(order: Order) -> str:
    """The order as one line for `order submit`; numbers stand as they stand in the source."""
    head = _given(
        reference=order.reference,
        currency=order.currency,
        deliveryMethod=order.method,
        enteredAt=order.entered_at,
        delivery=order.party and order.party.address(),
        contact=(order.party and order.party.contacts()) or None,
    )
    account = f', "accountId": {order.account}' if order.account else ""
    items = ", ".join(
        f'{{"product": {json.dumps(item.product)}, "quantity": {item.quantity},'
        f' "unitPrice": {item.price}}}'
        for item in order.items
    )
    # The dialect of JSON that leaves letters as they are, so that UTF-8 itself is read.
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}{account}, "items": [{items}]}}\n'


def write_json_lines(path: Path, orders: Iterable[Order]) -> None:
    """All of them, in their order."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(map(json_line, orders))


def write_csv(path: Path, orders: Iterable[Order]) -> None:
    """The same orders as CSV, one row an item; only for orders with an account and a party."""
    lines = [f"deliveryLine{number}" for number in range(1, 3)]
    place = ["deliveryName", *lines, "town", "county", "postCode", "country"]
    head = ["reference", "accountId", "currency", "deliveryMethod", "enteredAt"]
    contact = ["contactName", "contactPhone"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*head, *contact, *place, "product", "quantity", "unitPrice"])
        for order in orders:
            party = order.party
            assert party is not None
            assert len(party.lines) <= len(lines)
            cells = (
                *(order.reference, order.account, order.currency, order.method, order.entered_at),
                *(party.contact, party.phone, party.name, *party.lines),
                *[""] * (len(lines) - len(party.lines)),
                *(party.town, party.county, party.post_code, party.country),
            )
            for item in order.items:
                writer.writerow([*cells, item.product, item.quantity, item.price])


def write_products(path: Path, products: Iterable[tuple[str, str, str]]) -> None:
    """(code, description, warehouse) as JSON lines for `product import`."""
    with path.open("w", encoding="utf-8") as file:
        for code, description, warehouse in products:
            product = {"code": code, "description": description, "warehouse": warehouse}
            file.write(json.dumps(product, ensure_ascii=False) + "\n")


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
