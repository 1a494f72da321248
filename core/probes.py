"""Probes: named questions with targets, each answered with Success, Warning or Severe.

What stands at each step of the funnel and for how long, what needs a person, how much room there
is, how long the keys are valid. The targets are the properties sales.order.probe.<name>.warning and
.severe. A probe that cannot look is severe: nobody knows then.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Final

import psycopg

from core import envelope
from core.config import Properties
from core.db import probing, warehouses
from core.directory import Inbound, Outbound
from core.envelope import KeyringError
from core.errors import Reason

Found = list[tuple[str, float]]


class Verdict(IntEnum):
    """How a probe is answered; the number is that of the metrics."""

    SUCCESS = 0
    WARNING = 1
    SEVERE = 2

    @property
    def shown(self) -> str:
        """The word for people."""
        return self.name.capitalize()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the probes look at; `conn` is None while the database is away."""

    properties: Properties
    conn: psycopg.Connection | None

    def database(self) -> psycopg.Connection:
        """The connection; ConnectionError while there is none."""
        if self.conn is None:
            raise ConnectionError("the database is away")
        return self.conn


@dataclass(frozen=True, slots=True)
class Probe:
    """A question: what it asks, in which unit, and what to do if the answer is bad."""

    name: str
    unit: str
    """seconds, bytes or a plain count."""
    asks: str
    remedy: str
    look: Callable[[Surroundings], Found] = field(repr=False)
    falls: bool = False
    """Whether a small value is the bad one, such as for what is left."""
    targets: tuple[float, float] | None = None
    """Warning and severe, where no property sets them."""

    def limits(self, properties: Properties) -> tuple[float, float]:
        """From which value on it warns, and from which it is severe."""
        if self.targets is not None:
            return self.targets
        mine = properties.probe
        return getattr(mine, f"{self.name}_warning"), getattr(mine, f"{self.name}_severe")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe found about one subject; `value` is None if it could not look."""

    probe: Probe
    subject: str
    value: float | None
    verdict: Verdict
    limits: tuple[float, float]
    why: str = ""


def run(properties: Properties, conn: psycopg.Connection | None) -> list[Answer]:
    """The answers of all probes, in the order of the table."""
    surroundings = Surroundings(properties, conn)
    return [answer for probe in PROBES for answer in _answers(probe, surroundings)]


def _answers(probe: Probe, surroundings: Surroundings) -> Iterator[Answer]:
    limits = probe.limits(surroundings.properties)
    try:
        found = probe.look(surroundings)
    except (OSError, psycopg.Error, KeyringError) as error:
        # A database error's own text may hold a row.
        why = type(error).__name__ if isinstance(error, psycopg.Error) else str(error)
        yield Answer(probe, "", None, Verdict.SEVERE, limits, " ".join(why.split()))
        return
    for subject, value in found:
        yield Answer(probe, subject, value, judge(value, limits, falls=probe.falls), limits)


def judge(value: float, limits: tuple[float, float], *, falls: bool) -> Verdict:
    """What a value means: at a limit is past it."""
    warning, severe = limits
    if falls:
        value, warning, severe = -value, -warning, -severe
    if value >= severe:
        return Verdict.SEVERE
    return Verdict.WARNING if value >= warning else Verdict.SUCCESS


def _asked(name: str) -> Callable[[Surroundings], Found]:
    return lambda surroundings: probing.look(surroundings.database(), name)


def _loading(surroundings: Surroundings) -> Found:
    """What lies in the inboxes for longest, or was claimed and is not archived."""
    tree = Inbound(surroundings.properties.directory.in_)
    oldest = dict(probing.look(surroundings.database(), "claimed"))
    for inbox in tree.inboxes():
        candidates, _ = tree.candidates(inbox.name)
        if candidates:
            # A partner may set any time; what seems to come from the future has just come.
            age = max(time.time() - candidates[0].written_at, 0.0)
            oldest[inbox.name] = max(oldest.get(inbox.name, 0.0), age)
    return sorted(oldest.items())


def _space(surroundings: Surroundings) -> Found:
    return [(str(root), float(_free(root))) for root in _trees(surroundings)]


def _trees(surroundings: Surroundings) -> tuple[Path, Path]:
    directory = surroundings.properties.directory
    return directory.out, directory.in_


def _free(root: Path) -> int:
    status = os.statvfs(root)
    return status.f_bavail * status.f_frsize


def _keys(surroundings: Surroundings) -> Found:
    """How long the last valid certificate of each owner and use remains so."""
    now = datetime.now(UTC)
    left: dict[str, float] = {}
    for one in envelope.load(surroundings.properties.trust.directory, None).certificates():
        if one.state is envelope.State.REVOKED:
            continue
        name = f"{one.owner} {one.use}"
        seconds = (one.not_after - now).total_seconds()
        left[name] = max(left.get(name, seconds), seconds)
    if not left:
        raise KeyringError("there are no certificates")
    return sorted(left.items())


def _ahead(surroundings: Surroundings) -> Found:
    """Warehouses of which the archive knows files that the database does not."""
    tree = Outbound(surroundings.properties.directory.out)
    known = warehouses.all_warehouses(surroundings.database())
    return [
        (one.id, float(_is_ahead(tree, one)))
        for one in known
        if one.held_reason != Reason.WORK_TREE_CHANGED
    ]


def _is_ahead(tree: Outbound, warehouse: warehouses.Warehouse) -> bool:
    if warehouse.held_reason == Reason.DATABASE_OLDER_THAN_FILES:
        return True
    return tree.highest_sequence(warehouse.id) > warehouse.file_sequence


_STATUS: Final = "Look at the daemon: `systemctl status {}`, `journalctl -u {}`."


def _of(daemon: str) -> str:
    return _STATUS.format(*[f"sales-order-{daemon}"] * 2)


PROBES: Final = (
    Probe(
        "generation",
        "seconds",
        "For how long has an order awaited generation?",
        _of("request-extract"),
        _asked("generation"),
    ),
    Probe(
        "batching",
        "seconds",
        "For how long has a request that nobody holds awaited a batch?",
        _of("request-extract"),
        _asked("batching"),
    ),
    Probe(
        "referred",
        "seconds",
        "For how long has an order that is held for fraud awaited a person?",
        "`cmp-orders fraud list --verdict refer`, then `cmp-orders order release` or `cmp-orders "
        "order reject`.",
        _asked("referred"),
    ),
    Probe(
        "sealing",
        "seconds",
        "For how long has a batch awaited its sealing?",
        "`cmp-orders status` names held warehouses, `cmp-orders keys list` missing keys.",
        _asked("sealing"),
    ),
    Probe(
        "publishing",
        "seconds",
        "For how long has a sealed file awaited its publication?",
        _of("extract-to-generic"),
        _asked("publishing"),
    ),
    Probe(
        "taking",
        "seconds",
        "For how long has a published file lain there?",
        "Call the partner; never delete or move the file.",
        _asked("taking"),
    ),
    Probe(
        "answer",
        "seconds",
        "For how long has a line been open that the partner took?",
        "`cmp-orders order list --status AWAITING_DISPATCH`; call the partner.",
        _asked("answer"),
    ),
    Probe(
        "loading",
        "seconds",
        "For how long has a dropped file awaited its loading?",
        _of("load-from-generic"),
        _loading,
    ),
    Probe(
        "applying",
        "seconds",
        "For how long has a loaded dispatch batch awaited its application?",
        _of("dispatch"),
        _asked("applying"),
    ),
    Probe(
        "errors",
        "count",
        "How many batches are at Error?",
        "`cmp-orders batch list`, then `cmp-orders batch reprocess`.",
        _asked("errors"),
    ),
    Probe(
        "quarantine",
        "count",
        "How many files are in quarantine?",
        "`cmp-orders file list`; settle it with the partner, then `cmp-orders file requeue` or "
        "`cmp-orders file discard`.",
        _asked("quarantine"),
    ),
    Probe(
        "space",
        "bytes",
        "How many bytes are free for a tree?",
        "Make room, or grow the file system; the daemons wait meanwhile, and lose nothing.",
        _space,
        falls=True,
    ),
    Probe(
        "keys",
        "seconds",
        "For how long is the last certificate of a use still valid?",
        "`cmp-orders keys list`, then rotate: see the operators' page.",
        _keys,
        falls=True,
    ),
    Probe(
        "transaction",
        "seconds",
        "For how long has the oldest transaction in the database been open?",
        "Look at `pg_stat_activity`; end the session that sits in it.",
        _asked("transaction"),
    ),
    Probe(
        "ahead",
        "count",
        "Are there files that the database does not know, since it lost commits?",
        "`cmp-orders reconcile`, then `sudo -u sales_order_adopt cmp-orders reconcile --adopt`.",
        _ahead,
        targets=(1.0, 1.0),
    ),
)
