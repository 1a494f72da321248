"""A stand-in for a warehouse: a partner that takes request files and answers them.

For the demo, for tests, and for acceptance environments that have no real partner. It works from
the partner's side of the two trees alone, with keys of its own, and never looks at the database.
`plan` decides what becomes of an order, without input or output; `ledger` is what the stand-in
remembers; `partner` is the work on files; `command` is `cmp-orders warehouse run`.
"""

from console.standin.partner import Counts, StandIn
from console.standin.plan import PRESETS, Plan

__all__ = ["PRESETS", "Counts", "Plan", "StandIn"]
