-- Which database of which server the outbound files were last compared with. Extract to Generic alone
-- sees those files, and Load from Generic must not take up answers to files that the database has lost:
-- after a failover, a restore or any restart it waits for this row.
create table files_compared (
    one boolean primary key default true check (one),
    server_started_at timestamptz not null,
    database_oid oid not null,
    compared_at timestamptz not null default now());

grant select, insert, update (server_started_at, database_oid, compared_at) on files_compared
    to sales_order_extract_to_generic;
grant select on files_compared to sales_order_load_from_generic;
