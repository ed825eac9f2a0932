"""Which items a snapshot takes (B-70). Judged by what the giving side holds, or by what is left where that has deleted it."""

from __future__ import annotations

from datetime import datetime

from runner.model.errands import Items, Snapshot
from runner.model.overrides import RULE
from runner.model.record import Fields
from runner.reconcile.scope import span_of


def takes(snapshot: Snapshot, record: Fields, modified: datetime | None, zone: str) -> bool:
    """Whether the item is one of those that were asked for.

    A series matches a range of starts when any of it lies in between; what has no start lies in every range. What the giver
    has deleted has no time of change, and so matches no ``modified`` range. Raises ``ValueError`` for damaged values.
    """
    recurring = bool(record.get(RULE))
    if snapshot.items is not Items.BOTH and recurring is not (snapshot.items is Items.RECURRING):
        return False
    if snapshot.modified and (modified is None or not snapshot.modified.overlaps(modified, modified)):
        return False
    span = span_of(record, zone) if snapshot.start else None
    return span is None or snapshot.start.overlaps(*span)
