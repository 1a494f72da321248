"""acknowledgement: what the receiver of a file says of it, in either direction.

Ours is built of a row; a partner's is read to what has to be recorded of the file that it means.
An acknowledgement names a request or a dispatch file, never another acknowledgement: the schema
knows no such thing, so nobody can begin to acknowledge acknowledgements.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from core.documents.validation import ACKNOWLEDGEMENT
from core.errors import Reason, Reject

VERSION: Final = "1.0"
CATEGORY: Final = "Sales Order"
TYPE: Final = "Acknowledgement"
REQUEST_TYPE: Final = "Sales Order Request"
DISPATCH_TYPE: Final = "Sales Order Dispatch"
ACCEPTED, REJECTED, PROCESSED = "ACCEPTED", "REJECTED", "PROCESSED"


class AcknowledgementHeader(NamedTuple):
    """What the file says of itself; the time is aware. A partner may leave its number out."""

    identifier: int
    warehouse_id: str
    number: int | None
    at: datetime


class AcknowledgedFile(NamedTuple):
    """The file that is meant; what is None is not known."""

    name: str
    interface_type: str | None = None
    identifier: int | None = None
    external_file_name: str | None = None
    file_sequence: int | None = None
    content_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class PartnerAcknowledgement:
    """What a partner says of a file of ours; `content_sha256` where it says of which content."""

    identifier: int
    name: str
    content_sha256: bytes | None
    verdict: str
    reason: str | None
    message: str | None


def build_acknowledgement(
    header: AcknowledgementHeader,
    file: AcknowledgedFile,
    verdict: str,
    *,
    reason: str | None = None,
    message: str | None = None,
    records: list[dict[str, Any]] | None = None,
) -> bytes:
    """The validated document in UTF-8; Reject(SCHEMA_INVALID) when a value breaks a limit."""
    house = {"id": header.warehouse_id, "acknowledgementSequence": header.number}
    sha256 = file.content_sha256.hex() if file.content_sha256 else None
    about = {
        "name": file.name,
        "interfaceType": file.interface_type,
        "identifier": file.identifier,
        "externalFileName": file.external_file_name,
        "fileSequence": file.file_sequence,
        "contentSha256": sha256,
    }
    document = {
        "identifier": header.identifier,
        "version": VERSION,
        "interfaceCategory": CATEGORY,
        "interfaceType": TYPE,
        "wareHouse": _present(house),
        "acknowledgementDateTime": header.at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z",
        "file": _present(about),
        "verdict": verdict,
        "reason": reason,
        "message": message,
        "recordCount": len(records or ()),
        "records": [_present(record) for record in records or ()],
    }
    document = _present(document)
    validate_acknowledgement(document)
    return orjson.dumps(document)


def validate_acknowledgement(document: object) -> None:
    """Raise Reject(SCHEMA_INVALID), naming the place and what is allowed, never the value."""
    ACKNOWLEDGEMENT.validate(document)


def partner_acknowledgement(document: Any, warehouse: str) -> PartnerAcknowledgement:
    """What `warehouse` (an id) says of a file of ours, of a parsed document of this type.

    Raises Reject with, in this order: SCHEMA_INVALID (another verdict or file than a partner can
    speak of, too), WRONG_WAREHOUSE, COUNT_MISMATCH. No sentence holds a value of the file.
    """
    validate_acknowledgement(document)
    about = document["file"]
    if about.get("interfaceType") != REQUEST_TYPE:
        raise Reject(
            Reason.SCHEMA_INVALID,
            f'/file/interfaceType must be "{REQUEST_TYPE}": these are the files from us that are '
            "acknowledged.",
        )
    if document["verdict"] == PROCESSED:
        raise Reject(
            Reason.SCHEMA_INVALID,
            f'/verdict must be "{ACCEPTED}" or "{REJECTED}": what became of an order is told in an '
            "order-dispatch.",
        )
    if document["wareHouse"]["id"] != warehouse:
        raise Reject(
            Reason.WRONG_WAREHOUSE,
            f"/wareHouse/id must be {warehouse}, whose directory the file was put in.",
        )
    if document["recordCount"] != len(document["records"]):
        raise Reject(
            Reason.COUNT_MISMATCH,
            f"/recordCount must be {len(document['records'])}, the number of entries in /records.",
        )
    sha256 = about.get("contentSha256")
    return PartnerAcknowledgement(
        int(about["identifier"]),
        about["name"],
        bytes.fromhex(sha256) if sha256 else None,
        document["verdict"],
        document.get("reason"),
        document.get("message"),
    )


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
