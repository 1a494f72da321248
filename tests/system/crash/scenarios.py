"""The daemons' units of work, and the sweep that crashes one at each of its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from console.resending import resend
from core.directory import Outbound, published_name
from tests.system.crash.steps import Stop
from tests.system.crash.world import World


@dataclass
class Scenario:
    """One unit of work of one daemon."""

    name: str
    daemon: str
    before: Callable[[World, str], None]
    """Brings the order of a warehouse to just before the unit; nothing crashes here."""
    requested: bool = True
    """Whether the partner has the order's request file before that."""
    between: Callable[[World, str], None] | None = None
    """What somebody else does after the crash, before the daemon is started again."""
    killed: tuple[str, ...] = ()
    """The unit has been killed once before: at the last of these steps, in this order."""
    files: tuple[str, ...] = ("ARCHIVED",)
    """How the partner's files end."""
    told: tuple[tuple[str, str], ...] = (("answer.p7m", "ACCEPTED"), ("answer.p7m", "PROCESSED"))
    """What the partner is told of them, each once."""
    sent: int = 1
    """How often the partner gets the order's request file."""
    verdict: str | None = None
    """What the partner has said of that."""


def _order(world: World, warehouse: str) -> None:
    world.order((f"P-{warehouse}", 2, "10.25"), reference=warehouse)


def _batched(world: World, warehouse: str) -> None:
    _order(world, warehouse)
    world.once("request_extract")


def _answer(world: World, warehouse: str) -> None:
    world.drop(warehouse, "answer.p7m", world.partner_.answer(warehouse, dispatch="D"))


def _answer_badly(world: World, warehouse: str) -> None:
    world.drop(warehouse, "bad.p7m", world.partner_.seal(b'{"orders": "none"}'))


def _answer_again(world: World, warehouse: str) -> None:
    _loaded(world, warehouse)
    world.drop(warehouse, "again.p7m", world.partner_.answer(warehouse, dispatch="D"))


def _loaded(world: World, warehouse: str) -> None:
    _answer(world, warehouse)
    world.once("load_from_generic")


def _acknowledged(world: World, warehouse: str) -> None:
    world.drop(warehouse, "word.p7m", world.partner_.acknowledgement(warehouse))


def _resent(world: World, warehouse: str) -> None:
    """An operator has the file sent again that the partner has taken."""
    world.once("extract_to_generic")
    resend(world.console, Outbound(world.outbound.root), published_name(warehouse, 1))


def _cancel(world: World, warehouse: str) -> None:
    """As `order cancel` does it in an unsealed batch: status, lines and items."""
    order = world.value("select id from sales_order where reference = %s", warehouse)
    sealed = world.value("select count(*) from outbound_file where warehouse_id = %s", warehouse)
    if sealed:
        return
    with world.console.transaction():
        world.console.execute(
            "update sales_order set status = 'CANCELLED', status_at = now() where id = %s", (order,)
        )
        world.console.execute(
            "update request_line set cancelled = quantity where order_id = %s", (order,)
        )
        world.console.execute(
            "update order_item set cancelled_quantity = open_quantity, open_quantity = 0 "
            "where order_id = %s",
            (order,),
        )


ANSWERED = Scenario.told
SCENARIOS = {
    one.name: one
    for one in (
        Scenario("generate and batch", "request_extract", _order, requested=False),
        Scenario("seal and publish", "extract_to_generic", _batched, requested=False),
        Scenario(
            "cancelled before the seal",
            "extract_to_generic",
            _batched,
            requested=False,
            between=_cancel,
        ),
        Scenario(
            "rename found done",
            "extract_to_generic",
            _batched,
            requested=False,
            killed=("link", "rename .", "rename", "sync"),
        ),
        Scenario("claim, load, archive", "load_from_generic", _answer),
        Scenario("claim found done", "load_from_generic", _answer, killed=("rename", "sync")),
        Scenario("archived found done", "load_from_generic", _answer, killed=("unlink", "sync")),
        Scenario(
            "quarantine",
            "load_from_generic",
            _answer_badly,
            files=("ARCHIVED", "QUARANTINED"),
            told=(*ANSWERED, ("bad.p7m", "REJECTED")),
        ),
        Scenario(
            "repeat",
            "load_from_generic",
            _answer_again,
            files=("ARCHIVED", "REPEATED"),
            told=(*ANSWERED, ("again.p7m", "ACCEPTED")),
        ),
        Scenario("apply", "dispatch", _loaded),
        Scenario("acknowledge", "extract_to_generic", _loaded),
        Scenario("send again", "extract_to_generic", _resent, sent=2),
        Scenario(
            "acknowledged by the partner",
            "load_from_generic",
            _acknowledged,
            files=("ARCHIVED", "ARCHIVED"),
            verdict="ACCEPTED",
        ),
    )
}
AT_ONCE = 8
"""How many warehouses get their request files at once."""


class Red(AssertionError):
    """Something that must hold does not."""


