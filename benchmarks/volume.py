"""The orders of the benchmark: made from a seed, written as text for COPY, and counted as made.

What the end state must be follows from the numbers that are written here, not from the code that
is measured: units and charges are added up in Python while the files are written.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO

SEED = 20_261_124
FIRST_ENTERED = datetime(2025, 11, 24, tzinfo=UTC)
GRANULARITY = {"BELFAST": "PRODUCT", "CARDIFF": "ITEM", "LEEDS": "UNIT", "LONDON": "ITEM"}
"""Four warehouses; a quarter of the orders for each."""
ATTRIBUTES = {
    "BELFAST": "{serialNumber}",
    "CARDIFF": "{serialNumber}",
    "LEEDS": "{iccid}",
    "LONDON": "{serialNumber,imei}",
}
"""What a warehouse captures of each unit; all products are serialised, so each has a number."""
PRODUCTS = 100
"""A warehouse."""
NOT_BILLABLE = 20
"""Every so many products one is given away."""
ELSEWHERE = 20
"""Every so many orders the last item comes from another warehouse."""
QUANTITIES = (1, 1, 1, 2, 3)

ORDER_COLUMNS = (
    "id, reference, account_id, entered_at, currency, delivery_method, contact_name, "
    "contact_email, delivery_name, delivery_lines, town, post_code, country"
)
ITEM_COLUMNS = "order_id, item_no, product_code, quantity, unit_price, warehouse_id"
PRODUCT_COLUMNS = "code, description, warehouse_id, serialised, billable, attributes"

TOWNS = ("Bath", "Bristol", "Derby", "Ely", "Hull", "Luton", "Shrewsbury", "York")
NAMES = ("Amira O'Neill", "Bob Fletcher", "Chloë Brontë", "Dafydd Morgan", "Eve Hargreaves")


@dataclass(frozen=True, slots=True)
class Product:
    """One of the catalogue."""

    code: str
    warehouse: str
    price: Decimal
    billable: bool


@dataclass(slots=True)
class Totals:
    """What was written, and so what must have come out in the end."""

    orders: int = 0
    items: int = 0
    units: int = 0
    charges: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Volume:
    """The files, below `folder`, and what is in them."""

    folder: Path
    totals: Totals

    @property
    def orders(self) -> Path:
        """Rows of ORDER_COLUMNS."""
        return self.folder / "orders.tsv"

    @property
    def items(self) -> Path:
        """Rows of ITEM_COLUMNS."""
        return self.folder / "items.tsv"

    @property
    def products(self) -> Path:
        """Rows of PRODUCT_COLUMNS."""
        return self.folder / "products.tsv"


def write(folder: Path, orders: int, seed: int = SEED) -> Volume:
    """Write that many orders, two or three items each; the same for the same seed."""
    volume = Volume(folder, Totals())
    source = random.Random(seed)
    catalogue = {house: list(_products(source, house)) for house in GRANULARITY}
    with volume.products.open("w", encoding="utf-8") as file:
        for product in (one for of_house in catalogue.values() for one in of_house):
            billable = "t" if product.billable else "f"
            print(
                product.code, f"Product {product.code} of the autumn range", product.warehouse,
                "t", billable, ATTRIBUTES[product.warehouse], sep="\t", file=file,
            )  # fmt: skip
    with (
        volume.orders.open("w", encoding="utf-8") as heads,
        volume.items.open("w", encoding="utf-8") as items,
    ):
        for number in range(1, orders + 1):
            _write_order(source, number, heads)
            _write_items(source, number, catalogue, items, volume.totals)
    return volume


def _products(source: random.Random, house: str) -> Iterator[Product]:
    for number in range(PRODUCTS):
        price = Decimal(source.randrange(100, 90_000)) / 100
        yield Product(f"{house[:3]}-{number:04}", house, price, number % NOT_BILLABLE != 0)


def _write_order(source: random.Random, number: int, file: IO[str]) -> None:
    name = source.choice(NAMES)
    print(
        number,
        f"B-{number:09}",
        source.randrange(1, 30_000),
        FIRST_ENTERED + timedelta(seconds=number),
        "GBP",
        "STANDARD",
        name,
        f"customer{number}@example.com",
        name,
        f'{{"{source.randrange(1, 250)} Station Road","Flat {source.randrange(1, 40)}"}}',
        source.choice(TOWNS),
        f"LS{source.randrange(1, 29)} {source.randrange(1, 9)}AB",
        "GB",
        sep="\t",
        file=file,
    )


def _write_items(
    source: random.Random,
    number: int,
    catalogue: dict[str, list[Product]],
    file: IO[str],
    totals: Totals,
) -> None:
    houses = list(catalogue)
    house = houses[number % len(houses)]
    count = 2 + number // len(houses) % 2
    totals.orders += 1
    product = source.choice(catalogue[house])
    for item in range(1, count + 1):
        # Now and then an order has one product twice: PRODUCT merges the two.
        if item > 1 and source.random() > 1 / 10:
            product = source.choice(catalogue[house])
        if item == count and number % ELSEWHERE == 0:
            product = source.choice(catalogue[houses[(number + 1) % len(houses)]])
        quantity = source.choice(QUANTITIES)
        print(
            number, item, product.code, quantity, product.price, product.warehouse,
            sep="\t", file=file,
        )  # fmt: skip
        totals.items += 1
        totals.units += quantity
        if product.billable:
            totals.charges += quantity * product.price
