"""The Recurrence element: which days it means (pages Recurrence (RecurrenceType), Recurrence (TaskRecurrenceType)).

A calendar item's series has all the days of its pattern. A task is always its outstanding occurrence alone: fixed patterns
count from their own start; regenerating patterns count from the day on which the last occurrence was completed (page
CreateItem operation (task)).
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from functools import lru_cache
from itertools import islice

from dateutil.relativedelta import relativedelta
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, weekday

from runner.sandbox.failures import EwsError
from runner.sandbox.wire import Element, Fragment, T, children, local, outer, parse_fragment, tag

_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_GROUPS = {"Day": range(7), "Weekday": range(5), "WeekendDay": range(5, 7)}
_POSITIONS = {"First": 1, "Second": 2, "Third": 3, "Fourth": 4, "Last": -1}
_STEPS = {
    "DailyRegeneration": relativedelta(days=1),
    "WeeklyRegeneration": relativedelta(weeks=1),
    "MonthlyRegeneration": relativedelta(months=1),
    "YearlyRegeneration": relativedelta(years=1),
}
_LAST_YEAR = 4500
"""No item that Exchange keeps lies behind it."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A recurrence. ``count`` is the number of occurrences from ``start`` on, ``end`` the last day, if any."""

    kind: str
    fields: tuple[tuple[str, str], ...]
    pattern_xml: Fragment
    start: date
    count: int | None
    end: date | None

    @property
    def regenerates(self) -> bool:
        """Whether the next occurrence counts from the completion of this one."""
        return self.kind in _STEPS

    def days(self) -> Iterator[date]:
        """The days of a fixed pattern, in order; without an end they go on for ever."""
        for day in islice(self._all(), self.count):
            if day.year > _LAST_YEAR or (self.end is not None and day > self.end):
                return
            yield day

    def first(self) -> date:
        """The first day on or after the start that the pattern has; raises ``ErrorRecurrenceHasNoOccurrence``."""
        found = self.start if self.regenerates else next(self.days(), None)
        if found is None:
            raise EwsError("ErrorRecurrenceHasNoOccurrence")
        return found

    def starting(self, day: date) -> Pattern:
        """The same pattern from another day on."""
        return replace(self, start=day)

    def after(self, day: date, completed: date) -> tuple[date, Pattern] | None:
        """The occurrence after the one on ``day``, and the pattern that remains; None after the last one.

        A regenerating task with a number of occurrences has one fewer left each time.
        """
        if self.regenerates:
            if self.count is not None and self.count <= 1:
                return None
            nearest = completed + _STEPS[self.kind] * int(self._field("Interval", "1"))
            if self.end is not None and nearest > self.end:
                return None
            left = None if self.count is None else self.count - 1
            return nearest, replace(self, start=nearest, count=left)
        following = next((found for found in self.days() if found > day), None)
        return None if following is None else (following, self)

    def render(self) -> Fragment:
        """The element's inside."""
        start = tag("StartDate", self.start.isoformat())
        if self.count is not None:
            span = f"<t:NumberedRecurrence>{start}{tag('NumberOfOccurrences', str(self.count))}</t:NumberedRecurrence>"
        elif self.end is not None:
            span = f"<t:EndDateRecurrence>{start}{tag('EndDate', self.end.isoformat())}</t:EndDateRecurrence>"
        else:
            span = f"<t:NoEndRecurrence>{start}</t:NoEndRecurrence>"
        return Fragment(self.pattern_xml + span)

    def _field(self, name: str, default: str = "") -> str:
        return dict(self.fields).get(name, default)

    def _weekdays(self) -> list[int]:
        words = self._field("DaysOfWeek").split()
        found = {number for word in words for number in _GROUPS.get(word, ())}
        return sorted(found | {_NAMES.index(word) for word in words if word in _NAMES})

    def _all(self) -> Iterator[date]:
        interval = int(self._field("Interval", "1"))
        month = list(calendar.month_name).index(self._field("Month")) if self._field("Month") else None
        if self.kind.startswith("Absolute"):
            return self._by_date(interval, month)
        days, start = self._weekdays(), _moment(self.start)
        if self.kind == "DailyRecurrence":
            found = rrule(DAILY, dtstart=start, interval=interval)
        elif self.kind == "WeeklyRecurrence":
            week = _NAMES.index(self._field("FirstDayOfWeek", "Sunday"))
            found = rrule(WEEKLY, dtstart=start, interval=interval, byweekday=days, wkst=week)
        else:
            place = _POSITIONS[self._field("DayOfWeekIndex", "First")]
            many = [weekday(number) for number in days]
            if self.kind == "RelativeMonthlyRecurrence":
                found = rrule(MONTHLY, dtstart=start, interval=interval, byweekday=many, bysetpos=place)
            else:
                found = rrule(YEARLY, dtstart=start, bymonth=month, byweekday=many, bysetpos=place)
        return (moment.date() for moment in found)

    def _by_date(self, interval: int, month: int | None) -> Iterator[date]:
        """By day of the month; a month without that day has its last one (page DayOfMonth)."""
        wanted = int(self._field("DayOfMonth", "1"))
        at = self.start.replace(day=1) if month is None else date(self.start.year, month, 1)
        step = relativedelta(months=interval) if month is None else relativedelta(years=1)
        while at.year <= _LAST_YEAR:
            day = at.replace(day=min(wanted, calendar.monthrange(at.year, at.month)[1]))
            if day >= self.start:
                yield day
            at += step


@lru_cache(maxsize=256)
def read_pattern(fragment: str) -> Pattern:
    """What stands inside a Recurrence element; only the date of its start is kept (page CreateItem operation (task))."""
    parts = list(children(parse_fragment(fragment)))
    if len(parts) != 2:
        raise EwsError("ErrorInvalidPropertySet")
    pattern, span = parts
    ends = span.findtext(T + "EndDate")
    number = span.findtext(T + "NumberOfOccurrences")
    return Pattern(
        local(pattern),
        tuple((local(part), part.text or "") for part in children(pattern)),
        outer(pattern),
        _day(span),
        int(number) if number else None,
        date.fromisoformat(ends[:10]) if ends else None,
    )


def _day(span: Element) -> date:
    return date.fromisoformat((span.findtext(T + "StartDate") or "")[:10])


def _moment(day: date) -> datetime:
    return datetime.combine(day, time.min)
