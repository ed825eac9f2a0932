"""Errands: what an operator has a link visited for, other than a pass. Values only; ``runner.engine.errands`` does them.

An errand runs like a pass of its link does, in the link's turn: whatever it writes, it writes through the same conditional
writes, intents and ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runner.model.terms import Side


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back what a run wrote, or (without ``undone``) everything since an instant. With ``both`` what is restored on the
    side that was written counts as an edit of that side, and goes on to the other one."""

    undone: str | None = None
    since: datetime | None = None
    both: bool = False


@dataclass(frozen=True, slots=True)
class Audit:
    """Compare both sides of a link (``runner.engine.audit``). ``most``: items of this visit, the next goes on there;
    ``rate``: items a minute; ``anew``: begin again, whatever an earlier visit has seen; ``repair``: mark what is found, so
    that the next pass puts it right."""

    most: int | None = None
    rate: int | None = None
    anew: bool = False
    repair: bool = False


class Items(StrEnum):
    """Which kinds of items a snapshot takes."""

    BOTH = "both"
    RECURRING = "recurring"
    SINGLE = "single"


@dataclass(frozen=True, slots=True)
class Range:
    """A closed range of instants; None = open on that end."""

    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        return self.since is not None or self.until is not None

    def overlaps(self, begin: datetime, end: datetime) -> bool:
        """Whether anything from ``begin`` to ``end`` lies in it."""
        return (self.since is None or end >= self.since) and (self.until is None or begin <= self.until)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Give one side what the other holds (B-70): ``giver`` is CRM for ``send``, the target for ``get``.

    ``modified``: when the giver's item last changed; ``start``: when it takes place, a series from its first to its last
    occurrence. ``deletes``: whether what the giver has deleted goes too; ``rate``: items a minute while it is carried out.
    """

    giver: Side
    modified: Range = Range()
    start: Range = Range()
    items: Items = Items.BOTH
    deletes: bool = True
    scheduled: bool = False
    """By schedule: the link's state learns when."""
    rate: int | None = None


Errand = Undo | Audit | Snapshot
