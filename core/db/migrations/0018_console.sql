-- What the console's role may not say of a batch and of a file, whatever their status allows to others.

-- It ends a request batch that it has taken apart. One that has requests, or a file, is not its to end.
create function batch_withdrawn() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from request_detail where batch_id = new.id)
            or exists (select from cancellation where batch_id = new.id)
            or exists (select from outbound_file where batch_id = new.id) then
        raise exception 'a batch that is to be sent, or was, is completed by Extract to Generic'
            using errcode = 'integrity_constraint_violation', constraint = 'batch_withdrawn';
    end if;
    return new;
end $$;
create trigger batch_withdrawn before update of stage, stage_status on batch
    for each row when (session_user = 'sales_order_console' and new.type = 'Sales Order Request'
                       and new.stage = 'Extract/Load' and new.stage_status = 'Complete')
    execute function batch_withdrawn();
revoke all on function batch_withdrawn() from public;

-- It mends what was quarantined.
create trigger inbound_file_quarantined before update of status on inbound_file
    for each row when (session_user = 'sales_order_console' and old.status <> 'QUARANTINED'
                       and new.status <> old.status)
    execute function refuse('only a file in quarantine is mended by the console');
