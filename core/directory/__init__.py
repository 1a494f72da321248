"""The trees of files: every durable step, and the fsync that makes it one.

`out/{<warehouse>/, work/, archive/}` and `in/{<warehouse>/, work/, archive/, quarantine/}`; below
work, archive and quarantine one directory a warehouse. A partner sees its own `<warehouse>` alone.
"""

from core.directory.inbound import Candidate, Inbound, partner_name, requeued_from
from core.directory.outbound import (
    Outbound,
    acknowledgement_name,
    acknowledgement_number,
    published_name,
    sequence_of,
)

__all__ = [
    "Candidate",
    "Inbound",
    "Outbound",
    "acknowledgement_name",
    "acknowledgement_number",
    "partner_name",
    "published_name",
    "requeued_from",
    "sequence_of",
]
