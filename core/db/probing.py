"""Statements of the probes: for how many seconds the oldest has stood at a step, or how many do.

Each returns rows of what it is about (a warehouse; empty: all) and the value, or none where nothing
stands there. Each reads an index that holds only what waits, or a table that stays short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import psycopg

STATEMENTS: Final = {
    "generation": """
        select '', extract(epoch from now() - min(status_at)) from sales_order
         where status = 'AWAITING_GENERATION'
    """,
    "batching": """
        select '', extract(epoch from now() - min(q.queued_at)) from request_queue q
         where not exists (select from order_hold h
                            where h.order_id = q.order_id and h.released_at is null)
    """,
    # What has ended since is nobody's to decide any more.
    "referred": """
        select '', extract(epoch from now() - min(h.placed_at))
          from order_hold h join sales_order o on o.id = h.order_id
         where h.released_at is null and h.kind = 'FRAUD'
           and o.status not in ('COMPLETE', 'CANCELLED')
    """,
    "sealing": """
        select warehouse_id, extract(epoch from now() - min(stage_at)) from batch
         where type = 'Sales Order Request' and stage = 'Batch' and stage_status = 'Complete'
         group by warehouse_id
    """,
    "publishing": """
        select warehouse_id, extract(epoch from now() - min(stage_at)) from batch
         where type = 'Sales Order Request' and stage = 'Extract/Load'
           and stage_status = 'In Progress'
         group by warehouse_id
    """,
    "taking": """
        select warehouse_id, extract(epoch from now() - min(published_at)) from outbound_file
         where published_at is not null and taken_at is null group by warehouse_id
    """,
    # From the orders, of which few await dispatch: the lines of all that ever were are many more.
    "answer": """
        select l.warehouse_id, extract(epoch from now() - min(f.taken_at))
          from sales_order o
          join request_line l on l.order_id = o.id
           and l.dispatched + l.cancelled + l.rejected < l.quantity
          join request_detail d on d.order_id = o.id and d.generation = l.generation
          join outbound_file f on f.batch_id = d.batch_id and f.warehouse_id = l.warehouse_id
         where o.status = 'AWAITING_DISPATCH' and f.taken_at is not null
         group by l.warehouse_id
    """,
    "claimed": """
        select warehouse_id, extract(epoch from now() - min(claimed_at)) from inbound_file
         where status in ('CLAIMED', 'LOADED') group by warehouse_id
    """,
    "applying": """
        select warehouse_id, extract(epoch from now() - min(stage_at)) from batch
         where type = 'Sales Order Dispatch' and stage = 'Extract/Load'
           and stage_status = 'Complete'
         group by warehouse_id
    """,
    "errors": "select '', count(*) from batch where stage_status = 'Error'",
    "quarantine": """
        select warehouse_id, count(*) from inbound_file where status = 'QUARANTINED'
         group by warehouse_id
    """,
    "transaction": """
        select '', extract(epoch from now() - min(xact_start)) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()
    """,
}


def look(conn: psycopg.Connection, name: str) -> list[tuple[str, float]]:
    """What one of the statements finds; nothing that stands there counts as 0 for all."""
    rows = conn.execute(STATEMENTS[name].encode()).fetchall()
    found = [(subject, float(value)) for subject, value in rows if value is not None]
    return found or [("", 0.0)]
