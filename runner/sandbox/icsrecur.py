"""RRULE into the ``Recurrence`` element (page Recurrence (RecurrenceType)), as far as EWS has words for it; EXDATE and
RECURRENCE-ID into days of the series."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from runner.sandbox.failures import EwsError
from runner.sandbox.occurrences import on_day
from runner.sandbox.patterns import Pattern, read_pattern
from runner.sandbox.wire import Fragment, tag

_DAYS = {
    "MO": "Monday",
    "TU": "Tuesday",
    "WE": "Wednesday",
    "TH": "Thursday",
    "FR": "Friday",
    "SA": "Saturday",
    "SU": "Sunday",
}
_ORDER = tuple(_DAYS)
_INDEX = {1: "First", 2: "Second", 3: "Third", 4: "Fourth", -1: "Last"}
_MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
_GROUPS = {frozenset(_ORDER): "Day", frozenset(_ORDER[:5]): "Weekday", frozenset(_ORDER[5:]): "WeekendDay"}


class Unspeakable(ValueError):
    """EWS has no words for this series."""


def recurrence(event: Any, start: date | datetime) -> Fragment:
    """Pattern and range; raises :class:`Unspeakable`.

    RFC 5545 counts the start as the first occurrence even where the rule has none on its day; Exchange does not.
    """
    if "RDATE" in event:
        raise Unspeakable("RDATE: EWS has no series with extra dates")
    rule = event["RRULE"]
    if isinstance(rule, list):
        raise Unspeakable("more than one RRULE")
    parts = {str(key).upper(): list(value) if isinstance(value, list) else [value] for key, value in rule.items()}
    found = Fragment(_pattern(parts, start) + _range(parts, start))
    day = start.date() if isinstance(start, datetime) else start
    try:
        first = read_pattern(found).first()
    except EwsError as error:
        raise Unspeakable("a series without any occurrence") from error
    if first != day:
        raise Unspeakable("a series that starts on a day which its own rule does not have")
    return found


@dataclass(frozen=True, slots=True)
class Days:
    """Which day of a series a moment names: ``start`` and ``end`` are the instants of its first occurrence."""

    pattern: Pattern
    start: datetime
    end: datetime
    zone: tzinfo

    def of(self, moment: date | datetime) -> date | None:
        """The day of the occurrence that starts then; None when there is none. A bare date names its day's."""
        if not isinstance(moment, datetime):
            day = moment
        else:
            aware = moment if moment.tzinfo else moment.replace(tzinfo=self.zone)
            day = aware.astimezone(self.zone).date()
            if self.times(day)[0] != aware.astimezone(UTC):
                return None
        found = next((one for one in self.pattern.days() if one >= day), None)
        return day if found == day else None

    def times(self, day: date) -> tuple[datetime, datetime]:
        """Start and end of the occurrence of a day."""
        return on_day(self.start, self.end, day, self.zone)

    def may_move(self, day: date, to: datetime, deleted: Iterable[date]) -> bool:
        """Whether Exchange lets the occurrence of a day start then: between the days of its neighbours."""
        gone, before, here = set(deleted), None, to.astimezone(self.zone).date()
        for one in self.pattern.days():
            if one in gone or one == day:
                continue
            if one > day:
                return here < one and (before is None or here > before)
            before = one
        return before is None or here > before


def excluded_days(event: Any, days: Days) -> frozenset[date]:
    """EXDATE as days of the series; what names no occurrence means nothing (RFC 5545, 3.8.5.1)."""
    values = event.get("EXDATE", [])
    moments = [moment.dt for value in (values if isinstance(values, list) else [values]) for moment in value.dts]
    return frozenset(day for moment in moments if (day := days.of(moment)) is not None)


def _pattern(parts: dict[str, list[Any]], start: date | datetime) -> str:
    frequency = str(parts.get("FREQ", [""])[0]).upper()
    known = {
        "FREQ",
        "INTERVAL",
        "COUNT",
        "UNTIL",
        "BYDAY",
        "BYMONTHDAY",
        "BYMONTH",
        "BYSETPOS",
        "WKST",
        "RSCALE",
        "SKIP",
    }
    if strange := set(parts) - known:
        raise Unspeakable(f"{', '.join(sorted(strange))} in the RRULE")
    if {"RSCALE", "SKIP"} & set(parts):
        raise Unspeakable("a calendar other than the Gregorian (RFC 7529)")
    interval = tag("Interval", str(int(parts.get("INTERVAL", [1])[0])))
    if frequency == "DAILY" and not {"BYMONTHDAY", "BYMONTH", "BYSETPOS", "BYDAY"} & set(parts):
        return f"<t:DailyRecurrence>{interval}</t:DailyRecurrence>"
    if frequency == "WEEKLY" and not {"BYMONTHDAY", "BYMONTH", "BYSETPOS"} & set(parts):
        return _weekly(parts, start, interval)
    if frequency == "MONTHLY" and "BYMONTH" not in parts:
        return _monthly(parts, start, interval)
    if frequency == "YEARLY" and interval == tag("Interval", "1"):
        return _yearly(parts, start)
    raise Unspeakable(f"the combination {', '.join(sorted(parts))} with FREQ={frequency}")


