"""iCalendar (RFC 5545) into EWS properties: what a mailbox would hold after an import, and what it could not hold.

Nothing is bent to fit: an event that EWS cannot carry is refused with its reason.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from html import escape
from typing import Any

import icalendar

from runner.sandbox.icsrecur import Days, Unspeakable, excluded_days, recurrence
from runner.sandbox.patterns import read_pattern
from runner.sandbox.plain import Plain
from runner.sandbox.wire import Fragment
from runner.sandbox.zones import windows_id, windows_id_by_clock, zone_of

_LONGEST_LINE = 255
_LONGEST = timedelta(days=5 * 366)
_YEARS = range(1601, 4501)
_SENSITIVITY = {"PUBLIC": "Normal", "PRIVATE": "Private", "CONFIDENTIAL": "Confidential"}
_BUSY = {"FREE": "Free", "TENTATIVE": "Tentative", "BUSY": "Busy", "OOF": "OOF", "WORKINGELSEWHERE": "WorkingElsewhere"}
_RESPONSES = {
    "ACCEPTED": "Accept",
    "TENTATIVE": "Tentative",
    "DECLINED": "Decline",
    "NEEDS-ACTION": "NoResponseReceived",
}
_OWN = frozenset(
    ["Subject", "Location", "Body", "Importance", "LegacyFreeBusyStatus", "Categories", "RequiredAttendees"]
) | frozenset(["OptionalAttendees", "Resources", "Start", "End", "IsAllDayEvent", "StartTimeZone", "EndTimeZone"])
"""Properties that an exception can have of its own."""
_VITAL = frozenset(["DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"])


class IcsInvalid(ValueError):
    """The file is not iCalendar."""


class _Refused(Exception):
    """This event cannot be carried."""


@dataclass(frozen=True, slots=True)
class LoadedItem:
    """One event as EWS properties, for :meth:`~runner.sandbox.outlook.OutlookUser.add`. ``notes`` names what was left
    out of it (an attendee without an e-mail address).

    ``exceptions`` and ``deleted`` are a series' occurrences, by the days of their original starts.
    """

    uid: str | None
    properties: Mapping[str, Plain]
    recurring: bool = False
    notes: tuple[str, ...] = ()
    exceptions: Mapping[date, Mapping[str, Plain]] = field(default_factory=dict)
    deleted: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a file came to."""

    items: list[LoadedItem] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    """UID (or summary, or ``?``) and reason."""


def load_ics(data: bytes, *, floating: str = "UTC") -> LoadResult:
    """Every event of a file. ``floating`` is the Windows zone for times without a zone and for all-day dates.

    Raises :class:`IcsInvalid` when the file cannot be read at all.
    """
    result = LoadResult()
    places: dict[str, int] = {}
    # Occurrences that were changed may stand before their series.
    for event in sorted(_events(data), key=lambda event: "RECURRENCE-ID" in event):
        uid = str(event["UID"]) if "UID" in event else None
        name = uid or str(event.get("SUMMARY", "?"))
        try:
            if "RECURRENCE-ID" in event:
                place = places.get(uid or "")
                if place is None:
                    raise _Refused("a changed occurrence (RECURRENCE-ID) of a series that this file has not")
                result.items[place] = _changed(result.items[place], event, floating)
                continue
            if uid in places:
                raise _Refused("its UID occurs before in this file")
            item = _load(event, uid, floating)
        except (_Refused, Unspeakable) as refusal:
            result.refused.append((name, str(refusal)))
        else:
            if uid is not None:
                places[uid] = len(result.items)
            result.items.append(item)
    return result


def _changed(series: LoadedItem, event: Any, floating: str) -> LoadedItem:
    """A series with one more exception: what differs in this event from what the series gives its occurrence."""
    if not series.recurring:
        raise _Refused("a changed occurrence (RECURRENCE-ID) of an event that does not recur")
    named = event["RECURRENCE-ID"]
    if str(named.params.get("RANGE", "")):
        raise _Refused("RANGE=THISANDFUTURE: a change of all occurrences that follow")
    days = _days(series.properties)
    day = days.of(_moment(event, "RECURRENCE-ID"))
    if day is None:
        raise _Refused("changes an occurrence (RECURRENCE-ID) that the series does not have")
    own = dict(_load(event, None, floating).properties)
    start, end = days.times(day)
    plain: dict[str, Plain] = {**series.properties, "Start": start, "End": end}
    moved = own["Start"]
    if isinstance(moved, datetime) and not days.may_move(day, moved, series.deleted):
        raise _Refused("an occurrence moved to or past the day of the one before or after it")
    differing = {name: value for name, value in own.items() if name in _OWN and value != plain.get(name)}
    differing |= {name: None for name in _OWN if name in plain and name not in own}
    return replace(series, exceptions={**series.exceptions, day: differing}, deleted=series.deleted - {day})


