"""Properties from a request into an item: kinds checked, times brought to UTC, the store's own rules applied."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from runner.sandbox import attendees
from runner.sandbox.bodies import Body
from runner.sandbox.contacts import settle_contact
from runner.sandbox.extended import read_key, read_value
from runner.sandbox.failures import EwsError, SchemaViolation, SoapFault
from runner.sandbox.items import Stored, StoredItem
from runner.sandbox.occurrences import settle_series
from runner.sandbox.properties import DICTIONARIES, EXTENDED, Property, known_uri
from runner.sandbox.tasks import DAYS, couple, day_of, settle_task
from runner.sandbox.wire import Element, Fragment, T, children, inner, local
from runner.sandbox.zones import parse_instant, render_instant, zone_of

_LONGEST = timedelta(days=5 * 366)
_UNCHECKED_ZONE = "Customized Time Zone"


def apply_new(item: StoredItem, elements: Iterable[Element], zone: ZoneInfo | None) -> None:
    """Fill a drafted item from the property elements of a CreateItem request."""
    waiting = sorted(elements, key=lambda element: not local(element).endswith("TimeZone"))
    for element in waiting:
        set_property(item, element, zone)


def set_property(item: StoredItem, element: Element, zone: ZoneInfo | None) -> str:
    """Set one property and return what was touched; raises ``ErrorInvalidPropertySet`` and its relatives."""
    name = local(element)
    if name == EXTENDED:
        key, value = read_value(element)
        item.extended[key] = value
        return f"{EXTENDED}/{key.property_set}/{key.name}"
    row = item.kind.properties.get(name)
    if row is None:
        raise SchemaViolation(f"The element '{item.element}' has invalid child element '{name}'.")
    if row.read_only or (row.name == "IsRead" and item.element != "Message"):
        raise EwsError("ErrorInvalidPropertySet")
    if item.master is not None and row.name in ("Recurrence", "UID"):
        raise EwsError("ErrorInvalidPropertySet")
    item.props[name] = _READERS[row.kind](item, row, element, zone)
    couple(item, name)
    return name


def set_entry(item: StoredItem, uri: str, index: str, element: Element) -> str:
    """Set one entry of an indexed property (page IndexedFieldURI)."""
    name, part = _entry_place(item, uri)
    value = _dictionary(element)
    if set(value) != {index}:
        raise EwsError("ErrorIncorrectUpdatePropertyCount")
    stored = item.props.get(name)
    dictionary = stored if isinstance(stored, dict) else {}
    dictionary.setdefault(index, {})[part] = value[index].get(part, "")
    item.props[name] = dictionary
    return f"{name}/{index}/{part}"


def delete_property(item: StoredItem, path: Element) -> str:
    """Clear what a ``DeleteItemField`` names; clearing what is not set is no error."""
    kind = local(path)
    if kind == "ExtendedFieldURI":
        key = read_key(path)
        item.extended.pop(key, None)
        return f"{EXTENDED}/{key.property_set}/{key.name}"
    uri = path.get("FieldURI", "")
    if kind == "IndexedFieldURI":
        name, part = _entry_place(item, uri)
        index = path.get("FieldIndex", "")
        stored = item.props.get(name)
        if isinstance(stored, dict) and index in stored:
            stored[index].pop(part, None)
            if not stored[index]:
                del stored[index]
        return f"{name}/{index}/{part}"
    row = row_for(item, uri)
    if row.read_only or row.name in ("Start", "End", "UID", "IsAllDayEvent"):
        raise EwsError("ErrorInvalidPropertyDelete")
    item.props.pop(row.name, None)
    return row.name


def append_property(item: StoredItem, uri: str, element: Element) -> str:
    """``AppendToItemField``: bodies and attendee lists can grow, nothing else can (ErrorInvalidPropertyAppend)."""
    row = row_for(item, uri)
    if row.name == "Body":
        stored = item.props.get("Body")
        old = stored if isinstance(stored, Body) else Body("Text", "")
        kind, text = old.wanted(element.get("BodyType", "Text"))
        item.props["Body"] = Body.stored(kind, text + (element.text or ""))
        return row.name
    if row.kind != "attendees":
        raise EwsError("ErrorInvalidPropertyAppend")
    stored = item.props.get(row.name)
    item.props[row.name] = Fragment((stored if isinstance(stored, str) else "") + inner(element))
    return row.name


def row_for(item: StoredItem, uri: str) -> Property:
    """The property that a change names; another class's property is ``ErrorInvalidPropertySet``."""
    if not known_uri(uri):
        raise SchemaViolation(f"The 'FieldURI' attribute is invalid - The value '{uri}' is invalid.")
    found = item.kind.by_uri.get(uri)
    if found is None:
        raise EwsError("ErrorInvalidPropertySet")
    return found


def settle(item: StoredItem, now: datetime, touched: frozenset[str]) -> None:
    """The store's own rules, applied after every create and update."""
    if item.element == "CalendarItem":
        _settle_calendar(item, now)
        settle_series(item, touched)
    elif item.element == "Task":
        settle_task(item, now, touched)
    elif item.element == "Contact":
        settle_contact(item, touched)


