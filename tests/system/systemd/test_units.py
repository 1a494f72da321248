"""The units as files: what systemd-analyze says of them, and how they fit the code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from console.session import ADOPT_ROLE, ROLE
from core import config
from core.config.catalogue import catalogue
from core.config.fraud import LONGEST_REQUEST
from core.daemon import EX_CONFIG, EX_USAGE
from daemons import dispatch, extract_to_generic, load_from_generic, request_extract
from tests.system.systemd.installation import DAEMONS, Installation

SYSTEMD = Path(__file__).parents[3] / "systemd"
SERVICES = sorted(path.name for path in SYSTEMD.glob("*.service"))
MODULES = dict(
    zip(
        DAEMONS,
        (request_extract, extract_to_generic, load_from_generic, dispatch),
        strict=True,
    )
)


def setting(unit: str, name: str) -> str:
    """The last value of a setting."""
    text = (SYSTEMD / unit).read_text("utf-8")
    return str(re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)[-1])


def seconds(text: str) -> float:
    """A time span of systemd's, of one unit."""
    amount, unit = re.fullmatch(r"(\d+)(s|min|h)", text).groups()  # type: ignore[union-attr]
    return float(amount) * {"s": 1, "min": 60, "h": 3600}[unit]


def exposure(units: Path, service: str) -> float:
    """How exposed a unit is, from 0 (nothing) to 10, as systemd-analyze reckons."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(units / service)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return float(told.rpartition(f"{service}: ")[2].split()[0])


LEFT = {
    # A root of their own would hide the system's Python and libraries, which they need.
    "RootDirectoryOrRootImage",
    # PostgreSQL and the service manager are reached by it.
    "RestrictAddressFamilies_AF_UNIX",
    # The few devices that every service has, such as /dev/null.
    "DeviceAllow",
    # The groups of the trees are to read, and write, what is made in them.
    "UMask",
}
"""What systemd-analyze would have us forbid beyond that; all else that it knows is forbidden."""


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_else_is_left(service: str) -> None:
    """Of all that systemd-analyze asks for, a unit leaves open only what it needs."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--json=short", SYSTEMD / service],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # null: of no matter here, such as capabilities for a user that has none.
    assert {one["json_field"] for one in json.loads(told) if one["set"] is False} == LEFT


@pytest.mark.parametrize("service", SERVICES)
def test_exposure(service: str) -> None:
    """A unit that needs the local socket only is exposed by 0.5 or less, which is all of them."""
    assert exposure(SYSTEMD, service) <= 0.5


@pytest.mark.parametrize("service", SERVICES)
def test_exposure_with_a_remote_database(service: str, tmp_path: Path) -> None:
    """With the network that a database elsewhere needs it is 1.0 or less."""
    units = shutil.copytree(SYSTEMD, tmp_path / "units")
    drop_ins = units / "sales-order-.service.d"
    (units / "remote-database.conf").rename(drop_ins / "20-remote-database.conf")
    assert exposure(units, service) <= 1.0
    assert exposure(units, service) > exposure(SYSTEMD, service)


def test_exposure_with_a_fraud_service(tmp_path: Path) -> None:
    """With the network to a service that checks for fraud, Request Extract's is 1.0 or less."""
    units = shutil.copytree(SYSTEMD, tmp_path / "units")
    service = "sales-order-request-extract.service"
    (units / f"{service}.d").mkdir()
    (units / "fraud-service.conf").rename(units / f"{service}.d" / "20-fraud-service.conf")
    assert exposure(units, service) <= 1.0
    assert exposure(units, service) > exposure(SYSTEMD, service)


def test_the_fraud_service_is_shown_its_token() -> None:
    """The credential that the drop-in brings has the name of the property."""
    text = (SYSTEMD / "fraud-service.conf").read_text("utf-8")
    [name] = re.findall(r"^LoadCredential=(.*):", text, re.MULTILINE)
    assert catalogue()[name].secret


def test_verified(installed: Installation) -> None:
    """`systemd-analyze verify` has not a word to say about any unit of ours."""
    done = installed.box.run(
        "cd /lib/systemd/system; systemd-analyze verify --man=no"
        " sales-order*.service sales-order*.target sales-order*.timer",
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("daemon", DAEMONS)
def test_times_fit(daemon: str) -> None:
    """The watchdog waits three times as long as a statement may take, and longer than a fraud
    check's service with all its tries and an answer that drips; systemd waits longer for the end
    than the daemon itself.
    """
    defaults = config.load(None, environ={})
    unit = f"{daemon}.service"
    watchdog = seconds(setting(unit, "WatchdogSec"))
    assert watchdog >= 3 * defaults.database.statementtimeout
    assert watchdog > 2.5 * LONGEST_REQUEST
    assert seconds(setting(unit, "TimeoutStopSec")) > defaults.daemon.stoptime


@pytest.mark.parametrize("daemon", DAEMONS)
def test_tried_for_ever(daemon: str) -> None:
    """A daemon that fails is started anew, however often, but for what does not mend itself."""
    unit = f"{daemon}.service"
    assert setting(unit, "Restart") == "on-failure"
    assert setting(unit, "StartLimitIntervalSec") == "0"
    assert setting(unit, "RestartPreventExitStatus") == f"{EX_USAGE} {EX_CONFIG}"


@pytest.mark.parametrize("daemon", DAEMONS)
def test_one_name(daemon: str) -> None:
    """A daemon's user has the name of its database role, its unit that of its log."""
    assert setting(f"{daemon}.service", "User") == MODULES[daemon].ROLE
    assert daemon == f"sales-order-{MODULES[daemon].NAME}"
    users = (SYSTEMD / "sales-orders.sysusers.conf").read_text("utf-8")
    assert re.search(rf"^u {MODULES[daemon].ROLE} ", users, re.MULTILINE)


@pytest.mark.parametrize("role", [ROLE, ADOPT_ROLE])
def test_operators_reach_the_trees(role: str) -> None:
    """Who looks, and who adopts, has an account of the role's name, and each partner's groups."""
    users = (SYSTEMD / "sales-orders.sysusers.conf").read_text("utf-8")
    assert re.search(rf"^u {role} ", users, re.MULTILINE)
    assert set(re.findall(rf"^m {role} +(\S+)$", users, re.MULTILINE)) == {
        "sales_order_out",
        "sales_order_in",
    }
    partner = (SYSTEMD / "partner.sysusers.conf").read_text("utf-8")
    assert re.search(rf"^m {role} +sales_partner_london$", partner, re.MULTILINE)


@pytest.mark.parametrize("service", SERVICES)
def test_trees_are_one_mount(service: str) -> None:
    """What a unit may write is a whole tree: between two entries a file could not be renamed."""
    text = (SYSTEMD / service).read_text("utf-8")
    lines = re.findall(r"^ReadWritePaths=(.*)$", text, re.MULTILINE)
    entries = [entry for line in lines for entry in line.split()]
    trees = ("/var/lib/sales-orders/out", "/var/lib/sales-orders/in")
    assert all(entry in trees or not entry.startswith(trees) for entry in entries)
    assert len(entries) <= 1


def test_hardening_is_explained() -> None:
    """Every group of settings in the drop-in begins with why it is there."""
    text = (SYSTEMD / "sales-order-.service.d/10-hardening.conf").read_text("utf-8")
    groups = text.split("[Service]\n")[1].strip().split("\n\n")
    assert len(groups) >= 7
    assert all(group.startswith("#") for group in groups)
