"""A crash before every durable step of every daemon's unit of work."""

from __future__ import annotations

import pytest

from core.errors import Reason
from tests.system.crash.scenarios import SCENARIOS, Scenario, Sweep
from tests.system.crash.steps import Stop
from tests.system.crash.world import World

STOPS = ((Stop.POWER,), (Stop.KILL,), (Stop.NO_COMMIT, Stop.NO_REPLY))
SWEEPS = [
    pytest.param(name, stops, id=f"{name}-{'-'.join(stop.name for stop in stops)}")
    for name, scenario in SCENARIOS.items()
    for stops in STOPS
    # What was killed once already has been swept with the other stops as the unit itself.
    if stops == (Stop.POWER,) or not scenario.killed
]


@pytest.mark.parametrize(("scenario", "stops"), SWEEPS)
def test_each_step(world: World, scenario: str, stops: tuple[Stop, ...]) -> None:
    """After a stop at any step nothing is lost, doubled or left to be cleaned by hand."""
    for stop in stops:
        # The partner takes a file either in the moment in which it lasts, or long after.
        assert Sweep(world, SCENARIOS[scenario], stop, eager=stop is Stop.KILL).run() > 0


def test_taken_at_once(world: World) -> None:
    """A partner who takes a file in the moment in which it lasts gets each batch once."""
    assert Sweep(world, SCENARIOS["seal and publish"], Stop.POWER, eager=True).run() > 0


def crash(world: World, scenario: Scenario, upon: tuple[str, ...]) -> None:
    """Kill the scenario's daemon at a step that begins so."""
    daemon = world.build(scenario.daemon)
    world.steps.arm(Stop.KILL, upon=upon)
    assert world.run(daemon) is None
    world.steps.disarm()


@pytest.mark.parametrize(
    ("name", "step"),
    [("seal and publish", "create"), ("apply", "commit"), ("seal and publish", "link")],
)
def test_a_batch_that_crashes_three_times(world: World, name: str, step: str) -> None:
    """A batch whose work has ended the process three times is set aside; others go on."""
    scenario = SCENARIOS[name]
    first, second = world.new_warehouse(), world.new_warehouse()
    for warehouse in (first, second):
        world.order((f"P-{warehouse}", 2, "10.25"), reference=warehouse)
    if scenario.requested:
        world.once("request_extract", "extract_to_generic")
        world.take_lasting()
        world.drop(first, "answer.p7m", world.partner_.answer(first, dispatch="D"))
        world.once("load_from_generic")
    else:
        world.once("request_extract")
    for _ in range(3):
        crash(world, scenario, ("commit update batch set attempts", step))
    world.once(scenario.daemon)
    kind = "Sales Order Dispatch" if scenario.requested else "Sales Order Request"
    assert world.rows(
        "select reason from batch where warehouse_id = %s and stage_status = 'Error' and type = %s",
        first, kind,
    ) == [(Reason.REPEATED_CRASH.value,)]  # fmt: skip
    assert world.disagreements() == []
    if not scenario.requested:
        # The next one was served all the same.
        world.take_lasting()
        assert list(world.partner_.requests) == [second]


def test_a_file_that_crashes_three_times(world: World) -> None:
    """A file whose work has ended the process three times is quarantined with that reason."""
    scenario = SCENARIOS["claim, load, archive"]
    warehouse = world.new_warehouse()
    world.order((f"P-{warehouse}", 2, "10.25"), reference=warehouse)
    world.once("request_extract", "extract_to_generic")
    world.take_lasting()
    scenario.before(world, warehouse)
    for _ in range(3):
        crash(world, scenario, ("commit insert into inbound_file", "commit"))
    world.once(scenario.daemon)
    assert world.rows("select status, reason from inbound_file") == [
        ("QUARANTINED", Reason.REPEATED_CRASH.value)
    ]
    (reason,) = (world.inbound.root / "quarantine" / warehouse).glob("*.reason")
    assert reason.read_text().startswith("REPEATED_CRASH\n")
    assert world.disagreements() == []


def test_two_crashes_are_forgiven(world: World) -> None:
    """A batch that is published at the third attempt has been tried, not set aside."""
    scenario = SCENARIOS["seal and publish"]
    warehouse = world.new_warehouse()
    scenario.before(world, warehouse)
    for _ in range(2):
        crash(world, scenario, ("create",))
    world.once(scenario.daemon)
    assert world.rows("select stage_status, attempts from batch") == [("Complete", 0)]
