"""cmp-sales-order-load-from-generic - take up the partners' files and load their records

SYNOPSIS

    cmp-sales-order-load-from-generic [--config FILE] [--once | --check]

DESCRIPTION

    Takes each file that a partner has dropped into its inbound directory, oldest first: claims it
    by a rename, reads it once, decrypts it, verifies that the signer is the one pinned for the
    warehouse, checks it against the order-dispatch schema, and loads its records as a dispatch
    batch at stage Extract/Load, Complete. The bytes that were read are kept in the archive.

    A file that cannot be accepted is quarantined whole, with a .reason beside it: a stable code
    and a sentence. Until its signature has been verified the only reason given is
    ENVELOPE_REFUSED. A repeat is recognised by its signed content and signer, whatever its name;
    it has no effect. A file that ends this process three times (sales.order.daemon.attempts) is
    quarantined as REPEATED_CRASH. cmp-orders file requeue takes a file up again.

    Taken up are names of letters, digits, dots, hyphens and underscores that end in .p7m, at most
    64 characters; what begins with a dot is the partner's unfinished file, everything else a
    stray that is left alone and reported. When the quarantine of a warehouse is full
    (sales.order.load.from.generic.quarantine.maxfiles), its files stay where they are.

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

import hashlib
import time
from typing import TYPE_CHECKING

import psycopg

from core import access, documents, envelope, log
from core.config import ConfigError
from core.daemon import Daemon, Duty, command
from core.db import connect, inbound, migrate, warehouses
from core.db.connect import Turn
from core.directory import Inbound, partner_name
from core.documents import copytext
from core.envelope import KeyringError, Profile
from core.errors import Defer, Reason, Reject
from core.events import Event
from core.rota import Rota

if TYPE_CHECKING:
    from datetime import datetime

    from core.config import Properties
    from core.db.inbound import InboundFile
    from core.documents import DispatchDocument
    from core.envelope import Keyring, Opened

NAME = "load-from-generic"
ROLE = "sales_order_load_from_generic"
SURROUNDINGS = (psycopg.OperationalError, OSError, Defer, KeyringError)
"""What is nobody's fault here: the file is tried again, and its attempt does not count."""
NEWEST = 100
"""How many archived files are looked for in the database at a connect."""


