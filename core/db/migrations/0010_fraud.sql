-- The fraud check before sending: its verdicts, what was decided, and the addresses that are blocked.

create function are_rule_codes(codes text[]) returns boolean
language sql immutable strict parallel safe as $$
    select codes = '{}' or (array_ndims(codes) = 1
                            and bool_and(coalesce(code ~ '^[A-Z][A-Z0-9_]{0,39}$', false)))
      from unnest(codes) as code
$$;

-- One verdict an order: the last one. No foreign key: the rows are selected from the orders.
create table fraud_check (
    order_id bigint primary key,
    -- The generation that it lets be batched: with another one the verdict is looked at again.
    generation integer not null,
    account_id bigint not null,
    country text not null check (country ~ '^[A-Z]{2}$'),
    entered_at timestamptz not null,
    -- Of what was checked: what has not changed is not checked again.
    input_sha256 bytea not null check (octet_length(input_sha256) = 32),
    -- Digests, so that the table holds nobody's address or name.
    address_key bytea not null check (octet_length(address_key) = 16),
    name_key bytea not null check (octet_length(name_key) = 16),
    checker text not null check (checker in ('rules', 'http')),
    verdict text not null check (verdict in ('PASS', 'REFER', 'REJECT')),
    score integer not null check (score between 0 and 1000000),
    reasons text[] not null default '{}' check (cardinality(reasons) <= 40 and are_rule_codes(reasons)),
    -- The reasons with which a person has let this input go.
    released_reasons text[]
        check (cardinality(released_reasons) <= 40 and are_rule_codes(released_reasons)),
    -- Its input has changed since, or its address was blocked: it counts no more.
    stale boolean not null default false,
    checked_at timestamptz not null default now()
);
comment on table fraud_check is 'The last verdict of each order, kept for sales.order.request.extract.fraud.keep.';
create index fraud_check_address on fraud_check (address_key, entered_at);
create index fraud_check_account on fraud_check (account_id);
create index fraud_check_checked_at on fraud_check (checked_at);

create table blocked_address (
    address_key bytea primary key check (octet_length(address_key) = 16),
    -- As it was given, for whoever looks through the list.
    address text not null check (char_length(address) between 1 and 3000),
    reason text not null check (char_length(reason) between 1 and 1000),
    blocked_at timestamptz not null default now(),
    blocked_by text not null check (char_length(blocked_by) between 1 and 200)
);
comment on table blocked_address is 'Addresses to which nothing is sent before a person has looked.';

-- How a hold ended, where a person decided: an order that was rejected is in Error.
alter table order_hold
    add column decision text check (decision in ('RELEASED', 'REJECTED', 'CANCELLED')),
    add constraint order_hold_decided check (decision is null or released_at is not null);

-- The digest of all that a checker is given of an order.
create function fraud_input(o sales_order) returns bytea
language sql stable parallel safe as $$
    select sha256(convert_to(jsonb_build_array(
        o.account_id, o.contact_name, o.contact_email, o.contact_phone, o.delivery_name,
        o.delivery_lines, o.town, o.county, o.post_code, o.country)::text, 'UTF8'))
$$;

-- Named columns: the daemons' moves pass by without a trigger. Whoever may mend an address need not
-- have a right on the verdicts.
create function fraud_check_outdated() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update fraud_check set stale = true where order_id = new.id and not stale;
    return null;
end $$;
create trigger sales_order_input_changed
    after update of contact_name, contact_email, contact_phone, delivery_name, delivery_lines, town,
                    county, post_code, country on sales_order
    for each row when ((old.contact_name, old.contact_email, old.contact_phone, old.delivery_name,
                        old.delivery_lines, old.town, old.county, old.post_code, old.country)
                       is distinct from
                       (new.contact_name, new.contact_email, new.contact_phone, new.delivery_name,
                        new.delivery_lines, new.town, new.county, new.post_code, new.country))
    execute function fraud_check_outdated();

revoke all on function are_rule_codes(text[]), fraud_input(sales_order), fraud_check_outdated()
    from public;
grant execute on function are_rule_codes(text[]) to public;

-- Request Extract: checks, holds, and ends in Error what was rejected.
grant execute on function fraud_input(sales_order) to sales_order_request_extract;
grant select, insert, update, delete on fraud_check to sales_order_request_extract;
grant select on blocked_address, request_detail to sales_order_request_extract;
grant insert on order_hold to sales_order_request_extract;
grant update (reason) on order_hold to sales_order_request_extract;
grant update (rejected) on request_line, request_line_share to sales_order_request_extract;

-- Extract to Generic: an order whose verdict counts no more is not sealed.
grant select on fraud_check to sales_order_extract_to_generic;

-- Retention: a verdict goes with its order.
grant select, delete on fraud_check to sales_order_retention;

-- The console shows verdicts, keeps what a person decided, and keeps the list.
grant select on fraud_check to sales_order_console;
grant update (released_reasons, stale) on fraud_check to sales_order_console;
grant select, insert, update, delete on blocked_address to sales_order_console;
