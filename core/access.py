"""How a program of ours reaches its surroundings, as the module properties say."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from core import envelope
from core.config import ConfigError
from core.db import warehouses
from core.db.connect import Address
from core.envelope import KeyringError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.config import Properties
    from core.envelope import Keyring

HEARD_WITHIN = 5.0
"""Seconds in which a notification to ourselves must arrive."""


def address(properties: Properties, role: str, application: str) -> Address:
    """Where the database is, for this role unless sales.order.database.user names another."""
    database = properties.database
    password = database.password
    return Address(
        host=database.host,
        port=database.port,
        name=database.name,
        user=database.user or role,
        application=application,
        password=password.get_secret_value() if password else None,
        statement_timeout=database.statementtimeout,
        lock_timeout=database.locktimeout,
        idle_timeout=database.idletimeout,
    )


def keyring(properties: Properties, *, environ: Mapping[str, str] = os.environ) -> Keyring:
    """The certificates of the trust directory and the private keys among systemd's credentials.

    ConfigError with every problem found; a key or certificate that is missing is told when it is
    asked for.
    """
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    try:
        return envelope.load(properties.trust.directory, Path(credentials) if credentials else None)
    except KeyringError as error:
        raise ConfigError(list(error.problems)) from error


def problems_of_session(conn: psycopg.Connection) -> list[str]:
    """Whether notifications reach this session: behind a pooler of transactions they do not."""
    channel = f"check_{secrets.token_hex(8)}"
    heard = False
    # A pooler may not just lose a notification but refuse to listen at all.
    with suppress(psycopg.Error):
        conn.execute(f"listen {channel}")
        conn.execute("select pg_notify(%s, '')", (channel,))
        heard = any(conn.notifies(timeout=HEARD_WITHIN, stop_after=1))
        conn.execute(f"unlisten {channel}")
    if heard:
        return []
    sentence = (
        "notifications do not arrive: sales.order.database.host leads through a pooler of "
        "transactions; allowed is the server itself, or a pooler of sessions"
    )
    return [sentence]


def problems_of_keys(conn: psycopg.Connection, of: Callable[[str], object]) -> list[str]:
    """What the warehouses lack of the certificates that the keyring's method `of` looks up."""
    missing: list[str] = []
    for warehouse in warehouses.all_warehouses(conn):
        try:
            of(warehouse.id)
        except KeyringError as error:
            missing += error.problems
    return missing
