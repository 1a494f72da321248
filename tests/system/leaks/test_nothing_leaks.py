"""Four daemons and the console, through all that goes well and much that does not: who sees what.

Markers are planted in orders, in partners' files, as password and in keys. Then everything that was
written is searched for them: standard output and error, logs, `.reason` files, manifests, reasons
and sentences of the tables, acknowledgements, and what the processes show of themselves. Only
`order show`, `file open` and the list of blocked addresses, which are documented to print such
things, may.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from console.main import main
from core import envelope
from core.envelope import Profile
from tests.daemons.depot import document
from tests.daemons.desk import imei, line, record
from tests.postgres import Database
from tests.site import DAEMONS, Site
from tests.system.leaks.planted import CUSTOMER, PARTNER, PASSWORD, Search, keys_of

REPOSITORY = Path(__file__).parents[3]
CREDENTIAL = "sales.order.database.password"
DEADLINE = 60.0


class Planted:
    """An installation, what is planted in it, and what was written."""

    def __init__(self, root: Path, database: Database, capture: pytest.CaptureFixture[str]) -> None:
        self.site = Site(root, database, {"LONDON": "ITEM"})
        self.site.settings["sales.order.warehouse.LONDON.acknowledgements"] = "ours"
        self.site.settings["sales.order.request.extract.fraudcheckrequired"] = "true"
        self.site.settings["sales.order.log.level"] = "debug"
        self.site.product("CASE")
        self.site.product(
            "PHONE", serialised=True, attributes=["serialNumber", "imei"], description="A phone"
        )
        (self.site.credentials / CREDENTIAL).write_text(PASSWORD + "\n")
        self._capture = capture
        self._logs = root / "logs"
        self._logs.mkdir()
        self.search = Search(
            {"password": PASSWORD, **CUSTOMER, **PARTNER, **keys_of(self.site.credentials)}
        )
        assert {"credentials/decryption.key", "credentials/signing.key"} <= {*self.search.secrets}

    def order(self, reference: str, **more: Any) -> dict[str, Any]:
        """An order of a customer who is known well."""
        return {
            "reference": reference,
            "accountId": 4711,
            "currency": "GBP",
            "deliveryMethod": "STANDARD",
            "deliveryInstructions": CUSTOMER["instructions"],
            "contact": {
                "name": CUSTOMER["contact"],
                "email": CUSTOMER["email"],
                "phone": CUSTOMER["phone"],
            },
            "delivery": {
                "name": CUSTOMER["name"],
                "lines": [CUSTOMER["line"]],
                "town": CUSTOMER["town"],
                "county": CUSTOMER["county"],
                "country": "GB",
            },
            "items": [
                {"product": "CASE", "quantity": 3, "unitPrice": "1.10"},
                {"product": "PHONE", "quantity": 1, "unitPrice": "499.99"},
            ],
            **more,
        }

    def call(self, *arguments: object, config: Path | None = None, secret: bool = True) -> str:
        """What a verb prints, which is searched unless it may print everything."""
        self._capture.readouterr()
        given = [str(each) for each in arguments]
        code = main(["--config", str(config or self.site.properties_file), *given])
        assert code != 2, f"{given}: no such verb or option"
        said = self._capture.readouterr()
        text = f"{said.out}\n{said.err}"
        if secret:
            self.search.through(f"cmp-orders {' '.join(given[:3])} ({code})", text)
        return text

    def daemon(
        self, name: str, *arguments: str, config: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a daemon, which writes into a file of its own."""
        log = self._logs / f"{name}-{time.monotonic_ns()}.log"
        with log.open("wb") as stream:
            return subprocess.Popen(
                [sys.executable, "-m", f"daemons.{name}", "--config",
                 str(config or self.site.properties_file), *arguments],
                stdout=stream, stderr=stream, cwd=REPOSITORY, env=self.site.environ,
            )  # fmt: skip

    def ended(self, name: str, *arguments: str, config: Path | None = None) -> int:
        """Run a daemon until it ends; its exit code."""
        return self.daemon(name, *arguments, config=config).wait(DEADLINE)

    def logs(self) -> str:
        """All that the daemons have written."""
        return "".join(path.read_text() for path in sorted(self._logs.iterdir()))

    def wait_for(self, question: str) -> None:
        """Return once the database answers true."""
        end = time.monotonic() + DEADLINE
        while not self.site.value(question):
            assert time.monotonic() < end, question + "\n" + self.logs()[-3000:]

    def drop(self, name: str, payload: bytes, *, sealed: bool = True) -> None:
        """Put a file into the inbound directory as the partner does."""
        theirs = self.site.partner_root("LONDON")
        ring = envelope.load(theirs / "trust", theirs / "credentials")
        data = envelope.seal(
            payload,
            signer=ring.signing,
            recipients=ring.encryption_for("CMP"),
            profile=Profile.CMS_GCM,
        )
        inbox = self.site.inbound.inbox("LONDON")
        (inbox / f".{name}").write_bytes(data if sealed else payload)
        (inbox / f".{name}").rename(inbox / name)

    def look_everywhere(self) -> None:
        """Search whatever lies about by now."""
        site, search = self.site, self.search
        search.through("the daemons' logs", self.logs())
        search.through_files((site.inbound.root / "quarantine" / "LONDON").glob("*.reason"))
        search.through_files(
            path for path in (site.outbound.root / "archive").rglob("*")
            if path.is_file() and path.suffix != ".p7m"
        )  # fmt: skip
        for table, columns in TEXTS.items():
            for row in site.rows(f"select {columns} from {table}"):  # noqa: S608  # names of ours
                search.through(table, " ".join(str(each) for each in row))
        theirs = site.partner_root("LONDON")
        ring = envelope.load(theirs / "trust", theirs / "credentials")
        seen = 0
        for path in site.outbound.outbox("LONDON").iterdir():
            opened = envelope.open_(
                path.read_bytes(),
                decryption=ring.decryption,
                signers=ring.signers_of("CMP"),
                profiles=[Profile.CMS_GCM],
            )
            if b'"Acknowledgement"' in opened.payload:
                seen += 1
                search.through("an acknowledgement", opened.payload)
        assert seen > 3


