"""Appointments → the properties of CalendarItem.

When an interval changes, all five properties that state it go out together, in the item's own zone: a start in UTC would
turn the item's zone into UTC and lose its clock changes. A series' pattern goes with them: each means something only with
the other.

Attendee lists are written whole, and only those whose members change: a list cannot be written by the entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from runner.connectors.exchange.decode import FREE_BUSY, INTERVAL
from runner.connectors.exchange.item import ENCODERS, NO_REMINDER, Property, of_text, of_word, plain
from runner.connectors.exchange.names import Element
from runner.connectors.exchange.people import changed_lists, fill_attendees
from runner.connectors.exchange.recurrence import fill_recurrence
from runner.connectors.exchange.zones import windows_of
from runner.model.errors import Invalid
from runner.model.items import LinkRef, Write
from runner.model.moments import length_of, moment_at, zone_of
from runner.model.overrides import RULE, is_series
from runner.model.record import Fields, Value
from runner.model.recurrence import days_of, parse_rule
from runner.model.terms import Operation

_FREE_BUSY_OUT = {value: word for word, value in FREE_BUSY.items()}


def properties(write: Write, link: LinkRef) -> list[Property]:
    """What a write states: all of its values on create, its fields on update."""
    new = write.operation is Operation.CREATE
    fields = frozenset(write.values) if new else write.fields
    stated = [_ENCODERS[field](write.values.get(field)) for field in _ENCODERS if field in fields]
    series = is_series(write.values)
    if fields & INTERVAL or (series and RULE in fields):
        stated += _interval(write.values, link.time_zone)
    if (RULE in fields and not new) or (series and fields & (INTERVAL | {RULE})):
        stated.append(_recurrence(write.values))
    if "participants" in fields:
        stated += [_attendees(tag, people) for tag, people in changed_lists(write.values, write.before).items()]
    if write.uid:
        stated.append(plain("calendar:UID", "UID", write.uid))
    if "alert" in fields:
        stated += _reminder(write.values.get("alert"))
    elif new:
        stated.append(NO_REMINDER)
    return stated


def _reminder(alert: Value) -> list[Property]:
    """A reminder so many minutes before the start, or none: then what Exchange keeps of it stays as it is (B-43)."""
    if not isinstance(alert, int) or isinstance(alert, bool):
        return [NO_REMINDER]
    if alert < 0:
        raise Invalid("a reminder after the start", code="alert-invalid")
    return [
        plain("item:ReminderIsSet", "ReminderIsSet", "true"),
        plain("item:ReminderMinutesBeforeStart", "ReminderMinutesBeforeStart", str(alert)),
    ]


def _attendees(tag: str, addresses: tuple[str, ...]) -> Property:
    def fill(element: Element) -> None:
        fill_attendees(element, addresses)

    return Property(f"calendar:{tag}", tag, fill if addresses else None)


def occurrence_properties(
    values: Fields, fields: frozenset[str], link: LinkRef, times: tuple[datetime, datetime] | None
) -> list[Property]:
    """What an update of one occurrence states; what is empty is set as such (see ``occurrences``).

    ``times`` are the instants that the series gives this occurrence, when it goes back to them.
    """
    stated = [_ENCODERS[field](values.get(field)) for field in _ENCODERS if field in fields]
    if fields & INTERVAL:
        stated += _interval(values, link.time_zone, times)
    if "alert" in fields:
        stated += _reminder(values.get("alert"))
    return [prop if prop.fill else replace(prop, fill=_EMPTY.get(prop.tag, _nothing)) for prop in stated]


def _nothing(_element: Element) -> None:
    """An element without content."""


_EMPTY: Mapping[str, Callable[[Element], None]] = {"Body": lambda element: element.set("BodyType", "Text")}


def _recurrence(values: Fields) -> Property:
    text, start = values.get(RULE), str(values.get("start"))
    if text is None:
        return Property("calendar:Recurrence", "Recurrence", None)
    try:
        rule = parse_rule(str(text), start)
        first = next(days_of(rule.text(), start), None)
    except ValueError as error:
        raise Invalid(f"a series that cannot be made: {error}", code="recurrence-unknown") from None
    if first is None or first.isoformat() != start[:10]:
        raise Invalid(
            "the series starts on a day that its own rule does not have; Exchange would start it on another one",
            code="series-start",
        )
    return Property("calendar:Recurrence", "Recurrence", lambda element: fill_recurrence(element, rule, start))


def _interval(values: Fields, own_zone: str, times: tuple[datetime, datetime] | None = None) -> list[Property]:
    """Start, end, both zones and the all-day flag, consistent with each other (B-46); ``times`` instead of the record's."""
    start, duration, all_day = values.get("start"), values.get("duration"), bool(values.get("show_without_time"))
    zone = own_zone if all_day else values.get("time_zone")
    if not start or not duration or not zone:
        missing = "start" if not start else "duration" if not duration else "time_zone"
        raise Invalid(f"an appointment needs a {missing}", code=f"{missing.replace('_', '-')}-missing")
    name = str(zone)
    try:
        windows_id = windows_of(name)
        zone_of(name)
    except ValueError as error:
        raise Invalid(f"{error}: Windows has no such zone", code="unknown-time-zone") from None
    try:
        first, last = times or (_days if all_day else _moments)(str(start), length_of(str(duration)), name)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"an interval that is none: {error}", code="interval-invalid") from None
    if last < first:
        raise Invalid("the end lies before the start", code="interval-invalid")

    def fill_zone(element: Element) -> None:
        element.set("Id", windows_id)

    return [
        plain("calendar:Start", "Start", _offset_time(first, name)),
        plain("calendar:End", "End", _offset_time(last, name)),
        plain("calendar:IsAllDayEvent", "IsAllDayEvent", "true" if all_day else "false"),
        Property("calendar:StartTimeZone", "StartTimeZone", fill_zone),
        Property("calendar:EndTimeZone", "EndTimeZone", fill_zone),
    ]