class Load:
    """Takes files up, one warehouse after the other."""

    def __init__(self, properties: Properties, tree: Inbound, keyring: Keyring) -> None:
        self._properties = properties
        self._tree = tree
        self._keyring = keyring
        self._rota = Rota(properties.daemon.backoffmax)
        self._excused: set[str] = set()
        self._strays: dict[str, list[str]] = {}
        self._full: set[str] = set()

    def resting(self) -> bool:
        """Whether a warehouse rests, for its directory or its keys."""
        return self._rota.resting

    def __call__(self, conn: psycopg.Connection) -> bool:
        """Take up one file; True if there may be more."""
        loaded = inbound.with_loaded(conn)
        open_ = [
            (warehouse.id, warehouse.number)
            for warehouse in warehouses.all_warehouses(conn)
            if warehouse.held_reason is None
        ]
        for name, number in self._rota.order(open_):
            # Looked at one by one: a directory of a million files costs its own partner's turn.
            if name not in loaded and not self._has_work(name):
                continue
            with connect.turn(conn, Turn.LOAD, number) as mine:
                if mine and self._serve(conn, name):
                    return True
        return False

    def _has_work(self, warehouse: str) -> bool:
        try:
            candidates, strays = self._tree.candidates(warehouse)
            claimed = self._tree.claimed(warehouse)
        except OSError as error:
            self._rest(warehouse, error)
            return False
        if strays != self._strays.get(warehouse, []):
            self._strays[warehouse] = strays
            if strays:
                log.emit(
                    Event.STRAY_FILES, warehouse=warehouse, count=len(strays), example=strays[0]
                )
        return bool(candidates or claimed)

    def _rest(self, warehouse: str, error: Exception) -> None:
        if self._rota.failed(warehouse):
            log.emit(Event.WAREHOUSE_RESTS, warehouse=warehouse, why=log.one_line(error))

    def _serve(self, conn: psycopg.Connection, warehouse: str) -> bool:
        """Go on with what is claimed, else claim the oldest file; False if it has to rest."""
        self._rota.tried(warehouse)
        try:
            self._finish(conn, warehouse)
            claim = self._next_claim(warehouse)
            if claim is None:
                return False
            with log.about(warehouse=warehouse, file=claim):
                self._take_up(conn, warehouse, claim)
        # Reject: its partner has changed an accepted file before it was archived.
        except (OSError, KeyringError, Reject) as error:
            self._rest(warehouse, error)
            return False
        self._rota.served(warehouse)
        return True

    def _finish(self, conn: psycopg.Connection, warehouse: str) -> None:
        """Record what was archived by whoever ended before it could record that."""
        for file in inbound.unfinished(conn, warehouse):
            if file.status == "LOADED" and self._tree.was_archived(warehouse, file.claim_name):
                inbound.record_archived(conn, file.id)

    def _next_claim(self, warehouse: str) -> str | None:
        if claimed := self._tree.claimed(warehouse):
            self._tree.keep_claims(warehouse)
            return claimed[0]
        if self._is_full(warehouse):
            return None
        self._tree.prepare(warehouse)
        candidates, _ = self._tree.candidates(warehouse)
        for candidate in candidates:
            claim = self._tree.claim(warehouse, candidate.name)
            if claim is not None:
                return claim
        return None

    def _is_full(self, warehouse: str) -> bool:
        limit = self._properties.load_from_generic.quarantine_maxfiles
        count = len(self._tree.names("quarantine", warehouse))
        if count < limit:
            self._full.discard(warehouse)
            return False
        if warehouse not in self._full:
            self._full.add(warehouse)
            log.emit(Event.QUARANTINE_FULL, warehouse=warehouse, files=count, limit=limit)
        return True

    def _take_up(self, conn: psycopg.Connection, warehouse: str, claim: str) -> None:
        """Do what the row of a claimed file says is still to be done."""
        received_at = self._tree.written_at(warehouse, claim)
        file = inbound.begin(
            conn,
            claim=claim,
            warehouse=warehouse,
            partner_name=partner_name(claim),
            received_at=received_at,
            afresh=claim in self._excused,
        )
        self._excused.discard(claim)
        if file.status == "CLAIMED":
            self._decide(conn, file, received_at)
        elif file.status == "LOADED":
            self._archive_again(file)
            inbound.record_archived(conn, file.id)
        elif file.status in ("REPEATED", "ARCHIVED"):
            self._archive_again(file)
        else:
            reason = Reason(file.reason) if file.reason else Reason.INTERNAL_ERROR
            self._tree.quarantine(warehouse, claim, reason, file.sentence or reason.meaning)

    def _archive_again(self, file: InboundFile) -> None:
        """Finish what a crash left: only the bytes that were read then go to the archive.

        The partner may hold the claimed file open, or have a link to it.
        """
        warehouse, claim = file.warehouse_id, file.claim_name
        limit = self._properties.load_from_generic.maxbytes
        try:
            data = self._tree.read(warehouse, claim, limit)
        except Reject:
            data = b""
        if hashlib.sha256(data).digest() == file.file_sha256:
            self._tree.archive(warehouse, claim, data)
            return
        copy = self._tree.copy_of(warehouse, claim)
        if copy is not None and hashlib.sha256(copy).digest() == file.file_sha256:
            self._tree.archive(warehouse, claim, copy)
            return
        reason = Reason.CHANGED_AFTER_READING
        self._tree.quarantine(warehouse, claim, reason, reason.meaning)
        log.emit(Event.FILE_QUARANTINED, reason=reason, sentence=reason.meaning)

    def _decide(self, conn: psycopg.Connection, file: InboundFile, received_at: datetime) -> None:
        if file.attempts > self._properties.daemon.attempts:
            self._quarantine(conn, file, Reason.REPEATED_CRASH, Reason.REPEATED_CRASH.meaning)
            return
        try:
            self._load(conn, file, received_at)
        except Reject as refusal:
            self._quarantine(conn, file, refusal.reason, refusal.sentence)
        except SURROUNDINGS as error:
            self._excused.add(file.claim_name)
            if not isinstance(error, psycopg.Error):
                # In the row too, for the other processes, and this one once it is started anew.
                inbound.excuse(conn, file.id)
            raise
        except Exception as error:  # noqa: BLE001  # our bug: this file is set aside, the rest goes on
            log.emit(Event.UNIT_FAILED, why=log.one_line(error), error=error)
            self._quarantine(conn, file, Reason.INTERNAL_ERROR, Reason.INTERNAL_ERROR.meaning)

    def _quarantine(
        self, conn: psycopg.Connection, file: InboundFile, reason: Reason, sentence: str
    ) -> None:
        inbound.record_quarantined(conn, file.id, reason, sentence)
        self._tree.quarantine(file.warehouse_id, file.claim_name, reason, sentence)
        log.emit(
            Event.FILE_QUARANTINED,
            reason=reason,
            sentence=sentence,
            attempts=file.attempts,
        )

    def _load(self, conn: psycopg.Connection, file: InboundFile, received_at: datetime) -> None:
        started = time.monotonic()
        limit = self._properties.load_from_generic.maxbytes
        data = self._tree.read(file.warehouse_id, file.claim_name, limit)
        opened = envelope.open_(
            data,
            decryption=self._keyring.decryption,
            signers=self._keyring.signers_of(file.warehouse_id),
            profiles={Profile(self._properties.envelope_of(file.warehouse_id))},
        )
        document = documents.read_dispatch(opened.payload, file.warehouse_id)
        digest = hashlib.sha256(opened.payload).digest()
        batch = None
        if inbound.accepted_before(conn, digest, opened.signer) is None:
            try:
                batch = self._insert(conn, file, document, opened, data, received_at)
            except psycopg.errors.UniqueViolation:
                # The same content, dropped for two warehouses or on two hosts at once.
                if inbound.accepted_before(conn, digest, opened.signer) is None:
                    raise
        if batch is None:
            self._repeat(conn, file, opened, data)
            return
        self._archive(conn, file, data)
        log.emit(
            Event.FILE_LOADED,
            batch_id=batch,
            records=len(document.detail_rows),
            file_sequence=document.file_sequence,
            milliseconds=log.milliseconds(started),
        )

    @staticmethod
    def _insert(
        conn: psycopg.Connection,
        file: InboundFile,
        document: DispatchDocument,
        opened: Opened,
        data: bytes,
        received_at: datetime,
    ) -> int:
        with conn.transaction():
            batch = inbound.insert_batch(
                conn,
                warehouse=file.warehouse_id,
                record_count=len(document.detail_rows),
                partner_sequence=document.file_sequence,
                received_at=received_at,
            )
            inbound.copy_details(conn, copytext.pieces(document.details_of(batch)))
            inbound.copy_lines(conn, copytext.pieces(document.lines_of(batch)))
            inbound.record_loaded(
                conn,
                file.id,
                batch=batch,
                payload_sha256=hashlib.sha256(opened.payload).digest(),
                file_sha256=hashlib.sha256(data).digest(),
                signer=opened.signer,
                external_file_name=document.external_file_name,
            )
        return batch

    def _archive(self, conn: psycopg.Connection, file: InboundFile, data: bytes) -> None:
        self._tree.archive(file.warehouse_id, file.claim_name, data)
        inbound.record_archived(conn, file.id)

    def _repeat(
        self, conn: psycopg.Connection, file: InboundFile, opened: Opened, data: bytes
    ) -> None:
        digest = hashlib.sha256(opened.payload).digest()
        first = inbound.accepted_before(conn, digest, opened.signer)
        if first is None:
            raise Defer("the file that this one repeats was taken back just now")
        inbound.record_repeat(
            conn,
            file.id,
            repeats=first,
            payload_sha256=digest,
            file_sha256=hashlib.sha256(data).digest(),
            signer=opened.signer,
        )
        self._tree.archive(file.warehouse_id, file.claim_name, data)
        log.emit(Event.FILE_REPEATED, reason=Reason.REPEATED_FILE)


