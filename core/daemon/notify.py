"""Tells the service manager how the daemon is: the protocol of sd_notify(3).

A datagram of NAME=value lines to the socket that $NOTIFY_SOCKET names is the whole of it, and its
manual page promises to keep it so; a library would be a dependency for these few lines.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import time
from collections.abc import Mapping

PATIENCE = 10.0
"""Seconds between two requests for a longer start."""


class Notifier:
    """Speaks to the service manager, or to nobody when none has asked for it."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the zero byte that begins a name in the abstract namespace, unix(7).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._status = ""
        self.interval: float | None = None
        """Seconds between two signs of life: a third of what the watchdog allows."""
        if environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            limit = environ.get("WATCHDOG_USEC", "")
            self.interval = int(limit) / 3e6 if limit.isdigit() and int(limit) else None
        self._fed = self._told = -math.inf

    @property
    def listened_to(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._address)

    def send(self, *lines: str) -> None:
        """Send the lines; a manager that does not listen is no reason to end."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
        ):
            sock.settimeout(1.0)
            sock.sendto("\n".join(lines).encode(), self._address)

    def status(self, text: str, *, now: bool) -> None:
        """One line for people, sent when it has changed; unless `now`, at most once a second."""
        if text != self._status and (now or time.monotonic() >= self._told + 1.0):
            self._status, self._told = text, time.monotonic()
            self.send(f"STATUS={text}")

    def pause(self, *, ready: bool) -> float:
        """The longest wait, in seconds, after which a sign of life is due."""
        return self.interval or (math.inf if ready or not self._address else PATIENCE)

    def feed(self, *, ready: bool) -> None:
        """A sign of life, when one is due: called from the working loop and from nowhere else.

        Before the daemon is ready it asks for patience instead: the database may come back only
        after the start's time is over, and a restart would not bring it sooner.
        """
        interval = self.interval or PATIENCE
        now = time.monotonic()
        if now < self._fed + interval or (ready and self.interval is None):
            return
        self._fed = now
        if self.interval is not None:
            self.send("WATCHDOG=1")
        if not ready:
            self.send(f"EXTEND_TIMEOUT_USEC={int(interval * 3e6)}")

    def reloading(self) -> None:
        """The properties are read again; READY=1 ends it (Type=notify-reload)."""
        self.send(
            "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"
        )
