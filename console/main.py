"""cmp-orders - enter, show and mend sales orders, their batches and files."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

import click

from console.exits import Exit, verdict
from console.session import Session

NOUNS: dict[str, tuple[str, str]] = {
    "order": (
        "console.order:order",
        "Enter, reserve, show, hold, reject, cancel, return and regenerate orders.",
    ),
    "batch": ("console.batch:batch", "List and show interface batches, and reprocess them."),
    "fraud": ("console.fraud:fraud", "Try the fraud check, list verdicts, block addresses."),
    "file": ("console.file:file", "List, open, requeue and discard generic files."),
    "status": ("console.status:status", "How many orders, batches and files stand at each step."),
    "probe": ("console.probe:probe", "Ask whether everything moves, with targets."),
    "reconcile": ("console.reconcile:reconcile", "Every disagreement of tables and trees."),
    "warehouse": ("console.warehouse:warehouse", "List, add and change warehouses."),
    "product": ("console.product:product", "Import and list products."),
    "stock": ("console.stock:stock", "Count, import and show the stock of the warehouses."),
    "keys": ("console.keys:keys", "Make keys and certificates, and list them."),
    "config": ("console.properties:config", "Show and check the module properties."),
    "db": ("console.database:db", "Bring the database to this release's schema."),
    "tree": ("console.tree:tree", "Make the trees of generic files."),
    "purge": ("console.purge:purge", "Remove settled orders that are too old."),
    "demo": ("console.demo:demo", "Watch orders go all the way, on this machine alone."),
}
"""Where each noun's commands are; a module is imported only when it is called."""


HELP = """
cmp-orders - enter, show and mend sales orders, their batches and files

Every verb has its own --help, with an example. What shows something prints JSON with --json. What
is wrong is told in a sentence on standard error.

\b
EXIT STATUS
  0    done
  1    something was refused, or is not there
  2    wrong usage
  3    probe run: a probe is Severe
  70   a fault of this software; --traceback shows where
  75   the surroundings do not allow it now: database or directory away
  78   a property or a key is wrong
  130  interrupted

\b
FILES
  /etc/sales-orders/sales-orders.properties   module properties
"""


class Lazy(click.Group):
    """A group that knows what it has without importing it, so that start-up stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The nouns, in the order of the table."""
        del ctx
        return list(NOUNS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one."""
        del ctx
        if name not in NOUNS:
            return None
        module, _, attribute = NOUNS[name][0].partition(":")
        command = getattr(import_module(module), attribute)
        return cast("click.Command", command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of nouns, from the table alone."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in NOUNS.items()])


@click.command(cls=Lazy, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "-c",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The properties file, in place of the one under FILES.",
)
@click.option("--traceback", is_flag=True, help="Show where a fault of this software happened.")
@click.version_option(package_name="sales-orders", prog_name="cmp-orders")
@click.pass_context
def command(ctx: click.Context, config: Path | None, traceback: bool) -> None:
    """Keep what all verbs need."""
    del traceback  # main() looks for it
    ctx.obj = Session(config)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `cmp-orders` and return its exit code; see console.exits."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = command.main(given, prog_name="cmp-orders", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        return _tell(Exit.INTERRUPTED, "interrupted")
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more can be told there.
        sys.stdout = None
        return Exit.DONE
    except Exception as error:  # noqa: BLE001  # the last one who can tell
        told = verdict(error)
        if told is None and "--traceback" in given:
            from core.log import safe  # noqa: PLC0415  # for start-up's sake

            # Not the interpreter's own: that ends with the error's text, which may hold a row.
            click.echo(safe.full(error), err=True)
        return _tell(*(told or _fault(error)))
    return int(code) if isinstance(code, int) else Exit.DONE


def _fault(error: Exception) -> tuple[Exit, str]:
    """A fault of ours: where it happened, without the values that its text may hold."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(at.filename).name}:{at.lineno}"
    name = type(error).__name__
    return (
        Exit.FAULT,
        f"a fault of this software: {name} at {where}; cmp-orders --traceback ... shows more",
    )


def _tell(code: Exit, sentences: str) -> Exit:
    for sentence in sentences.splitlines():
        click.echo(f"cmp-orders: {sentence}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
