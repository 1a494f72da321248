"""Orders in the form of schemas/order.schema.json, for tests."""

from __future__ import annotations

from typing import Any


def item(product: str = "CASE", quantity: Any = 1, price: Any = "9.99", **more: Any) -> Any:
    """One item."""
    return {"product": product, "quantity": quantity, "unitPrice": price, **more}


def order(reference: str = "WEB-1", *items: Any, **more: Any) -> dict[str, Any]:
    """An order with everything that one needs; `more` replaces or adds."""
    return {
        "reference": reference,
        "accountId": 4711,
        "currency": "GBP",
        "deliveryMethod": "STANDARD",
        "delivery": {"name": "A Person", "lines": ["1 High Street"], "country": "GB"},
        "items": list(items) or [item()],
        **more,
    }
