"""Northwind's own stock decides which of its 830 orders can be served, in the order of their dates.

What is expected is worked out here by counting, far from the code under test, and written down.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests import postgres
from tests.real import northwind, processes
from tests.real.sources import Order, write_json_lines, write_products
from tests.site import Site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.northwind import Row

UNITS_IN_STOCK = 6
"""The column of the table of products."""


@dataclass(frozen=True)
class Source:
    """The orders by date, the products with their warehouse, and how many there are of each."""

    orders: list[Order]
    products: list[tuple[str, str, str]]
    units: dict[str, int]

    @property
    def place(self) -> dict[str, str]:
        """The warehouse of each product."""
        return {code: warehouse for code, _, warehouse in self.products}


@pytest.fixture(scope="module")
def source() -> Source:
    """The source, orders of one day by their number."""
    dump = northwind.tables()
    orders = sorted(northwind.orders(dump), key=lambda one: (one.entered_at, one.reference))
    return Source(orders, northwind.products(dump), _units(dump["products"]))


def _units(rows: Iterable[Row]) -> dict[str, int]:
    return {str(row[0]): int(row[UNITS_IN_STOCK] or 0) for row in rows}


@contextmanager
def installed(
    folder: Path, host: str, source: Source, *, place: str | None = None, **settings: str
) -> Iterator[Site]:
    """An installation that has counted its stock: each product where it is, or all at one place."""
    with postgres.clone(host) as database:
        names = {f"sales.order.stock.{name}": value for name, value in settings.items()}
        site = Site(folder, database, settings=names)
        write_products(folder / "products.jsonl", source.products)
        processes.import_products(site, folder / "products.jsonl", count=77)
        counts = folder / "counts.jsonl"
        counts.write_text(
            "".join(
                json.dumps(
                    {
                        "warehouse": place or source.place[code],
                        "product": code,
                        "onHand": source.units[code],
                    }
                )
                + "\n"
                for code in source.place
            )
        )
        ended = processes.run(site, "console.main", "stock", "import", counts, "--json")
        assert json.loads(ended.output)["new"] == 77
        yield site


def expected(source: Source, *, split: bool) -> tuple[set[str], Counter[str]]:
    """The orders that can be served, one after the other, and the units that they take."""
    left = Counter(source.units)
    served = set()
    for order in source.orders:
        wanted: Counter[str] = Counter()
        for item in order.items:
            wanted[item.product] += int(item.quantity)
        apart = len({source.place[product] for product in wanted}) > 1
        if (split or not apart) and all(left[product] >= wanted[product] for product in wanted):
            left -= wanted
            served.add(order.reference)
    return served, Counter(source.units) - left


def submitted(site: Site, source: Source, folder: Path) -> tuple[int, int]:
    """Submit all orders; how many are short, and how many units are on back-order."""
    write_json_lines(folder / "orders.jsonl", source.orders)
    _, summary = processes.submit(site, folder / "orders.jsonl", folder / "refused.jsonl")
    assert (summary["entered"], summary["refused"]) == (830, 0)
    told = (folder / "refused.jsonl").read_text().splitlines()
    assert len(told) == summary["short"]
    return summary["short"], summary["units_back_ordered"]


def served(site: Site) -> set[str]:
    """The references of the orders that went on."""
    rows = site.rows("select reference from sales_order where status <> 'NEW'")
    return {row[0] for row in rows}


def taken(site: Site) -> Counter[str]:
    """Units that are reserved, by product."""
    return Counter(dict(site.rows("select product_code, reserved from stock where reserved > 0")))


def test_the_source(source: Source) -> None:
    """The stock of the source: 3,119 units of 77 products, for which 51,317 are asked."""
    assert (len(source.units), sum(source.units.values())) == (77, 3119)
    asked = sum(int(item.quantity) for order in source.orders for item in order.items)
    assert (len(source.orders), asked) == (830, 51317)


def test_each_product_at_its_warehouse(tmp_path: Path, postgres_host: str, source: Source) -> None:
    """95 orders of 2,059 units can be served, 735 are short. The 95 go all the way, and leave on
    hand exactly what they did not take.
    """
    who, units = expected(source, split=True)
    assert (len(who), units.total()) == (95, 2059)
    with installed(tmp_path, postgres_host, source) as site:
        assert submitted(site, source, tmp_path) == (735, 0)
        assert (served(site), taken(site)) == (who, units)
        site.once()
        site.answer()
        site.once()
        assert site.rows("select status, count(*) from sales_order group by 1 order by 1") == [
            ("COMPLETE", 95), ("NEW", 735),
        ]  # fmt: skip
        on_hand = dict(site.rows("select product_code, on_hand from stock"))
        assert on_hand == {code: count - units[code] for code, count in source.units.items()}
        assert site.rows("select sum(reserved), sum(unrecorded) from stock") == [(0, 0)]
        ended = processes.run(site, "console.main", "reconcile", "--json")
        assert json.loads(ended.output) == []


def test_all_at_one_warehouse(tmp_path: Path, postgres_host: str, source: Source) -> None:
    """With all of it in one place the same 95 are served, though splitting is forbidden."""
    who, units = expected(source, split=True)
    with installed(tmp_path, postgres_host, source, place="LEEDS", split="false") as site:
        assert submitted(site, source, tmp_path) == (735, 0)
        assert (served(site), taken(site)) == (who, units)
        assert site.rows("select distinct warehouse_id from reservation") == [("LEEDS",)]


def test_without_splitting(tmp_path: Path, postgres_host: str, source: Source) -> None:
    """Where an order must come from one warehouse, 92 are served: others than before."""
    who, units = expected(source, split=False)
    assert (len(who), units.total()) == (92, 1599)
    assert who != expected(source, split=True)[0]
    with installed(tmp_path, postgres_host, source, split="false") as site:
        assert submitted(site, source, tmp_path) == (738, 0)
        assert (served(site), taken(site)) == (who, units)


def test_with_back_orders(tmp_path: Path, postgres_host: str, source: Source) -> None:
    """Where every warehouse takes back-orders all 830 go on: of each product what there is, is
    reserved, and the rest is on back-order.
    """
    asked: Counter[str] = Counter()
    for order in source.orders:
        for item in order.items:
            asked[item.product] += int(item.quantity)
    kept = Counter({code: min(asked[code], count) for code, count in source.units.items() if count})
    with installed(tmp_path, postgres_host, source) as site:
        site.owner.execute("update warehouse set back_order = true")
        short, later = submitted(site, source, tmp_path)
        assert (short, later) == (0, asked.total() - kept.total())
        assert taken(site) == +kept
