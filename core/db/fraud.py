"""Statements of the fraud check: what waits for one, what is known around it, what came of it.

What belongs to an order or an address is looked up `cross join lateral (... offset 0)`, as in
core.db.generation: each look goes through the index, whatever the planner knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from core.domain.fraud import CHECK_AWAY, Judgement, Shared, Subject, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from typing import Any

    import psycopg


SUBJECT: Final = """o.id, o.account_id, o.entered_at, o.contact_name, o.contact_email,
                   o.contact_phone, o.delivery_name, o.delivery_lines, o.town, o.county,
                   o.post_code, o.country"""
"""The columns of a Subject."""
_SUBJECT_COLUMNS: Final = 12
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_,:.+-]*").fullmatch
LOOKED_AT: Final = 500
"""Orders at one address that are looked at for their names; more of them tell no more."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order that is not batched before it has a verdict."""

    subject: Subject = field(repr=False)
    generation: int
    input_sha256: bytes
    before: Judgement | None = None
    """The verdict that this very input has had from this checker."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict, and what the order is compared by."""

    waiting: Waiting = field(repr=False)
    judgement: Judgement
    address_key: bytes
    name_key: bytes

    @property
    def order_id(self) -> int:
        """The order."""
        return self.waiting.subject.order_id


def array(values: Iterable[int | bytes | str | datetime]) -> str:
    """Values as PostgreSQL writes an array; texts are codes and times, with nothing to escape.

    psycopg's own way, an object a value, takes longer than the whole check.
    """
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: int | bytes | str | datetime) -> str:
    if isinstance(value, bytes):
        # A backslash of the array's is two.
        return "\\\\x" + value.hex()
    if isinstance(value, int):
        return str(value)
    text = value if isinstance(value, str) else value.isoformat()
    if not _HARMLESS(text):
        raise ValueError("a text that an array would have to escape")
    return f'"{text}"'


def waiting_orders(conn: psycopg.Connection, checker: str, most: int) -> list[Waiting]:
    """Queued orders whose present generation has no verdict that counts; the oldest first.

    Those whose input has not changed since the same checker's verdict come with that.
    """
    rows = conn.execute(
        f"""
        with waiting as materialized (
            select distinct order_id from (
                select q.order_id
                  from request_queue q
                  left join lateral (select generation, stale from fraud_check
                                      where order_id = q.order_id offset 0) c on true
                 where c.generation is distinct from q.generation or c.stale
                 limit %(most)s) first)
        select {SUBJECT}, o.generation, o.input,
               case when c.input_sha256 = o.input and c.checker = %(checker)s and not c.stale
                         -- Let pass unasked: the service may answer now.
                         and c.reasons <> array[%(away)s]
                    then c.verdict end,
               c.score, c.reasons
          from waiting w
         cross join lateral (select s.*, fraud_input(s) as input from sales_order s
                              where s.id = w.order_id offset 0) o
          left join lateral (select * from fraud_check where order_id = w.order_id offset 0) c
               on true
         order by o.id
        """,  # noqa: S608  # a constant of this module
        {"most": most, "checker": checker, "away": CHECK_AWAY},
    ).fetchall()
    return [_waiting(row) for row in rows]


def _waiting(row: tuple[Any, ...]) -> Waiting:
    generation, digest, verdict, score, reasons = row[_SUBJECT_COLUMNS:]
    before = Judgement(Verdict(verdict), score, tuple(reasons)) if verdict else None
    return Waiting(Subject(*row[:_SUBJECT_COLUMNS]), generation, digest, before)


def existing(
    conn: psycopg.Connection, *, after: int, status: str | None, limit: int
) -> list[Subject]:
    """Orders by id, those behind `after`: what `fraud try` looks through."""
    rows = conn.execute(
        f"""
        select {SUBJECT} from sales_order o
         where o.id > %(after)s and (%(status)s::text is null or o.status = %(status)s)
         order by o.id limit %(limit)s
        """,  # noqa: S608  # a constant of this module
        {"after": after, "status": status, "limit": limit},
    ).fetchall()
    return [Subject(*row) for row in rows]


# What is known around an order.


