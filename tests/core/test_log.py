"""The log: its lines in each form, the catalogue of events, and what is never written."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
import struct
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core import log
from core.errors import Reason, Reject
from core.events import CONTEXT, Event
from core.log import safe
from tests.postgres import Database

pytestmark = pytest.mark.usefixtures("log_restored")

PLANTED = "Erika Mustermann"


def json_log(level: str = "info") -> io.StringIO:
    """A stream that gets this process's lines from now on."""
    stream = io.StringIO()
    log.configure("request_extract", format="json", level=level, stream=stream, environ={})
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """What was written, line by line."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


# The catalogue.


@pytest.mark.parametrize("event", Event)
def test_an_event_is_documented(event: Event) -> None:
    """Its level exists, it says what it means and what to do, and its fields are its own."""
    assert event.level in {"debug", "info", "warning", "error", "critical"}
    assert event.meaning.endswith(".")
    assert event.what_to_do.endswith(".")
    assert not event.fields & (CONTEXT | {"event", "level", "daemon", "time", "error", "message"})
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", field) for field in event.fields)
    assert (event.level in {"error", "critical"}) <= (event.what_to_do != "Nothing.")
    assert Event.named(event.name) is event


def test_no_two_events_are_one() -> None:
    """Events that were written alike would become one in the enumeration."""
    assert all(name == event.name for name, event in Event.__members__.items())


def test_a_field_that_the_event_does_not_declare_is_refused() -> None:
    """The documented fields are all there are."""
    with pytest.raises(TypeError, match="BATCH_EMPTY does not declare colour, taste"):
        log.emit(Event.BATCH_EMPTY, taste=1, colour=2, held=3)
    with pytest.raises(TypeError, match="no line is about colour"):
        log.about(colour="red")


# Forms.


def test_a_json_line_names_daemon_event_and_what_it_is_about() -> None:
    """One object a line; what it is about is set once for a unit of work and ends with it."""
    stream = json_log()
    with log.about(batch_id=17, warehouse="LONDON"):
        log.emit(Event.BATCH_CREATED, orders=2, milliseconds=3)
        log.emit(Event.BATCH_HELD, reason=Reason.INTERNAL_ERROR)
    log.emit(Event.DATABASE_BACK, seconds=1.5)
    first, second, third = lines(stream)
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "info",
        "daemon": "request_extract",
        "event": "BATCH_CREATED",
        "orders": 2,
        "milliseconds": 3,
        "batch_id": 17,
        "warehouse": "LONDON",
    }
    told = (second["level"], second["reason"], second["batch_id"])
    assert told == ("error", "INTERNAL_ERROR", 17)
    assert "batch_id" not in third


def test_a_level_below_the_property_is_not_written() -> None:
    """sales.order.log.level is the least that is written."""
    stream = json_log(level="warning")
    log.emit(Event.BATCH_CREATED, orders=1)
    log.emit(Event.STRAY_FILES, count=1)
    assert [line["event"] for line in lines(stream)] == ["STRAY_FILES"]


def test_a_partner_cannot_forge_a_line() -> None:
    """A name with newlines and control characters stays one line, and paints no terminal."""
    forged = "a\n{}\x1b[31m\u2028b"
    for form in ("json", "console"):
        stream = io.StringIO()
        log.configure("load_from_generic", format=form, stream=stream, environ={})
        log.emit(Event.STRAY_FILES, example=forged)
        assert stream.getvalue().count("\n") == 1
        assert "\x1b[31m" not in stream.getvalue()
        assert "\u2028" not in stream.getvalue()


def test_the_form_auto_is_json_where_nobody_reads_along() -> None:
    """A pipe or a file gets JSON."""
    stream = io.StringIO()
    log.configure("dispatch", stream=stream, environ={})
    log.emit(Event.DAEMON_STARTED, version="1")
    assert lines(stream)[0]["event"] == "DAEMON_STARTED"


def test_the_form_auto_is_for_people_on_a_terminal() -> None:
    """A terminal gets a line with colours."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        log.configure("dispatch", stream=terminal, environ={})
        log.emit(Event.DAEMON_STARTED, version="1")
        said = os.read(ours, 4096).decode()
    os.close(ours)
    assert "DAEMON_STARTED" in said
    assert "\x1b[" in said


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    """A journal's socket, to read what is sent to it."""
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(tmp_path / "journal"))
    receiver.settimeout(5)
    with receiver:
        yield receiver


