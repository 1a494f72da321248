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
    records when the partner has taken a file.

    A batch that ends this process three times (sales.order.daemon.attempts) is set aside at stage
    Extract/Load, Error with REPEATED_CRASH; cmp-orders batch reprocess takes it up again.

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

import hashlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
import psycopg

from core import access, documents, envelope, log
from core.config import ConfigError
from core.daemon import Daemon, Duty, command
from core.db import batches, connect, migrate, requests, warehouses
from core.db.connect import Turn
from core.db.requests import OutboundFile
from core.directory import Outbound, published_name
from core.domain.batch import BATCHED, PUBLISHED, SEALED, SET_ASIDE, BatchType
from core.envelope import KeyringError, Profile
from core.errors import Defer, Reason
from core.events import Event
from core.rota import Rota

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography import x509

    from core.config import Properties
    from core.db.batches import Batch
    from core.envelope import Keyring

NAME = "extract-to-generic"
ROLE = "sales_order_extract_to_generic"
SURROUNDINGS = (psycopg.OperationalError, OSError, Defer, KeyringError)
"""What is nobody's fault here: the batch is tried again, and its attempt does not count."""


class Extract:
    """Seals and publishes, one warehouse after the other."""

    def __init__(self, properties: Properties, tree: Outbound, keyring: Keyring) -> None:
        self._properties = properties
        self._tree = tree
        self._keyring = keyring
        self._rota = Rota(properties.daemon.backoffmax)
        self._excused: set[int] = set()

    def resting(self) -> bool:
        """Whether a warehouse rests, for its directory or its keys."""
        return self._rota.resting

    def __call__(self, conn: psycopg.Connection) -> bool:
        """Seal or publish one batch; True if there may be more."""
        waiting = {
            *batches.waiting(conn, BatchType.REQUEST, SEALED),
            *batches.waiting(conn, BatchType.REQUEST, BATCHED),
        }
        for warehouse, number in self._rota.order(sorted(waiting)):
            with connect.turn(conn, Turn.SEAL, number) as mine:
                if mine and self._serve(conn, warehouse):
                    return True
        return False

    def _serve(self, conn: psycopg.Connection, warehouse: str) -> bool:
        """Publish what is sealed, else seal what is batched; False if this warehouse has to rest.

        A sealed batch that was set aside holds the warehouse up: its files come in their order.
        """
        batch = batches.next_unpublished(conn, warehouse)
        step = self._publish
        if batch is None:
            batch = batches.next_of(conn, warehouse, BatchType.REQUEST, BATCHED)
            step = self._seal
        if batch is None or batch.stage_status == SET_ASIDE.status:
            return False
        self._rota.tried(warehouse)
        with log.about(batch_id=batch.id, warehouse=warehouse):
            return self._attempt(conn, batch, step)

    def _attempt(
        self,
        conn: psycopg.Connection,
        batch: Batch,
        step: Callable[[psycopg.Connection, Batch], None],
    ) -> bool:
        attempts = batches.count_attempt(conn, batch.id, afresh=batch.id in self._excused)
        self._excused.discard(batch.id)
        if attempts > self._properties.daemon.attempts:
            self._set_aside(conn, batch, Reason.REPEATED_CRASH)
            return True
        try:
            step(conn, batch)
        except SURROUNDINGS as error:
            self._excused.add(batch.id)
            if isinstance(error, psycopg.Error):
                raise
            # In the row too, for the other processes, and this one once it is started anew.
            batches.excuse(conn, batch.id)
            if self._rota.failed(batch.warehouse_id):
                log.emit(Event.WAREHOUSE_RESTS, why=log.one_line(error))
            return False
        except Exception as error:  # noqa: BLE001  # our bug: set aside, the rest goes on
            log.emit(Event.UNIT_FAILED, why=log.one_line(error), error=error)
            self._set_aside(conn, batch, Reason.INTERNAL_ERROR)
            return True
        self._rota.served(batch.warehouse_id)
        return True

    def _set_aside(self, conn: psycopg.Connection, batch: Batch, reason: Reason) -> None:
        batches.move(conn, batch.id, SET_ASIDE, reason=reason, sentence=reason.meaning)
        log.emit(Event.BATCH_HELD, reason=reason, sentence=reason.meaning)

    def _seal(self, conn: psycopg.Connection, found: Batch) -> None:
        started = time.monotonic()
        recipients = self._keyring.encryption_for(found.warehouse_id)
        self._tree.prepare(found.warehouse_id)
        with conn.transaction():
            batch = batches.lock(conn, found.id, BATCHED)
            if batch is None:
                return
            requests.lock_orders(conn, batch.id)
            cancelled = requests.drop_cancelled(conn, batch.id)
            checked = self._properties.request_extract_fraud.checker != "none"
            held = requests.requeue_held(conn, batch.id, batch.warehouse_id, checked=checked)
            orders = requests.order_rows(conn, batch.id)
            file = self._sealed(conn, batch, orders, recipients) if orders else None
            if file is None:
                self._tree.unseal(batch.warehouse_id, batch.id)
            requests.set_record_count(conn, batch.id, len(orders))
            batches.move(conn, batch.id, SEALED if file else PUBLISHED)
            if file is not None:
                # Its publication begins at once, without another look at the batch.
                batches.count_attempt(conn, batch.id, afresh=True)
        if file is None:
            log.emit(Event.BATCH_EMPTY, cancelled=cancelled, held=held)
            return
        log.emit(
            Event.BATCH_SEALED,
            file=file.name,
            file_sequence=file.file_sequence,
            orders=len(orders),
            cancelled=cancelled,
            held=held,
            bytes=file.byte_count,
            milliseconds=log.milliseconds(started),
        )
        self._publish(conn, batch)

    def _sealed(
        self,
        conn: psycopg.Connection,
        batch: Batch,
        orders: list[tuple[object, ...]],
        recipients: Sequence[x509.Certificate],
    ) -> OutboundFile:
        """Make the file of a locked batch, to last in `work`, and its row."""
        warehouse = batch.warehouse_id
        sequence = warehouses.next_file_sequence(conn, warehouse)
        identifier = requests.next_identifier(conn)
        header = documents.RequestHeader(
            identifier=identifier,
            warehouse_id=warehouse,
            warehouse_name=warehouses.name_of(conn, warehouse),
            file_sequence=sequence,
            batch_at=batch.created_at,
            extract_at=datetime.now(UTC),
            fraud_check=batch.fraud_check_required,
        )
        lines = requests.line_rows(conn, batch.id, warehouse)
        payload = documents.build_request(header, orders, lines)
        data = envelope.seal(
            payload,
            signer=self._keyring.signing,
            recipients=recipients,
            profile=Profile(self._properties.envelope_of(warehouse)),
        )
        self._tree.seal(warehouse, batch.id, data)
        file = OutboundFile(
            id=identifier,
            batch_id=batch.id,
            warehouse_id=warehouse,
            file_sequence=sequence,
            name=published_name(warehouse, sequence),
            tree_id=self._tree.tree_id(),
            payload_sha256=hashlib.sha256(payload).digest(),
            file_sha256=hashlib.sha256(data).digest(),
            byte_count=len(data),
        )
        requests.insert_file(conn, file)
        return file

    def _publish(self, conn: psycopg.Connection, found: Batch) -> None:
        started = time.monotonic()
        with conn.transaction():
            batch = batches.lock(conn, found.id, SEALED)
            file = requests.file_of(conn, found.id)
            if batch is None or file is None:
                return
            mounted = self._tree.tree_id()
            if file.tree_id != mounted:
                if warehouses.hold(conn, file.warehouse_id, Reason.WORK_TREE_CHANGED):
                    log.emit(
                        Event.WORK_TREE_CHANGED, expected=str(file.tree_id), found=str(mounted)
                    )
                return
            self._tree.prepare(file.warehouse_id)
            data = self._tree.sealed_data(file.warehouse_id, batch.id)
            if data is not None and hashlib.sha256(data).digest() != file.file_sha256:
                self._set_aside(conn, batch, Reason.WORK_FILE_CHANGED)
                return
            manifest = self._manifest(conn, file)
            # False: an earlier attempt has renamed it, and ended before it could record that.
            if not self._tree.publish(
                file.warehouse_id, batch.id, file.name, manifest
            ) and not self._tree.has_copy(file.warehouse_id, file.name):
                self._set_aside(conn, batch, Reason.WORK_FILE_LOST)
                return
            requests.record_published(conn, file.id)
            batches.move(conn, batch.id, PUBLISHED)
        log.emit(
            Event.BATCH_PUBLISHED,
            file=file.name,
            file_sequence=file.file_sequence,
            orders=batch.record_count,
            milliseconds=log.milliseconds(started),
        )

    @staticmethod
    def _manifest(conn: psycopg.Connection, file: OutboundFile) -> bytes:
        """What reconcile needs to know of a file when the database has forgotten it."""
        rows = requests.manifest_rows(conn, file.batch_id, file.warehouse_id)
        return orjson.dumps(requests.manifest(file, rows))


