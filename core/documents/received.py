"""What a partner sends: an order-dispatch, or an acknowledgement of a file of ours."""

from __future__ import annotations

from core.documents import acknowledgement, dispatch
from core.documents.acknowledgement import PartnerAcknowledgement
from core.documents.dispatch import DispatchDocument
from core.documents.parsing import parse
from core.errors import Reason, Reject


def read_received(payload: bytes, warehouse: str) -> DispatchDocument | PartnerAcknowledgement:
    """The file that `warehouse` (an id) sent; its interfaceType says which of the two it is.

    Raises Reject as read_dispatch() and partner_acknowledgement() do.
    """
    document = parse(payload)
    found = document.get("interfaceType") if isinstance(document, dict) else None
    if found == acknowledgement.TYPE:
        return acknowledgement.partner_acknowledgement(document, warehouse)
    if isinstance(found, str) and found != dispatch.TYPE:
        raise Reject(
            Reason.WRONG_INTERFACE,
            f'/interfaceType must be "{dispatch.TYPE}" or "{acknowledgement.TYPE}".',
        )
    return dispatch.dispatch_document(document, warehouse)


def is_acknowledgement(payload: bytes) -> bool:
    """Whether it gives itself out as an acknowledgement, however wrong: these get no answer."""
    try:
        document = parse(payload)
    except Reject:
        return False
    return isinstance(document, dict) and document.get("interfaceType") == acknowledgement.TYPE
