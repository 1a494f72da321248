"""The fraud check's rules over genuine addresses: each that fires there is a false alarm.

Northwind's 830 delivery addresses in 21 countries, with the contacts and telephone numbers of its
customers, and the 14,303 practices of the NHS with theirs, all of them orders of one week. Against
them stands a corpus of bad orders, made here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.console.conftest import Console
from tests.daemons.conftest import catalogue
from tests.postgres import Database
from tests.real import northwind, online_retail
from tests.real.sources import Party

FEWER_THAN = 1 / 200
"""Of genuine orders may be held, or have any rule fire."""


@pytest.fixture
def console(tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]) -> Console:
    """An installation without orders, and the verbs of `cmp-orders` over it."""
    console = Console(tmp_path, database)
    console.capture = capsys
    catalogue(console)
    return console


def enter(console: Console, parties: list[Party], accounts: list[int]) -> None:
    """One order a party, entered as it stands in the source."""
    rows = [
        (account, party.contact, party.phone, party.name, list(party.lines), party.town,
         party.county, party.post_code, party.country)
        for account, party in zip(accounts, parties, strict=True)
    ]  # fmt: skip
    columns = (
        "account_id, contact_name, contact_phone, delivery_name, delivery_lines, town, county,"
        " post_code, country"
    )
    with (
        console.owner.cursor() as cursor,
        cursor.copy(f"copy sales_order (currency, delivery_method, {columns}) from stdin") as copy,
    ):
        for row in rows:
            copy.write_row(("USD", "STANDARD", *row))


def judged(console: Console) -> tuple[int, dict[str, int], dict[str, int]]:
    """(orders, orders by rule that fired, orders by verdict), as `fraud try` tells."""
    told = console.call("fraud", "try", "--json").json
    fired = {one["rule"]: one["orders"] for one in told["rules"] if one["orders"]}
    print(f"of {told['orders']} orders: {told['verdicts']}, {fired}")  # noqa: T201  # pytest -rP
    return told["orders"], fired, told["verdicts"]


def test_northwind(console: Console) -> None:
    """None of the rules fires on any of the 830 orders."""
    orders = northwind.orders(northwind.tables())
    parties = [order.party for order in orders if order.party]
    enter(console, parties, [int(order.account or 0) for order in orders])
    count, fired, verdicts = judged(console)
    assert count == 830
    assert fired == {}
    assert verdicts["PASS"] == 830


def test_nhs_practices(console: Console) -> None:
    """Of 14,303 practices fewer than 1 in 200 is held, and these rules fire: on practices of the
    Channel Islands that are listed without a postcode, and at one address that 26 of them share.
    """
    parties = online_retail.parties()
    enter(console, parties, list(range(1, len(parties) + 1)))
    count, fired, verdicts = judged(console)
    assert count == 14_303
    assert fired == {"ADDRESS_INCOMPLETE": 20, "ADDRESS_SHARED": 26}
    assert 1 - verdicts["PASS"] / count < FEWER_THAN
    assert sum(fired.values()) / count < FEWER_THAN


def test_what_the_rules_that_are_off_would_say(console: Console) -> None:
    """Why two rules are off as delivered: genuine orders break them far more often."""
    orders = northwind.orders(northwind.tables())
    enter(console, [order.party for order in orders if order.party],
          [int(order.account or 0) for order in orders])  # fmt: skip
    file = console.root / "strict.properties"
    weight = "sales.order.request.extract.fraud.weight."
    file.write_text(
        console.properties_file.read_text()
        + f"{weight}countymissing = 50\n{weight}phoneunlikely = 50\n"
    )
    told = console.call("fraud", "try", "--json", config=file).json
    fired = {one["rule"]: one["orders"] for one in told["rules"] if one["orders"]}
    assert fired == {"COUNTY_MISSING": 79, "PHONE_UNLIKELY": 348}


# Bad ones.

GENUINE = Party(
    name="Zoë Brontë", lines=("17 Station Road",), country="GB", town="Leeds",
    post_code="LS1 4AP", contact="Zoë Brontë", phone="0113 496 0000",
)  # fmt: skip
# fmt: off
NAMES = ("test", "Test Test", "TEST USER", "asdf", "abcabc abc", "qwerty", "xxx", "XXXX xxxx",
         "N/A", "none", "John Doe", "Mickey Mouse", "...", "-", "1234", "07700900123", "aaaaaa",
         "asdasdasd", "Max Mustermann", "First Last", "to be confirmed", "?", "dummy", "fake name")
LINES = ("test", "asdf", "xxxx", "n/a", "-", "...", "unknown", "same as above", "tbc",
         "test street", "my address", "no fixed abode", "qwerty", "address line 1")
CODES = {
    "GB": ("12345", "LS1", "ZZ99 3VZ", "XXXX", "00000", "N/A", "LS1 4APX", "none", "1"),
    "DE": ("123", "ABCDE", "00000", "123456", "LS1 4AP", "n/a"),
    "US": ("123", "00000", "ABCDE", "123456", "LS1 4AP", "9021O"),
    "FR": ("750", "ABCDE", "750011", "00000", "x"),
    "ES": ("ABC", "123456", "00000", "28"),
    "IE": ("12345", "XXXXXXX", "AAA AAAA"),
}
PHONES = ("123", "0000000000", "1111111111", "0123456789", "01234567890", "none", "n/a", "12-34",
          "+999123456789", "07777777777", "call me", "9999999", "0" * 30, "++44", "1234567")
EMAILS = ("none", "test", "a@b", "me@", "@example.com", "me@@example.com", "me@localhost",
          "me at example.com", "me@x.invalid", "x@y.test", "me@example..com", ".me@example.com",
          "me@-x.com", "me,you@example.com", "me@example")
COUNTRIES = ("XX", "ZZ", "QQ", "EU", "UK", "AA")
# fmt: on


def bad_ones() -> Iterator[tuple[str, Party, str | None]]:
    """(what is bad, the party, its e-mail address): one fault each, the rest is genuine."""
    for name in NAMES:
        yield f"name {name}", replace(GENUINE, name=name), None
        yield f"contact {name}", replace(GENUINE, contact=name), None
    for line in LINES:
        yield f"line {line}", replace(GENUINE, lines=(line,)), None
        yield f"town {line}", replace(GENUINE, town=line), None
    for country, codes in CODES.items():
        for code in codes:
            yield f"{country} {code}", replace(GENUINE, country=country, post_code=code), None
    for phone in PHONES:
        yield f"phone {phone}", replace(GENUINE, phone=phone), None
    for email in EMAILS:
        yield f"email {email}", GENUINE, email
    for country in COUNTRIES:
        yield f"country {country}", replace(GENUINE, country=country, post_code=None), None
    for country in ("GB", "US", "DE", "FR", "ES", "PL", "SE"):
        yield f"no postcode {country}", replace(GENUINE, country=country, post_code=None), None
        yield f"no town {country}", replace(GENUINE, country=country, town=None), None
    # A drop: one house, a name for each parcel.
    source = random.Random(4)
    for number in range(16):
        name = "".join(source.choices("abcdefgh", k=6)) + " Ow" + chr(ord("a") + number)
        line = ("99 Mill Lane", "99, MILL LN.", "Mill Lane 99")[number % 3]
        yield f"drop {name}", replace(GENUINE, name=name, lines=(line,), contact=None), None


def test_bad_ones_are_caught(console: Console) -> None:
    """Every one of more than 100 bad orders is referred, among as many genuine ones that pass."""
    # Each at a house of its own, but for the drop: nothing but its one fault tells against it.
    bad = [
        (what, replace(party, lines=(f"{n} Station Road",)), email)
        if party.lines == GENUINE.lines
        else (what, party, email)
        for n, (what, party, email) in enumerate(bad_ones(), 100)
    ]
    assert len(bad) > 150
    genuine = [
        replace(GENUINE, name=f"Ann {chr(ord('A') + n % 26)}{n}ow", lines=(f"{n} Hill Rise",))
        for n in range(len(bad))
    ]
    enter(console, [*(party for _, party, _ in bad), *genuine], [1] * 2 * len(bad))
    for number, (_, _, email) in enumerate(bad, 1):
        console.owner.execute(
            "update sales_order set contact_email = %s where id = %s", (email, number)
        )
    console.require_check("rules")
    console.owner.execute(
        "insert into order_item (order_id, item_no, product_code, quantity, unit_price)"
        " select id, 1, 'CASE', 1, 1 from sales_order"
    )
    console.owner.execute("update sales_order set status = 'AWAITING_GENERATION'")
    console.generate()
    console.check()
    alone = "select count(*) from fraud_check where 'ADDRESS_SHARED' = any(reasons)"
    assert console.value(alone) == 16
    rows = console.rows("select order_id from fraud_check where verdict = 'PASS' order by 1")
    passed = [row[0] for row in rows]
    assert [bad[order - 1][0] for order in passed if order <= len(bad)] == []
    assert len(passed) == len(bad)
