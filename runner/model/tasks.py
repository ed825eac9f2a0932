"""What the fields of a task say about each other (B-50): one canonical form, so that equal tasks have equal records.

- A task that starts is due, and never before it starts: without a due day, or with an earlier one, on the day it starts.
- ``completed`` goes with 100 percent and ``not_started`` with 0: the status decides. Without a status the percentage
  tells it. An open task at 100 percent says two things at once, and nobody can tell which is meant.
- A rule counts from the task's own day, its start or else its due day: a recurring task is its outstanding occurrence,
  so ``COUNT`` is how many are left. A regenerating rule counts from the day of completion: it names no weekday and no
  day of the month.

*Choices where the rule book is silent.* A recurring task whose own day is none of its rule's is refused: Exchange would
move it to the next one that is.
"""

from __future__ import annotations

from datetime import date

from runner.model.record import Fields, Value
from runner.model.recurrence import days_of, parse_regenerating, parse_rule

RULE, REGENERATES = "recurrence_rule", "regenerates"
NOT_STARTED, IN_PROGRESS, COMPLETED = "not_started", "in_progress", "completed"
DONE = 100


def settle_task(record: dict[str, Value]) -> None:
    """Bring a task's record into canonical form, as far as it has the fields. Raises ``ValueError`` for contradictions."""
    start, due = record.get("start"), record.get("due")
    if isinstance(start, str) and "due" in record and (not isinstance(due, str) or due < start):
        record["due"] = start
    _settle_progress(record)
    if RULE in record:
        _settle_rule(record)


def day_of(record: Fields) -> str | None:
    """A task's own day: the one that its rule counts from."""
    day = record.get("start") or record.get("due")
    return day if isinstance(day, str) else None


def progress_of(percent: float, status: str | None) -> int:
    """A percentage as an integer that agrees with its status: only what is completed has 100, only what is begun more
    than 0."""
    if status == COMPLETED:
        return DONE
    if status == NOT_STARTED:
        return 0
    return max(0, min(round(percent), DONE - 1))


def left_of(rule: str, start: date, outstanding: date) -> int:
    """How many occurrences a rule with ``COUNT`` that began on ``start`` has from the outstanding one on, at least it."""
    return max(1, sum(1 for day in days_of(rule, start.isoformat()) if day >= outstanding))


def _settle_progress(record: dict[str, Value]) -> None:
    if "status" not in record:
        return
    status, percent = record["status"], record.get("percent_complete")
    number = percent if isinstance(percent, int) else 0
    if not 0 <= number <= DONE:
        raise ValueError("the percentage must be from 0 to 100")
    if status is None:
        status = COMPLETED if number == DONE else IN_PROGRESS if number else NOT_STARTED
        record["status"] = status
    if "percent_complete" not in record:
        return
    if number == DONE and status not in (COMPLETED, NOT_STARTED):
        raise ValueError("an open task cannot be at 100 percent: complete it, or lower the percentage")
    record["percent_complete"] = progress_of(number, str(status))


def _settle_rule(record: dict[str, Value]) -> None:
    rule = record[RULE]
    if not isinstance(rule, str):
        if REGENERATES in record:
            record[REGENERATES] = False
        return
    day = day_of(record)
    if day is None:
        raise ValueError("a recurring task needs a start or a due day")
    if record.get(REGENERATES):
        record[RULE] = parse_regenerating(rule).text()
        return
    canonical = parse_rule(rule, day).text()
    if next(days_of(canonical, day), None) != date.fromisoformat(day):
        raise ValueError("the task lies on a day that its own recurrence rule leaves out")
    record[RULE] = canonical
    if REGENERATES in record:
        record[REGENERATES] = False
