"""The operator's page, followed word for word on a clean Debian 12; the life of the package."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.generator import catalogue
from tests.system.systemd.box import Box, wait
from tests.system.systemd.conftest import VERSION, built
from tests.system.systemd.debian import Debian
from tests.system.systemd.installation import DAEMONS, Installation

PAGE = (Path(__file__).parents[3] / "docs" / "operators.md").read_text("utf-8")
NEWER = f"{VERSION}+next"
PROPERTIES = "/etc/sales-orders/sales-orders.properties"
MARK = "# what the operator wrote\n"
SPACE = "sales.order.probe.space.warning = 2MB\nsales.order.probe.space.severe = 1MB\n"
EXTRACT = "sales-order-extract-to-generic.service"
PRELUDE = """\
cd /root
shopt -s expand_aliases
alias orders='sudo -u sales_order_console cmp-orders'
"""
QUIET = """\
APT::Get::Assume-Yes "true";
APT::Install-Recommends "false";
Dpkg::Options { "--force-confold"; };
"""


def block(words: str) -> str:
    """The page's block that has these words in it."""
    blocks = re.findall(r"^( *)```\n(.*?)^\1```$", PAGE, re.MULTILINE | re.DOTALL)
    [found] = [text for _, text in blocks if words in text]
    return textwrap.dedent(found)


class Operator(Installation):
    """Follows the page; LONDON, its only partner, comes by SFTP."""

    def follow(self, words: str) -> str:
        """Run the page's block that has these words in it, as it stands; what it prints."""
        return self.do(block(words))

    def do(self, steps: str) -> str:
        """Run lines in root's shell; what they print."""
        self.box.write("/root/steps", PRELUDE + steps)
        return self.box.run(["bash", "-e", "/root/steps"], timeout=300).stdout

    def answer(self, warehouse: str) -> None:
        """The partner takes what lies there, by SFTP, and drops its answers so."""
        assert warehouse == "LONDON"
        names = self.sftp("ls -1 out").split()
        self.sftp(*(f"get {name} /srv/london/take/" for name in names))
        self.sftp(*(f"rm {name}" for name in names))
        self.box.run("chown -R nobody: /srv/london/take")
        self.box.run(
            "cd /srv/london; cmp-orders warehouse run --warehouse LONDON --folder /srv/london"
            " --take take --drop drop --plan clean --once --settle; chmod 0640 drop/* || true",
            user="nobody",
        )
        made = self.box.run("ls /srv/london/drop").stdout.split()
        for name in made:
            self.sftp(f"put /srv/london/drop/{name} in/.{name}", f"rename in/.{name} in/{name}")
            self.box.run(f"rm /srv/london/drop/{name}")

    def sftp(self, *commands: str) -> str:
        """What the partner's account is told in a session of sftp; each command must succeed."""
        told = self.box.run(
            "sftp -q -b - -i /root/london -o StrictHostKeyChecking=no"
            " -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR sales_partner_london@127.0.0.1",
            text="".join(f"{command}\n" for command in commands),
        ).stdout
        return "".join(line + "\n" for line in told.splitlines() if not line.startswith("sftp>"))


# Of the session: between two of these tests a worker may take one of another module.
@pytest.fixture(scope="session")
def operator(debian: Debian, package: Path) -> Iterator[Operator]:
    """A clean Debian with nothing but the two packages beside it."""
    newer = built(package.parents[1], NEWER)
    with Box(lower=debian.root()) as box:
        for one in (package, newer):
            box.root(f"/root/{one.name}").write_bytes(one.read_bytes())
        box.write("/etc/apt/apt.conf.d/90quiet", QUIET)
        box.write("/etc/hosts", "127.0.0.1 localhost box\n")
        # systemd-run speaks through it; a box does without otherwise.
        box.run("rm -f /etc/systemd/system/dbus.*; systemctl daemon-reload")
        box.run("systemctl start dbus.socket; apt-get install -q sudo")
        yield Operator(box, partners=("LONDON",))


