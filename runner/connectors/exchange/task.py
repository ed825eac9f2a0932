"""Task elements ↔ items (B-50; pages Task, Status, PercentComplete, UpdateItem operation (task)).

- Status and percentage say one thing, and the one that Exchange processes last decides: they always go out together.
- A recurring task is its outstanding occurrence. Completing it leaves a one-off task behind, and the id goes on to the
  next occurrence. Moving its days alone would do the same, so its pattern goes out with them.
- A reminder is written only when the mapping names it (B-43).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from itertools import islice

from runner.connectors.exchange import item as common
from runner.connectors.exchange.days import day_of, instant_on
from runner.connectors.exchange.identity import SEARCH_KEY, STAMP
from runner.connectors.exchange.item import ENCODERS, NO_REMINDER, Property, Unfit, of_word, plain, text_of
from runner.connectors.exchange.names import Element, t
from runner.connectors.exchange.regeneration import fill_task_rule, task_rule_of
from runner.model.errors import OTHER_CLASS, ConnectorError, Invalid
from runner.model.items import Item, LinkRef, Write
from runner.model.moments import instant_of
from runner.model.record import Fields, Value
from runner.model.recurrence import days_of, parse_rule
from runner.model.tasks import COMPLETED, DONE, NOT_STARTED, REGENERATES, RULE, progress_of
from runner.model.tasks import day_of as own_day
from runner.model.terms import Operation

STATUS: Mapping[str | None, str] = {
    "NotStarted": NOT_STARTED,
    "InProgress": "in_progress",
    "Completed": COMPLETED,
    "WaitingOnOthers": "waiting",
    "Deferred": "deferred",
}
_STATUS_OUT = {value: word for word, value in STATUS.items()}
_DAYS = {"start": "StartDate", "due": "DueDate", "completed": "CompleteDate"}
_PROGRESS = frozenset({"status", "percent_complete"})
_WHEN = frozenset({"start", "due", RULE, REGENERATES})
_MOVED_ON = frozenset({"start", "due", RULE, *_PROGRESS})
"""What differs between a recurring task and its next occurrence."""

_TASK, _STATUS, _PERCENT, _RECURRENCE = t("Task"), t("Status"), t("PercentComplete"), t("Recurrence")
_RECURRING, _REMIND, _REMIND_AT = t("IsRecurring"), t("ReminderIsSet"), t("ReminderDueBy")

ORDER = (
    *("Subject", "Sensitivity", "Body", "Categories", "Importance", "ReminderDueBy", "ReminderIsSet"),
    *("ExtendedProperty", "DueDate", "PercentComplete", "Recurrence", "StartDate", "Status"),
)
"""The order that the schema prescribes inside Task."""


def item_shape(fields: frozenset[str]) -> Element:
    """The ItemShape that asks for exactly what :class:`Decoder` reads."""
    uris = [uri for field, (uri, _) in common.READERS.items() if field in fields]
    uris += ["item:Sensitivity", "item:LastModifiedTime"]
    uris += [
        f"task:{tag}" for field, tag in _DAYS.items() if field in fields or (field != "completed" and RULE in fields)
    ]
    if fields & _PROGRESS:
        uris += ["task:Status", "task:PercentComplete"]
    if "alert_at" in fields:
        uris += ["item:ReminderIsSet", "item:ReminderDueBy"]
    uris.append("task:Recurrence" if RULE in fields else "task:IsRecurring")
    return common.shape(tuple(uris), STAMP, SEARCH_KEY)


class Decoder:
    """Reads Task elements for one link. Calling it gives an :class:`Item` or the ``Invalid`` in its place."""

    def __init__(self, link: LinkRef) -> None:
        self._zone, self._fields = link.time_zone, link.record_fields
        self._readers = tuple((name, read) for name, (_, read) in common.READERS.items() if name in link.record_fields)

    def __call__(self, element: Element) -> Item | ConnectorError:
        """The item that an element holds."""
        return common.read(self._item, element)

    def _item(self, element: Element) -> Item:
        if element.tag != _TASK:
            raise Unfit(OTHER_CLASS, "the folder holds something that is no task")
        parts: dict[str, Element] = {child.tag: child for child in element}
        found: dict[str, Value] = {name: read(parts) for name, read in self._readers}
        for name, tag in _DAYS.items():
            text = text_of(parts, t(tag))
            found[name] = day_of(text, self._zone) if text else None
        status = STATUS.get(text_of(parts, _STATUS) or "NotStarted")
        found["status"] = status
        found["percent_complete"] = progress_of(float(text_of(parts, _PERCENT) or "0"), status)
        at = text_of(parts, _REMIND_AT) if text_of(parts, _REMIND) == "true" else None
        found["alert_at"] = instant_of(common.moment_of(at)) if at else None
        found[RULE], found[REGENERATES] = self._rule(parts, found)
        stamp, native = common.extended_of(element, STAMP, SEARCH_KEY)
        values = {name: value for name, value in found.items() if name in self._fields}
        return common.made(parts, values, stamp=stamp, native=native)

    def _rule(self, parts: common.Parts, found: dict[str, Value]) -> tuple[str | None, bool]:
        element = parts.get(_RECURRENCE)
        if text_of(parts, _RECURRING) == "true":
            raise Unfit("recurrence-unmapped", "a recurring task, and the mapping carries no recurrence rule")
        if element is None or not len(element):
            return None, False
        try:
            rule, regenerates = task_rule_of(element, own_day(found))
        except ValueError as error:
            raise Unfit("recurrence-unsupported", str(error)) from None
        if regenerates and REGENERATES not in self._fields:
            reason = "a task that recurs after its completion, and the mapping has no field that says so"
            raise Unfit("recurrence-unmapped", reason)
        return rule, regenerates


def properties(write: Write, link: LinkRef) -> list[Property]:
    """What a write states: all of its values on create, its fields on update. Raises ``Invalid``."""
    new = write.operation is Operation.CREATE
    fields = frozenset(write.values) if new else write.fields
    stated = [encode(write.values.get(field)) for field, encode in ENCODERS.items() if field in fields]
    if "alert_at" in fields:
        stated += _reminder(write.values.get("alert_at"))
    elif new:
        stated.append(NO_REMINDER)
    if fields & _WHEN:
        stated += _when(write.values, fields, link.time_zone)
    if fields & _PROGRESS:
        stated += _progress(write.values)
    return stated


def may_move_on(write: Write) -> bool:
    """Whether an update could be that of :func:`moves_on`, as far as the write alone tells."""
    recurring = isinstance(write.values.get(RULE), str) and not write.values.get(REGENERATES)
    return recurring and bool(write.fields & {"start", "due"}) and write.fields <= _MOVED_ON


def moves_on(held: Fields, write: Write) -> bool:
    """Whether an update takes a recurring task, as it is held now, to its next occurrence and does nothing else.

    Exchange does that itself (page AffectedTaskOccurrences), and leaves no one-off task behind.
    """
    rule, day = held.get(RULE), own_day(held)
    if not isinstance(rule, str) or held.get(REGENERATES) or day is None:
        return False
    following = next(islice(days_of(rule, day), 1, 2), None)
    if following is None:
        return False
    parsed = parse_rule(rule, day)
    left = replace(parsed, count=None if parsed.count is None else parsed.count - 1).text()
    wanted: dict[str, Value] = {"status": NOT_STARTED, "percent_complete": 0, RULE: left}
    lead = following - date.fromisoformat(day)
    for name in ("start", "due"):
        before = held.get(name)
        wanted[name] = (date.fromisoformat(before) + lead).isoformat() if isinstance(before, str) else None
    return all(write.values[name] == value for name, value in wanted.items() if name in write.values)


def _when(values: Fields, fields: frozenset[str], zone: str) -> list[Property]:
    """The days that change. A recurring task's pattern goes out with both of them, unless it is being completed."""
    rule, day = values.get(RULE), own_day(values)
    with_rule = isinstance(rule, str) and not ("status" in fields and values.get("status") == COMPLETED)
    names = {"start", "due"} if with_rule else fields & {"start", "due"}
    stated = [_day(name, values.get(name), zone) for name in ("due", "start") if name in names and name in values]
    if isinstance(rule, str) and (with_rule or fields & {RULE, REGENERATES}):
        if day is None:
            raise Invalid("a recurring task needs a start or a due day", code="start-missing")
        start, regenerates = day, bool(values.get(REGENERATES))

        def fill(element: Element) -> None:
            fill_task_rule(element, rule, start, regenerates=regenerates)

        stated.insert(1, Property("task:Recurrence", "Recurrence", fill))
    elif RULE in fields and rule is None:
        stated.append(plain("task:Recurrence", "Recurrence", None))
    return stated


