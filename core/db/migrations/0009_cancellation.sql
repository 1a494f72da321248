-- Cancellations that have to be asked of a warehouse, because it has been asked for the goods already.

-- What the records of a request batch ask for: that lines be dispatched, or that they no more be.
alter table batch add column action text not null default 'REQUEST'
    check (action in ('REQUEST', 'CANCEL'));
create trigger batch_action_fixed before update of action on batch
    for each row when (new.action <> old.action) execute function refuse('a batch keeps its action');

create table cancellation (
    id bigint generated always as identity primary key,
    order_id bigint not null references sales_order,
    warehouse_id warehouse_code not null references warehouse,
    -- The request that it takes back.
    generation integer not null,
    status text not null default 'REQUESTED' check (status in
        ('REQUESTED', 'SENT', 'AGREED', 'REFUSED', 'TOO_LATE')),
    reason text not null check (char_length(reason) between 1 and 1000),
    asked_at timestamptz not null default now(),
    asked_by text not null default acting(),
    -- The batch that carries it to the warehouse, and its place there.
    batch_id bigint references batch,
    sequence integer,
    sent_at timestamptz,
    answered_at timestamptz,
    unique (batch_id, sequence),
    constraint cancellation_batched check ((batch_id is null) = (sequence is null)),
    constraint cancellation_sent check (
        case status when 'REQUESTED' then sent_at is null
                    when 'SENT' then sent_at is not null and batch_id is not null
                    when 'REFUSED' then sent_at is not null else true end),
    constraint cancellation_answered check
        ((answered_at is not null) = (status in ('AGREED', 'REFUSED', 'TOO_LATE')))
);
comment on table cancellation is 'What was asked of each warehouse to be dispatched no more, and its answer.';
create unique index cancellation_open on cancellation (order_id, warehouse_id)
    where status in ('REQUESTED', 'SENT');
create index cancellation_order on cancellation (order_id);
create index cancellation_to_batch on cancellation (warehouse_id, id)
    where status = 'REQUESTED' and batch_id is null;
create index cancellation_not_answered on cancellation (warehouse_id, sent_at) where status = 'SENT';
create trigger cancellation_answered before update of status on cancellation
    for each row when (old.status in ('AGREED', 'REFUSED', 'TOO_LATE') and new.status <> old.status)
    execute function refuse('an answered cancellation stays as it is');

create function cancellation_asked() returns trigger
language plpgsql as $$
begin
    perform notify_guarded('sales_order_cancellation');
    return null;
end $$;
create trigger cancellation_asked after insert on cancellation
    for each statement execute function cancellation_asked();

create or replace view batch_detail as
    select batch_id, sequence, order_id, order_id::text as order_ref,
           null::text as reason, null::text as sentence, null::timestamptz as applied_at
      from request_detail
    union all
    select batch_id, sequence, order_id, order_id::text, null, null, null
      from cancellation where batch_id is not null
    union all
    select batch_id, sequence, order_id, order_ref, reason, sentence, applied_at
      from dispatch_detail;

-- A warehouse may answer that what it was asked to cancel goes out all the same.
alter table dispatch_detail drop constraint dispatch_detail_status_check;
alter table dispatch_detail add constraint dispatch_detail_status_check check (status in
    ('DISPATCHED', 'PART_DISPATCHED', 'REJECTED', 'FRAUD_REJECTED', 'CANCELLED', 'CANCEL_REFUSED'));

alter table overdue drop constraint overdue_kind_check;
alter table overdue add constraint overdue_kind_check check (kind in
    ('TAKEN', 'ACKNOWLEDGEMENT', 'DISPATCH', 'BACK_ORDER', 'CANCELLATION'));

-- Request Extract batches them, Extract to Generic sends them, Dispatch takes in the answers.
grant select, update (batch_id, sequence) on cancellation to sales_order_request_extract;
grant select, update (status, sent_at, batch_id, sequence) on cancellation
    to sales_order_extract_to_generic;
grant select, update (status, answered_at) on cancellation to sales_order_dispatch;
grant select, insert, update, delete on cancellation to sales_order_console;
grant select, delete on cancellation to sales_order_retention;
