"""The database loses commits that the files know of: a restored backup, a failover."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from console.exits import Refusal
from console.order_moves import cancel
from console.reconcile.adopting import Adoption, adopt
from console.reconcile.trees import Trees
from daemons.extract_to_generic import Compare
from tests.system.crash.commits import SteppingConnection
from tests.system.crash.steps import Crash, Stop
from tests.system.crash.world import World


class Lost:
    """An installation with orders in every state, of which a copy of the database is kept.

    What happens after `snapshot` is unknown to the database that `restore` brings back.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.houses = [
            world.new_warehouse(granularity) for granularity in ("ITEM", "UNIT", "PRODUCT")
        ]
        self.answered: Counter[str] = Counter()
        self.orders: dict[str, int] = {}

    def enter(self, name: str, *, submit: bool = True) -> int:
        """An order with items of all three warehouses, two of them alike."""
        items = [(f"P-{house}", 2, "10.25") for house in self.houses]
        self.orders[name] = self.world.order(
            *items, (f"P-{self.houses[2]}", 3, "10.25"), reference=name, submit=submit
        )
        return self.orders[name]

    def submit(self, name: str) -> None:
        """As CMP does in SQL."""
        self.world.owner.execute(
            "update sales_order set status = 'AWAITING_GENERATION' where reference = %s", (name,)
        )

    def hold(self, name: str) -> None:
        """An operator's hold."""
        self.world.owner.execute(
            "insert into order_hold (order_id, kind, reason, placed_by) "
            "values (%s, 'OPERATOR', 'test', 'test')",
            (self.orders[name],),
        )

    def release(self, name: str) -> None:
        """The hold ends."""
        self.world.owner.execute(
            "update order_hold set released_at = now(), released_by = 'test' where order_id = %s",
            (self.orders[name],),
        )

    def send(self) -> None:
        """Whatever can be sent is, and the partner takes it."""
        self.world.once("request_extract", "extract_to_generic")
        self.world.take_lasting()

    def answer(self) -> None:
        """The partner answers every request file that it has not answered."""
        for house, documents in self.world.partner_.requests.items():
            for number in range(self.answered[house], len(documents)):
                data = self.world.partner_.answer(house, dispatch=f"D{number}", request=number)
                self.world.drop(house, f"answer-{number}.p7m", data)
            self.answered[house] = len(documents)

    def adopt(self, *, dry_run: bool = False, go_on: bool = False) -> list[Adoption]:
        """As the console does it."""
        trees = Trees(self.world.outbound, self.world.inbound)
        role = "sales_order_console" if dry_run else "sales_order_adopt"
        with self.world.database.connect(role) as conn:
            return adopt(conn, trees, dry_run=dry_run, go_on=go_on, wait=5)

    def held(self) -> list[str]:
        """The warehouses that are neither sealed nor loaded for."""
        rows = self.world.rows(
            "select id from warehouse where held_reason = 'DATABASE_OLDER_THAN_FILES' order by id"
        )
        return [row[0] for row in rows]

    def run_to_the_end(self) -> None:
        """All that is left to do, and what must then hold."""
        world = self.world
        for _ in range(2):
            world.once()
            world.take_lasting()
            self.answer()
        world.once()
        assert world.disagreements() == []
        assert world.unfinished() == []
        assert world.damaged() == []
        for name, order in self.orders.items():
            seen = {house: world.partner_.seen[house][order] for house in self.houses}
            assert seen == dict.fromkeys(self.houses, 1), f"{name} was seen {seen}"
            assert world.status(order) == "COMPLETE", name
            charged = world.value("select sum(amount) from charge where order_id = %s", order)
            assert charged == 9 * Decimal("10.25"), name


@pytest.fixture
def lost(world: World) -> Lost:
    """Orders in every state: complete, sent, batched, generated, submitted, new."""
    lost = Lost(world)
    lost.enter("complete")
    lost.send()
    lost.answer()
    world.once()
    lost.enter("sent")
    lost.send()
    lost.enter("generated")
    lost.hold("generated")
    lost.enter("batched")
    lost.enter("batched and held")
    world.once("request_extract")
    lost.enter("submitted")
    lost.enter("new", submit=False)
    return lost


