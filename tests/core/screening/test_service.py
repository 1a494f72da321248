"""The checker http, against the stand-in service and against services that misbehave."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from console.fraud_service import StandInService
from core.documents.parsing import parse
from core.domain.fraud import Judgement, Subject, Verdict
from core.screening import CheckerAway, Service, ServiceSettings, service
from tests.core.documents.samples import example

if TYPE_CHECKING:
    from pathlib import Path

SUBJECTS = [
    Subject(
        number, 4711, datetime(2026, 3, 1, 12, tzinfo=UTC), "Zoë Brontë", "zoe@example.com", None,
        "Zoë Brontë", ["17 Station Road"], "Leeds", None, "LS1 4AP", "GB",
    )
    for number in (1, 2)
]  # fmt: skip
SETTINGS = ServiceSettings(
    url="http://127.0.0.1:1/", token=None, certificates=None, timeout=5.0, attempts=1, orders=500,
    rest=0.0,
)  # fmt: skip


def judge(url: str, **changes: Any) -> list[Judgement]:
    """What a service at this address says of the subjects."""
    checker = Service(replace(SETTINGS, url=url, **changes))
    return checker.judge(None, SUBJECTS)  # type: ignore[arg-type]  # no database is asked


def answer(*orders: dict[str, Any], **changes: Any) -> bytes:
    """An answer about these orders."""
    return orjson.dumps({"version": "1.0", "orders": list(orders), **changes})


GOOD = answer({"id": "2", "verdict": "PASS"},
              {"id": "1", "verdict": "REFER", "score": 7, "reasons": ["VELOCITY"]})  # fmt: skip


@contextmanager
def answering(*answers: tuple[int, bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A service that gives these answers, the last one again and again; what it was asked."""
    asked: list[bytes] = []

    def respond(body: bytes) -> tuple[int, bytes]:
        asked.append(body)
        return answers[min(len(asked), len(answers)) - 1]

    with StandInService(respond) as stand_in:
        yield stand_in.url, asked


def test_verdicts_come_in_the_order_of_the_question() -> None:
    """Whatever the order of the answer, each verdict is that of its own order."""
    with answering((200, GOOD)) as (url, asked):
        assert judge(url) == [
            Judgement(Verdict.REFER, 7, ("VELOCITY",)),
            Judgement(Verdict.PASS, 0, ()),
        ]
    assert len(asked) == 1


def test_the_question_is_what_the_schema_says() -> None:
    """The request matches its schema, with what the order has and nothing of what it has not."""
    with answering((200, GOOD)) as (url, asked):
        judge(url)
    document = parse(asked[0])
    service.REQUEST.validate(document)
    assert document["orders"][0] == {
        "id": "1",
        "accountId": 4711,
        "orderDateTime": "2026-03-01T12:00:00Z",
        "contactDetails": {"name": "Zoë Brontë", "email": "zoe@example.com"},
        "deliveryAddress": {
            "name": "Zoë Brontë", "lines": ["17 Station Road"], "town": "Leeds",
            "postCode": "LS1 4AP", "country": "GB",
        },
    }  # fmt: skip


def test_the_examples_belong_together() -> None:
    """The published answer is one to the published question."""
    asked = example("fraud-check-request.example.json")["orders"]
    subjects = [replace(SUBJECTS[0], order_id=int(one["id"])) for one in asked]
    told = service.judgements(example("fraud-check-answer.example.json"), subjects)
    assert [one.verdict for one in told] == [Verdict.PASS, Verdict.REFER]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_trouble_is_tried_again(status: int) -> None:
    """A status that may be another the next time is tried again, so often as the property says."""
    with answering((status, b""), (status, b""), (200, GOOD)) as (url, asked):
        assert len(judge(url, attempts=3)) == 2
    assert len(asked) == 3
    away = pytest.raises(CheckerAway, match=f"status {status}")
    with answering((status, b""), (200, GOOD)) as (url, asked), away:
        judge(url, attempts=1)
    assert len(asked) == 1


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 400, 401, 403, 404, 413, 422])
def test_other_statuses_are_final(status: int) -> None:
    """Any other status than 200 is no answer, and is not tried again; nothing is redirected."""
    with answering((status, GOOD)) as (url, asked), pytest.raises(CheckerAway, match=str(status)):
        judge(url, attempts=3)
    assert len(asked) == 1


