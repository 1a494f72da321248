"""cmp-sales-order-extract-to-generic - seal request batches into files and publish them

SYNOPSIS

    cmp-sales-order-extract-to-generic [--config FILE] [--once | --check]

DESCRIPTION

    Takes each request batch at stage Batch, Complete, oldest first, and builds its order-request
    document. Orders that were cancelled meanwhile drop out, orders with an open hold go back to
    the queue; a batch with nothing left ends Complete without a file. The document is checked
    against its schema, signed with our key and encrypted to the warehouse (sealed), and put into
    the warehouse's outbound directory by one rename (published). A copy and a manifest without
    personal data stay in the archive. Sealing is the point of no return: from then on the
    warehouse is to be asked.

    Files of a warehouse carry a gapless number and are published in its order. The daemon also
    records when the partner has taken a file, and tells of files that are not taken, or not
    acknowledged, for longer than sales.order.overdue allows.

    A database that was restored or failed over may have lost what was sent. Each warehouse's
    archive is compared with it before anything is sealed or published: after each start of the
    server, in another tree, and for a warehouse that is new. One whose files are newer is held
    (DATABASE_OLDER_THAN_FILES), one whose archive cannot be read rests; the others go on.

    Acknowledgements of the partners' own files, which Load from Generic and Dispatch have written
    as rows, are sealed and published in the same way, under a gapless number of their own. Where
    more than sales.order.extract.to.generic.acknowledgement.maxuntaken of them lie untaken,
    further ones wait.

    A batch that ends this process three times (sales.order.daemon.attempts) is set aside at stage
    Extract/Load, Error with REPEATED_CRASH; cmp-orders batch reprocess takes it up again, and
    cmp-orders file acknowledge an acknowledgement.

    Any number of copies may run; one at a time works for a warehouse.

FILES

    /etc/sales-orders/sales-orders.properties   module properties
    <sales.order.directory.out>/<warehouse>/    where the partner takes its files
    <sales.order.directory.out>/work/           sealed, not yet published; work/.id names the tree
    <sales.order.directory.out>/archive/        copies and manifests of what was published
    <sales.order.trust.directory>/              our certificates and the partners'
    $CREDENTIALS_DIRECTORY/signing.key          our private signing key

SECURITY

    It alone holds the signing key. Works as database role sales_order_extract_to_generic, which
    can neither dispatch nor bill. Writes below sales.order.directory.out only.

SIGNALS

    TERM, INT   finish the unit in hand, or past half the stop time roll it back, and end
    HUP         read the module properties and certificates again

EXIT STATUS

    0   ended as asked          2   wrong usage
    75  --once or --check: the surroundings do not allow it now; else the stop time ran out with
        a unit in hand, which is rolled back
    78  a property or key is wrong; standard error says which, where and what is allowed

BUGS

    A partner's file that is removed from its directory by somebody else counts as taken.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from core import access
from core.config import ConfigError
from core.daemon import Daemon, Duty, command
from core.db import acknowledgements, batches, connect, migrate, overdue, warehouses
from core.directory import Outbound
from core.domain.batch import BATCHED, SEALED, BatchType
from core.envelope import KeyringError
from core.events import Event
from core.overdue import Lateness, Overdue
from daemons.extract_to_generic.acknowledging import Acknowledge
from daemons.extract_to_generic.comparing import Compare
from daemons.extract_to_generic.requests import Extract
from daemons.extract_to_generic.watching import Watch

if TYPE_CHECKING:
    import psycopg

    from core.config import Properties

__all__ = ["Acknowledge", "Compare", "Extract", "Watch", "build", "lateness", "main"]

NAME = "extract-to-generic"
ROLE = "sales_order_extract_to_generic"


def lateness(properties: Properties) -> Overdue:
    """What is late of the files that this daemon has published."""
    late = properties.overdue

    def not_acknowledged(conn: psycopg.Connection) -> list[overdue.Late]:
        agreed = [
            one.id
            for one in warehouses.all_warehouses(conn)
            if properties.is_acknowledged_by(one.id)
        ]
        return overdue.not_acknowledged(conn, agreed, late=late.acknowledgement, pause=late.pause)

    not_taken = partial(overdue.not_taken, late=late.taken, pause=late.pause)
    return Overdue(
        [
            Lateness(Event.FILE_NOT_TAKEN, not_taken, late.taken),
            Lateness(Event.FILE_NOT_ACKNOWLEDGED, not_acknowledged, late.acknowledgement),
        ]
    )


def build(properties: Properties) -> Daemon:
    """The daemon that these properties describe; ConfigError if its signing key is not usable."""
    tree = Outbound(properties.directory.out)
    keyring = access.keyring(properties)
    try:
        keyring.signing  # noqa: B018  # asked for here, so that its absence stops the start
    except KeyringError as error:
        raise ConfigError(list(error.problems)) from error
    interval = properties.extract_to_generic.interval
    compare = Compare(tree, properties.daemon.backoffmax)
    extract = Extract(properties, tree, keyring, compare)
    acknowledge = Acknowledge(properties, tree, keyring, compare)

    def on_connect(conn: psycopg.Connection) -> None:
        migrate.require_current(conn)
        compare.reconnected(conn)

    def check(conn: psycopg.Connection) -> list[str]:
        missing = access.problems_of_keys(conn, keyring.encryption_for)
        return [*access.problems_of_session(conn), *tree.check(), *missing]

    return Daemon(
        NAME,
        (
            Duty(
                "extract",
                extract,
                interval=interval,
                resting=extract.resting,
                channels=("sales_order_request_batch",),
            ),
            Duty(
                "acknowledge",
                acknowledge,
                interval=interval,
                resting=acknowledge.resting,
                channels=("sales_order_acknowledgement",),
            ),
            Duty("watch", Watch(tree, compare), interval=interval, resting=compare.resting),
            Duty("overdue", lateness(properties), interval=properties.overdue.interval),
        ),
        connect=lambda: connect.connect(access.address(properties, ROLE, NAME)),
        on_connect=on_connect,
        check=check,
        warnings=tree.warnings,
        waiting=lambda conn: (
            f"{batches.count(conn, BatchType.REQUEST, BATCHED)} batches to seal, "
            f"{batches.count(conn, BatchType.REQUEST, SEALED)} to publish, "
            f"{acknowledgements.waiting_count(conn)} acknowledgements"
        ),
        stoptime=properties.daemon.stoptime,
        backoffmax=properties.daemon.backoffmax,
    )


main = command(NAME, __doc__, build)
