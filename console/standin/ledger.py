"""What a stand-in remembers between runs, in one SQLite file of its folder.

Everything that a request file leads to is committed at once: that it was seen, what is owed, and
the sealed answers. So a stand-in that is killed neither forgets an answer nor makes another one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA = """
create table if not exists request (
    identifier integer primary key, file_sequence integer not null, name text not null,
    orders integer not null, times integer not null default 1,
    -- 1 once the file has left the folder of what is to be worked on.
    done integer not null default 0);
create table if not exists requested (order_id text primary key, times integer not null)
    without rowid;
-- What was back-ordered: the record that completes it, and since when, in seconds.
create table if not exists owed (
    id integer primary key, record text not null, since real not null);
create table if not exists asked_to_cancel (order_id text primary key, times integer not null)
    without rowid;
-- Records that the next file repeats.
create table if not exists again (id integer primary key, record text not null);
-- Sealed answers that are not in the partner's directory yet.
create table if not exists outgoing (name text primary key, data blob not null);
-- What our partner has told of our files, by the name of its acknowledgement.
create table if not exists told (
    name text primary key, file text not null, verdict text not null, reason text,
    refused integer not null);
create table if not exists acknowledged (last integer not null);
insert into acknowledged select 0 where not exists (select 1 from acknowledged);
create table if not exists answered (last integer not null);
insert into answered select 0 where not exists (select 1 from answered);
"""


class Ledger:
    """Requests seen, orders owed, answers on their way. One process at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file, made if it is not there; sqlite3.Error if it is no such file."""
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is done inside is remembered, or nothing."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def saw(self, identifier: int, file_sequence: int, name: str, orders: int) -> tuple[int, bool]:
        """How often a request's identifier has come, this time included, and whether it is new.

        One that was not done with is the same file still, whose work had been interrupted: it is
        neither new nor counted again.
        """
        row = self._db.execute(
            "select times, done from request where identifier = ?", (identifier,)
        ).fetchone()
        if row is None:
            self._db.execute(
                "insert into request (identifier, file_sequence, name, orders) values (?, ?, ?, ?)",
                (identifier, file_sequence, name, orders),
            )
            return 1, True
        self._db.execute(
            "update request set times = times + done, done = 0 where identifier = ?", (identifier,)
        )
        return row[0] + row[1], False

    def done(self, but: Iterable[str] = ()) -> None:
        """Every request is done with, except for these names."""
        self._db.execute(
            "update request set done = 1 "
            "where done = 0 and name not in (select value from json_each(?))",
            (json.dumps(list(but)),),
        )

    def seen(self) -> dict[int, int]:
        """How often each identifier has come."""
        return dict(self._db.execute("select identifier, times from request order by 1"))

    def sequences(self) -> list[int]:
        """The file sequences of the requests, ascending; one number twice is two files."""
        rows = self._db.execute("select file_sequence from request order by 1")
        return [row[0] for row in rows]

    def requested(self, orders: Iterable[str]) -> dict[str, int]:
        """Count these orders as requested once more; how often each has been, with this time."""
        return dict(
            self._db.execute(
                "insert into requested (order_id, times) "
                "select value, 1 from json_each(?) where true "
                "on conflict (order_id) do update set times = times + 1 returning order_id, times",
                (json.dumps(list(orders)),),
            )
        )

    def owe(self, records: Iterable[dict[str, Any]], now: float) -> None:
        """Remember what completes the back-orders of today."""
        self._db.executemany(
            "insert into owed (record, since) values (?, ?)",
            ((json.dumps(record), now) for record in records),
        )

    def forget(self, order: str) -> bool:
        """Owe nothing of this order any more; whether anything was owed."""
        return self._db.execute(
            "delete from owed where json_extract(record, '$.id') = ?", (order,)
        ).rowcount > 0  # fmt: skip

    def to_cancel(self, order: str) -> int:
        """Count that it was asked to cancel this order; how often it was, with this time."""
        row = self._db.execute(
            "insert into asked_to_cancel (order_id, times) values (?, 1) "
            "on conflict (order_id) do update set times = times + 1 returning times",
            (order,),
        ).fetchall()
        return int(row[0][0])

    def owed(self, limit: int, since: float) -> list[tuple[int, dict[str, Any]]]:
        """The oldest of what is owed since then or longer: (id, record)."""
        rows = self._db.execute(
            "select id, record from owed where since <= ? order by id limit ?", (since, limit)
        )
        return [(row[0], json.loads(row[1])) for row in rows]

    def delivered(self, ids: Iterable[int]) -> None:
        """These are owed no more."""
        self._db.executemany("delete from owed where id = ?", ((one,) for one in ids))

    def owes(self) -> int:
        """How many records are owed."""
        return int(self._db.execute("select count(*) from owed").fetchone()[0])

    def repeat(self, records: Iterable[dict[str, Any]]) -> None:
        """Have these records repeated in the next file."""
        self._db.executemany(
            "insert into again (record) values (?)", ((json.dumps(one),) for one in records)
        )

    def take_repeats(self) -> list[dict[str, Any]]:
        """The records to be repeated, which are so no more."""
        rows = self._db.execute("select id, record from again order by id").fetchall()
        self._db.execute("delete from again")
        return [json.loads(row[1]) for row in rows]

    def repeats(self) -> bool:
        """Whether records wait to be repeated."""
        return self._db.execute("select 1 from again limit 1").fetchone() is not None

    def hear(self, name: str, file: str, verdict: str, reason: str | None, refused: int) -> None:
        """Remember what we were told of a file of ours."""
        self._db.execute(
            "insert or replace into told (name, file, verdict, reason, refused) "
            "values (?, ?, ?, ?, ?)",
            (name, file, verdict, reason, refused),
        )

    def told(self) -> list[tuple[str, str, int]]:
        """(file, verdict, refused records) of all that we were told, by its name."""
        rows = self._db.execute("select file, verdict, refused from told order by name")
        return [(row[0], row[1], row[2]) for row in rows]

    def next_acknowledgement(self) -> int:
        """The next number of an acknowledgement."""
        row = self._db.execute("update acknowledged set last = last + 1 returning last").fetchall()
        return int(row[0][0])

    def next_sequence(self) -> int:
        """The next gapless number of an answer file."""
        row = self._db.execute("update answered set last = last + 1 returning last").fetchall()
        return int(row[0][0])

    def send(self, name: str, data: bytes) -> None:
        """Remember a sealed answer until it is delivered."""
        self._db.execute("insert into outgoing (name, data) values (?, ?)", (name, data))

    def outgoing(self) -> tuple[str, bytes] | None:
        """The first sealed answer, in the order of their making, that is not delivered yet."""
        row = self._db.execute("select name, data from outgoing order by rowid limit 1").fetchone()
        return None if row is None else (row[0], row[1])

    def sent(self, name: str) -> None:
        """Forget an answer that is delivered."""
        self._db.execute("delete from outgoing where name = ?", (name,))
