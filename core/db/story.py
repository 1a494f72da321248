"""Statements that tell an order's whole story; run in one transaction at REPEATABLE READ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

if TYPE_CHECKING:
    import psycopg

ORDER = """
    select id, reference, account_id, status, status_reason, status_at, entered_at, currency,
           delivery_method, delivery_instructions, contact_name, contact_email, contact_phone,
           delivery_name, delivery_lines, town, county, post_code, country, generation
      from sales_order where id = %(order)s
"""
PARTS = {
    "items": """
        select i.item_no, i.product_code, p.description, i.quantity, i.unit_price,
               coalesce(i.warehouse_id, p.warehouse_id) as warehouse, i.open_quantity as open,
               i.dispatched_quantity as dispatched, i.cancelled_quantity as cancelled
          from order_item i left join product p on p.code = i.product_code
         where i.order_id = %(order)s order by i.item_no
    """,
    "reserved": """
        select warehouse_id as warehouse, product_code, quantity
          from reservation where order_id = %(order)s order by warehouse_id, product_code
    """,
    "lines": """
        select l.id, l.generation, l.warehouse_id as warehouse, l.item_no,
               case when l.item_no is null then
                   array(select s.item_no from request_line_share s
                          where s.line_id = l.id order by s.item_no) end as merged_items,
               l.product_code, l.quantity, l.unit_price, l.serialised,
               l.dispatched, l.cancelled, l.rejected, l.excess, l.returned,
               l.excess_returned, l.back_ordered_at,
               l.superseded
          from request_line l where l.order_id = %(order)s order by l.id
    """,
    "holds": """
        select kind, reason, placed_at, placed_by, released_at, released_by, release_reason,
               decision
          from order_hold where order_id = %(order)s order by id
    """,
    "fraud_checks": """
        select checker, verdict, score, reasons, released_reasons, stale, checked_at
          from fraud_check where order_id = %(order)s
    """,
    "cancellations": """
        select c.warehouse_id as warehouse, c.generation, c.status, c.reason, c.asked_at,
               c.asked_by, c.batch_id as batch, f.name as file, c.sent_at, c.answered_at
          from cancellation c left join outbound_file f on f.batch_id = c.batch_id
         where c.order_id = %(order)s order by c.id
    """,
    "history": """
        select from_status, to_status, at, who, why
          from order_history where order_id = %(order)s order by id
    """,
    "queued": """
        select warehouse_id as warehouse, generation, queued_at, line_count
          from request_queue where order_id = %(order)s order by warehouse_id
    """,
    "requests": """
        select b.id as batch, b.warehouse_id as warehouse, d.sequence, d.generation, b.stage,
               b.stage_status, b.stage_at, b.fraud_check_required, b.reason, b.sentence,
               f.id as file_identifier, f.name as file, f.sealed_at, f.published_at, f.taken_at,
               f.resent, f.acknowledged_at, f.verdict, f.reason as verdict_reason,
               f.sentence as verdict_sentence
          from request_detail d
          join batch b on b.id = d.batch_id
          left join outbound_file f on f.batch_id = b.id
         where d.order_id = %(order)s order by b.id
    """,
    "dispatches": """
        select d.batch_id as batch, b.warehouse_id as warehouse, b.entered_by, d.sequence,
               d.dispatch_id,
               d.status, d.dispatched_at, d.carrier, d.tracking, d.reason, d.sentence,
               d.errors, d.applied_at,
               f.id as file_id, f.partner_name as file, f.received_at
          from dispatch_detail d
          join batch b on b.id = d.batch_id
          left join lateral (select id, partner_name, received_at from inbound_file
                              where batch_id = b.id and repeats_id is null limit 1) f on true
         where d.order_id = %(order)s order by d.batch_id, d.sequence
    """,
    "dispatched_lines": """
        select g.batch_id as batch, g.sequence, g.line_id, g.status, g.quantity, g.excess,
               g.reason
          from dispatch_detail d
          join dispatch_line g on g.batch_id = d.batch_id and g.sequence = d.sequence
         where d.order_id = %(order)s order by g.batch_id, g.sequence, g.line_no
    """,
    "units": """
        select u.line_id, u.dispatch_id, u.unit_no, u.product_code, u.serial_number, u.imei,
               u.iccid, u.attributes, u.active, u.return_id
          from dispatched_unit u
         where u.line_id in (select id from request_line where order_id = %(order)s)
         order by u.line_id, u.dispatch_id, u.unit_no
    """,
    "charges": """
        select line_id, dispatch_id, product_code, quantity, unit_price, amount, currency,
               charged_at
          from charge
         where line_id in (select id from request_line where order_id = %(order)s)
         order by charged_at, line_id
    """,
}


def of(conn: psycopg.Connection, order: int) -> dict[str, Any]:
    """The order's columns, and under each name of PARTS the rows of that part; it has to exist."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(ORDER, {"order": order}).fetchone()
        assert row is not None
        return row | {
            name: cursor.execute(statement, {"order": order}).fetchall()
            for name, statement in PARTS.items()
        }
