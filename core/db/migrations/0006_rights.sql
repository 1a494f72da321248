-- One role a daemon, each with the rights that its work needs and no other; one for the console.

do $$
declare
    role text;
begin
    foreach role in array array['sales_order_request_extract', 'sales_order_extract_to_generic',
        'sales_order_load_from_generic', 'sales_order_dispatch', 'sales_order_console'] loop
        if not exists (select from pg_roles where rolname = role) then
            begin
                execute format('create role %I login', role);
            exception when duplicate_object or unique_violation then
                null;  -- Roles belong to the cluster: another database's migration was first.
            end;
        end if;
        -- Measured: at the default of 4 each pass scans the item table.
        execute format('alter role %I in database %I set random_page_cost = 1.1',
                       role, current_database());
        execute format('alter role %I in database %I set jit = off', role, current_database());
    end loop;
end $$;

revoke all on all functions in schema public from public;
grant execute on function acting(), notify_guarded(text), each_within(text[], integer),
    are_attribute_names(text[]), line_bytes(text, text, text[]), order_bytes(sales_order) to public;

grant select on warehouse, product, schema_migration, request_size to
    sales_order_request_extract, sales_order_extract_to_generic, sales_order_load_from_generic,
    sales_order_dispatch;

-- Request Extract: generates, and batches.
grant select on sales_order, order_item, order_hold, request_queue, batch to sales_order_request_extract;
grant update (status, status_reason, status_at, generation) on sales_order to sales_order_request_extract;
grant update (open_quantity) on order_item to sales_order_request_extract;
grant select, insert on request_line, request_line_share to sales_order_request_extract;
grant insert, delete, update on request_queue to sales_order_request_extract;
grant insert on batch, request_detail to sales_order_request_extract;
grant update (record_count) on batch to sales_order_request_extract;
grant usage on sequence request_line_id_seq, batch_id_seq to sales_order_request_extract;

-- Extract to Generic: seals and publishes; gives back what was held, drops what was cancelled.
grant select on sales_order, order_hold, request_line, request_line_share, request_queue, batch,
    request_detail, outbound_file
    to sales_order_extract_to_generic;
-- Locking a row asks for an UPDATE right on a column: this one it never changes.
grant update (status_at) on sales_order to sales_order_extract_to_generic;
grant update (file_sequence, held_reason, held_at) on warehouse to sales_order_extract_to_generic;
grant update (stage, stage_status, stage_at, attempts, reason, sentence, record_count)
    on batch to sales_order_extract_to_generic;
grant delete on request_detail to sales_order_extract_to_generic;
grant insert on request_queue, outbound_file to sales_order_extract_to_generic;
grant update (published_at, taken_at) on outbound_file to sales_order_extract_to_generic;
grant usage on sequence outbound_file_id_seq to sales_order_extract_to_generic;

-- Load from Generic: stages what the partner sent.
grant select, insert on inbound_file, batch, dispatch_detail, dispatch_line to sales_order_load_from_generic;
grant update on inbound_file to sales_order_load_from_generic;
grant update (held_reason, held_at) on warehouse to sales_order_load_from_generic;
grant usage on sequence inbound_file_id_seq, batch_id_seq to sales_order_load_from_generic;

-- Dispatch: applies, bills, settles.
grant select on sales_order, order_item, request_line, request_line_share, request_detail, batch,
    outbound_file, dispatch, dispatch_detail, dispatch_line, dispatched_unit, charge to sales_order_dispatch;
grant update (status, status_reason, status_at) on sales_order to sales_order_dispatch;
grant update (open_quantity, dispatched_quantity, cancelled_quantity) on order_item to sales_order_dispatch;
grant update (dispatched, cancelled, rejected, back_ordered_at) on request_line to sales_order_dispatch;
grant update (dispatched, cancelled, rejected) on request_line_share to sales_order_dispatch;
grant update (stage, stage_status, stage_at, attempts, reason, sentence) on batch to sales_order_dispatch;
grant update (order_id, reason, sentence, applied_at) on dispatch_detail to sales_order_dispatch;
grant insert, delete on dispatch_line to sales_order_dispatch;
grant insert on dispatch, dispatched_unit, charge to sales_order_dispatch;

-- The console enters, shows and mends: it can insert neither charges nor dispatched units.
grant select on all tables in schema public to sales_order_console;
grant insert, update on warehouse, product, sales_order, order_item, order_hold to sales_order_console;
grant update on batch, inbound_file, outbound_file, request_line, request_line_share
    to sales_order_console;
grant insert, delete on request_queue, request_detail to sales_order_console;
grant insert on request_line, request_line_share, batch, outbound_file, inbound_file
    to sales_order_console;
-- When the database has lost commits (reconcile --adopt): what it made anew instead goes, and its
-- counters are moved past what was sent.
grant delete on request_line, request_line_share, outbound_file to sales_order_console;
grant usage, select, update on all sequences in schema public to sales_order_console;
