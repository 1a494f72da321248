-- Rights, narrowed to the columns that each role's work changes. What a file, a batch and a request line
-- say of themselves (names, numbers, digests, quantities) is written once and by nobody rewritten; what
-- `cmp-orders reconcile --adopt` has to make and remove is for a role of its own, as retention is.

do $$
begin
    if not exists (select from pg_roles where rolname = 'sales_order_adopt') then
        begin
            create role sales_order_adopt login;
        exception when duplicate_object or unique_violation then
            null;  -- Roles belong to the cluster: another database's migration was first.
        end;
    end if;
    execute format('alter role sales_order_adopt in database %I set random_page_cost = 1.1',
                   current_database());
    execute format('alter role sales_order_adopt in database %I set jit = off', current_database());
end $$;

-- The console. By name, so that what another migration grants is left as it is.
revoke insert, update, delete on warehouse, product, sales_order, order_item, order_hold, request_line,
    request_line_share, request_queue, request_detail, batch, outbound_file, inbound_file,
    acknowledgement, cancellation, blocked_address from sales_order_console;
revoke all on sequence sales_order_id_seq, request_line_id_seq, batch_id_seq, outbound_file_id_seq,
    inbound_file_id_seq, acknowledgement_id_seq, order_hold_id_seq, order_history_id_seq,
    batch_history_id_seq, warehouse_number_seq from sales_order_console;
-- It enters: master data, orders as New and their items, holds, questions, blocked addresses.
grant insert (id, name, granularity, over_dispatch_percent, priority, back_order),
    update (name, granularity, over_dispatch_percent, priority, back_order, paused_at, paused_by, pause_reason)
    on warehouse to sales_order_console;
grant insert (code, description, warehouse_id, serialised, billable, attributes),
    update (description, warehouse_id, serialised, billable, attributes) on product to sales_order_console;
grant insert (id, reference, account_id, currency, delivery_method, delivery_instructions, contact_name,
              contact_email, contact_phone, delivery_name, delivery_lines, town, county, post_code, country,
              entered_at) on sales_order to sales_order_console;
grant usage on sequence sales_order_id_seq to sales_order_console;
grant insert (order_id, item_no, product_code, quantity, unit_price, warehouse_id)
    on order_item to sales_order_console;
grant insert (order_id, kind, reason, placed_by), update (released_at, released_by, release_reason, decision)
    on order_hold to sales_order_console;
grant insert (order_id, warehouse_id, generation, reason) on cancellation to sales_order_console;
grant insert (address_key, address, reason, blocked_by), delete on blocked_address to sales_order_console;
-- It moves orders, allots their items, cancels, rejects and supersedes what is open of them.
grant update (status, status_reason, status_at) on sales_order to sales_order_console;
grant update (open_quantity, cancelled_quantity, warehouse_id, allotted) on order_item to sales_order_console;
grant update (cancelled, rejected, superseded) on request_line to sales_order_console;
grant update (cancelled, rejected) on request_line_share to sales_order_console;
-- It puts batches back, or takes them apart; has files tried, sent and told of again.
grant update (stage, stage_status, stage_at, attempts, reason, sentence, record_count)
    on batch to sales_order_console;
grant update (batch_id, sequence) on cancellation to sales_order_console;
grant insert, delete on request_queue to sales_order_console;
grant delete on request_detail to sales_order_console;
grant update (status, status_at, sentence) on inbound_file to sales_order_console;
grant update (published_at, taken_at, acknowledged_at, verdict, reason, sentence, resent)
    on outbound_file to sales_order_console;
grant update (attempts, set_aside_reason) on acknowledgement to sales_order_console;

-- Adopting, when the database has lost commits: what was sent is recorded, what the database made anew
-- instead goes, and the counters are moved past the files. No charge, no dispatch, no unit.
grant select on schema_migration, warehouse, product, sales_order, order_item, request_line,
    request_line_share, request_queue, request_size, batch, batch_detail, request_detail, outbound_file,
    inbound_file, acknowledgement, cancellation to sales_order_adopt;
grant update (file_sequence, acknowledgement_sequence, held_reason, held_at) on warehouse to sales_order_adopt;
grant update (status, status_reason, status_at, generation) on sales_order to sales_order_adopt;
grant update (open_quantity) on order_item to sales_order_adopt;
grant insert, delete, update (superseded) on request_line to sales_order_adopt;
grant insert, delete, update (line_id) on request_line_share to sales_order_adopt;
grant insert, delete on request_queue, request_detail to sales_order_adopt;
grant insert (id, type, action, warehouse_id, stage, stage_status, record_count, reason),
    update (stage, stage_status, stage_at, attempts, reason, sentence, record_count)
    on batch to sales_order_adopt;
grant insert (id, batch_id, warehouse_id, file_sequence, name, tree_id, payload_sha256, file_sha256,
              byte_count, sealed_at, published_at), delete on outbound_file to sales_order_adopt;
grant insert (claim_name, warehouse_id, partner_name, status, received_at), update (status, status_at)
    on inbound_file to sales_order_adopt;
