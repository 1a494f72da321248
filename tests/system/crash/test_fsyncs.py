"""Each fsync is needed: without it some crash does harm, and the sweep sees that."""

from __future__ import annotations

import pytest

from tests.system.crash.disk import Site
from tests.system.crash.scenarios import SCENARIOS, Red, Sweep
from tests.system.crash.sites import sites
from tests.system.crash.steps import Stop
from tests.system.crash.world import World

SWEEPS: dict[str, list[tuple[str, Stop]]] = {
    "Outbound.prepare": [("seal and publish", Stop.POWER)],
    "Outbound.seal": [("seal and publish", Stop.POWER)],
    "Outbound.unseal": [("cancelled before the seal", Stop.KILL)],
    "Outbound.publish": [("seal and publish", Stop.POWER), ("rename found done", Stop.POWER)],
    "Inbound.prepare": [("claim, load, archive", Stop.POWER), ("quarantine", Stop.POWER)],
    "Inbound.claim": [("claim, load, archive", Stop.POWER)],
    "Inbound.keep_claims": [("claim found done", Stop.POWER)],
    "Inbound.was_archived": [("archived found done", Stop.POWER)],
    "Inbound.archive": [("claim, load, archive", Stop.POWER)],
    "Inbound.quarantine": [("quarantine", Stop.POWER)],
}
"""Where a missing fsync of a method must show."""
OF_PEOPLE = {
    *("Outbound.init", "Inbound.init", "Outbound._try_out", "Inbound._try_out"),
    *("Outbound.reseal", "Outbound.drop_copy", "Inbound.requeue", "Inbound.discard"),
}
"""Steps that a person takes with a verb of the console, and takes again when it was interrupted."""


def method(site: Site) -> str:
    """The method of a tree that a site belongs to."""
    return site[0].rpartition(":")[0]


@pytest.mark.parametrize(
    "site", [one for one in sites() if method(one) not in OF_PEOPLE], ids=" > ".join
)
def test_without_it_a_crash_does_harm(world: World, site: Site) -> None:
    """The sweep turns red when this one fsync has no effect."""
    for scenario, stop in SWEEPS[method(site)]:
        world.disk.ignored = site
        try:
            Sweep(world, SCENARIOS[scenario], stop).run()
        except Red:
            return
    pytest.fail(
        f"nothing shows that it is needed; {'' if site in world.disk.synced else 'not '}reached"
    )
