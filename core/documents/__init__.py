"""The generic files: order-request built from rows, order-dispatch read into rows.

Nothing here does input or output, logs, or knows the envelope: bytes in, bytes out, Reject for
whatever the sender must mend. The published form is in `schemas/`.
"""

from core.documents.dispatch import (
    DetailRow,
    DispatchDocument,
    DispatchLineRow,
    read_dispatch,
    validate_dispatch,
)
from core.documents.parsing import parse
from core.documents.request import (
    OrderRow,
    RequestHeader,
    RequestLineRow,
    build_request,
    request_document,
    validate_request,
)

__all__ = [
    "DetailRow",
    "DispatchDocument",
    "DispatchLineRow",
    "OrderRow",
    "RequestHeader",
    "RequestLineRow",
    "build_request",
    "parse",
    "read_dispatch",
    "request_document",
    "validate_dispatch",
    "validate_request",
]