grant insert (warehouse_id, verdict, file_name, reason, number, name, tree_id, payload_sha256, file_sha256,
              byte_count, sealed_at, published_at),
    update (number, name, tree_id, payload_sha256, file_sha256, byte_count, sealed_at)
    on acknowledgement to sales_order_adopt;
grant insert (order_id, warehouse_id, generation, status, reason, batch_id, sequence, sent_at, answered_at),
    delete, update (status, sent_at, batch_id, sequence) on cancellation to sales_order_adopt;
grant usage, select, update on sequence sales_order_id_seq, request_line_id_seq, batch_id_seq,
    outbound_file_id_seq, acknowledgement_id_seq to sales_order_adopt;

-- Load from Generic, which faces the partners: what it enters has not been applied, nor told, yet.
revoke insert, update on inbound_file from sales_order_load_from_generic;
revoke insert on batch, dispatch_detail, dispatch_line, acknowledgement from sales_order_load_from_generic;
grant insert (claim_name, warehouse_id, partner_name, status, received_at, attempts),
    update (status, status_at, attempts, batch_id, payload_sha256, file_sha256, signer, external_file_name,
            reason, sentence, repeats_id) on inbound_file to sales_order_load_from_generic;
grant insert (type, warehouse_id, stage, stage_status, record_count, partner_sequence, received_at)
    on batch to sales_order_load_from_generic;
grant insert (batch_id, sequence, order_ref, order_id, dispatch_id, status, dispatched_at, carrier, tracking,
              content_sha256, errors) on dispatch_detail to sales_order_load_from_generic;
grant insert (batch_id, sequence, line_no, line_id, status, quantity, reason, serial_numbers, imeis, iccids,
              extras, unit_count, captured, fault) on dispatch_line to sales_order_load_from_generic;
grant insert (warehouse_id, verdict, inbound_file_id, batch_id, file_name, external_file_name, file_sequence,
              content_sha256, reason, sentence) on acknowledgement to sales_order_load_from_generic;

-- Dispatch tells what became of records; it does not say that it was sent.
revoke insert on acknowledgement from sales_order_dispatch;
grant insert (warehouse_id, verdict, inbound_file_id, batch_id, file_name, external_file_name, file_sequence,
              content_sha256, records) on acknowledgement to sales_order_dispatch;

-- Request Extract. Locking a row of the queue asks for an UPDATE right on a column: this one it never
-- changes. A verdict stays with its order and account, and the time of the order.
revoke update on request_queue, fraud_check from sales_order_request_extract;
grant update (queued_at) on request_queue to sales_order_request_extract;
grant update (generation, country, input_sha256, address_key, name_key, checker, verdict, score, reasons,
              released_reasons, stale, checked_at) on fraud_check to sales_order_request_extract;

-- What no column tells: which rows.
create trigger batch_of_its_maker before insert on batch
    for each row when (case session_user
        when 'sales_order_load_from_generic' then new.type <> 'Sales Order Dispatch'
        when 'sales_order_request_extract' then new.type <> 'Sales Order Request'
        when 'sales_order_adopt' then new.type <> 'Sales Order Request' else false end)
    execute function refuse('this role makes batches of the other direction');
-- A hold for lost commits is ended by adopting alone. Load holds for nothing else, and adopting ends only.
create trigger warehouse_hold_kept before update of held_reason on warehouse
    for each row when (new.held_reason is distinct from old.held_reason and (
        (old.held_reason = 'DATABASE_OLDER_THAN_FILES' and session_user <> 'sales_order_adopt')
        or (session_user = 'sales_order_load_from_generic'
            and new.held_reason is distinct from 'DATABASE_OLDER_THAN_FILES')
        or (session_user = 'sales_order_adopt' and new.held_reason is not null)))
    execute function refuse('this hold is not for this role to set or to end');
create trigger inbound_file_judged before insert or update of status on inbound_file
    for each row when (case session_user
        when 'sales_order_console' then new.status not in ('REQUEUED', 'DISCARDED')
        when 'sales_order_adopt' then new.status <> 'REQUEUED' else false end)
    execute function refuse('a file is accepted or refused by Load from Generic');
create trigger outbound_file_sent_again before update on outbound_file
    for each row when (session_user = 'sales_order_console'
                       and num_nonnulls(new.published_at, new.taken_at, new.verdict) > 0)
    execute function refuse('the console has a file sent again, and says nothing else of it');
create trigger outbound_file_kept before delete on outbound_file
    for each row when (old.published_at is not null)
    execute function refuse('a file that was published stays');

-- A batch that has a file keeps its details until they are old.
create function request_detail_sealed() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from (select distinct batch_id from removed_row) r
                 join outbound_file f on f.batch_id = r.batch_id) then
        raise exception 'a request stays in the batch that was sealed with it'
            using errcode = 'integrity_constraint_violation', constraint = 'request_detail_sealed';
    end if;
    return null;
end $$;
create trigger request_detail_sealed after delete on request_detail
    referencing old table as removed_row for each statement
    when (session_user <> 'sales_order_retention') execute function request_detail_sealed();
revoke all on function request_detail_sealed() from public;
