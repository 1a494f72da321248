"""The loop of a daemon: connect, look, work, wait."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import deque
from datetime import UTC, datetime
from importlib import metadata

import psycopg
from psycopg.pq import TransactionStatus

from core import log, memory
from core.config import ConfigError
from core.daemon.duty import EX_TEMPFAIL, Daemon, Duty
from core.daemon.notify import Notifier
from core.daemon.outcomes import Outcome, Trouble, judge
from core.daemon.session import Session
from core.daemon.signals import Signals
from core.daemon.wakeups import Wake, missed, sources
from core.events import Event

RETRIES = 5
"""How often a unit that met a deadlock or a timeout is tried again before it is deferred."""
COUNT_EVERY = 10.0
"""Seconds between two counts of what waits."""


def run(daemon: Daemon, *, once: bool = False) -> int:
    """Work until a signal to stop (or, with `once`, until there is no more); the exit code.

    0: stopped as asked, or with `once`, all is done. EX_TEMPFAIL: with `once`, something could not
    be done now, and the log says what. The surroundings never end it otherwise. An exception that
    is no Exception passes through at once, with neither database nor files touched any more.
    """
    began = time.monotonic()
    log.emit(Event.DAEMON_STARTED, version=_version(), pid=os.getpid(), once=once)
    with contextlib.closing(Wake()) as wake, memory.tuned():
        runner = Runner(daemon, wake, once=once)
        with runner.signals:
            code = runner.run()
            why = runner.signals.stopping or "nothing more to do"
            runner.notifier.send("STOPPING=1", f"STATUS=stopping: {why}")
            runner.session.close()
    seconds = round(time.monotonic() - began, 3)
    log.emit(Event.DAEMON_STOPPED, why=why, exit_code=code, units=runner.units, seconds=seconds)
    return code


def _version() -> str:
    try:
        return metadata.version("sales-orders")
    except metadata.PackageNotFoundError:
        return "not installed"


class Turn:
    """Where one duty stands."""

    def __init__(self, duty: Duty, longest: float, *, due: bool) -> None:
        self.duty = duty
        self.due = due
        """There is a reason to look, besides the interval."""
        self.look_at = time.monotonic() + duty.interval
        self.rest_until = -math.inf
        self.retries = 0
        self.given_up = False
        """With `once`: met trouble, and is not tried again."""
        self.trouble = Trouble(longest, duty.name)

    @property
    def not_done(self) -> bool:
        """With `once`: something of it could not be done now."""
        return self.given_up or (self.duty.resting is not None and self.duty.resting())

    def next_look(self) -> float:
        """When it has a reason to look and need not rest, as time.monotonic() counts."""
        return max(self.rest_until, -math.inf if self.due else self.look_at)


class Runner:
    """One run of a daemon: its session, its duties' turns and what it has met."""

    def __init__(self, daemon: Daemon, wake: Wake, *, once: bool) -> None:
        self._once = once
        self._wake = wake
        self._began = time.monotonic()
        self._ready = False
        self._last = "nothing done yet"
        self._waiting = ""
        self.units = 0
        self.notifier = Notifier()
        self.signals = Signals(wake.hint, self._cancel)
        self._take_up(daemon)
        for turn in self._turns:
            turn.due = turn.due or once or missed(turn.duty)

    def _take_up(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.signals.stoptime = daemon.stoptime
        duties = list(daemon.duties)
        if daemon.waiting is not None and self.notifier.listened_to and not self._once:
            duties.append(Duty("status", self._count_waiting, interval=COUNT_EVERY))
        channels = {channel for duty in duties for channel in duty.channels}
        self.session = Session(daemon, channels, self._wake)
        self._turns = deque(Turn(duty, daemon.backoffmax, due=duty.on_start) for duty in duties)

    def _cancel(self) -> None:
        """From the thread of the signals; the session may be another one after SIGHUP."""
        self.session.cancel()

    def run(self) -> int:
        """Until the end; after SIGHUP as the daemon that its `reload` gives."""
        if self._once:
            return self._work()
        while True:
            with sources(self._daemon.duties, self._wake):
                code = self._work()
            if self.signals.stopping:
                return code
            self._reload()

    def _work(self) -> int:
        while not self.signals.stopping and not self._to_reload():
            self.notifier.feed(ready=self._ready)
            if self.session.conn is None:
                if self._once and self.session.trouble.failures:
                    return EX_TEMPFAIL
                self._connect()
                continue
            self._hear()
            turn = self._next()
            if turn is not None:
                self._unit(turn)
            elif self.session.conn is not None:
                if self._once:
                    return EX_TEMPFAIL if any(turn.not_done for turn in self._turns) else 0
                self._wait(min(turn.next_look() for turn in self._turns))
        return 0

    def _connect(self) -> None:
        if time.monotonic() < self.session.connect_at:
            self._wait(self.session.connect_at)
            self._hear()
        elif self.session.open(self.signals):
            if self._ready:
                # Notifications were lost meanwhile.
                for turn in self._turns:
                    turn.due = turn.due or bool(turn.duty.channels)
                return
            self._ready = True
            self.notifier.send("READY=1")
            log.emit(Event.DAEMON_READY, seconds=round(time.monotonic() - self._began, 3))

    def _hear(self) -> None:
        """Find out which duties have been given a reason to look."""
        hints, channels = self._wake.take(), self.session.heard()
        for turn in self._turns:
            if turn.duty.name in hints or not channels.isdisjoint(turn.duty.channels):
                turn.due = True

    def _next(self) -> Turn | None:
        """Who has waited longest of those with a reason to look."""
        now = time.monotonic()
        for turn in self._turns:
            if turn.due and not turn.given_up if self._once else turn.next_look() <= now:
                return turn
        return None

    def _unit(self, turn: Turn) -> None:
        self._turns.remove(turn)
        self._turns.append(turn)
        turn.due = False
        try:
            more = self._look(turn.duty)
        except Exception as error:  # noqa: BLE001  # everything that is no order to end at once
            turn.due = True
            if not (self.signals.hurried and isinstance(error, psycopg.errors.QueryCanceled)):
                self._failed(turn, error)
            self.session.clear()
            return
        turn.retries = 0
        turn.trouble.over()
        self.session.trouble.over()
        if more:
            self._done(turn)
        else:
            turn.look_at = time.monotonic() + turn.duty.interval

    def _look(self, duty: Duty) -> bool:
        conn = self.session.conn
        if conn is None:
            return True
        with log.about(duty=duty.name):
            more = duty.work(conn)
        if conn.info.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
            raise RuntimeError("a unit left its transaction open")
        return more

    def _done(self, turn: Turn) -> None:
        self.units += 1
        self._last = f"last done: {turn.duty.name} at {datetime.now(UTC):%H:%M:%SZ}"
        turn.due = True
        if self._once:
            # What one duty has done may be work for the others.
            for other in self._turns:
                other.due = True
        self._tell_status()

    def _failed(self, turn: Turn, error: Exception) -> None:
        outcome = judge(error)
        if outcome is Outcome.RETRY and turn.retries < RETRIES:
            turn.retries += 1
            return
        turn.retries = 0
        turn.given_up = True
        # Of a lost connection the session tells. But the duty rests as well: should its unit be
        # what breaks the connection each time, the others must not be kept from working.
        lost = outcome is Outcome.DATABASE
        turn.rest_until = time.monotonic() + turn.trouble.met(error, outcome, tell=not lost)
        if lost:
            self.session.lost(error)

    # Between the units.

    def _wait(self, until: float) -> None:
        self._tell_status(now=True)
        # However little there is to do, the service manager wants a sign of life.
        most = self.notifier.pause(ready=self._ready)
        self._wake.wait(max(min(until - time.monotonic(), most), 0.0))

    def _tell_status(self, *, now: bool = False) -> None:
        troubles = [("", self.session.trouble)]
        troubles += [(f"{turn.duty.name} ", turn.trouble) for turn in self._turns]
        failing = [
            f"{name}failing since {trouble.since:%Y-%m-%d %H:%M:%SZ}: {trouble.why}"
            for name, trouble in troubles
            if trouble.since is not None
        ]
        parts = (self._last, self._waiting, *failing)
        self.notifier.status("; ".join(part for part in parts if part), now=now)

    def _count_waiting(self, conn: psycopg.Connection) -> bool:
        if self._daemon.waiting is not None:
            self._waiting = self._daemon.waiting(conn)
        return False

    # Properties read again.

    def _to_reload(self) -> bool:
        if self.signals.hangup and (self._once or self._daemon.reload is None):
            self.signals.hangup = False
        return self.signals.hangup

    def _reload(self) -> None:
        self.signals.hangup = False
        if self._daemon.reload is None:
            return
        self.notifier.reloading()
        try:
            daemon = self._daemon.reload()
        except ConfigError as refused:
            for problem in refused.problems:
                log.emit(Event.CONFIG_REFUSED, problem=problem)
        except Exception as error:  # noqa: BLE001  # the daemon as it was still works
            log.emit(Event.FAULT, why=f"reload: {log.one_line(error)}", error=error)
        else:
            # What a time of the schedule or a hint has asked for is not forgotten.
            due = {turn.duty.name for turn in self._turns if turn.due}
            self.session.close()
            self._take_up(daemon)
            for turn in self._turns:
                turn.due = turn.due or turn.duty.name in due
            log.emit(Event.CONFIG_RELOADED)
        if self._ready:
            self.notifier.send("READY=1")
