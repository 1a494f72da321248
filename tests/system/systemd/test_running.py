"""The daemons as services of a real systemd: start, stop, restart, reload, crash, hang."""

from __future__ import annotations

import pytest

from tests.system.systemd.box import wait
from tests.system.systemd.installation import DAEMONS, Installation

PROPERTIES = "/etc/sales-orders/sales-orders.properties"
TRUST = "/etc/sales-orders/trust"
EXTRACT = "sales-order-extract-to-generic.service"
LOAD = "sales-order-load-from-generic.service"
DISPATCH = "sales-order-dispatch.service"


def pid_of(installation: Installation, unit: str) -> str:
    """The daemon's process."""
    return installation.box.property(unit, "MainPID")


def told_of(installation: Installation, unit: str, after: int) -> str:
    """What systemd itself tells of a unit, later than `after`."""
    lines = installation.box.later(after, f"UNIT={unit}")
    return "\n".join(str(line["MESSAGE"]) for line in lines)


def test_orders_go_all_the_way(running: Installation) -> None:
    """Orders that the console submits are sealed, published, answered by both partners' accounts,
    loaded, applied and Complete, each daemon within its own hardened unit.
    """
    running.play(30)
    assert running.value("select count(*) from batch where stage_status = 'Error'") == "0"


def test_status_says_what_waits(running: Installation) -> None:
    """`systemctl status` shows what was last done and how much waits."""
    running.play(3)
    waits = ("orders to generate", "batches to seal", "files to load", "batches to apply")
    for daemon, words in zip(DAEMONS, waits, strict=True):
        text = running.box.property(f"{daemon}.service", "StatusText")
        assert "last done: " in text
        assert words in text


def test_target_is_all_of_it(running: Installation) -> None:
    """Stopping the target stops every daemon in time and in good order, starting it starts them,
    restarting it gives each a new process.
    """
    box = running.box
    box.run("systemctl stop sales-order.target")
    for daemon in DAEMONS:
        box.wait_for(f"{daemon}.service", ActiveState="inactive", Result="success")
    box.wait_for("sales-order-probe.timer", ActiveState="inactive")
    running.start()
    before = [pid_of(running, f"{daemon}.service") for daemon in DAEMONS]
    box.run("systemctl restart sales-order.target")
    running.start()
    after = [pid_of(running, f"{daemon}.service") for daemon in DAEMONS]
    assert not set(before) & set(after)


@pytest.mark.parametrize("daemon", DAEMONS)
def test_killed(running: Installation, daemon: str) -> None:
    """A daemon that is killed runs again by itself, and is ready to work."""
    unit = f"{daemon}.service"
    before = pid_of(running, unit)
    running.box.run(f"systemctl kill --signal=KILL {unit}")
    wait(lambda: pid_of(running, unit) not in {before, "0"}, "a new process")
    running.box.wait_for(unit, ActiveState="active")


def test_hung(running: Installation) -> None:
    """A daemon that hangs is ended by the watchdog and started again: the working loop feeds it."""
    running.drop_in(DISPATCH, "[Service]\nWatchdogSec=1s\n")
    running.box.run(f"systemctl restart {DISPATCH}")
    before = pid_of(running, DISPATCH)
    now = running.box.now()
    running.box.run(f"systemctl kill --signal=STOP {DISPATCH}")
    wait(lambda: "result 'watchdog'" in told_of(running, DISPATCH, now), "the watchdog")
    wait(lambda: pid_of(running, DISPATCH) not in {before, "0"}, "a new process")


def test_database_away(running: Installation) -> None:
    """Without a database nothing ends: STATUS says since when, and the work goes on by itself."""
    box = running.box
    before = pid_of(running, DISPATCH)
    box.run("systemctl stop postgresql")
    wait(lambda: "failing since" in box.property(DISPATCH, "StatusText"), "the status to say it")
    box.run("systemctl start postgresql")
    running.play(3)
    assert pid_of(running, DISPATCH) == before


