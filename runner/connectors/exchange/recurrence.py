"""The Recurrence element ↔ canonical rules (B-36; web-service-reference: Recurrence (RecurrenceType), DaysOfWeek,
DayOfWeekIndex, NoEndRecurrence, EndDateRecurrence, NumberedRecurrence).

Exchange's patterns are the families of ``model.recurrence``, so each has exactly one counterpart. A day of the month that
a month lacks is its last day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType

from runner.connectors.exchange.names import Element, add, t
from runner.model.recurrence import DAYS, LAST, WEEKDAYS, WEEKEND, Rule, days_of, on_month_day

_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_INDEXES: Mapping[str, int] = MappingProxyType({"First": 1, "Second": 2, "Third": 3, "Fourth": 4, "Last": LAST})
_POSITIONS = {position: word for word, position in _INDEXES.items()}
_DAY_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{name: (day,) for name, day in zip(_NAMES, DAYS, strict=True)},
        "Day": DAYS,
        "Weekday": WEEKDAYS,
        "WeekendDay": WEEKEND,
    }
)
_SET_WORDS = {days: word for word, days in _DAY_WORDS.items()}


def rule_of(element: Element) -> tuple[Rule, date]:
    """The rule of a Recurrence element, and the day of its first occurrence.

    Raises ``ValueError`` for a pattern that is none of Exchange's (a task's regenerating patterns among them).
    """
    for tag, read in _READERS.items():
        pattern = element.find(tag)
        if pattern is not None:
            rule = read(pattern)
            break
    else:
        raise ValueError("a recurrence pattern that is not known")
    for tag in (t("NoEndRecurrence"), t("EndDateRecurrence"), t("NumberedRecurrence")):
        span = element.find(tag)
        if span is not None:
            break
    else:
        raise ValueError("a recurrence without a range")
    start = _date(span, "StartDate")
    count = span.findtext(t("NumberOfOccurrences"))
    until = _date(span, "EndDate") if span.tag == t("EndDateRecurrence") else None
    whole = replace(rule, count=int(count) if count else None, until=until)
    first = next(days_of(whole.text(), start.isoformat()), None)
    if first is None:
        raise ValueError("a recurrence without any occurrence")
    return whole, first


def fill_recurrence(element: Element, rule: Rule, start: str) -> None:
    """Fill a Recurrence element. ``start`` is the series' local start, of which the date is its first day."""
    if rule.frequency == "DAILY":
        add(add(element, "t:DailyRecurrence"), "t:Interval", str(rule.interval))
    elif rule.frequency == "WEEKLY":
        pattern = add(element, "t:WeeklyRecurrence")
        add(pattern, "t:Interval", str(rule.interval))
        add(pattern, "t:DaysOfWeek", " ".join(_SET_WORDS[day,] for day in rule.days))
        add(pattern, "t:FirstDayOfWeek", _SET_WORDS[rule.week_start,])
    elif rule.frequency == "MONTHLY":
        _fill_monthly(element, rule)
    else:
        _fill_yearly(element, rule)
    first = start[:10]
    if rule.count is not None:
        span = add(element, "t:NumberedRecurrence")
        add(span, "t:StartDate", first)
        add(span, "t:NumberOfOccurrences", str(rule.count))
    elif rule.until is not None:
        span = add(element, "t:EndDateRecurrence")
        add(span, "t:StartDate", first)
        add(span, "t:EndDate", rule.until.isoformat())
    else:
        add(add(element, "t:NoEndRecurrence"), "t:StartDate", first)


def _fill_monthly(element: Element, rule: Rule) -> None:
    if rule.month_day is not None:
        pattern = add(element, "t:AbsoluteMonthlyRecurrence")
        add(pattern, "t:Interval", str(rule.interval))
        add(pattern, "t:DayOfMonth", str(31 if rule.month_day == LAST else rule.month_day))
        return
    pattern = add(element, "t:RelativeMonthlyRecurrence")
    add(pattern, "t:Interval", str(rule.interval))
    _fill_position(pattern, rule)


def _fill_yearly(element: Element, rule: Rule) -> None:
    month = _MONTHS[(rule.month or 1) - 1]
    if rule.month_day is not None:
        pattern = add(element, "t:AbsoluteYearlyRecurrence")
        # Only February's last day has no fixed number.
        add(pattern, "t:DayOfMonth", str(29 if rule.month_day == LAST else rule.month_day))
        add(pattern, "t:Month", month)
        return
    pattern = add(element, "t:RelativeYearlyRecurrence")
    _fill_position(pattern, rule)
    add(pattern, "t:Month", month)


def _fill_position(pattern: Element, rule: Rule) -> None:
    add(pattern, "t:DaysOfWeek", _SET_WORDS[rule.days])
    add(pattern, "t:DayOfWeekIndex", _POSITIONS[rule.position or 1])


def _number(pattern: Element, name: str) -> int:
    text = pattern.findtext(t(name))
    if text is None:
        raise ValueError(f"a recurrence pattern without {name}")
    return int(text)


def _date(element: Element, name: str) -> date:
    # An xs:date may bear an offset, which says nothing about the day.
    return date.fromisoformat((element.findtext(t(name)) or "")[:10])


def _days(pattern: Element) -> tuple[str, ...]:
    words = (pattern.findtext(t("DaysOfWeek")) or "").split()
    found = {day for word in words for day in _DAY_WORDS.get(word, ())}
    if not found:
        raise ValueError("a recurrence pattern without days of the week")
    return tuple(day for day in DAYS if day in found)


def _weekly(pattern: Element) -> Rule:
    interval, days = _number(pattern, "Interval"), _days(pattern)
    word = pattern.findtext(t("FirstDayOfWeek")) or "Sunday"
    start = _DAY_WORDS.get(word, ("SU",))[0]
    return Rule("WEEKLY", interval, days, week_start=start if interval > 1 and len(days) > 1 else "MO")


def _on_date(frequency: str, interval: int, day: int, month: int | None) -> Rule:
    return Rule(frequency, interval, month_day=on_month_day(day, month), month=month)


def _on_position(pattern: Element, frequency: str, interval: int, month: int | None) -> Rule:
    days, word = _days(pattern), pattern.findtext(t("DayOfWeekIndex")) or ""
    position = _INDEXES.get(word)
    if position is None:
        raise ValueError("a recurrence pattern without an index")
    if days == DAYS:
        return _on_date(frequency, interval, 31 if position == LAST else position, month)
    return Rule(frequency, interval, days, position, month=month)


def _month(pattern: Element) -> int:
    word = pattern.findtext(t("Month")) or ""
    if word not in _MONTHS:
        raise ValueError("a yearly recurrence without a month")
    return _MONTHS.index(word) + 1


_READERS: Mapping[str, Callable[[Element], Rule]] = MappingProxyType(
    {
        t("DailyRecurrence"): lambda p: Rule("DAILY", _number(p, "Interval")),
        t("WeeklyRecurrence"): _weekly,
        t("AbsoluteMonthlyRecurrence"): lambda p: _on_date(
            "MONTHLY", _number(p, "Interval"), _number(p, "DayOfMonth"), None
        ),
        t("RelativeMonthlyRecurrence"): lambda p: _on_position(p, "MONTHLY", _number(p, "Interval"), None),
        t("AbsoluteYearlyRecurrence"): lambda p: _on_date("YEARLY", 1, _number(p, "DayOfMonth"), _month(p)),
        t("RelativeYearlyRecurrence"): lambda p: _on_position(p, "YEARLY", 1, _month(p)),
    }
)
