"""An installation without files: its database, and the daemons' units of work, called by hand."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from itertools import count
from typing import TYPE_CHECKING, Any

from core import checkers, config, documents
from core.db import inbound
from core.documents import copytext
from core.domain.attributes import luhn_digit
from core.domain.batch import PUBLISHED, SEALED
from daemons.dispatch import Dispatch
from daemons.request_extract import Batch, Check, Generate
from tests.site import GRANULARITY, Site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psycopg

    from core.config import Properties
    from tests.postgres import Database

DEADLINE = 30.0
NOW = "2026-03-01T12:00:00Z"
CASE = ("CASE", 3, "1.10")
"""An item of a plain product."""
_numbers = count(1)


def drained(unit: Callable[[psycopg.Connection], bool], conn: psycopg.Connection) -> int:
    """Call a duty's work until there is no more; how many units it has done."""
    done = 0
    while unit(conn):
        done += 1
    return done


class Desk(Site):
    """Warehouses and products as `site` has them; files are stood for by their rows."""

    def __init__(self, root: Path, database: Database, **settings: str) -> None:
        self.root, self.database = root, database
        self.settings: dict[str, str] = {}
        self.set(**settings)
        self.owner = database.connect()
        self._conns: dict[str, psycopg.Connection] = {}
        self.warehouses = dict(GRANULARITY)
        for warehouse, granularity in GRANULARITY.items():
            self.add_warehouse(warehouse, granularity)

    def set(self, **settings: str) -> None:
        """Module properties, without their beginning and with underscores for dots."""
        for name, value in settings.items():
            self.settings["sales.order." + name.replace("_", ".")] = value

    def require_check(self, checker: str, **settings: str) -> None:
        """A fraud check before sending, by this checker."""
        self.set(
            request_extract_fraudcheckrequired="true",
            request_extract_fraud_checker=checker,
            **settings,
        )

    def add_warehouse(self, warehouse: str, granularity: str) -> None:
        """A warehouse without directories and keys."""
        self.owner.execute(
            "insert into warehouse (id, name, granularity) values (%s, %s, %s)",
            (warehouse, f"Warehouse {warehouse.title()}", granularity),
        )

    @property
    def properties(self) -> Properties:
        """The defaults, but for the settings."""
        path = self.root / "desk.properties"
        path.write_text("".join(f"{name} = {value}\n" for name, value in self.settings.items()))
        return config.load(path, environ={})

    def conn(self, role: str) -> psycopg.Connection:
        """The connection of a role: request_extract, dispatch, ..."""
        if role not in self._conns:
            self._conns[role] = self.database.connect(f"sales_order_{role}")
        return self._conns[role]

    def generate(self) -> int:
        """Generate whatever awaits it; how many units of work that took."""
        return drained(Generate(self.properties), self.conn("request_extract"))

    def batch(self) -> list[int]:
        """Batch whatever is queued and ready; the ids of the new batches."""
        before = self.value("select coalesce(max(id), 0) from batch")
        drained(Batch(self.properties), self.conn("request_extract"))
        return [
            row[0]
            for row in self.rows(
                "select id from batch where type = 'Sales Order Request' and id > %s order by id",
                before,
            )
        ]

    def check(self) -> int:
        """Have whatever is queued checked as the properties say; how many units that took."""
        screening = checkers.screening(self.properties)
        assert screening is not None
        return drained(Check(screening), self.conn("request_extract"))

    def seal(self, *batches: int) -> None:
        """What sealing and publishing leave in the tables, of these batches."""
        for batch in batches:
            self.owner.execute(
                "update cancellation set status = 'SENT', sent_at = now() where batch_id = %s",
                (batch,),
            )
            for stage in (SEALED, PUBLISHED):
                self.owner.execute(
                    "update batch set stage = %s, stage_status = %s where id = %s",
                    (stage.stage, stage.status, batch),
                )
            self.owner.execute(
                """
                with next as (
                    update warehouse w set file_sequence = file_sequence + 1
                      from batch b where b.id = %s and w.id = b.warehouse_id
                    returning w.id, w.file_sequence)
                insert into outbound_file (batch_id, warehouse_id, file_sequence, name, tree_id,
                                           payload_sha256, file_sha256, byte_count, published_at)
                select %s, id, file_sequence, 'file-' || file_sequence, %s, '', '', 1, now()
                  from next
                """,
                (batch, batch, uuid.UUID(int=1)),
            )

    def lose(self, statement: str, *values: object) -> None:
        """Run a statement that no rule allows, as when commits are lost: round the triggers."""
        with self.owner.transaction():
            self.owner.execute("set local session_replication_role = replica")
            self.owner.execute(statement.encode(), values)

    def request(self, *items: tuple[Any, ...], **columns: Any) -> int:
        """An order that has been asked of its warehouses; its id."""
        order = self.order(*items, **columns)
        self.request_all()
        return order

    def request_all(self) -> None:
        """Generate, batch and seal whatever waits."""
        self.generate()
        self.seal(*self.batch())

    def lines(self, order: int) -> list[int]:
        """The ids of an order's request lines, in their order."""
        return [
            row[0]
            for row in self.rows(
                "select id from request_line where order_id = %s order by id", order
            )
        ]

    def load(self, warehouse: str, *records: dict[str, Any], sequence: int | None = None) -> int:
        """Load a file of these records as Load from Generic does; the batch's id."""
        house = {"id": warehouse} | ({} if sequence is None else {"fileSequence": sequence})
        payload = json.dumps(
            {
                "interfaceCategory": "Sales Order",
                "interfaceType": "Sales Order Dispatch",
                "version": "1.2",
                "externalFileName": "desk.json",
                "recordCount": len(records),
                "wareHouse": house,
                "orders": records,
            }
        ).encode()
        document = documents.read_dispatch(payload, warehouse)
        conn = self.conn("load_from_generic")
        with conn.transaction():
            now = self.value("select now()")
            batch = inbound.insert_batch(
                conn,
                warehouse=warehouse,
                record_count=len(records),
                partner_sequence=document.file_sequence,
                received_at=now,
            )
            inbound.copy_details(conn, copytext.pieces(batch, document.details()))
            inbound.copy_lines(conn, copytext.pieces(batch, document.line_rows))
        return batch

    def apply(self) -> int:
        """Apply whatever is loaded; how many batches."""
        return drained(Dispatch(self.properties), self.conn("dispatch"))

    def answer(self, warehouse: str, *records: dict[str, Any]) -> list[str | None]:  # type: ignore[override]
        """Load and apply a file; each record's reason, None where it was applied."""
        batch = self.load(warehouse, *records)
        self.apply()
        return self.reasons(batch)

    def reasons(self, batch: int) -> list[str | None]:
        """The reason of each record of a batch, None where it was applied."""
        rows = self.rows(
            "select reason, applied_at from dispatch_detail where batch_id = %s order by sequence",
            batch,
        )
        assert all((reason is None) == (at is not None) for reason, at in rows)
        return [reason for reason, _ in rows]

    def reprocess(self, batch: int) -> None:
        """Put a dispatch batch back as the console's verb does, and run the job."""
        self.owner.execute(
            "update batch set stage = 'Extract/Load', stage_status = 'Complete' where id = %s",
            (batch,),
        )
        assert self.apply() == 1

    def stage(self, batch: int) -> str:
        """Stage and stage status of a batch."""
        return str(
            self.value("select stage || ', ' || stage_status from batch where id = %s", batch)
        )

    def counters(self, line: int) -> tuple[int, int, int]:
        """(dispatched, cancelled, rejected) of a request line."""
        row = self.rows(
            "select dispatched, cancelled, rejected from request_line where id = %s", line
        )
        return row[0]

    def items(self, order: int) -> list[tuple[Any, ...]]:
        """(open, dispatched, cancelled) of each item of an order."""
        return self.rows(
            "select open_quantity, dispatched_quantity, cancelled_quantity from order_item "
            "where order_id = %s order by item_no",
            order,
        )

    def wait_for(self, question: str) -> None:
        """Return once the database answers true."""
        end = time.monotonic() + DEADLINE
        while not self.value(question):
            assert time.monotonic() < end, question

    def stock(self, warehouse: str, product: str, on_hand: int) -> None:
        """Put so many units on record."""
        self.owner.execute(
            "insert into stock (warehouse_id, product_code, on_hand) values (%s, %s, %s)",
            (warehouse, product, on_hand),
        )

    def stock_of(self, warehouse: str, product: str) -> tuple[int, int, int]:
        """(on hand, reserved, unrecorded) of a product at a warehouse."""
        row = self.rows(
            "select on_hand, reserved, unrecorded from stock"
            " where warehouse_id = %s and product_code = %s",
            warehouse,
            product,
        )
        return row[0]

    def reserved(self, order: int) -> dict[tuple[str, str], int]:
        """What is reserved for an order, by warehouse and product."""
        rows = self.rows(
            "select warehouse_id, product_code, quantity from reservation where order_id = %s",
            order,
        )
        return {(warehouse, product): quantity for warehouse, product, quantity in rows}

    def fingerprint(self) -> str:
        """A digest of all that a dispatch can change but its own records: orders, money, units."""
        tables = ("sales_order", "order_item", "request_line", "request_line_share", "dispatch",
                  "dispatched_unit", "charge", "order_history", "stock", "reservation")  # fmt: skip
        text = [
            str(self.rows(f"select t::text from {table} t order by 1"))  # noqa: S608
            for table in tables
        ]
        return hashlib.sha256("\n".join(text).encode()).hexdigest()


def imei() -> str:
    """An IMEI that nobody has."""
    digits = f"35{next(_numbers):012}"
    return digits + luhn_digit(digits)


def phones(quantity: int) -> list[dict[str, str]]:
    """Units of PHONE that nobody has."""
    return [{"serialNumber": f"s{next(_numbers)}", "imei": imei()} for _ in range(quantity)]


def units(*numbers: str, name: str = "serialNumber") -> list[dict[str, str]]:
    """One unit a number, under one attribute."""
    return [{name: number} for number in numbers]


def line(line_id: int, quantity: int, status: str = "DISPATCHED", **more: Any) -> dict[str, Any]:
    """An entry of lines[]."""
    return {"id": str(line_id), "quantity": quantity, "status": status, **more}


def record(
    order: int, dispatch_id: str, *lines: dict[str, Any], status: str = "DISPATCHED", **more: Any
) -> dict[str, Any]:
    """An entry of orders[]; without lines[] where there are none."""
    body = {"id": str(order), "dispatchId": dispatch_id, "status": status, **more}
    return body | {"dispatchDateTime": NOW} | ({"lines": list(lines)} if lines else {})