def test_started_before_the_database(running: Installation) -> None:
    """A daemon that starts while the database is away waits for it, for as long as it takes."""
    box = running.box
    box.run("systemctl stop sales-order.target postgresql")
    box.wait_for(DISPATCH, ActiveState="inactive")
    now = box.now()
    box.run(f"systemctl start --no-block {DISPATCH}")
    box.wait_for_line("EVENT=DATABASE_AWAY", f"_SYSTEMD_UNIT={DISPATCH}", after=now)
    first = pid_of(running, DISPATCH)
    assert box.property(DISPATCH, "ActiveState") == "activating"
    box.run("systemctl start postgresql")
    box.wait_for(DISPATCH, ActiveState="active", MainPID=first)


def test_bad_property(running: Installation) -> None:
    """A bad property ends the start with 78 and one event that names file and line; systemd does
    not try it again and again, and once it is mended it starts.
    """
    box = running.box
    good = box.root(PROPERTIES).read_text()
    now = box.now()
    try:
        box.write(PROPERTIES, good + "sales.order.dispatch.interval = soon\n")
        assert box.run(f"systemctl restart {DISPATCH}", check=False).returncode != 0
        box.wait_for(DISPATCH, ActiveState="failed", ExecMainStatus="78")
        restarts = box.property(DISPATCH, "NRestarts")
        line = box.wait_for_line("EVENT=CONFIG_REFUSED", f"_SYSTEMD_UNIT={DISPATCH}", after=now)
        assert f"{PROPERTIES}:" in line["PROBLEM"]
        assert box.property(DISPATCH, "NRestarts") == restarts
    finally:
        box.write(PROPERTIES, good)
    box.run(f"systemctl reset-failed {DISPATCH}; systemctl start {DISPATCH}")
    box.wait_for(DISPATCH, ActiveState="active")


def test_missing_key(running: Installation) -> None:
    """Without its key a daemon says which is missing and where, instead of failing mutely."""
    box = running.box
    key = "/etc/credstore/sales-orders.signing.key"
    now = box.now()
    box.run(f"mv {key} /root/signing.key")
    try:
        assert box.run(f"systemctl restart {EXTRACT}", check=False).returncode != 0
        box.wait_for(EXTRACT, ActiveState="failed", ExecMainStatus="78")
        line = box.wait_for_line("EVENT=CONFIG_REFUSED", f"_SYSTEMD_UNIT={EXTRACT}", after=now)
        assert "signing.key" in line["PROBLEM"]
    finally:
        box.run(f"mv /root/signing.key {key}")


def reload(installation: Installation, unit: str, event: str) -> dict[str, str]:
    """Reload a unit and wait for what comes of it."""
    now = installation.box.now()
    installation.box.run(f"systemctl reload {unit}")
    line: dict[str, str] = installation.box.wait_for_line(
        f"EVENT={event}", f"_SYSTEMD_UNIT={unit}", after=now
    )
    return line


def test_reload_takes_new_certificates(running: Installation) -> None:
    """`systemctl reload` rereads the partners' certificates: a partner that has changed its key is
    believed from then on, without a restart.
    """
    box = running.box
    before = pid_of(running, LOAD)
    box.run(
        "cd /srv/london; cp -a trust/own/signing.pem /root/first.pem;"
        "cp -a credentials/signing.key /root/first.key;"
        "cmp-orders keys generate --name LONDON --use signing --overwrite --trust trust"
        " --credentials credentials; chown sales_partner_london: credentials/* trust/own/*"
    )
    try:
        box.run(f"cp /srv/london/trust/own/signing.pem {TRUST}/LONDON/signing-new.pem")
        reload(running, LOAD, "CONFIG_RELOADED")
        running.play(6)
    finally:
        box.run(
            f"rm {TRUST}/LONDON/signing-new.pem; cp -a /root/first.pem"
            " /srv/london/trust/own/signing.pem;"
            "cp -a /root/first.key /srv/london/credentials/signing.key"
        )
        reload(running, LOAD, "CONFIG_RELOADED")
    assert pid_of(running, LOAD) == before


@pytest.mark.parametrize("unit", [EXTRACT, LOAD])
def test_reload_refuses_a_bad_certificate(running: Installation, unit: str) -> None:
    """A certificate that is none is refused with an event that names it; the daemon goes on with
    those that it has, and the orders too.
    """
    box = running.box
    before = pid_of(running, unit)
    box.write(f"{TRUST}/LONDON/signing-bad.pem", "no certificate\n")
    try:
        line = reload(running, unit, "CONFIG_REFUSED")
        assert "signing-bad.pem" in line["PROBLEM"]
        running.play(3)
    finally:
        box.run(f"rm {TRUST}/LONDON/signing-bad.pem")
    assert pid_of(running, unit) == before


