-- Goods that come back: counted on their line, their numbers free again, their charge reversed.

alter table request_line
    add column returned integer not null default 0,
    -- Of what was dispatched beyond what was asked; it comes back before anything that was billed.
    add column excess_returned integer not null default 0,
    add constraint request_line_returned check (returned between 0 and dispatched
                                                and excess_returned between 0 and excess);

alter table dispatch_detail drop constraint dispatch_detail_status_check;
alter table dispatch_detail add constraint dispatch_detail_status_check check (status in
    ('DISPATCHED', 'PART_DISPATCHED', 'REJECTED', 'FRAUD_REJECTED', 'CANCELLED', 'CANCEL_REFUSED',
     'RETURNED'));
alter table dispatch_line drop constraint dispatch_line_status_check;
alter table dispatch_line add constraint dispatch_line_status_check check (status in
    ('DISPATCHED', 'BACK_ORDERED', 'REJECTED', 'CANCELLED', 'RETURNED', 'RETURNED_DAMAGED'));

-- The dispatchId of the record that brought it back.
alter table dispatched_unit add column return_id text collate "C",
    add constraint dispatched_unit_returned check (not active or return_id is null);

-- Who entered a return by hand: such a batch has no file.
alter table batch add column entered_by text check (char_length(entered_by) between 1 and 200);

-- The one way in which a person makes a dispatch record: whatever else comes from a warehouse's file.
-- The blank in its number keeps it apart from all that warehouses may use. Dispatch judges and applies
-- it like any record.
create function enter_return(warehouse text, of_order bigint, lines bigint[], quantities integer[],
                             serials jsonb, damaged boolean, why text) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    made bigint;
begin
    insert into batch (type, warehouse_id, stage, stage_status, record_count, received_at, entered_by)
    values ('Sales Order Dispatch', warehouse, 'Extract/Load', 'Complete', 1, now(), acting())
    returning id into made;
    insert into dispatch_detail (batch_id, sequence, order_ref, order_id, dispatch_id, status,
                                 dispatched_at, content_sha256)
    values (made, 1, of_order::text, of_order, 'return ' || made, 'RETURNED', now(),
            sha256(convert_to(format('%s %s %s %s %s', of_order, lines, quantities, serials, damaged),
                              'UTF8')));
    -- `serials`: for each line an array of {"serialNumber", "imei", "iccid"}, one a unit.
    insert into dispatch_line (batch_id, sequence, line_no, line_id, status, quantity, reason,
                               serial_numbers, imeis, iccids, unit_count)
    select made, 1, n.place, n.line, case when damaged then 'RETURNED_DAMAGED' else 'RETURNED' end,
           n.quantity, why, u.serial_numbers, u.imeis, u.iccids, coalesce(u.units, 0)
      from unnest(lines, quantities) with ordinality as n (line, quantity, place)
     cross join lateral (
            select array_agg(e->>'serialNumber') as serial_numbers, array_agg(e->>'imei') as imeis,
                   array_agg(e->>'iccid') as iccids, count(e)::integer as units
              from jsonb_array_elements(serials->(n.place::integer - 1)) as e) u;
    return made;
end $$;
revoke all on function enter_return(text, bigint, bigint[], integer[], jsonb, boolean, text) from public;
grant execute on function enter_return(text, bigint, bigint[], integer[], jsonb, boolean, text)
    to sales_order_console;

grant update (returned, excess_returned) on request_line to sales_order_dispatch;
grant update (active, return_id) on dispatched_unit to sales_order_dispatch;
