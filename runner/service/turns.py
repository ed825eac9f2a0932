"""How long a pass may run before others have their turn (B-20): a large folder's first pass holds up nobody for hours.

What a pass has done is committed step by step, so ending it between two steps costs nothing: it goes on from there. One that
came to no step within its time gets twice as much in its next turn, or it would never come to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

TURN = timedelta(seconds=5)
"""For this long after its turn a pass leaves the others alone."""
SLICE = timedelta(seconds=20)
"""For so long at a time a snapshot has its link: the link's ordinary passes go on between two slices."""
_MOST_DOUBLINGS = 10


@dataclass(slots=True)
class Turns:
    """The turns of every link's passes. A link has one pass at a time, so there is nothing to guard."""

    _doublings: dict[str, int] = field(default_factory=dict)

    def over(self, link: str, timeout: timedelta | None, now: Callable[[], float]) -> Callable[[], bool]:
        """A turn begins: what tells whether it is over. ``now`` is a monotonic clock."""
        if timeout is None:
            return lambda: False
        end = now() + timeout.total_seconds() * 2 ** self._doublings.get(link, 0)
        return lambda: now() >= end

    def ended(self, link: str, *, early: bool, moved: bool) -> None:
        """A turn has ended, ``early`` or with its pass; ``moved``: the pass did anything."""
        if early and not moved:
            self._doublings[link] = min(self._doublings.get(link, 0) + 1, _MOST_DOUBLINGS)
        else:
            self._doublings.pop(link, None)