FOR_BOTH = ({"id": "1", "verdict": "PASS"}, {"id": "2", "verdict": "PASS"})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"version": "1.0", "version": "1.0", "orders": []}', "twice"),
        (answer(), "at least 1"),
        (answer(*FOR_BOTH, version="2.0"), 'must be "1.0"'),
        (answer(*FOR_BOTH, more="x"), "not allowed"),
        (answer(FOR_BOTH[0]), "not about the orders"),
        (answer(*FOR_BOTH, {"id": "3", "verdict": "PASS"}), "not about the orders"),
        (answer(*FOR_BOTH, FOR_BOTH[0]), "not about the orders"),
        (answer(FOR_BOTH[0], {"id": "3", "verdict": "PASS"}), "not about the orders"),
        (answer(FOR_BOTH[0], {"id": "2", "verdict": "CANCEL"}), '"PASS" or "REFER"'),
        (answer(FOR_BOTH[0], {"id": "2", "verdict": "REFER", "reasons": ["A Person"]}), "match"),
        (answer(FOR_BOTH[0], {"id": "2", "verdict": "REFER", "score": -1}), "at least 0"),
        (b" " * (service.ANSWER_BYTES + 1), "longer than"),
    ],
    ids=range(14),
)
def test_an_answer_that_cannot_be_used(body: bytes, why: str) -> None:
    """What is not the answer to this very question counts as none, whole, and says why."""
    with answering((200, body)) as (url, _), pytest.raises(CheckerAway, match=why) as away:
        judge(url)
    assert "A Person" not in str(away.value)


def test_nobody_there() -> None:
    """A refused connection is told by its kind, without what was to be sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(CheckerAway, match="does not answer: NewConnectionError"):
            judge(f"http://127.0.0.1:{unused.getsockname()[1]}/", attempts=2)


def test_silence_ends_in_time() -> None:
    """A service that takes the question and says nothing is given up after the timeout."""
    with _talking(lambda _: None) as url, pytest.raises(CheckerAway, match="ReadTimeoutError"):
        judge(url, timeout=0.2)


def test_an_endless_answer_ends_in_time() -> None:
    """One that answers byte by byte is given up, though no single byte is late."""

    def drip(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        over = threading.Event()
        while not over.wait(0.02):
            line.sendall(b" ")

    with _talking(drip) as url, pytest.raises(CheckerAway, match="does not end in time"):
        judge(url, timeout=0.2)


def test_nothing_is_redirected() -> None:
    """Orders go where the property says: an answer that names another address is none."""
    with answering((200, GOOD)) as (elsewhere, asked):

        def redirect(line: socket.socket) -> None:
            head = f"HTTP/1.1 307 Elsewhere\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
            line.sendall(head.encode())

        with _talking(redirect) as url, pytest.raises(CheckerAway, match="status 307"):
            judge(url, attempts=3)
    assert asked == []


@contextmanager
def _talking(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that hears the question and then does as it is told, until it is left."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        lines: list[socket.socket] = []

        def serve() -> None:
            line, _ = server.accept()
            lines.append(line)
            line.recv(65536)
            try:
                talk(line)
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            for line in lines:
                line.close()
            thread.join()


def test_it_is_left_alone_for_a_while() -> None:
    """Found away, it is not asked again before its rest is over: orders do not wait for it."""
    with answering((503, b""), (200, GOOD)) as (url, asked):
        checker = Service(replace(SETTINGS, url=url, rest=60.0))
        for _ in range(2):
            with pytest.raises(CheckerAway, match="503"):
                checker.judge(None, SUBJECTS)  # type: ignore[arg-type]
        assert len(asked) == 1
        checker = Service(replace(SETTINGS, url=url, rest=0.0))
        assert len(checker.judge(None, SUBJECTS)) == 2  # type: ignore[arg-type]


def test_an_unknown_authority_is_not_believed(tmp_path: Path) -> None:
    """Over TLS the service's certificate is verified: by another's authority it is away; by its
    own it answers, and hears the token.
    """
    heard: list[bytes] = []
    with _with_tls(tmp_path, heard) as (url, authority):
        with pytest.raises(CheckerAway, match="SSLError"):
            judge(url)
        assert heard == []
        assert len(judge(url, certificates=authority, token="secret-token")) == 2
    assert b"Authorization: Bearer secret-token\r\n" in heard[0]
    assert "secret-token" not in repr(replace(SETTINGS, token="secret-token"))


@contextmanager
def _with_tls(folder: Path, heard: list[bytes]) -> Iterator[tuple[str, Path]]:
    """A service with a certificate of its own for 127.0.0.1, which is its own authority."""
    import subprocess  # noqa: PLC0415

    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=service",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            line, _peer = server.accept()
            try:
                with context.wrap_socket(line, server_side=True) as secure:
                    request = secure.recv(65536)
                    while not request.endswith(b"}]}"):
                        request += secure.recv(65536)
                    heard.append(request)
                    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: "
                    secure.sendall(head + str(len(GOOD)).encode() + b"\r\n\r\n" + GOOD)
            except ssl.SSLError:
                line.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}/", certificate
        thread.join()