def _days(properties: Mapping[str, Plain]) -> Days:
    start, end = properties["Start"], properties["End"]
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        raise _Refused("a series without times")
    zone = zone_of(str(properties["StartTimeZone"])) or UTC
    return Days(read_pattern(str(properties["Recurrence"])), start, end, zone)


def _events(data: bytes) -> list[Any]:
    with warnings.catch_warnings():
        # Guesses about vendors' zone names are checked against the clock afterwards.
        warnings.simplefilter("ignore")
        try:
            roots = icalendar.Component.from_ical(data, multiple=True)
        except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
            raise IcsInvalid(f"not iCalendar: {error}") from error
        return [event for root in roots for event in root.walk("VEVENT")]


def _load(event: Any, uid: str | None, floating: str) -> LoadedItem:
    for name, reason in event.errors:
        # A line that cannot be read at all comes without a name, quoted in the reason.
        property_name = str(name) if name else re.split("[;:=' ]", str(reason).partition(": '")[2], maxsplit=1)[0]
        if property_name.upper() in _VITAL:
            raise _Refused(f"broken {property_name}: {reason}")
    properties: dict[str, Plain] = {}
    notes: list[str] = []
    _times(event, properties, floating)
    _texts(event, properties)
    properties["Sensitivity"] = _SENSITIVITY.get(str(event.get("CLASS", "PUBLIC")).upper(), "Private")
    properties["Importance"] = _importance(event)
    properties["LegacyFreeBusyStatus"] = _busy(event)
    properties["ReminderIsSet"] = bool(event.walk("VALARM"))
    if categories := _categories(event):
        properties["Categories"] = categories
    if uid is not None:
        properties["UID"] = uid
    _people(event, properties, notes)
    if not {"RRULE", "RDATE"} & set(event):
        return LoadedItem(uid, properties, notes=tuple(notes))
    start = _moment(event, "DTSTART")
    # Exchange's days are those of the zone that the series has there, which may be another one than the start's own.
    zone = zone_of(str(properties["StartTimeZone"])) or UTC
    begin = properties["Start"]
    if isinstance(start, datetime) and isinstance(begin, datetime):
        start = begin.astimezone(zone)
    properties["Recurrence"] = recurrence(event, start)
    return LoadedItem(uid, properties, True, tuple(notes), deleted=excluded_days(event, _days(properties)))


def _moment(event: Any, name: str) -> date | datetime:
    values = event.get(name)
    if values is None:
        raise _Refused(f"has no {name}")
    if isinstance(values, list):
        raise _Refused(f"has {len(values)} times {name}")
    moment = values.dt
    if not isinstance(moment, date):
        raise _Refused(f"{name} is neither a date nor a date with time")
    if moment.year not in _YEARS:
        raise _Refused(f"{name} lies in the year {moment.year}, outside of what Exchange keeps")
    return moment


def _times(event: Any, properties: dict[str, Plain], floating: str) -> None:
    start = _moment(event, "DTSTART")
    if "DTEND" in event:
        end = _moment(event, "DTEND")
    elif "DURATION" in event:
        length = event["DURATION"].dt
        if not isinstance(length, timedelta):
            raise _Refused("DURATION is not a duration")
        end = start + length
    else:
        end = start if isinstance(start, datetime) else start + timedelta(days=1)
    if isinstance(start, datetime) != isinstance(end, datetime):
        raise _Refused("DTSTART and DTEND are of different kinds (RFC 5545, 3.6.1)")
    if not isinstance(start, datetime) and end == start:
        end = start + timedelta(days=1)  # seen in the wild; one day is what every client shows
    start_zone, end_zone = _zone(event, "DTSTART", start, floating), _zone(event, "DTEND", end, floating)
    first, last = _instant(start, floating, start_zone), _instant(end, floating, end_zone)
    if last < first:
        raise _Refused("ends before it starts")
    if last - first > _LONGEST:
        raise _Refused("lasts longer than five years")
    properties |= {"Start": first, "End": last, "StartTimeZone": start_zone, "EndTimeZone": end_zone}
    if not isinstance(start, datetime):
        properties["IsAllDayEvent"] = True


