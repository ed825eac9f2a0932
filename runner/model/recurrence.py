"""Recurrence rules in one canonical form (B-36): the patterns that Exchange and RFC 5545 both express, and no others.

A rule is RFC 5545 text whose parts stand in a fixed order, with everything said that RFC 5545 would take from the start.
Seven families are carried; EWS's Recurrence element has the same ones:

=======================  =====================================================================================
daily                    ``FREQ=DAILY;INTERVAL=3``
weekly                   ``FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;WKST=SU``
monthly by date          ``FREQ=MONTHLY;BYMONTHDAY=15``; ``-1`` is the last day
monthly by date, 29, 30  ``FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1``: Exchange takes the last day of shorter months
monthly by weekday       ``FREQ=MONTHLY;BYDAY=2TU``, ``FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1``
yearly by date           ``FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=29``
yearly by weekday        ``FREQ=YEARLY;BYMONTH=11;BYDAY=4TH``
=======================  =====================================================================================

``INTERVAL`` stands when it is not 1, ``WKST`` when it matters and is not Monday. A series ends never, after ``COUNT``
occurrences, or with the last one on or before the *date* ``UNTIL=20260630`` (local, inclusive). Since no rule has two
occurrences on one day, an occurrence is named by the date of its original start in the series' zone: its recurrence id.

A rule outside these families raises :class:`Inexpressible`; nothing is ever approximated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType

from dateutil.rrule import rrule, rrulestr

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
"""Weekdays as RFC 5545 names them, from Monday."""
WEEKDAYS, WEEKEND = DAYS[:5], DAYS[5:]
LAST = -1
"""As a day of the month or as a position: the last one."""

_BY_DAY = re.compile(r"^([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)$")
_LONGEST: Mapping[int, int] = MappingProxyType(
    {1: 31, 2: 28, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
)
_PARTS = frozenset(
    [
        "FREQ",
        "INTERVAL",
        "COUNT",
        "UNTIL",
        "BYMONTH",
        "BYMONTHDAY",
        "BYDAY",
        "BYSETPOS",
        "WKST",
        "BYHOUR",
        "BYMINUTE",
        "BYSECOND",
        "BYWEEKNO",
        "BYYEARDAY",
    ]
)


class Inexpressible(ValueError):
    """A rule that is valid but lies outside the families that both sides can express."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A recurrence rule, normalised. Which fields are set tells the family (see the module)."""

    frequency: str
    """``DAILY``, ``WEEKLY``, ``MONTHLY`` or ``YEARLY``."""
    interval: int = 1
    days: tuple[str, ...] = ()
    """Weekdays, from Monday: of a weekly rule, or those among which ``position`` counts."""
    position: int | None = None
    """1 to 4, or :data:`LAST`, among ``days`` of the month."""
    month_day: int | None = None
    """1 to 31, or :data:`LAST`; in shorter months the last day stands in, as Exchange does it."""
    month: int | None = None
    week_start: str = "MO"
    count: int | None = None
    until: date | None = None

    def text(self) -> str:
        """The canonical text."""
        parts = [f"FREQ={self.frequency}"]
        if self.interval != 1:
            parts.append(f"INTERVAL={self.interval}")
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if self.until is not None:
            parts.append(f"UNTIL={self.until:%Y%m%d}")
        if self.month is not None:
            parts.append(f"BYMONTH={self.month}")
        if self.month_day is not None:
            parts += self._by_month_day(self.month_day)
        elif self.position is not None:
            parts += self._by_position(self.position)
        elif self.days:
            parts.append(f"BYDAY={','.join(self.days)}")
        if self.week_start != "MO" and self.frequency == "WEEKLY" and self.interval > 1 and len(self.days) > 1:
            parts.append(f"WKST={self.week_start}")
        return ";".join(parts)

    def _by_month_day(self, day: int) -> list[str]:
        shortest = 28 if self.month is None else _LONGEST[self.month]
        if day == LAST or day <= shortest:
            return [f"BYMONTHDAY={day}"]
        days = ",".join(str(number) for number in range(shortest, day + 1))
        return [f"BYMONTHDAY={days}", "BYSETPOS=-1"]

    def _by_position(self, position: int) -> list[str]:
        if len(self.days) == 1:
            return [f"BYDAY={position}{self.days[0]}"]
        return [f"BYDAY={','.join(self.days)}", f"BYSETPOS={position}"]


def on_month_day(day: int, month: int | None = None) -> int:
    """The canonical day of the month of a rule that Exchange gives as ``day``: the last day is :data:`LAST`."""
    longest = 31 if month is None else (29 if month == 2 else _LONGEST[month])
    return LAST if day >= longest and (month is None or month == 2) else min(day, longest)


