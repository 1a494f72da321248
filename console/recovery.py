"""Makes the list at the end of docs/recovery.md: what told you, which section, what to do.

`python -m console.recovery docs/recovery.md` writes it anew; a test compares. The sections are
written by hand, since they say what no code knows; who tells of a fault stands in each of them
(`Told by:`), what to do at once is what the event and the probe say of themselves.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.events import Event
from core.probes import PROBES

TOLD: Final = ("warning", "error", "critical")
"""Levels of events that somebody has to look at."""
HEADING: Final = "## What told you"
RULES: Final = "etc/monitoring/sales-orders.rules.yml"


@dataclass(frozen=True, slots=True)
class Section:
    """A fault: its title, who tells of it, and what never to do."""

    title: str
    told_by: tuple[str, ...]
    """Names of events, reasons and alerts; a probe is `probe:` and its name."""
    never: str

    @property
    def link(self) -> str:
        """The link to it on its page."""
        return f"[{self.title}](#{anchor(self.title)})"


def anchor(title: str) -> str:
    """What a heading is linked by: as GitHub and others make it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def sections(page: str) -> list[Section]:
    """The sections of the part that is written by hand."""
    written = page.split(f"\n{HEADING}\n", maxsplit=1)[0]
    found = []
    for part in re.split(r"^### ", written, flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        text = re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]
        told = re.search(r"^Told by: (.+?)\n\n", text, re.MULTILINE | re.DOTALL)
        names = re.findall(r"(probe )?`(\w+)`", told[1]) if told else []
        never = re.search(r"\*\*Never\*\* (.+)", text, re.DOTALL)
        found.append(
            Section(
                title,
                tuple(f"probe:{name}" if probe else name for probe, name in names),
                " ".join(never[1].split()) if never else "",
            )
        )
    return found


def alerts(rules: str) -> list[str]:
    """Each alert of the rules for Prometheus."""
    return re.findall(r"- alert: (\w+)", rules)


def page(text: str, rules: str) -> str:
    """The page with the list made anew."""
    known = sections(text)
    lines = [text.split(f"\n{HEADING}\n", maxsplit=1)[0].rstrip("\n"), "", HEADING, ""]
    lines += ["Made from the code and the sections by `python -m console.recovery`.", ""]
    lines += ["| told by | section | at once | never |", "| --- | --- | --- | --- |"]
    for name in alerts(rules):
        lines.append(_row(name, f"alert `{name}`", known, name, ""))
    for probe in PROBES:
        key, shown = f"probe:{probe.name}", f"probe `{probe.name}`"
        lines.append(_row(f"probe-{probe.name}", shown, known, key, probe.remedy))
    for event in Event:
        if event.level in TOLD or any(event.name in one.told_by for one in known):
            shown = f"`{event.name}`, {event.level}"
            lines.append(_row(event.name, shown, known, event.name, event.what_to_do))
    return "\n".join([*lines, ""])


def _row(identity: str, shown: str, known: list[Section], name: str, at_once: str) -> str:
    """A row with the sections of a name; the first of them says what never to do."""
    mine = [one for one in known if name in one.told_by]
    links = ", ".join(one.link for one in mine)
    cells = (
        f'<a id="{identity.lower()}"></a>{shown}',
        links,
        at_once,
        mine[0].never if mine else "",
    )
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    rules = path.parents[1] / RULES
    path.write_text(page(path.read_text("utf-8"), rules.read_text("utf-8")), "utf-8")
