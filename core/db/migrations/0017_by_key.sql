-- The daemons look rows up by their keys, a few for each order or record. Of a table that was filled a
-- moment ago the planner has no statistics and would rather read it whole; and of each few rows it would
-- gather the pages first, which costs more than to go to them.
do $$
declare
    role text;
begin
    foreach role in array array['sales_order_request_extract', 'sales_order_extract_to_generic',
        'sales_order_load_from_generic', 'sales_order_dispatch'] loop
        execute format('alter role %I in database %I set enable_seqscan = off', role, current_database());
        execute format('alter role %I in database %I set enable_bitmapscan = off',
                       role, current_database());
    end loop;
end $$;

-- As before, but who acts is asked once a statement, and not for each order.
create or replace function sales_order_moved() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    waiting bigint;
begin
    execute $sql$
        insert into order_history (order_id, from_status, to_status, who, why)
        select n.id, o.status, n.status, (select acting()), n.status_reason
          from new_row n join old_row o on o.id = n.id
         where n.status <> o.status
    $sql$;
    select count(*) into waiting from new_row where status = 'AWAITING_GENERATION';
    if waiting > 0 then
        perform notify_guarded('sales_order_awaiting_generation');
    end if;
    return null;
end $$;