@lru_cache(maxsize=4096)
def parse_rule(text: str, start: str, zone_shift: int = 0) -> Rule:
    """The rule that an RRULE value means for a series whose first occurrence starts at the local date-time ``start``.

    ``zone_shift`` is the zone's offset from UTC in seconds at the end of the series, for an ``UNTIL`` in UTC.
    Raises ``ValueError`` for text that is no rule, :class:`Inexpressible` for a rule outside the families.
    """
    parts = _parts(text)
    first = datetime.fromisoformat(start)
    count = _number(parts, "COUNT")
    until = _until(parts["UNTIL"], first, zone_shift) if "UNTIL" in parts else None
    if count is not None and until is not None:
        raise ValueError("a recurrence rule has COUNT or UNTIL, not both")
    for name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        if name in parts:
            raise Inexpressible(f"several occurrences on one day ({name}) have no counterpart in Exchange")
    for name in ("BYWEEKNO", "BYYEARDAY"):
        if name in parts:
            raise Inexpressible(f"{name} has no counterpart in Exchange")
    frequency, interval = parts["FREQ"], _number(parts, "INTERVAL") or 1
    family = {"DAILY": _daily, "WEEKLY": _weekly, "MONTHLY": _monthly, "YEARLY": _yearly}.get(frequency)
    if family is None:
        raise Inexpressible(f"FREQ={frequency} has no counterpart in Exchange")
    return replace(family(parts, first, interval), count=count, until=until)


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.strip().removeprefix("RRULE:").upper().split(";"):
        name, found, value = part.partition("=")
        if not found or not value or name in parts or name not in _PARTS:
            raise ValueError("expected a recurrence rule such as FREQ=WEEKLY;BYDAY=MO,WE")
        parts[name] = value
    if "FREQ" not in parts:
        raise ValueError("a recurrence rule needs FREQ")
    return parts


def _number(parts: Mapping[str, str], name: str) -> int | None:
    if name not in parts:
        return None
    if not parts[name].isdecimal() or int(parts[name]) < 1:
        raise ValueError(f"{name} of a recurrence rule must be a positive number")
    return int(parts[name])


def _until(text: str, first: datetime, shift: int) -> date:
    """The last day: a time of day before that of the series leaves out its day."""
    try:
        if len(text) == 8:
            return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - local by definition
        moment = datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007
    except ValueError:
        raise ValueError("UNTIL of a recurrence rule must be a date or a date-time") from None
    if text.endswith("Z"):
        moment += timedelta(seconds=shift)
    return moment.date() - timedelta(days=1) if moment.time() < first.time() else moment.date()


def _by_days(parts: Mapping[str, str]) -> list[tuple[int | None, str]]:
    found: set[tuple[int | None, str]] = set()
    for word in parts.get("BYDAY", "").split(",") if "BYDAY" in parts else ():
        match = _BY_DAY.match(word)
        if not match:
            raise ValueError("BYDAY of a recurrence rule must name weekdays such as MO or 2TU")
        found.add((int(match[1]) if match[1] else None, match[2]))
    return sorted(found, key=lambda one: (DAYS.index(one[1]), one[0] or 0))


def _numbers(parts: Mapping[str, str], name: str) -> list[int]:
    try:
        return sorted({int(word) for word in parts[name].split(",")}) if name in parts else []
    except ValueError:
        raise ValueError(f"{name} of a recurrence rule must be numbers") from None


def _plain_days(parts: Mapping[str, str]) -> tuple[str, ...]:
    days = _by_days(parts)
    if any(position is not None for position, _ in days):
        raise ValueError("positions in BYDAY need FREQ=MONTHLY or FREQ=YEARLY")
    return tuple(day for _, day in days)


def _refuse(parts: Mapping[str, str], *names: str) -> None:
    for name in names:
        if name in parts:
            raise Inexpressible(f"{name} with FREQ={parts['FREQ']} has no counterpart in Exchange")


def _daily(parts: Mapping[str, str], first: datetime, interval: int) -> Rule:
    _refuse(parts, "BYMONTH", "BYMONTHDAY", "BYSETPOS")
    days = _plain_days(parts)
    if not days or len(days) == len(DAYS):
        return Rule("DAILY", interval)
    if interval != 1:
        raise Inexpressible("BYDAY with every n-th day has no counterpart in Exchange")
    return Rule("WEEKLY", 1, days)


def _weekly(parts: Mapping[str, str], first: datetime, interval: int) -> Rule:
    _refuse(parts, "BYMONTH", "BYMONTHDAY", "BYSETPOS")
    days = _plain_days(parts) or (DAYS[first.weekday()],)
    week_start = parts.get("WKST", "MO")
    if week_start not in DAYS:
        raise ValueError("WKST of a recurrence rule must be a weekday")
    return Rule("WEEKLY", interval, days, week_start=week_start if interval > 1 and len(days) > 1 else "MO")


def _monthly(parts: Mapping[str, str], first: datetime, interval: int) -> Rule:
    _refuse(parts, "BYMONTH")
    return _in_month(parts, first, Rule("MONTHLY", interval))


def _yearly(parts: Mapping[str, str], first: datetime, interval: int) -> Rule:
    months = _numbers(parts, "BYMONTH") or [first.month]
    if len(months) != 1 or not 1 <= months[0] <= 12:
        raise Inexpressible("a yearly rule with several months has no counterpart in Exchange")
    if any(position is None for position, _ in _by_days(parts)) and "BYSETPOS" not in parts:
        raise Inexpressible("every such weekday of a month, yearly, has no counterpart in Exchange")
    if interval > 1 and months[0] == first.month:
        # EWS's yearly patterns have no interval; every n years is every 12 n months, counted from the start.
        return _in_month(parts, first, Rule("MONTHLY", interval * 12))
    if interval > 1:
        raise Inexpressible("every n-th year in another month than the start's has no counterpart in Exchange")
    return _in_month(parts, first, Rule("YEARLY", month=months[0]))


