"""Records → CreateItem, UpdateItem and DeleteItem requests. Only what a write names goes out, always as ours to say.

- No mail ever leaves: ``SendToNone`` in every request (invariant 5, B-42).
- An update states its precondition (``NeverOverwrite`` with the change key) and its fields, nothing else; the body is
  sent only when it changed, so that an untouched HTML body survives (B-44).
- When an interval changes, all five properties that state it go out together, in the item's own zone: a start in UTC
  would turn the item's zone into UTC and lose its clock changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from runner.connectors.exchange.decode import FREE_BUSY, INTERVAL, PRIVACY
from runner.connectors.exchange.identity import STAMP
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.names import Element, add, root
from runner.connectors.exchange.text import carried
from runner.connectors.exchange.zones import windows_of
from runner.model.errors import Invalid
from runner.model.items import LinkRef, Write
from runner.model.moments import length_of, moment_at, zone_of
from runner.model.record import Fields, Value

_PRIVACY_OUT = {value: word for word, value in PRIVACY.items()}
_FREE_BUSY_OUT = {value: word for word, value in FREE_BUSY.items()}


@dataclass(frozen=True, slots=True)
class _Property:
    """One property as a request states it: how to fill its element, or None to delete it."""

    uri: str
    tag: str
    fill: Callable[[Element], None] | None


def create_request(mailbox: Mailbox, link: LinkRef, write: Write) -> Element:
    """CreateItem with the stamp in the same request, no UID (Exchange gives it) and no reminder (B-43: default off)."""
    request = root("CreateItem", SendMeetingInvitations="SendToNone")
    mailbox.add_folder(add(request, "m:SavedItemFolderId"), link.folder)
    item = add(add(request, "m:Items"), "t:CalendarItem")
    properties = {prop.tag: prop for prop in _properties(write.values, frozenset(write.values), link)}
    properties["ReminderIsSet"] = _plain("item:ReminderIsSet", "ReminderIsSet", "false")
    for tag in _SCHEMA_ORDER:
        prop = properties.get(tag)
        if tag == "ExtendedProperty" and write.stamp:
            _fill_stamp(add(item, "t:ExtendedProperty"), write.stamp)
        elif prop is not None and prop.fill is not None:
            prop.fill(add(item, f"t:{tag}"))
    return request


def update_request(link: LinkRef, write: Write) -> Element | None:
    """UpdateItem for the fields that a write names; None when there is nothing to say."""
    properties = _properties(write.values, write.fields, link)
    if not properties and not write.stamp:
        return None
    request = root(
        "UpdateItem",
        ConflictResolution="NeverOverwrite",
        MessageDisposition="SaveOnly",
        SendMeetingInvitationsOrCancellations="SendToNone",
    )
    change = add(add(request, "m:ItemChanges"), "t:ItemChange")
    add_item_id(change, write)
    updates = add(change, "t:Updates")
    for prop in properties:
        if prop.fill is None:
            add(add(updates, "t:DeleteItemField"), "t:FieldURI", FieldURI=prop.uri)
            continue
        setting = add(updates, "t:SetItemField")
        add(setting, "t:FieldURI", FieldURI=prop.uri)
        prop.fill(add(add(setting, "t:CalendarItem"), f"t:{prop.tag}"))
    if write.stamp:
        setting = add(updates, "t:SetItemField")
        add(setting, "t:ExtendedFieldURI", **STAMP)
        _fill_stamp(add(add(setting, "t:CalendarItem"), "t:ExtendedProperty"), write.stamp)
    return request


def delete_request(write: Write) -> Element:
    """DeleteItem into Deleted Items, where the user can take it back."""
    request = root("DeleteItem", DeleteType="MoveToDeletedItems", SendMeetingCancellations="SendToNone")
    add_item_id(add(request, "m:ItemIds"), write)
    return request


def add_item_id(parent: Element, write: Write) -> None:
    """The item that a write is about, with the version that it presupposes."""
    add(parent, "t:ItemId", Id=write.key or "", ChangeKey=write.version or "")


def _properties(values: Fields, fields: frozenset[str], link: LinkRef) -> list[_Property]:
    properties = [_PROPERTIES[field](values.get(field)) for field in _PROPERTIES if field in fields]
    if fields & INTERVAL:
        properties += _interval(values, link.time_zone)
    return properties


def _plain(uri: str, tag: str, text: str | None) -> _Property:
    def fill(element: Element) -> None:
        element.text = text

    return _Property(uri, tag, None if text is None else fill)


def _of_text(uri: str, tag: str) -> Callable[[Value], _Property]:
    return lambda value: _plain(uri, tag, (carried(str(value)) or None) if value else None)


def _body(value: Value) -> _Property:
    text = carried(str(value)) if value else ""

    def fill(element: Element) -> None:
        element.set("BodyType", "Text")
        element.text = text

    return _Property("item:Body", "Body", fill if text else None)


def _priority(value: Value) -> _Property:
    # RFC 8984 §4.4.1: 1 to 4 high, 5 normal, 6 to 9 low, 0 undefined.
    rank = value if isinstance(value, int) else 5
    return _plain("item:Importance", "Importance", "High" if 1 <= rank <= 4 else "Low" if rank >= 6 else "Normal")


def _word(uri: str, tag: str, words: Mapping[str, str | None], default: str) -> Callable[[Value], _Property]:
    def encode(value: Value) -> _Property:
        if value is None:
            return _plain(uri, tag, default)
        word = words.get(str(value))
        if word is None:
            raise Invalid(f"Exchange has no {tag} for {value!r}", code="value-unknown")
        return _plain(uri, tag, word)

    return encode


def _keywords(value: Value) -> _Property:
    words = [word for item in value if (word := carried(item).strip())] if isinstance(value, tuple | list) else []

    def fill(element: Element) -> None:
        for word in words:
            add(element, "t:String", word)

    return _Property("item:Categories", "Categories", fill if words else None)


def _interval(values: Fields, own_zone: str) -> list[_Property]:
    """Start, end, both zones and the all-day flag, consistent with each other (B-46)."""
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
        first, last = (_days if all_day else _moments)(str(start), length_of(str(duration)), name)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"an interval that is none: {error}", code="interval-invalid") from None
    if last < first:
        raise Invalid("the end lies before the start", code="interval-invalid")

    def fill_zone(element: Element) -> None:
        element.set("Id", windows_id)

    return [
        _plain("calendar:Start", "Start", _offset_time(first, name)),
        _plain("calendar:End", "End", _offset_time(last, name)),
        _plain("calendar:IsAllDayEvent", "IsAllDayEvent", "true" if all_day else "false"),
        _Property("calendar:StartTimeZone", "StartTimeZone", fill_zone),
        _Property("calendar:EndTimeZone", "EndTimeZone", fill_zone),
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


def _fill_stamp(element: Element, stamp: str) -> None:
    add(element, "t:ExtendedFieldURI", **STAMP)
    add(element, "t:Value", carried(stamp))


_PROPERTIES: Mapping[str, Callable[[Value], _Property]] = {
    "title": _of_text("item:Subject", "Subject"),
    "privacy": _word("item:Sensitivity", "Sensitivity", _PRIVACY_OUT, "Normal"),
    "description": _body,
    "keywords": _keywords,
    "priority": _priority,
    "free_busy_status": _word("calendar:LegacyFreeBusyStatus", "LegacyFreeBusyStatus", _FREE_BUSY_OUT, "Busy"),
    "location": _of_text("calendar:Location", "Location"),
}

_SCHEMA_ORDER = (
    *("Subject", "Sensitivity", "Body", "Categories", "Importance", "ReminderIsSet", "ExtendedProperty"),
    *("Start", "End", "IsAllDayEvent", "LegacyFreeBusyStatus", "Location", "StartTimeZone", "EndTimeZone"),
)
"""The order that the schema prescribes inside CalendarItem."""
