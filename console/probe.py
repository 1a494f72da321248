"""cmp-orders probe: named questions with targets, for operators and for monitoring."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.exits import Exit
from console.session import Session, as_json, example, pass_session

if TYPE_CHECKING:
    import psycopg

    from core.probes import Answer

STYLES = ("green", "yellow", "bold red")


@click.group()
def probe() -> None:
    """Ask whether everything moves: Success, Warning or Severe."""


@probe.command("list", epilog=example("cmp-orders probe list"))
@as_json
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the probes, their targets, and what to do when one is not met."""
    from console import show  # noqa: PLC0415
    from core.probes import PROBES  # noqa: PLC0415

    rows = [
        {
            "probe": one.name,
            "asks": one.asks,
            "unit": one.unit,
            "warning": one.limits(session.properties)[0],
            "severe": one.limits(session.properties)[1],
            "remedy": one.remedy,
        }
        for one in PROBES
    ]
    if as_json:
        show.print_json(rows)
        return
    cells = [
        (
            one.name,
            one.asks,
            *(told(limit, one.unit) for limit in one.limits(session.properties)),
            one.remedy.replace("`", ""),
        )
        for one in PROBES
    ]
    columns = ("probe", "asks", ">warning", ">severe", "what to do")
    show.terminal().print(show.table(columns, cells))


@probe.command(epilog=example("cmp-orders probe run", "cmp-orders probe run --json"))
@click.option(
    "--textfile",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write metrics for the node exporter's textfile collector; whole or not at all.",
)
@click.option(
    "--log", "to_log", is_flag=True, help="Tell the log what is not met, as from a timer."
)
@as_json
@pass_session
def run(session: Session, textfile: Path | None, to_log: bool, as_json: bool) -> Exit:
    """Run every probe; exit 0 if all are met, 1 at a Warning, 3 if one is Severe.

    A probe that cannot look, as while the database is away, is Severe.
    """
    from console import show  # noqa: PLC0415
    from core import probes  # noqa: PLC0415

    with _database(session) as conn:
        answers = probes.run(session.properties, conn)
    if textfile is not None:
        _write(textfile, "".join(metrics(answers)))
    if to_log:
        _log(session, answers)
    elif as_json:
        show.print_json([_document(answer) for answer in answers])
    else:
        show.terminal().print(show.table(_COLUMNS, [_cells(answer) for answer in answers]))
    worst = max(answer.verdict for answer in answers)
    return (Exit.DONE, Exit.REFUSED, Exit.SEVERE)[worst]


_COLUMNS = ("probe", "about", "verdict", ">value", ">warning", ">severe")


@contextmanager
def _database(session: Session) -> Iterator[psycopg.Connection | None]:
    """The console's connection; None while there is none to be had."""
    import psycopg  # noqa: PLC0415

    from core.errors import Defer  # noqa: PLC0415

    with ExitStack() as stack:
        try:
            conn = stack.enter_context(session.connection())
        except (psycopg.OperationalError, Defer):
            conn = None
        yield conn


def told(value: float | None, unit: str) -> str:
    """A value for people."""
    from console import show  # noqa: PLC0415

    if value is None:
        return "unknown"
    if unit == "seconds":
        return show.age(timedelta(seconds=value))
    return f"{value / 1e6:,.0f} MB" if unit == "bytes" else f"{value:,.0f}"


def _cells(answer: Answer) -> tuple[Any, ...]:
    from rich.text import Text  # noqa: PLC0415

    unit = answer.probe.unit
    verdict = Text(answer.verdict.shown, style=STYLES[answer.verdict])
    limits = (told(limit, unit) for limit in answer.limits)
    return (
        answer.probe.name,
        answer.why or answer.subject,
        verdict,
        told(answer.value, unit),
        *limits,
    )


def _document(answer: Answer) -> dict[str, Any]:
    return {
        "probe": answer.probe.name,
        "subject": answer.subject or None,
        "verdict": answer.verdict.shown,
        "value": answer.value,
        "unit": answer.probe.unit,
        "warning": answer.limits[0],
        "severe": answer.limits[1],
        "why": answer.why or None,
    }


def metrics(answers: Sequence[Answer]) -> Iterator[str]:
    """The answers in Prometheus' text format (exposition format 0.0.4)."""
    import time  # noqa: PLC0415

    yield "# HELP sales_orders_probe_verdict 0 Success, 1 Warning, 2 Severe.\n"
    yield "# TYPE sales_orders_probe_verdict gauge\n"
    for answer in answers:
        yield f"sales_orders_probe_verdict{_labels(answer)} {answer.verdict.value}\n"
    yield "# HELP sales_orders_probe_value What the probe found, in its own unit.\n"
    yield "# TYPE sales_orders_probe_value gauge\n"
    for answer in answers:
        if answer.value is not None:
            yield f"sales_orders_probe_value{_labels(answer)} {answer.value:.15g}\n"
    yield "# HELP sales_orders_probe_run_timestamp_seconds When the probes last ran.\n"
    yield "# TYPE sales_orders_probe_run_timestamp_seconds gauge\n"
    yield f"sales_orders_probe_run_timestamp_seconds {time.time():.0f}\n"


def _labels(answer: Answer) -> str:
    escaped = answer.subject.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{probe="{answer.probe.name}",about="{escaped}"}}'


def _write(path: Path, text: str) -> None:
    """Put the file in place whole: the collector reads it whenever it likes."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, "utf-8")
    # For the collector, which runs as somebody else.
    unfinished.chmod(0o644)
    unfinished.rename(path)


def _log(session: Session, answers: Sequence[Answer]) -> None:
    from core import log  # noqa: PLC0415
    from core.events import Event  # noqa: PLC0415
    from core.probes import Verdict  # noqa: PLC0415

    properties = session.properties.log
    log.configure("probe", format=properties.format, level=properties.level)
    for answer in answers:
        if answer.verdict is Verdict.SUCCESS:
            continue
        severe = answer.verdict is Verdict.SEVERE
        limit = answer.limits[severe]
        unit = answer.probe.unit
        log.emit(
            Event.PROBE_SEVERE if severe else Event.PROBE_WARNING,
            probe=answer.probe.name,
            about=answer.why or answer.subject,
            value=told(answer.value, unit),
            limit=told(limit, unit),
        )
