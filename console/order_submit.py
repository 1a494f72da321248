"""cmp-orders order submit: the verb around console.submit, with its progress and its summary."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from console import importing, order_file, show
from console.exits import Exit
from console.order_file import Refused
from console.session import Session
from console.submit import Submission, Summary

KINDS = ("auto", "json", "csv")


def run(  # the options of the verb
    session: Session, path: Path, *, kind: str, draft: bool, refused: Path | None, as_json: bool
) -> Exit:
    """Submit the orders of a file, `-` being standard input.

    REFUSED if any was not taken, or stays New for want of stock.
    """
    with ExitStack() as stack:
        source = sys.stdin.buffer if str(path) == "-" else stack.enter_context(path.open("rb"))
        heard = _listener(stack.enter_context(refused.open("wb")) if refused else None)
        conn = stack.enter_context(session.connection())
        progress = stack.enter_context(_progress(source, path, shown=not as_json))
        split = session.properties.stock.split
        submission = Submission(conn, draft=draft, split=split, refused=heard, progress=progress)
        read = order_file.csv_rows if importing.is_csv(path, kind) else order_file.json_lines
        try:
            summary = submission.run(read(source))
        except Exception:
            _print_interrupted(submission.summary)
            raise
    if as_json:
        show.print_json(document(summary))
    else:
        print_summary(summary, draft=draft, refused=refused)
    return Exit.REFUSED if summary.refused or summary.short else Exit.DONE


def _listener(file: IO[bytes] | None) -> Callable[[Refused], None]:
    def heard(one: Refused) -> None:
        if file:
            file.write(show.json_line(asdict(one)))

    return heard


@contextmanager
def _progress(source: IO[bytes], path: Path, *, shown: bool) -> Iterator[Callable[[Summary], None]]:
    """What to call after each transaction: a bar by the bytes read, where a person looks."""
    if not (shown and show.interactive()):
        yield lambda _: None
        return
    seekable = source.seekable()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *([DownloadColumn()] if seekable else []),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("0 orders", total=path.stat().st_size if seekable else None)

        def advance(summary: Summary) -> None:
            done = summary.entered + summary.already_there
            text = f"{done:,} orders" + (f", {summary.refused:,} refused" * bool(summary.refused))
            bar.update(task, description=text, completed=source.tell() if seekable else 0)

        yield advance


def document(summary: Summary) -> dict[str, Any]:
    """The summary as --json prints it."""
    return {
        "entered": summary.entered,
        "items": summary.items,
        "already_there": summary.already_there,
        "drafts_submitted": summary.drafts_submitted,
        "short": summary.short,
        "units_back_ordered": summary.back_ordered,
        "refused": summary.refused,
        "reasons": [
            {"reason": reason, "rule": rule, "orders": count}
            for (reason, rule), count in summary.rules.most_common()
        ],
        "first_refused": [asdict(one) for one in summary.first_refused],
        "first_short": [asdict(one) for one in summary.first_short],
    }


def print_summary(summary: Summary, *, draft: bool, refused: Path | None) -> None:
    """The summary for people, on standard output."""
    console = show.terminal()
    verb = "entered as drafts" if draft else "entered" if summary.short else "submitted"
    counts = [(verb, summary.entered), ("already there, left as they are", summary.already_there)]
    if summary.drafts_submitted:
        counts.append(("of these drafts, now submitted", summary.drafts_submitted))
    if summary.short:
        counts.append(("that stay New: the stock does not suffice", summary.short))
    counts.append(("refused", summary.refused))
    rows = [(show.thousands(count), f"orders {what}") for what, count in counts]
    rows.insert(1, (show.thousands(summary.items), "items in these"))
    if summary.back_ordered:
        rows.append((show.thousands(summary.back_ordered), "units on back-order"))
    console.print(show.table((">", ""), rows))
    if summary.short:
        console.print()
        _print_first(console, summary.first_short)
        show.note("Once there is stock: cmp-orders order reserve, or submit the same file again.")
    if summary.refused:
        _print_refused(console, summary)
    told = len(summary.first_refused) + len(summary.first_short)
    more = summary.refused + summary.short - told
    if refused and told:
        show.note(f"All of them: {refused}")
    elif more > 0:
        show.note(f"... and {more:,} more: --refused FILE writes each with its line and reason.")


def _print_refused(console: Console, summary: Summary) -> None:
    reasons = [
        (show.thousands(count), reason, rule)
        for (reason, rule), count in summary.rules.most_common()
    ]
    console.print()
    console.print(show.table((">orders", "refused for", "rule"), reasons))
    console.print()
    _print_first(console, summary.first_refused)


def _print_first(console: Console, some: list[Refused]) -> None:
    rows = [(one.line, one.reference, one.sentence) for one in some]
    console.print(show.table((">line", "reference", "why"), rows))


def _print_interrupted(summary: Summary) -> None:
    click.echo(
        f"cmp-orders: {summary.entered:,} orders were entered before this; submit the same file "
        "again: those that are there already are recognised",
        err=True,
    )
