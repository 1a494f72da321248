"""`make chaos`."""

from __future__ import annotations

import json
import sys

import click

from tests.system import chaos
from tests.system.chaos.hosts import NoHosts, move_apart
from tests.system.chaos.run import run


@click.command(help=chaos.__doc__)
@click.option("--seconds", type=click.FloatRange(1), default=900.0, show_default=True,
              help="How long things are broken; to settle takes some more.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed: other faults.")
@click.option("--rate", type=click.FloatRange(0.1, 100), default=10.0, show_default=True,
              help="Orders a second.")  # fmt: skip
@click.option(
    "--hosts",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="With 2 the copies of a daemon have a network, mounts and a host name of their "
    "own, and only trees and database in common; their lines are cut, too. Needs root.",
)
def main(seconds: float, seed: int, rate: float, hosts: int) -> None:
    """Run, print the figures as the last line, and end with 1 if anything is wrong."""
    if hosts > 1:
        try:
            move_apart()
        except NoHosts as error:
            raise click.UsageError(f"no hosts of their own can be made here: {error}") from error
    figures, problems = run(
        lambda monkey: monkey.run(seconds),
        seed,
        rate,
        lambda text: click.echo(text, err=True),
        hosts=hosts,
    )
    for problem in problems:
        click.echo(f"WRONG: {problem}", err=True)
    click.echo(json.dumps(figures))
    sys.exit(bool(problems or figures["lost"] or figures["doubled"]))


main()