@dataclass
class Sweep:
    """A crash before each step of a scenario's unit, one after the other in one world.

    The order of each crash point has a warehouse of its own; all go on to their end together.
    """

    world: World
    scenario: Scenario
    stop: Stop
    eager: bool = False
    """Whether the partner takes a file in the very moment in which it lasts."""
    _ready: list[str] = field(default_factory=list)
    _crashed: dict[str, str] = field(default_factory=dict)
    """By warehouse: where its daemon was stopped."""

    def run(self) -> int:
        """Crash, restart and check, until a run meets no more step; then finish all; how many.

        Raises Red as soon as something does not hold.
        """
        at = 1
        while self._once(at):
            at += 1
        self._finish()
        for warehouse, label in self._crashed.items():
            self._outcome(warehouse, label)
        return at - 1

    def _once(self, at: int) -> bool:
        """Stop at this step; False if the unit had fewer."""
        world, scenario = self.world, self.scenario
        warehouse = self._next_warehouse()
        scenario.before(world, warehouse)
        world.disk.settle()
        if scenario.killed:
            world.steps.arm(Stop.KILL, upon=scenario.killed)
            assert world.run(world.build(scenario.daemon)) is None
        daemon = world.build(scenario.daemon)
        world.steps.looks = [world.take_lasting] if self.eager else []
        world.steps.arm(self.stop, at)
        world.run(daemon)
        where = world.steps.stopped_at
        world.steps.disarm()
        label = f"{scenario.name}, {self.stop.name} at step {at}: {where}"
        self._crashed[warehouse] = label
        if self.stop is Stop.POWER:
            world.disk.power_cut()
        # Also before anything is repaired: what a daemon will go on with is no disagreement.
        self._check(f"{label}, not restarted", world.disagreements())
        if where is not None and scenario.between is not None:
            scenario.between(world, warehouse)
        if self.stop.of_commits:
            # The process lives: it connects again, and remembers what it remembers.
            world.run(daemon)
        world.once(scenario.daemon)
        # What the tables say is finished stays finished, without the help of a daemon.
        world.disk.power_cut()
        world.steps.looks = []
        self._check(label, world.disagreements())
        if self.stop is Stop.KILL:
            # What was moved before the process was killed may have been moved back.
            world.once(scenario.daemon)
            world.disk.power_cut()
        self._check(label, [*world.disagreements(), *world.unfinished(), *world.damaged()])
        return where is not None

    def _next_warehouse(self) -> str:
        if not self._ready:
            self._ready = [self.world.new_warehouse(acknowledged=True) for _ in range(AT_ONCE)]
            if self.scenario.requested:
                for warehouse in self._ready:
                    _order(self.world, warehouse)
                self.world.once("request_extract", "extract_to_generic")
                self.world.take_lasting()
        return self._ready.pop(0)

    def _finish(self) -> None:
        """Everything else that is to be done for the orders."""
        world = self.world
        world.once("request_extract", "extract_to_generic")
        world.take_lasting()
        answered = {
            row[0]
            for row in world.rows(
                "select warehouse_id from inbound_file where batch_id is not null"
            )
        }
        for warehouse in world.partner_.requests.keys() - answered:
            _answer(world, warehouse)
        world.once("load_from_generic", "dispatch", "extract_to_generic")
        world.take_lasting()
        self._check(
            f"{self.scenario.name}, {self.stop.name}, finished",
            [*world.disagreements(), *world.unfinished(), *world.damaged()],
        )

    @staticmethod
    def _check(label: str, problems: list[str]) -> None:
        if problems:
            raise Red(f"{label}: {problems}")

    def _outcome(self, warehouse: str, label: str) -> None:
        world, problems = self.world, []
        order, status = world.rows(
            "select id, status from sales_order where reference = %s", warehouse
        )[0]
        cancelled = status == "CANCELLED" and self.scenario.between is not None
        seen = dict(world.partner_.seen.get(warehouse, {}))
        if seen != ({} if cancelled else {order: self.scenario.sent}):
            problems.append(f"of order {order} the partner saw {seen}")
        if status != "COMPLETE" and not cancelled:
            problems.append(f"the order ends {status}")
        charged = world.rows("select quantity, amount from charge where order_id = %s", order)
        if charged != ([] if cancelled else [(2, Decimal("20.50"))]):
            problems.append(f"charged was {charged}")
        files = world.rows(
            "select status from inbound_file where warehouse_id = %s order by status", warehouse
        )
        if tuple(row[0] for row in files) != (() if cancelled else self.scenario.files):
            problems.append(f"the partner's files ended {files}")
        told: dict[tuple[str, str], int] = {**world.partner_.told.get(warehouse, {})}
        if told != ({} if cancelled else dict.fromkeys(self.scenario.told, 1)):
            problems.append(f"the partner was told {told}")
        verdicts = world.rows(
            "select verdict from outbound_file where warehouse_id = %s", warehouse
        )
        if verdicts != ([] if cancelled else [(self.scenario.verdict,)]):
            problems.append(f"the partner is known to have said {verdicts}")
        self._check(label, problems)
