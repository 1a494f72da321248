"""Statements on whether a warehouse's outbound files were compared with this very database.

A server that was promoted or restored has been started since, a database that was made anew has
another oid, and a whole dump restored into it makes the table anew, which then is another file:
what was compared before says nothing of it. Rows alone that are put back are not noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import psycopg


def record(conn: psycopg.Connection, names: list[str], tree: UUID) -> None:
    """The files of these in that tree have been compared, and they are held that must be."""
    conn.execute(
        """
        insert into files_compared (warehouse_id, tree_id, server_started_at, database_oid,
                                    filenode)
        select w.id, %(tree)s, pg_postmaster_start_time(), d.oid,
               pg_relation_filenode('files_compared')
          from warehouse w join pg_database d on d.datname = current_database()
         where w.id = any(%(names)s)
         order by w.id
        on conflict (warehouse_id) do update
           set tree_id = excluded.tree_id, server_started_at = excluded.server_started_at,
               database_oid = excluded.database_oid, filenode = excluded.filenode,
               compared_at = now()
        """,
        {"names": names, "tree": tree},
    )


def current(conn: psycopg.Connection, tree: UUID | None = None) -> dict[str, datetime]:
    """The warehouses whose files, in that tree or any, were compared with this database, and when.

    A warehouse that is entered anew is none of them.
    """
    rows = conn.execute(
        """
        select c.warehouse_id, c.compared_at
          from files_compared c
          join pg_database d on d.datname = current_database() and d.oid = c.database_oid
         where c.server_started_at = pg_postmaster_start_time()
           and c.filenode = pg_relation_filenode('files_compared')
           and (%(tree)s::uuid is null or c.tree_id = %(tree)s)
        """,
        {"tree": tree},
    ).fetchall()
    return dict(rows)
