"""Statements that make a database what it was when the staged files had been sent.

They follow one another in this order, after core.db.adopting has staged, locked and judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.db import generation

if TYPE_CHECKING:
    import psycopg


def move_sequences(conn: psycopg.Connection) -> None:
    """Move what gives out ids past every id that a file has; this lasts whatever follows."""
    for sequence, highest in (
        ("outbound_file_id_seq", "select max(identifier) from adopt_file"),
        ("batch_id_seq", "select max(batch) from adopt_file"),
        ("request_line_id_seq", "select max(line_id) from adopt_line"),
        ("sales_order_id_seq", "select max(order_id) from adopt_order"),
    ):
        conn.execute(
            f"select setval('{sequence}', greatest(({highest}), "  # noqa: S608  # ours
            f"(select last_value from {sequence})))".encode()
        )


def generate(conn: psycopg.Connection, why: str) -> int:
    """Generate the staged orders that are one request behind, as Request Extract would; how many.

    What they ask of other warehouses is queued by it; the lines of this one are replaced later.
    """
    conn.execute(
        """
        update request_line l set superseded = true
          from sales_order o
         where o.id = l.order_id and o.status = 'ERROR' and l.rejected > 0 and not l.superseded
           and o.id in (select order_id from adopt_order)
        """
    )
    rows = conn.execute(
        """
        update sales_order o
           set status = 'AWAITING_GENERATION', status_at = now(), status_reason = %(why)s
          from (select distinct order_id, generation from adopt_order) a
         where o.id = a.order_id and o.generation = a.generation - 1
        returning o.id
        """,
        {"why": why},
    ).fetchall()
    ids = [row[0] for row in rows]
    if ids:
        generation.generate(conn, ids)
    return len(ids)


def unseal_others(conn: psycopg.Connection, warehouse: str, why: str) -> None:
    """Put batches back that were sealed here under the number or id of a file that was sent.

    They were never published: that name was taken in the archive.
    """
    rows = conn.execute(
        """
        delete from outbound_file f using adopt_file a
         where f.published_at is null and f.warehouse_id = %(warehouse)s
           and f.file_sequence = a.sequence
        returning f.batch_id
        """,
        {"warehouse": warehouse},
    ).fetchall()
    for stage, status in (("Extract/Load", "Error"), ("Batch", "Complete")):
        conn.execute(
            """
            update batch b
               set stage = %(stage)s, stage_status = %(status)s, stage_at = now(), attempts = 0,
                   reason = %(why)s, sentence = null
             where b.id = any(%(batches)s)
            """,
            {
                "batches": [row[0] for row in rows],
                "stage": stage,
                "status": status,
                "why": why,
            },
        )
    conn.execute(
        """
        update cancellation set status = 'REQUESTED', sent_at = null
         where batch_id = any(%(batches)s) and status = 'SENT'
        """,
        {"batches": [row[0] for row in rows]},
    )


def take_out(conn: psycopg.Connection, warehouse: str) -> None:
    """Take the staged orders out of the queue and of unsealed batches, and their lines away."""
    conn.execute(
        """
        delete from request_queue q using adopt_order a
         where q.warehouse_id = %(warehouse)s and q.order_id = a.order_id
        """,
        {"warehouse": warehouse},
    )
    conn.execute(
        """
        with taken as (
            delete from request_detail d using adopt_order a, batch b
             where d.order_id = a.order_id and d.generation = a.generation
               and b.id = d.batch_id and b.warehouse_id = %(warehouse)s
               and not exists (select from outbound_file f where f.batch_id = b.id)
            returning d.batch_id)
        update batch b set record_count = b.record_count - t.taken
          from (select batch_id, count(*) as taken from taken group by batch_id) t
         where b.id = t.batch_id
        """,
        {"warehouse": warehouse},
    )
    conn.execute(
        """
        delete from request_line_share s using request_line l, adopt_order a
         where l.id = s.line_id and l.order_id = a.order_id and l.generation = a.generation
           and l.warehouse_id = %(warehouse)s
        """,
        {"warehouse": warehouse},
    )
    conn.execute(
        """
        delete from request_line l using adopt_order a
         where l.order_id = a.order_id and l.generation = a.generation
           and l.warehouse_id = %(warehouse)s
        """,
        {"warehouse": warehouse},
    )


def renumber(conn: psycopg.Connection) -> int:
    """Give new ids to other requests' lines whose ids the partner knows; how many.

    None of them was sealed: obstacles() has seen to that.
    """
    return conn.execute(
        """
        with clash as (
            select r.id, nextval('request_line_id_seq') as new_id
              from request_line r join adopt_line a on a.line_id = r.id
        ), copied as (
            insert into request_line (id, order_id, generation, warehouse_id, item_no, product_code,
                                      quantity, unit_price, serialised, billable, attributes,
                                      dispatched, cancelled, rejected, back_ordered_at, superseded)
            select c.new_id, r.order_id, r.generation, r.warehouse_id, r.item_no, r.product_code,
                   r.quantity, r.unit_price, r.serialised, r.billable, r.attributes, r.dispatched,
                   r.cancelled, r.rejected, r.back_ordered_at, r.superseded
              from clash c join request_line r on r.id = c.id
        ), shares as (
            update request_line_share s set line_id = c.new_id from clash c where s.line_id = c.id
        )
        delete from request_line r using clash c where r.id = c.id
        """
    ).rowcount


def insert_lines(conn: psycopg.Connection, warehouse: str) -> int:
    """Insert the lines that were sent, with the ids that the partner knows; how many."""
    count = conn.execute(
        """
        insert into request_line (id, order_id, generation, warehouse_id, item_no, product_code,
                                  quantity, unit_price, serialised, billable, attributes)
        select line_id, order_id, generation, %(warehouse)s, item_no, product_code,
               quantity, unit_price, serialised, billable, attributes
          from adopt_line
        """,
        {"warehouse": warehouse},
    ).rowcount
    conn.execute(
        """
        insert into request_line_share (line_id, order_id, item_no, quantity)
        select line_id, order_id, item_no, quantity from adopt_share
        """
    )
    return count


def count_items(conn: psycopg.Connection) -> None:
    """Count what the staged orders' items have open anew, from their lines."""
    conn.execute(
        """
        with part as (
            select l.order_id, l.item_no,
                   l.quantity - l.dispatched - l.cancelled - l.rejected as open
              from request_line l
             where l.item_no is not null and not l.superseded
               and l.order_id in (select order_id from adopt_order)
            union all
            select s.order_id, s.item_no, s.quantity - s.dispatched - s.cancelled - s.rejected
              from request_line_share s join request_line l on l.id = s.line_id
             where not l.superseded and s.order_id in (select order_id from adopt_order)
        ), summed as (
            select order_id, item_no, sum(open) as open from part group by order_id, item_no
        )
        update order_item i set open_quantity = n.open
          from (select a.order_id, a.item_no, coalesce(s.open, 0) as open
                  from order_item a
                  left join summed s on s.order_id = a.order_id and s.item_no = a.item_no
                 where a.order_id in (select order_id from adopt_order)) n
         where i.order_id = n.order_id and i.item_no = n.item_no and i.open_quantity <> n.open
        """
    )


