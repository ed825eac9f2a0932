"""Errands: what an operator has a link visited for, other than a pass. Values only; ``runner.engine.errands`` does them.

An errand runs like a pass of its link does, in the link's turn: whatever it writes, it writes through the same conditional
writes, intents and ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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


Errand = Undo | Audit
