"""Statements that enter orders, thousands at a time: staged by COPY, then inserted as sets.

The staging tables are of the session and empty at each commit. An order's key in here is its line
number in the submitted file; its id is drawn as it is staged, so that ids follow the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import psycopg

ORDER_COLUMNS = (
    "line, reference, account_id, currency, delivery_method, delivery_instructions, contact_name, "
    "contact_email, contact_phone, delivery_name, delivery_lines, town, county, post_code, "
    "country, entered_at"
)
"""The columns that copy_orders() takes; entered_at may be null, which means now."""
ITEM_COLUMNS = "line, item_no, product_code, quantity, unit_price, warehouse_id"
"""The columns that copy_items() takes."""


class Known(NamedTuple):
    """A staged order whose reference the database has already."""

    line: int
    order_id: int
    status: str
    same: bool
    """Whether it says the same, item by item; a price of 1.0 is one of 1.00."""


def create_staging(conn: psycopg.Connection) -> None:
    """Make the session's staging tables, unless it has them."""
    conn.execute(
        """
        create temporary table if not exists order_intake (
            line bigint not null,
            order_id bigint not null default nextval('sales_order_id_seq'),
            reference text not null,
            account_id bigint not null,
            currency text not null,
            delivery_method text not null,
            delivery_instructions text,
            contact_name text,
            contact_email text,
            contact_phone text,
            delivery_name text not null,
            delivery_lines text[] not null,
            town text,
            county text,
            post_code text,
            country text not null,
            entered_at timestamptz
        ) on commit delete rows;
        create temporary table if not exists item_intake (
            line bigint not null,
            item_no integer not null,
            product_code text not null,
            quantity integer not null,
            unit_price numeric not null,
            warehouse_id text
        ) on commit delete rows
        """
    )


def copy_orders(conn: psycopg.Connection, text: bytes) -> None:
    """COPY orders into staging, in PostgreSQL's text format and the order of ORDER_COLUMNS."""
    with conn.cursor() as cursor:
        copying = cursor.copy(f"copy order_intake ({ORDER_COLUMNS}) from stdin")
        with copying as copy:
            copy.write(text)


def copy_items(conn: psycopg.Connection, text: bytes) -> None:
    """COPY their items into staging, in PostgreSQL's text format and the order of ITEM_COLUMNS."""
    with conn.cursor() as cursor:
        copying = cursor.copy(f"copy item_intake ({ITEM_COLUMNS}) from stdin")
        with copying as copy:
            copy.write(text)


def insert_orders(conn: psycopg.Connection) -> int:
    """Insert the staged orders whose reference is not known, once each, as New; how many.

    Sorted by reference, so that two sessions that enter the same orders wait rather than deadlock.
    """
    return conn.execute(
        """
        insert into sales_order (id, reference, account_id, currency, delivery_method,
                                 delivery_instructions, contact_name, contact_email, contact_phone,
                                 delivery_name, delivery_lines, town, county, post_code, country,
                                 entered_at)
        select order_id, reference, account_id, currency, delivery_method,
               delivery_instructions, contact_name, contact_email, contact_phone,
               delivery_name, delivery_lines, town, county, post_code, country,
               coalesce(entered_at, now())
          from (select distinct on (reference) * from order_intake order by reference, line) first
         order by reference
            on conflict (reference) do nothing
        """
    ).rowcount


def insert_items(conn: psycopg.Connection) -> int:
    """Insert the items of the orders just inserted; how many."""
    return conn.execute(
        """
        insert into order_item (order_id, item_no, product_code, quantity, unit_price, warehouse_id)
        select o.id, i.item_no, i.product_code, i.quantity, i.unit_price, i.warehouse_id
          from item_intake i
          join order_intake s on s.line = i.line
          join sales_order o on o.id = s.order_id
         order by o.id, i.item_no
        """
    ).rowcount


def entered(conn: psycopg.Connection) -> list[tuple[int, int]]:
    """(line, order id) of the orders just inserted, as the file has them."""
    return conn.execute(
        """
        select s.line, o.id from order_intake s join sales_order o on o.id = s.order_id
         order by s.line
        """
    ).fetchall()


def known(conn: psycopg.Connection) -> list[Known]:
    """The staged orders that were not inserted, each beside the order that has its reference."""
    rows = conn.execute(
        """
        with other as materialized (
            select s.line, o.id, o.status,
                   (s.account_id, s.currency, s.delivery_method, s.delivery_instructions,
                    s.contact_name, s.contact_email, s.contact_phone, s.delivery_name,
                    s.delivery_lines, s.town, s.county, s.post_code, s.country,
                    coalesce(s.entered_at, o.entered_at))
                   is not distinct from
                   (o.account_id, o.currency, o.delivery_method, o.delivery_instructions,
                    o.contact_name, o.contact_email, o.contact_phone, o.delivery_name,
                    o.delivery_lines, o.town, o.county, o.post_code, o.country,
                    o.entered_at) as same
              from order_intake s
              join sales_order o on o.reference = s.reference
             where o.id <> s.order_id
        ), difference as (
            select distinct coalesce(a.line, b.line) as line
              from (select i.* from item_intake i where i.line in (select line from other)) a
              full join (select t.line, i.item_no, i.product_code, i.quantity, i.unit_price,
                                -- What the check of stock has chosen, the seller has not said.
                                case when not i.allotted then i.warehouse_id end as warehouse_id
                           from other t join order_item i on i.order_id = t.id) b
                on b.line = a.line and b.item_no = a.item_no
             where (a.product_code, a.quantity, a.unit_price, a.warehouse_id)
                   is distinct from (b.product_code, b.quantity, b.unit_price, b.warehouse_id)
        )
        select o.line, o.id, o.status, o.same and d.line is null
          from other o left join difference d on d.line = o.line
         order by o.line
        """
    ).fetchall()
    return [Known(*row) for row in rows]


def submit(conn: psycopg.Connection, drafts: list[int]) -> int:
    """Move on to Awaiting Generation what was just inserted, and `drafts` still New; how many."""
    return conn.execute(
        """
        update sales_order
           set status = 'AWAITING_GENERATION', status_at = now(), status_reason = null
         where status = 'NEW'
           and id in (select order_id from order_intake union select unnest(%(drafts)s::bigint[]))
        """,
        {"drafts": drafts},
    ).rowcount
