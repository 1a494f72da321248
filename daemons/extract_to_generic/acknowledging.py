"""Seals and publishes the acknowledgements that the other daemons have written as rows."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import orjson

from core import documents, envelope, log
from core.db import acknowledgements, connect
from core.db.acknowledgements import Acknowledgement, SealedFile
from core.db.connect import Turn
from core.directory import Outbound, acknowledgement_name
from core.documents import AcknowledgedFile, AcknowledgementHeader
from core.envelope import Profile
from core.errors import Reason
from core.events import Event
from core.rota import Rota
from daemons.extract_to_generic.attempts import Attempts
from daemons.extract_to_generic.publishing import put_out

if TYPE_CHECKING:
    import psycopg

    from core.config import Properties
    from core.envelope import Keyring
    from daemons.extract_to_generic.comparing import Compare

DISPATCH = "Sales Order Dispatch"


class Acknowledge:
    """Tells the partners what became of their files, one warehouse after the other."""

    def __init__(
        self, properties: Properties, tree: Outbound, keyring: Keyring, compare: Compare
    ) -> None:
        self._properties = properties
        self._tree = tree
        self._keyring = keyring
        self._compare = compare
        self._rota = Rota(properties.daemon.backoffmax)
        self._full: set[str] = set()
        self._attempts = Attempts(
            properties.daemon.attempts,
            self._rota,
            count=acknowledgements.count_attempt,
            excuse=acknowledgements.excuse,
            set_aside=self._set_aside,
        )

    def resting(self) -> bool:
        """Whether a warehouse rests, for its directory or its keys."""
        return self._rota.resting

    def __call__(self, conn: psycopg.Connection) -> bool:
        """Seal and publish one acknowledgement; True if there may be more."""
        waiting = self._compare.those(conn, acknowledgements.waiting)
        for warehouse, number in self._rota.order(waiting):
            if self._is_full(conn, warehouse):
                continue
            # The same turn as for request files: reconcile holds it to look at the tree.
            with connect.turn(conn, Turn.SEAL, number) as mine:
                if mine and self._serve(conn, warehouse):
                    return True
        return False

    def _is_full(self, conn: psycopg.Connection, warehouse: str) -> bool:
        """Whether a partner that does not take them, or sends too much, has to wait."""
        limit = self._properties.extract_to_generic.acknowledgement_maxuntaken
        lying = acknowledgements.untaken(conn, warehouse, limit)
        if lying < limit:
            self._full.discard(warehouse)
            return False
        if warehouse not in self._full:
            self._full.add(warehouse)
            log.emit(Event.ACKNOWLEDGEMENTS_WAIT, warehouse=warehouse, count=lying, limit=limit)
        return True

    def _serve(self, conn: psycopg.Connection, warehouse: str) -> bool:
        found = acknowledgements.next_unpublished(conn, warehouse)
        if found is None:
            return False
        self._rota.tried(warehouse)
        step = self._seal if found.number is None else self._publish
        with log.about(warehouse=warehouse):
            return self._attempts.attempt(conn, found.id, warehouse, lambda: step(conn, found))

    @staticmethod
    def _set_aside(conn: psycopg.Connection, identity: int, reason: Reason) -> None:
        acknowledgements.set_aside(conn, identity, reason)
        log.emit(Event.ACKNOWLEDGEMENT_HELD, reason=reason, sentence=reason.meaning)

    def _seal(self, conn: psycopg.Connection, found: Acknowledgement) -> None:
        recipients = self._keyring.encryption_for(found.warehouse_id)
        self._tree.prepare(found.warehouse_id)
        with conn.transaction():
            locked = acknowledgements.lock(conn, found.id)
            if locked is None or locked.number is not None:
                return
            number = acknowledgements.next_number(conn, locked.warehouse_id)
            payload = self._document(locked, number)
            data = envelope.seal(
                payload,
                signer=self._keyring.signing,
                recipients=recipients,
                profile=Profile(self._properties.envelope_of(locked.warehouse_id)),
            )
            self._tree.seal(locked.warehouse_id, locked.work, data)
            file = SealedFile(
                number=number,
                name=acknowledgement_name(locked.warehouse_id, number),
                tree_id=self._tree.tree_id(),
                payload_sha256=hashlib.sha256(payload).digest(),
                file_sha256=hashlib.sha256(data).digest(),
                byte_count=len(data),
            )
            acknowledgements.record_sealed(conn, locked.id, file)
        log.emit(
            Event.ACKNOWLEDGEMENT_SEALED,
            file=file.name,
            number=number,
            verdict=locked.verdict,
            bytes=file.byte_count,
        )
        # Its publication begins at once, without another look.
        self._publish(conn, locked)

    @staticmethod
    def _document(of: Acknowledgement, number: int) -> bytes:
        return documents.build_acknowledgement(
            AcknowledgementHeader(of.id, of.warehouse_id, number, of.created_at),
            AcknowledgedFile(
                of.file_name,
                # Of what was not opened nobody knows what it is.
                DISPATCH if of.content_sha256 else None,
                None,
                of.external_file_name,
                of.file_sequence,
                of.content_sha256,
            ),
            of.verdict,
            reason=of.reason,
            message=of.sentence,
            records=of.records,
        )

    def _publish(self, conn: psycopg.Connection, found: Acknowledgement) -> None:
        started = time.monotonic()
        with conn.transaction():
            locked = acknowledgements.lock(conn, found.id)
            if locked is None:
                return
            manifest = orjson.dumps(acknowledgements.manifest(locked))
            trouble = put_out(conn, self._tree, locked, locked.work, manifest)
            if trouble is Reason.WORK_TREE_CHANGED:
                return
            if trouble is not None:
                self._set_aside(conn, locked.id, trouble)
                return
            acknowledgements.record_published(conn, locked.id)
        log.emit(
            Event.ACKNOWLEDGEMENT_PUBLISHED,
            file=locked.name,
            number=locked.number,
            milliseconds=log.milliseconds(started),
        )