def install(operator: Operator) -> None:
    """Steps 1 to 5 of the page."""
    box = operator.box
    architecture = box.run("dpkg --print-architecture").stdout.strip()
    operator.do(block("apt install ./").replace("amd64", architecture))
    assert box.property("sales-order.target", "ActiveState") == "inactive"
    # A box's disk is its memory, and small.
    box.write(PROPERTIES, box.root(PROPERTIES).read_text() + MARK + SPACE)
    operator.follow("createdb")
    operator.follow('keys generate --name "CMP Example Telecom"\n')
    box.write("/root/products.csv", products())
    operator.follow("product import")


def products() -> str:
    """What LONDON sells, as CSV."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["code", "description", "warehouse", "serialised", "billable", "attributes"])
    for one in catalogue(1).products:
        if one.warehouse == "LONDON":
            flags = [str(flag).lower() for flag in (one.serialised, one.billable)]
            attributes = ";".join(one.attributes)
            rows.writerow([one.code, one.description, "LONDON", *flags, attributes])
    return text.getvalue()


def bring_partner(operator: Operator) -> None:
    """Step 6: the account, SFTP, certificates; the partner's own side stays with nobody."""
    box = operator.box
    operator.do(
        "mkdir -p /srv/london/take /srv/london/drop /srv/london/trust/CMP\n"
        "cmp-orders keys generate --name LONDON --trust /srv/london/trust"
        " --credentials /srv/london/credentials\n"
        "cp /etc/sales-orders/trust/own/*.pem /srv/london/trust/CMP/\n"
        "for use in signing encryption; do"
        " cp /srv/london/trust/own/$use.pem london-$use.pem; done\n"
        "chown -R nobody: /srv/london\n"
    )
    operator.follow("partner.$kind.conf")
    operator.follow("tree init")
    operator.do("apt-get install openssh-server; ssh-keygen -q -t ed25519 -N '' -f london")
    box.write("/etc/ssh/sshd_config.d/sales-orders.conf", block("ChrootDirectory"))
    box.write("/etc/fstab", block("none  bind"))
    operator.follow("authorized_keys.d/sales_partner_london")


def test_from_nothing_to_running(operator: Operator) -> None:
    """The page's blocks, run in its order as they stand, lead from a clean Debian 12 with its own
    PostgreSQL to orders that a partner takes and answers by SFTP.
    """
    install(operator)
    bring_partner(operator)
    told = operator.follow("enable --now sales-order.target")
    assert told.count("Active: active (running)") == len(DAEMONS)
    assert "Severe" not in told
    for daemon in DAEMONS:
        operator.box.wait_for(f"{daemon}.service", ActiveState="active")
    operator.play(4)
    assert "nothing to mend" in operator.follow("--unit=sales-order-check")
    verified = operator.box.run(
        "cd /lib/systemd/system; systemd-analyze verify --man=no sales-order*.service"
        " sales-order*.target sales-order*.timer",
        check=False,
    )
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


def test_sftp_is_locked_in(operator: Operator) -> None:
    """By SFTP the partner sees its two directories and nothing else; a file that it uploads with a
    mode of its own alone is refused with what to mend.
    """
    assert operator.sftp("ls -1 /").split() == ["/in", "/out"]
    for command in ("get in/../../etc/passwd /dev/null", "put /etc/hostname /x", "rename in out/x"):
        with pytest.raises(AssertionError):
            operator.sftp(command)
    shell = operator.box.run(
        "ssh -i /root/london -o StrictHostKeyChecking=no sales_partner_london@127.0.0.1 id",
        check=False,
    )
    assert "sftp connections only" in shell.stdout
    operator.do("echo x > mine.p7m; chmod 0600 mine.p7m")
    operator.sftp("put /root/mine.p7m in/.m", "rename in/.m in/mine.p7m")
    reason = "select reason from inbound_file where partner_name = 'mine.p7m'"
    wait(lambda: operator.value(reason) == "NOT_READABLE", "the file to be refused")


