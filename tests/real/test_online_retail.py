"""Online Retail through real processes: the first 2,000 invoices, and all with `make test-full`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.real import arrived, online_retail, processes
from tests.real.sources import Party, json_line, write_products
from tests.site import DAEMONS, Site

if TYPE_CHECKING:
    from tests.postgres import Database
    from tests.real.processes import Ended

REASON = "SCHEMA_INVALID"
NO_CUSTOMER = "The document lacks the property accountId."


@dataclass
class Expected:
    """What has to become of some invoices, by the lines of the source alone."""

    refused: dict[str, str] = field(default_factory=dict)
    """The sentence for each that is no order; the first fault in the order of reading is told."""
    served: dict[str, list[tuple[str, int, Decimal]]] = field(default_factory=dict)
    """Stock code, quantity and price of each line of the others."""
    parties: dict[str, Party] = field(default_factory=dict)
    lines: int = 0

    def amounts(self) -> dict[tuple[str, int], Decimal]:
        """What to charge: each line by its place in its invoice, from 1."""
        return {
            (invoice, place): quantity * price
            for invoice, items in self.served.items()
            for place, (_, quantity, price) in enumerate(items, 1)
        }

    def reasons(self) -> dict[str, int]:
        """How many invoices have no customer, and how many others a quantity below 1."""
        told = list(self.refused.values())
        without = told.count(NO_CUSTOMER)
        return {
            name: count
            for name, count in {
                NO_CUSTOMER: without,
                "/items/*/quantity must be at least 1.": len(told) - without,
            }.items()
            if count
        }


def expected(invoices: set[str]) -> Expected:
    """Judged line by line over the whole raw file, not from the orders that were submitted.

    A negative price needs no rule: the two invoices that have one have no customer.
    """
    found = Expected()
    practices = online_retail.parties()
    for line in online_retail.lines():
        invoice, quantity = line.invoice, int(line.quantity)
        if invoice not in invoices:
            continue
        found.lines += 1
        items = found.served.setdefault(invoice, [])
        items.append((line.stock_code, quantity, Decimal(line.price)))
        if not line.customer:
            found.refused[invoice] = NO_CUSTOMER
        elif quantity < 1:
            sentence = f"/items/{len(items) - 1}/quantity must be at least 1."
            found.refused.setdefault(invoice, sentence)
        else:
            found.parties[invoice] = practices[int(Decimal(line.customer)) % len(practices)]
    for invoice in found.refused:
        del found.served[invoice]
    return found


def write_invoices(path: Path, known: online_retail.Survey, count: int | None) -> set[str]:
    """The first invoices, or all, as JSON lines; their numbers."""
    taken = set()
    with path.open("w", encoding="utf-8", newline="") as file:
        for order in islice(online_retail.orders(known), count):
            taken.add(order.reference)
            file.write(json_line(order))
    return taken


def travel(site: Site, count: int | None) -> tuple[Expected, dict[str, Any], dict[str, Ended]]:
    """Submit the first invoices, or all, and take them to their end, each step a process.

    Gives what is expected, the summary of `order submit`, and how each process ended.
    """
    known = online_retail.survey()
    write_products(site.root / "products.jsonl", online_retail.products(known))
    processes.import_products(site, site.root / "products.jsonl", count=3958)
    orders = site.root / "orders.jsonl"
    invoices = write_invoices(orders, known, count)
    steps: dict[str, Ended] = {}
    steps["submit"], summary = processes.submit(site, orders, refused_file(site))
    for name in DAEMONS[:2]:
        steps[name] = processes.daemon(site, name)
    steps["stand-in"] = processes.answer(site, online_retail.WAREHOUSE)
    for name in DAEMONS[2:]:
        steps[name] = processes.daemon(site, name)
    return expected(invoices), summary, steps


def refused_file(site: Site) -> Path:
    """Where `order submit` lists what it refused."""
    return site.root / "refused.jsonl"


def check_refusals(site: Site, wanted: Expected, summary: dict[str, Any]) -> None:
    """Each invoice that is no order is refused with its own reason, and no other one is."""
    told = list(map(json.loads, refused_file(site).read_text(encoding="utf-8").splitlines()))
    assert {one["reason"] for one in told} == {REASON}
    assert {one["reference"]: one["sentence"] for one in told} == wanted.refused
    assert len(told) == len(wanted.refused) == summary["refused"]
    rules = {one["rule"]: one["orders"] for one in summary["reasons"]}
    assert rules == wanted.reasons()
    assert summary["entered"] == len(wanted.served)
    assert summary["items"] == sum(map(len, wanted.served.values()))


def check_deliveries(site: Site, wanted: Expected) -> None:
    """Each order came to the warehouse once, for its party, with its lines one by one."""
    references = arrived.references(site)
    found = {}
    for request in arrived.requests(site, online_retail.WAREHOUSE):
        reference = references[request["id"]]
        assert reference not in found
        assert request["deliveryAddress"] == wanted.parties[reference].address(), reference
        found[reference] = [
            (line["productCode"], line["quantity"], Decimal(line["unitPrice"]))
            for line in request["lines"]
        ]
    assert found == wanted.served


def check_charges(site: Site, wanted: Expected) -> None:
    """Each order is Complete and each of its lines is charged, with quantity times price."""
    assert arrived.statuses(site) == {"COMPLETE": len(wanted.served)}
    amounts = wanted.amounts()
    assert arrived.charged(site) == amounts
    # A charge of 0 is a charge, and one dispatch makes one.
    total = site.rows("select currency, count(*), sum(amount) from charge group by currency")
    assert total == [("GBP", len(amounts), sum(amounts.values()))]


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Site:
    """An installation with one warehouse, of granularity ITEM."""
    return Site(tmp_path, database, warehouses={online_retail.WAREHOUSE: "ITEM"})


def test_first_invoices(site: Site) -> None:
    """Each of the first 2,000 invoices is refused with its reason, or arrives and is billed."""
    wanted, summary, _ = travel(site, 2_000)
    assert len(wanted.served) + len(wanted.refused) == 2_000
    check_refusals(site, wanted, summary)
    check_deliveries(site, wanted)
    check_charges(site, wanted)


@pytest.mark.full
def test_all_invoices(site: Site) -> None:
    """Each of all 25,900 invoices, 541,909 lines, is refused with its reason, or arrives and is
    billed; quantities of 80,995 and prices of 0.001 too. `order submit` stays below 200 MB.
    """
    wanted, summary, steps = travel(site, None)
    report(wanted, steps)
    assert wanted.lines == 541_909
    assert len(wanted.served) + len(wanted.refused) == 25_900
    check_refusals(site, wanted, summary)
    check_deliveries(site, wanted)
    check_charges(site, wanted)
    items = [item for items in wanted.served.values() for item in items]
    assert max(quantity for _, quantity, _ in items) == 80_995
    assert {Decimal("0.001"), Decimal(0)} < {price for _, _, price in items}
    assert steps["submit"].peak_mb < 200


def report(wanted: Expected, steps: dict[str, Ended]) -> None:
    """Print the figures of a run, for whoever asked for it by hand."""
    amounts = wanted.amounts()
    total = sum(amounts.values())
    cancelled = sum(invoice.startswith("C") for invoice in wanted.refused)
    lines = [
        f"{wanted.lines:,} lines of {len(wanted.served) + len(wanted.refused):,} invoices",
        f"{len(wanted.served):,} orders served, {len(amounts):,} lines, {total} GBP",
        f"{len(wanted.refused):,} invoices refused, {cancelled:,} of them cancellations:",
        *(f"    {count:,}: {rule}" for rule, count in wanted.reasons().items()),
        *(
            f"{name:20} {ended.seconds:7.2f} s {ended.peak_mb:7.1f} MB"
            for name, ended in steps.items()
        ),
    ]
    print(*lines, sep="\n")  # noqa: T201
