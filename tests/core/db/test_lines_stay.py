"""Units and charges belong to request lines that exist: what their triggers hold, as a key would."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.postgres import Database

UNIT = (
    "insert into dispatched_unit (line_id, dispatch_id, unit_no, order_id, warehouse_id, "
    "product_code) values (%s, 'D-1', 1, 1, 'LONDON', 'CASE')"
)
CHARGE = (
    "insert into charge (line_id, dispatch_id, order_id, warehouse_id, account_id, product_code, "
    "quantity, unit_price, amount, currency) "
    "values (%s, 'D-1', 1, 'LONDON', 1, 'CASE', 1, 2, 2, 'GBP')"
)
LINE = (
    "insert into request_line (order_id, generation, warehouse_id, item_no, product_code, quantity,"
    " unit_price, serialised, billable) values (1, 1, 'LONDON', 1, 'CASE', 1, 2, false, true) "
    "returning id"
)
BOTH = pytest.mark.parametrize("insert", [UNIT, CHARGE])


@pytest.fixture
def owner(database: Database) -> psycopg.Connection:
    """The owner, whom no right holds back."""
    return database.connect()


@pytest.fixture
def line(owner: psycopg.Connection) -> Iterator[int]:
    """The id of a request line."""
    row = owner.execute(LINE).fetchone()
    assert row is not None
    yield row[0]


@BOTH
def test_of_no_line(owner: psycopg.Connection, line: int, insert: str) -> None:
    """A unit or charge of a request line that does not exist is refused, by any program."""
    owner.execute(insert, (line,))
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="does not exist"):
        owner.execute(insert, (line + 1,))


@BOTH
def test_the_line_stays(owner: psycopg.Connection, line: int, insert: str) -> None:
    """A request line that has a unit or a charge cannot be deleted; another can."""
    row = owner.execute(LINE).fetchone()
    owner.execute(insert, (line,))
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="stays"):
        owner.execute("delete from request_line")
    assert owner.execute("delete from request_line where id = %s", row).rowcount == 1


@BOTH
def test_neither_moves(owner: psycopg.Connection, line: int, insert: str) -> None:
    """A unit or charge keeps its line, and a line its id."""
    owner.execute(insert, (line,))
    for statement in (
        "update dispatched_unit set line_id = line_id + 1",
        "update charge set line_id = line_id + 1",
        "update request_line set id = id + 1",
    ):
        table = statement.split()[1]
        if owner.execute(f"select from {table}".encode()).rowcount:
            with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="keeps its"):
                owner.execute(statement.encode())


@BOTH
def test_at_the_same_time(
    database: Database, owner: psycopg.Connection, line: int, insert: str
) -> None:
    """Who deletes a line waits for whoever adds to it, and then may not."""
    other, refused = database.connect(), []

    def delete() -> None:
        try:
            other.execute("delete from request_line where id = %s", (line,))
        except psycopg.errors.ForeignKeyViolation as error:
            refused.append(error)

    with owner.transaction():
        owner.execute(insert, (line,))
        thread = threading.Thread(target=delete)
        thread.start()
        _wait_for_lock(database, other.info.backend_pid)
    thread.join()
    assert refused


@BOTH
def test_an_old_snapshot(
    database: Database, owner: psycopg.Connection, line: int, insert: str
) -> None:
    """A transaction that still sees a deleted line cannot add to it either."""
    owner.execute("begin isolation level repeatable read")
    owner.execute("select count(*) from request_line")
    database.connect().execute("delete from request_line where id = %s", (line,))
    with pytest.raises(psycopg.errors.SerializationFailure):
        owner.execute(insert, (line,))
    owner.execute("rollback")


def _wait_for_lock(database: Database, pid: int) -> None:
    watcher = database.connect()
    for _ in range(10_000):
        row = watcher.execute(
            "select from pg_stat_activity where pid = %s and wait_event_type = 'Lock'", (pid,)
        ).fetchone()
        if row is not None:
            return
        watcher.execute("select pg_sleep(0.001)")
    raise AssertionError("nobody waited for a lock")