def test_keys_are_rotated(operator: Operator) -> None:
    """The page's lines rotate both keys, and keep one encrypted; orders go on all the while."""
    own, theirs = "/etc/sales-orders/trust/own", "/srv/london/trust/CMP"
    operator.follow("keys rotate --use signing\n")
    operator.do(f"install -o nobody {own}/signing-*.pem {theirs}/signing-new.pem")
    operator.follow("keys rotate --use signing --switch")
    operator.do(f"rm {theirs}/signing.pem")
    operator.play(2)
    operator.follow("keys rotate --use encryption\n")
    # To the old key still: both open.
    operator.play(2)
    operator.do(f"install -o nobody {own}/encryption-*.pem {theirs}/encryption.pem")
    operator.play(2)
    operator.follow("keys rotate --use encryption --finish")
    operator.do("systemctl restart sales-order-load-from-generic")
    operator.play(2)
    assert "can be opened" in operator.follow("shred -u")
    assert not operator.box.root("/etc/credstore/sales-orders.signing.key").exists()
    operator.play(2)


def test_upgraded_while_it_runs(operator: Operator) -> None:
    """An upgrade starts anew what ran, keeps the operator's properties and loses no order."""
    box = operator.box
    pids = {box.property(f"{daemon}.service", "MainPID") for daemon in DAEMONS}
    # Orders that stand half way when the upgrade comes.
    operator.submit(4)
    operator.do(f"apt-get install ./sales-orders_{NEWER}_*.deb")
    for daemon in DAEMONS:
        box.wait_for(f"{daemon}.service", ActiveState="active")
    box.wait_for("sales-order-probe.timer", ActiveState="active")
    assert not pids & {box.property(f"{daemon}.service", "MainPID") for daemon in DAEMONS}
    assert MARK in box.root(PROPERTIES).read_text()
    operator.play(2)
    assert operator.value("select count(*) from sales_order where status <> 'COMPLETE'") == "0"


def test_removed_and_installed_again(operator: Operator) -> None:
    """What was removed, but not purged, is as it was when it is installed again: the target starts
    the same units.
    """
    box = operator.box
    operator.do("apt-get remove sales-orders")
    assert box.run("systemctl --failed --no-legend").stdout == ""
    operator.do(f"apt-get install ./sales-orders_{NEWER}_*.deb")
    assert box.property("sales-order-dispatch", "ActiveState") == "inactive"
    operator.start()
    box.wait_for("sales-order-probe.timer", ActiveState="active")
    operator.play(2)


def test_purged(operator: Operator) -> None:
    """Purging leaves nothing of the program, and what only this host has: trees, certificates,
    keys; it names them.
    """
    box = operator.box
    said = box.run("apt-get purge sales-orders 2>&1", timeout=300).stdout
    kept = ("/var/lib/sales-orders", "/etc/sales-orders")
    assert all(f"{one} is not empty and is kept" in said for one in kept)
    for gone in ("/usr/lib/sales-orders", "/usr/bin/cmp-orders", PROPERTIES):
        assert not box.root(gone).exists(), gone
    assert box.run("systemctl list-unit-files --no-legend 'sales-order*'", check=False).stdout == ""
    assert box.run("find /etc/systemd/system -name 'sales-order*' -type l").stdout == ""
    for path in (
        "/var/lib/sales-orders/out/archive/LONDON",
        "/etc/credstore/sales-orders.decryption.key",
        "/etc/credstore.encrypted/sales-orders.signing.key",
    ):
        assert box.root(path).exists(), path
    own = box.root("/etc/sales-orders/trust/own")
    assert {path.name.split("-")[0] for path in own.iterdir()} == {"signing", "encryption"}
    assert box.run("dpkg --audit").stdout == ""
    assert box.run("systemctl --failed --no-legend").stdout == ""
