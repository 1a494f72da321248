"""cmp-sales-order-load-from-generic - take up the partners' files and load their records

SYNOPSIS

    cmp-sales-order-load-from-generic [--config FILE] [--once | --check]

DESCRIPTION

    Takes each file that a partner has dropped into its inbound directory, oldest first: claims it
    by a rename, reads it once, decrypts it, verifies that the signer is the one pinned for the
    warehouse, checks it against the order-dispatch schema, and loads its records as a dispatch
    batch at stage Extract/Load, Complete. The bytes that were read are kept in the archive.

    A file may also be the partner's acknowledgement of one of ours: it is verified in the same
    way and recorded with the file that it names. Numbers that a partner leaves out or uses twice
    in wareHouse.fileSequence are told, and never waited for.

    Where that is agreed (sales.order.warehouse.<ID>.acknowledgements), the verdict on each file is
    written as a row that Extract to Generic sends. Of a file whose signature could not be
    verified it says ENVELOPE_REFUSED, whatever the reason. An acknowledgement is never
    acknowledged.

    A file that cannot be accepted is quarantined whole, with a .reason beside it: a stable code
    and a sentence. Until its signature has been verified the only reason given is
    ENVELOPE_REFUSED. A repeat is recognised by its signed content and signer, whatever its name;
    it has no effect. A file that ends this process three times (sales.order.daemon.attempts) is
    quarantined as REPEATED_CRASH. cmp-orders file requeue takes a file up again.

    Taken up are names of letters, digits, dots, hyphens and underscores that end in .p7m, at most
    64 characters; what begins with a dot is the partner's unfinished file, everything else a
    stray that is left alone and reported. When the quarantine of a warehouse is full
    (sales.order.load.from.generic.quarantine.maxfiles), its files stay where they are.

    A database that was restored or failed over may have lost what was sent. Whenever its server has
    been started, a dump was restored into it or a warehouse was entered anew, no file of that
    warehouse is taken up until Extract to Generic has compared its archive with it: meanwhile
    FILES_NOT_COMPARED says so, and --once ends with 75.

    Any number of copies may run; one at a time works for a warehouse.

FILES

    /etc/sales-orders/sales-orders.properties   module properties
    <sales.order.directory.in>/<warehouse>/     where the partner drops its files
    <sales.order.directory.in>/work/            claimed, not yet loaded
    <sales.order.directory.in>/archive/         what was loaded, as it was read
    <sales.order.directory.in>/quarantine/      what was refused, each with a .reason
    <sales.order.trust.directory>/<warehouse>/signing*.pem   the pinned signers
    $CREDENTIALS_DIRECTORY/decryption.key       our private decryption key

SECURITY

    Everything in a partner's directory is taken for hostile: only regular files are opened, never
    through a link, and nothing is parsed before the signature is verified. It alone holds the
    decryption key. Works as database role sales_order_load_from_generic, which can only stage.

SIGNALS

    TERM, INT   finish the unit in hand, or past half the stop time roll it back, and end
    HUP         read the module properties and certificates again

EXIT STATUS

    0   ended as asked          2   wrong usage
    75  --once or --check: the surroundings do not allow it now; else the stop time ran out with
        a unit in hand, which is rolled back
    78  a property or key is wrong; standard error says which, where and what is allowed

BUGS

    On NFS there are no file events; the interval serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import access
from core.config import ConfigError
from core.daemon import Daemon, Duty, command
from core.db import connect, migrate
from core.directory import Inbound
from core.envelope import KeyringError
from daemons.load_from_generic.comparing import Compare
from daemons.load_from_generic.files import Load

if TYPE_CHECKING:
    import psycopg

    from core.config import Properties

__all__ = ["Compare", "Load", "build", "main"]

NAME = "load-from-generic"
ROLE = "sales_order_load_from_generic"


def build(properties: Properties) -> Daemon:
    """The daemon that these properties describe; ConfigError if its key is not usable."""
    tree = Inbound(properties.directory.in_)
    keyring = access.keyring(properties)
    compare = Compare(tree)
    load = Load(properties, tree, keyring, compare)
    try:
        keyring.decryption  # noqa: B018  # asked for here, so that its absence stops the start
    except KeyringError as error:
        raise ConfigError(list(error.problems)) from error

    def on_connect(conn: psycopg.Connection) -> None:
        migrate.require_current(conn)
        compare.reconnected(conn)

    def check(conn: psycopg.Connection) -> list[str]:
        missing = access.problems_of_keys(conn, keyring.signers_of)
        return [*access.problems_of_session(conn), *tree.check(), *missing]

    return Daemon(
        NAME,
        (
            Duty(
                "load",
                load,
                resting=load.resting,
                interval=properties.load_from_generic.interval,
                directories=tree.inboxes(),
            ),
        ),
        connect=lambda: connect.connect(access.address(properties, ROLE, NAME)),
        on_connect=on_connect,
        check=check,
        warnings=tree.warnings,
        waiting=lambda _: f"{tree.waiting()} files to load",
        stoptime=properties.daemon.stoptime,
        backoffmax=properties.daemon.backoffmax,
    )


main = command(NAME, __doc__, build)
