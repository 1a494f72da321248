-- Stock: what each warehouse has, and what of it is reserved for which order. A product with no row
-- here is not kept in stock: its orders go their way unchecked.

-- Which warehouse serves an item that names none: the lowest number first; and whether it takes what
-- it does not have, to be sent later.
alter table warehouse
    add column priority integer not null default 100 check (priority between 0 and 1000000),
    add column back_order boolean not null default false;

-- True where the check of stock chose the warehouse, so that what the seller said stays known.
alter table order_item add column allotted boolean not null default false;

create domain stock_quantity as bigint check (value between 0 and 1000000000000);

create table stock (
    warehouse_id warehouse_code not null references warehouse,
    product_code product_code not null references product,
    on_hand stock_quantity not null default 0,
    -- The sum of the reservations: reservation_counted keeps it, whoever writes them.
    reserved bigint not null default 0,
    -- Units that were dispatched and had never been on record; a new count of the stock ends it.
    unrecorded bigint not null default 0 constraint stock_unrecorded check (unrecorded >= 0),
    available bigint not null generated always as (on_hand - reserved) stored,
    primary key (warehouse_id, product_code),
    constraint stock_reserved check (reserved between 0 and on_hand)
) with (fillfactor = 70);
create index stock_product on stock (product_code);
comment on table stock is 'What a warehouse has of a product; without a row it is not kept there.';

create table reservation (
    order_id bigint not null references sales_order,
    warehouse_id warehouse_code not null,
    product_code product_code not null,
    quantity bigint not null constraint reservation_quantity check (quantity > 0),
    primary key (order_id, warehouse_id, product_code),
    constraint reservation_stock foreign key (warehouse_id, product_code) references stock
) with (fillfactor = 70);
-- For the foreign key, and for who asks what a row of the stock is reserved for.
create index reservation_of_stock on reservation (warehouse_id, product_code);
comment on table reservation is 'Units on hand that are kept for an order, until they are dispatched or the order ends.';

-- Two orders for the last unit: both add to one row, the second after the first, and the CHECK of
-- that row refuses it. Rows are locked by key first, so that no two sessions wait for each other;
-- EXECUTE plans anew each time, as in 0005.
create function reservation_counted() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    change constant text := format(
        'select warehouse_id, product_code, sum(quantity)::bigint as quantity from (%s) c
          group by warehouse_id, product_code having sum(quantity) <> 0',
        case tg_op
            when 'INSERT' then 'select * from new_row'
            when 'DELETE' then 'select warehouse_id, product_code, -quantity as quantity from old_row'
            else 'select warehouse_id, product_code, quantity from new_row union all
                  select warehouse_id, product_code, -quantity from old_row'
        end);
begin
    execute format($sql$
        select count(*) from (
            select from stock s join (%s) c using (warehouse_id, product_code)
             order by s.warehouse_id, s.product_code for no key update of s) locked
    $sql$, change);
    execute format($sql$
        update stock s set reserved = s.reserved + c.quantity from (%s) c
         where s.warehouse_id = c.warehouse_id and s.product_code = c.product_code
    $sql$, change);
    return null;
end $$;
create trigger reservation_made after insert on reservation
    referencing new table as new_row for each statement execute function reservation_counted();
create trigger reservation_changed after update on reservation
    referencing old table as old_row new table as new_row
    for each statement execute function reservation_counted();
create trigger reservation_ended after delete on reservation
    referencing old table as old_row for each statement execute function reservation_counted();

create function reservation_emptied() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update stock set reserved = 0 where reserved > 0;
    return null;
end $$;
create trigger reservation_emptied after truncate on reservation
    for each statement execute function reservation_emptied();

create trigger stock_reserved_counted before update of reserved on stock
    for each row when (new.reserved <> old.reserved and pg_trigger_depth() = 0)
    execute function refuse('stock.reserved is counted from the reservations');
create trigger stock_reserved_none before insert on stock
    for each row when (new.reserved <> 0)
    execute function refuse('stock.reserved is counted from the reservations');

-- An order that has ended, or is in Error, keeps nothing: one in Error may never go on, and is checked
-- anew if it does. Installations without stock pay one look at an empty table.
create function reservation_released() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from reservation) then
        execute $sql$
            delete from reservation r
             where r.order_id in (select id from new_row where status in ('COMPLETE', 'CANCELLED', 'ERROR'))
        $sql$;
    end if;
    return null;
end $$;
create trigger sales_order_released after update on sales_order
    referencing new table as new_row for each statement execute function reservation_released();

revoke all on function reservation_counted(), reservation_emptied(), reservation_released() from public;

-- Dispatch takes from the stock, and from what was reserved for the order.
grant select on stock, reservation to sales_order_dispatch;
grant update (on_hand, unrecorded) on stock to sales_order_dispatch;
grant update (quantity), delete on reservation to sales_order_dispatch;

-- The console counts the stock, and reserves.
grant select on stock, reservation to sales_order_console;
grant insert (warehouse_id, product_code, on_hand), update (on_hand, unrecorded) on stock
    to sales_order_console;
grant delete on stock to sales_order_console;
grant insert, update (quantity), delete on reservation to sales_order_console;
