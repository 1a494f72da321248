"""What the verbs of the list of blocked addresses do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from console import order_moves
from console.exits import Refusal
from core.db import blocking, fraud
from core.domain.fraud import KEY_BYTES, address_key

_LONGEST_ADDRESS = 3000


@dataclass(frozen=True, slots=True)
class Address:
    """An address as it is shown in the list, and its key."""

    shown: str
    key: bytes


def given(lines: Sequence[str], town: str | None, post_code: str | None, country: str) -> Address:
    """The address of these parts; Refusal if the list cannot hold it."""
    parts = [*lines, town, post_code, country]
    shown = ", ".join(part for part in parts if part)
    if "\0" in shown or len(shown) > _LONGEST_ADDRESS or not country.isascii():
        raise Refusal("that is no address: too long, or with signs that no address has")
    return Address(shown, address_key(lines, town, post_code, country.upper()))


def of_order(conn: psycopg.Connection, name: str) -> Address:
    """The delivery address of an order."""
    lines, town, _, post_code, country = blocking.address_of(conn, order_moves.find(conn, name))
    return given(lines, town, post_code, country)


def block(conn: psycopg.Connection, address: Address, reason: str) -> str:
    """Put it on the list; what was done, as a sentence."""
    with conn.transaction():
        blocking.wait_for_check(conn)
        if not blocking.block(conn, address.key, address.shown, reason):
            raise Refusal("the address is blocked already: cmp-orders fraud blocked says why")
        again = blocking.outdate(conn, address.key)
        fraud.wake_batching(conn)
    return f"blocked, with the key {address.key.hex()}; {again} orders to it are checked again"


def unblock(conn: psycopg.Connection, key: str) -> str:
    """Take it from the list; what was done, as a sentence."""
    try:
        digest = bytes.fromhex(key)
    except ValueError:
        digest = b""
    if len(digest) != KEY_BYTES or not blocking.unblock(conn, digest):
        raise Refusal("no address with that key is blocked: cmp-orders fraud blocked lists them")
    return "unblocked; orders that are held for it stay so until they are released"
