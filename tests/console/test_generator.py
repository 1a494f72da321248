"""The invented catalogue and its orders."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from console import generator
from console.exits import Refusal
from core.documents.validation import Schema

COUNT = 400


@pytest.fixture(scope="module")
def orders() -> list[dict[str, Any]]:
    """Enough orders that everything that can happen does."""
    return list(generator.orders(1, COUNT, generator.catalogue(1)))


def test_the_same_seed_makes_the_same_orders(orders: list[dict[str, Any]]) -> None:
    """A run can be repeated, also with another number of orders; another seed makes others."""
    assert list(generator.orders(1, 50, generator.catalogue(1))) == orders[:50]
    assert list(generator.orders(2, 50, generator.catalogue(2))) != orders[:50]


def test_every_order_can_be_submitted(orders: list[dict[str, Any]]) -> None:
    """Each matches the schema of `order submit`, under a reference of its own."""
    schema = Schema("order")
    for order in orders:
        schema.validate(order)
        assert 1 <= len(order["items"]) <= 5
    assert len({order["reference"] for order in orders}) == COUNT


def test_every_product_can_be_imported() -> None:
    """Each matches the schema of `product import`; what has attributes is serialised."""
    schema = Schema("product")
    products = generator.catalogue(1).products
    for product in products:
        schema.validate(product.record())
    assert len({product.code for product in products}) == len(products)
    assert {place.id for place in generator.PLACES} == {one.warehouse for one in products}


def test_the_catalogue_has_one_of_everything() -> None:
    """IMEI, ICCID and serial numbers, products without any, one that is not billed, and prices of
    each scale from whole pounds to a tenth of a penny.
    """
    products = generator.catalogue(1).products
    assert {("serialNumber", "imei"), ("iccid",), ("serialNumber",), ()} == {
        product.attributes for product in products
    }
    assert [product.code for product in products if not product.billable] == ["WELCOME-PACK"]
    assert {0, 1, 2, 3} <= {-int(product.price.as_tuple().exponent) for product in products}


def served(orders: list[dict[str, Any]]) -> Iterator[set[str]]:
    """The warehouses that serve each order."""
    home = {one.code: one.warehouse for one in generator.catalogue(1).products}
    for order in orders:
        yield {item.get("warehouse", home[item["product"]]) for item in order["items"]}


def test_the_orders_reach_every_corner(orders: list[dict[str, Any]]) -> None:
    """Some are served by two warehouses, some buy several of one thing, some name a product twice,
    some cost nothing, and every warehouse has its share.
    """
    places = list(served(orders))
    assert {1, 2} == {len(one) for one in places}
    for place in generator.PLACES:
        assert sum(place.id in one for one in places) > COUNT / 20
    items = [item for order in orders for item in order["items"]]
    assert max(item["quantity"] for item in items) > 1
    assert min(Decimal(item["unitPrice"]) for item in items) == 0
    assert any(
        len({item["product"] for item in order["items"]}) < len(order["items"]) for order in orders
    )


def test_nobody_is_called_or_written_to(orders: list[dict[str, Any]]) -> None:
    """Telephone numbers and mail addresses are of the ranges that are kept free for fiction."""
    for order in orders:
        assert order["contact"]["phone"].startswith("07700 900")
        assert order["contact"]["email"].endswith("@example.org")


def test_without_faker_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional; whoever lacks it is told its name."""
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(Refusal, match=r"sales-orders\[demo\]"):
        list(generator.orders(1, 1, generator.catalogue(1)))
