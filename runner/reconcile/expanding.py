"""Expanding snapshots (B-71): the windows through which a first sync grows, one around the other, and how fast.

The first window is small, each further one so many times as long towards the past and the future, and the last of ``steps``
is the link's own: nothing is left out for good. Only what was never in step waits for its window.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from runner.reconcile.hours import Hours

_LONGEST = 200_000.0
"""Days beyond which a window is as good as unbounded."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """How a link's first sync grows. ``past`` and ``future`` are the first window's; ``per_minute``: items; None = as fast
    as it goes. ``during``: when it may; None = at any time."""

    past: timedelta
    future: timedelta
    times_past: float = 2.0
    times_future: float = 2.0
    steps: int = 5
    per_minute: int | None = None
    during: Hours | None = None

    def reach(
        self, step: int, past: timedelta | None, future: timedelta | None
    ) -> tuple[timedelta | None, timedelta | None]:
        """The window of a step (from 1) within the link's own, which ``past`` and ``future`` give; None = unbounded."""
        if step >= self.steps:
            return past, future
        return (
            _grown(self.past, self.times_past, step - 1, past),
            _grown(self.future, self.times_future, step - 1, future),
        )

    def after(self, step: int, past: timedelta | None, future: timedelta | None) -> int:
        """The step that follows a finished one; 0 when the link's whole window has been reached."""
        return 0 if self.reach(step, past, future) == (past, future) else step + 1


def _grown(first: timedelta, times: float, often: int, most: timedelta | None) -> timedelta | None:
    days = min(first / timedelta(days=1) * times**often, _LONGEST)
    length = timedelta(days=days)
    return length if most is None or length < most else most
