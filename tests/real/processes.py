"""Our programs as processes of their own, with the time and the memory that each took."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.real import measure
from tests.real.sources import REPOSITORY

if TYPE_CHECKING:
    from tests.site import Site


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    output: str
    """Its standard output."""
    seconds: float
    peak_mb: float
    """The most memory that it had resident at a time, in 10^6 bytes."""


def run(site: Site, module: str, *arguments: str | Path) -> Ended:
    """`python -m module --config ... arguments` for an installation; it must end with 0 or 1."""
    command = (sys.executable, "-m", module, "--config", site.properties_file, *arguments)
    done = subprocess.run(
        (sys.executable, "-I", "-S", measure.__file__, *map(str, command)),
        env=site.environ,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    *told, measured = done.stderr.splitlines()
    code, seconds, kilobytes = json.loads(measured)
    assert code in (0, 1), (module, code, told[-20:])
    return Ended(code, done.stdout, seconds, kilobytes * 1024 / 1e6)


def daemon(site: Site, name: str) -> Ended:
    """A daemon with --once: until there is no more for it to do."""
    return run(site, f"daemons.{name}", "--once")


def submit(site: Site, file: Path, refused: Path) -> tuple[Ended, dict[str, Any]]:
    """`order submit` of a file: how it ended, and the summary that it printed."""
    arguments = ("order", "submit", file, "--json", "--refused", refused)
    ended = run(site, "console.main", *arguments)
    summary: dict[str, Any] = json.loads(ended.output)
    return ended, summary


def import_products(site: Site, file: Path, *, count: int) -> None:
    """`product import` of a file with that many new products."""
    ended = run(site, "console.main", "product", "import", file, "--json")
    summary = json.loads(ended.output)
    assert summary == {"new": count, "changed": 0, "unchanged": 0, "refused": []}, summary


def answer(site: Site, warehouse: str) -> Ended:
    """The stand-in of a warehouse takes what lies there, answers it and ends, with no problem."""
    folders = {
        "--folder": site.partner_root(warehouse),
        "--take": site.outbound.outbox(warehouse),
        "--drop": site.inbound.inbox(warehouse),
    }
    where = [part for pair in folders.items() for part in pair]
    arguments = ("warehouse", "run", "--warehouse", warehouse, *where, "--once", "--plan", "clean")
    ended = run(site, "console.main", *arguments)
    assert ended.code == 0, ended.output
    return ended
