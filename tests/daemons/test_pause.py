"""A paused warehouse is neither batched, sealed, published nor loaded for."""

from __future__ import annotations

import pytest

from tests.daemons.depot import GOOD, Depot, document
from tests.daemons.desk import line, record
from tests.daemons.test_check import GENUINE


@pytest.fixture
def paused(depot: Depot) -> Depot:
    """LONDON is paused, in the name of an operator."""
    depot.owner.execute(
        "update warehouse set paused_at = now(), paused_by = 'console ann', pause_reason = 'flood'"
        " where id = 'LONDON'"
    )
    return depot


def _resume(depot: Depot) -> None:
    depot.owner.execute(
        "update warehouse set paused_at = null, paused_by = null, pause_reason = null"
    )


def test_it_is_not_batched_for(paused: Depot) -> None:
    """Orders are generated and queued, and wait; other warehouses are batched for."""
    order = paused.order(("CASE", 1, "1"), ("SIM", 1, "1"))
    paused.generate()
    [batch] = paused.batch()
    assert paused.value("select warehouse_id from batch where id = %s", batch) == "LEEDS"
    assert paused.value("select order_id from request_queue") == order
    _resume(paused)
    assert len(paused.batch()) == 1


@pytest.mark.parametrize("wait", ["0s", "1h"], ids=["waited", "full"])
def test_what_is_checked_waits_as_well(paused: Depot, wait: str) -> None:
    """Checked for fraud or not, nothing is batched for a paused warehouse: neither because a
    request has waited nor because its batch is full.
    """
    paused.require_check("rules", request_extract_batch_maxwait=wait)
    paused.set(request_extract_batch_maxorders="1")
    paused.order(("CASE", 1, "1"), **GENUINE)
    paused.generate()
    paused.check()
    assert paused.value("select verdict from fraud_check") == "PASS"
    assert paused.batch() == []
    _resume(paused)
    assert len(paused.batch()) == 1


def test_it_is_neither_sealed_nor_published_for(depot: Depot) -> None:
    """What was batched before stays as it is; other warehouses are served."""
    depot.order(("CASE", 1, "1"), ("SIM", 1, "1"))
    depot.generate()
    depot.batch()
    depot.owner.execute(
        "update warehouse set paused_at = now(), paused_by = 'x', pause_reason = 'x'"
        " where id = 'LONDON'"
    )
    depot.extract()
    assert (depot.sent("LONDON"), len(depot.sent("LEEDS"))) == ([], 1)
    _resume(depot)
    depot.extract()
    assert len(depot.sent("LONDON")) == 1


def test_it_is_not_loaded_for(paused: Depot) -> None:
    """Its files stay where the partner dropped them, and nothing is acknowledged."""
    paused.set(warehouse_LONDON_acknowledgements="both")
    path = paused.drop("LONDON", paused.sealed(GOOD))
    assert paused.take_up() == 0
    assert path.exists()
    _resume(paused)
    assert paused.take_up() == 1
    paused.owner.execute(
        "update warehouse set paused_at = now(), paused_by = 'x', pause_reason = 'x'"
        " where id = 'LONDON'"
    )
    assert paused.acknowledge() == 0


def test_what_was_loaded_is_applied(depot: Depot) -> None:
    """What the partner had said before the pause counts."""
    order, _ = depot.batched()
    depot.extract()
    [line_id] = depot.lines(order)
    depot.drop("LONDON", depot.sealed(document(record(order, "D1", line(line_id, 1)))))
    depot.take_up()
    depot.owner.execute(
        "update warehouse set paused_at = now(), paused_by = 'x', pause_reason = 'x'"
    )
    assert depot.apply() == 1
    assert depot.status(order) == "COMPLETE"
