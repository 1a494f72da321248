"""Notification: one of many writers asks for it, and it can be switched off."""

from __future__ import annotations

import threading

import psycopg
import pytest
from psycopg import sql

from tests.daemons.desk import Desk

WRITERS = 8
CHANNELS = (
    "sales_order_awaiting_generation",
    "sales_order_request_queue",
    "sales_order_request_batch",
    "sales_order_dispatch_batch",
)


class Listener:
    """A session that listens to all channels."""

    def __init__(self, desk: Desk) -> None:
        self._owner = desk.owner
        self._conn = desk.database.connect()
        for channel in (*CHANNELS, "fence"):
            self._conn.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))

    def heard(self) -> list[str]:
        """The channels of what has come since the last call: notifications keep their order."""
        self._owner.execute("notify fence")
        heard: list[str] = []
        for notice in self._conn.notifies(timeout=30):
            if notice.channel == "fence":
                return heard
            heard.append(notice.channel)
        raise AssertionError("no notification comes through")


def test_each_step_wakes_the_next(desk: Desk) -> None:
    """Submit, queue, batch and load each wake the daemon that goes on."""
    listener = Listener(desk)
    desk.order(("CASE", 1, "1"), submit=False)
    assert listener.heard() == []
    order = desk.order(("CASE", 1, "1"))
    assert set(listener.heard()) == {CHANNELS[0]}
    desk.generate()
    assert CHANNELS[1] in listener.heard()
    batch = desk.batch()
    assert set(listener.heard()) == {CHANNELS[2]}
    desk.seal(*batch)
    listener.heard()
    desk.load("LONDON", {"id": str(order), "dispatchId": "D", "status": "CANCELLED"})
    assert set(listener.heard()) == {CHANNELS[3]}


def test_one_of_many_writers_notifies(desk: Desk) -> None:
    """Of writers whose transactions overlap one asks for the notification; it is heard once."""
    listener = Listener(desk)
    orders = [desk.order(("CASE", 1, "1"), submit=False) for _ in range(WRITERS)]
    writers = [desk.database.connect() for _ in range(WRITERS)]
    inside, leave = threading.Barrier(WRITERS), threading.Barrier(WRITERS)

    def write(conn: psycopg.Connection, order: int) -> None:
        with conn.transaction():
            inside.wait(30)
            conn.execute(
                "update sales_order set status = 'AWAITING_GENERATION' where id = %s", (order,)
            )
            # None commits before all have asked.
            leave.wait(30)

    threads = [
        threading.Thread(target=write, args=pair) for pair in zip(writers, orders, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {desk.status(order) for order in orders} == {"AWAITING_GENERATION"}
    assert listener.heard() == [CHANNELS[0]]


@pytest.mark.parametrize("setting", ["off", "on"])
def test_it_can_be_switched_off(desk: Desk, setting: str) -> None:
    """ALTER DATABASE ... SET sales_order.notify = 'off' ends notification; any other value does
    not.
    """
    desk.owner.execute(
        sql.SQL("alter database {} set sales_order.notify = {}").format(
            sql.Identifier(desk.database.name), setting
        )
    )
    listener = Listener(desk)
    # A session of its own: the setting holds for those that connect from now on.
    order = desk.order(("CASE", 1, "1"), submit=False)
    desk.database.connect("sales_order_console").execute(
        "update sales_order set status = 'AWAITING_GENERATION' where id = %s", (order,)
    )
    assert listener.heard() == ([] if setting == "off" else [CHANNELS[0]])
    assert desk.generate() == 1