def fields(datagram: bytes) -> dict[str, str]:
    """A datagram of systemd's native protocol, taken apart."""
    found = {}
    while datagram:
        head, datagram = datagram.split(b"\n", 1)
        if b"=" in head:
            name, value = head.split(b"=", 1)
        else:
            (length,) = struct.unpack("<Q", datagram[:8])
            name, value, datagram = head, datagram[8 : 8 + length], datagram[9 + length :]
        found[name.decode()] = value.decode()
    return found


def test_under_systemd_the_journal_gets_fields_of_its_own(
    journal: socket.socket, tmp_path: Path
) -> None:
    """JOURNAL_STREAM names standard error: each field is a field of the journal, in capitals,
    and a traceback one value of many lines.
    """
    with (tmp_path / "stderr").open("w") as stream:
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        log.configure(
            "dispatch", stream=stream, environ=environ, journal=str(journal.getsockname())
        )
        with log.about(batch_id=17, file="a.p7m", warehouse="LONDON"):
            log.emit(Event.UNIT_FAILED, why="broken", error=RuntimeError(PLANTED))
    got = fields(journal.recv(1 << 20))
    error = got.pop("ERROR")
    assert got == {
        "MESSAGE_ID": Event.UNIT_FAILED.message_id,
        "MESSAGE": "UNIT_FAILED why=broken batch_id=17 file=a.p7m warehouse=LONDON",
        "PRIORITY": "2",
        "SYSLOG_IDENTIFIER": "dispatch",
        "DAEMON": "dispatch",
        "EVENT": "UNIT_FAILED",
        "WHY": "broken",
        "BATCH_ID": "17",
        "FILE": "a.p7m",
        "WAREHOUSE": "LONDON",
    }
    assert error.endswith("RuntimeError: (its text is withheld: it may carry data)")


def test_every_event_has_a_message_id_of_its_own() -> None:
    """By it monitoring finds an event, in every release: it follows from the name alone."""
    identities = {event.message_id for event in Event}
    assert len(identities) == len(Event)
    assert Event.BATCH_HELD.message_id == "57bfd1f589f25efa9dffec1af60d7a75"


def test_a_field_without_a_value_is_left_out(journal: socket.socket) -> None:
    """The journal has no null: what is not known is not there."""
    log.configure("dispatch", format="journal", journal=str(journal.getsockname()))
    log.emit(Event.DATABASE_AWAY, why="x", sqlstate=None)
    got = fields(journal.recv(1 << 20))
    assert "SQLSTATE" not in got
    assert got["MESSAGE"] == "DATABASE_AWAY why=x"


def test_the_same_trouble_is_held_back(journal: socket.socket) -> None:
    """What was said a moment ago is not said again; other trouble is."""
    log.configure("dispatch", format="journal", journal=str(journal.getsockname()))
    for attempt in range(3):
        log.emit(Event.DATABASE_AWAY, why="x", attempts=attempt)
    log.emit(Event.DATABASE_AWAY, why="y", attempts=0)
    assert [fields(journal.recv(1 << 20))["WHY"] for _ in range(2)] == ["x", "y"]


def test_a_value_without_end_is_cut(journal: socket.socket) -> None:
    """A datagram that is too large would be lost whole."""
    log.configure("dispatch", format="journal", journal=str(journal.getsockname()))
    log.emit(Event.BATCH_HELD, sentence="x" * 10_000_000)
    assert len(fields(journal.recv(1 << 20))["SENTENCE"]) == 32 * 1024


