-- What the warehouses answered: the loaded records, and what was applied of them.

create table dispatch_detail (
    batch_id bigint not null,
    sequence integer not null,
    order_ref text not null,
    order_id bigint,
    dispatch_id text collate "C" not null,
    status text not null check (status in
        ('DISPATCHED', 'PART_DISPATCHED', 'REJECTED', 'FRAUD_REJECTED', 'CANCELLED')),
    dispatched_at timestamptz,
    carrier text,
    tracking text[] not null default '{}',
    content_sha256 bytea not null,
    -- What the warehouse itself reports as wrong: [{"id", "errorMessage"}, ...].
    errors jsonb,
    reason text,
    sentence text,
    applied_at timestamptz,
    primary key (batch_id, sequence)
) with (fillfactor = 50);
create index dispatch_detail_order on dispatch_detail (order_id);

create table dispatch_line (
    batch_id bigint not null,
    sequence integer not null,
    -- 1 and up as listed in the record; 0 and down are lines that a whole-order outcome means.
    line_no integer not null,
    line_id bigint,
    status text not null check (status in ('DISPATCHED', 'BACK_ORDERED', 'REJECTED', 'CANCELLED')),
    quantity integer not null check (quantity > 0),
    reason text,
    -- One element a unit, in step; null where the units carry no such attribute.
    serial_numbers text[],
    imeis text[],
    iccids text[],
    -- A JSON array with one object a unit: whatever else was captured.
    extras jsonb,
    unit_count integer not null,
    -- The attributes that every unit carries, and what was found wrong in the units themselves.
    captured text[] not null default '{}',
    fault text,
    primary key (batch_id, sequence, line_no)
);

create table dispatch (
    warehouse_id text collate "C" not null,
    dispatch_id text collate "C" not null,
    order_id bigint not null,
    batch_id bigint not null,
    sequence integer not null,
    content_sha256 bytea not null,
    dispatched_at timestamptz,
    carrier text,
    tracking text[] not null default '{}',
    applied_at timestamptz not null default now(),
    primary key (warehouse_id, dispatch_id)
);
comment on table dispatch is 'Each dispatch applied, by the warehouse''s own number: unique for ever, never purged.';

-- Units and charges name their line without a foreign key, whose look for each row took two fifths of
-- what it takes to apply a dispatch: triggers (0005) look once a statement, from both sides.
create table dispatched_unit (
    line_id bigint not null,
    dispatch_id text collate "C" not null,
    unit_no integer not null,
    order_id bigint not null,
    warehouse_id text collate "C" not null,
    product_code text collate "C" not null,
    serial_number text collate "C",
    imei text collate "C",
    iccid text collate "C",
    attributes jsonb,
    -- False once the unit came back: its numbers may go out again.
    active boolean not null default true,
    primary key (line_id, dispatch_id, unit_no)
);
create unique index dispatched_unit_serial_number on dispatched_unit (serial_number, product_code)
    where active and serial_number is not null;
create unique index dispatched_unit_imei on dispatched_unit (imei) where active and imei is not null;
create unique index dispatched_unit_iccid on dispatched_unit (iccid) where active and iccid is not null;

create table charge (
    warehouse_id text collate "C" not null,
    dispatch_id text collate "C" not null,
    line_id bigint not null,
    -- 0 stands for the dispatched line as a whole.
    unit_no integer not null default 0,
    order_id bigint not null,
    account_id bigint not null,
    product_code text collate "C" not null,
    quantity integer not null,
    unit_price numeric not null,
    amount numeric not null,
    currency text not null,
    charged_at timestamptz not null default now(),
    primary key (line_id, dispatch_id, warehouse_id, unit_no),
    constraint charge_amount check (amount = quantity * unit_price)
);

create view batch_detail as
    select batch_id, sequence, order_id, order_id::text as order_ref,
           null::text as reason, null::text as sentence, null::timestamptz as applied_at
      from request_detail
    union all
    select batch_id, sequence, order_id, order_ref, reason, sentence, applied_at
      from dispatch_detail;
comment on view batch_detail is 'The details of every batch: sequence, order, error.';
