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


Errand = Undo