TEXTS = {
    "batch": "reason, sentence",
    "batch_history": "why, who",
    "inbound_file": "partner_name, reason, sentence, external_file_name",
    "outbound_file": "name, reason, sentence",
    "acknowledgement": "reason, sentence, file_name, records",
    "dispatch_detail": "reason, sentence",
    "order_history": "why, who",
    "order_hold": "reason, placed_by",
    "sales_order": "status_reason",
}
"""What is shown to operators and partners."""


@pytest.fixture
def planted(tmp_path: Path, database: Database, capfd: pytest.CaptureFixture[str]) -> Planted:
    """Markers in every place that a customer, a partner or an operator fills."""
    return Planted(tmp_path, database, capfd)


def test_nothing_leaks(planted: Planted) -> None:
    """Customers' data, payloads, passwords and keys are read by nobody whom they are not for."""
    _orders_go_through(planted)
    _the_console_shows(planted)
    _our_own_faults(planted)
    _wrong_surroundings(planted)
    planted.look_everywhere()
    assert not planted.search.found, "\n".join(planted.search.found)
    # What was looked at was worth a look.
    logs = planted.logs()
    for event in (
        "BATCH_PUBLISHED", "FILE_LOADED", "FILE_QUARANTINED", "DISPATCH_APPLIED", "RECORD_REFUSED",
        "UNIT_FAILED", "DATABASE_AWAY", "CONFIG_REFUSED", "CheckViolation", "Traceback",
    ):  # fmt: skip
        assert event in logs, event
    assert len(planted.search.looked_at) > 100
    told = planted.call("order", "show", "WEB-1", secret=False)
    assert CUSTOMER["name"] in told


