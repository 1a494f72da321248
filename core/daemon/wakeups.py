"""What makes the working thread look: a pipe that other threads write to, and those who do."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import selectors
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from core import log
from core.daemon.duty import Duty
from core.events import Event

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver


class Wake:
    """A pipe to end a wait with, and the names of the duties that have a reason to look."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._read, selectors.EVENT_READ)
        self._hints: set[str] = set()
        self._lock = threading.Lock()

    def hint(self, duty: str | None = None) -> None:
        """From any thread: end the wait, since this duty (None: the loop itself) has to look."""
        with self._lock:
            if duty is not None:
                self._hints.add(duty)
        # A full pipe will wake as well as one byte more.
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def take(self) -> set[str]:
        """The duties that were hinted at since the last call."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass
        with self._lock:
            hints, self._hints = self._hints, set()
        return hints

    def also(self, fd: int) -> None:
        """Let this descriptor, too, end a wait when it can be read."""
        self._selector.register(fd, selectors.EVENT_READ)

    def no_longer(self, fd: int) -> None:
        """Forget the descriptor, which may be closed already."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(fd)

    def wait(self, seconds: float) -> None:
        """Until somebody hints, a descriptor can be read, or the time is over (it may be inf)."""
        self._selector.select(seconds if math.isfinite(seconds) else None)

    def close(self) -> None:
        """After this nobody may hint any more."""
        self._selector.close()
        os.close(self._read)
        os.close(self._write)


class _Look(FileSystemEventHandler):
    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look

    def on_any_event(self, _: FileSystemEvent) -> None:
        self._look()


@contextlib.contextmanager
def sources(duties: Sequence[Duty], wake: Wake) -> Iterator[None]:
    """While entered, file events and the times of the schedules wake their duties."""
    with contextlib.ExitStack() as stack:
        if any(duty.schedule for duty in duties):
            stack.callback(_schedule(duties, wake).shutdown)
        if any(duty.directories for duty in duties):
            observer = _watch(duties, wake)
            if observer is not None:
                stack.callback(observer.join)
                stack.callback(observer.stop)
        yield


def _schedule(duties: Sequence[Duty], wake: Wake) -> BackgroundScheduler:
    # However late a time is noticed (a host that slept), one look makes up for all of them.
    scheduler = BackgroundScheduler(job_defaults={"coalesce": True, "misfire_grace_time": None})
    for duty in duties:
        for expression in duty.schedule:
            scheduler.add_job(partial(wake.hint, duty.name), CronTrigger.from_crontab(expression))
    scheduler.start()
    return scheduler


def missed(duty: Duty) -> bool:
    """Whether a time of its schedule lies in the past, by no more than its grace."""
    now = datetime.now().astimezone()
    since = now - timedelta(seconds=duty.grace)
    triggers = map(CronTrigger.from_crontab, duty.schedule)
    times = (trigger.get_next_fire_time(None, since) for trigger in triggers)
    return any(time is not None and time <= now for time in times)


def _watch(duties: Sequence[Duty], wake: Wake) -> BaseObserver | None:
    """An observer of what can be observed; what cannot is served by the interval."""
    # It calls its own orderly end an error; whatever befalls it, the interval serves.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    observer = Observer()
    try:
        observer.start()
    except OSError as error:
        log.emit(Event.SURROUNDINGS_FAILED, why=f"files are not watched: {log.one_line(error)}")
        return None
    for duty in duties:
        for directory in duty.directories:
            try:
                observer.schedule(
                    _Look(partial(wake.hint, duty.name)),
                    str(directory),
                    # Only these: our own reading must not wake us.
                    event_filter=[FileCreatedEvent, FileMovedEvent, FileClosedEvent],
                )
            # No such directory, or inotify's limits: looking at the interval serves as well.
            except OSError as error:
                why = f"not watched, looked at every {duty.interval:g} s: {log.one_line(error)}"
                log.emit(Event.SURROUNDINGS_FAILED, why=why, path=str(directory), duty=duty.name)
    return observer
