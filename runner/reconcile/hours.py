"""Hours in which long work may run (B-71): on some days of the week, from one local time to another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from runner.model.moments import UTC_ZONE, moment_at, zone_of

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of the week, Monday first."""


@dataclass(frozen=True, slots=True)
class Hours:
    """From ``begin`` to ``end`` in ``zone``, on ``days`` (0 is Monday). An end that is not after its begin lies on the next
    day, which belongs to the day on which it began: ``fri 20:00-06:00`` reaches into Saturday."""

    days: frozenset[int] = frozenset(range(7))
    begin: time = time(0)
    end: time = time(0)
    zone: str = UTC_ZONE

    def _span(self, day: date) -> tuple[datetime, datetime]:
        last = day if self.end > self.begin else day + timedelta(days=1)
        return tuple(moment_at(f"{on}T{at:%H:%M:%S}", self.zone) for on, at in ((day, self.begin), (last, self.end)))  # type: ignore[return-value]

    def opens(self, at: datetime) -> datetime:
        """The first instant from ``at`` on that lies in these hours: ``at`` itself while they last."""
        today = at.astimezone(zone_of(self.zone)).date()
        for ahead in range(-1, 9):
            day = today + timedelta(days=ahead)
            begin, end = self._span(day)
            if day.weekday() in self.days and end > at:
                return max(begin, at)
        raise ValueError("hours on no day of the week")
