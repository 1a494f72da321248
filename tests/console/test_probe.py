"""`probe run`: what stands for too long, runs short or needs a person is told, with its target."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from console.exits import Exit
from core import config, envelope
from core.db import batches, probing
from core.directory import Inbound, Outbound
from core.domain.batch import SET_ASIDE
from core.errors import Reason
from core.probes import PROBES, Verdict, judge
from tests.console.conftest import Console, Ended
from tests.daemons.desk import line, record
from tests.daemons.test_check import BAD, generated


@pytest.fixture
def watched(console: Console) -> Console:
    """With trees and our own keys: there all probes are met."""
    Outbound(console.root / "out").init()
    Inbound(console.root / "in").init()
    envelope.generate("us", console.root / "trust", console.root / "credentials", days=60)
    return console


def failing(ended: Ended) -> dict[str, str]:
    """The verdicts that are no success, by probe."""
    verdicts = [(one["probe"], one["verdict"]) for one in ended.json]
    return {probe: verdict for probe, verdict in verdicts if verdict != Verdict.SUCCESS.shown}


def later(console: Console, table: str, column: str, interval: str) -> None:
    """As if everything in a column had happened so much earlier."""
    console.owner.execute(f"update {table} set {column} = now() - interval '{interval}'")  # noqa: S608  # ours


def test_all_is_well(watched: Console) -> None:
    """With nothing to do every probe is met, and the exit code is 0."""
    ended = watched.call("probe", "run", "--json")
    assert failing(ended) == {}
    assert ended.code == 0
    assert {one["probe"] for one in ended.json} == {probe.name for probe in PROBES}


LATE = {
    "generation": ("sales_order", "status_at", "11 min"),
    "batching": ("request_queue", "queued_at", "11 min"),
    "sealing": ("batch", "stage_at", "11 min"),
    "publishing": ("batch", "stage_at", "11 min"),
    "taking": ("outbound_file", "published_at", "5 hours"),
    "answer": ("outbound_file", "taken_at", "4 days"),
}
"""The steps of an order, and what makes it stand there for too long."""


def bring_to(console: Console, step: str) -> None:
    """Have an order stand at one of these steps, for too long."""
    console.order(("CASE", 1, "1"))
    steps = list(LATE)
    if steps.index(step) >= steps.index("batching"):
        console.generate()
    made = console.batch() if steps.index(step) >= steps.index("sealing") else []
    if step == "publishing":
        console.owner.execute(
            "update batch set stage = 'Extract/Load', stage_status = 'In Progress'"
        )
    if steps.index(step) >= steps.index("taking"):
        console.seal(*made)
    later(console, *LATE[step])


@pytest.mark.parametrize("step", LATE)
def test_each_step(watched: Console, step: str) -> None:
    """What stands at a step past the first target is a Warning of that probe and of no other, and
    the exit code is 1.
    """
    bring_to(watched, step)
    ended = watched.call("probe", "run", "--json")
    assert failing(ended) == {step: "Warning"}
    assert ended.code == Exit.REFUSED


def test_referred_to_nobody(watched: Console) -> None:
    """An order that is held for fraud for too long is told, until it is decided or has ended; an
    operator's own hold, placed on purpose, is not.
    """
    watched.require_check("rules")
    order = generated(watched, **BAD)
    watched.check()
    watched.call("order", "hold", watched.order(("CASE", 1, "1"), submit=False), "--reason", "x")
    later(watched, "order_hold", "placed_at", "5 hours")
    assert failing(watched.call("probe", "run", "--json")) == {"referred": "Warning"}
    later(watched, "order_hold", "placed_at", "25 hours")
    assert failing(watched.call("probe", "run", "--json")) == {"referred": "Severe"}
    with watched.owner.transaction(force_rollback=True):
        watched.owner.execute("update sales_order set status = 'CANCELLED'")
        assert probing.look(watched.owner, "referred") == [("", 0.0)]
    watched.call("order", "release", order, "--reason", "has telephoned")
    assert failing(watched.call("probe", "run", "--json")) == {}


def test_not_applied(watched: Console) -> None:
    """A loaded dispatch batch that is not applied is told; applied with an error, it is another
    probe's.
    """
    watched.load("LONDON", record(1, "D", line(1, 1)))
    later(watched, "batch", "stage_at", "11 min")
    assert failing(watched.call("probe", "run", "--json")) == {"applying": "Warning"}
    watched.apply()
    assert failing(watched.call("probe", "run", "--json")) == {"errors": "Warning"}


def test_severe(watched: Console) -> None:
    """Past the second target it is Severe, and the exit code is 3."""
    watched.order(("CASE", 1, "1"))
    later(watched, "sales_order", "status_at", "61 min")
    ended = watched.call("probe", "run", "--json")
    assert failing(ended) == {"generation": "Severe"}
    assert ended.code == Exit.SEVERE


def test_targets_are_properties(watched: Console) -> None:
    """A target that a property sets is the one that counts."""
    watched.order(("CASE", 1, "1"))
    later(watched, "sales_order", "status_at", "11 min")
    path = watched.properties_file
    path.write_text(path.read_text() + "sales.order.probe.generation.warning = 20m\n")
    assert failing(watched.call("probe", "run", "--json", config=path)) == {}


def test_held_orders_are_a_persons(watched: Console) -> None:
    """An order that a person holds is no trouble of a daemon's."""
    order = watched.order(("CASE", 1, "1"))
    watched.generate()
    watched.call("order", "hold", order, "--reason", "x")
    later(watched, "request_queue", "queued_at", "9 days")
    assert failing(watched.call("probe", "run", "--json")) == {}


