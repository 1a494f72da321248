"""Small daemons for the tests: `python -m tests.core.daemon.programs NAME CONNINFO [ARGUMENT ...]`.

Each tells on standard output, a JSON object a line, what the test waits for; its log lines go to
standard error.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from core import daemon, log
from core.config import ConfigError
from core.daemon import Daemon, Duty
from core.errors import Defer, Reason, Reject, StaleState

NEVER = 3600.0
"""An interval that no test lives to see the end of."""

Work = Callable[[psycopg.Connection], bool]


def say(**fields: object) -> None:
    """One line to the test."""
    print(json.dumps(fields), flush=True)  # noqa: T201  # that is what it is for


def looks(name: str, then: Work | None = None) -> Work:
    """A duty's work that says each time that it looks."""

    def work(conn: psycopg.Connection) -> bool:
        say(look=name)
        return then(conn) if then else False

    return work


def listen(connect: Connect, *_: str) -> Daemon:
    """Looks when it is notified on the channel test_orders, and else never."""
    return Daemon("test", [Duty("orders", looks("orders"), NEVER, ["test_orders"])], connect)


def early(connect: Connect, *_: str) -> Daemon:
    """Looks only when notified, which happens before the first look could be."""

    def on_connect(conn: psycopg.Connection) -> None:
        conn.execute("notify test_orders")

    duty = Duty("orders", looks("orders"), NEVER, ["test_orders"], on_start=False)
    return Daemon("test", [duty], connect, on_connect)


def takes_a_job(conn: psycopg.Connection) -> bool:
    """Work on the oldest job."""
    row = conn.execute(
        "delete from job where id = (select min(id) from job) returning id"
    ).fetchone()
    if row is None:
        return False
    say(job=row[0])
    return True


def jobs(connect: Connect, *_: str) -> Daemon:
    """Takes the rows of the table job, which nobody notifies of."""
    return Daemon(
        "test",
        [Duty("jobs", takes_a_job, 0.1, ["test_jobs"])],
        connect,
        waiting=lambda conn: f"{_count(conn)} jobs wait",
        backoffmax=2.0,
    )


def _count(conn: psycopg.Connection) -> int:
    row = conn.execute("select count(*) from job").fetchone()
    return int(row[0]) if row else 0


def schedule(connect: Connect, folder: str, *_: str) -> Daemon:
    """Looks at every full minute of a time zone in which the next one is two seconds away."""
    seconds = (58 - datetime.now(UTC).second) % 60
    zone = Path(folder, "zone")
    # TZif version 1, RFC 9636: no transition, one local time type, its abbreviation.
    header = struct.pack(">4sc15x6l", b"TZif", b"\0", 0, 0, 0, 0, 1, 4)
    zone.write_bytes(header + struct.pack(">lbb", seconds, 0, 0) + b"TST\0")
    os.environ["TZ"] = f":{zone}"
    time.tzset()
    duty = Duty("nightly", looks("nightly"), schedule=["* * * * *"], on_start=False)
    return Daemon("test", [duty], connect)


def files(connect: Connect, folder: str, interval: str, *_: str) -> Daemon:
    """Reads all files of the folder when one comes; a second duty shows that time goes by."""

    def read(_: psycopg.Connection) -> bool:
        found = sorted(path.name for path in Path(folder).glob("*") if path.read_bytes())
        say(found=found)
        return False

    return Daemon(
        "test",
        [
            Duty("files", read, float(interval), directories=[Path(folder)]),
            Duty("clock", looks("clock"), 1.0),
        ],
        connect,
    )


def long(connect: Connect, stoptime: str, seconds: str, *_: str) -> Daemon:
    """A unit of one statement that takes so many seconds, within a transaction."""

    def work(conn: psycopg.Connection) -> bool:
        with conn.transaction():
            conn.execute("insert into done values ('long')")
            say(begun=True)
            conn.execute("select pg_sleep(%s)", [float(seconds)])
        say(finished=True)
        return True

    return Daemon("test", [Duty("long", work, NEVER)], connect, stoptime=float(stoptime))


def stuck(connect: Connect, stoptime: str, *_: str) -> Daemon:
    """A unit that hangs outside the database."""

    def work(_: psycopg.Connection) -> bool:
        say(begun=True)
        return threading.Event().wait(NEVER)

    return Daemon("test", [Duty("stuck", work, NEVER)], connect, stoptime=float(stoptime))