def _orders_go_through(planted: Planted) -> None:
    """Orders are entered and refused, sent and answered, by the four daemons at once."""
    site = planted.site
    path = site.root / "orders.jsonl"
    address = {"name": CUSTOMER["name"], "lines": [CUSTOMER["line"]], "country": "GB"}
    good = [planted.order(f"WEB-{number}") for number in range(1, 5)]
    wrong: list[dict[str, Any]] = [
        planted.order("X-1", deliveryInstructions=CUSTOMER["instructions"] * 100),
        planted.order("X-2", delivery=address | {"country": CUSTOMER["town"]}),
        planted.order("X-3", delivery=address | {CUSTOMER["email"]: 1}),
        planted.order("X-4", contact={"email": [CUSTOMER["email"]]}),
        planted.order("X-5", accountId=CUSTOMER["phone"]),
        planted.order("X-6", items=[{"product": "NONE", "quantity": 1, "unitPrice": "1"}]),
        planted.order("WEB-1", currency="EUR"),
        planted.order("X-7", delivery=address | {"name": CUSTOMER["name"] + "\0"}),
    ]
    lines = [json.dumps(one) for one in (*good, *wrong)]
    path.write_text("\n".join([*lines, f'{{"{CUSTOMER["name"]}": ', lines[0][:90]]) + "\n")
    refused = site.root / "refused.jsonl"
    planted.call("order", "submit", path, "--refused", refused)
    planted.search.through_files([refused])
    planted.call("order", "submit", path, "--json")
    flat = site.root / "orders.csv"
    flat.write_text(f"reference,{CUSTOMER['name']}\nX-8,{CUSTOMER['email']}\n")
    planted.call("order", "submit", flat)
    running = {name: planted.daemon(name) for name in DAEMONS}
    try:
        planted.wait_for("select count(*) = 4 from request_detail d join outbound_file f"
                         " using (batch_id) where f.published_at is not null")  # fmt: skip
        for process in running.values():
            planted.search.through_process(process.pid)
        _answers_come(planted)
        planted.wait_for("select count(*) >= 8 from inbound_file where status = 'QUARANTINED'")
        planted.wait_for(
            "select exists (select from sales_order where status = 'COMPLETE')"
            " and exists (select from dispatch_detail where reason is not null)"
            " and not exists (select from acknowledgement where published_at is null)"
        )
        for process in running.values():
            planted.search.through_process(process.pid)
    finally:
        for process in running.values():
            process.terminate()
        codes = [process.wait(DEADLINE) for process in running.values()]
    assert codes == [0] * 4


def _answers_come(planted: Planted) -> None:
    """A good file, refused records, and files that are wrong, all full of the partner's words."""
    orders = planted.site.rows(
        "select o.id, array_agg(l.id order by l.id) from sales_order o join request_line l"
        " on l.order_id = o.id group by o.id order by o.id"
    )
    (first, lines), (second, others), *_ = orders
    unit = {"serialNumber": PARTNER["serial"], "imei": imei()}
    more: dict[str, Any] = {
        "carrier": PARTNER["carrier"],
        "trackingNumbers": [PARTNER["tracking"]],
        "errors": [{"id": "E", "errorMessage": PARTNER["error"]}],
    }
    words: dict[str, Any] = {"reason": PARTNER["reason"]}
    phone = line(lines[1], 1, units=[unit | {"note": PARTNER["value"]}])
    planted.drop("good.p7m", document(
        record(first, "D1", line(lines[0], 3, **words), phone, **more),
        record(second, "D2", line(others[0], 9, **words), **more),
        record(second, "D3", line(others[1], 1, units=[unit], **words), **more),
        record(999_999, "D4", line(1, 1, **words), status="REJECTED", **more),
        record(second, "D1", line(others[0], 1, **words), **more),
    ))  # fmt: skip
    one = record(1, "D", line(1, 1, **words), **more)
    value = PARTNER["value"]
    for name, payload in {
        "count": document(one, recordCount=7),
        "house": document(one, wareHouse={"id": value.upper()}),
        "name": document(one, externalFileName=f"{value}!"),
        "property": document(one, **{value: value}),
        "status": document(one | {"status": value}),
        "twice": document(one).replace(b"{", b'{"%s": 1, "%s": 2, ' % ((value.encode(),) * 2), 1),
        "version": document(one, version=value),
        "cut": document(one)[:-9],
    }.items():
        planted.drop(f"{name}.p7m", payload)
    planted.drop("plain.p7m", document(one), sealed=False)