def blocked_among(conn: psycopg.Connection, addresses: list[bytes]) -> set[bytes]:
    """Which of these addresses are blocked."""
    rows = conn.execute(
        "select address_key from blocked_address where address_key = any(%(keys)s::bytea[])",
        {"keys": array(addresses)},
    ).fetchall()
    return {row[0] for row in rows}


def names_at(
    conn: psycopg.Connection, spans: Mapping[bytes, tuple[datetime, datetime]], rule: Shared
) -> dict[bytes, set[bytes]]:
    """By address, the names under which orders went there, entered near these times."""
    rows = conn.execute(
        """
        select a.key, n.names
          from unnest(%(keys)s::bytea[], %(first)s::timestamptz[], %(last)s::timestamptz[])
               as a (key, first, last)
         cross join lateral (
                select array_agg(distinct name_key) as names from (
                    select name_key from fraud_check
                     where address_key = a.key
                       and entered_at between a.first - make_interval(secs => %(near)s)
                                          and a.last + make_interval(secs => %(near)s)
                     limit %(most)s) found) n
         where n.names is not null
        """,
        {
            "keys": array(spans),
            "first": array(first for first, _ in spans.values()),
            "last": array(last for _, last in spans.values()),
            "near": rule.seconds,
            "most": LOOKED_AT,
        },
    ).fetchall()
    return {key: set(names) for key, names in rows}


def usual_countries(conn: psycopg.Connection, accounts: list[int]) -> dict[int, str]:
    """By account, the country to which most of its completed orders went; the first of a tie."""
    rows = conn.execute(
        """
        select a.id, u.country
          from unnest(%(accounts)s::bigint[]) as a (id)
         cross join lateral (
                select c.country
                  from (select order_id, country from fraud_check
                         where account_id = a.id limit %(most)s) c
                 cross join lateral (select status from sales_order
                                      where id = c.order_id offset 0) o
                 where o.status = 'COMPLETE'
                 group by c.country order by count(*) desc, c.country limit 1) u
        """,
        {"accounts": array(accounts), "most": LOOKED_AT},
    ).fetchall()
    return dict(rows)


# What came of it.


def lock(conn: psycopg.Connection, ids: list[int]) -> None:
    """Lock orders by id, waiting for whoever seals, cancels or holds one of them."""
    conn.execute(
        """
        select id from sales_order where id = any(%(ids)s::bigint[]) order by id for no key update
        """,
        {"ids": array(ids)},
    )


def record(
    conn: psycopg.Connection, checker: str, outcomes: Sequence[Outcome]
) -> dict[int, list[str] | None]:
    """Write the verdicts of locked orders that are as they were read.

    By order, the reasons with which a person has let its very input go, None if nobody has.
    """
    rows = conn.execute(
        """
        insert into fraud_check as c (order_id, generation, account_id, country, entered_at,
                                      input_sha256, address_key, name_key, checker, verdict, score,
                                      reasons)
        select o.id, o.generation, o.account_id, o.country, o.entered_at,
               r.input, r.address_key, r.name_key, %(checker)s, r.verdict, r.score,
               coalesce(string_to_array(nullif(r.reasons, ''), ','), '{}')
          from unnest(%(ids)s::bigint[], %(generations)s::integer[], %(inputs)s::bytea[],
                      %(addresses)s::bytea[], %(names)s::bytea[], %(verdicts)s::text[],
                      %(scores)s::integer[], %(reasons)s::text[])
               as r (order_id, generation, input, address_key, name_key, verdict, score, reasons)
         cross join lateral (select s.*, fraud_input(s) as input from sales_order s
                              where s.id = r.order_id offset 0) o
         where o.status = 'AWAITING_DISPATCH' and o.generation = r.generation
           and o.input = r.input
            on conflict (order_id) do update
           set generation = excluded.generation, country = excluded.country,
               input_sha256 = excluded.input_sha256, address_key = excluded.address_key,
               name_key = excluded.name_key, checker = excluded.checker,
               verdict = excluded.verdict, score = excluded.score, reasons = excluded.reasons,
               released_reasons = case when c.input_sha256 = excluded.input_sha256
                                       then c.released_reasons end,
               stale = false, checked_at = now()
        returning order_id, released_reasons
        """,
        {
            "checker": checker,
            "ids": array(one.order_id for one in outcomes),
            "generations": array(one.waiting.generation for one in outcomes),
            "inputs": array(one.waiting.input_sha256 for one in outcomes),
            "addresses": array(one.address_key for one in outcomes),
            "names": array(one.name_key for one in outcomes),
            "verdicts": array(one.judgement.verdict.value for one in outcomes),
            "scores": array(one.judgement.score for one in outcomes),
            "reasons": array(",".join(one.judgement.reasons) for one in outcomes),
        },
    ).fetchall()
    return dict(rows)


