"""cmp-orders fraud try: the rules over orders that are there, and what would become of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console

from console import show
from core.db import fraud
from core.domain.fraud import Rule, Verdict, name_key
from core.screening import Rules, trial
from core.screening.rules import key_of

if TYPE_CHECKING:
    import psycopg


@dataclass
class Found:
    """What the rules say of the orders that were looked at."""

    orders: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Ids of orders that broke a rule, by its code."""

    def rate(self) -> float:
        """The part of the orders that would not just pass."""
        return 1 - self.verdicts[Verdict.PASS] / self.orders if self.orders else 0.0


def run(
    conn: psycopg.Connection, rules: Rules, *, status: str | None, limit: int | None, sample: int
) -> Found:
    """Judge orders by id, a set at a time; memory follows the set, and nothing is left behind."""
    found = Found()
    after = 0
    with trial(conn):
        while limit is None or found.orders < limit:
            most = rules.most if limit is None else min(rules.most, limit - found.orders)
            subjects = fraud.existing(conn, after=after, status=status, limit=most)
            if not subjects:
                break
            after = subjects[-1].order_id
            for subject, judgement in zip(subjects, rules.judge(conn, subjects), strict=True):
                found.verdicts[judgement.verdict] += 1
                for code in judgement.reasons:
                    found.rules[code] += 1
                    if len(found.samples[code]) < sample:
                        found.samples[code].append(subject.order_id)
            found.orders += len(subjects)
            keys = [(key_of(one), name_key(one.delivery_name)) for one in subjects]
            fraud.record_trial(conn, subjects, keys)
    return found


def document(found: Found, weights: Mapping[Rule, int]) -> dict[str, Any]:
    """As --json prints it."""
    return {
        "orders": found.orders,
        "verdicts": {verdict.value: found.verdicts[verdict] for verdict in Verdict},
        "rules": [
            {
                "rule": rule.value,
                "weight": weights[rule],
                "sentence": rule.sentence,
                "orders": found.rules[rule],
                "sample": found.samples.get(rule, []),
            }
            for rule in Rule
        ],
    }


def tell(console: Console, found: Found, weights: Mapping[Rule, int]) -> None:
    """For people."""
    rows = [
        (
            rule.value,
            weights[rule] or "off",
            show.thousands(found.rules[rule]) if found.rules[rule] else "-",
            found.samples.get(rule, []),
        )
        for rule in Rule
    ]
    console.print(show.table(("rule", ">weight", ">orders", "such as"), rows))
    console.print()
    counts = [(verdict.value, show.thousands(found.verdicts[verdict])) for verdict in Verdict]
    console.print(show.table(("would be", ">orders"), counts))
    console.print()
    show.note(
        f"{show.thousands(found.orders)} orders looked at, {found.rate():.2%} would not pass; "
        "nothing was written."
    )
