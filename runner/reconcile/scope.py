"""The window (B-47): whether an item takes part now, and when one that lies ahead will.

The window is closed, ``[now - past, now + future]``; an item fills ``[start, end)``, or one instant when it has no length.
Whole days and times without a zone are read in the link's zone. An item without a start cannot lie outside.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from runner.model.moments import UTC_ZONE, length_of, moment_at
from runner.model.record import Fields


class Scope(StrEnum):
    """Where an item lies as seen from the window."""

    INSIDE = "inside"
    PAST = "past"
    FUTURE = "future"


def span_of(record: Fields, zone: str) -> tuple[datetime, datetime] | None:
    """Start and end of a schedule item as UTC instants; None without a start. Raises ``ValueError`` for damaged values.

    Whole days end at the midnight of their last day in ``zone``, however many hours its clock changes leave in between.
    """
    start, duration = record.get("start"), record.get("duration")
    if start is None:
        return None
    length = max(length_of(str(duration)) if duration is not None else timedelta(), timedelta())
    if record.get("show_without_time"):
        return moment_at(str(start), zone), moment_at((datetime.fromisoformat(str(start)) + length).isoformat(), zone)
    begin = moment_at(str(start), str(record.get("time_zone") or zone))
    return begin, begin + length


def in_window(
    record: Fields, past: timedelta | None, future: timedelta | None, now: datetime, zone: str = UTC_ZONE
) -> Scope:
    """Whether an item overlaps the window around ``now`` (aware); None = unbounded on that end."""
    span = span_of(record, zone)
    if span is None:
        return Scope.INSIDE
    start, end = span
    if past is not None and (end <= now - past if end > start else start < now - past):
        return Scope.PAST
    if future is not None and start > now + future:
        return Scope.FUTURE
    return Scope.INSIDE


def enters_at(record: Fields, future: timedelta, zone: str = UTC_ZONE) -> datetime | None:
    """The instant from which on an item ahead of the window lies inside; None without a start."""
    span = span_of(record, zone)
    return span[0] - future if span else None
