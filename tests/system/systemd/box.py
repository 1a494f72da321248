"""A machine inside this one that runs a real systemd, up in half a second and gone without a trace.

systemd is process 1 of namespaces of its own over an overlay of this machine's root: it sees the
programs that are installed here, and what it writes is kept in memory until the end. Needs root,
systemd and util-linux; `why_not` says what is missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BOOT = Path(__file__).with_name("boot.sh")
PREFIX = "sales-orders-box-"
PATIENCE = 40.0
"""Seconds after which a wait is given up; far more than anything here takes."""
POWER_OFF = signal.SIGRTMIN + 4


def why_not() -> str | None:
    """Why no box can be booted here; None if one can."""
    if os.geteuid() != 0:
        return "a systemd of one's own needs root"
    if not Path("/lib/systemd/systemd").exists():
        return "systemd is not installed"
    missing = [name for name in ("unshare", "nsenter", "setpriv") if shutil.which(name) is None]
    if missing:
        return f"util-linux is not installed: no {', '.join(missing)}"
    cgroups = _cgroups()
    if cgroups is None or not os.access(cgroups, os.W_OK):
        return "there is no writable cgroup2 hierarchy"
    probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False)
    return None if probe.returncode == 0 else "namespaces are not allowed here"


def _cgroups() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2":
            return Path(before.split()[4])
    return None


class Box:
    """A booted machine from `with` to its end.

    `folders` of this machine are seen in there, read-only, at the places that they are mapped to.
    What lies below is `lower`, the root of this machine or of another one.
    """

    def __init__(
        self, folders: Mapping[Path, str] | None = None, *, lower: Path = Path("/")
    ) -> None:
        self._folders = dict(folders or {})
        self._lower = lower

    def __enter__(self) -> Self:
        _sweep()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        state = self.folder / "state"
        state.mkdir()
        cgroups = _cgroups()
        assert cgroups is not None
        self._cgroup = cgroups / self.folder.name
        self._cgroup.mkdir()
        # So that whoever sweeps knows whether its maker is still there.
        (self.folder / "maker").write_text(str(os.getpid()))
        self._log = (self.folder / "boot.log").open("w")
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
            + ["--pid", "--fork", "--kill-child=SIGKILL", "--uts", "--ipc", "--net", "--"]
            + [str(BOOT), str(state), str(self._cgroup)]
            + [f"{source}:{target}" for source, target in self._folders.items()],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "BOX_LOWER": str(self._lower)},
        )
        try:
            wait(self._booted, "systemd to answer")
            self.run("systemctl is-system-running --wait", check=False)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    def _booted(self) -> bool:
        assert self._process.poll() is None, Path(self._log.name).read_text()
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for child in children.read_text().split():
            self._init = int(child)
            return self.root("/run/systemd/private").exists()
        return False

    def close(self) -> None:
        """Power it off and leave nothing behind."""
        if self._process.poll() is None:
            with contextlib.suppress(AttributeError, ProcessLookupError):
                os.kill(self._init, POWER_OFF)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        _remove_cgroup(self._cgroup)
        shutil.rmtree(self.folder)

    def run(
        self,
        command: str | Sequence[str],
        *,
        check: bool = True,
        user: str | None = None,
        timeout: float = 120.0,
        text: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in there, to its end; a string is one for the shell."""
        words = ["/bin/sh", "-ec", command] if isinstance(command, str) else list(command)
        if user is not None:
            words = ["runuser", "-u", user, "--", *words]
        done = subprocess.run(
            ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "-C", "--wdns=/"]
            + ["--", "env", "-i", "LANG=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
            + ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *words],
            check=False,
            timeout=timeout,
            text=True,
            capture_output=True,
            **({"input": text} if text is not None else {"stdin": subprocess.DEVNULL}),
        )
        if check:
            assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def root(self, path: str) -> Path:
        """A path of the box as it can be reached from outside."""
        return Path(f"/proc/{self._init}/root{path}")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file of root's into it."""
        target = self.root(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def property(self, unit: str, name: str) -> str:
        """A property of a unit, as `systemctl show` prints it."""
        return self.run(["systemctl", "show", unit, "-P", name]).stdout.strip()

    def wait_for(self, unit: str, **wanted: str) -> None:
        """Wait until the unit has these properties."""

        def reached() -> bool:
            return all(self.property(unit, name) == value for name, value in wanted.items())

        wait(
            reached,
            f"{unit} {wanted}",
            lambda: self.run(["systemctl", "status", unit], check=False).stdout,
        )

    def journal(self, *match: str) -> list[dict[str, Any]]:
        """The lines of the journal that match, oldest first."""
        self.run("journalctl --sync")
        lines = self.run(["journalctl", "--boot", "--output=json", "--all", *match]).stdout
        return [json.loads(line) for line in lines.splitlines()]

    def wait_for_line(self, *match: str, after: int = 0) -> dict[str, Any]:
        """Wait for a line of the journal that matches, later than `now` was; the first one."""
        found: list[dict[str, Any]] = []

        def came() -> bool:
            found.extend(self.later(after, *match))
            return bool(found)

        wait(came, f"a line {match}", lambda: self.run("journalctl -b -n 40").stdout)
        return found[0]

    def later(self, after: int, *match: str) -> list[dict[str, Any]]:
        """The lines that match and are later than `now` was.

        Compared here: journalctl's own --after-cursor passes over the first line that matches.
        """
        lines = self.journal(*match)
        return [line for line in lines if int(line["__REALTIME_TIMESTAMP"]) > after]

    def now(self) -> int:
        """When the journal's last line was written."""
        return int(self.journal("-n", "1")[0]["__REALTIME_TIMESTAMP"])


def wait(until: Callable[[], bool], what: str, told: Callable[[], str] = str) -> None:
    """Return once it is so; fail after PATIENCE, with what `told` says."""
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline, f"waited in vain for {what}\n{told()}"
        time.sleep(0.1)


def _remove_cgroup(cgroup: Path) -> None:
    def gone() -> bool:
        for folder, _, __ in os.walk(cgroup, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
        return not cgroup.exists()

    wait(gone, f"{cgroup} to be empty")


def _sweep() -> None:
    """Remove what boxes have left whose maker was killed; their systemd has died with it."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            maker = int((folder / "maker").read_text())
            if not Path(f"/proc/{maker}").exists():
                cgroups = _cgroups()
                if cgroups is not None:
                    _remove_cgroup(cgroups / folder.name)
                shutil.rmtree(folder)