def _settle_calendar(item: StoredItem, now: datetime) -> None:
    props = item.props
    if not isinstance(props.get("Start"), str):
        half = now.replace(minute=30 if now.minute < 30 else 0, second=0, microsecond=0)
        props["Start"] = render_instant(half if now.minute < 30 else half + timedelta(hours=1))
    start = _instant(props["Start"])
    if not isinstance(props.get("End"), str):
        props["End"] = render_instant(start + timedelta(minutes=30))
    end = _instant(props["End"])
    if end < start:
        raise EwsError("ErrorCalendarEndDateIsEarlierThanStartDate")
    if end - start > _LONGEST:
        raise EwsError("ErrorCalendarDurationIsTooLong")
    props.setdefault("StartTimeZone", "UTC")
    props.setdefault("EndTimeZone", str(props["StartTimeZone"]))
    if item.text("IsAllDayEvent") == "true":
        props["Start"], props["End"] = _whole_days(start, end, zone_of(item.text("StartTimeZone")))
    props.setdefault("ReminderIsSet", "true")
    props.setdefault("ReminderMinutesBeforeStart", "15")


def _whole_days(start: datetime, end: datetime, zone: ZoneInfo | None) -> tuple[str, str]:
    """All-day events span whole days of their own zone: the start goes down to midnight, the end up."""
    local_zone = zone or UTC
    first, last = start.astimezone(local_zone), end.astimezone(local_zone)
    begin = datetime.combine(first.date(), time.min, local_zone)
    finish = datetime.combine(last.date(), time.min, local_zone)
    if finish < last or finish <= begin:
        finish = datetime.combine(last.date() + timedelta(days=1), time.min, local_zone)
    return render_instant(begin), render_instant(finish)


def _instant(value: Stored) -> datetime:
    return datetime.fromisoformat(str(value))


def _entry_place(item: StoredItem, uri: str) -> tuple[str, str]:
    if uri not in DICTIONARIES:
        raise SchemaViolation(f"The 'FieldURI' attribute is invalid - The value '{uri}' is invalid.")
    name, part = DICTIONARIES[uri]
    if name not in item.kind.properties:
        raise EwsError("ErrorInvalidPropertySet")
    return name, part


def _schema(row: Property, text: str) -> SoapFault:
    return SchemaViolation(f"The '{row.name}' element is invalid - The value '{text}' is invalid.")


def _text(_item: StoredItem, row: Property, element: Element, _zone: ZoneInfo | None) -> str:
    # One-line properties: the store keeps no line breaks in them.
    return re.sub(r"[\r\n\t]+", " ", element.text or "") if row.name in ("Subject", "Location") else element.text or ""


def _bool(_item: StoredItem, row: Property, element: Element, _zone: ZoneInfo | None) -> str:
    text = (element.text or "").strip()
    if text not in ("true", "false", "1", "0"):
        raise _schema(row, text)
    return "true" if text in ("true", "1") else "false"


def _int(_item: StoredItem, row: Property, element: Element, _zone: ZoneInfo | None) -> str:
    try:
        return str(int(element.text or ""))
    except ValueError as error:
        raise _schema(row, element.text or "") from error


def _float(_item: StoredItem, row: Property, element: Element, _zone: ZoneInfo | None) -> str:
    try:
        value = float(element.text or "")
    except ValueError as error:
        raise _schema(row, element.text or "") from error
    if row.name == "PercentComplete" and not 0 <= value <= 100:
        raise EwsError("ErrorInvalidPropertySet")
    return f"{value:g}"


def _enum(_item: StoredItem, row: Property, element: Element, _zone: ZoneInfo | None) -> str:
    if (text := (element.text or "").strip()) not in row.values:
        raise _schema(row, text)
    return text


def _time(item: StoredItem, row: Property, element: Element, zone: ZoneInfo | None) -> str:
    own = {"Start": "StartTimeZone", "End": "EndTimeZone"}.get(row.name)
    try:
        moment = parse_instant(element.text or "", zone_of(item.text(own)) if own and zone is None else zone)
        return day_of(moment, zone) if item.element == "Task" and row.name in DAYS else render_instant(moment)
    except ValueError as error:
        raise _schema(row, element.text or "") from error


def _zone(_item: StoredItem, _row: Property, element: Element, _context: ZoneInfo | None) -> str:
    identifier = element.get("Id", "")
    if zone_of(identifier) is None:
        if element.find(T + "Periods") is None:
            raise EwsError("ErrorTimeZone")
        return identifier or _UNCHECKED_ZONE
    return identifier


def _body(_item: StoredItem, row: Property, element: Element, _zone: ZoneInfo | None) -> Body:
    kind = element.get("BodyType", "")
    if kind not in ("Text", "HTML"):
        raise _schema(row, kind)
    return Body.stored(kind, element.text or "")


def _fragment(_item: StoredItem, _row: Property, element: Element, _zone: ZoneInfo | None) -> Fragment:
    return inner(element)


def _dictionary_value(_item: StoredItem, _row: Property, element: Element, _zone: ZoneInfo | None) -> Stored:
    return _dictionary(element)


def _dictionary(element: Element) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for entry in children(element):
        parts = {local(part): part.text or "" for part in children(entry)}
        found[entry.get("Key", "")] = parts or {"": entry.text or ""}
    return found


def _attendees(_item: StoredItem, _row: Property, element: Element, _zone: ZoneInfo | None) -> Fragment:
    """Attendees as the store keeps them: with a display name and a response, even when the client sent neither."""
    return attendees.rendered(attendees.read(element))


_READERS: dict[str, Callable[[StoredItem, Property, Element, ZoneInfo | None], Stored]] = {
    "text": _text,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "enum": _enum,
    "time": _time,
    "zone": _zone,
    "body": _body,
    "xml": _fragment,
    "strings": _fragment,
    "dictionary": _dictionary_value,
    "attendees": _attendees,
}
