-- Answers beyond the first: more than was asked.

-- How much more than a line asks for a warehouse may dispatch, in percent of the line's quantity.
alter table warehouse add column over_dispatch_percent integer not null default 0
    check (over_dispatch_percent between 0 and 100);

-- What was dispatched beyond what a line asked for: the goods and their numbers are out there, but no
-- counter of what was asked has them, and nobody is billed for them.
alter table dispatch_line add column excess integer not null default 0
    check (excess between 0 and quantity);
alter table request_line add column excess integer not null default 0 check (excess >= 0);

grant update (excess) on dispatch_line to sales_order_dispatch;
grant update (excess) on request_line to sales_order_dispatch;
