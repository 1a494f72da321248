"""Statements on whether the outbound files were compared with this very database.

A server that was promoted or restored has been started since, and a database that was made anew has
another oid: what was compared before says nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg


def record(conn: psycopg.Connection) -> None:
    """The files have been compared with this database, and what they are ahead of is held."""
    conn.execute(
        """
        insert into files_compared (server_started_at, database_oid)
        select pg_postmaster_start_time(), oid from pg_database where datname = current_database()
        on conflict (one) do update
           set server_started_at = excluded.server_started_at,
               database_oid = excluded.database_oid, compared_at = now()
        """
    )


def is_current(conn: psycopg.Connection) -> bool:
    """Whether they have, since the server was started; also if they never were: none was sent."""
    row = conn.execute(
        """
        select not exists (
                select from files_compared c
                  join pg_database d on d.datname = current_database()
                 where (c.server_started_at, c.database_oid)
                       is distinct from (pg_postmaster_start_time(), d.oid))
        """
    ).fetchone()
    return row == (True,)
