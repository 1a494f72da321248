"""The Debian package: installed by apt on a machine that knows nothing of it, upgraded, removed."""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from debian import manual
from debian.build import build
from tests.system.systemd.box import Box
from tests.system.systemd.conftest import VERSION, built
from tests.system.systemd.installation import DAEMONS, Installation, programs

NEWER = f"{VERSION}+next"
PROPERTIES = "/etc/sales-orders/sales-orders.properties"
MARK = "# what the operator wrote\n"

pytestmark = pytest.mark.xdist_group("box")


def test_same_content_same_package(package: Path, tmp_path: Path) -> None:
    """Built twice, the package is the same, byte for byte."""
    again = build(tmp_path, VERSION, compression="none")
    assert filecmp.cmp(package, again, shallow=False)


def test_nothing_of_the_builder(package: Path, tmp_path: Path) -> None:
    """The package names no path of the machine that built it, holds no bytecode, and all in it
    belongs to root and can be read by everybody.
    """
    listed = subprocess.run(
        ["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert not [line for line in listed if ".pyc" in line]
    assert all(line.split()[1] == "root/root" for line in listed)
    assert all(re.match(r"[-d]rw.r-.r-.|l", line) for line in listed)
    subprocess.run(["dpkg-deb", "--raw-extract", package, tmp_path / "x"], check=True)
    checkout = str(Path(__file__).parents[3])
    found = subprocess.run(
        ["grep", "-rIlF", checkout, tmp_path / "x"], check=False, capture_output=True, text=True
    )
    assert found.stdout == ""


@pytest.mark.full
def test_lintian(package: Path) -> None:
    """Debian's own critic finds no error but those that an environment of one's own brings."""
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")
    ours = [
        # The tests do not pack it, which takes longest.
        "uses-no-compression-for-control-tarball",
        "uses-no-compression-for-data-tarball",
        # Wheels bring their libraries, licences and byte-for-byte files of their own.
        "embedded-library",
        "unstripped-binary-or-object",
        "shared-library-lacks-prerequisites",
        "custom-library-search-path",
        "library-not-linked-against-libc",
        "python3-script-but-no-python3-dep",
        "wrong-path-for-interpreter",
    ]
    told = subprocess.run(
        ["lintian", "--fail-on", "error", "--suppress-tags", ",".join(ours), package],
        check=False,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("module", ["daemons.dispatch", "daemons.load_from_generic", "console"])
def test_manual_pages(module: str) -> None:
    """Every heading of a daemon's docstring is one of its manual page; groff has no complaint."""
    section = 1 if module == "console" else 8
    page = manual.page(f"cmp-{module}", section, module)
    assert ".SH NAME" in page
    assert '.SH "EXIT STATUS"' in page
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", "-Kutf8"],
        input=page,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def fresh(machine: None, package: Path) -> Iterator[Installation]:
    """A box with a database and the package beside it, not installed."""
    del machine
    if shutil.which("apt-get") is None:
        pytest.skip("apt is not installed")
    with Box(programs()) as box:
        installation = Installation(box)
        installation.install_database()
        for one in (package, built(package.parents[1], NEWER)):
            box.root(f"/tmp/{one.name}").write_bytes(one.read_bytes())
        yield installation


def apt(installation: Installation, *words: str) -> str:
    """apt-get without questions; keeps what the operator has changed."""
    options = ["-q", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
    return installation.box.run(["apt-get", *options, *words], timeout=300).stdout


def test_life(fresh: Installation) -> None:
    """`apt install ./…deb`, the steps of the operator's page, and orders go through; an upgrade
    while it runs starts anew what ran, keeps the operator's properties and loses no order; purging
    leaves nothing of the program, and what only this host has: trees, certificates, keys.
    """
    box = fresh.box
    [first, second] = [
        f"/tmp/sales-orders_{version}_{box.run('dpkg --print-architecture').stdout.strip()}.deb"
        for version in (VERSION, NEWER)
    ]
    apt(fresh, "install", first)
    assert box.property("sales-order.target", "ActiveState") == "inactive"
    fresh.set_up()
    box.run("systemctl enable --now sales-order.target")
    fresh.start()
    fresh.play(6, seed=41)
    pids = [box.property(f"{daemon}.service", "MainPID") for daemon in DAEMONS]
    box.write(PROPERTIES, box.root(PROPERTIES).read_text() + MARK)
    # Orders that stand half way when the upgrade comes.
    waiting = fresh.submit(6, seed=42)

    apt(fresh, "install", second)
    for daemon in DAEMONS:
        box.wait_for(f"{daemon}.service", ActiveState="active")
    box.wait_for("sales-order-probe.timer", ActiveState="active")
    assert not {*pids} & {box.property(f"{daemon}.service", "MainPID") for daemon in DAEMONS}
    assert box.root(PROPERTIES).read_text().endswith(MARK)
    fresh.play(2, seed=43)
    complete = "select count(*) from sales_order where status = 'COMPLETE'"
    assert int(fresh.value(complete)) == 6 + waiting + 2

    said = box.run(["apt-get", "purge", "-q", "-y", "sales-orders"], timeout=300)
    assert "/var/lib/sales-orders is not empty and is kept" in said.stderr + said.stdout
    for gone in ("/usr/lib/sales-orders", "/usr/bin/cmp-orders", PROPERTIES):
        assert not box.root(gone).exists(), gone
    units = box.run("systemctl list-unit-files --no-legend 'sales-order*'", check=False).stdout
    assert units == ""
    for kept in (
        "/var/lib/sales-orders/out/archive/LONDON",
        "/etc/sales-orders/trust/own/signing.pem",
        "/etc/credstore/sales-orders.signing.key",
    ):
        assert box.root(kept).exists(), kept
    assert box.run("dpkg --audit").stdout == ""
    assert box.run("systemctl --failed --no-legend").stdout == ""
