"""What has arrived: at the partners, in files that they opened, and on the bill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from console.standin.post import SENDER
from core import envelope
from core.envelope import Profile

if TYPE_CHECKING:
    from tests.site import Site


def requests(site: Site, warehouse: str) -> Iterator[dict[str, Any]]:
    """Every order of every file that a partner took, opened with the partner's own keys."""
    theirs = site.partner_root(warehouse)
    keys = envelope.load(theirs / "trust", theirs / "credentials")
    for path in sorted((theirs / "done").iterdir()):
        opened = envelope.open_(
            path.read_bytes(),
            decryption=keys.decryption,
            signers=keys.signers_of(SENDER),
            profiles={Profile.CMS_GCM},
        )
        # Not by the project's parser: any JSON reader has to find the same letters.
        yield from json.loads(opened.payload.decode("utf-8"))["orders"]


def references(site: Site) -> dict[str, str]:
    """Our id of each order, as files quote it, and the seller's reference."""
    return dict(site.rows("select id::text, reference from sales_order"))


def charged(site: Site) -> dict[tuple[str, int], Decimal]:
    """What was charged for each item of each order, over all its lines and dispatches.

    For sources in which no warehouse can merge items, so that each line stands for one.
    """
    rows = site.rows(
        """
        select o.reference, l.item_no, sum(c.amount)
          from charge c
          join request_line l on l.id = c.line_id
          join sales_order o on o.id = c.order_id
         group by 1, 2
        """
    )
    return {(reference, item): amount for reference, item, amount in rows}


def statuses(site: Site) -> dict[str, int]:
    """How many orders stand where."""
    return dict(site.rows("select status, count(*) from sales_order group by status"))
