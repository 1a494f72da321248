"""Takes up the files that partners have dropped: claimed, decided on, archived or quarantined."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import psycopg

from core import documents, envelope, log
from core.db import comparing, connect, inbound, warehouses
from core.db.connect import Turn
from core.directory import Inbound, partner_name
from core.envelope import KeyringError, Profile
from core.errors import Defer, Reason, Reject
from core.events import Event
from core.rota import Rota
from daemons.load_from_generic.accepting import Accept, Received
from daemons.load_from_generic.verdicts import Verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography import x509

    from core.config import Properties
    from core.db.inbound import InboundFile
    from core.envelope import Keyring, Opened
    from daemons.load_from_generic.comparing import Compare

SURROUNDINGS = (psycopg.OperationalError, OSError, Defer, KeyringError)
"""What is nobody's fault here: the file is tried again, and its attempt does not count."""


class Load:
    """Takes files up, one warehouse after the other."""

    def __init__(
        self, properties: Properties, tree: Inbound, keyring: Keyring, compare: Compare
    ) -> None:
        self._properties = properties
        self._tree = tree
        self._keyring = keyring
        self._compare = compare
        self._verdicts = Verdicts(properties)
        self._accept = Accept(tree, self._verdicts)
        self._rota = Rota(properties.daemon.backoffmax)
        self._excused: set[str] = set()
        self._strays: dict[str, list[str]] = {}
        self._full: set[str] = set()
        self._not_compared: set[str] = set()

    def resting(self) -> bool:
        """Whether a warehouse rests, for its directory or its keys, or waits to be compared."""
        return self._rota.resting or bool(self._not_compared)

    def __call__(self, conn: psycopg.Connection) -> bool:
        """Take up one file; True if there may be more.

        None of a warehouse that Extract to Generic has not compared: were a request lost with the
        database, the answer to it would be refused.
        """
        loaded = inbound.with_loaded(conn)
        # Asked before the holds: who compares, holds first.
        compared = comparing.current(conn)
        open_ = [
            (warehouse.id, warehouse.number)
            for warehouse in warehouses.all_warehouses(conn)
            if warehouse.held_reason is None and not warehouse.paused
        ]
        self._not_compared &= {name for name, _ in open_} - compared.keys()
        for name, number in self._rota.order(open_):
            # Looked at one by one: a directory of a million files costs its own partner's turn.
            if name not in loaded and not self._has_work(name):
                continue
            if name not in compared:
                self._wait(name)
                continue
            with connect.turn(conn, Turn.LOAD, number) as mine:
                if mine and self._serve(conn, name, compared[name]):
                    return True
        return False

    def _wait(self, warehouse: str) -> None:
        if warehouse not in self._not_compared:
            self._not_compared.add(warehouse)
            log.emit(Event.FILES_NOT_COMPARED, warehouse=warehouse)

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

    def _serve(self, conn: psycopg.Connection, warehouse: str, outbound_at: datetime) -> bool:
        """Go on with what is claimed, else claim the oldest file; False if it has to rest.

        Extract to Generic has compared its own archive of it at `outbound_at`.
        """
        self._rota.tried(warehouse)
        try:
            if self._compare.is_ahead(conn, warehouse, outbound_at):
                return False
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
        opened: Opened | None = None
        try:
            opened, data = self._open(file)
            self._accept(conn, Received(file, opened, data, received_at))
        except Reject as refusal:
            self._quarantine(conn, file, refusal.reason, refusal.sentence, opened)
        except SURROUNDINGS as error:
            self._excused.add(file.claim_name)
            if not isinstance(error, psycopg.Error):
                # In the row too, for the other processes, and this one once it is started anew.
                inbound.excuse(conn, file.id)
            raise
        except Exception as error:  # noqa: BLE001  # our bug: this file is set aside, the rest goes on
            log.emit(Event.UNIT_FAILED, why=log.one_line(error), error=error)
            reason = Reason.INTERNAL_ERROR
            self._quarantine(conn, file, reason, reason.meaning, opened)

    def _open(self, file: InboundFile) -> tuple[Opened, bytes]:
        """What was signed, once the signature is verified, and the file's own bytes."""
        limit = self._properties.load_from_generic.maxbytes
        data = self._tree.read(file.warehouse_id, file.claim_name, limit)
        opened = envelope.open_(
            data,
            decryption=self._keyring.decryption,
            signers=self._signers(file.warehouse_id),
            revoked=self._keyring.revoked_of(file.warehouse_id),
            profiles={Profile(self._properties.envelope_of(file.warehouse_id))},
        )
        return opened, data

    def _signers(self, warehouse: str) -> Sequence[x509.Certificate]:
        """Who is pinned; nobody where all are revoked: then files are refused, not kept waiting."""
        try:
            return self._keyring.signers_of(warehouse)
        except KeyringError:
            if self._keyring.revoked_of(warehouse):
                return ()
            raise

    def _quarantine(
        self,
        conn: psycopg.Connection,
        file: InboundFile,
        reason: Reason,
        sentence: str,
        opened: Opened | None = None,
    ) -> None:
        """Refuse a file; `opened` says that its signature had been verified."""
        self._verdicts.quarantined(
            conn,
            file,
            reason,
            sentence,
            content_sha256=hashlib.sha256(opened.payload).digest() if opened else None,
            acknowledge=opened is None or not documents.is_acknowledgement(opened.payload),
        )
        self._tree.quarantine(file.warehouse_id, file.claim_name, reason, sentence)
        log.emit(
            Event.FILE_QUARANTINED,
            reason=reason,
            sentence=sentence,
            attempts=file.attempts,
        )
