"""Obeys signals in time, whatever the working thread has in hand.

SIGTERM and SIGINT let the unit in hand finish. Past half of the stop time, or at the second such
signal, its statement is cancelled, again and again until the unit gives up. When nine tenths of the
stop time are over (a write that hangs, a computation without end) the process just ends: that is a
crash, which every unit is made to survive, but one in time.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

from core.daemon.duty import EX_TEMPFAIL

CANCEL_AFTER = 0.5
"""The part of the stop time that a unit has to finish."""
END_AFTER = 0.9
"""The part of the stop time after which the process ends without the working thread."""
CANCEL_EVERY = 0.2
"""Seconds between two cancellations: the first may have hit between two statements."""


class Interrupted(BaseException):
    """A signal came while there was nothing in hand that could be lost."""


class Signals:
    """A thread that reads the signals that arrived, so that none waits for the working thread.

    The interpreter writes their numbers to a pipe by itself (signal.set_wakeup_fd), even while the
    working thread is deep in a library. Outside the main thread, where Python lets nobody set
    handlers, it does nothing.
    """

    def __init__(self, wake: Callable[[], None], cancel: Callable[[], None]) -> None:
        self._wake = wake
        self._cancel = cancel
        self.stoptime = 30.0
        self.stopping: str | None = None
        """The name of the signal that asked for the end."""
        self.hurried = False
        """Whether the unit in hand is being cancelled."""
        self.hangup = False
        """Whether the properties are to be read again; who does it sets it back."""
        self._begun: float | None = None
        self._interruptible = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            self._old_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                self._before[number] = signal.signal(number, self._handle)
            self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._old_fd)
            os.write(self._write, b"\0")
            self._thread.join()
            os.close(self._read)
            os.close(self._write)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within it a signal to stop raises Interrupted at once: there is nothing to finish."""
        self._interruptible = True
        try:
            if self.stopping:
                raise Interrupted
            yield
        finally:
            self._interruptible = False

    def _handle(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGHUP:
            self.stopping = signal.Signals(number).name
            if self._interruptible:
                raise Interrupted

    def _watch(self) -> None:
        pause = None
        while True:
            if select.select([self._read], [], [], pause)[0]:
                numbers = os.read(self._read, 64)
                if 0 in numbers:
                    return
                for number in numbers:
                    self._received(number)
            pause = self._press()

    def _received(self, number: int) -> None:
        if number == signal.SIGHUP:
            self.hangup = True
        elif number in self._before:
            self.hurried = self._begun is not None
            self._begun = self._begun or time.monotonic()
            self.stopping = signal.Signals(number).name
        self._wake()

    def _press(self) -> float | None:
        """Do what the time since the first signal asks for; seconds until the next such moment."""
        if self._begun is None:
            return None
        gone = time.monotonic() - self._begun
        if gone >= self.stoptime * END_AFTER:
            # Not a word: the working thread may hold the log's lock.
            os._exit(EX_TEMPFAIL)
        if gone >= self.stoptime * CANCEL_AFTER:
            self.hurried = True
        if not self.hurried:
            return self.stoptime * CANCEL_AFTER - gone
        self._cancel()
        return CANCEL_EVERY
