-- What no program and no person can get round: legal moves, fixed items, history; and notification.

-- NOTIFY takes a database-wide lock at commit, so only one of the concurrent writers asks for it; the
-- daemons look by themselves anyway. ALTER DATABASE ... SET sales_order.notify = 'off' ends it.
create function notify_guarded(channel text) returns void
language plpgsql as $$
begin
    if coalesce(current_setting('sales_order.notify', true), '') <> 'off'
       and pg_try_advisory_xact_lock(hashtext('sales_order.notify'), hashtext(channel)) then
        perform pg_notify(channel, '');
    end if;
end $$;

-- Who acts: the daemon or person that the session named, else its role.
create function acting() returns text
language sql stable as $$
    select coalesce(nullif(current_setting('sales_order.who', true), ''), session_user::text)
$$;

create function sales_order_entered() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into order_history (order_id, from_status, to_status, who, why)
    select id, null, status, acting(), status_reason from new_row;
    return null;
end $$;
create trigger sales_order_entered after insert on sales_order
    referencing new table as new_row for each statement execute function sales_order_entered();

-- EXECUTE plans anew each time: a plan kept from a statement of one row loops for a batch of thousands.
create function sales_order_moved() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    waiting bigint;
begin
    execute $sql$
        insert into order_history (order_id, from_status, to_status, who, why)
        select n.id, o.status, n.status, acting(), n.status_reason
          from new_row n join old_row o on o.id = n.id
         where n.status <> o.status
    $sql$;
    select count(*) into waiting from new_row where status = 'AWAITING_GENERATION';
    if waiting > 0 then
        perform notify_guarded('sales_order_awaiting_generation');
    end if;
    return null;
end $$;
create trigger sales_order_moved after update on sales_order
    referencing old table as old_row new table as new_row
    for each statement execute function sales_order_moved();

create function refuse() returns trigger
language plpgsql as $$
begin
    raise exception '%', tg_argv[0] using errcode = 'integrity_constraint_violation';
end $$;
create trigger sales_order_id_fixed before update of id on sales_order
    for each row when (new.id <> old.id) execute function refuse('an order keeps its id');
create trigger batch_history_kept before update or delete on batch_history
    for each statement execute function refuse('history is never changed');
-- Charges take both when goods go out.
create trigger sales_order_terms_fixed before update of account_id, currency on sales_order
    for each row when (old.status <> 'NEW'
                       and (new.account_id <> old.account_id or new.currency <> old.currency))
    execute function refuse('account and currency of an order are fixed once it has left New');
create trigger order_history_kept before update or delete on order_history
    for each statement execute function refuse('history is never changed');

-- FOR SHARE, so that an item cannot slip in while another session moves the order on from New.
create function order_item_fixed() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    -- Lock first, decide in the next statement: in one, the planner would lock only what it decides on.
    perform 1 from sales_order where id in (select order_id from changed_row) order by id for share;
    if exists (select from sales_order
                where id in (select order_id from changed_row) and status <> 'NEW') then
        raise exception 'the items of an order are fixed once it has left New'
            using errcode = 'integrity_constraint_violation', constraint = 'order_item_fixed';
    end if;
    return null;
end $$;
create trigger order_item_added after insert on order_item
    referencing new table as changed_row for each statement execute function order_item_fixed();
create trigger order_item_removed after delete on order_item
    referencing old table as changed_row for each statement execute function order_item_fixed();

create function order_item_row_fixed() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform 1 from sales_order where id = old.order_id and status = 'NEW' for share;
    if not found or new.order_id <> old.order_id then
        raise exception 'the items of an order are fixed once it has left New'
            using errcode = 'integrity_constraint_violation', constraint = 'order_item_fixed';
    end if;
    return new;
end $$;
-- Named columns: the daemons' counters pass by without a trigger.
create trigger order_item_changed
    before update of order_id, item_no, product_code, quantity, unit_price, warehouse_id on order_item
    for each row execute function order_item_row_fixed();

-- What a foreign key of units and charges would do, once a statement instead of once a row. The lines
-- are locked as a foreign key locks them: whoever deletes one waits, and then finds what names it.
create function request_line_named() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    missing bigint;
begin
    select count(*) - count(l.id) into missing
      from (select distinct line_id from new_row order by line_id) n
      left join lateral (select id from request_line where id = n.line_id offset 0 for key share) l
        on true;
    if missing > 0 then
        raise exception 'a unit and a charge name a request line that exists'
            using errcode = 'foreign_key_violation', constraint = 'request_line_named';
    end if;
    return null;
end $$;
create trigger dispatched_unit_of_line after insert on dispatched_unit
    referencing new table as new_row for each statement execute function request_line_named();
create trigger charge_of_line after insert on charge
    referencing new table as new_row for each statement execute function request_line_named();

create trigger request_line_id_fixed before update of id on request_line
    for each row when (new.id <> old.id) execute function refuse('a request line keeps its id');
create trigger dispatched_unit_line_fixed before update of line_id on dispatched_unit
    for each row when (new.line_id <> old.line_id) execute function refuse('a unit keeps its line');
create trigger charge_line_fixed before update of line_id on charge
    for each row when (new.line_id <> old.line_id) execute function refuse('a charge keeps its line');

create function request_line_removed() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from removed_row r join dispatched_unit u on u.line_id = r.id)
       or exists (select from removed_row r join charge c on c.line_id = r.id) then
        raise exception 'a request line stays as long as a unit or a charge names it'
            using errcode = 'foreign_key_violation', constraint = 'request_line_named';
    end if;
    return null;
end $$;
create trigger request_line_removed after delete on request_line
    referencing old table as removed_row for each statement execute function request_line_removed();

create function batch_moved() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        insert into batch_history (batch_id, type, from_stage, to_stage, who, why)
        values (new.id, new.type, null, new.stage || ', ' || new.stage_status, acting(), new.reason);
    elsif new.type <> old.type or new.id <> old.id then
        raise exception 'a batch keeps its type and id' using errcode = 'integrity_constraint_violation';
    elsif (new.stage, new.stage_status) is distinct from (old.stage, old.stage_status) then
        insert into batch_history (batch_id, type, from_stage, to_stage, who, why)
        values (new.id, new.type, old.stage || ', ' || old.stage_status,
                new.stage || ', ' || new.stage_status, acting(), new.reason);
    end if;
    if new.type = 'Sales Order Request' and new.stage = 'Batch' then
        perform notify_guarded('sales_order_request_batch');
    elsif new.type = 'Sales Order Dispatch' and new.stage = 'Extract/Load' then
        perform notify_guarded('sales_order_dispatch_batch');
    end if;
    return null;
end $$;
create trigger batch_moved after insert or update on batch
    for each row execute function batch_moved();

create function request_queued() returns trigger
language plpgsql as $$
begin
    perform notify_guarded('sales_order_request_queue');
    return null;
end $$;
create trigger request_queued after insert on request_queue
    for each statement execute function request_queued();