def _weekly(parts: dict[str, list[Any]], start: date | datetime, interval: str) -> str:
    days = [str(day).upper() for day in parts.get("BYDAY", [_ORDER[start.weekday()]])]
    if any(day not in _DAYS for day in days):
        raise Unspeakable("a weekly series by numbered weekdays")
    first = _DAYS.get(str(parts.get("WKST", ["MO"])[0]).upper(), "Monday")
    words = " ".join(_DAYS[day] for day in sorted(days, key=_ORDER.index))
    return (
        f"<t:WeeklyRecurrence>{interval}{tag('DaysOfWeek', words)}{tag('FirstDayOfWeek', first)}</t:WeeklyRecurrence>"
    )


def _monthly(parts: dict[str, list[Any]], start: date | datetime, interval: str) -> str:
    if "BYDAY" in parts:
        days, index = _relative(parts)
        return (
            f"<t:RelativeMonthlyRecurrence>{interval}{tag('DaysOfWeek', days)}{tag('DayOfWeekIndex', index)}"
            "</t:RelativeMonthlyRecurrence>"
        )
    return (
        f"<t:AbsoluteMonthlyRecurrence>{interval}{tag('DayOfMonth', str(_month_day(parts, start, 28)))}"
        "</t:AbsoluteMonthlyRecurrence>"
    )


def _yearly(parts: dict[str, list[Any]], start: date | datetime) -> str:
    months = parts.get("BYMONTH", [start.month])
    if len(months) != 1:
        raise Unspeakable("a yearly series in several months")
    month = tag("Month", _MONTHS[int(months[0]) - 1])
    if "BYDAY" in parts:
        days, index = _relative(parts)
        return (
            f"<t:RelativeYearlyRecurrence>{tag('DaysOfWeek', days)}{tag('DayOfWeekIndex', index)}{month}"
            "</t:RelativeYearlyRecurrence>"
        )
    longest = calendar.monthrange(2023, int(months[0]))[1]
    day = tag("DayOfMonth", str(_month_day(parts, start, longest)))
    return f"<t:AbsoluteYearlyRecurrence>{day}{month}</t:AbsoluteYearlyRecurrence>"


def _month_day(parts: dict[str, list[Any]], start: date | datetime, longest: int) -> int:
    """A day that every such month has: in shorter months RFC 5545 has no occurrence, and Exchange takes their last day."""
    days = parts.get("BYMONTHDAY", [start.day])
    if "BYSETPOS" in parts or len(days) != 1:
        raise Unspeakable("several days of a month")
    day = int(days[0])
    if day == -1:
        return 31 if longest == 28 else longest
    if day < 1:
        raise Unspeakable("days counted from the end of a month")
    if day > longest:
        raise Unspeakable(f"day {day} of every month, left out where a month has none")
    return day


def _relative(parts: dict[str, list[Any]]) -> tuple[str, str]:
    if "BYMONTHDAY" in parts:
        raise Unspeakable("a weekday on certain days of the month")
    days = [str(day).upper() for day in parts["BYDAY"]]
    if "BYSETPOS" in parts:
        positions = [int(value) for value in parts["BYSETPOS"]]
        group = _GROUPS.get(frozenset(days)) or (_DAYS.get(days[0]) if len(days) == 1 else None)
    else:
        positions = [int(day[:-2] or 0) for day in days]
        group = _DAYS.get(days[0][-2:]) if len(days) == 1 else None
    if group is None or len(positions) != 1 or positions[0] not in _INDEX:
        raise Unspeakable("this choice of weekdays within a month")
    return group, _INDEX[positions[0]]


def _range(parts: dict[str, list[Any]], start: date | datetime) -> str:
    begin = tag("StartDate", (start.date() if isinstance(start, datetime) else start).isoformat())
    if "COUNT" in parts:
        count = tag("NumberOfOccurrences", str(int(parts["COUNT"][0])))
        return f"<t:NumberedRecurrence>{begin}{count}</t:NumberedRecurrence>"
    if "UNTIL" in parts:
        until = parts["UNTIL"][0]
        if isinstance(until, datetime):
            zone = start.tzinfo if isinstance(start, datetime) else None
            local = until if until.tzinfo is None else until.astimezone(zone or UTC)
            # The last occurrence starts at UNTIL or before: a time of day before that of the series leaves out its day.
            early = isinstance(start, datetime) and local.time() < start.time()
            until = local.date() - timedelta(days=1) if early else local.date()
        return f"<t:EndDateRecurrence>{begin}{tag('EndDate', until.isoformat())}</t:EndDateRecurrence>"
    return f"<t:NoEndRecurrence>{begin}</t:NoEndRecurrence>"
