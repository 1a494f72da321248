"""Runs a command, then tells its exit code, seconds and peak memory on standard error, as JSON.

A process of its own, and a small one: a process is born with the peak memory of its parent, and
that of the tests may be large. So it imports nothing of the project.
"""

import json
import os
import sys
import time


def main(command: list[str]) -> None:
    """Run the command and wait for its end; the peak is in 1024 bytes, as getrusage(2) has it."""
    started = time.monotonic()
    child = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    told = (os.waitstatus_to_exitcode(status), time.monotonic() - started, usage.ru_maxrss)
    sys.stderr.write(f"\n{json.dumps(told)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
