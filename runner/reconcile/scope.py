"""The window (B-47): whether an item takes part now, and when one that lies ahead will.

The window is closed, ``[now - past, now + future]``; an item fills ``[start, end)``, or one instant when it has no length.
Whole days and times without a zone are read in the link's zone. An item without a start cannot lie outside.

A task fills the days from its start, or its due day, to its due day or the day of its completion, whichever is later. While
it is open it never lies in the past, however long ago it was due: nobody is done with it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import islice

from runner.model.moments import UTC_ZONE, length_of, moment_at
from runner.model.overrides import RULE
from runner.model.record import Fields
from runner.model.recurrence import days_of
from runner.model.tasks import COMPLETED

_NEVER = datetime.max.replace(tzinfo=UTC)
COUNTED = 5000
"""Occurrences that are counted to find a series' end."""
_UNTIL = re.compile(r"UNTIL=(\d{8})")


class Scope(StrEnum):
    """Where an item lies as seen from the window."""

    INSIDE = "inside"
    PAST = "past"
    FUTURE = "future"


def span_of(record: Fields, zone: str) -> tuple[datetime, datetime] | None:
    """Start and end of an item as UTC instants; None without a start. Raises ``ValueError`` for damaged values.

    Whole days end at the midnight of their last day in ``zone``, however many hours its clock changes leave in between.
    A series spans all of its occurrences; one without end, or with very many, never ends.
    """
    if "due" in record or "status" in record:  # fields that only tasks have
        return _task_span(record, zone)
    start, duration = record.get("start"), record.get("duration")
    if start is None:
        return None
    length = max(length_of(str(duration)) if duration is not None else timedelta(), timedelta())
    rule = record.get(RULE)
    last = _last_start(rule, str(start)) if isinstance(rule, str) else str(start)
    if record.get("show_without_time"):
        begin = moment_at(str(start), zone)
        return begin, _NEVER if last is None else moment_at((datetime.fromisoformat(last) + length).isoformat(), zone)
    own = str(record.get("time_zone") or zone)
    return moment_at(str(start), own), _NEVER if last is None else moment_at(last, own) + length


def _last_start(rule: str, start: str) -> str | None:
    """The local start of a series' last occurrence, or a later one; None when it is too far to be counted."""
    if until := _UNTIL.search(rule):
        day = datetime.strptime(until[1], "%Y%m%d").date()  # noqa: DTZ007 - local by definition
        return max(day.isoformat(), start[:10]) + start[10:]
    if "COUNT=" not in rule:
        return None
    days = list(islice(days_of(rule, start), COUNTED + 1))
    if len(days) > COUNTED:
        return None
    return (days[-1].isoformat() if days else start[:10]) + start[10:]


def _task_span(record: Fields, zone: str) -> tuple[datetime, datetime] | None:
    days = sorted(str(record[name]) for name in ("start", "due", "completed") if record.get(name))
    if not days:
        return None
    begin = moment_at(f"{record.get('start') or days[0]}T00:00:00", zone)
    if record.get("status") != COMPLETED:
        return begin, _NEVER
    last = date.fromisoformat(days[-1]) + timedelta(days=1)
    return begin, moment_at(f"{last.isoformat()}T00:00:00", zone)


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