def _go_on(lost: Lost) -> None:
    """What the database will not know: everything is sent, part of it answered and applied."""
    world = lost.world
    # It drops out of its batch when that is sealed; the hold is lost, too.
    lost.hold("batched and held")
    world.once("extract_to_generic")
    world.take_lasting()
    lost.answer()
    world.drop(lost.houses[0], "bad.p7m", world.partner_.seal(b"{}"))
    world.once("load_from_generic", "dispatch")
    lost.release("generated")
    lost.submit("new")
    lost.send()


@pytest.mark.parametrize("meanwhile", [(), ("request_extract",)], ids=["at once", "after a pass"])
def test_everything_sent_is_adopted(lost: Lost, meanwhile: tuple[str, ...]) -> None:
    """After --adopt no order goes to a warehouse again, none is lost, and each is charged once.

    Also if Request Extract has worked on the restored database, which gave ids out again.
    """
    world = lost.world
    copy = world.snapshot("copy")
    _go_on(lost)
    world.switch_to(copy)
    lost.enter("meanwhile")
    if meanwhile:
        world.once(*meanwhile)
    world.once("extract_to_generic", "load_from_generic")
    assert lost.held() == lost.houses
    files = len(world.partner_.names)
    world.once()
    assert len(world.partner_.names) == files
    told = lost.adopt(dry_run=True)
    assert lost.held() == lost.houses
    done = lost.adopt()
    assert [(one.files, one.orders) for one in told] == [(one.files, one.orders) for one in done]
    assert [one.obstacles for one in done] == [[], [], []]
    assert lost.held() == []
    assert lost.adopt() == []
    lost.enter("after")
    _release_all(lost)
    lost.run_to_the_end()


def _release_all(lost: Lost) -> None:
    lost.world.owner.execute(
        "update order_hold set released_at = now(), released_by = 'test' where released_at is null"
    )


def test_an_order_that_is_unknown_stops_it(lost: Lost) -> None:
    """A warehouse with an order that the database does not have stays held, and is told which."""
    world = lost.world
    copy = world.snapshot("copy")
    order = lost.enter("entered after")
    _go_on(lost)
    world.switch_to(copy)
    world.once("extract_to_generic", "load_from_generic")
    for one in lost.adopt():
        assert [obstacle.order_id for obstacle in one.obstacles] == [order]
        assert not one.done
    assert lost.held() == lost.houses
    # CMP enters it again, under the id that the warehouses know.
    assert lost.enter("entered after", submit=False) != order
    world.owner.execute(
        "delete from order_item where order_id = %s", (lost.orders["entered after"],)
    )
    lost.orders["entered after"] = order
    world.owner.execute(
        "update sales_order set status = 'CANCELLED', reference = null where reference = %s",
        ("entered after",),
    )
    items = [(f"P-{house}", 2, "10.25") for house in lost.houses]
    world.order(*items, (f"P-{lost.houses[2]}", 3, "10.25"), id=order, submit=False)
    assert all(one.done and not one.obstacles for one in lost.adopt())
    _release_all(lost)
    lost.run_to_the_end()


def test_it_can_be_told_to_go_on(lost: Lost) -> None:
    """With --go-on the orders that cannot be marked are left out, the rest is adopted."""
    world = lost.world
    copy = world.snapshot("copy")
    order = lost.enter("entered after")
    _go_on(lost)
    world.switch_to(copy)
    world.once("extract_to_generic", "load_from_generic")
    for one in lost.adopt(go_on=True):
        assert one.done
        assert [obstacle.order_id for obstacle in one.obstacles] == [order]
    assert lost.held() == []
    del lost.orders["entered after"]
    _release_all(lost)
    # The answer for the order that is not there is refused; all others are applied.
    lost.send()
    lost.answer()
    world.once()
    assert world.disagreements() == []
    assert {world.status(one) for one in lost.orders.values()} == {"COMPLETE"}
    assert world.rows(
        "select distinct reason, order_ref from dispatch_detail where reason is not null"
    ) == [("UNKNOWN_ORDER", str(order))]


