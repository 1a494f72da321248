"""Statements that take over acknowledgements of which the database has lost that they were sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    import psycopg


def adopt(conn: psycopg.Connection, warehouse: str, manifests: list[dict[str, Any]]) -> None:
    """Record these as sent, and move what numbers them past them.

    What the database has sealed under one of their names meanwhile, and not published, is to be
    sealed anew under another. Which file they were about may be lost with the rest.
    """
    wanted = {"warehouse": warehouse, "manifests": Jsonb(manifests)}
    conn.execute(
        """
        update acknowledgement
           set number = null, name = null, tree_id = null, payload_sha256 = null,
               file_sha256 = null, byte_count = null, sealed_at = null
         where warehouse_id = %(warehouse)s and published_at is null
           and name in (select m->>'name' from jsonb_array_elements(%(manifests)s) m)
        """,
        wanted,
    )
    conn.execute(
        """
        select setval('acknowledgement_id_seq', greatest(
                   (select max((m->>'identifier')::bigint)
                      from jsonb_array_elements(%(manifests)s) m),
                   (select last_value from acknowledgement_id_seq)))
        """,
        wanted,
    )
    conn.execute(
        """
        insert into acknowledgement (warehouse_id, verdict, file_name, reason, number, name,
                                     tree_id, payload_sha256, file_sha256, byte_count, sealed_at,
                                     published_at)
        select %(warehouse)s, m->>'verdict', m->>'fileName', m->>'reason',
               (m->>'acknowledgementSequence')::bigint, m->>'name', (m->>'tree')::uuid,
               decode(m->>'payloadSha256', 'hex'), decode(m->>'fileSha256', 'hex'),
               (m->>'byteCount')::bigint, now(), now()
          from jsonb_array_elements(%(manifests)s) m
        """,
        wanted,
    )
    conn.execute(
        """
        update warehouse w
           set acknowledgement_sequence = greatest(w.acknowledgement_sequence,
                    (select max(a.number) from acknowledgement a where a.warehouse_id = w.id))
         where w.id = %(warehouse)s
        """,
        wanted,
    )
