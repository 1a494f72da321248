"""`cmp-orders demo`, as real processes over a PostgreSQL of its own."""

from __future__ import annotations

import io
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from rich.console import Console

from console.demo import funnel, verify
from console.demo.play import DAEMONS, PLAN, Play
from console.demo.stage import DemoError, Stage, stage
from console.generator import PLACES, catalogue, orders
from console.standin import PRESETS
from console.standin.ledger import Ledger
from core.domain.order import OrderStatus

WITHIN = 120.0
SEED = 3
COUNT = 40


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty folder for temporary files, short, and open to the user that PostgreSQL runs as."""
    path = Path(tempfile.mkdtemp(prefix="demo-", dir="/tmp"))  # mkdtemp makes it ours
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(place: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The demo as a process whose temporary files are in `place`; killed in the end if need be."""
    process = subprocess.Popen(
        [sys.executable, "-m", "console.main", "demo", *arguments],
        env={**os.environ, "TMPDIR": str(place), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def started_by(place: Path) -> dict[int, str]:
    """The processes that work in `place`, by id, with their command lines."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # It ended meanwhile.
            continue
        if str(place) in command:
            found[int(path.parent.name)] = command
    return found


def await_line(process: subprocess.Popen[str], pattern: str) -> None:
    """Read standard output up to a line in which this is found."""
    assert process.stdout is not None
    for line in process.stdout:
        if re.search(pattern, line):
            return
    pytest.fail(f"ended before it said {pattern!r}")


def test_it_ends_by_itself_shows_the_story_and_leaves_nothing(place: Path) -> None:
    """Exit 0 with the funnel, one order's story and every check passed; no process and no file of
    it is left.
    """
    with running(place, "--orders", "30") as process:
        told, complained = process.communicate(timeout=WITHIN)
    assert (process.returncode, complained) == (0, "")
    assert "✗" not in told
    assert told.count("✓") == 9
    assert "30  orders submitted" in told
    assert "settled and billed" in told
    assert "One order's whole story" in told
    assert list(place.iterdir()) == []
    assert started_by(place) == {}


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)], ids=["Ctrl-C", "TERM"]
)
def test_interrupted_it_takes_everything_with_it(
    place: Path, how: signal.Signals, code: int
) -> None:
    """Stopped in the middle it stops what it started, by id, and removes its folder."""
    with running(place, "--orders", "3000") as process:
        await_line(process, "Four daemons")
        assert len([c for c in started_by(place).values() if "-m daemons." in c]) >= 4
        process.send_signal(how)
        process.communicate(timeout=WITHIN)
        assert process.returncode == code
    assert list(place.iterdir()) == []
    assert started_by(place) == {}


def test_killed_without_notice_its_processes_end_all_the_same(place: Path) -> None:
    """SIGKILL leaves files, which nobody can help, but no daemon and no partner that works on."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not here: nothing can tie a process to its parent")
    with running(place, "--orders", "3000") as process:
        await_line(process, "Four daemons")
        children = [os.pidfd_open(child) for child in started_by(place) if child != process.pid]
        process.kill()
        for child in children:
            ended = signal_ended(child)
            os.close(child)
            assert ended


def signal_ended(descriptor: int) -> bool:
    """Whether a process ends in time; its pidfd is readable then."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(WITHIN * 1000))


def test_a_daemon_that_dies_is_told_with_its_last_lines(place: Path) -> None:
    """The demo ends with 1, names the process and its end, and shows what the logs said last."""
    with running(place, "--orders", "3000") as process:
        await_line(process, "[1-9][0-9]* batched")
        (victim,) = [c for c, line in started_by(place).items() if "-m daemons.dispatch " in line]
        os.kill(victim, signal.SIGKILL)
        _, complained = process.communicate(timeout=WITHIN)
    assert process.returncode == 1
    assert "a process ended too early: dispatch with -9" in complained
    assert "--- the last lines of extract_to_generic" in complained
    assert list(place.iterdir()) == []


def test_a_folder_that_is_in_use_is_left_alone(place: Path) -> None:
    """--keep takes an empty or new folder; another is refused untouched."""
    (place / "mine").write_text("mine")
    with running(place, "--keep", str(place)) as process:
        _, complained = process.communicate(timeout=WITHIN)
    assert process.returncode == 1
    assert "is not empty" in complained
    assert [path.name for path in place.iterdir()] == ["mine"]


@pytest.fixture(scope="module")
def played() -> Iterator[tuple[Stage, str]]:
    """A demo that was played to its end in a folder that is kept, with what it said."""
    place = Path(tempfile.mkdtemp(prefix="demo-", dir="/tmp"))  # mkdtemp makes it ours
    place.chmod(0o711)
    said = io.StringIO()
    try:
        with stage(place / "kept") as made:
            play = Play(made, Console(file=said, width=100), orders=COUNT, seed=SEED)
            assert play.run(kept=True) == []
            yield made, said.getvalue()
    finally:
        shutil.rmtree(place)


@pytest.fixture
def conn(played: tuple[Stage, str]) -> Iterator[psycopg.Connection]:
    """What a test does to the database is undone; triggers and foreign keys look away."""
    with played[0].connect() as opened:
        opened.execute("set session_replication_role = replica")
        with opened.transaction(force_rollback=True):
            yield opened


def test_what_is_kept_is_told(played: tuple[Stage, str]) -> None:
    """With --keep the folder has the properties, both trees, the logs and the data, and the way to
    look into it is told.
    """
    made, said = played
    for name in ("sales-orders.properties", "out/archive", "in/archive", "log", "postgres"):
        assert (made.folder / name).exists()
    for daemon in DAEMONS:
        assert made.log(daemon).stat().st_size > 0
    data = made.folder / "postgres"
    assert f"bin/postgres -D {data} -k {data} -h ''" in said
    assert f"cmp-orders --config {made.properties} status" in said
    assert f"sales.order.database.host={data}" in made.properties.read_text()


def test_the_private_keys_go_where_they_are_needed(played: tuple[Stage, str]) -> None:
    """Only Extract to Generic can sign, and only Load from Generic can decrypt."""
    made, _ = played
    given = {
        daemon: sorted(path.name for path in made.credentials(daemon).glob("*"))
        for daemon in DAEMONS
    }
    assert given == {
        "request_extract": [],
        "extract_to_generic": ["signing.key"],
        "load_from_generic": ["decryption.key"],
        "dispatch": [],
    }


def test_an_order_astray_is_found(conn: psycopg.Connection) -> None:
    """An order that is elsewhere, or that is not there at all, is told with where it should be."""
    wanted = list(orders(SEED, COUNT, catalogue(SEED)))
    plan = verify.expected(conn, PRESETS[PLAN], SEED)
    assert verify.orders_astray(conn, wanted, plan) == []
    conn.execute("update sales_order set status = 'NEW' where reference = 'WEB-3-000001'")
    conn.execute("alter table sales_order disable trigger sales_order_removed")
    conn.execute("delete from sales_order where reference = 'WEB-3-000002'")
    first, second = verify.orders_astray(conn, wanted, plan)
    assert first.startswith("order WEB-3-000001 should be ")
    assert first.endswith("and is NEW")
    assert second.startswith("order WEB-3-000002 should be ")


def test_another_plan_would_not_have_been_met(conn: psycopg.Connection) -> None:
    """The expectation follows the plan: with another seed's fates, orders are astray."""
    wanted = list(orders(SEED, COUNT, catalogue(SEED)))
    assert verify.orders_astray(conn, wanted, verify.expected(conn, PRESETS[PLAN], SEED + 1))


@pytest.mark.parametrize(
    "tampered",
    [
        "delete from charge where ctid = (select min(ctid) from charge)",
        "update charge set unit_price = 1, amount = quantity where unit_price > 1",
        "update charge set quantity = quantity + 1, amount = (quantity + 1) * unit_price",
        "update charge set product_code = 'EARBUDS'",
    ],
    ids=["missing", "price", "quantity", "product"],
)
def test_a_wrong_charge_is_found(conn: psycopg.Connection, tampered: str) -> None:
    """A charge that is missing, or of another price, quantity or product, is told."""
    made = catalogue(SEED)
    wanted = list(orders(SEED, COUNT, made))
    plan = verify.expected(conn, PRESETS[PLAN], SEED)
    assert verify.charges_wrong(conn, wanted, plan, made) == []
    conn.execute(tampered.encode())
    assert verify.charges_wrong(conn, wanted, plan, made)


def test_a_missing_unit_is_found(conn: psycopg.Connection) -> None:
    """A serialised line has to have as many units as were dispatched of it."""
    assert verify.units_wrong(conn) == []
    conn.execute("alter table dispatched_unit disable trigger dispatched_unit_kept")
    conn.execute("delete from dispatched_unit where ctid = (select min(ctid) from dispatched_unit)")
    assert len(verify.units_wrong(conn)) == 1


def test_a_batch_in_error_and_a_file_in_quarantine_are_found(conn: psycopg.Connection) -> None:
    """What was refused although the plan has nothing of the kind is told with its reason."""
    assert verify.refused(conn) == []
    conn.execute(
        "update batch set stage_status = 'Error', reason = 'RECORDS_REFUSED' "
        "where id = (select min(id) from batch)"
    )
    conn.execute(
        "update inbound_file set status = 'QUARANTINED', reason = 'ENVELOPE_REFUSED' "
        "where id = (select min(id) from inbound_file)"
    )
    batch, file = verify.refused(conn)
    assert batch.endswith("RECORDS_REFUSED")
    assert file.endswith("ENVELOPE_REFUSED")


def test_a_file_that_a_partner_saw_twice_or_never_is_found(
    played: tuple[Stage, str], conn: psycopg.Connection, tmp_path: Path
) -> None:
    """The partner's own memory is compared with what was sent, identifier by identifier."""
    for name in (place.id for place in PLACES):
        assert verify.partners_wrong(conn, name, played[0].partner(name)) == []
    shutil.copytree(played[0].partner("LONDON"), tmp_path / "LONDON")
    ledger = Ledger(tmp_path / "LONDON" / "ledger.sqlite3")
    sent = next(iter(ledger.seen()))
    ledger.saw(sent, 1, "again", 1)
    ledger.saw(999_999, 7, "unheard", 1)
    ledger.close()
    conn.execute(
        "insert into outbound_file (id, batch_id, warehouse_id, file_sequence, name, tree_id, "
        "payload_sha256, file_sha256, byte_count) values "
        "(888888, 888888, 'LONDON', 9, 'x', gen_random_uuid(), '', '', 1)"
    )
    (tmp_path / "LONDON" / "refused" / "bad.p7m").write_bytes(b"")
    told = "\n".join(verify.partners_wrong(conn, "LONDON", tmp_path / "LONDON"))
    assert f"LONDON saw identifier {sent} 2 times" in told
    assert "LONDON never saw identifier 888888" in told
    assert "LONDON saw identifier 999999, never sent" in told
    assert "gaps in the file sequence" in told
    assert "LONDON had to refuse bad.p7m" in told


def test_an_error_in_a_log_is_found(tmp_path: Path) -> None:
    """An event at level error, or a line that is no event, such as a traceback, is told."""
    good, bad = tmp_path / "good.log", tmp_path / "bad.log"
    good.write_text('{"level": "info", "event": "DAEMON_READY"}\n')
    bad.write_text('{"level": "error", "event": "BATCH_HELD"}\nTraceback\n')
    assert verify.errors_logged([good]) == []
    assert verify.errors_logged([good, bad]) == [
        "bad.log tells of BATCH_HELD",
        "bad.log has a line that is no event: Traceback",
    ]


def test_the_funnel_counts_what_has_come_through(conn: psycopg.Connection) -> None:
    """At the end every step has all orders; an order of two warehouses counts in both."""
    parts = conn.execute(
        "select count(distinct (order_id, warehouse_id)) from request_line"
    ).fetchone()
    assert funnel.unfinished(conn, partners=True) == 0
    for name in funnel.MEANINGS:
        assert (sum(getattr(one, name) for one in funnel.steps(conn)),) == parts
    assert sum(funnel.statuses(conn).values()) == COUNT
    conn.execute("update sales_order set status = 'AWAITING_DISPATCH'")
    assert funnel.unfinished(conn, partners=True) == COUNT
    assert funnel.in_words(funnel.statuses(conn)) == f"{COUNT} Awaiting Dispatch"
    assert funnel.statuses(conn)[OrderStatus.COMPLETE] == 0


def test_a_verb_that_refuses_ends_the_demo_with_its_words(played: tuple[Stage, str]) -> None:
    """The demo calls the real verbs, and what one of them refuses is told as the user would see."""
    with pytest.raises(
        DemoError, match=r"(?s)warehouse add york .* ended with 2: .* capital letters"
    ):
        played[0].verb("warehouse", "add", "york", "--name", "x")
