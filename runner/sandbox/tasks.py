"""The store's rules for tasks (pages Status, CreateItem operation (task), UpdateItem operation (task); MS-OXOTASK).

Status, PercentComplete and CompleteDate say one thing: the one that is processed last decides. Start and due are days:
a request's instant is a day of its TimeZoneContext (UTC without one), answered as midnight UTC. A recurring task is its
outstanding occurrence; completing it leaves a one-off task behind and moves the recurring one, under its old id, on.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from runner.sandbox.failures import EwsError
from runner.sandbox.items import StoredItem
from runner.sandbox.mailboxes import Mailbox
from runner.sandbox.patterns import Pattern, read_pattern
from runner.sandbox.zones import render_instant

_DATES = ("StartDate", "DueDate")
DAYS = frozenset([*_DATES, "CompleteDate"])
"""Properties that are days, whatever time of day a request names."""
_PROGRESS = frozenset(["Status", "PercentComplete", "CompleteDate"])


def day_of(moment: datetime, zone: ZoneInfo | None) -> str:
    """The day of an instant in a zone, as the store keeps it: midnight UTC."""
    return midnight(moment.astimezone(zone or UTC).date())


def midnight(day: date) -> str:
    """A day as the store keeps it."""
    return render_instant(datetime.combine(day, time.min, UTC))


def couple(item: StoredItem, name: str) -> None:
    """Bring the other two of Status, PercentComplete and CompleteDate in line with the one just set (page Status)."""
    if item.element != "Task" or name not in _PROGRESS:
        return
    props = item.props
    percent = float(item.text("PercentComplete") or "0")
    if name == "CompleteDate":
        props["Status"] = "Completed"
    elif name == "PercentComplete":
        props["Status"] = "Completed" if percent == 100 else "InProgress" if percent else "NotStarted"
    status = item.text("Status")
    if status == "Completed":
        props["PercentComplete"] = "100"
        return
    props.pop("CompleteDate", None)
    if status == "NotStarted" or percent == 100:
        props["PercentComplete"] = "0"


def settle_task(item: StoredItem, now: datetime, touched: frozenset[str]) -> None:
    """What the store adds after all properties are set: the day of completion, a due day, the first occurrence."""
    props = item.props
    if item.text("Status") == "Completed":
        props.setdefault("CompleteDate", midnight(now.astimezone(UTC).date()))
    if "Recurrence" in touched and isinstance(props.get("Recurrence"), str) and props["Recurrence"]:
        _settle_recurrence(item)
    start, due = _day(item, "StartDate"), _day(item, "DueDate")
    # A start needs a due date, which is never earlier (MS-OXOTASK, PidLidTaskStartDate and PidLidTaskDueDate).
    if start is not None and (due is None or due < start):
        props["DueDate"] = str(props["StartDate"])


def _settle_recurrence(item: StoredItem) -> None:
    """The range begins on a day of the pattern, and the task's own days follow (page CreateItem operation (task))."""
    pattern = read_pattern(str(item.props["Recurrence"]))
    first = pattern.first()
    item.props["Recurrence"] = pattern.starting(first).render()
    _move(item, first)


def _move(item: StoredItem, to: date) -> None:
    """Put the outstanding occurrence on a day, its length and the lead of its reminder kept."""
    start, due = _day(item, "StartDate"), _day(item, "DueDate")
    old = start or due
    length = due - start if start and due else timedelta(0)
    if start is not None:
        item.props["StartDate"] = midnight(to)
    item.props["DueDate"] = midnight(to + max(length, timedelta(0)))
    reminder = item.props.get("ReminderDueBy")
    if isinstance(reminder, str) and old is not None:
        item.props["ReminderDueBy"] = render_instant(datetime.fromisoformat(reminder) + (to - old))


def _day(item: StoredItem, name: str) -> date | None:
    text = item.props.get(name)
    return datetime.fromisoformat(text).date() if isinstance(text, str) and text else None


def pattern_of(item: StoredItem) -> Pattern | None:
    """A recurring task's pattern."""
    stored = item.props.get("Recurrence") if item.element == "Task" else None
    return read_pattern(stored) if isinstance(stored, str) and stored else None


def advance(item: StoredItem, completed: date) -> bool:
    """Turn a recurring task into its next occurrence; False when there is none."""
    pattern = pattern_of(item)
    here = _day(item, "StartDate") or _day(item, "DueDate")
    if pattern is None:
        return False
    following = pattern.after(here or pattern.first(), completed)
    if following is None:
        return False
    day, rest = following
    item.props["Recurrence"] = rest.render()
    item.props["Status"], item.props["PercentComplete"] = "NotStarted", "0"
    item.props.pop("CompleteDate", None)
    _move(item, day)
    return True


def leaves_one_off(before: StoredItem, after: StoredItem, touched: frozenset[str]) -> bool:
    """Whether a change ends the outstanding occurrence: it is completed, or, in a pattern that does not regenerate, its
    start or due day moves (page UpdateItem operation (task))."""
    pattern = pattern_of(before)
    if pattern is None or "Recurrence" in touched:
        return False
    if after.text("Status") == "Completed" and before.text("Status") != "Completed":
        return True
    moved = any(before.props.get(name) != after.props.get(name) for name in _DATES)
    return moved and not pattern.regenerates


def split(mailbox: Mailbox, item: StoredItem, after: StoredItem, modifier: str | None = None) -> StoredItem:
    """Carry out such a change: the one-off task comes back, the item has become the next occurrence.

    After the last occurrence there is nothing to go on with: the item itself is changed and comes back.
    """
    series = mailbox.draft(mailbox.home(item), "Task")
    series.props, series.extended = deepcopy(item.props), dict(item.extended)
    if not advance(series, _day(after, "CompleteDate") or mailbox.now().astimezone(UTC).date()):
        item.props, item.extended = after.props, after.extended
        return mailbox.change(item, frozenset(item.props), modifier=modifier)
    one_off = mailbox.draft(mailbox.home(item), "Task")
    one_off.props, one_off.extended = deepcopy(after.props), dict(after.extended)
    one_off.props.pop("Recurrence", None)
    one_off.last_modifier = modifier or one_off.last_modifier
    mailbox.add(one_off, mailbox.home(item))
    item.props = series.props
    mailbox.change(item, frozenset(item.props), modifier=modifier)
    return one_off


def delete_occurrence(mailbox: Mailbox, item: StoredItem, modifier: str | None = None) -> None:
    """Skip the outstanding occurrence; ``ErrorCannotDeleteTaskOccurrence`` for single tasks and last occurrences
    (page Handling deletion-related errors in EWS in Exchange)."""
    if not advance(item, mailbox.now().astimezone(UTC).date()):
        raise EwsError("ErrorCannotDeleteTaskOccurrence")
    mailbox.change(item, frozenset(item.props), modifier=modifier)
