"""The pages say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from console import reference
from console.main import command
from console.reconcile.kinds import Kind
from core.directory import Inbound, Outbound
from core.errors import Reason
from core.events import Event
from core.probes import PROBES

ROOT = Path(__file__).parent.parent
FUNNEL = ("funnel", "directories")
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def test_reference_page() -> None:
    """docs/reference.md is what the code prints: events, reasons, moves and exit codes."""
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert page == reference.page(), "python -m console.reference > docs/reference.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link from a page to a file of the project leads to one that is there."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_exist(page: Path) -> None:
    """Every event, reason and property that a page names exists."""
    text = page.read_text(encoding="utf-8")
    known = {*Event.__members__, *Reason, *Kind}
    words = set(re.findall(r"`([A-Z]{3,}(?:_[A-Z]+)+)`", text))
    elsewhere = (
        "schemas/order-dispatch.schema.json",
        "schemas/acknowledgement.schema.json",
        "etc/sales-orders.properties",
    )
    others = "".join((ROOT / path).read_text(encoding="utf-8") for path in elsewhere)
    assert not {word for word in words - known if word not in others}
    properties = (ROOT / "etc" / "sales-orders.properties").read_text(encoding="utf-8")
    for name in re.findall(r"`(sales\.order\.[a-z.]*[a-z])`", text):
        assert name in properties, name


def test_make_targets() -> None:
    """The README's two commands, and every other that a page names, are targets of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    words = re.compile(r"(?:^|`)make ([a-z-]+)", re.MULTILINE)
    named = {name for page in PAGES for name in words.findall(page.read_text(encoding="utf-8"))}
    assert {"demo", "test"} <= named <= targets


def test_examples_are_json() -> None:
    """Every JSON block of a page parses."""
    for page in PAGES:
        for block in re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            json.loads(block)


def test_every_probe_has_its_place() -> None:
    """Each probe is named on the page of the funnel or of the directories."""
    text = "".join((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in FUNNEL)
    assert {probe.name for probe in PROBES} <= set(re.findall(r"`([a-z]+)`", text))


def test_every_directory_has_its_section() -> None:
    """Each directory of the trees has a section that says what a large number in it means."""
    text = (ROOT / "docs" / "directories.md").read_text("utf-8")
    sections = re.findall(r"^## (\S+)$", text, re.MULTILINE)
    out = [f"out/{area}" for area in ("&lt;WAREHOUSE&gt;", *Outbound.AREAS)]
    in_ = [f"in/{area}" for area in ("&lt;WAREHOUSE&gt;", *Inbound.AREAS)]
    assert sections == [*out, *in_]
    assert text.count("**Never**") == len(sections) - 2


def test_verbs_exist() -> None:
    """Every `cmp-orders` verb that a page or an event names is one that the console has."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:cmp-|`)orders ([a-z]+)(?: ([a-z]+))?(?![.\w])", text))
    for noun, verb in sorted(named):
        group = command.get_command(click.Context(command), noun)
        assert group is not None, noun
        if isinstance(group, click.Group):
            assert verb in group.list_commands(click.Context(group)), f"{noun} {verb}"