def test_a_journal_that_comes_back_is_found_again_and_told_what_it_missed(tmp_path: Path) -> None:
    """A journal that is away never ends a daemon; what it missed is counted."""
    path = str(tmp_path / "journal")
    log.configure("dispatch", format="journal", journal=path)
    log.emit(Event.BATCH_EMPTY)
    log.emit(Event.BATCH_EMPTY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(5)
        log.emit(Event.BATCH_EMPTY)
        assert fields(receiver.recv(1 << 16))["DROPPED_LINES"] == "2"
        log.emit(Event.BATCH_EMPTY)
        assert "DROPPED_LINES" not in fields(receiver.recv(1 << 16))


def test_a_full_disk_under_the_log_does_not_end_the_daemon() -> None:
    """A line that cannot be written is dropped."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        log.configure("dispatch", format="json", stream=full)
        log.emit(Event.BATCH_EMPTY)
        # What the stream still holds would be tried again at its close.
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


# Others' lines.


def test_the_lines_of_other_libraries_have_the_same_form() -> None:
    """From warnings on: what they tell below concerns nobody who runs this."""
    stream = json_log()
    logging.getLogger("apscheduler").info("chatter")
    logging.getLogger("apscheduler").warning("missed by %s s", 3)
    [line] = lines(stream)
    assert (line["event"], line["logger"], line["level"]) == (
        "missed by 3 s",
        "apscheduler",
        "warning",
    )
    assert line["daemon"] == "request_extract"


def test_a_warning_of_python_is_a_line() -> None:
    """Not something between the lines."""
    stream = json_log()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    [line] = lines(stream)
    assert line["logger"] == "py.warnings"


def test_an_exception_that_nobody_caught_is_a_line_without_its_data() -> None:
    """Of the main thread and of any other."""
    stream = json_log()
    error = ValueError(PLANTED)
    sys.excepthook(ValueError, error, None)

    def fail() -> None:
        raise error

    thread = threading.Thread(target=fail, name="watcher")
    thread.start()
    thread.join()
    first, second = lines(stream)
    assert (first["event"], first["level"]) == ("FAULT", "critical")
    assert second["thread"] == "watcher"
    assert PLANTED not in stream.getvalue()


# What is never written.


def test_a_traceback_shows_where_and_not_on_what() -> None:
    """Type and place of each error of the chain; neither its text nor any local."""
    name = PLANTED

    def fail() -> None:
        try:
            int(name)
        except ValueError as error:
            raise KeyError(name) from error

    with pytest.raises(KeyError) as caught:
        fail()
    text = safe.full(caught.value)
    assert PLANTED not in text
    assert text.index("ValueError: ") < text.index("It led to:") < text.index("KeyError: ")
    assert "int(name)" in text
    assert text.count(Path(__file__).name) == 3


def test_an_error_about_code_keeps_its_text() -> None:
    """It names attributes and types, which the mender needs."""
    with pytest.raises(AttributeError) as caught:
        None.missing  # type: ignore[attr-defined]  # noqa: B018
    said = log.one_line(caught.value)
    assert said == "AttributeError: 'NoneType' object has no attribute 'missing'"


def test_an_error_of_the_operating_system_keeps_its_text() -> None:
    """An operator needs the path and the reason."""
    with pytest.raises(FileNotFoundError) as caught:
        Path("/nonexistent/file").read_bytes()
    assert log.one_line(caught.value) == (
        "FileNotFoundError: No such file or directory /nonexistent/file"
    )


def test_a_refusal_is_told_without_what_led_to_it() -> None:
    """The cause of a failed decryption would be an oracle."""
    refusal = Reject(Reason.ENVELOPE_REFUSED, "The file could not be opened.")
    refusal.__cause__ = ArithmeticError("padding")
    text = safe.full(refusal)
    assert "padding" not in text
    assert text.endswith("Reject: ENVELOPE_REFUSED: The file could not be opened.")


def test_errors_in_a_group_are_all_told() -> None:
    """And a chain that bites its own tail ends."""
    first, second = ValueError(PLANTED), TypeError("two")
    first.__context__, second.__context__ = second, first
    text = safe.full(ExceptionGroup("both", [first, second]))
    assert "ValueError" in text
    assert "TypeError: two" in text
    assert PLANTED not in text


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "insert into person values (%(name)s), (%(name)s)",
            (
                "UniqueViolation: SQLSTATE 23505: duplicate key value violates unique constraint "
                '"person_pkey"'
            ),
        ),
        ("select %(name)s::text::integer", "InvalidTextRepresentation: SQLSTATE 22P02"),
        ("selekt %(name)s", 'SyntaxError: SQLSTATE 42601: syntax error at or near "selekt"'),
    ],
)
def test_an_error_of_the_database_is_told_without_the_row(
    database: Database, statement: str, said: str
) -> None:
    """SQLSTATE and message; DETAIL quotes the row, and a message about a value quotes the value."""
    stream = json_log()
    conn = database.connect()
    conn.execute("create temporary table person (name text primary key)")
    with pytest.raises(psycopg.Error) as caught:
        conn.execute(statement.encode(), {"name": PLANTED})
    assert log.one_line(caught.value) == said
    log.emit(Event.UNIT_FAILED, why=said, error=caught.value)
    [line] = lines(stream)
    assert said in line["error"]
    assert PLANTED not in stream.getvalue()


def test_a_connection_that_fails_is_told_in_full(tmp_path: Path) -> None:
    """Where the server was looked for and what it answered; a password is no part of it."""
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(host=str(tmp_path), dbname="x", user="y", password="hunter2")
    said = log.one_line(caught.value)
    assert str(tmp_path) in said
    assert "hunter2" not in said
    assert "\n" not in said
