-- The floor's tables: keys only where nobody could do without.
create table floor_order (
    id bigint not null, reference text not null, account_id bigint not null,
    entered_at timestamptz not null, currency text not null, delivery_method text not null,
    contact_name text, contact_email text, delivery_name text not null,
    delivery_lines text[] not null, town text, post_code text, country text not null,
    status text not null default 'Awaiting');
create table floor_item (
    order_id bigint not null, item_no integer not null, product_code text not null,
    quantity integer not null, unit_price numeric not null, warehouse_id text not null);
create table floor_request (
    warehouse_id text not null, order_id bigint not null, item_no integer not null,
    product_code text not null, quantity integer not null);
create table floor_unit (
    order_id bigint not null, item_no integer not null, serial_number text not null,
    carrier text not null, dispatched_at timestamptz not null);
create table floor_charge (
    order_id bigint not null, item_no integer not null, account_id bigint not null,
    quantity integer not null, amount numeric not null, charged_at timestamptz not null);
