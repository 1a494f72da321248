"""`cmp-orders demo`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from console.demo.play import Play
from console.demo.stage import DemoError, stage
from console.embedded import EmbeddedError
from console.exits import Exit
from console.session import example
from console.show import terminal


@click.command(epilog=example("cmp-orders demo --orders 1000 --keep /tmp/orders-demo"))
@click.option("--orders", type=click.IntRange(1, 20_000), default=300, show_default=True,
              help="How many orders.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True,
              help="Another seed: other customers, other orders, another fate.")  # fmt: skip
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Work in this empty or new folder, and leave it all there.")  # fmt: skip
def demo(orders: int, seed: int, keep: Path | None) -> int:
    """Watch orders go all the way, on this machine alone.

    It brings a PostgreSQL of its own, keys for us and for three partners, a telecom catalogue and
    invented customers. The orders are entered by `order submit`; the four daemons and three
    stand-in warehouses run as processes of their own, and speak through signed and encrypted files
    alone. Then it checks that each order is where it should be, that every charge is quantity times
    price, and that each partner saw each file once; it ends with 1 if anything is wrong.

    It ends by itself in well under a minute, and takes everything with it that it started or made.
    """
    console = terminal()
    with _terminated_like_interrupted():
        try:
            with stage(keep) as made:
                problems = Play(made, console, orders=orders, seed=seed).run(kept=keep is not None)
        except (DemoError, EmbeddedError) as error:
            problems = [str(error)]
    for problem in problems:
        click.echo(f"cmp-orders demo: {problem}", err=True)
    return Exit.REFUSED if problems else Exit.DONE


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM unwinds as Ctrl-C does, so that nothing that was started is left behind."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
