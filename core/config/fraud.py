"""The properties of the fraud check before sending, a weight for each of its rules among them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from core.config.group import Group
from core.config.kinds import Choice, Duration, Number, Secret, Words
from core.domain.fraud import Rule

HEAVIEST = 1000
LONGEST_REQUEST = 60.0
"""Seconds that all tries of one request take together: the unit's watchdog is fed after it."""
Weight = Annotated[int, Number(0, HEAVIEST)]
Score = Annotated[int, Number(0, 1_000_000)]


def _weight(rule: Rule, remark: str = "") -> int:
    default: int = Field(
        rule.weight,
        description=f"{rule.value}: {rule.sentence} {remark}What it adds to an order's score; 0 "
        "turns the rule off.",
    )
    return default


def weight_of(rule: Rule) -> str:
    """The last word of the property that weighs a rule."""
    return rule.lower().replace("_", "")


class Fraud(Group):
    """Request Extract: the check of delivery name, address and contact before an order is sent."""

    checker: Annotated[str, Choice(("none", "rules", "http"))] = Field(
        "none",
        description="Who checks each order between its generation and its batch, where "
        "sales.order.request.extract.fraudcheckrequired is true. none: nobody. "
        "rules: the rules below. http: the service of "
        "sales.order.request.extract.fraud.http.url. An order is not batched before it has a "
        "verdict; unchanged, it is not checked twice.",
    )
    refer: Score = Field(
        50,
        description="The score of the rules from which on an order is held until a person decides "
        "with `cmp-orders order release` or `cmp-orders order reject`. 0: none is.",
    )
    reject: Score = Field(
        0,
        description="The score of the rules from which on an order ends in Error without a "
        "person; it can be generated again. 0: none does.",
    )
    keep: Annotated[float, Duration("1d", "3650d")] = Field(
        90 * 86_400.0,
        description="How long the verdict on an order that is on its way no more is kept. The "
        "history of an account and of an address reaches back so far.",
    )
    shared_names: Annotated[int, Number(2, 500)] = Field(
        16,
        description="How many different names in recent orders to one address are many "
        "(ADDRESS_SHARED). Shared houses have several, large office buildings more than a dozen.",
    )
    shared_window: Annotated[float, Duration("1m", "365d")] = Field(
        7 * 86_400.0,
        description="Orders to one address are recent to each other that were entered within "
        "this time (ADDRESS_SHARED).",
    )
    weight_namemissing: Weight = _weight(Rule.NAME_MISSING)
    weight_nameplaceholder: Weight = _weight(Rule.NAME_PLACEHOLDER)
    weight_addressincomplete: Weight = _weight(Rule.ADDRESS_INCOMPLETE)
    weight_addressplaceholder: Weight = _weight(Rule.ADDRESS_PLACEHOLDER)
    weight_countymissing: Weight = _weight(
        Rule.COUNTY_MISSING, "Off as delivered: many leave it out. "
    )
    weight_countryunknown: Weight = _weight(Rule.COUNTRY_UNKNOWN)
    weight_postcodeinvalid: Weight = _weight(Rule.POST_CODE_INVALID)
    weight_phoneinvalid: Weight = _weight(Rule.PHONE_INVALID)
    weight_phoneunlikely: Weight = _weight(
        Rule.PHONE_UNLIKELY, "Off as delivered: old numbers break it. "
    )
    weight_emailinvalid: Weight = _weight(Rule.EMAIL_INVALID)
    weight_deliveryabroad: Weight = _weight(Rule.DELIVERY_ABROAD)
    weight_addressshared: Weight = _weight(Rule.ADDRESS_SHARED)
    weight_addressblocked: Weight = _weight(Rule.ADDRESS_BLOCKED)
    http_url: Annotated[str, Words(empty=True)] = Field(
        "",
        description="Where the service of the checker http is asked, by POST: an address that "
        "begins https://, or http:// on this host alone.",
    )
    http_token: Annotated[SecretStr | None, Secret()] = Field(
        None,
        description="What the service is shown as a bearer token, where it asks for one: only as "
        "a credential of this name.",
    )
    http_certificates: Annotated[str, Words(empty=True)] = Field(
        "",
        description="A file of the certificates, in PEM, of the authorities whose word counts for "
        "the service. Empty: those of the system.",
    )
    http_timeout: Annotated[float, Duration("100ms", "1m")] = Field(
        5.0,
        description="How long the service may take to be reached and to begin its "
        "answer, and again to end it.",
    )
    http_attempts: Annotated[int, Number(1, 10)] = Field(
        3, description="How often a request is tried, with growing pauses, before it is away."
    )
    http_orders: Annotated[int, Number(1, 5000)] = Field(
        500, description="The most orders in one request."
    )
    http_away: Annotated[str, Choice(("hold", "pass"))] = Field(
        "hold",
        description="What becomes of orders while the service is away. hold: they wait, unbatched, "
        "and are checked as soon as it answers. pass: they are sent unchecked, with CHECK_AWAY in "
        "their verdict, and the log says how many.",
    )

    @property
    def weights(self) -> Mapping[Rule, int]:
        """What each rule weighs."""
        return {rule: getattr(self, f"weight_{weight_of(rule)}") for rule in Rule}

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.checker == "http" and not self.http_url:
            raise ValueError("the checker http with an http.url that says where")
        if self.http_url and not _is_safe(self.http_url):
            raise ValueError(
                "an http.url that begins https://, or http:// on this host alone (127.0.0.1, "
                "localhost), without user and password"
            )
        own = self.http_certificates
        if own and ("\0" in own or not PurePosixPath(own).is_absolute()):
            raise ValueError("in http.certificates an absolute path, or nothing")
        if self.http_timeout * self.http_attempts > LONGEST_REQUEST:
            raise ValueError("an http.timeout of which all http.attempts together take at most 1m")
        if self.keep < self.shared_window:
            raise ValueError("a keep at least as long as shared.window")
        return self


def _is_safe(url: str) -> bool:
    """Whether what goes there can be read by nobody on the way."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or not url.isprintable() or parts.username or parts.password or " " in url:
        return False
    if parts.scheme == "https":
        return True
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return parts.scheme == "http" and local
