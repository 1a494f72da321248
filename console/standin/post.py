"""A partner's post: opens our files, makes answers and acknowledgements; bytes in, bytes out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from core import documents, envelope
from core.documents import AcknowledgedFile, AcknowledgementHeader
from core.envelope import Keyring, Profile
from core.errors import Reason, Reject

SENDER = "CMP"
"""The folder of a partner's trust store that holds our certificates."""


@dataclass(frozen=True, slots=True)
class Post:
    """The correspondence of one warehouse with `sender`."""

    warehouse: str
    keys: Keyring
    sender: str = SENDER
    profile: Profile = Profile.CMS_GCM

    def open(self, data: bytes) -> tuple[dict[str, Any], bytes]:
        """The document of a file, an order-request or an acknowledgement, and its digest.

        Reject if it cannot be trusted or understood.
        """
        opened = envelope.open_(
            data,
            decryption=self.keys.decryption,
            signers=self.keys.signers_of(self.sender),
            profiles={self.profile},
        )
        document: dict[str, Any] = documents.parse(opened.payload)
        is_answer = documents.is_acknowledgement(opened.payload)
        if is_answer:
            documents.validate_acknowledgement(document)
        else:
            documents.validate_request(document)
        if document["wareHouse"]["id"] != self.warehouse:
            raise Reject(
                Reason.WRONG_WAREHOUSE, f"/wareHouse/id must be {self.warehouse}, who took the file"
            )
        if document["recordCount"] != len(document["records" if is_answer else "orders"]):
            raise Reject(Reason.COUNT_MISMATCH, Reason.COUNT_MISMATCH.meaning)
        return document, hashlib.sha256(opened.payload).digest()

    def acknowledgement(self, number: int, name: str, identifier: int, sha256: bytes) -> bytes:
        """The acknowledgement of a request file that was taken in, in UTF-8."""
        return documents.build_acknowledgement(
            AcknowledgementHeader(number, self.warehouse, None, datetime.now(UTC)),
            AcknowledgedFile(
                name, "Sales Order Request", identifier=identifier, content_sha256=sha256
            ),
            "ACCEPTED",
        )

    def document(self, records: list[dict[str, Any]], sequence: int, now: str) -> bytes:
        """The order-dispatch document of these records, in UTF-8; `now` as RFC 3339 has it."""
        document = {
            "interfaceCategory": "Sales Order",
            "interfaceType": "Sales Order Dispatch",
            "version": "1.2",
            "externalFileName": f"{self.warehouse[:3]}_{sequence:08}.json",
            "transformDateTime": now,
            "transmitDateTime": now,
            "recordCount": len(records),
            "wareHouse": {"id": self.warehouse, "fileSequence": sequence},
            "orders": records,
        }
        documents.validate_dispatch(document)
        return orjson.dumps(document)

    def seal(self, payload: bytes) -> bytes:
        """The payload signed by the partner and encrypted to the sender of the requests."""
        return envelope.seal(
            payload,
            signer=self.keys.signing,
            recipients=self.keys.encryption_for(self.sender),
            profile=self.profile,
        )