def choose_ids(conn: psycopg.Connection, warehouse: str) -> None:
    """Decide which batch each file gets, and its identifier: those that it had, if they are free.

    An unsealed request batch of the warehouse with that id is the batch itself.
    """
    conn.execute(
        """
        update adopt_file a
           set batch_id = case when b.id is null then a.batch
                               when b.warehouse_id = %(warehouse)s and b.direction = 'OUT'
                                and not exists (select from outbound_file f where f.batch_id = b.id)
                                and (b.stage, b.stage_status) <> ('Extract/Load', 'Complete')
                                and b.action = a.action
                                   then a.batch
                               else nextval('batch_id_seq') end,
               file_id = case when exists (select from outbound_file f where f.id = a.identifier)
                              then nextval('outbound_file_id_seq') else a.identifier end
          from adopt_file x left join batch b on b.id = x.batch
         where x.name = a.name
        """,
        {"warehouse": warehouse},
    )


def give_back(conn: psycopg.Connection, warehouse: str) -> int:
    """Empty the batches that become those of the files: what was not sent is queued again."""
    conn.execute(
        """
        update cancellation set batch_id = null, sequence = null
         where batch_id in (select batch_id from adopt_file)
        """
    )
    return conn.execute(
        """
        with taken as (
            delete from request_detail d using adopt_file a
             where d.batch_id = a.batch_id
            returning d.order_id, d.generation)
        insert into request_queue (warehouse_id, entered_at, order_id, generation,
                                   line_count, byte_count)
        select z.warehouse_id, o.entered_at, o.id, t.generation, z.line_count, z.byte_count
          from taken t
          join sales_order o on o.id = t.order_id and o.status = 'AWAITING_DISPATCH'
          join lateral (select * from request_size z
                         where z.order_id = t.order_id and z.generation = t.generation
                           and z.warehouse_id = %(warehouse)s) z on true
        on conflict do nothing
        """,
        {"warehouse": warehouse},
    ).rowcount


