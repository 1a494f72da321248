"""Checks orders before they are sent: by rules here, or by a service that is asked over HTTP.

The rules decide in core.domain.fraud. This room stands beside it for what they cannot know without
libraries, since the domain imports the standard library alone: what an address needs in each
country, and how telephone numbers and e-mail addresses are written. It sits above the database and
the documents, because a check is one unit of work over both: read what waits, judge, write what
became of it. It logs nothing; the daemon does.
"""

from core.screening.checker import Checker, CheckerAway
from core.screening.rules import Rules, Settings
from core.screening.service import Service, ServiceSettings
from core.screening.work import Checked, Screening, trial

__all__ = [
    "Checked",
    "Checker",
    "CheckerAway",
    "Rules",
    "Screening",
    "Service",
    "ServiceSettings",
    "Settings",
    "trial",
]
