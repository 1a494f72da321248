"""What the verbs share: the properties, the connection as the console's role, and who acts."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from console.exits import Misconfigured

if TYPE_CHECKING:
    import psycopg

    from core.config import Properties
    from core.db.connect import Address
    from core.directory import Inbound, Outbound

PROPERTIES = Path("/etc/sales-orders/sales-orders.properties")
"""Read when it is there and no other file is named."""
ROLE = "sales_order_console"
"""Enters, shows and mends; it can neither bill nor dispatch."""


ADOPT_ROLE = "sales_order_adopt"
"""Takes over what the files know; nothing that the console's role may do needs its rights."""
SHARED = frozenset({"root", ROLE, ADOPT_ROLE})
"""Accounts that several people use, by sudo."""


class Session:
    """One call of `cmp-orders`; everything in it is made when it is first needed."""

    def __init__(self, config: Path | None) -> None:
        self.config = config if config or not PROPERTIES.exists() else PROPERTIES

    @cached_property
    def properties(self) -> Properties:
        """The effective module properties; Misconfigured with every problem there is."""
        from core.config import ConfigError, load  # noqa: PLC0415

        try:
            return load(self.config, environ=os.environ)
        except ConfigError as error:
            raise Misconfigured(error.problems) from error

    @cached_property
    def outbound(self) -> Outbound:
        """The tree of request files."""
        from core.directory import Outbound  # noqa: PLC0415

        return Outbound(self.properties.directory.out)

    @cached_property
    def inbound(self) -> Inbound:
        """The tree of dispatch files."""
        from core.directory import Inbound  # noqa: PLC0415

        return Inbound(self.properties.directory.in_)

    @contextmanager
    def connection(
        self, *, user: str | None = None, any_schema: bool = False
    ) -> Iterator[psycopg.Connection]:
        """A connection in autocommit; Defer when the schema is not this release's.

        As the console's role, unless sales.order.database.user or `user` names another.
        """
        from core.db.connect import Address, connect  # noqa: PLC0415
        from core.db.migrate import require_current  # noqa: PLC0415

        database = self.properties.database
        password = database.password
        address = Address(
            host=database.host,
            port=database.port,
            name=database.name,
            user=user or database.user or ROLE,
            application=acting(),
            password=password.get_secret_value() if password else None,
            statement_timeout=database.statementtimeout,
            lock_timeout=database.locktimeout,
            idle_timeout=database.idletimeout,
        )
        with _as_peer(address):
            conn = connect(address)
        with conn:
            if not any_schema:
                require_current(conn)
            yield conn


@contextmanager
def _as_peer(address: Address) -> Iterator[None]:
    """Open a socket as the account of the role, where it is root who may.

    A server that knows its clients by their accounts (peer) has no role for root, who alone can
    read the private keys that some verbs are about.
    """
    try:
        account = pwd.getpwnam(address.user)
    except KeyError:
        account = None
    if account is None or os.geteuid() != 0 or not address.host.startswith("/"):
        yield
        return
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def acting() -> str:
    """Who acts, as the history tells it: console and the operating system's user, behind sudo."""
    user = pwd.getpwuid(os.getuid()).pw_name
    if user in SHARED:
        user = os.environ.get("SUDO_USER", user)
    return f"console {user}"


pass_session = click.make_pass_decorator(Session)
Verb = TypeVar("Verb", bound=Callable[..., Any])
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def document_file(verb: Verb) -> Verb:
    """The FILE of an import, and --format; the verb takes them as `file` and `kind`."""
    form = click.option(
        "--format",
        "kind",
        type=click.Choice(["auto", "json", "csv"]),
        default="auto",
        help="auto: csv for a name that ends so, else json (JSON lines).",
    )
    path = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
    return click.argument("file", type=path)(form(verb))


SINCE = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


def aware(at: datetime | None) -> datetime | None:
    """A time as it was given on the command line: UTC, as all times that are shown."""
    return at and at.replace(tzinfo=UTC)


def example(*lines: str) -> str:
    """An epilog for --help; its first sign keeps click from filling the lines."""
    return "\n".join(("\b", "Example:", *(f"  {line}" for line in lines)))
