"""Invents a telecom catalogue and orders for it: the same ones from the same seed.

Names and addresses come from Faker (the extra `demo`), telephone numbers and mail addresses from
the ranges that are kept free for fiction. Prices have all the scales that prices have.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from console.exits import Refusal

CURRENCY: Final = "GBP"
_METHODS: Final = ("STANDARD", "STANDARD", "NEXT_DAY", "COLLECT")
_INSTRUCTIONS: Final = (
    "Leave with a neighbour.",
    "Ring twice.\nThe bell is on the left.",
    "Please do not fold.",
    "Behind the green door, not in the shed!\nAsk for Zoë.",
)
_CUSTOMERS: Final = 400
"""How many customers share the orders."""


@dataclass(frozen=True, slots=True)
class Place:
    """A warehouse, and what one of its request lines stands for."""

    id: str
    name: str
    granularity: str


@dataclass(frozen=True, slots=True)
class Product:
    """An entry of the catalogue, with the price at which it is ordered."""

    code: str
    description: str
    warehouse: str
    price: Decimal
    attributes: tuple[str, ...] = ()
    billable: bool = True

    @property
    def serialised(self) -> bool:
        """Whether each unit is named when it is dispatched."""
        return bool(self.attributes)

    def record(self) -> dict[str, Any]:
        """The product as `product import` takes it."""
        return {
            "code": self.code,
            "description": self.description,
            "warehouse": self.warehouse,
            "serialised": self.serialised,
            "billable": self.billable,
            **({"attributes": list(self.attributes)} if self.attributes else {}),
        }


LONDON: Final = Place("LONDON", "London Docklands", "ITEM")
LEEDS: Final = Place("LEEDS", "Leeds Cross Green", "UNIT")
BELFAST: Final = Place("BELFAST", "Belfast Harbour", "PRODUCT")
PLACES: Final = (LONDON, LEEDS, BELFAST)

_HANDSETS: Final = ("Norvik 3", "Norvik 3 Plus", "Tessera X1", "Tessera X1 Pro", "Oriel Fold")
_COLOURS: Final = ("black", "chalk", "sea green")
_ACCESSORIES: Final = (
    ("CASE-CLEAR", "Case, clear", "14.99"),
    ("CHARGER-30W", "Charger, 30 W", "24.995"),
    ("CABLE-C-2M", "Cable, USB-C, 2 m", "7.5"),
    ("EARBUDS", "Earbuds, wireless", "59"),
    ("CREDIT-TEXT", "Credit for one text message", "0.015"),
)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What can be ordered, by kind."""

    handsets: tuple[Product, ...]
    sims: tuple[Product, ...]
    routers: tuple[Product, ...]
    accessories: tuple[Product, ...]
    welcome: Product

    @property
    def products(self) -> tuple[Product, ...]:
        """Everything, by kind."""
        return (
            *(*self.handsets, *self.sims, *self.routers),
            *(*self.accessories, self.welcome),
        )


def catalogue(seed: int) -> Catalogue:
    """Handsets and accessories in London, SIM cards in Leeds, routers in Belfast."""
    chance = _random(seed, "catalogue")
    handsets = [
        Product(
            f"PHONE-{model.upper().replace(' ', '-')}-{storage}",
            f"{model} smartphone, {storage} GB, {chance.choice(_COLOURS)}",
            LONDON.id,
            Decimal(chance.randrange(199, 1499)) + Decimal(chance.choice(("0.00", "0.99", "0.5"))),
            ("serialNumber", "imei"),
        )
        for model in _HANDSETS
        for storage in (128, 256)
    ]
    sims = [
        Product(f"SIM-{code}", text, LEEDS.id, Decimal(price), ("iccid",))
        for code, text, price in (
            ("TRIPLE", "SIM card, three sizes", "0.00"),
            ("DATA", "SIM card, data only", "0.835"),
            ("TRAVEL", "SIM card for travellers", "12"),
        )
    ]
    routers = [
        Product(f"ROUTER-{code}", text, BELFAST.id, Decimal(chance.randrange(39, 229)), names)
        for code, text, names in (
            ("FIBRE", "Fibre router, Wi-Fi 6", ("serialNumber",)),
            ("5G", "5G home router", ("serialNumber", "imei")),
            ("MESH", "Mesh extension, pair", ("serialNumber",)),
        )
    ]
    return Catalogue(
        tuple(handsets),
        tuple(sims),
        tuple(routers),
        tuple(Product(code, text, LONDON.id, Decimal(price)) for code, text, price in _ACCESSORIES),
        Product("WELCOME-PACK", "Welcome pack", LEEDS.id, Decimal("1.20"), billable=False),
    )


