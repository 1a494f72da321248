"""The checker `rules`: what an order says by itself, and what is known of its address and account.

What is known is asked of the database for the whole set at once: at most three statements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from core.db import fraud
from core.domain.fraud import (
    Judgement,
    Rule,
    Shared,
    Subject,
    Thresholds,
    address_key,
    name_key,
    of_name,
    weigh,
)
from core.screening import addresses, contacts

if TYPE_CHECKING:
    import psycopg

ORDERS_A_CHECK: Final = 2000
"""Memory, and the time for which the verdicts' transaction holds the orders, follow."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the properties say of the rules; a weight of 0 turns a rule off."""

    weights: Mapping[Rule, int]
    thresholds: Thresholds
    shared: Shared


class Rules:
    """The checker."""

    name = "rules"
    most = ORDERS_A_CHECK

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._on = frozenset(rule for rule in Rule if settings.weights[rule])

    def judge(self, conn: psycopg.Connection, subjects: Sequence[Subject]) -> list[Judgement]:
        """Judge a set of orders, of which each may tell against another."""
        known = self._around(conn, subjects)
        weights, thresholds = self.settings.weights, self.settings.thresholds
        return [
            weigh(self.screen(subject) | known[subject.order_id], weights, thresholds)
            for subject in subjects
        ]

    def screen(self, subject: Subject) -> set[Rule]:
        """The rules that are on and that the order breaks by itself."""
        fired = addresses.screen(subject)
        for name in (subject.delivery_name, subject.contact_name):
            if name is not None and (rule := of_name(name)) is not None:
                fired.add(rule)
        if subject.contact_phone is not None:
            plan = Rule.PHONE_UNLIKELY in self._on
            rule = contacts.phone(subject.contact_phone, subject.country, plan=plan)
            fired.update({rule} if rule else ())
        if subject.contact_email is not None and not contacts.is_email(subject.contact_email):
            fired.add(Rule.EMAIL_INVALID)
        return fired & self._on

    def _around(
        self, conn: psycopg.Connection, subjects: Sequence[Subject]
    ) -> dict[int, set[Rule]]:
        """By order, what tells against it from outside of it."""
        fired: dict[int, set[Rule]] = defaultdict(set)
        by_address: dict[bytes, list[Subject]] = defaultdict(list)
        for subject in subjects:
            by_address[key_of(subject)].append(subject)
        if Rule.ADDRESS_BLOCKED in self._on:
            for address in fraud.blocked_among(conn, list(by_address)):
                for subject in by_address[address]:
                    fired[subject.order_id].add(Rule.ADDRESS_BLOCKED)
        if Rule.ADDRESS_SHARED in self._on:
            for order in self._shared(conn, by_address):
                fired[order].add(Rule.ADDRESS_SHARED)
        if Rule.DELIVERY_ABROAD in self._on:
            usual = fraud.usual_countries(conn, sorted({one.account_id for one in subjects}))
            for subject in subjects:
                if usual.get(subject.account_id, subject.country) != subject.country:
                    fired[subject.order_id].add(Rule.DELIVERY_ABROAD)
        return fired

    def _shared(
        self, conn: psycopg.Connection, by_address: Mapping[bytes, Sequence[Subject]]
    ) -> set[int]:
        """The orders whose address has many names, those of this very set among them."""
        rule = self.settings.shared
        spans = {
            address: (min(one.entered_at for one in group), max(one.entered_at for one in group))
            for address, group in by_address.items()
        }
        before = fraud.names_at(conn, spans, rule)
        return {
            subject.order_id
            for address, group in by_address.items()
            for subject in group
            if len(_names_near(subject, group, rule.seconds) | before.get(address, set()))
            >= rule.names
        }


def _names_near(subject: Subject, group: Sequence[Subject], seconds: float) -> set[bytes]:
    return {
        name_key(other.delivery_name)
        for other in group
        if abs((other.entered_at - subject.entered_at).total_seconds()) <= seconds
    }


def key_of(subject: Subject) -> bytes:
    """The key of the order's address."""
    return address_key(subject.delivery_lines, subject.town, subject.post_code, subject.country)