def _zone(event: Any, name: str, moment: date | datetime, floating: str) -> str:
    """The Windows zone of a time."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        named = event[name].params.get("TZID") if name in event else None
        if named and isinstance(moment, datetime):
            raise _Refused(f"time zone {named} is not known")
        return floating
    if moment.utcoffset() == timedelta(0) and moment.tzname() == "UTC":
        return "UTC"
    key = getattr(moment.tzinfo, "key", None) or str(event[name].params.get("TZID", "") if name in event else "")
    found = windows_id(key) if key else None
    found = found or windows_id_by_clock(moment.tzinfo, moment.astimezone(UTC))
    if found is None:
        raise _Refused(f"time zone {key or moment.tzname()} keeps a clock that no Windows zone keeps")
    clock = zone_of(found)
    if clock is None or moment.astimezone(clock).utcoffset() != moment.utcoffset():
        raise _Refused(f"time zone {key} says another time than Windows' {found}")
    return found


def _instant(moment: date | datetime, floating: str, zone: str | None) -> datetime:
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        return moment.astimezone(UTC)
    clock = zone_of(zone or floating) or UTC
    naive = moment if isinstance(moment, datetime) else datetime.combine(moment, time.min)
    return naive.replace(tzinfo=clock).astimezone(UTC)


def _text(event: Any, name: str) -> str:
    value = event.get(name)
    if isinstance(value, list):
        value = value[0]
    return "" if value is None else str(value)


def _texts(event: Any, properties: dict[str, Plain]) -> None:
    for name, target in (("SUMMARY", "Subject"), ("LOCATION", "Location")):
        text = " ".join(_text(event, name).split("\n")).strip()
        if len(text) > _LONGEST_LINE:
            raise _Refused(f"{name} has {len(text)} characters; Exchange keeps {_LONGEST_LINE}")
        if text:
            properties[target] = text
    if text := _text(event, "DESCRIPTION"):
        properties["Body"] = text


def _importance(event: Any) -> str:
    try:
        priority = int(event.get("PRIORITY", 0))
    except (TypeError, ValueError):
        priority = 0
    return "High" if 1 <= priority <= 4 else "Low" if 6 <= priority <= 9 else "Normal"


def _busy(event: Any) -> str:
    if own := _BUSY.get(_text(event, "X-MICROSOFT-CDO-BUSYSTATUS").upper()):
        return own
    if _text(event, "TRANSP").upper() == "TRANSPARENT":
        return "Free"
    return "Tentative" if _text(event, "STATUS").upper() == "TENTATIVE" else "Busy"


def _categories(event: Any) -> list[str]:
    values = event.get("CATEGORIES", [])
    found: list[str] = []
    for value in values if isinstance(values, list) else [values]:
        for category in getattr(value, "cats", [value]):
            text = str(category).strip()
            if text and text not in found:
                found.append(text)
    return found


def _people(event: Any, properties: dict[str, Plain], notes: list[str]) -> None:
    rows: dict[str, list[str]] = {"RequiredAttendees": [], "OptionalAttendees": [], "Resources": []}
    for attendee in _many(event, "ATTENDEE"):
        address = _address(attendee)
        if address is None:
            notes.append(f"attendee {attendee} has no e-mail address")
            continue
        kind = str(attendee.params.get("CUTYPE", "")).upper()
        role = str(attendee.params.get("ROLE", "")).upper()
        place = "Resources" if kind in ("RESOURCE", "ROOM") else "RequiredAttendees"
        place = "OptionalAttendees" if role in ("OPT-PARTICIPANT", "NON-PARTICIPANT") else place
        response = _RESPONSES.get(str(attendee.params.get("PARTSTAT", "")).upper(), "Unknown")
        rows[place].append(
            f"<t:Attendee>{_mailbox(attendee, address)}<t:ResponseType>{response}</t:ResponseType></t:Attendee>"
        )
    properties |= {name: Fragment("".join(found)) for name, found in rows.items() if found}
    for organizer in list(_many(event, "ORGANIZER"))[:1]:
        address = _address(organizer)
        if address is None:
            notes.append(f"organizer {organizer} has no e-mail address")
        else:
            properties["Organizer"] = Fragment(_mailbox(organizer, address))


def _many(event: Any, name: str) -> Iterable[Any]:
    values = event.get(name, [])
    return values if isinstance(values, list) else [values]


def _address(person: Any) -> str | None:
    text = str(person)
    text = text[7:] if text.lower().startswith("mailto:") else text
    return text.strip() if "@" in text and " " not in text.strip() and ":" not in text else None


def _mailbox(person: Any, address: str) -> str:
    name = str(person.params.get("CN", "")).strip() or address
    return (
        f"<t:Mailbox><t:Name>{escape(name)}</t:Name><t:EmailAddress>{escape(address)}</t:EmailAddress>"
        "<t:RoutingType>SMTP</t:RoutingType></t:Mailbox>"
    )
