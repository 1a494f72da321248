"""What monitoring is given: alert rules, and a script over the journal."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from core.events import Event

MONITORING = Path(__file__).parents[2] / "etc" / "monitoring"
RULES = MONITORING / "sales-orders.rules.yml"
WATCH = MONITORING / "sales-orders-watch"


def promtool(*words: object) -> str:
    """Prometheus' own tool; skips where it is not installed."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: on Debian, apt install prometheus")
    done = subprocess.run(
        ["promtool", *map(str, words)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rules_are_right() -> None:
    """Prometheus takes the alert rules."""
    assert "SUCCESS" in promtool("check", "rules", RULES)


def test_rules_alert(tmp_path: Path) -> None:
    """Each alert comes when it should, after as long as it says, and not when all is well."""
    cases = Path(__file__).with_name("sales-orders.rules.test.yml")
    for file in (RULES, cases):
        shutil.copy(file, tmp_path)
    promtool("test", "rules", tmp_path / cases.name)


def test_every_alert_is_tested() -> None:
    """Each alert of the rules has a case in which it comes."""
    cases = Path(__file__).with_name("sales-orders.rules.test.yml").read_text("utf-8")
    for alert in re.findall(r"alert: (\w+)", RULES.read_text("utf-8")):
        assert re.search(rf"alertname: {alert}\n        exp_alerts:", cases), alert


def test_script_knows_the_errors() -> None:
    """The script over the journal takes for an error what the catalogue of events does."""
    errors = {event.name for event in Event if event.level in {"error", "critical"}}
    [named] = re.findall(r"\(([A-Z_]+(?:\|[A-Z_]+)+)\)", WATCH.read_text("utf-8"))
    assert set(named.split("|")) == errors
