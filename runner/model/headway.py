"""How far a snapshot has come that a service carries out slice by slice (B-70): values.

A slice ends when its time or its pace is used up, so that the link's ordinary passes have their turn in between. What it has
looked at and written is durable before the next one begins: after a crash it goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from runner.model.errands import Snapshot

Cursor = tuple[str, ...]
"""Where a listing of a snapshot's items goes on (``runner.engine.snapshot``); empty = at its beginning."""


class Stage(StrEnum):
    """What a snapshot does now: everything is counted before anything is written, so that a guard can stop it whole."""

    COUNTING = "counting"
    GIVING = "giving"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Headway:
    """One link's newest snapshot by slices. ``due``: the items that it is about, as far as is known; ``done``: how many of
    them this stage has looked at. ``wanted``: writes by operation that were counted, ``counts`` what has come of it so far
    (as in a pass's report). ``go_on``: when the next slice may begin."""

    link: str
    run: str
    errand: Snapshot
    started: datetime
    go_on: datetime
    stage: Stage = Stage.COUNTING
    cursor: Cursor = ()
    done: int = 0
    due: int = 0
    rounds: int = 0
    """Rounds over the items that are through; a further one is made for items that moved under their write."""
    again: int = 0
    """Items of this round that did."""
    wanted: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    finished: datetime | None = None
    reason: str | None = None
    """Why it waits, or how it ended when it did not come to its end."""

    def per_minute(self, now: datetime) -> float:
        """Items of this stage a minute since the snapshot was begun."""
        minutes = ((self.finished or now) - self.started).total_seconds() / 60
        return self.done / minutes if minutes > 0 else 0.0
