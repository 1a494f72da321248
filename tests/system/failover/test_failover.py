"""The primary is lost and its standby promoted, while orders come in and daemons work."""

from __future__ import annotations

from tests.system.failover.scene import EXTRACT, LOAD, REQUEST, Scene
from tests.system.failover.servers import Server, Standby

RESUMES_WITHIN = 5.0
WAITS = (
    "select count(*) > 0 from pg_stat_activity"
    " where wait_event = 'SyncRep' and application_name = 'extract-to-generic'"
)


def test_synchronous(scene: Scene, server: Server, standby: Standby) -> None:
    """Nothing that was committed is lost, and the daemons go on by themselves within 5 seconds.

    Also not what a daemon was just committing when the line to the standby had broken already:
    no file follows from it.
    """
    with scene.running():
        scene.until(standby.is_waited_for, "wait for the standby")
        scene.freeze(EXTRACT)
        scene.until(scene.to_seal, "batches to seal", feed=True)
        scene.until(standby.cut_off, "cut")
        scene.thaw(EXTRACT)
        scene.until(lambda: server.ask(WAITS) is True, "commit that waits")
        standby.take_over()
        scene.on(standby)
        assert scene.watch.await_work("promotion") < RESUMES_WITHIN
        assert not scene.lost()
        scene.watch.pass_time(1.0)
        lost, doubled, problems = scene.verdict()
    assert problems == []
    assert (lost, doubled) == (0, 0)


def test_asynchronous(scene: Scene, standby: Standby) -> None:
    """Files that the promoted standby does not know stop their warehouses, until --adopt.

    Every order line reaches its partner once and every unit is billed once, though the database
    has forgotten that they were sent, answered and applied. Orders that it has forgotten the CMP
    enters again: nothing of them was sent.
    """
    with scene.running():
        _fall_behind(scene, standby)
        scene.thaw(EXTRACT)
        scene.until(lambda: scene.watch.done(partners=True), "end of what was batched")
        scene.freeze(REQUEST)
        scene.watch.pass_time(0.5)
        standby.take_over()
        scene.on(standby)
        assert scene.until(scene.held, "hold") < RESUMES_WITHIN
        lost = scene.lost()
        assert lost
        _nothing_goes_on(scene)
        scene.stage.verb("reconcile", "--adopt")
        scene.stream.enter_again(lost)
        scene.watch.await_work("adoption")
        gone, doubled, problems = scene.verdict()
    assert problems == []
    assert (gone, doubled) == (0, 0)


def test_no_answer_is_taken_up_before_the_files_are_compared(
    scene: Scene, standby: Standby
) -> None:
    """Answers to requests that the standby does not know wait, whoever reconnects first.

    Extract to Generic alone can see that its files are newer: while it has not looked, Load from
    Generic takes up none, or the answers would be refused.
    """
    with scene.running():
        _fall_behind(scene, standby)
        scene.freeze(LOAD)
        scene.thaw(EXTRACT)
        scene.until(scene.sent_and_answered, "answers")
        scene.freeze(EXTRACT)
        standby.take_over()
        scene.on(standby)
        answers = scene.dropped()
        scene.thaw(LOAD)
        scene.until(lambda: scene.says(LOAD, "FILES_NOT_COMPARED"), "wait for the other daemon")
        assert scene.dropped() >= answers
        scene.thaw(EXTRACT)
        scene.until(scene.held, "hold")
        assert scene.dropped() >= answers
        scene.stage.verb("reconcile", "--adopt")
        gone, doubled, problems = scene.verdict()
    assert problems == []
    assert (gone, doubled) == (0, 0)


def _fall_behind(scene: Scene, standby: Standby) -> None:
    """The standby knows batches of every warehouse, and nothing of what comes of them."""
    scene.freeze(EXTRACT)
    scene.until(scene.to_seal, "batches to seal", feed=True)
    scene.until(standby.caught_up, "standby that has caught up")
    scene.until(standby.cut_off, "cut")


def _nothing_goes_on(scene: Scene) -> None:
    """Though there is something to seal and something to load, for every warehouse."""
    before = scene.files()
    scene.thaw(REQUEST)
    dropped = scene.repeat()
    scene.until(scene.to_seal, "batches to seal", feed=True)
    scene.until(scene.looked("extract-to-generic", "load-from-generic"), "look")
    assert scene.files() == before
    assert all(path.exists() for path in dropped)
    assert scene.held()
