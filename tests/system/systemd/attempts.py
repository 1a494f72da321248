"""Tries what a unit must not be able to do; prints a JSON object: attempt -> "done" or the error.

Run by the system's Python within a unit's own settings, with the attempts as its arguments.
"""

import ctypes
import errno
import json
import mmap
import os
import resource
import socket
import sys


def write(path):
    """Make a file."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    os.unlink(path)


def read(path):
    """Read a file."""
    with open(path, "rb") as file:
        file.read(1)


def look(path):
    """Look into a directory."""
    os.listdir(path)


def connect(where):
    """Open a connection over a network."""
    host, _, port = where.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(2)
        sock.connect((host, int(port)))


def raw(_):
    """Make packets by hand."""
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


def become(user):
    """Become another user."""
    os.setuid(int(user))


def setuid_file(path):
    """Leave a program behind that runs as its owner."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    try:
        os.chmod(path, 0o4755)
    finally:
        os.unlink(path)


def namespace(_):
    """Make a user namespace, in which one is root."""
    _called(ctypes.CDLL(None, use_errno=True).unshare(0x10000000))


def mount_(_):
    """Mount something."""
    _called(ctypes.CDLL(None, use_errno=True).mount(b"none", b"/mnt", b"tmpfs", 0, None))


def executable_memory(_):
    """Have a page that is writable and executable at once."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def see(pid):
    """See another's process."""
    os.stat(f"/proc/{pid}")


def dump_core(_):
    """Ask for core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))


def clock(_):
    """Set the clock."""
    import time

    time.clock_settime(time.CLOCK_REALTIME, time.time())


def rename(paths):
    """Move a file from one directory of a tree to another."""
    source, target = paths.split(">")
    os.close(os.open(source, os.O_WRONLY | os.O_CREAT, 0o600))
    os.rename(source, target)
    os.unlink(target)


def _called(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "refused")


def tried(attempt):
    """How one attempt ends."""
    name, _, argument = attempt.partition(" ")
    try:
        globals()[name](argument)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except ValueError as error:
        # setrlimit says so when the limit may not be raised.
        return str(error)
    return "done"


if __name__ == "__main__":
    print(json.dumps({attempt: tried(attempt) for attempt in sys.argv[1:]}))
