"""The readers of the real data give what the files hold, counted by other means."""

from __future__ import annotations

import re

import pytest

from tests.real import northwind, online_retail
from tests.real.sources import source

INSERT = "INSERT INTO t VALUES "


def test_inserts_as_sql_has_them() -> None:
    """A doubled quote is one, NULL is no text, numbers keep their digits, commas inside stay."""
    text = INSERT + "(1, 'l''Abbaye, 2); \\', NULL, -9.80000019, '');\n-- INSERT\n"
    assert list(northwind.inserts(text)) == [
        ("t", ("1", "l'Abbaye, 2); \\", None, "-9.80000019", ""))
    ]


@pytest.mark.parametrize("values", ["(1 2);", "(E'a');", "(1, );", "('a"])
def test_inserts_not_understood(values: str) -> None:
    """What is none of the three kinds of value is an error, never left out."""
    with pytest.raises(ValueError, match=r" of t$"):
        list(northwind.inserts(INSERT + values))


def test_northwind_is_read_whole() -> None:
    """Each INSERT is a row, and each delivery stands in the file as it was read, byte for byte."""
    raw = source("northwind", "northwind.sql").read_bytes()
    dump = northwind.tables()
    for table, count in (("orders", 830), ("order_details", 2_155), ("customers", 91)):
        assert len(dump[table]) == raw.count(b"INSERT INTO %s VALUES" % table.encode()) == count
    orders = northwind.orders(dump)
    names = {code: name for name, code in northwind.COUNTRIES.items()}
    for order in orders:
        party = order.party
        assert party is not None
        place = (party.town, party.county, party.post_code, names[party.country])
        row = ", ".join(_literal(text) for text in (party.name, *party.lines, *place))
        pattern = rf"VALUES \({order.reference}, .*, {re.escape(row)}\);\n"
        assert re.search(pattern.encode(), raw), order.reference
    assert len({item.price for order in orders for item in order.items}) == 116


def test_online_retail_is_read_whole() -> None:
    """Lines, invoices, customers and dirt are as many as SOURCES.md says; no invoice is cut."""
    known = online_retail.survey()
    invoices = 0
    lines = cancelled = negative = without = 0
    codes: set[str] = set()
    accounts: set[str | None] = set()
    for order in online_retail.orders(known):
        invoices += 1
        lines += len(order.items)
        cancelled += len(order.items) * order.reference.startswith("C")
        without += len(order.items) * (order.account is None)
        negative += sum(item.quantity.startswith("-") for item in order.items)
        codes.update(item.product for item in order.items)
        accounts.add(order.account)
        assert len(order.items) == known.invoices[order.reference]
    assert (invoices, lines) == (25_900, 541_909)
    assert (cancelled, negative, without) == (9_288, 10_624, 135_080)
    assert (len(codes), len(accounts - {None})) == (4_070, 4_372)


def test_parties_are_told_apart() -> None:
    """Every practice has an address to deliver to, and no two customers are given the same one."""
    parties = online_retail.parties()
    assert len(parties) == 14_303
    assert all(party.lines for party in parties)
    customers = {line.customer for line in online_retail.lines() if line.customer}
    places = {int(float(customer)) % len(parties) for customer in customers}
    assert len(places) == len(customers) == 4_372


def _literal(text: str | None) -> str:
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"