class Watch:
    """Looks whether partners have taken their files, and whether a changed tree is back."""

    def __init__(self, tree: Outbound) -> None:
        self._tree = tree

    def __call__(self, conn: psycopg.Connection) -> bool:
        """One look at every outbound directory; never more to do."""
        for warehouse in warehouses.all_warehouses(conn):
            if warehouse.held_reason == Reason.WORK_TREE_CHANGED:
                self._release(conn, warehouse.id)
            waiting = requests.not_taken(conn, warehouse.id)
            if not waiting:
                continue
            present = self._tree.present(warehouse.id)
            # Asked after the look: a tree that is away, or another one, has no file of ours taken.
            mounted = self._tree.tree_id()
            taken = [
                (identifier, name)
                for identifier, name, tree in waiting
                if name not in present and tree == mounted
            ]
            if taken:
                requests.record_taken(conn, [identifier for identifier, _ in taken])
            for _, name in taken:
                log.emit(Event.FILE_TAKEN, warehouse=warehouse.id, file=name)
        return False

    def _release(self, conn: psycopg.Connection, warehouse: str) -> None:
        if requests.trees_of_sealed(conn, warehouse) <= {self._tree.tree_id()}:
            warehouses.release(conn, warehouse, Reason.WORK_TREE_CHANGED)


