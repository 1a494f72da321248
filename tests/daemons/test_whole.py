"""An order through all four daemons."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from console.standin import PRESETS

if TYPE_CHECKING:
    from tests.site import Site


def test_an_order_goes_through(site: Site) -> None:
    """An order inserted by any program and set to AWAITING_GENERATION ends Complete and billed."""
    order = site.order(("PHONE", 2, "499.99"), ("SIM", 3, "0.001"), ("ROUTER", 1, "80"),
                       ("ROUTER", 2, "80"), ("WELCOME", 1, "0"))  # fmt: skip
    site.once()
    site.answer()
    site.once()
    assert site.status(order) == "COMPLETE"
    assert site.value("select sum(amount) from charge") == Decimal("1239.983")
    assert site.value("select count(*) from dispatched_unit") == 8
    assert site.rows(
        "select item_no, open_quantity, dispatched_quantity from order_item order by item_no"
    ) == [(1, 0, 2), (2, 0, 3), (3, 0, 1), (4, 0, 2), (5, 0, 1)]
    assert [row[0] for row in site.rows("select to_status from order_history order by id")] == [
        "NEW", "AWAITING_GENERATION", "AWAITING_DISPATCH", "COMPLETE",
    ]  # fmt: skip


def test_a_lively_warehouse(site: Site) -> None:
    """Whatever the warehouse answers, each order ends settled and each charge is quantity x
    price.
    """
    orders = [site.order(("PHONE", 2, "499.99"), ("SIM", 3, "1.5"), ("ROUTER", 4, "80"))
              for _ in range(40)]  # fmt: skip
    site.once()
    for _ in range(4):
        for warehouse in site.warehouses:
            with site.partner(warehouse, PRESETS["lively"], seed=3) as partner:
                partner.pass_once(settle=True)
        site.once()
    ends = {site.status(order) for order in orders}
    assert ends <= {"COMPLETE", "ERROR", "CANCELLED"}
    assert {"COMPLETE", "ERROR"} <= ends
    assert site.value("select bool_and(amount = quantity * unit_price) from charge")
    assert not site.rows("select 1 from batch where stage_status = 'Error'")
