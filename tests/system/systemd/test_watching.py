"""What those who watch it see under systemd: fields of the journal, probes, metrics, retention."""

from __future__ import annotations

from core.events import Event
from tests.system.systemd.box import wait
from tests.system.systemd.installation import CONSOLE, Installation

PROPERTIES = "/etc/sales-orders/sales-orders.properties"
METRICS = "/var/lib/sales-orders/metrics/sales_orders.prom"
WATCH = "/usr/share/sales-orders/monitoring/sales-orders-watch"


def test_fields(running: Installation) -> None:
    """A line of the journal has its batch, file, warehouse and event as fields, the event's own
    message id, and the priority of its level; by any of them it is found.
    """
    running.play(3)
    box = running.box
    [*_, line] = box.journal("EVENT=BATCH_PUBLISHED")
    assert line["MESSAGE_ID"] == Event.BATCH_PUBLISHED.message_id
    assert line["PRIORITY"] == "6"
    assert line["DAEMON"] == "extract-to-generic"
    assert line["FILE"] == f"order-request-{line['WAREHOUSE']}-{int(line['FILE_SEQUENCE']):08}.p7m"
    batch = line["BATCH_ID"]
    told = {one["EVENT"] for one in box.journal(f"BATCH_ID={batch}")}
    assert {"BATCH_CREATED", "BATCH_SEALED", "BATCH_PUBLISHED"} <= told
    assert box.journal(f"MESSAGE_ID={Event.FILE_LOADED.message_id}", "WAREHOUSE=LONDON")


def test_probes_and_metrics(running: Installation) -> None:
    """The probes' unit sees all it has to within its hardening, writes metrics that others can
    read, and does not fail when a probe is not met: that it tells the journal.
    """
    box = running.box
    good = box.root(PROPERTIES).read_text()
    box.run("systemctl start sales-order-probe.service")
    assert 'sales_orders_probe_verdict{probe="ahead",about="LONDON"} 0' in read(running, METRICS)
    assert 'about="own signing"} 0' in read(running, METRICS)
    for verdict, limit in (("WARNING", "warning"), ("SEVERE", "severe")):
        now = box.now()
        try:
            box.write(PROPERTIES, good + f"sales.order.probe.keys.{limit} = 3000d\n")
            box.run("systemctl start sales-order-probe.service")
            line = box.wait_for_line(f"EVENT=PROBE_{verdict}", "ABOUT=own signing", after=now)
        finally:
            box.write(PROPERTIES, good)
        assert line["PROBE"] == "keys"
        assert line["_SYSTEMD_UNIT"] == "sales-order-probe.service"
        assert box.property("sales-order-probe.service", "Result") == "success"


def read(installation: Installation, path: str) -> str:
    """A file, as somebody who is nobody here."""
    return installation.box.run(["cat", path], user="nobody").stdout


def test_purged_by_its_timer(running: Installation) -> None:
    """The unit of the timer removes what is too old, as a user that can do nothing else, and tells
    how much.
    """
    running.play(2)
    box = running.box
    # The partners' takings are recorded within a second.
    wait(
        lambda: running.value("select count(*) from outbound_file where taken_at is null") == "0",
        "the files to be recorded as taken",
    )
    settled = running.value("select count(*) from sales_order where status = 'COMPLETE'")
    running.value("update sales_order set status_at = status_at - interval '13 months'")
    running.value("update batch set stage_at = stage_at - interval '13 months'")
    good = box.root(PROPERTIES).read_text()
    now = box.now()
    try:
        box.write(PROPERTIES, good + "sales.order.retention.months = 12\n")
        box.run("systemctl start sales-order-purge.service")
    finally:
        box.write(PROPERTIES, good)
    line = box.wait_for_line("EVENT=ORDERS_PURGED", after=now)
    assert line["ORDERS"] == settled
    assert running.value("select count(*) from sales_order where status = 'COMPLETE'") == "0"
    running.console("reconcile")
    running.play(2)


def test_watch_script(running: Installation) -> None:
    """The script over the journal tells each trouble once, by its exit code how bad it is."""
    box = running.box

    def watch() -> tuple[int, str]:
        done = box.run([WATCH, "/root/watch/cursor"], check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout

    watch()
    assert watch() == (0, "")
    now = box.now()
    box.run("echo x > /var/lib/sales-orders/in/LONDON/watched.p7m", user="sales_partner_london")
    box.wait_for_line("EVENT=FILE_QUARANTINED", after=now)
    code, told = watch()
    assert code == 1
    assert "FILE_QUARANTINED" in told
    assert watch() == (0, "")
    now = box.now()
    box.run("systemctl stop postgresql")
    box.wait_for_line("EVENT=DATABASE_AWAY", after=now)
    assert watch()[0] == 2
    box.run("systemctl start postgresql")


def test_operator_is_named(running: Installation) -> None:
    """What an operator does as the console's user behind sudo is told under the operator's name."""
    running.box.run("systemctl stop sales-order-request-extract")
    running.submit(1)
    order = running.value("select max(id) from sales_order")
    running.box.run(f"SUDO_USER=zoe cmp-orders order cancel id:{order} --reason x", user=CONSOLE)
    who = f"select who from order_history where order_id = {order} order by id desc limit 1"
    assert running.value(who) == "console zoe"
