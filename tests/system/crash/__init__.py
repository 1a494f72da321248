"""A crash at every durable step of every daemon, and what must hold afterwards.

A durable step is whatever a crash can come before: a file created, written or synced, a name made,
moved or removed, a directory synced, a transaction or a writing statement committed.

`steps` counts them and stops a daemon at the n-th, `disk` knows what of the files would survive a
power failure and undoes the rest, `commits` makes the steps of the database out of its connection,
`world` is an installation whose daemons can be stopped so, and `scenarios` are the units of work.
Everything else is real: PostgreSQL, files, keys, the daemons as their programs build them.
"""
