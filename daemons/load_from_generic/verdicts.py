"""Records the verdict on a file and, where that is agreed, has the partner told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.db import acknowledgements, inbound
from core.directory import requeued_from
from core.errors import Reason

if TYPE_CHECKING:
    import psycopg

    from core.config import Properties
    from core.db.inbound import InboundFile


class Verdicts:
    """Writes a verdict and its acknowledgement in one transaction, or leaves neither."""

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def accepted(
        self,
        conn: psycopg.Connection,
        file: InboundFile,
        content_sha256: bytes,
        *,
        batch: int | None = None,
        external_file_name: str | None = None,
        file_sequence: int | None = None,
        reason: Reason | None = None,
    ) -> None:
        """Have the partner told that a file is accepted, in the caller's transaction.

        `batch` is the one whose records it will be told of; a repeat has none, but a reason.
        """
        if not self._properties.acknowledges(file.warehouse_id):
            return
        acknowledgements.insert_verdict(
            conn,
            file=file.id,
            warehouse=file.warehouse_id,
            file_name=_dropped_as(conn, file),
            verdict="ACCEPTED",
            batch=batch,
            external_file_name=external_file_name,
            file_sequence=file_sequence,
            content_sha256=content_sha256,
            reason=reason,
            sentence=reason and reason.meaning,
        )

    def quarantined(
        self,
        conn: psycopg.Connection,
        file: InboundFile,
        reason: Reason,
        sentence: str,
        *,
        content_sha256: bytes | None,
        acknowledge: bool = True,
    ) -> None:
        """Record that a file is refused, and have the partner told.

        `content_sha256` is None of a file whose signature was not verified: whoever sent that is
        told ENVELOPE_REFUSED and no more, so that no answer helps a forger. One file, one answer:
        the quarantine's limit is theirs too.
        """
        told = (reason, sentence) if content_sha256 else (_OUTWARD, _OUTWARD.meaning)
        with conn.transaction():
            recorded = inbound.record_quarantined(conn, file.id, reason, sentence)
            if recorded and acknowledge and self._properties.acknowledges(file.warehouse_id):
                acknowledgements.insert_verdict(
                    conn,
                    file=file.id,
                    warehouse=file.warehouse_id,
                    file_name=_dropped_as(conn, file),
                    verdict="REJECTED",
                    content_sha256=content_sha256,
                    reason=told[0],
                    sentence=told[1][:1000],
                )


_OUTWARD = Reason.ENVELOPE_REFUSED


def _dropped_as(conn: psycopg.Connection, file: InboundFile) -> str:
    """The name that the partner gave the file, however often it was requeued under one of ours."""
    name = file.partner_name
    while begin := requeued_from(name):
        before = inbound.name_of_claim(conn, file.warehouse_id, begin)
        # Each name leads to an earlier claim; a partner's own of this form leads nowhere.
        if before is None or before == name:
            break
        name = before
    return name