def files_ahead(conn: psycopg.Connection, tree: Outbound) -> None:
    """Hold each warehouse whose archive knows a file that the database does not."""
    # The files first: what is published between the two looks is then known to the database.
    names = [warehouse.id for warehouse in warehouses.all_warehouses(conn)]
    highest = {name: tree.highest_sequence(name) for name in names}
    for warehouse in warehouses.all_warehouses(conn):
        if highest.get(warehouse.id, 0) > warehouse.file_sequence and warehouses.hold(
            conn, warehouse.id, Reason.DATABASE_OLDER_THAN_FILES
        ):
            log.emit(
                Event.DATABASE_OLDER_THAN_FILES,
                warehouse=warehouse.id,
                file=published_name(warehouse.id, highest[warehouse.id]),
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
    extract = Extract(properties, tree, keyring)

    def on_connect(conn: psycopg.Connection) -> None:
        migrate.require_current(conn)
        files_ahead(conn, tree)

    def check(conn: psycopg.Connection) -> list[str]:
        missing: list[str] = []
        for warehouse in warehouses.all_warehouses(conn):
            try:
                keyring.encryption_for(warehouse.id)
            except KeyringError as error:
                missing += error.problems
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
            Duty("watch", Watch(tree), interval=interval),
        ),
        connect=lambda: connect.connect(access.address(properties, ROLE, NAME)),
        on_connect=on_connect,
        check=check,
        warnings=tree.warnings,
        waiting=lambda conn: (
            f"{batches.count(conn, BatchType.REQUEST, BATCHED)} batches to seal, "
            f"{batches.count(conn, BatchType.REQUEST, SEALED)} to publish"
        ),
        stoptime=properties.daemon.stoptime,
        backoffmax=properties.daemon.backoffmax,
    )


main = command(NAME, __doc__, build)

if __name__ == "__main__":
    main()
