"""`make chaos`."""

from __future__ import annotations

import json
import sys

import click

from tests.system import chaos
from tests.system.chaos.run import run


@click.command(help=chaos.__doc__)
@click.option("--seconds", type=click.FloatRange(1), default=900.0, show_default=True,
              help="How long things are broken; to settle takes some more.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed: other faults.")
@click.option("--rate", type=click.FloatRange(0.1, 100), default=10.0, show_default=True,
              help="Orders a second.")  # fmt: skip
def main(seconds: float, seed: int, rate: float) -> None:
    """Run, print the figures as the last line, and end with 1 if anything is wrong."""
    figures, problems = run(
        lambda monkey: monkey.run(seconds), seed, rate, lambda text: click.echo(text, err=True)
    )
    for problem in problems:
        click.echo(f"WRONG: {problem}", err=True)
    click.echo(json.dumps(figures))
    sys.exit(bool(problems or figures["lost"] or figures["doubled"]))


main()