def test_dropped_files(watched: Console) -> None:
    """A file that lies in an inbox for long is told, with the warehouse; one with a time of the
    future is not old.
    """
    tree = Inbound(watched.root / "in")
    tree.prepare("LONDON")
    path = tree.inbox("LONDON") / "a.p7m"
    path.write_bytes(b"x")
    os.utime(path, (4e9, 4e9))
    assert failing(watched.call("probe", "run", "--json")) == {}
    os.utime(path, (1e9, 1e9))
    ended = watched.call("probe", "run", "--json")
    assert [one["subject"] for one in ended.json if one["verdict"] == "Severe"] == ["LONDON"]


def test_files_ahead_of_the_database(watched: Console) -> None:
    """An archive that knows more than the database is Severe at once."""
    tree = Outbound(watched.root / "out")
    tree.prepare("LONDON")
    tree.archived("LONDON", "order-request-LONDON-00000007.p7m.json").write_bytes(b"{}")
    assert failing(watched.call("probe", "run", "--json")) == {"ahead": "Severe"}


def test_keys_run_out(watched: Console) -> None:
    """A certificate that is valid for less than a month more is told, unless its successor is
    there.
    """
    trust = watched.root / "trust"
    envelope.generate("us", trust, watched.root / "other", days=20, overwrite=True)
    assert failing(watched.call("probe", "run", "--json")) == {"keys": "Warning"}
    for use in ("signing", "encryption"):
        (trust / "own" / f"{use}.pem").rename(trust / "own" / f"{use}-old.pem")
    envelope.generate("us", trust, watched.root / "new")
    assert failing(watched.call("probe", "run", "--json")) == {}


def test_transactions_that_stay_open(watched: Console) -> None:
    """The console sees for how long any session's transaction has been open, not only its own."""
    path = watched.properties_file
    path.write_text(path.read_text() + "sales.order.probe.transaction.warning = 1s\n")
    other = watched.conn("dispatch")
    with other.transaction():
        other.execute("select pg_sleep(1.1)")
        ended = watched.call("probe", "run", "--json", config=path)
    assert failing(ended) == {"transaction": "Warning"}


def test_database_away(watched: Console) -> None:
    """Without a database its probes are Severe, the others are answered, and so are the metrics."""
    path = watched.properties_file
    path.write_text(path.read_text().replace("database.port = ", "database.port = 1"))
    textfile = watched.root / "metrics.prom"
    ended = watched.call("probe", "run", "--json", "--textfile", textfile, config=path)
    assert ended.code == Exit.SEVERE
    found = failing(ended)
    assert found["applying"] == "Severe"
    assert not {"space", "keys"} & found.keys()
    assert 'sales_orders_probe_verdict{probe="applying",about=""} 2' in textfile.read_text()


def test_metrics(watched: Console) -> None:
    """The text file has a verdict for every answer, its value, and when it was; each line is one
    that Prometheus takes, and nothing but the file is left.
    """
    folder = watched.root / "metrics"
    folder.mkdir()
    watched.call("probe", "run", "--textfile", folder / "sales_orders.prom")
    assert [path.name for path in folder.iterdir()] == ["sales_orders.prom"]
    lines = (folder / "sales_orders.prom").read_text().splitlines()
    form = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+')
    assert all(text.startswith("#") or form.fullmatch(text) for text in lines)
    verdicts = [text for text in lines if text.startswith("sales_orders_probe_verdict{")]
    assert len(verdicts) == len(watched.call("probe", "run", "--json").json)
    assert lines[-1].startswith("sales_orders_probe_run_timestamp_seconds ")


def test_list(watched: Console) -> None:
    """`probe list` has every probe, with its targets and what to do."""
    listed = watched.call("probe", "list", "--json").json
    assert [one["probe"] for one in listed] == [probe.name for probe in PROBES]
    assert all(one["asks"].endswith("?") and one["remedy"] for one in listed)
    assert "10 min" in watched.call("probe", "list").out


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_first_target_comes_first(probe: Any) -> None:
    """At its default targets a probe warns no later than it is severe."""
    warning, severe = probe.limits(config.Properties())
    assert judge(severe, (warning, severe), falls=probe.falls) is Verdict.SEVERE
    assert judge(warning, (warning, severe), falls=probe.falls) >= Verdict.WARNING


def test_set_aside_is_an_error(watched: Console) -> None:
    """A request batch that was set aside counts among those at Error."""
    watched.order(("CASE", 1, "1"))
    watched.generate()
    [batch] = watched.batch()
    batches.move(watched.owner, batch, SET_ASIDE, reason=Reason.INTERNAL_ERROR)
    assert failing(watched.call("probe", "run", "--json")) == {"errors": "Warning"}
