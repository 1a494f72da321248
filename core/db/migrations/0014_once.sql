-- What was left to the programs' care, and is now the database's: a request, which is an order's
-- generation at one warehouse, is in one batch, so that no warehouse is asked twice for the same goods;
-- an answer stays whole; and retention can remove only what it is there to remove.

alter table request_detail add column warehouse_id text collate "C";
update request_detail d set warehouse_id = b.warehouse_id from batch b where b.id = d.batch_id;
-- If this is refused, the database has a request in two batches already: `cmp-orders reconcile` of the
-- release before names it (BATCHED_TWICE), and a person asks the warehouse.
create unique index request_detail_once on request_detail (order_id, generation, warehouse_id);
drop index request_detail_order;
alter table request_detail alter column warehouse_id set not null;

-- The daemons of the release before do not name the warehouse while this one is being installed.
create function request_detail_warehouse() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    select warehouse_id into new.warehouse_id from batch where id = new.batch_id;
    return new;
end $$;
create trigger request_detail_warehouse before insert on request_detail
    for each row when (new.warehouse_id is null) execute function request_detail_warehouse();

-- A detail under another warehouse than its batch's would get round the index. Once a statement: a
-- foreign key would look for each row.
create function request_detail_of_batch() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from (select distinct batch_id, warehouse_id from new_row) n
                left join batch b on b.id = n.batch_id and b.type = 'Sales Order Request'
               where b.warehouse_id is distinct from n.warehouse_id) then
        raise exception 'a detail names a request batch of its warehouse'
            using errcode = 'integrity_constraint_violation', constraint = 'request_detail_of_batch';
    end if;
    return null;
end $$;
create trigger request_detail_of_batch after insert on request_detail
    referencing new table as new_row for each statement execute function request_detail_of_batch();
create trigger request_detail_kept before update on request_detail
    for each statement execute function refuse('a detail is never changed');
create trigger batch_warehouse_fixed before update of warehouse_id on batch
    for each row when (new.warehouse_id <> old.warehouse_id)
    execute function refuse('a batch keeps its warehouse');

-- The whole of an answer, not its status alone. One that came before the question was sent (the lines
-- were settled by other means) is still taken out of its batch.
drop trigger cancellation_answered on cancellation;
create trigger cancellation_answered before update on cancellation
    for each row when (old.status in ('AGREED', 'REFUSED', 'TOO_LATE')
                       and ((old.order_id, old.warehouse_id, old.generation, old.status, old.reason,
                             old.asked_at, old.asked_by, old.sent_at, old.answered_at)
                            is distinct from
                            (new.order_id, new.warehouse_id, new.generation, new.status, new.reason,
                             new.asked_at, new.asked_by, new.sent_at, new.answered_at)
                            or old.sent_at is not null
                               and (old.batch_id, old.sequence)
                                   is distinct from (new.batch_id, new.sequence)))
    execute function refuse('an answered cancellation stays as it is');
create trigger cancellation_removed before delete on cancellation
    for each row when (old.status <> 'REQUESTED' and session_user <> 'sales_order_retention')
    execute function refuse('a cancellation that was sent or answered stays');

-- Retention removes orders that have ended, and items, history and cancellations with their order alone;
-- a batch's history when it has recorded that the batch is purged.
create trigger sales_order_removed before delete on sales_order
    for each row when (old.status not in ('COMPLETE', 'CANCELLED'))
    execute function refuse('only an order that has ended is removed');
create function order_left() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from sales_order where id in (select order_id from removed_row)) then
        raise exception 'what belongs to an order is removed with it'
            using errcode = 'integrity_constraint_violation', constraint = 'order_left';
    end if;
    return null;
end $$;
create trigger order_item_purged after delete on order_item
    referencing old table as removed_row for each statement
    when (session_user = 'sales_order_retention') execute function order_left();
create trigger order_history_purged after delete on order_history
    referencing old table as removed_row for each statement
    when (session_user = 'sales_order_retention') execute function order_left();
create trigger cancellation_purged after delete on cancellation
    referencing old table as removed_row for each statement
    when (session_user = 'sales_order_retention') execute function order_left();
create trigger order_hold_purged after delete on order_hold
    referencing old table as removed_row for each statement
    when (session_user = 'sales_order_retention') execute function order_left();
create function batch_left() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from batch where id in (select batch_id from removed_row) and purged_at is null) then
        raise exception 'the history of a batch is removed when the batch is purged'
            using errcode = 'integrity_constraint_violation', constraint = 'batch_left';
    end if;
    return null;
end $$;
create trigger batch_history_purged after delete on batch_history
    referencing old table as removed_row for each statement
    when (session_user = 'sales_order_retention') execute function batch_left();
-- Its numbers would be free for a second unit.
create trigger dispatched_unit_kept before delete on dispatched_unit
    for each row when (num_nonnulls(old.serial_number, old.imei, old.iccid) > 0)
    execute function refuse('a unit with a number is never removed');

revoke all on function order_left(), batch_left() from public;
revoke all on function request_detail_warehouse(), request_detail_of_batch() from public;
