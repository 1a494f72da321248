"""A server that can be backed up, and its standby."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import psycopg

from console.embedded import EmbeddedError, EmbeddedPostgres

SETTINGS = {"fsync": "off", "synchronous_commit": "on"}
"""What is lost here is lost by replication alone."""


class Server(EmbeddedPostgres):
    """A server of which base backups are taken, and in whose place one is restored."""

    def __init__(self) -> None:
        super().__init__(settings=SETTINGS)

    def ask(self, statement: str) -> object:
        """The first column of the first row; as superuser, outside any transaction."""
        with psycopg.connect(self.conninfo(), autocommit=True) as conn:
            cursor = conn.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
        return row and row[0]

    def back_up(self, into: Path, *options: str) -> None:
        """Take a base backup, with all that was committed until it ends."""
        made = self._run(
            [self._program("pg_basebackup"), "-d", self.conninfo(), "-D", into,
             "--checkpoint=fast", "--no-sync", *options]
        )  # fmt: skip
        if made.returncode:
            raise EmbeddedError(made.stderr.decode(errors="replace"))

    def restore(self, backup: Path) -> None:
        """The server is gone with its data, and comes up again with the backup's."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.data)
        backup.rename(self.data)
        self.start()


class Standby(Server):
    """A hot standby of another server, from `start` on."""

    def __init__(self, of: Server) -> None:
        super().__init__()
        self._of = of

    def _make_data(self) -> None:
        self._of.back_up(self.data, "--write-recovery-conf")

    def caught_up(self) -> bool:
        """Whether it has everything that its primary has."""
        return bool(
            self._of.ask(
                "select count(*) = 1 and bool_and(replay_lsn >= pg_current_wal_insert_lsn())"
                " from pg_stat_replication"
            )
        )

    def is_waited_for(self) -> bool:
        """From now on no commit of the primary returns before the standby has it."""
        self._of.ask("alter system set synchronous_standby_names = '*'")
        self._of.ask("select pg_reload_conf()")
        return bool(self._of.ask("select sync_state = 'sync' from pg_stat_replication"))

    def cut_off(self) -> bool:
        """Nothing more reaches it; whether that has taken effect."""
        self.ask("alter system set primary_conninfo = ''")
        self.ask("select pg_reload_conf()")
        return self.ask("select count(*) = 0 from pg_stat_wal_receiver") is True

    def take_over(self) -> None:
        """The primary is gone at once, as without power, and this becomes it."""
        self._of.stop(signal.SIGQUIT)
        self.ask("select pg_promote()")
