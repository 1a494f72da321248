"""What makes a daemon look."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from core.daemon import Duty
from core.daemon.wakeups import missed
from tests.core.daemon.conftest import Spawn
from tests.postgres import Database


def test_notification_wakes(tables: Database, spawn: Spawn) -> None:
    """A notification on a duty's channel makes it look at once, whatever its interval."""
    child = spawn("listen", tables.conninfo())
    child.line(look="orders")
    for _ in range(3):
        tables.connect().execute("notify test_orders")
        child.line(look="orders")
    assert child.stop() == 0


def test_notification_before_the_first_look_is_heard(tables: Database, spawn: Spawn) -> None:
    """It listens before it looks, so that what comes in between is not missed."""
    child = spawn("early", tables.conninfo())
    child.line(look="orders")
    assert child.stop() == 0


def test_lost_hint_costs_only_latency(tables: Database, spawn: Spawn) -> None:
    """Work that nobody tells of is found at the interval."""
    child = spawn("jobs", tables.conninfo())
    child.line(event="DAEMON_READY")
    tables.connect().execute("insert into job select generate_series(1, 3)")
    assert [child.line(job=number)["job"] for number in (1, 2, 3)] == [1, 2, 3]
    assert child.stop() == 0


def test_schedule_wakes(tables: Database, spawn: Spawn, tmp_path: Path) -> None:
    """A time of the schedule, in the host's time zone, makes a duty look that else never does."""
    child = spawn("schedule", tables.conninfo(), str(tmp_path))
    child.line(event="DAEMON_READY")
    child.line(within=20.0, look="nightly")
    assert child.count(look="nightly") == 1
    assert child.stop() == 0


def test_missed_time_is_made_good_within_its_grace() -> None:
    """At start a time that went by no longer ago than the grace counts, an older one does not."""
    past = datetime.now().astimezone() - timedelta(minutes=30)
    at = [f"{past.minute} {past.hour} * * *"]
    assert missed(Duty("nightly", lambda _: False, schedule=at, grace=3600.0))
    assert not missed(Duty("nightly", lambda _: False, schedule=at, grace=600.0))
    assert not missed(Duty("nightly", lambda _: False, grace=3600.0))


def test_file_wakes_and_reading_does_not(tables: Database, spawn: Spawn, tmp_path: Path) -> None:
    """A file renamed or written into a directory wakes; the daemon's own reading does not."""
    watched = tmp_path / "watched"
    watched.mkdir()
    child = spawn("files", tables.conninfo(), str(watched), "3600")
    child.line(found=[])
    outside = tmp_path / "outside"
    outside.write_bytes(b"x")
    outside.rename(watched / "renamed")
    child.line(found=["renamed"])
    (watched / ".hidden").write_bytes(b"x")
    (watched / ".hidden").rename(watched / "shown")
    child.line(found=["renamed", "shown"])
    (watched / "written").write_bytes(b"x")
    child.line(found=["renamed", "shown", "written"])
    for _ in range(3):
        child.line(look="clock")
    before = sum("found" in line for line in child.seen)
    for _ in range(2):
        child.line(look="clock")
    assert sum("found" in line for line in child.seen) == before
    assert child.stop() == 0


def test_directory_that_cannot_be_watched(tables: Database, spawn: Spawn, tmp_path: Path) -> None:
    """A directory that is not there to be watched is told of, and served at the interval."""
    watched = tmp_path / "later"
    child = spawn("files", tables.conninfo(), str(watched), "0.1")
    assert child.line(event="SURROUNDINGS_FAILED")["path"] == str(watched)
    child.line(found=[])
    watched.mkdir()
    (watched / "file").write_bytes(b"x")
    child.line(found=["file"])
    assert child.stop() == 0
