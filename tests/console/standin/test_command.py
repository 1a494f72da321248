"""`cmp-orders warehouse run`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest
from click.testing import CliRunner, Result

from console.standin.command import run
from console.standin.plan import PRESETS, Plan
from tests.console.standin.conftest import Both, order, request

WITHIN = 30.0


def arguments(both: Both, *more: str) -> list[str]:
    """What the command needs, and more."""
    return [
        *("--warehouse", "LONDON", "--folder", str(both.theirs_at)),
        *("--take", str(both.take), "--drop", str(both.drop), *more),
    ]


def invoked(given: Sequence[str]) -> Result:
    """The command run in this process; it returns its exit code."""
    return CliRunner().invoke(run, list(given), standalone_mode=False)


@pytest.fixture(autouse=True)
def _forgets(both: Both) -> None:
    """The keys' folder is shared by the tests, what the stand-in remembers is not."""
    (both.theirs_at / "ledger.sqlite3").unlink(missing_ok=True)


def test_once_answers_what_is_there_and_ends(both: Both) -> None:
    """--once --settle leaves nothing to take and nothing owed, and says what it did."""
    both.send(request(1, [order(1, 2), order(2, 2)]))
    given = arguments(both, "--once", "--settle", "--plan", "clean", "--chance", "partial=1")
    result = invoked(given)
    assert result.return_value == 0
    assert "1 files with 2 orders taken, 2 answered, 2 back-orders completed, 0 open" in (
        result.output
    )
    assert len(both.dropped()) == 2


def test_a_batch_sent_twice_is_told_by_the_exit_code(both: Both) -> None:
    """Whoever runs it in an acceptance test sees by its end that something was sent twice."""
    both.send(request(1, [order(1)]))
    both.send(request(1, [order(1)]), name="other.p7m")
    result = invoked(arguments(both, "--once"))
    assert result.return_value == 1
    assert "repeats identifier 1" in result.stderr


def test_it_works_until_it_is_told_to_stop(both: Both) -> None:
    """As a process it answers what comes, and SIGTERM ends it between two looks, with 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "console.main", "warehouse", "run", *arguments(both)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for number in (1, 2):
            both.send(request(number, [order(number)]), name=f".{number}").rename(
                both.take / f"{number}.p7m"
            )
            assert process.stdout is not None
            assert "answered with 1 records" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN) == 0
    finally:
        process.kill()
        process.communicate()


def test_help_names_every_plan_and_chance() -> None:
    """What can be chosen is told by --help."""
    told = CliRunner().invoke(run, ["--help"]).output
    for name in (*PRESETS, *Plan.__dataclass_fields__):
        assert name in told


@pytest.mark.parametrize("chance", ["rejected", "rejected=much", "unheard=0.1", "rejected=2"])
def test_a_wrong_chance_is_wrong_usage(both: Both, chance: str) -> None:
    """A chance that is none ends with 2, naming it, before anything is touched."""
    result = CliRunner().invoke(run, arguments(both, "--once", "--chance", chance))
    assert result.exit_code == 2
    assert chance.partition("=")[0] in result.output


def test_the_signals_of_the_caller_are_as_before(both: Both) -> None:
    """Called in a process that lives on, it gives the signals back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    invoked(arguments(both, "--once"))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
