"""Runs a daemon: waits, wakes, gives each duty its turn, and goes on whatever the surroundings do.

It knows no business. A daemon is a `Daemon` with a few `Duty`s; `run` works through them and
`command` is the program around it, with --config, --once, --check and --help.

Hints wake, scans decide: a notification, a file event, a time of the schedule or the interval only
make a duty look. One thread works, on one connection; the threads of watchdog and of the scheduler,
and the one that receives signals, only write to the pipe that the working thread waits on.
"""

from core.daemon.command import command
from core.daemon.duty import EX_CONFIG, EX_TEMPFAIL, EX_USAGE, Daemon, Duty
from core.daemon.runner import run

__all__ = ["EX_CONFIG", "EX_TEMPFAIL", "EX_USAGE", "Daemon", "Duty", "command", "run"]
