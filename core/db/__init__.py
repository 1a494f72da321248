"""Everything that is said to PostgreSQL: one module of statements per aggregate.

A function is one statement (or one COPY) and never commits: the daemon owns the transaction.
"""