def hold(conn: psycopg.Connection, reasons: Sequence[tuple[int, str]]) -> None:
    """Hold locked orders for fraud; one that is held for it already keeps the newer reasons."""
    conn.execute(
        """
        insert into order_hold (order_id, kind, reason, placed_by)
        select order_id, 'FRAUD', reason, acting()
          from unnest(%(ids)s::bigint[], %(reasons)s::text[]) as r (order_id, reason)
            on conflict (order_id, kind) where released_at is null
            do update set reason = excluded.reason
        """,
        {"ids": [order for order, _ in reasons], "reasons": [reason for _, reason in reasons]},
    )


def release(conn: psycopg.Connection, order: int) -> None:
    """Remember that a person lets a locked order go with the reasons and the input of now."""
    conn.execute(
        "update fraud_check set released_reasons = reasons where order_id = %(order)s",
        {"order": order},
    )


def wake_batching(conn: psycopg.Connection) -> None:
    """At commit, have whoever batches look."""
    conn.execute("select notify_guarded('sales_order_request_queue')")


def prune(conn: psycopg.Connection, keep: timedelta, limit: int) -> int:
    """Remove verdicts that are older and whose order is on its way no more; how many."""
    return conn.execute(
        """
        delete from fraud_check where order_id = any(array(
            select c.order_id from fraud_check c
             cross join lateral (select status from sales_order where id = c.order_id offset 0) o
             where c.checked_at < now() - %(keep)s::interval
               and o.status not in ('AWAITING_GENERATION', 'AWAITING_DISPATCH')
             order by c.checked_at
             limit %(limit)s))
        """,
        {"keep": keep, "limit": limit},
    ).rowcount


def unchecked(conn: psycopg.Connection) -> int:
    """How many queued orders have no verdict yet."""
    row = conn.execute(
        """
        select count(distinct q.order_id)
          from request_queue q
          left join lateral (select generation, stale from fraud_check
                              where order_id = q.order_id offset 0) c on true
         where c.generation is distinct from q.generation or c.stale
        """
    ).fetchone()
    assert row is not None
    return int(row[0])


def shadow(conn: psycopg.Connection) -> None:
    """In this transaction, let an empty table of the session's own stand before the verdicts.

    PostgreSQL looks in the session's temporary schema first: the statements of this module then
    work as ever, and leave the verdicts themselves alone.
    """
    conn.execute(
        "create temporary table fraud_check (like public.fraud_check including all) on commit drop"
    )


def record_trial(
    conn: psycopg.Connection, subjects: Sequence[Subject], keys: Sequence[tuple[bytes, bytes]]
) -> None:
    """Into the shadow: these orders were seen at their (address, name)."""
    conn.execute(
        """
        insert into fraud_check (order_id, generation, account_id, country, entered_at,
                                 input_sha256, address_key, name_key, checker, verdict, score)
        select r.order_id, 0, r.account_id, r.country, r.entered_at, sha256(''), r.address_key,
               r.name_key, 'rules', 'PASS', 0
          from unnest(%(ids)s::bigint[], %(accounts)s::bigint[], %(countries)s::text[],
                      %(entered)s::timestamptz[], %(addresses)s::bytea[], %(names)s::bytea[])
               as r (order_id, account_id, country, entered_at, address_key, name_key)
        """,
        {
            "ids": array(one.order_id for one in subjects),
            "accounts": array(one.account_id for one in subjects),
            "countries": array(one.country for one in subjects),
            "entered": array(one.entered_at for one in subjects),
            "addresses": array(address for address, _ in keys),
            "names": array(name for _, name in keys),
        },
    )
