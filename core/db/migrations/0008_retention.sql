-- Retention: what is settled and old may go, by a role that can do nothing else. What recognises a
-- repeat stays for ever: dispatch, inbound_file, the rows of batches and files, and every unit that
-- has a serial number, with the line that it hangs on. None of these holds personal data.

do $$
begin
    if not exists (select from pg_roles where rolname = 'sales_order_retention') then
        begin
            create role sales_order_retention login;
        exception when duplicate_object or unique_violation then
            null;  -- Roles belong to the cluster: another database's migration was first.
        end;
    end if;
    execute format('alter role sales_order_retention in database %I set random_page_cost = 1.1',
                   current_database());
    execute format('alter role sales_order_retention in database %I set jit = off',
                   current_database());
    -- So that a probe sees for how long others' transactions have been open. An owner that may not
    -- grant it is no reason to stop: the probe then sees its own alone.
    begin
        grant pg_read_all_stats to sales_order_console;
    exception when insufficient_privilege then
        raise notice 'pg_read_all_stats is not granted to sales_order_console';
    end;
end $$;

alter table batch add column purged_at timestamptz;
comment on column batch.purged_at is 'When its details were removed, for their age.';

-- History is never changed, and removed with its order or batch alone.
drop trigger order_history_kept on order_history;
create trigger order_history_kept before update on order_history
    for each statement execute function refuse('history is never changed');
create trigger order_history_removed before delete on order_history
    for each statement when (session_user <> 'sales_order_retention')
    execute function refuse('history is never changed');
drop trigger batch_history_kept on batch_history;
create trigger batch_history_kept before update on batch_history
    for each statement execute function refuse('history is never changed');
create trigger batch_history_removed before delete on batch_history
    for each statement when (session_user <> 'sales_order_retention')
    execute function refuse('history is never changed');
-- Items go with their order.
drop trigger order_item_removed on order_item;
create trigger order_item_removed after delete on order_item
    referencing old table as changed_row for each statement
    when (session_user <> 'sales_order_retention') execute function order_item_fixed();

grant select on schema_migration, warehouse, sales_order, order_item, order_hold, order_history,
    request_line, request_line_share, request_queue, batch, batch_history, request_detail,
    outbound_file, dispatch_detail, dispatch_line, dispatched_unit, charge
    to sales_order_retention;
grant delete on sales_order, order_item, order_hold, order_history, request_line,
    request_line_share, batch_history, request_detail, dispatch_detail, dispatch_line,
    dispatched_unit, charge
    to sales_order_retention;
-- Locking a row asks for an UPDATE right on a column: this one it never changes.
grant update (status_at) on sales_order to sales_order_retention;
grant update (purged_at) on batch to sales_order_retention;