def orders(seed: int, count: int, of: Catalogue) -> Iterator[dict[str, Any]]:
    """`count` orders as `order submit` takes them, one JSON object each.

    Refusal says what to install when Faker is missing.
    """
    customers = _customers(seed, _CUSTOMERS)
    for number in range(1, count + 1):
        chance = _random(seed, number)
        order = {
            "reference": f"WEB-{seed}-{number:06}",
            **chance.choice(customers),
            "currency": CURRENCY,
            "deliveryMethod": chance.choice(_METHODS),
            "items": _items(chance, of),
        }
        if chance.randrange(4) == 0:
            order["deliveryInstructions"] = chance.choice(_INSTRUCTIONS)
        yield order


def _items(chance: random.Random, of: Catalogue) -> list[dict[str, Any]]:
    """One to five items of a basket such as people fill."""
    basket = chance.choices((_telephone, _sim_cards, _at_home, _small_things), (5, 2, 2, 1))[0]
    return basket(chance, of)


def _telephone(chance: random.Random, of: Catalogue) -> list[dict[str, Any]]:
    # Mostly London adds the SIM card to the parcel; else two warehouses serve the order.
    at = chance.choice((LONDON.id, LONDON.id, None))
    extras = [_item(one) for one in chance.sample(of.accessories, chance.randrange(3))]
    welcome = [_item(of.welcome)] if chance.randrange(3) == 0 else []
    return [_item(chance.choice(of.handsets)), _item(of.sims[0], at=at), *extras, *welcome]


def _sim_cards(chance: random.Random, of: Catalogue) -> list[dict[str, Any]]:
    kinds = chance.sample(of.sims, chance.randint(1, 2))
    return [_item(one, chance.randint(1, 4)) for one in kinds]


def _at_home(chance: random.Random, of: Catalogue) -> list[dict[str, Any]]:
    """The same router for two rooms is two items: what PRODUCT granularity merges."""
    router = chance.choice(of.routers)
    data = [_item(of.sims[1])] if chance.randrange(3) == 0 else []
    return [_item(router) for _ in range(chance.randint(1, 2))] + data


def _small_things(chance: random.Random, of: Catalogue) -> list[dict[str, Any]]:
    few = chance.sample(of.accessories, chance.randint(1, 5))
    return [_item(one, chance.randint(1, 12)) for one in few]


def _item(product: Product, quantity: int = 1, *, at: str | None = None) -> dict[str, Any]:
    item = {"product": product.code, "quantity": quantity, "unitPrice": str(product.price)}
    return item if at is None else item | {"warehouse": at}


def _customers(seed: int, count: int) -> list[dict[str, Any]]:
    """Who orders: the members accountId, contact and delivery of an order."""
    try:
        from faker import Faker  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise Refusal(
            "customers are invented by Faker, which is not here: pip install 'sales-orders[demo]'"
        ) from error
    fake = Faker("en_GB")
    fake.seed_instance(seed)
    chance = _random(seed, "customers")
    customers = []
    for number in range(count):
        first, last = fake.first_name(), fake.last_name()
        name = f"{first} {last}"
        mail = f"{first}.{last}".lower().replace(" ", "").replace("'", "")
        delivery: dict[str, Any] = {
            "name": name,
            "lines": fake.street_address().splitlines(),
            "town": fake.city(),
            "postCode": fake.postcode(),
            "country": "GB",
        }
        if chance.randrange(2) == 0:
            delivery["county"] = fake.county()
        customers.append(
            {
                "accountId": 7_000_000 + number,
                # example.org: RFC 2606; 07700 900000 to 900999: kept by Ofcom for drama.
                "contact": {
                    "name": name,
                    "email": f"{mail}@example.org",
                    "phone": f"07700 900{chance.randrange(1000):03}",
                },
                "delivery": delivery,
            }
        )
    return customers


def _random(*of: object) -> random.Random:
    return random.Random(":".join(map(str, of)))  # seeded: to be repeated
