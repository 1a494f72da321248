"""`cmp-orders warehouse run`: the stand-in as a process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import click

from console.exits import Exit
from console.standin.partner import Counts, StandIn
from console.standin.plan import PRESETS, Plan
from console.standin.post import SENDER
from core import memory
from core.envelope import Profile, load

_STOP = {signal.SIGTERM, signal.SIGINT}
_CHANCES = [field.name for field in fields(Plan)]
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

HELP = f"""Stand in for a warehouse: take its request files and answer them as it would.

For acceptance environments and for trying things out. It plays the partner, with keys of its own:
it takes files out of --take, opens them and verifies who signed them, and drops signed and
encrypted dispatch files into --drop. It never looks at the database.

What becomes of an order follows from the --seed and the order's id alone, so that a run can be
repeated. The plan "clean" dispatches everything at once. "lively" also dispatches in parts, puts on
back-order and delivers later, rejects, cancels, finds fraud (in orders that ask for the check), and
sends files and dispatches more than once, each of which a receiver has to bear. Serial numbers,
IMEIs and ICCIDs are invented and have right check digits.

It can be stopped and started at any time. What it remembers is in --folder: keep that as long as
the database it works with, and give each warehouse one of its own.

\b
KEYS
  <folder>/trust/own/                the stand-in's certificates, for us to pin
  <folder>/trust/{SENDER}/                our certificates: signing*.pem and encryption*.pem
  <folder>/credentials/signing.key   its private keys
  <folder>/credentials/decryption.key

\b
EXAMPLES
  Make its keys; then copy its trust/own/*.pem to our <trust>/LONDON/, and ours to its trust/CMP/:
    cmp-orders keys generate --name LONDON --trust standin/LONDON/trust \\
        --credentials standin/LONDON/credentials
  Until it is stopped, as LONDON:
    cmp-orders warehouse run --warehouse LONDON --folder standin/LONDON \\
        --take /var/lib/sales-orders/out/LONDON --drop /var/lib/sales-orders/in/LONDON
  Answer what lies there, with nothing left on back-order, and end:
    cmp-orders warehouse run ... --once --settle
  Everything dispatched but a tenth, which is rejected:
    cmp-orders warehouse run ... --plan clean --chance rejected=0.1

\b
CHANCES
  of an order, one of:  {", ".join(_CHANCES[:4])},
                        {", ".join(_CHANCES[4:7])}
  of an answered order: {_CHANCES[7]} (its record stands in the next file once more)
  of an answer file:    {", ".join(_CHANCES[8:])} (it is dropped twice)

With --acknowledge it acknowledges what it takes. What it is told of its own files is kept.

Ends with 1 if it had to refuse a file or was sent one twice, which a right sender never causes.
"""


def _chances(ctx: click.Context, _: click.Parameter, given: tuple[str, ...]) -> dict[str, float]:
    """NAME=CHANCE, as often as wished."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            equals = ""
        if not equals or name not in _CHANCES:
            allowed = ", ".join(_CHANCES)
            raise click.BadParameter(f"{text!r}: NAME=0.1 with a NAME of {allowed}", ctx)
    return found


@click.command(name="run", help=HELP, short_help="Stand in for a warehouse and answer its files.")
@click.option("--warehouse", required=True, help="Its id, as in wareHouse.id of the files.")
@click.option("--folder", required=True, type=_FOLDER, help="Its own folder: keys and memory.")
@click.option("--take", required=True, type=_FOLDER, help="Where its request files are put.")
@click.option("--drop", required=True, type=_FOLDER, help="Where its dispatch files go.")
@click.option("--plan", type=click.Choice(list(PRESETS)), default="lively", show_default=True)
@click.option("--chance", "chances", multiple=True, callback=_chances, metavar="NAME=CHANCE",
              help="Change a chance of the plan, from 0 to 1; may be repeated.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another fate.")
@click.option("--envelope", type=click.Choice([one.name for one in Profile]), show_default=True,
              default=Profile.CMS_GCM.name, help="As agreed for the warehouse.")  # fmt: skip
@click.option("--acknowledge", is_flag=True, help="Acknowledge each request file.")
@click.option("--once", is_flag=True, help="Answer what lies there, and end.")
@click.option("--settle", is_flag=True, help="Complete what is on back-order at once.")
@click.option("--restock", type=click.FloatRange(0), default=5.0, show_default=True,
              help="Seconds after which a back-order is completed; not with --once.")  # fmt: skip
@click.option("--every", type=click.FloatRange(0.01, 60), default=0.2, show_default=True,
              help="Seconds between two looks at --take.")  # fmt: skip
def run(  # noqa: PLR0913  # one argument an option
    *,
    warehouse: str,
    folder: Path,
    take: Path,
    drop: Path,
    plan: str,
    chances: dict[str, float],
    seed: int,
    envelope: str,
    acknowledge: bool,
    once: bool,
    settle: bool,
    restock: float,
    every: float,
) -> int:
    """Run the stand-in and say what it did; the exit code."""
    try:
        chosen = replace(PRESETS[plan], **chances)
    except ValueError as error:
        raise click.UsageError(f"--chance: {error}") from error
    keys = load(folder / "trust", folder / "credentials")
    total = Counts()
    with memory.tuned(), _signals_waited_for(), StandIn(
        folder, warehouse, keys, take=take, drop=drop, plan=chosen, seed=seed,
        profile=Profile[envelope], acknowledge=acknowledge,
    ) as partner:  # fmt: skip
        while True:
            done = partner.pass_once(settle=settle, restock=None if once else restock)
            _tell(warehouse, done)
            total.add(done)
            if once or signal.sigtimedwait(_STOP, every) is not None:
                break
        owes = partner.owes()
    click.echo(
        f"{warehouse}: {total.files} files with {total.orders} orders taken, {total.answers} "
        f"answered, {total.completed} back-orders completed, {owes} open, {total.repeats} repeats"
    )
    return Exit.REFUSED if total.refused or total.repeated else Exit.DONE


@contextmanager
def _signals_waited_for() -> Iterator[None]:
    """A request to stop is taken between two looks, never in the middle of one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _tell(warehouse: str, done: Counts) -> None:
    for problem in done.problems:
        click.echo(f"{warehouse}: {problem}", err=True)
    if done.answers:
        click.echo(
            f"{warehouse}: took {done.files} files with {done.orders} orders, "
            f"answered with {done.records} records in {done.answers} files"
        )