def _moments(start: str, length: timedelta, zone: str) -> tuple[datetime, datetime]:
    first = moment_at(start, zone)
    return first, first + length


def _days(start: str, length: timedelta, zone: str) -> tuple[datetime, datetime]:
    """Midnight of the first day and of the day after the last, in the zone; a part of a day counts as a day."""
    day = date.fromisoformat(start[:10])
    days = max(1, -(-length // timedelta(days=1)))
    until = day + timedelta(days=days)
    return moment_at(f"{day.isoformat()}T00:00:00", zone), moment_at(f"{until.isoformat()}T00:00:00", zone)


def _offset_time(moment: datetime, zone: str) -> str:
    """An xs:dateTime with the zone's offset: the instant is exact, and the zone is the item's own."""
    local = moment.astimezone(zone_of(zone))
    offset = local.utcoffset()
    if offset is None or offset % timedelta(minutes=1):
        # Local mean time of old dates has seconds in its offset, which xs:dateTime cannot say.
        local = moment.astimezone(UTC)
    return local.isoformat(timespec="seconds")


_ENCODERS: Mapping[str, Callable[[Value], Property]] = {
    **ENCODERS,
    "free_busy_status": of_word("calendar:LegacyFreeBusyStatus", _FREE_BUSY_OUT, "Busy"),
    "location": of_text("calendar:Location"),
}

ORDER = (
    *("Subject", "Sensitivity", "Body", "Categories", "Importance", "ReminderIsSet", "ReminderMinutesBeforeStart"),
    *("ExtendedProperty", "UID", "Start", "End", "IsAllDayEvent", "LegacyFreeBusyStatus", "Location"),
    *("RequiredAttendees", "OptionalAttendees", "Resources", "Recurrence", "StartTimeZone", "EndTimeZone"),
)
"""The order that the schema prescribes inside CalendarItem."""
