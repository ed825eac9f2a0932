"""What becomes of a recurring task in the fake mail server when its outstanding occurrence ends, as Exchange does it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import islice

from dateutil.relativedelta import relativedelta

from runner.model.record import Fields, Value
from runner.model.recurrence import days_of, parse_regenerating, parse_rule
from runner.model.tasks import COMPLETED, NOT_STARTED, REGENERATES, RULE, day_of

_STEPS = {
    "DAILY": relativedelta(days=1),
    "WEEKLY": relativedelta(weeks=1),
    "MONTHLY": relativedelta(months=1),
    "YEARLY": relativedelta(years=1),
}


def completes(before: Fields, after: Fields) -> bool:
    """Whether a change completes the outstanding occurrence of a recurring task."""
    return bool(before.get(RULE)) and after.get("status") == COMPLETED != before.get("status")


def moves(before: Fields, after: Fields) -> bool:
    """Whether a user's change takes an occurrence out of a fixed pattern."""
    fixed = bool(before.get(RULE)) and not before.get(REGENERATES) and before.get(RULE) == after.get(RULE)
    return fixed and any(before.get(name) != after.get(name) for name in ("start", "due"))


def following(values: Fields, today: date) -> dict[str, Value] | None:
    """The next occurrence of a recurring task; None after the last one."""
    rule, day = values.get(RULE), day_of(values)
    if not isinstance(rule, str) or day is None:
        return None
    if values.get(REGENERATES):
        parsed = parse_regenerating(rule)
        found: date | None = today + _STEPS[parsed.frequency] * parsed.interval
        if parsed.count == 1 or (parsed.until and found and found > parsed.until):
            return None
    else:
        parsed = parse_rule(rule, day)
        found = next(islice(days_of(rule, day), 1, 2), None)
    if found is None:
        return None
    left = parsed if parsed.count is None else replace(parsed, count=parsed.count - 1)
    lead: timedelta = found - date.fromisoformat(day)
    moved: dict[str, Value] = {
        name: (date.fromisoformat(str(values[name])) + lead).isoformat() if values.get(name) else None
        for name in ("start", "due")
    }
    return {**values, **moved, "status": NOT_STARTED, "percent_complete": 0, RULE: left.text()}
