-- Warehouses and products: the master data that the console and CMP keep, and the daemons read.

-- What identifies something compares byte by byte, whatever language the database was made for: that
-- is quick, and an upgrade of the system's language rules cannot put an index out of order.
create domain warehouse_code as text collate "C" check (value ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$');
create domain product_code as text collate "C" check (char_length(value) between 1 and 64);

create table warehouse (
    id warehouse_code primary key,
    -- A small number beside the name, since advisory locks take integers.
    number integer generated always as identity unique,
    name text not null check (char_length(name) between 1 and 200),
    granularity text not null default 'ITEM' check (granularity in ('ITEM', 'UNIT', 'PRODUCT')),
    -- The last gapless number given to an outbound file of this warehouse.
    file_sequence bigint not null default 0 check (file_sequence >= 0),
    -- Neither sealed nor loaded for while a reason stands here.
    held_reason text,
    held_at timestamptz,
    check ((held_reason is null) = (held_at is null))
);
comment on table warehouse is 'A place that dispatches orders, with the granularity of the request lines that it takes.';

-- What the order-request schema takes: a plain list of names, none of them twice.
create function are_attribute_names(names text[]) returns boolean
language sql immutable strict parallel safe as $$
    select names = '{}' or (array_ndims(names) = 1 and count(*) = count(distinct name)
                            and bool_and(coalesce(name ~ '^[a-z][A-Za-z0-9]{0,39}$', false)))
      from unnest(names) as name
$$;

create table product (
    code product_code primary key,
    description text not null check (char_length(description) between 1 and 200),
    warehouse_id warehouse_code references warehouse,
    serialised boolean not null default false,
    billable boolean not null default true,
    -- The names of what the warehouse must capture for each unit: serialNumber, imei, iccid, ...
    attributes text[] not null default '{}' check (cardinality(attributes) <= 20),
    check (serialised or attributes = '{}'),
    check (are_attribute_names(attributes))
);
comment on table product is 'The catalogue; warehouse_id serves an item that names no warehouse itself.';
