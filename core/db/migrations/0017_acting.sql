-- Who acts is asked once a statement, and not for each order.
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
