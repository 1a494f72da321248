"""The generic files: order-request built from rows, order-dispatch read into rows; acknowledgement.

Nothing here does input or output, logs, or knows the envelope: bytes in, bytes out, Reject for
whatever the sender must mend. The published form is in `schemas/`.
"""

from core.documents.acknowledgement import (
    AcknowledgedFile,
    AcknowledgementHeader,
    PartnerAcknowledgement,
    build_acknowledgement,
    validate_acknowledgement,
)
from core.documents.dispatch import (
    DetailRow,
    DispatchDocument,
    DispatchLineRow,
    read_dispatch,
    validate_dispatch,
)
from core.documents.parsing import parse
from core.documents.received import is_acknowledgement, read_received
from core.documents.request import (
    OrderRow,
    RequestHeader,
    RequestLineRow,
    build_request,
    request_document,
    validate_request,
)

__all__ = [
    "AcknowledgedFile",
    "AcknowledgementHeader",
    "DetailRow",
    "DispatchDocument",
    "DispatchLineRow",
    "OrderRow",
    "PartnerAcknowledgement",
    "RequestHeader",
    "RequestLineRow",
    "build_acknowledgement",
    "build_request",
    "is_acknowledgement",
    "parse",
    "read_dispatch",
    "read_received",
    "request_document",
    "validate_acknowledgement",
    "validate_dispatch",
    "validate_request",
]