def follows(connect: Connect, *_: str) -> Daemon:
    """A unit with a second step that builds on the commit of the first."""

    def work(conn: psycopg.Connection) -> bool:
        say(begun=True)
        with conn.transaction():
            conn.execute("insert into done values ('first')")
        conn.execute("select 1")
        say(followed=True)
        return False

    return Daemon("test", [Duty("follows", work, NEVER)], connect, stoptime=40.0)


def raises(connect: Connect, sqlstate: str, times: str, *_: str) -> Daemon:
    """The server raises this SQLSTATE so many times, then the unit succeeds."""
    left = int(times)

    def work(conn: psycopg.Connection) -> bool:
        nonlocal left
        say(look="raises")
        if left > 0:
            left -= 1
            conn.execute(f"do $$ begin raise exception using errcode = '{sqlstate}'; end $$")
        say(succeeded=True)
        return False

    return Daemon("test", [Duty("raises", work, NEVER)], connect)


MARKER = "Mrs-Planted-Marker"


def faulty(connect: Connect, *_: str) -> Daemon:
    """One duty has a bug, the other has not."""

    def broken(_: psycopg.Connection) -> bool:
        raise ValueError(MARKER)

    return Daemon(
        "test",
        [Duty("broken", looks("broken", broken), 0.1), Duty("sound", looks("sound"), 0.1)],
        connect,
    )


def breaks(connect: Connect, *_: str) -> Daemon:
    """The work of one duty ends the server's session each time."""

    def work(conn: psycopg.Connection) -> bool:
        conn.execute("select pg_terminate_backend(pg_backend_pid())")
        return False

    return Daemon(
        "test",
        [Duty("breaks", work, 0.01), Duty("sound", looks("sound"), 0.1)],
        connect,
        backoffmax=1.0,
    )


def disk(connect: Connect, folder: str, *_: str) -> Daemon:
    """Writes into a folder."""

    def work(_: psycopg.Connection) -> bool:
        say(look="disk")
        Path(folder, "file").write_bytes(b"x")
        say(written=True)
        return False

    return Daemon("test", [Duty("disk", work, 0.1)], connect, backoffmax=0.3)


def schema(connect: Connect, *_: str) -> Daemon:
    """Takes work only once there is a table wanted."""

    def on_connect(conn: psycopg.Connection) -> None:
        row = conn.execute("select to_regclass('wanted') is not null").fetchone()
        if row != (True,):
            raise Defer("the table wanted is missing", 0.1)

    return Daemon("test", [Duty("look", looks("look"), NEVER)], connect, on_connect)


def reloads(connect: Connect, *_: str) -> Daemon:
    """After SIGHUP it has another duty; at the second one its properties are wrong."""

    def refused() -> Daemon:
        raise ConfigError(["line 7 is wrong"])

    second = Daemon("test", [Duty("second", looks("second"), 0.2)], connect, reload=refused)
    return Daemon("test", [Duty("first", looks("first"), 0.2)], connect, reload=lambda: second)


def escapes(connect: Connect, *_: str) -> Daemon:
    """Exceptions that a daemon should not let out of a unit."""
    errors = [
        StaleState("moved on"),
        Reject(Reason.NOT_JSON, "no document"),
        Defer("not yet", 0.1),
    ]

    def work(_: psycopg.Connection) -> bool:
        say(look="escapes")
        if errors:
            raise errors.pop(0)
        return False

    return Daemon("test", [Duty("escapes", work, NEVER)], connect)


Connect = Callable[[], psycopg.Connection]
PROGRAMS: dict[str, Callable[..., Daemon]] = {
    program.__name__: program
    for program in (
        *(
            listen,
            early,
            jobs,
            schedule,
            files,
            long,
            stuck,
            follows,
            raises,
            faulty,
            breaks,
            disk,
            schema,
        ),
        *(reloads, escapes),
    )
}


def main() -> None:
    """Run the program that the command line names."""
    name, conninfo, *arguments = sys.argv[1:]
    log.configure("test", format="json", level="info")

    def connect() -> psycopg.Connection:
        return psycopg.connect(conninfo, autocommit=True)

    sys.exit(daemon.run(PROGRAMS[name](connect, *arguments)))


if __name__ == "__main__":
    main()