@pytest.mark.parametrize(
    ("stop", "upon", "held"),
    [
        (Stop.POWER, ("link",), False),
        (Stop.KILL, ("link", "create"), True),
        (Stop.KILL, ("link", "rename ."), True),
        (Stop.POWER, ("link", "rename .", "rename"), True),
        (Stop.POWER, ("link", "commit"), True),
    ],
    ids=["before the copy", "copy", "half a manifest", "not renamed", "not recorded"],
)
def test_lost_in_the_middle_of_publishing(
    lost: Lost, stop: Stop, upon: tuple[str, ...], *, held: bool
) -> None:
    """Commits lost together with a publication that was cut: published once all the same."""
    world = lost.world
    copy = world.snapshot("copy")
    daemon = world.build("extract_to_generic")
    world.steps.arm(stop, upon=upon)
    assert world.run(daemon) is None
    world.steps.disarm()
    if stop is Stop.POWER:
        world.disk.power_cut()
    world.take_lasting()
    world.switch_to(copy)
    world.once("extract_to_generic", "load_from_generic")
    assert lost.held() == (lost.houses[:1] if held else [])
    assert [one.done for one in lost.adopt()] == [True] * held
    lost.submit("new")
    _release_all(lost)
    lost.run_to_the_end()


def _seal_unaware(world: World) -> None:
    """As a copy does that has compared the files with the database that is lost, and goes on."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Compare, "those", lambda _, conn, waiting: list(waiting(conn)))
        world.run(replace(world.build("extract_to_generic"), on_connect=None))


def test_sealed_again_before_it_was_held(lost: Lost) -> None:
    """A batch sealed anew under the number of a file that was sent is put back, and not sent."""
    world = lost.world
    copy = world.snapshot("copy")
    world.once("extract_to_generic")
    world.take_lasting()
    world.switch_to(copy)
    _seal_unaware(world)
    sealed = world.rows("select batch_id from outbound_file where published_at is null")
    assert len(sealed) == len(lost.houses)
    assert [line.split()[0] for line in world.disagreements()] == ["MANIFEST_UNKNOWN"] * 3
    assert [one.done for one in lost.adopt()] == [True] * 3
    lost.submit("new")
    _release_all(lost)
    lost.run_to_the_end()


@pytest.mark.parametrize("known", ["not asked", "asked", "batched", "sealed again", "answered"])
def test_a_cancellation_that_was_sent_is_adopted(world: World, known: str) -> None:
    """It counts as sent, is not sent again, and its answer is taken in, whatever the database had
    kept of the question.
    """
    house = world.new_warehouse()
    order = world.order((f"P-{house}", 2, "10.25"))

    def ask() -> None:
        cancel(world.console, f"id:{order}", "customer withdrew")

    world.once("request_extract", "extract_to_generic")
    world.take_lasting()
    if known != "not asked":
        ask()
    if known in ("batched", "sealed again"):
        world.once("request_extract")
    copy = world.snapshot("copy")
    if known == "not asked":
        ask()
    world.once("request_extract", "extract_to_generic")
    world.take_lasting()
    if known == "answered":
        world.drop(house, "no.p7m", world.partner_.answer(house, dispatch="D"))
        world.once("load_from_generic", "dispatch")
        assert world.status(order) == "CANCELLED"
    world.switch_to(copy)
    if known == "sealed again":
        _seal_unaware(world)
        assert world.rows("select status from cancellation") == [("SENT",)]
    else:
        world.once("request_extract", "extract_to_generic", "load_from_generic")
    with world.database.connect("sales_order_adopt") as conn:
        (done,) = adopt(conn, Trees(world.outbound, world.inbound), wait=5)
    assert (done.done, done.orders, done.obstacles) == (True, 1, [])
    assert world.rows("select status from cancellation") == [("SENT",)]
    world.once()
    world.take_lasting()
    assert world.partner_.seen[house] == {order: 2}
    if known != "answered":
        world.drop(house, "no.p7m", world.partner_.answer(house, dispatch="D"))
    world.once()
    assert world.rows("select status from cancellation") == [("AGREED",)]
    assert world.status(order) == "CANCELLED"
    assert world.disagreements() == []


@pytest.mark.parametrize("mend", ["swap", "drop", "add"])
def test_a_manifest_of_other_columns_is_refused(lost: Lost, mend: str) -> None:
    """A manifest whose lines have other columns than this release's is not read by their places."""
    world = lost.world
    copy = world.snapshot("copy")
    world.once("extract_to_generic")
    world.take_lasting()
    world.switch_to(copy)
    path = max((world.outbound.root / "archive" / lost.houses[0]).glob("*.json"))
    manifest = orjson.loads(path.read_bytes())
    if mend == "swap":
        manifest["lineColumns"][5:7] = reversed(manifest["lineColumns"][5:7])
    elif mend == "drop":
        del manifest["lineColumns"]
    else:
        manifest["orders"][0]["lines"][0].append(None)
    path.write_bytes(orjson.dumps(manifest))
    with pytest.raises(Refusal, match="is no manifest"):
        lost.adopt()