def _in_month(parts: Mapping[str, str], first: datetime, bare: Rule) -> Rule:
    """The day within the month: by date, or by weekday and position."""
    days, numbers = _by_days(parts), _numbers(parts, "BYMONTHDAY")
    positions = _numbers(parts, "BYSETPOS")
    if len(positions) > 1:
        raise Inexpressible("several positions (BYSETPOS) have no counterpart in Exchange")
    if numbers and days:
        raise Inexpressible("BYMONTHDAY together with BYDAY has no counterpart in Exchange")
    if not days:
        return _on_date(numbers or [first.day], positions, bare)
    if len(days) == 1 and days[0][0] is not None and not positions:
        return _on_position((days[0][1],), days[0][0], bare)
    if any(position is not None for position, _ in days) or not positions:
        raise Inexpressible("several weekdays of a month have no counterpart in Exchange")
    return _on_position(tuple(day for _, day in days), positions[0], bare)


def _on_date(numbers: list[int], positions: list[int], bare: Rule) -> Rule:
    shortest = 28 if bare.month is None else _LONGEST[bare.month]
    if positions:
        if positions != [LAST] or numbers != list(range(shortest, numbers[-1] + 1)):
            raise Inexpressible("this choice among days of the month has no counterpart in Exchange")
        return _dated(bare, on_month_day(numbers[-1], bare.month))
    if len(numbers) > 1:
        raise Inexpressible("several days of the month have no counterpart in Exchange")
    day = numbers[0]
    if day != LAST and not 1 <= day <= shortest:
        raise Inexpressible(
            f"BYMONTHDAY={day} leaves out shorter months; Exchange would take their last day. BYMONTHDAY=-1 is carried"
        )
    if day == LAST and bare.month is not None and bare.month != 2:
        day = _LONGEST[bare.month]
    return _dated(bare, day)


def _dated(bare: Rule, day: int) -> Rule:
    return Rule(bare.frequency, bare.interval, month_day=day, month=bare.month)


def _on_position(days: tuple[str, ...], position: int, bare: Rule) -> Rule:
    if position not in (1, 2, 3, 4, LAST):
        raise Inexpressible(f"position {position} in a month has no counterpart in Exchange")
    if len(days) == len(DAYS):  # the n-th day, of any name, is a date
        day = position if position != LAST or bare.month in (None, 2) else _LONGEST[bare.month or 1]
        return _dated(bare, day)
    if len(days) > 1 and days not in (WEEKDAYS, WEEKEND):
        raise Inexpressible("the n-th of several weekdays has no counterpart in Exchange")
    return Rule(bare.frequency, bare.interval, days, position, month=bare.month)


@lru_cache(maxsize=512)
def parse_regenerating(text: str) -> Rule:
    """The rule of a task that recurs so long after its completion: how often, and how many times or until when.

    Raises ``ValueError`` for text that is no rule, :class:`Inexpressible` for one that names days.
    """
    parts = _parts(text)
    named = sorted(parts.keys() - {"FREQ", "INTERVAL", "COUNT", "UNTIL"})
    if named:
        raise Inexpressible(
            f"a task that recurs after its completion cannot do so on certain days ({', '.join(named)})"
        )
    if parts["FREQ"] not in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
        raise Inexpressible(f"FREQ={parts['FREQ']} has no counterpart in Exchange")
    count = _number(parts, "COUNT")
    until = _until(parts["UNTIL"], datetime.fromisoformat("0001-01-01"), 0) if "UNTIL" in parts else None
    if count is not None and until is not None:
        raise ValueError("a recurrence rule has COUNT or UNTIL, not both")
    return Rule(parts["FREQ"], _number(parts, "INTERVAL") or 1, count=count, until=until)


def days_of(rule: str, start: str, *, until: date | None = None) -> Iterator[date]:
    """The days of a series' occurrences in order, endless unless the rule or ``until`` (inclusive) ends them.

    ``rule`` is canonical, ``start`` the local start of the first occurrence.
    """
    for moment in _expansion(rule, start[:10]):
        day = moment.date()
        if until is not None and day > until:
            return
        yield day


@lru_cache(maxsize=512)
def _expansion(rule: str, first_day: str) -> rrule:
    expanded = rrulestr(rule, dtstart=datetime.fromisoformat(first_day), cache=True)
    if not isinstance(expanded, rrule):
        raise ValueError("expected one recurrence rule")
    return expanded


def occurs_on(rule: str, start: str, days: frozenset[str]) -> frozenset[str]:
    """Those of these recurrence ids (dates as text) on which the series has an occurrence."""
    if not days:
        return days
    last = date.fromisoformat(max(days))
    return days & {day.isoformat() for day in days_of(rule, start, until=last)}
