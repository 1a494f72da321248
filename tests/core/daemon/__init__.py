"""The runner of the daemons, as processes of their own on a real PostgreSQL."""
