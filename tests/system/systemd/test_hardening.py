"""What no unit can do, tried from within under its own settings, in a booted systemd."""

from __future__ import annotations

import pytest

from tests.system.systemd.installation import ATTEMPTS, DAEMONS, Installation

OUT, IN = "/var/lib/sales-orders/out", "/var/lib/sales-orders/in"
UNITS = (*DAEMONS, "sales-order-probe", "sales-order-purge")
KEYS = {
    "sales-order-extract-to-generic": "signing.key",
    "sales-order-load-from-generic": "decryption.key",
}
FORBIDDEN = (
    "write /etc/x",
    "write /usr/lib/sales-orders/x",
    "write /var/lib/x",
    "write /root/x",
    "write /home/x",
    "write /etc/sales-orders/trust/own/signing.pem.new",
    "read /etc/shadow",
    "read /etc/credstore/sales-orders.signing.key",
    "read /etc/credstore/sales-orders.decryption.key",
    "read /dev/kmsg",
    "raw",
    "connect 127.0.0.1:5432",
    "connect 192.0.2.1:443",
    "become 0",
    "setuid_file /tmp/x",
    "namespace",
    "mount_",
    "executable_memory",
    "dump_core",
    "clock",
    "see 1",
)


@pytest.mark.parametrize("unit", UNITS)
def test_nothing_else_can_be_done(installed: Installation, unit: str) -> None:
    """No unit writes outside its tree, reads keys or others' processes, has a network, becomes
    another user, or gets at the kernel.
    """
    ours = installed.box.run("id -u sales_order_dispatch").stdout.strip()
    other = ours if unit != "sales-order-dispatch" else "65534"
    answers = installed.try_as(unit, *FORBIDDEN, f"become {other}", "write /tmp/x")
    assert answers.pop("write /tmp/x") == "done"
    assert {attempt for attempt, answer in answers.items() if answer == "done"} == set()


def test_attempts_are_real(installed: Installation) -> None:
    """Outside of a unit, as root, what is tried above succeeds: it is the unit that forbids it."""
    box = installed.box
    box.write("/srv/attempts.py", ATTEMPTS.read_text("utf-8"))
    elsewhere = {"read /dev/kmsg", "clock", "connect 192.0.2.1:443", "connect 127.0.0.1:5432"}
    # The box itself forbids the clock and has neither a kernel's log nor a way out.
    possible = [attempt for attempt in FORBIDDEN if attempt not in elsewhere]
    for attempt in possible:
        told = box.run(["/usr/bin/python3", "/srv/attempts.py", attempt]).stdout
        assert '"done"' in told, told


@pytest.mark.parametrize("unit", UNITS)
def test_trees(installed: Installation, unit: str) -> None:
    """Only Extract to Generic writes in the outbound tree, only Load from Generic in the inbound
    one, and a file can be renamed within each; nobody else so much as looks into either.
    """
    out = f"rename {OUT}/work/LONDON/.t>{OUT}/LONDON/.t"
    in_ = f"rename {IN}/LONDON/.t>{IN}/work/LONDON/.t"
    answers = installed.try_as(unit, out, in_)
    allowed = {
        "sales-order-extract-to-generic": {out},
        "sales-order-load-from-generic": {in_},
    }
    done = {attempt for attempt, answer in answers.items() if answer == "done"}
    assert done == allowed.get(unit, set())


@pytest.mark.parametrize("unit", UNITS)
def test_certificates(installed: Installation, unit: str) -> None:
    """Only who works with files, and the probes, sees whose signature is believed."""
    answers = installed.try_as(unit, "look /etc/sales-orders/trust", "look /var/lib/sales-orders")
    rows_only = ("sales-order-request-extract", "sales-order-dispatch", "sales-order-purge")
    assert set(answers.values()) == ({"EACCES"} if unit in rows_only else {"done"})


@pytest.mark.parametrize("unit", UNITS)
def test_keys(installed: Installation, unit: str) -> None:
    """A daemon is given its own private key, and cannot read that of another one that runs."""
    installed.start()
    attempting = f"sales-order-attempt-{unit.removeprefix('sales-order-')}.service"
    own = {f"read /run/credentials/{attempting}/{key}" for one, key in KEYS.items() if one == unit}
    others = {f"read /run/credentials/{one}.service/{key}" for one, key in KEYS.items()}
    for one, key in KEYS.items():
        assert installed.box.root(f"/run/credentials/{one}.service/{key}").exists()
    answers = installed.try_as(unit, *own, *others)
    assert {attempt for attempt, answer in answers.items() if answer == "done"} == own


def test_keys_are_nowhere_else(running: Installation) -> None:
    """No key and no password is in a daemon's environment or command line, nor in what the console
    shows; the credentials of a unit are gone when it has stopped.
    """
    box = running.box
    secret = box.root("/etc/credstore/sales-orders.signing.key").read_text().splitlines()[1]
    for daemon in DAEMONS:
        pid = box.property(f"{daemon}.service", "MainPID")
        for what in ("environ", "cmdline"):
            text = box.run(f"tr '\\0' '\\n' < /proc/{pid}/{what}").stdout
            assert text
            assert secret not in text
            assert "PRIVATE KEY" not in text
    assert secret not in running.console("config", "show", "--json")
    box.run("systemctl stop sales-order-extract-to-generic")
    assert not box.root("/run/credentials/sales-order-extract-to-generic.service").exists()


def test_users_differ(running: Installation) -> None:
    """Each daemon runs as a user of its own, none of them root, and none leaves a core file."""
    box = running.box
    pids = [box.property(f"{daemon}.service", "MainPID") for daemon in DAEMONS]
    users = {box.root(f"/proc/{pid}").stat().st_uid for pid in pids}
    assert len(users) == len(DAEMONS)
    assert 0 not in users
    for pid in pids:
        limits = box.root(f"/proc/{pid}/limits").read_text()
        assert limits.split("Max core file size")[1].split()[:2] == ["0", "0"]


def test_root_is_the_console(installed: Installation) -> None:
    """What root says to the console is done in the console's role, and told as root's doing."""
    box = installed.box
    assert box.run("cmp-orders status").returncode == 0
    told = box.run("SALES_ORDER_DATABASE_USER=sales_order_nobody cmp-orders status", check=False)
    assert told.returncode != 0
    refused = box.run("cmp-orders status", user="sales_order_dispatch", check=False)
    assert "Peer authentication failed" in refused.stderr


def test_roles_are_peers(installed: Installation) -> None:
    """PostgreSQL knows each daemon by its user, without a password; none can be another's role."""
    box = installed.box
    for user in ("sales_order_dispatch", "sales_order_console"):
        told = box.run(
            "SALES_ORDER_DATABASE_USER=sales_order_extract_to_generic"
            " cmp-sales-order-dispatch --check",
            user=user,
            check=False,
        )
        assert told.returncode != 0
        assert "Peer authentication failed" in told.stderr
