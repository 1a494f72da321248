"""Markers of everything that nobody may read but whom it is for, and where they were found."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PASSWORD = "planted-Password-4f1c"
"""Of the database."""
CUSTOMER = {
    "name": "Planted Customer 4f1c",
    "line": "4f1c Planted Lane",
    "town": "Plantedtown",
    "county": "Plantedshire",
    "contact": "Planted Contact 4f1c",
    "email": "planted.4f1c@example.com",
    "phone": "+44 20 7946 0417",
    "instructions": "planted instructions 4f1c",
}
"""What is known of a customer."""
PARTNER = {
    "carrier": "Planted Carrier 4f1c",
    "tracking": "PLANTED-TRACK-4F1C",
    "reason": "planted reason 4f1c",
    "error": "planted error 4f1c",
    "serial": "PLANTED-SERIAL-4F1C",
    "value": "planted-value-4f1c",
}
"""What stands in a partner's file alone."""


@dataclass
class Search:
    """Everything that was written, and what of it is planted."""

    secrets: dict[str, str]
    """By what it is, each marker."""
    looked_at: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def through(self, where: str, text: str | bytes) -> None:
        """Look into a text that was written there."""
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        self.looked_at.append(where)
        for what, marker in self.secrets.items():
            if marker.casefold() in text.casefold():
                at = text.casefold().index(marker.casefold())
                self.found.append(f"{what} in {where}: ...{text[max(0, at - 200) : at + 80]!r}...")

    def through_files(self, files: Iterable[Path]) -> None:
        """Look into files, and their names."""
        for path in files:
            self.through(path.name, path.name + "\n" + path.read_text("utf-8", "replace"))

    def through_process(self, pid: int) -> None:
        """Look at what every user of the machine can see of a process, and its own user."""
        for what in ("cmdline", "environ", "comm"):
            self.through(f"/proc/<daemon>/{what}", Path(f"/proc/{pid}/{what}").read_bytes())


def keys_of(folder: Path) -> dict[str, str]:
    """A piece from the middle of each private key in a folder."""
    found = {}
    for path in sorted(folder.glob("*.key")):
        lines = path.read_text().splitlines()
        found[f"{path.parent.name}/{path.name}"] = lines[len(lines) // 2][:40]
    return found


def environ_without(*names: str) -> dict[str, str]:
    """The environment of the tests without these."""
    return {name: value for name, value in os.environ.items() if name not in names}
