"""Where a mailbox lives, as a value: what Autodiscover has found out (B-16)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Place:
    """``endpoint`` is the EWS URL; mailboxes of one endpoint and ``group`` share a back end (GroupingInformation)."""

    endpoint: str
    group: str
    found_at: datetime
