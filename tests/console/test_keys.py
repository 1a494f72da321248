"""`keys generate`: where the keys go."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.console.conftest import Console

UNITS = Path(__file__).parents[2] / "systemd"


def test_into_systemds_store(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder the private keys go into systemd's store, under exactly the names from
    which the units load them.
    """
    store = console.root / "credstore"
    monkeypatch.setattr("console.keys.STORE", store)
    assert console.call("keys", "generate", "--name", "us").code == 0
    made = {path.name for path in store.iterdir()}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in store.iterdir())
    text = "".join(path.read_text("utf-8") for path in UNITS.glob("*.service"))
    loaded = dict(re.findall(r"^LoadCredential=([a-z.]+):(\S+)$", text, re.MULTILINE))
    assert made == {loaded["signing.key"], loaded["decryption.key"]}


def test_into_a_folder(console: Console) -> None:
    """Into a folder of one's own they go under the names that a daemon knows."""
    folder = console.root / "own"
    assert console.call("keys", "generate", "--name", "us", "--credentials", folder).code == 0
    assert {path.name for path in folder.iterdir()} == {"signing.key", "decryption.key"}