@pytest.mark.parametrize("stop", [Stop.POWER, Stop.KILL], ids=lambda stop: stop.name)
def test_adopting_is_interrupted(lost: Lost, stop: Stop) -> None:
    """Stopped at any step, --adopt can be said again and does what it would have done."""
    world = lost.world
    copy = world.snapshot("copy")
    _go_on(lost)
    # The last file is left in work: its manifest was written, its rename did not happen.
    lost.enter("not renamed")
    world.once("request_extract")
    daemon = world.build("extract_to_generic")
    world.steps.arm(Stop.POWER, upon=("link", "rename .", "rename"))
    assert world.run(daemon) is None
    world.steps.disarm()
    world.disk.power_cut()
    batch = world.value("select max(batch_id) from outbound_file")
    world.switch_to(copy)
    reference = lost.orders.pop("not renamed")
    items = [(f"P-{house}", 2, "10.25") for house in lost.houses]
    lost.orders["entered again"] = world.order(
        *items, (f"P-{lost.houses[2]}", 3, "10.25"), id=reference
    )
    # Meanwhile the numbers that it had are given to something else.
    world.once("request_extract")
    house = lost.houses[1]
    world.rows("select setval('batch_id_seq', %s)", batch - 1)
    small = world.order((f"P-{house}", 1, "10.25"), id=reference + 1)
    world.once("request_extract")
    assert world.rows("select warehouse_id from batch where id = %s", batch) == [(house,)]
    world.once("extract_to_generic", "load_from_generic")
    assert lost.held() == lost.houses
    at, left, stops = 1, lost.held(), 0
    while _interrupted(lost, stop, at):
        stops += 1
        # What was stopped after a warehouse had been adopted has only the others left to do.
        at = at + 1 if lost.held() == left else 1
        left = lost.held()
    assert stops > 3 * 5
    world.disk.power_cut()
    assert lost.held() == []
    # What was put back and not synced may have gone back to where it was.
    lost.adopt()
    assert lost.adopt() == []
    _release_all(lost)
    lost.run_to_the_end()
    assert world.status(small) == "COMPLETE"
    assert world.partner_.seen[house][small] == 1


def _interrupted(lost: Lost, stop: Stop, at: int) -> bool:
    """Stop --adopt at its n-th step; False if it came to its end."""
    world = lost.world
    conn = SteppingConnection.of(world.database.connect("sales_order_adopt"), world.steps)
    trees = Trees(world.outbound, world.inbound)
    world.steps.arm(stop, at)
    try:
        adopt(conn, trees, wait=5)
    except Crash:
        if stop is Stop.POWER:
            world.disk.power_cut()
        return True
    finally:
        world.steps.disarm()
        conn.close()
        world.steps.connections.clear()
    return False
