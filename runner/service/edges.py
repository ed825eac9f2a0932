"""Many hints of one change → few wishes for a pass: the first goes at once, the others together a moment later.

One act of a user is several notifications. The first one must not wait, and those that follow it within :data:`QUIET` seconds
make one more wish when that time is up, however many they are; while a pass runs the queue joins wishes by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

QUIET = 0.5
"""Seconds after a wish in which further hints wait."""


class Edges:
    """Hints by link. Times are seconds of a monotonic clock. Not safe to share between threads."""

    def __init__(self, quiet: float = QUIET) -> None:
        self._quiet = quiet
        self._until: dict[str, float] = {}
        """Link → end of its quiet time."""
        self._waiting: list[tuple[float, str]] = []
        self._hinted: set[str] = set()

    def hint(self, links: Iterable[str], now: float) -> list[str]:
        """Links among these that shall have a pass at once; the others are kept until they are :meth:`due`."""
        at_once = []
        for link in links:
            until = self._until.get(link, now)
            if until <= now:
                self._until[link] = now + self._quiet
                at_once.append(link)
            elif link not in self._hinted:
                self._hinted.add(link)
                heappush(self._waiting, (until, link))
        return at_once

    def due(self, now: float) -> list[str]:
        """Links whose quiet time is over and who were hinted at meanwhile."""
        found = []
        while self._waiting and self._waiting[0][0] <= now:
            _, link = heappop(self._waiting)
            self._hinted.discard(link)
            self._until[link] = now + self._quiet
            found.append(link)
        if not self._waiting and len(self._until) > 1000:
            self._until = {link: until for link, until in self._until.items() if until > now}
        return found

    def next_due(self) -> float | None:
        """When :meth:`due` has something to give; None while nothing waits."""
        return self._waiting[0][0] if self._waiting else None
