"""The Recurrence element of tasks ↔ canonical rules (B-50; page Recurrence (TaskRecurrenceType)).

Fixed patterns are those of appointments (``recurrence``), but a task is its outstanding occurrence alone: its rule counts
from there, so that ``COUNT`` says how many are left. Regenerating patterns count from the day of completion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType

from runner.connectors.exchange.names import Element, add, t
from runner.connectors.exchange.recurrence import fill_recurrence, rule_of
from runner.model.recurrence import Rule, parse_regenerating, parse_rule
from runner.model.tasks import left_of

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "DAILY": "DailyRegeneration",
        "WEEKLY": "WeeklyRegeneration",
        "MONTHLY": "MonthlyRegeneration",
        "YEARLY": "YearlyRegeneration",
    }
)


def task_rule_of(element: Element, outstanding: str | None) -> tuple[str, bool]:
    """The canonical rule of a task whose own day is ``outstanding``, and whether it regenerates. Raises ``ValueError``."""
    for frequency, word in _WORDS.items():
        pattern = element.find(t(word))
        if pattern is not None:
            interval = int(pattern.findtext(t("Interval")) or "1")
            count = element.findtext(f"{t('NumberedRecurrence')}/{t('NumberOfOccurrences')}")
            end = element.findtext(f"{t('EndDateRecurrence')}/{t('EndDate')}")
            until = date.fromisoformat(end[:10]) if end else None
            return Rule(frequency, interval, count=int(count) if count else None, until=until).text(), True
    rule, first = rule_of(element)
    if rule.count is not None and outstanding is not None:
        rule = replace(rule, count=left_of(rule.text(), first, date.fromisoformat(outstanding)))
    return rule.text(), False


def fill_task_rule(element: Element, rule: str, start: str, *, regenerates: bool) -> None:
    """Fill a Recurrence element with a canonical rule that counts from the day ``start``."""
    if not regenerates:
        fill_recurrence(element, parse_rule(rule, start), start)
        return
    parsed = parse_regenerating(rule)
    add(add(element, f"t:{_WORDS[parsed.frequency]}"), "t:Interval", str(parsed.interval))
    if parsed.count is not None:
        span = add(element, "t:NumberedRecurrence")
        add(span, "t:StartDate", start)
        add(span, "t:NumberOfOccurrences", str(parsed.count))
    elif parsed.until is not None:
        span = add(element, "t:EndDateRecurrence")
        add(span, "t:StartDate", start)
        add(span, "t:EndDate", parsed.until.isoformat())
    else:
        add(add(element, "t:NoEndRecurrence"), "t:StartDate", start)
