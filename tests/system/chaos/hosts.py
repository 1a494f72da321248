"""Hosts of their own on this one: nothing is common to them but the trees and the database.

Each is a network, a host name and mounts of its own (namespaces(7)), kept by a process that only
waits. It sees the folder of the run as a copy with the two trees mounted into it, and in place of
the server's socket an empty folder: its one way to the database is the line from its interface to
the bridge that the server listens on. All of it is in a network and mounts of the run's own, so
that the machine's are not touched, and nothing is left in the end, however it comes.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from console.demo.stage import Stage

SERVER = "10.77.0.1"
"""The server's address; who comes from the same network is trusted."""
NETWORK = "10.77.0.0/24"
BRIDGE = "bridge"
NEEDED = ("hostname", "ip", "mount", "nsenter", "setpriv", "unshare")
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
"""Of <linux/sched.h>; os.unshare is there from Python 3.12 on."""

FURNISH = """
    hostname "$1"
    mount -t tmpfs host "$2/host"
    cp -a "$2/sales-orders.properties" "$2/trust" "$2/credentials" "$2/host"
    for tree in out in; do mkdir "$2/host/$tree"; mount --bind "$2/$tree" "$2/host/$tree"; done
    mount --rbind "$2/host" "$2"
    mount -t tmpfs empty "$3"
    echo furnished
    exec cat
"""
"""In the mounts of a host: its name, the folder of the run, the folder of the server's socket."""


class NoHosts(Exception):
    """There can be none here; the text is the reason."""


class Host:
    """A place where daemons run that has only the network in common with the database."""

    def __init__(self, number: int, stage: Stage) -> None:
        self.name = f"host-{number}"
        self.address = f"10.77.0.{10 + number}"
        self._line = f"line-{number}"
        self._keeper = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--uts", "--mount"),
                *("sh", "-euc", FURNISH, "sh", self.name, str(stage.folder), stage.server.host),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != b"furnished\n":
            raise NoHosts(f"{self.name} could not be furnished")
        peer = ("peer", "name", "eth0", "netns", str(self._keeper.pid))
        _ip("link", "add", self._line, "type", "veth", *peer)
        _ip("link", "set", self._line, "master", BRIDGE, "up")
        for command in (("addr", "add", f"{self.address}/24", "dev", "eth0"),
                        ("link", "set", "eth0", "up")):  # fmt: skip
            subprocess.run([*self.inside(), "ip", *command], check=True)

    def inside(self) -> Sequence[str]:
        """What to put before a command for it to run here; the process stays the same one."""
        pid = str(self._keeper.pid)
        return ("nsenter", "--target", pid, "--net", "--uts", "--mount", "--wd")

    def cut(self) -> None:
        """Nothing goes through its line any more, and nobody is told."""
        _ip("link", "set", self._line, "down")

    def mend(self) -> None:
        """The line is as it was."""
        _ip("link", "set", self._line, "up")

    def close(self) -> None:
        """The host is gone, with its line."""
        self._keeper.kill()
        self._keeper.communicate()


@contextmanager
def hosts(number: int, stage: Stage) -> Iterator[Sequence[Host]]:
    """So many hosts on the bridge, whom the server lets in; none for one host: that is here."""
    made: list[Host] = []
    try:
        if number > 1:
            _let_in(stage)
            (stage.folder / "host").mkdir()
            made += (Host(one, stage) for one in range(number))
        yield made
    finally:
        for host in made:
            host.close()


def missing() -> str | None:
    """Why there can be no hosts here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if lacking := [program for program in NEEDED if shutil.which(program) is None]:
        return f"not installed: {', '.join(lacking)}"
    tried = subprocess.run(
        ["unshare", "--net", "--uts", "--mount", "ip", "link", "add", BRIDGE, "type", "bridge"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    return " ".join(tried.stderr.split()) if tried.returncode else None


def move_apart() -> None:
    """Go on in a network and mounts of our own, in which the bridge is; before any thread is."""
    if reason := missing():
        raise NoHosts(reason)
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS | CLONE_NEWNET):
        raise NoHosts(os.strerror(ctypes.get_errno()))
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("addr", "add", f"{SERVER}/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")


def _let_in(stage: Stage) -> None:
    with Path(stage.server.data, "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all {NETWORK} trust\n")
    with psycopg.connect(stage.server.conninfo(), autocommit=True) as conn:
        conn.execute("select pg_reload_conf()")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