def insert_batches(conn: psycopg.Connection, warehouse: str, why: str) -> None:
    """Make the files' batches, with their details, and the files' rows.

    A batch whose file has not been renamed yet stays sealed: Extract to Generic publishes it.
    """
    conn.execute(
        """
        insert into batch (id, type, action, warehouse_id, stage, stage_status, record_count,
                           reason)
        select a.batch_id, 'Sales Order Request', a.action, %(warehouse)s,
               case when a.published then 'Extract/Load' else 'Batch' end, 'Complete', 0, %(why)s
          from adopt_file a
         where not exists (select from batch b where b.id = a.batch_id)
         order by a.batch_id
        """,
        {"warehouse": warehouse, "why": why},
    )
    conn.execute(
        """
        insert into request_detail (batch_id, sequence, order_id, generation, warehouse_id)
        select a.batch_id, row_number() over (partition by a.batch_id order by o.place),
               o.order_id, o.generation, %(warehouse)s
          from adopt_order o join adopt_file a on a.name = o.name
        """,
        {"warehouse": warehouse},
    )
    _insert_cancellations(conn, warehouse, why)
    conn.execute(
        """
        insert into outbound_file (id, batch_id, warehouse_id, file_sequence, name, tree_id,
                                   payload_sha256, file_sha256, byte_count, sealed_at, published_at)
        select file_id, batch_id, %(warehouse)s, sequence, name, tree, payload, sealed, bytes,
               sealed_at, case when published then now() end
          from adopt_file
        """,
        {"warehouse": warehouse},
    )
    # Sealed first and then published, as every batch that was there before.
    for only_published, status in ((False, "In Progress"), (True, "Complete")):
        conn.execute(
            """
            update batch b
               set stage = 'Extract/Load', stage_status = %(status)s, stage_at = now(),
                   attempts = 0, reason = %(why)s, sentence = null
              from adopt_file a
             where b.id = a.batch_id and (a.published or not %(only_published)s)
               and (b.stage, b.stage_status) <> ('Extract/Load', 'Complete')
            """,
            {"only_published": only_published, "status": status, "why": why},
        )
    conn.execute(
        """
        update batch b set record_count = (select count(*) from batch_detail d
                                            where d.batch_id = b.id)
          from adopt_file a where b.id = a.batch_id
        """
    )


def _insert_cancellations(conn: psycopg.Connection, warehouse: str, why: str) -> None:
    """Record the cancellations that were sent.

    One that the database still has to send is this one. Where nothing of the order is open any
    more, or another question came after it, its answer has come.
    """
    conn.execute(
        """
        delete from cancellation c using adopt_cancellation a
         where c.order_id = a.order_id and c.warehouse_id = %(warehouse)s
           and c.status = 'REQUESTED'
        """,
        {"warehouse": warehouse},
    )
    conn.execute(
        """
        insert into cancellation (order_id, warehouse_id, generation, status, reason, batch_id,
                                  sequence, sent_at, answered_at)
        select a.order_id, %(warehouse)s, a.generation,
               case when awaited then 'SENT' else 'TOO_LATE' end, %(why)s, f.batch_id,
               row_number() over (partition by f.batch_id order by a.place), f.sealed_at,
               case when not awaited then now() end
          from adopt_cancellation a
          join adopt_file f on f.name = a.name
         cross join lateral (
                select exists (select from request_line l
                                where l.order_id = a.order_id and l.generation = a.generation
                                  and l.warehouse_id = %(warehouse)s
                                  and l.dispatched + l.cancelled + l.rejected < l.quantity)
                       and not exists (select from cancellation c
                                        where c.order_id = a.order_id
                                          and c.warehouse_id = %(warehouse)s
                                          and c.answered_at is null)
                       and not exists (select from adopt_cancellation b
                                         join adopt_file g on g.name = b.name
                                        where b.order_id = a.order_id and g.sequence > f.sequence)
                           as awaited) x
        """,
        {"warehouse": warehouse, "why": why},
    )


def move_file_sequence(conn: psycopg.Connection, warehouse: str) -> None:
    """Move the number of the warehouse's files past those that it has."""
    conn.execute(
        """
        update warehouse w
           set file_sequence = greatest(w.file_sequence,
                    (select max(f.file_sequence) from outbound_file f where f.warehouse_id = w.id))
         where w.id = %(warehouse)s
        """,
        {"warehouse": warehouse},
    )


def received_again(conn: psycopg.Connection, warehouse: str, claims: dict[str, str]) -> None:
    """Record that these files (our name: the partner's) were put back to be loaded again."""
    conn.execute(
        """
        insert into inbound_file (claim_name, warehouse_id, partner_name, status, received_at)
        select claim, %(warehouse)s, partner_name, 'REQUEUED', now()
          from unnest(%(claims)s::text[], %(names)s::text[]) as f (claim, partner_name)
        on conflict (claim_name) do update set status = 'REQUEUED', status_at = now()
        """,
        {
            "warehouse": warehouse,
            "claims": list(claims),
            "names": list(claims.values()),
        },
    )


def batches_by_file(conn: psycopg.Connection) -> list[tuple[int, int]]:
    """(batch in the manifest, batch here) of the files that are not published and have moved."""
    return conn.execute(
        "select batch, batch_id from adopt_file where not published and batch <> batch_id"
    ).fetchall()
