"""`python -m benchmarks.fraud`: the fraud check's rules against the clock.

Orders with addresses, contacts, telephone numbers and e-mail addresses, one in fifty of them bad,
lie generated in the queue of an embedded PostgreSQL that loses nothing. The daemon's own duty then
checks all of them, in this one process: it reads the orders, judges them by the rules as they are
delivered, and writes verdicts and holds; its log goes to a file. A quarter of them is checked
before the clock starts, so that addresses and accounts have a past and caches are warm.

The last line is JSON. Times depend on the machine and on what else it does, so the orders a second
are told three times: by the clock, by the processor's time that this process took, and by that of
this process and its server's together, which is what one core would do.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from benchmarks.installation import copy_in, database
from benchmarks.pipeline import SETTINGS
from benchmarks.volume import SEED, TOWNS
from console.embedded import PORT, EmbeddedPostgres
from core import checkers, log
from core.config import Database, Fraud, Properties, RequestExtract
from core.db import connect, migrate
from daemons.request_extract import ROLE, Check, Generate

if TYPE_CHECKING:
    import psycopg

COLUMNS = (
    "id, account_id, currency, delivery_method, contact_name, contact_email, contact_phone, "
    "delivery_name, delivery_lines, town, post_code, country, entered_at"
)
BAD = 50
"""One in so many orders."""
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ("Amira", "Bob", "Chloë", "Dafydd", "Eve", "Farid", "Grace", "Hywel", "Iris", "Jon")
SURNAMES = ("O'Neill", "Fletcher", "Brontë", "Morgan", "Hargreaves", "Khan", "Lee", "Price")


def write(file: Path, orders: int, seed: int) -> None:
    """Rows of COLUMNS."""
    source = random.Random(seed)
    with file.open("w", encoding="utf-8") as rows:
        for number in range(1, orders + 1):
            name = f"{source.choice(NAMES)} {source.choice(SURNAMES)}-{source.choice(SURNAMES)}"
            print(
                number, source.randrange(1, 1 + orders // 2), "GBP", "STANDARD", name,
                f"customer{number}@mail{source.randrange(500)}.example.com",
                f"07{source.randrange(10**8, 10**9)}",
                "Test Test" if number % BAD == 0 else name,
                f'{{"Flat {source.randrange(1, 40)}","{source.randrange(1, 250)} Station Road"}}',
                source.choice(TOWNS),
                f"LS{source.randrange(1, 29)} {source.randrange(1, 9)}AB",
                "GB", FIRST + timedelta(seconds=number), sep="\t", file=rows,
            )  # fmt: skip


def prepare(owner: psycopg.Connection, file: Path) -> None:
    """The orders, entered and ready to be generated."""
    migrate.migrate(owner)
    owner.execute("insert into warehouse (id, name) values ('LONDON', 'London')")
    owner.execute(
        "insert into product (code, description, warehouse_id) values ('X', 'X', 'LONDON')"
    )
    copy_in(owner, "sales_order", COLUMNS, file)
    owner.execute(
        "insert into order_item (order_id, item_no, product_code, quantity, unit_price)"
        " select id, 1, 'X', 1, 9.99 from sales_order"
    )
    owner.execute("update sales_order set status = 'AWAITING_GENERATION'")


def processor_seconds(pid: int) -> float:
    """What a process has used, user and system together (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def logged(file: Path) -> Iterator[None]:
    """Within it the daemon's log goes to a file, as it would to the journal."""
    with file.open("w", encoding="utf-8") as stream, contextlib.redirect_stderr(stream):
        log.configure("request-extract", format="json")
        yield


def measure(conn: psycopg.Connection, properties: Properties, orders: int) -> dict[str, float]:
    """Check the queue; the past first, which counts for nothing."""
    check = Check(checkers.screening(properties) or sys.exit("no checker"))
    done = 0
    while done < orders // 4:
        check(conn)
        done = conn.execute("select from fraud_check").rowcount
    began, mine, theirs = _clocks(conn)
    while check(conn):
        continue
    ended, my_end, their_end = _clocks(conn)
    both = my_end - mine + their_end - theirs
    measured = orders - done
    return {
        "orders": measured,
        "seconds": round(ended - began, 3),
        "client_cpu_seconds": round(my_end - mine, 3),
        "server_cpu_seconds": round(their_end - theirs, 3),
        "orders_per_second": round(measured / (ended - began)),
        "orders_per_client_cpu_second": round(measured / (my_end - mine)),
        "orders_per_cpu_second": round(measured / both),
    }


def _clocks(conn: psycopg.Connection) -> tuple[float, float, float]:
    return time.monotonic(), time.process_time(), processor_seconds(conn.info.backend_pid)


@click.command(help=__doc__)
@click.option("--orders", type=click.IntRange(100), default=40_000, show_default=True)
@click.option("--seed", type=int, default=SEED, show_default=True)
def main(*, orders: int, seed: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="fraud-bench-") as made:
        folder = Path(made)
        write(folder / "orders.tsv", orders, seed)
        with (
            EmbeddedPostgres(settings=SETTINGS) as server,
            database(server, "fraud") as owner,
            logged(folder / "log"),
        ):
            prepare(owner, folder / "orders.tsv")
            properties = Properties(
                database=Database(host=server.host, port=str(PORT), name="fraud"),
                request_extract=RequestExtract(fraudcheckrequired=True),
                request_extract_fraud=Fraud(checker="rules"),
            )
            address = connect.Address(server.host, str(PORT), "fraud", ROLE, ROLE)
            with connect.connect(address) as conn:
                generate = Generate(properties)
                while generate(conn):
                    continue
                owner.execute("analyze")
                found = measure(conn, properties, orders)
            held = owner.execute("select from order_hold").rowcount
            if held != orders // BAD:
                raise click.ClickException(f"{held} orders are held, {orders // BAD} are bad")
    click.echo(orjson.dumps(found).decode())


if __name__ == "__main__":
    main()