def _day(name: str, value: Value, zone: str) -> Property:
    tag = _DAYS[name]
    try:
        return plain(f"task:{tag}", tag, instant_on(str(value), zone) if value else None)
    except (ValueError, OverflowError):
        raise Invalid(f"the {name} is no day that Exchange can hold", code="day-invalid") from None


def _progress(values: Fields) -> list[Property]:
    """Percentage and status, in this order: the status has the last word."""
    stated: list[Property] = []
    status, percent = values.get("status"), values.get("percent_complete")
    if status is None and "status" in values:
        status = NOT_STARTED
    if isinstance(percent, int) or status in (COMPLETED, NOT_STARTED):
        number = percent if isinstance(percent, int) else 0
        agreed = progress_of(number, str(status)) if status is not None else max(0, min(number, DONE))
        stated.append(plain("task:PercentComplete", "PercentComplete", str(agreed)))
    if status is not None:
        stated.append(_status(status))
    return stated


def _reminder(at: Value) -> list[Property]:
    if not isinstance(at, str):
        return [NO_REMINDER]
    return [plain("item:ReminderDueBy", "ReminderDueBy", at), plain("item:ReminderIsSet", "ReminderIsSet", "true")]


_status = of_word("task:Status", _STATUS_OUT, "NotStarted")
