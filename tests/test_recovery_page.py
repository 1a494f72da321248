"""docs/recovery.md has an answer to whatever tells of a fault, and names what exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from console import recovery
from console.main import command
from core.errors import Reason
from core.events import Event
from core.probes import PROBES

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "recovery.md").read_text("utf-8")
RULES = (ROOT / recovery.RULES).read_text("utf-8")
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
RUNBOOK = "/usr/share/doc/sales-orders/recovery.md#"


def anchors(page: Path) -> set[str]:
    """What can be linked to: headings, and marks of our own."""
    text = page.read_text("utf-8")
    without_code = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", without_code, re.MULTILINE)
    return {*map(recovery.anchor, headings), *re.findall(r'<a id="([^"]+)">', text)}


def told() -> set[str]:
    """Whoever is named as telling of a section."""
    return {name for section in recovery.sections(PAGE) for name in section.told_by}


def wanted() -> set[str]:
    """Whoever has to be: each alert, each probe, each event of warning or worse."""
    return {
        *recovery.alerts(RULES),
        *(f"probe:{probe.name}" for probe in PROBES),
        *(event.name for event in Event if event.level in recovery.TOLD),
    }


def unknown() -> set[str]:
    """Whoever is named and does not exist."""
    return told() - wanted() - {*Event.__members__} - {*Reason}


def test_the_list_is_made_from_code_and_sections() -> None:
    """The list at the end is what the code and the sections say, word for word."""
    assert recovery.page(PAGE, RULES) == PAGE, "python -m console.recovery docs/recovery.md"


def test_whatever_tells_has_a_section() -> None:
    """Each alert, each probe and each event of warning or worse is told of in a section."""
    assert not wanted() - told()
    assert not unknown()


def test_every_reason_is_answered() -> None:
    """Whatever a file, a record, a batch or an order is refused for, the page says what to do."""
    assert not {reason for reason in Reason if f"`{reason}`" not in PAGE}


def test_every_section_warns() -> None:
    """Each section says what never to do, and its title, which is linked to, is no other's."""
    found = recovery.sections(PAGE)
    assert not [one.title for one in found if not one.never]
    assert len({recovery.anchor(one.title) for one in found}) == len(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_anchors_are_there(page: Path) -> None:
    """Every link to a place on a page leads to one that it has."""
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text("utf-8"))
    missing = [
        f"{path}#{anchor}"
        for path, anchor in links
        if anchor not in anchors(page.parent / path if path else page)
    ]
    assert not missing


def test_every_alert_names_its_place() -> None:
    """The runbook of each alert is a place on the page; for a probe's, one for every probe."""
    runbooks = re.findall(r'- alert: (\w+)\n(?:.*\n)*?\s+runbook: "(.+)"', RULES)
    assert [name for name, _ in runbooks] == recovery.alerts(RULES)
    there = anchors(ROOT / "docs" / "recovery.md")
    for _, runbook in runbooks:
        assert runbook.startswith(RUNBOOK)
        place = runbook.removeprefix(RUNBOOK)
        places = [
            place.replace("{{ $labels.probe }}", name.removeprefix("probe:"))
            for name in wanted()
            if name.startswith("probe:")
        ]
        assert set(places) <= there


def calls() -> Iterator[str]:
    """Every call of the console on the page, without what it is named by."""
    for span in re.findall(r"`([^`]+)`", PAGE):
        found = re.fullmatch(r"(?:sudo (?:-u \w+ )?)?(?:cmp-)?orders ([a-z].*)", span, re.DOTALL)
        if found:
            yield " ".join(found[1].split())


@pytest.mark.parametrize("call", sorted(set(calls())))
def test_every_verb_and_option_exists(call: str) -> None:
    """A verb that the page names is the console's, and so is each option that goes with it."""
    words = shlex.split(call)
    found: click.Command = command
    while isinstance(found, click.Group):
        inner = found.get_command(click.Context(found), words.pop(0))
        assert inner is not None
        found = inner
    options = {name for one in found.params for name in (*one.opts, *one.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options
