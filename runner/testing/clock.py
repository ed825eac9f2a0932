"""A clock that moves only when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday morning in Europe, four weeks before the clocks change."""


class FakeClock:
    """The port ``Clock``, moved by the test. Wall time may jump either way, the monotonic clock never goes back."""

    def __init__(self, start: datetime = START) -> None:
        if start.tzinfo is None:
            raise ValueError("the clock's start must be an aware datetime")
        self._now = start.astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        """The instant that the test has set, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that passed through :meth:`advance`, jumps not counted."""
        return self._monotonic

    def advance(self, by: timedelta | float) -> datetime:
        """Let time pass (seconds or a timedelta, not negative) on both clocks. Returns the new instant."""
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta(0):
            raise ValueError("time passes forwards: use jump() for a clock that is set back")
        self._now += step
        self._monotonic += step.total_seconds()
        return self._now

    def jump(self, by: timedelta) -> datetime:
        """Set the wall clock forwards or back, as NTP or an administrator does. Returns the new instant."""
        self._now += by
        return self._now
