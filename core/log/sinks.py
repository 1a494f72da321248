"""Where finished lines go: a stream, or systemd's journal in its own form.

A line that cannot be written must not end a daemon: it is dropped and counted.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
from collections.abc import Mapping
from typing import Any, TextIO

from structlog.typing import EventDict, WrappedLogger

from core.events import Event

JOURNAL = "/run/systemd/journal/socket"
LONGEST = 32 * 1024
"""Characters of one value; a datagram to the journal has an end."""
PRIORITY = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""The levels as syslog numbers them (RFC 5424, 6.2.1)."""


class Sink:
    """One destination; each level's method writes a finished line, as structlog asks for it."""

    def __init__(self) -> None:
        self.dropped = 0
        """Lines that could not be written since the last one that could."""
        self._lock = threading.Lock()

    def write(self, line: Any) -> None:
        """Write one finished line or raise OSError."""
        raise NotImplementedError

    def _write_or_count(self, line: Any) -> None:
        with self._lock:
            try:
                self.write(line)
                self.dropped = 0
            except (OSError, ValueError):  # ValueError: the stream was closed.
                self.dropped += 1

    debug = info = warning = error = critical = _write_or_count


class Stream(Sink):
    """A text stream, flushed line by line."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, line: str) -> None:  # noqa: D102  # Sink says it
        self._stream.write(line + "\n")
        self._stream.flush()


class Journal(Sink):
    """The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram a line."""

    def __init__(self, path: str = JOURNAL) -> None:
        super().__init__()
        self._path = path

    def write(self, line: bytes) -> None:  # noqa: D102  # Sink says it
        # A socket a line, so that a restarted journal is found again.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # A journal that hangs must not hang the work.
            sender.settimeout(5)
            sender.sendto(line, self._path)


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream leads to the journal: systemd says so by its device and inode."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def datagram(_: WrappedLogger, __: str, line: EventDict) -> bytes:
    """The line as the journal's fields: names in capitals, MESSAGE for those who only read."""
    fields = {name: value for name, value in line.items() if value is not None}
    level = fields.pop("level")
    said = " ".join(f"{k}={v}" for k, v in fields.items() if k not in {"event", "daemon", "error"})
    event = Event.named(str(fields["event"]))
    identity = {"message_id": event.message_id} if event else {}
    first = {
        **identity,
        "message": f"{fields['event']} {said}".rstrip(),
        "priority": PRIORITY[level],
        "syslog_identifier": fields["daemon"],
    }
    return b"".join(_field(name, value) for name, value in (first | fields).items())


def _field(name: str, value: object) -> bytes:
    key = re.sub(r"[^A-Z0-9_]", "_", name.upper()).lstrip("_")[:64].encode()
    content = str(value)[:LONGEST].encode("utf-8", "replace")
    if b"\n" not in content:
        return key + b"=" + content + b"\n"
    return key + b"\n" + struct.pack("<Q", len(content)) + content + b"\n"