def test_reload_refuses_a_bad_property(running: Installation) -> None:
    """The same with a property: told, and the daemon stays as it was."""
    box = running.box
    before = pid_of(running, DISPATCH)
    good = box.root(PROPERTIES).read_text()
    try:
        box.write(PROPERTIES, good + "sales.order.dispatch.interval = soon\n")
        assert "interval" in reload(running, DISPATCH, "CONFIG_REFUSED")["PROBLEM"]
        assert box.property(DISPATCH, "ActiveState") == "active"
    finally:
        box.write(PROPERTIES, good)
    assert pid_of(running, DISPATCH) == before


def test_encrypted_key(running: Installation) -> None:
    """A private key that is kept encrypted (systemd-creds) serves like a plain one."""
    box = running.box
    plain = "/etc/credstore/sales-orders.signing.key"
    box.run(
        "mkdir -p -m 700 /etc/credstore.encrypted; systemd-creds setup;"
        f"systemd-creds encrypt --name=signing.key {plain}"
        " /etc/credstore.encrypted/sales-orders.signing.key; mv /etc/credstore/*signing.key /root/"
    )
    try:
        running.drop_in(
            EXTRACT, "[Service]\nLoadCredentialEncrypted=signing.key:sales-orders.signing.key\n"
        )
        box.run(f"systemctl restart {EXTRACT}")
        running.play(3)
    finally:
        box.run("mv /root/sales-orders.signing.key /etc/credstore/")
    running.box.run(f"rm -r /run/systemd/system/{EXTRACT}.d; systemctl daemon-reload")
    running.box.run(f"systemctl restart {EXTRACT}")


def test_rotated_key(running: Installation) -> None:
    """Rotation is a restart: the key before this one still opens what was encrypted to it."""
    box = running.box
    box.run(
        "cd /etc/credstore; mv sales-orders.decryption.key sales-orders.decryption.previous.key;"
        f"cd {TRUST}/own; mv encryption.pem encryption-2026.pem;"
        "cmp-orders keys generate --name CMP --use encryption"
    )
    box.run(f"systemctl restart {LOAD}")
    # The partners know the first certificate only.
    running.play(4)


def test_a_service_checks_for_fraud(running: Installation) -> None:
    """With the drop-in that lies ready, and with it alone, Request Extract reaches the service that
    its properties name; what has passed goes all the way.
    """
    box = running.box
    unit = "sales-order-request-extract.service"
    good = box.root(PROPERTIES).read_text()
    ready = box.root("/usr/share/sales-orders/fraud-service.conf").read_text("utf-8")
    fraud = "sales.order.request.extract.fraud"
    asked = "select count(*) from fraud_check where checker = 'http'"
    try:
        box.run(
            "systemd-run --quiet --unit=fraud-service --uid=sales_order_console"
            " cmp-orders fraud serve --port 18089"
        )
        box.write("/etc/credstore/sales-orders.fraud.token", "token", 0o600)
        box.write(
            PROPERTIES,
            f"{good}{fraud}checkrequired = true\n{fraud}.checker = http\n"
            f"{fraud}.http.url = http://127.0.0.1:18089/\n",
        )
        before = box.now()
        box.run(f"systemctl restart {unit}")
        running.submit(3)
        line = box.wait_for_line("EVENT=UNIT_DEFERRED", f"_SYSTEMD_UNIT={unit}", after=before)
        assert "away" in line["WHY"]
        assert running.value(asked) == "0"
        running.drop_in(unit, ready.replace("192.0.2.20", "127.0.0.1"))
        box.run(f"systemctl restart {unit}")
        running.play(3)
        assert running.value(asked) == "6"
    finally:
        box.write(PROPERTIES, good)
        box.run("systemctl stop fraud-service; rm /etc/credstore/sales-orders.fraud.token")
        box.run(f"rm -rf /run/systemd/system/{unit}.d; systemctl daemon-reload")
        box.run(f"systemctl restart {unit}")