def files_ahead(conn: psycopg.Connection, tree: Inbound) -> None:
    """Hold each warehouse of which the archive has an accepted file that the database has not."""
    # The files first: what is archived between the two looks is then known to the database.
    names = [warehouse.id for warehouse in warehouses.all_warehouses(conn)]
    newest = {name: tree.names("archive", name)[-NEWEST:] for name in names}
    for name, claims in newest.items():
        unknown = set(claims) - inbound.known_claims(conn, claims)
        if unknown and warehouses.hold(conn, name, Reason.DATABASE_OLDER_THAN_FILES):
            log.emit(Event.DATABASE_OLDER_THAN_FILES, warehouse=name, file=max(unknown))


def build(properties: Properties) -> Daemon:
    """The daemon that these properties describe; ConfigError if its key is not usable."""
    tree = Inbound(properties.directory.in_)
    keyring = access.keyring(properties)
    load = Load(properties, tree, keyring)
    try:
        keyring.decryption  # noqa: B018  # asked for here, so that its absence stops the start
    except KeyringError as error:
        raise ConfigError(list(error.problems)) from error

    def on_connect(conn: psycopg.Connection) -> None:
        migrate.require_current(conn)
        files_ahead(conn, tree)

    def check(conn: psycopg.Connection) -> list[str]:
        missing: list[str] = []
        for warehouse in warehouses.all_warehouses(conn):
            try:
                keyring.signers_of(warehouse.id)
            except KeyringError as error:
                missing += error.problems
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
        stoptime=properties.daemon.stoptime,
        backoffmax=properties.daemon.backoffmax,
    )


main = command(NAME, __doc__, build)

if __name__ == "__main__":
    main()
