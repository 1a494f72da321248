"""What a verified file is, and what follows: a dispatch batch, or a word on a file of ours."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import psycopg

from core import documents, log
from core.db import inbound, sequences
from core.documents import DispatchDocument, PartnerAcknowledgement, copytext
from core.errors import Defer, Reason, Reject
from core.events import Event

if TYPE_CHECKING:
    from datetime import datetime

    from core.db.inbound import InboundFile
    from core.db.sequences import Noticed
    from core.directory import Inbound
    from core.envelope import Opened
    from daemons.load_from_generic.verdicts import Verdicts


@dataclass(frozen=True)
class Received:
    """A claimed file whose signature is verified, with its bytes."""

    file: InboundFile
    opened: Opened
    data: bytes
    received_at: datetime

    @cached_property
    def content_sha256(self) -> bytes:
        """The digest of what was signed: with the signer, what makes a file a repeat."""
        return hashlib.sha256(self.opened.payload).digest()


class Accept:
    """Accepts a verified file whole, or raises Reject."""

    def __init__(self, tree: Inbound, verdicts: Verdicts) -> None:
        self._tree = tree
        self._verdicts = verdicts

    def __call__(self, conn: psycopg.Connection, got: Received) -> None:
        """Load it, or recognise it as a repeat, and keep our copy of it."""
        started = time.monotonic()
        document = documents.read_received(got.opened.payload, got.file.warehouse_id)
        if self._first(conn, got) is None:
            try:
                self._take_in(conn, got, document, started)
            except psycopg.errors.UniqueViolation:
                # The same content, dropped for two warehouses or on two hosts at once.
                if self._first(conn, got) is None:
                    raise
            else:
                return
        self._repeat(conn, got, acknowledge=isinstance(document, DispatchDocument))

    @staticmethod
    def _first(conn: psycopg.Connection, got: Received) -> int | None:
        return inbound.accepted_before(conn, got.content_sha256, got.opened.signer)

    def _take_in(
        self,
        conn: psycopg.Connection,
        got: Received,
        document: DispatchDocument | PartnerAcknowledgement,
        started: float,
    ) -> None:
        if isinstance(document, PartnerAcknowledgement):
            self._record(conn, got, document)
            self._archive(conn, got)
            _tell_verdict(document)
            return
        batch, noticed = self._insert(conn, got, document)
        self._archive(conn, got)
        log.emit(
            Event.FILE_LOADED,
            batch_id=batch,
            records=len(document.detail_rows),
            file_sequence=document.file_sequence,
            milliseconds=log.milliseconds(started),
        )
        _tell_sequence(noticed, document.file_sequence)

    def _insert(
        self, conn: psycopg.Connection, got: Received, document: DispatchDocument
    ) -> tuple[int, Noticed]:
        file, sequence = got.file, document.file_sequence
        noticed = sequences.Noticed()
        with conn.transaction():
            batch = inbound.insert_batch(
                conn,
                warehouse=file.warehouse_id,
                record_count=len(document.detail_rows),
                partner_sequence=sequence,
                received_at=got.received_at,
            )
            inbound.copy_details(conn, copytext.pieces(batch, document.details()))
            inbound.copy_lines(conn, copytext.pieces(batch, document.line_rows))
            self._record_loaded(conn, got, batch, document.external_file_name)
            if sequence is not None:
                noticed = sequences.notice(conn, batch, file.warehouse_id, sequence)
            self._verdicts.accepted(
                conn,
                file,
                got.content_sha256,
                batch=batch,
                external_file_name=document.external_file_name,
                file_sequence=sequence,
            )
        return batch, noticed

    def _record(
        self, conn: psycopg.Connection, got: Received, document: PartnerAcknowledgement
    ) -> None:
        """Keep what the partner says with the file that it names."""
        with conn.transaction():
            self._record_loaded(conn, got, None, None)
            if not inbound.record_acknowledged(
                conn,
                got.file.warehouse_id,
                document.identifier,
                document.name,
                content_sha256=document.content_sha256,
                verdict=document.verdict,
                reason=document.reason,
                message=document.message,
            ):
                raise Reject(
                    Reason.UNKNOWN_FILE,
                    "/file must be a request file that was sent to this warehouse: identifier, "
                    "name and, where it is given, contentSha256 as they were sent.",
                )

    @staticmethod
    def _record_loaded(
        conn: psycopg.Connection, got: Received, batch: int | None, external: str | None
    ) -> None:
        inbound.record_loaded(
            conn,
            got.file.id,
            batch=batch,
            payload_sha256=got.content_sha256,
            file_sha256=hashlib.sha256(got.data).digest(),
            signer=got.opened.signer,
            external_file_name=external,
        )

    def _archive(self, conn: psycopg.Connection, got: Received) -> None:
        self._tree.archive(got.file.warehouse_id, got.file.claim_name, got.data)
        inbound.record_archived(conn, got.file.id)

    def _repeat(self, conn: psycopg.Connection, got: Received, *, acknowledge: bool) -> None:
        file = got.file
        first = self._first(conn, got)
        if first is None:
            raise Defer("the file that this one repeats was taken back just now")
        with conn.transaction():
            inbound.record_repeat(
                conn,
                file.id,
                repeats=first,
                payload_sha256=got.content_sha256,
                file_sha256=hashlib.sha256(got.data).digest(),
                signer=got.opened.signer,
            )
            if acknowledge:
                # The first verdict again: the partner may have sent it anew for want of that.
                self._verdicts.accepted(conn, file, got.content_sha256, reason=Reason.REPEATED_FILE)
        self._tree.archive(file.warehouse_id, file.claim_name, got.data)
        log.emit(Event.FILE_REPEATED, reason=Reason.REPEATED_FILE)


def _tell_verdict(document: PartnerAcknowledgement) -> None:
    if document.verdict == "ACCEPTED":
        log.emit(Event.FILE_ACKNOWLEDGED, verdict=document.verdict)
    else:
        log.emit(Event.FILE_REJECTED, identifier=document.identifier, reason=document.reason)


def _tell_sequence(noticed: Noticed, sequence: int | None) -> None:
    if noticed.repeated:
        log.emit(Event.FILE_SEQUENCE_REPEATED, file_sequence=sequence)
    if noticed.missing is not None:
        first, last = noticed.missing
        log.emit(
            Event.FILE_SEQUENCE_GAP,
            first_missing=first,
            last_missing=last,
            file_sequence=sequence,
        )
