"""All 830 orders of Northwind, over three warehouses of different granularity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests import postgres
from tests.real import arrived, northwind, processes
from tests.real.sources import Order, write_csv, write_json_lines, write_products
from tests.site import Site

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Journey:
    """The orders of the source, and the installation through which they went."""

    orders: dict[str, Order]
    products: dict[str, tuple[str, str]]
    """Description and warehouse of each product."""
    site: Site
    file: Path
    summary: dict[str, Any]


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, postgres_host: str) -> Iterator[Journey]:
    """Every order from `order submit` to its bill, with the fraud check asked for."""
    dump = northwind.tables()
    orders, products = northwind.orders(dump), northwind.products(dump)
    folder = tmp_path_factory.mktemp("northwind")
    with postgres.clone(postgres_host) as database:
        # With the check, the contacts go along too.
        check = {"sales.order.request.extract.fraudcheckrequired": "true"}
        site = Site(folder, database, settings=check)
        write_products(folder / "products.jsonl", products)
        processes.import_products(site, folder / "products.jsonl", count=77)
        file = folder / "orders.jsonl"
        write_json_lines(file, orders)
        _, summary = processes.submit(site, file, folder / "refused.jsonl")
        site.once()
        site.answer()
        site.once()
        known = {code: (description, place) for code, description, place in products}
        yield Journey({order.reference: order for order in orders}, known, site, file, summary)


def test_all_are_served(journey: Journey) -> None:
    """Every order, from whichever of 21 countries and with or without a postcode, ends Complete."""
    parties = [order.party for order in journey.orders.values() if order.party]
    assert len(parties) == 830
    assert sum(party.post_code is None for party in parties) == 19
    assert len({party.country for party in parties}) == 21
    assert (journey.summary["entered"], journey.summary["items"]) == (830, 2155)
    assert journey.summary["refused"] == 0
    assert arrived.statuses(journey.site) == {"COMPLETE": 830}


def test_addresses_arrive_as_they_are(journey: Journey) -> None:
    """Names, addresses, contacts and products stand in the partners' files letter by letter as in
    the source; each warehouse has each order once, and all of its lines that it serves.
    """
    reference_of = arrived.references(journey.site)
    for warehouse in journey.site.warehouses:
        found: dict[str, Counter[tuple[str, str, Decimal]]] = {}
        for request in arrived.requests(journey.site, warehouse):
            reference = reference_of[request["id"]]
            assert reference not in found
            party = journey.orders[reference].party
            assert party is not None
            assert _bytes(request["deliveryAddress"]) == _bytes(party.address()), reference
            assert _bytes(request["contactDetails"]) == _bytes(party.contacts()), reference
            # A warehouse of granularity UNIT has a line for each unit.
            found[reference] = Counter()
            for line in request["lines"]:
                price = Decimal(line["unitPrice"])
                key = (line["productCode"], line["description"], price)
                found[reference][key] += line["quantity"]
        assert found == _asked_of(warehouse, journey)


def test_charges(journey: Journey) -> None:
    """Every item is charged, with exactly its quantity times its price, 9.80000019 included."""
    expected = {
        (order.reference, number): item.amount
        for order in journey.orders.values()
        for number, item in enumerate(order.items, 1)
    }
    assert len(expected) == 2155
    assert expected["10248", 2] == Decimal("98.0000019")
    assert arrived.charged(journey.site) == expected
    total = journey.site.rows("select currency, sum(amount) from charge group by currency")
    assert total == [("USD", sum(expected.values()))]


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_submitted_again(journey: Journey, tmp_path: Path, kind: str) -> None:
    """The same orders once more, in either format, are known and the same: nothing is entered."""
    again = journey.file
    if kind == "csv":
        again = tmp_path / "orders.csv"
        write_csv(again, journey.orders.values())
    ended, summary = processes.submit(journey.site, again, tmp_path / "refused.jsonl")
    assert (summary["already_there"], summary["entered"], summary["refused"]) == (830, 0, 0)
    assert ended.code == 0
    assert arrived.statuses(journey.site) == {"COMPLETE": 830}


def _asked_of(warehouse: str, journey: Journey) -> dict[str, Counter[tuple[str, str, Decimal]]]:
    """By order, how many units of which product, with its description and price, it is to send."""
    expected = {}
    for reference, order in journey.orders.items():
        wanted: Counter[tuple[str, str, Decimal]] = Counter()
        for item in order.items:
            description, place = journey.products[item.product]
            if place == warehouse:
                wanted[item.product, description, Decimal(item.price)] += int(item.quantity)
        if wanted:
            expected[reference] = wanted
    return expected


def _bytes(values: dict[str, Any]) -> dict[str, Any]:
    """The texts as their UTF-8, so that no two spellings of a letter pass for one."""
    return {
        name: [line.encode() for line in value] if isinstance(value, list) else value.encode()
        for name, value in values.items()
    }
