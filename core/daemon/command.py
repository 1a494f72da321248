"""The program around a daemon: its options, its manual page, its exit codes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import psycopg

from core import config, log
from core.config import ConfigError, Properties
from core.daemon.duty import EX_CONFIG, EX_TEMPFAIL, Daemon
from core.daemon.outcomes import Outcome, judge
from core.daemon.runner import run
from core.errors import Defer
from core.events import Event

PROPERTIES = Path("/etc/sales-orders/sales-orders.properties")


class _Manual(click.Command):
    """A command whose --help is its manual page, as its module has it, and then the options."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write((self.help or "").strip() + "\n")
        self.format_options(ctx, formatter)


def command(name: str, doc: str | None, build: Callable[[Properties], Daemon]) -> click.Command:
    """The `main` of a daemon: call it to read the command line, work, and exit.

    `name` is the log's field `daemon`, `doc` the daemon's docstring. `build` makes the daemon of
    the effective properties and raises ConfigError for what is no more usable than a bad property,
    such as a key; it is called again on SIGHUP.

    Exit codes: 0, 2 wrong usage, 75 (--once or --check: not now; else the stop time ran out with a
    unit in hand), 78 configuration.
    """

    @click.command(name, cls=_Manual, help=doc)
    @click.option(
        "--config",
        "path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        default=PROPERTIES,
        show_default=True,
        help="The module properties.",
    )
    @click.option("--once", is_flag=True, help="Work until there is no more to do, and exit.")
    @click.option("--check", is_flag=True, help="Check all that can be checked, and exit.")
    @click.pass_context
    def main(ctx: click.Context, path: Path, *, once: bool, check: bool) -> None:
        if once and check:
            raise click.UsageError("--once and --check exclude each other")
        log.configure(name)

        def make() -> Daemon:
            properties = config.load(path, environ=os.environ)
            log.configure(name, format=properties.log.format, level=properties.log.level)
            daemon = build(properties)
            return replace(daemon, reload=daemon.reload or make)

        try:
            daemon = make()
        except ConfigError as refused:
            for problem in refused.problems:
                click.echo(problem, err=True)
                log.emit(Event.CONFIG_REFUSED, problem=problem)
            ctx.exit(EX_CONFIG)
        ctx.exit(_check(daemon) if check else run(daemon, once=once))

    return main


def _check(daemon: Daemon) -> int:
    """Say on standard error what is wrong, and on standard output that nothing is."""
    try:
        with daemon.connect() as conn:
            if daemon.on_connect is not None:
                daemon.on_connect(conn)
            problems = daemon.check(conn) if daemon.check is not None else []
    except (Defer, psycopg.Error, OSError) as error:
        sentence = error.why if isinstance(error, Defer) else log.one_line(error)
        click.echo(sentence, err=True)
        return EX_CONFIG if judge(error) is Outcome.FAULT else EX_TEMPFAIL
    for warning in daemon.warnings() if daemon.warnings is not None else ():
        click.echo(f"warning: {warning}", err=True)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        return EX_CONFIG
    click.echo(f"{daemon.name}: nothing to mend")
    return 0
