"""The server is destroyed, and a base backup restored that was taken while the suite worked."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from console.demo.stage import DemoError
from console.order_file import Entry
from console.submit import Submission
from tests.system.failover.scene import Scene
from tests.system.failover.servers import Server


def test_base_backup(scene: Scene, server: Server) -> None:
    """What was sent, answered and applied after the backup is taken over by --adopt, once the CMP
    has entered again what it had ordered since, what the warehouses know under the id they know.

    Orders that were checked for fraud and sent after the backup are sent: that they were checked
    is lost.
    """
    backup = Path(server.host, "backup")
    with scene.running():
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(server.back_up, backup)
            scene.until(made.done, "backup", feed=True)
            made.result()
        scene.watch.await_work("backup")
        scene.until(lambda: scene.watch.done(partners=True), "end of what was ordered")
        ids = scene.ids()
        server.restore(backup)
        scene.on(server)
        scene.until(scene.held, "hold")
        lost = scene.lost()
        assert lost
        with pytest.raises(DemoError, match=r"--adopt ended with 1: "):
            scene.stage.verb("reconcile", "--adopt")
        assert scene.any_held()
        _enter_again(scene, {reference: ids[reference] for reference in lost})
        assert not scene.lost()
        scene.stage.verb("reconcile", "--adopt")
        scene.watch.await_work("adoption")
        gone, doubled, problems = scene.verdict()
    assert [
        one for one in problems if not re.search("was sent unchecked|more like these", one)
    ] == []
    assert (gone, doubled) == (0, 0)


def _enter_again(scene: Scene, ids: dict[str, int]) -> None:
    """As CMP does, under the ids that its orders had."""
    orders = {order["reference"]: order for order in scene.stream.entered}
    with scene.stage.connect() as conn:
        for reference, identifier in ids.items():
            conn.execute("select setval('sales_order_id_seq', %s, false)", (identifier,))
            summary = Submission(conn).run([Entry(1, orders[reference])])
            assert summary.entered == 1
