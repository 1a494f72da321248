"""The floor: how long a narrower job takes when it is written by hand for nothing but speed.

Set-based SQL, COPY and openssl over the same orders on the same server: mark and batch, JSON out
of the database for each warehouse, encrypt, decrypt, the warehouses' units in with a unique number
each, orders complete and billed. It checks, signs and validates nothing, keeps no history, knows no
stock, no partial dispatch and no second worker, and would lose orders in a crash. Every file is
synced and every statement's commit is durable, as in the pipeline.

To take the orders in is timed apart and not counted, as with the pipeline, which is measured from
Awaiting Generation on; nor is the making of the warehouses' answers.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import psycopg

from benchmarks.installation import PIECE, copy_in
from benchmarks.stages import WrongEnd
from benchmarks.volume import GRANULARITY, ITEM_COLUMNS, ORDER_COLUMNS, Volume


@dataclass(slots=True)
class Floor:
    """The seconds of each step that counts."""

    intake_seconds: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """All steps together."""
        return sum(self.steps.values())


def run(conn: psycopg.Connection, folder: Path, volume: Volume) -> Floor:
    """Do the job in this empty database and folder, and check its end."""
    folder.mkdir()
    floor, job = Floor(), _Job(conn, folder, volume)
    floor.intake_seconds = _timed(job.take_in)
    job.make_key()
    for name, step in (
        ("mark and batch", job.batch),
        ("JSON out", job.write_requests),
        ("encrypt", job.encrypt),
        ("decrypt", job.decrypt),
        ("units in", job.load_units),
        ("complete and bill", job.complete),
    ):
        if step == job.load_units:
            job.make_answers()
        floor.steps[name] = _timed(step)
    job.check_end()
    return floor


def _timed(step: Callable[[], None]) -> float:
    began = time.monotonic()
    step()
    return time.monotonic() - began


class _Job:
    """The steps, in their order."""

    def __init__(self, conn: psycopg.Connection, folder: Path, volume: Volume) -> None:
        self._conn = conn
        self._folder = folder
        self._volume = volume

    def take_in(self) -> None:
        """Orders and items, their keys, and what the planner wants to know."""
        conn = self._conn
        conn.execute(resources.files("benchmarks").joinpath("floor.sql").read_bytes())
        copy_in(conn, "floor_order", ORDER_COLUMNS, self._volume.orders)
        copy_in(conn, "floor_item", ITEM_COLUMNS, self._volume.items)
        conn.execute("alter table floor_order add primary key (id)")
        conn.execute("alter table floor_item add primary key (order_id, item_no)")
        conn.execute("analyze floor_order, floor_item")
        conn.execute("checkpoint")

    def make_key(self) -> None:
        """The warehouses' one key."""
        _openssl(
            *("req", "-x509", "-newkey", "rsa:3072", "-noenc", "-subj", "/CN=floor", "-days", "2"),
            *("-keyout", str(self._folder / "key.pem"), "-out", str(self._folder / "cert.pem")),
        )

    def batch(self) -> None:
        """Each item becomes a request at its warehouse."""
        with self._conn.transaction():
            self._conn.execute("update floor_order set status = 'Requested'")
            self._conn.execute(
                """
                insert into floor_request
                select i.warehouse_id, i.order_id, i.item_no, i.product_code, i.quantity
                  from floor_item i join floor_order o on o.id = i.order_id
                 where o.status = 'Requested'
                """
            )

    def write_requests(self) -> None:
        """One JSON object an order, a file a warehouse."""
        for house in GRANULARITY:
            self._copy_out(
                f"""
                select json_build_object(
                    'id', o.id::text, 'accountId', o.account_id, 'orderDateTime', o.entered_at,
                    'deliveryMethod', json_build_object('id', o.delivery_method),
                    'deliveryAddress', json_build_object('name', o.delivery_name,
                        'lines', o.delivery_lines, 'town', o.town, 'postCode', o.post_code,
                        'country', o.country),
                    'lines', json_agg(json_build_object('id', r.item_no,
                        'productCode', r.product_code, 'quantity', r.quantity) order by r.item_no))
                  from floor_request r join floor_order o on o.id = r.order_id
                 where r.warehouse_id = '{house}'
                 group by o.id order by o.id
                """,  # noqa: S608  # a constant of ours
                self._folder / f"{house}.json",
            )

    def encrypt(self) -> None:
        """AES-256-GCM in CMS, one file a warehouse, to last."""
        made = [self._folder / f"{house}.cms" for house in GRANULARITY]
        certificate = str(self._folder / "cert.pem")
        _openssl_each(
            [
                [
                    *("cms", "-encrypt", "-binary", "-aes-256-gcm", "-outform", "DER"),
                    *("-in", str(path.with_suffix(".json")), "-out", str(path), certificate),
                ]
                for path in made
            ]
        )
        for path in made:
            _sync(path)

    def decrypt(self) -> None:
        """What a warehouse does with it."""
        made = [self._folder / f"{house}.open" for house in GRANULARITY]
        _openssl_each(
            [
                [
                    *("cms", "-decrypt", "-inform", "DER", "-in", str(path.with_suffix(".cms"))),
                    *("-inkey", str(self._folder / "key.pem"), "-out", str(path)),
                ]
                for path in made
            ]
        )
        for path in made:
            _sync(path)

    def make_answers(self) -> None:
        """A row a unit; not timed."""
        for house in GRANULARITY:
            opened = self._folder / f"{house}.open"
            if opened.stat().st_size != opened.with_suffix(".json").stat().st_size:
                raise WrongEnd(f"the floor's file for {house} was not decrypted whole")
        self._copy_out(
            """
            select r.order_id, r.item_no, 'S' || lpad((row_number() over ())::text, 12, '0'),
                   'DPD', now()
              from floor_request r, generate_series(1, r.quantity)
            """,
            self._folder / "units.tsv",
        )

    def load_units(self) -> None:
        """Every unit with its number, no number twice."""
        copy_in(
            self._conn,
            "floor_unit",
            "order_id, item_no, serial_number, carrier, dispatched_at",
            self._folder / "units.tsv",
        )
        self._conn.execute("create unique index on floor_unit (serial_number)")

    def complete(self) -> None:
        """Orders of which every unit has come are complete; each item is a charge."""
        with self._conn.transaction():
            self._conn.execute(
                """
                create temporary table done on commit drop as
                select i.order_id, i.item_no, i.quantity, i.unit_price
                  from floor_item i
                  join (select order_id, item_no, count(*) as units from floor_unit
                         group by order_id, item_no) u using (order_id, item_no)
                 where u.units = i.quantity
                """
            )
            self._conn.execute(
                """
                update floor_order o set status = 'Complete'
                  from (select order_id, count(*) as items from done group by order_id) d
                  join (select order_id, count(*) as items from floor_item group by order_id) a
                       using (order_id)
                 where o.id = d.order_id and d.items = a.items and o.status = 'Requested'
                """
            )
            self._conn.execute(
                """
                insert into floor_charge
                select d.order_id, d.item_no, o.account_id, d.quantity, d.quantity * d.unit_price,
                       now()
                  from done d join floor_order o on o.id = d.order_id
                 where o.status = 'Complete'
                """
            )

    def check_end(self) -> None:
        """Raise WrongEnd unless every order is complete and every item billed."""
        found = self._conn.execute(
            "select (select count(*) from floor_order where status = 'Complete'), "
            "(select count(*) from floor_unit), (select count(*) from floor_charge)"
        ).fetchone()
        totals = self._volume.totals
        if found != (totals.orders, totals.units, totals.items):
            raise WrongEnd(f"the floor's orders, units, charges are {found}: not {totals}")

    def _copy_out(self, query: str, path: Path) -> None:
        with (
            path.open("wb", PIECE) as file,
            self._conn.cursor() as cursor,
            cursor.copy(f"copy ({query}) to stdout".encode()) as copy,
        ):
            for row in copy:
                file.write(row)
        _sync(path)


def _openssl(*arguments: str) -> None:
    _openssl_each([arguments])


def _openssl_each(commands: Sequence[Sequence[str]]) -> None:
    running = [subprocess.Popen(["openssl", *one], stderr=subprocess.DEVNULL) for one in commands]
    failed = [process.wait() for process in running]
    if any(failed):
        raise WrongEnd(f"openssl {commands[0][0]} has failed")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
