"""Seals and publishes request batches."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
import psycopg

from core import documents, envelope, log
from core.db import batches, connect, requests, warehouses
from core.db.connect import Turn
from core.db.requests import OutboundFile
from core.directory import Outbound, published_name
from core.domain.batch import BATCHED, PUBLISHED, SEALED, SET_ASIDE, BatchType
from core.envelope import Profile
from core.errors import Reason
from core.events import Event
from core.rota import Rota
from daemons.extract_to_generic import contents
from daemons.extract_to_generic.attempts import Attempts
from daemons.extract_to_generic.publishing import put_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography import x509

    from core.config import Properties
    from core.db.batches import Batch
    from core.envelope import Keyring
    from daemons.extract_to_generic.comparing import Compare


class Extract:
    """Seals and publishes, one warehouse after the other."""

    def __init__(
        self, properties: Properties, tree: Outbound, keyring: Keyring, compare: Compare
    ) -> None:
        self._properties = properties
        self._tree = tree
        self._keyring = keyring
        self._compare = compare
        self._rota = Rota(properties.daemon.backoffmax)
        self._attempts = Attempts(
            properties.daemon.attempts,
            self._rota,
            count=batches.count_attempt,
            excuse=batches.excuse,
            set_aside=self._set_aside,
        )

    def resting(self) -> bool:
        """Whether a warehouse rests, for its directory or its keys."""
        return self._rota.resting

    def __call__(self, conn: psycopg.Connection) -> bool:
        """Seal or publish one batch; True if there may be more."""
        for warehouse, number in self._rota.order(self._compare.those(conn, self._waiting)):
            with connect.turn(conn, Turn.SEAL, number) as mine:
                if mine and self._serve(conn, warehouse):
                    return True
        return False

    @staticmethod
    def _waiting(conn: psycopg.Connection) -> list[tuple[str, int]]:
        sealed = batches.waiting(conn, BatchType.REQUEST, SEALED)
        return sorted({*sealed, *batches.waiting(conn, BatchType.REQUEST, BATCHED)})

    def _serve(self, conn: psycopg.Connection, warehouse: str) -> bool:
        """Publish what is sealed, else seal what is batched; False if this warehouse has to rest.

        A sealed batch that was set aside holds the warehouse up: its files come in their order.
        """
        batch = batches.next_unpublished(conn, warehouse)
        step: Callable[[psycopg.Connection, Batch], None] = self._publish
        if batch is None:
            batch = batches.next_of(conn, warehouse, BatchType.REQUEST, BATCHED)
            step = self._seal
        if batch is None or batch.stage_status == SET_ASIDE.status:
            return False
        self._rota.tried(warehouse)
        with log.about(batch_id=batch.id, warehouse=warehouse):
            return self._attempts.attempt(
                conn, batch.id, batch.warehouse_id, lambda: step(conn, batch)
            )

    @staticmethod
    def _set_aside(conn: psycopg.Connection, batch: int, reason: Reason) -> None:
        batches.move(conn, batch, SET_ASIDE, reason=reason, sentence=reason.meaning)
        log.emit(Event.BATCH_HELD, reason=reason, sentence=reason.meaning)

    def _seal(self, conn: psycopg.Connection, found: Batch) -> None:
        started = time.monotonic()
        recipients = self._keyring.encryption_for(found.warehouse_id)
        self._tree.prepare(found.warehouse_id)
        with conn.transaction():
            batch = batches.lock(conn, found.id, BATCHED)
            if batch is None:
                return
            connect.prefer_keys(conn)
            taken = contents.take(conn, batch, checked=self._properties.checks_fraud)
            file, lines = None, []
            if taken.orders:
                lines = contents.lines(conn, batch)
                file = self._sealed(conn, batch, taken.orders, lines, recipients)
            if file is None:
                self._tree.unseal(batch.warehouse_id, batch.id)
            requests.set_record_count(conn, batch.id, len(taken.orders))
            batches.move(conn, batch.id, SEALED if file else PUBLISHED)
            if file is not None:
                # Its publication begins at once, without another look at the batch.
                batches.count_attempt(conn, batch.id, afresh=True)
        if file is None:
            log.emit(Event.BATCH_EMPTY, cancelled=taken.cancelled, held=taken.held)
            return
        log.emit(
            Event.BATCH_SEALED,
            file=file.name,
            file_sequence=file.file_sequence,
            action=found.action,
            orders=len(taken.orders),
            cancelled=taken.cancelled,
            held=taken.held,
            bytes=file.byte_count,
            milliseconds=log.milliseconds(started),
        )
        self._publish(conn, batch, lines)

    def _sealed(
        self,
        conn: psycopg.Connection,
        batch: Batch,
        orders: list[tuple[object, ...]],
        lines: list[tuple[object, ...]],
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
            action=batch.action,
            fraud_check=batch.fraud_check_required,
        )
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
        contents.record_sent(conn, batch)
        return file

    def _publish(
        self,
        conn: psycopg.Connection,
        found: Batch,
        lines: list[tuple[object, ...]] | None = None,
    ) -> None:
        """Put a sealed batch out; its lines, which nothing changes, are read if not at hand."""
        started = time.monotonic()
        with conn.transaction():
            batch = batches.lock(conn, found.id, SEALED)
            file = requests.file_of(conn, found.id)
            if batch is None or file is None:
                return
            orders = contents.manifest_orders(conn, batch, lines)
            manifest = requests.manifest(file, batch.action, orders)
            trouble = put_out(conn, self._tree, file, batch.id, orjson.dumps(manifest))
            if trouble is Reason.WORK_TREE_CHANGED:
                return
            if trouble is not None:
                self._set_aside(conn, batch.id, trouble)
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
