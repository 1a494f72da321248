"""How a program of ours reaches database and keys, as the module properties say."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import access, config, envelope
from core.config import ConfigError
from core.db.connect import connect
from tests.postgres import Database

ROLE = "sales_order_dispatch"


def test_a_daemon_has_its_own_role(tmp_path: Path) -> None:
    """Without a user in the properties a daemon works as its own role; times come from them."""
    properties = config.load(None, environ={"SALES_ORDER_DATABASE_LOCKTIMEOUT": "3s"})
    address = access.address(properties, ROLE, "dispatch")
    assert (address.user, address.application, address.name) == (ROLE, "dispatch", "sales_orders")
    assert (address.lock_timeout, address.statement_timeout) == (3.0, 60.0)
    assert address.password is None
    named = tmp_path / "sales-orders.properties"
    named.write_text("sales.order.database.user = somebody\n")
    assert access.address(config.load(named, environ={}), ROLE, "x").user == "somebody"


def test_no_password_is_shown(tmp_path: Path) -> None:
    """The password comes from the credentials and is in no text of the address."""
    (tmp_path / "sales.order.database.password").write_text("PLANTED-secret")
    (tmp_path / "sales.order.database.password").chmod(0o600)
    properties = config.load(None, environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    address = access.address(properties, ROLE, "dispatch")
    assert address.password == "PLANTED-secret"
    assert "PLANTED" not in f"{address} {address!r} {properties!r}"


def test_what_a_session_has_set(database: Database) -> None:
    """Every session has its time limits, waits for the disk at a commit, and says who acts."""
    with connect(database.address(ROLE)) as conn:
        settings = (
            "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
            "synchronous_commit", "application_name", "sales_order.who", "TimeZone",
        )  # fmt: skip
        found = [
            (conn.execute("select current_setting(%s)", (name,)).fetchone() or ("",))[0]
            for name in settings
        ]
        assert found == ["1min", "10s", "2min", "on", ROLE, ROLE, "UTC"]
        assert conn.autocommit


def test_names_with_blanks_and_backslashes(database: Database) -> None:
    """Whoever acts, whatever the name, stands in the history as it is."""
    address = database.address(ROLE)
    name = "an operator \\ 'x' = y"
    odd = type(address)(**{
        field: getattr(address, field) for field in address.__dataclass_fields__
    } | {"application": name})  # fmt: skip
    with connect(odd) as conn:
        assert conn.execute("select acting()").fetchone() == (name,)


def test_notifications_reach_a_session(database: Database) -> None:
    """A direct session hears itself, and the check says nothing of it."""
    with connect(database.address(ROLE)) as conn:
        assert access.problems_of_session(conn) == []
        assert conn.execute("select count(*) from pg_listening_channels()").fetchone() == (0,)


def test_a_session_that_hears_nothing_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where listening is refused, as poolers do, the check says what to change."""
    monkeypatch.setattr(access, "HEARD_WITHIN", 0.1)
    with connect(database.address(ROLE)) as conn, conn.transaction():
        # In a transaction nothing is delivered, as behind a pooler that changes sessions.
        (problem,) = access.problems_of_session(conn)
    assert "sales.order.database.host" in problem


def test_keys_are_read_from_the_credentials(tmp_path: Path) -> None:
    """Private keys come from the credentials directory alone; without it there are none."""
    trust, credentials = tmp_path / "trust", tmp_path / "credentials"
    envelope.generate("us", trust, credentials)
    file = tmp_path / "sales-orders.properties"
    file.write_text(f"sales.order.trust.directory = {trust}\n")
    properties = config.load(file, environ={})
    there = access.keyring(properties, environ={"CREDENTIALS_DIRECTORY": str(credentials)})
    assert there.signing is not None
    with pytest.raises(envelope.KeyringError):
        access.keyring(properties, environ={}).signing  # noqa: B018  # asking is the test


def test_a_readable_key_stops_the_start(tmp_path: Path) -> None:
    """A private key that others can read is a problem of the configuration, by its path."""
    trust, credentials = tmp_path / "trust", tmp_path / "credentials"
    envelope.generate("us", trust, credentials)
    (credentials / "signing.key").chmod(0o644)
    file = tmp_path / "sales-orders.properties"
    file.write_text(f"sales.order.trust.directory = {trust}\n")
    with pytest.raises(ConfigError) as refused:
        access.keyring(
            config.load(file, environ={}), environ={"CREDENTIALS_DIRECTORY": str(credentials)}
        )
    assert any("signing.key" in problem for problem in refused.value.problems)
