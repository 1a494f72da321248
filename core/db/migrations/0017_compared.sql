-- For each warehouse: which database of which server its outbound files were last compared with, and in
-- which tree they were. Extract to Generic alone sees those files; it sends nothing, and Load from
-- Generic takes up no answer, before the row says that database and tree are the ones of now.
drop table files_compared;
create table files_compared (
    warehouse_id warehouse_code primary key references warehouse on delete cascade,
    tree_id uuid not null,
    server_started_at timestamptz not null,
    database_oid oid not null,
    -- Of this table: a whole dump that is restored into the running server makes it anew, row and all.
    filenode oid not null,
    compared_at timestamptz not null default now()
);

grant select, insert,
      update (tree_id, server_started_at, database_oid, filenode, compared_at) on files_compared
    to sales_order_extract_to_generic;
grant select on files_compared to sales_order_load_from_generic;
