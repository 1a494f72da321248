"""Brings the database to the schema that this release needs, and says whether it is there.

Numbered SQL files, forward only, each in one transaction of its own together with the row that
records it, all under an advisory lock. A file that was changed after having been applied is
refused.

yoyo-migrations was looked at and left: its lock is a table row that a crash leaves behind, it
records no checksum of a migration's content, and it brings its own command line; what is needed
here is this page.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from core.errors import Defer

if TYPE_CHECKING:
    import psycopg

LOCK = 0x53414C45534F5244
"""The advisory lock of migrations: "SALESORD" in ASCII."""


class MigrationError(Exception):
    """The schema cannot be brought forward; the text says which file and why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file: its number, its name, its SQL and the SHA-256 of that."""

    number: int
    name: str
    sql: str
    digest: str


def migrations() -> list[Migration]:
    """Every migration of this release, by number."""
    found = []
    for entry in resources.files("core.db").joinpath("migrations").iterdir():
        if entry.name.endswith(".sql"):
            content = entry.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            found.append(Migration(int(entry.name[:4]), entry.name, content.decode(), digest))
    return sorted(found, key=lambda migration: migration.number)


def migrate(conn: psycopg.Connection) -> list[str]:
    """Apply what is missing and return the names; `conn` is the schema owner's, autocommit.

    Raises MigrationError when an applied file has changed, or the database is of a later release.
    """
    conn.execute("select pg_advisory_lock(%s)", (LOCK,))
    try:
        conn.execute(
            "create table if not exists schema_migration (number integer primary key, "
            "name text not null, sha256 text not null, "
            "applied_at timestamptz not null default now())"
        )
        applied = _applied(conn)
        wanted = migrations()
        _refuse_other_history(applied, wanted)
        done = []
        for migration in wanted:
            if migration.number not in applied:
                with conn.transaction():
                    conn.execute(migration.sql)
                    conn.execute(
                        "insert into schema_migration (number, name, sha256) values (%s, %s, %s)",
                        (migration.number, migration.name, migration.digest),
                    )
                done.append(migration.name)
        return done
    finally:
        conn.execute("select pg_advisory_unlock(%s)", (LOCK,))


def _applied(conn: psycopg.Connection) -> dict[int, str]:
    rows = conn.execute("select number, sha256 from schema_migration").fetchall()
    return dict(rows)


def _refuse_other_history(applied: dict[int, str], wanted: list[Migration]) -> None:
    digests = {migration.number: migration for migration in wanted}
    for number, digest in applied.items():
        migration = digests.get(number)
        if migration is None:
            raise MigrationError(
                f"the database has migration {number:04}, which this release does not know: "
                "it belongs to a later release; install that one"
            )
        if migration.digest != digest:
            raise MigrationError(
                f"{migration.name} was changed after it had been applied; applied migrations "
                "are never edited, a new number carries the change"
            )


def require_current(conn: psycopg.Connection) -> None:
    """Defer until the schema is the one that this release needs, saying which that is."""
    wanted = migrations()[-1]
    exists = conn.execute("select to_regclass('schema_migration') is not null").fetchone()
    row = None
    if exists == (True,):
        row = conn.execute("select max(number) from schema_migration").fetchone()
    present = (row[0] if row else None) or 0
    if present < wanted.number:
        raise Defer(
            f"the database is at migration {present:04}, needed is {wanted.number:04}: "
            "run cmp-orders db migrate"
        )
