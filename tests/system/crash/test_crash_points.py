"""A crash before every durable step of every daemon's unit of work."""

from __future__ import annotations

from contextlib import closing, suppress
from itertools import count

import pytest

from console.resending import resend
from core.db.mending import retry_acknowledgements
from core.directory import Outbound, published_name
from core.errors import Reason
from tests.system.crash.commits import SteppingConnection
from tests.system.crash.scenarios import SCENARIOS, Scenario, Sweep
from tests.system.crash.steps import Crash, Stop
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


def test_an_acknowledgement_that_crashes_three_times(world: World) -> None:
    """One whose work has ended the process three times is set aside; a verb takes it up again."""
    scenario = SCENARIOS["acknowledge"]
    warehouse = world.new_warehouse(acknowledged=True)
    world.order((f"P-{warehouse}", 2, "10.25"), reference=warehouse)
    world.once("request_extract", "extract_to_generic")
    world.take_lasting()
    scenario.before(world, warehouse)
    for _ in range(3):
        crash(world, scenario, ("commit update acknowledgement set attempts", "create"))
    world.once(scenario.daemon)
    assert world.rows("select set_aside_reason from acknowledgement") == [
        (Reason.REPEATED_CRASH.value,)
    ]
    assert world.disagreements() == []
    assert retry_acknowledgements(world.console, world.value("select id from inbound_file")) == 1
    world.once(scenario.daemon)
    world.take_lasting()
    assert world.partner_.told[warehouse] == {("answer.p7m", "ACCEPTED"): 1}


def test_sending_again_can_be_ended_anywhere(world: World) -> None:
    """Ended before any of its steps, the verb done again has the partner find the file once more,
    and nothing is left over.
    """
    for at in count(1):
        warehouse = world.new_warehouse()
        order = world.order((f"P-{warehouse}", 2, "10.25"), reference=warehouse)
        world.once("request_extract", "extract_to_generic")
        world.take_lasting()
        world.once("extract_to_generic")
        world.disk.settle()
        name, tree = published_name(warehouse, 1), Outbound(world.outbound.root)
        conn = world.database.connect("sales_order_console")
        world.steps.arm(Stop.POWER, at)
        with closing(SteppingConnection.of(conn, world.steps)), suppress(Crash):
            resend(conn, tree, name)
        stopped = world.steps.stopped_at
        world.steps.disarm()
        world.steps.connections.clear()
        world.disk.power_cut()
        if world.value("select resent from outbound_file where name = %s", name) == 0:
            resend(world.console, tree, name)
        world.once("extract_to_generic")
        world.take_lasting()
        world.once("extract_to_generic")
        assert world.partner_.seen[warehouse] == {order: 2}, stopped
        assert [*world.disagreements(), *world.unfinished(), *world.damaged()] == [], stopped
        if stopped is None:
            break
    assert at > 5


def test_two_crashes_are_forgiven(world: World) -> None:
    """A batch that is published at the third attempt has been tried, not set aside."""
    scenario = SCENARIOS["seal and publish"]
    warehouse = world.new_warehouse()
    scenario.before(world, warehouse)
    for _ in range(2):
        crash(world, scenario, ("create",))
    world.once(scenario.daemon)
    assert world.rows("select stage_status, attempts from batch") == [("Complete", 0)]
