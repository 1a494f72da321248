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


def record(conn: psycopg.Connection, warehouse: str, tree: UUID) -> None:
    """Its files in that tree have been compared with this database, and it is held if it must."""
    conn.execute(
        """
        insert into files_compared (warehouse_id, tree_id, server_started_at, database_oid,
                                    filenode)
        select %(warehouse)s, %(tree)s, pg_postmaster_start_time(), oid,
               pg_relation_filenode('files_compared')
          from pg_database where datname = current_database()
        on conflict (warehouse_id) do update
           set tree_id = excluded.tree_id, server_started_at = excluded.server_started_at,
               database_oid = excluded.database_oid, filenode = excluded.filenode,
               compared_at = now()
        """,
        {"warehouse": warehouse, "tree": tree},
    )


def current(conn: psycopg.Connection, tree: UUID | None = None) -> dict[str, datetime]:
    """The warehouses whose files, in that tree or any, were compared with this database, and when.

    A warehouse that is entered anew is none of them.
    """
    return dict(
        conn.execute(
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
    )
