"""A stand-in for the service of the checker http, on this host alone, for tests and demonstrations.

It reads and answers the documents of schemas/fraud-check-*.schema.json, keeps nothing, and speaks
HTTP without TLS, since it is reached over the loopback interface only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

from core.documents.parsing import parse
from core.domain.fraud import Judgement, Subject, Thresholds, weigh
from core.errors import Reject
from core.screening.service import ANSWER_BYTES, REQUEST, VERSION

if TYPE_CHECKING:
    from core.config import Fraud
    from core.screening import Rules

LOOPBACK: Final = "127.0.0.1"
Answer = Callable[[bytes], tuple[int, bytes]]
"""Of a request's body: status and body of the answer."""


class StandInService:
    """Answers until it is closed, each request in a thread of its own."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        class Handler(_Handler):
            respond = staticmethod(answer)

        self._server = ThreadingHTTPServer((LOOPBACK, port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self) -> None:
        """Until it is interrupted."""
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request; nothing of it is logged."""

    respond: Answer

    def do_POST(self) -> None:  # the library's name
        """Answer."""
        length = self.headers.get("Content-Length", "")
        known = length.isascii() and length.isdigit() and int(length) <= ANSWER_BYTES
        status, body = type(self).respond(self.rfile.read(int(length)) if known else b"")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a line of the log might hold what was asked."""


def unavailable(_: bytes) -> tuple[int, bytes]:
    """As a service answers that is in trouble."""
    return 503, b""


def by_rules(rules: Rules, settings: Fraud) -> Answer:
    """Judges each order by itself, as the rules weigh it."""

    def answer(body: bytes) -> tuple[int, bytes]:
        try:
            document = parse(body)
            REQUEST.validate(document)
        except Reject as error:
            return 400, orjson.dumps({"error": error.sentence})
        thresholds = Thresholds(settings.refer, settings.reject)
        entries = []
        for order in document["orders"]:
            judgement = weigh(rules.screen(subject(order)), settings.weights, thresholds)
            entries.append(entry(order["id"], judgement))
        return 200, orjson.dumps({"version": VERSION, "orders": entries})

    return answer


def entry(order: str, judgement: Judgement) -> dict[str, Any]:
    """One verdict of an answer."""
    return {
        "id": order,
        "verdict": judgement.verdict.value,
        "score": judgement.score,
        "reasons": list(judgement.reasons),
    }


def subject(order: dict[str, Any]) -> Subject:
    """What the rules look at, of one order of a request."""
    address, contact = order["deliveryAddress"], order.get("contactDetails", {})
    return Subject(
        order_id=int(order["id"]),
        account_id=order["accountId"],
        entered_at=datetime.fromisoformat(order["orderDateTime"]),
        contact_name=contact.get("name"),
        contact_email=contact.get("email"),
        contact_phone=contact.get("phone"),
        delivery_name=address["name"],
        delivery_lines=address["lines"],
        town=address.get("town"),
        county=address.get("county"),
        post_code=address.get("postCode"),
        country=address["country"],
    )