def _the_console_shows(planted: Planted) -> None:
    """Every verb that looks, and those that mend, with what they refuse."""
    for verb in (
        "order list", "order list --json", "order show NOBODY", "batch list", "batch list --json",
        "batch show 1", "batch show 1 --json", "batch show 2 --json", "file list",
        "file list --json", "status", "status --json", "probe run", "reconcile",
        "reconcile --json", "warehouse list --json", "product list --json", "stock show",
        "keys list", "keys list --json", "config show", "config check", "fraud list",
        "fraud try", "fraud try --json", "fraud block --order WEB-2 --reason why",
        "order hold WEB-2 --reason why", "order release WEB-2 --reason why",
        "order cancel WEB-2 --reason why", "order cancel WEB-1 --reason why",
        "order regenerate WEB-1", "order reject WEB-1 --reason why",
        "order reserve", "order reserve WEB-1", "batch reprocess 2", "batch withdraw 1 --reason x",
        "file acknowledge 1", "file requeue 2", "file discard 3 --reason why", "file resend 1",
        "order return WEB-1 --product CASE --quantity 1 --reason why",
        "order return WEB-1 --unit NONE --reason why", "purge --months 1",
        "warehouse pause LONDON --reason why", "warehouse resume LONDON",
    ):  # fmt: skip
        planted.call(*verb.split())
    for (name,) in planted.site.rows("select name from outbound_file limit 2"):
        planted.call("file", "show", name)
        planted.call("file", "show", name, "--json")
        planted.call("file", "inspect", planted.site.outbound.outbox("LONDON") / name)
    for (number,) in planted.site.rows("select id from inbound_file"):
        planted.call("file", "show", number)


def _our_own_faults(planted: Planted) -> None:
    """Errors of the database that quote a row, in daemons and verbs, with their tracebacks."""
    site = planted.site
    path = site.root / "more.jsonl"
    path.write_text(json.dumps(planted.order("WEB-9")) + "\n")
    planted.call("order", "submit", path)
    site.owner.execute(
        "alter table sales_order add constraint odd check (reference <> 'WEB-9') not valid"
    )
    planted.ended("request_extract", "--once")
    site.owner.execute("alter table sales_order drop constraint odd")
    site.owner.execute("alter table dispatch_line add constraint odd check (reason is null)"
                       " not valid")  # fmt: skip
    words: dict[str, Any] = {"reason": PARTNER["reason"]}
    planted.drop("fault.p7m", document(record(1, "F1", line(1, 1, **words))))
    planted.ended("load_from_generic", "--once")
    assert site.rows("select reason from inbound_file where partner_name = 'fault.p7m'") == [
        ("INTERNAL_ERROR",)
    ]
    # Columns of a release to come: the errors quote whole rows.
    for table in ("sales_order", "order_hold"):
        site.owner.execute(f"alter table {table} add column odd text not null default ''")
        site.owner.execute(f"alter table {table} alter column odd drop default")
    path.write_text(json.dumps(planted.order("WEB-10")) + "\n")
    planted.call("order", "submit", path)
    for options in ((), ("--traceback",)):
        said = planted.call(*options, "order", "hold", "WEB-9", "--reason", CUSTOMER["name"])
        assert "NotNullViolation" in said
        assert ("Traceback" in said) == bool(options)
    for table in ("sales_order", "order_hold"):
        site.owner.execute(f"alter table {table} drop column odd")


def _wrong_surroundings(planted: Planted) -> None:
    """The database is away, though there is a password; properties and keys are wrong."""
    site = planted.site
    away = site.root / "away.properties"
    wrong = site.root / "wrong.properties"
    for host, names in (("/nowhere", DAEMONS), ("127.0.0.1", ("dispatch",))):
        text = site.properties_file.read_text().replace(site.database.host, host)
        away.write_text(text.replace(f"port = {site.database.port}", "port = 1"))
        planted.call("status", config=away)
        for name in names:
            assert planted.ended(name, "--check", config=away) == 75
    assert planted.ended("dispatch", "--once", config=away) == 75
    strings = (
        f"sales.order.database.host = postgresql://us:{PASSWORD}@127.0.0.1:1/x",
        f"sales.order.database.name = host=127.0.0.1 port=1 password={PASSWORD}",
        f"{CREDENTIAL} = {PASSWORD}",
        f"sales.order.databse.password = {PASSWORD}",
        f"sales.order.request.extract.fraud.http.url = https://us:{PASSWORD}@127.0.0.1/",
    )
    for text in strings:
        wrong.write_text(text + "\n")
        planted.call("config", "check", config=wrong)
        planted.call("config", "show", config=wrong)
        planted.call("status", config=wrong)
        assert planted.ended("dispatch", "--check", config=wrong) == 78
    # A key that is none, and one with a byte too many.
    key = site.credentials / "decryption.key"
    whole = key.read_text()
    for content in (f"{PASSWORD}\n", whole.replace("A", "B"), whole[: len(whole) // 2]):
        key.write_text(content)
        assert planted.ended("load_from_generic", "--check") == 78
        planted.call("keys", "list")
    key.write_text(whole)
