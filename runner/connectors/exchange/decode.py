"""CalendarItem elements → items, field by field, without exchangelib's item objects.

Canonical values as ``model.record`` has them. What cannot be carried becomes ``Invalid`` in place of the item, so that
one bad item costs nothing but itself (B-23). Messages never quote the item's content (B-35).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from runner.connectors.exchange import item as common
from runner.connectors.exchange.attachments import URI, Attached, with_refs
from runner.connectors.exchange.identity import STAMP
from runner.connectors.exchange.item import (
    EXTENDED_TAG,
    ITEM_ID,
    PRIVACY,
    SENSITIVITY,
    VALUE,
    Unfit,
    moment_of,
    text_of,
)
from runner.connectors.exchange.master import (
    SERIES_URIS,
    Master,
    exceptions_of,
    natural,
    series_fields,
)
from runner.connectors.exchange.names import Element, t, text_in
from runner.connectors.exchange.people import LISTS, PEOPLE, RESPONSES, address_of, people_of
from runner.connectors.exchange.zones import iana_of
from runner.model.errors import ConnectorError, Gone
from runner.model.files import ATTACHMENTS
from runner.model.items import Item, LinkRef
from runner.model.moments import duration_of, local_of, zone_of
from runner.model.overrides import LEFT_OUT, OVERRIDES, RULE, expected
from runner.model.record import Fields, Value

FREE_BUSY: Mapping[str | None, str] = {
    "Free": "free",
    "Tentative": "tentative",
    "Busy": "busy",
    "OOF": "out_of_office",
    "WorkingElsewhere": "elsewhere",
}
INTERVAL = frozenset({"start", "time_zone", "duration", "show_without_time"})
"""Record fields that are one fact: when."""

_ALWAYS = (
    "item:Sensitivity",
    "item:LastModifiedTime",
    "calendar:CalendarItemType",
    "calendar:IsMeeting",
    "calendar:UID",
    "calendar:MyResponseType",
    "calendar:Organizer",
)
_ATTENDEES = tuple(f"calendar:{tag}" for tag in LISTS.values())
_WHEN = ("calendar:Start", "calendar:End", "calendar:IsAllDayEvent", "calendar:StartTimeZone", "calendar:EndTimeZone")

_CALENDAR_ITEM, _FREE_BUSY = t("CalendarItem"), t("LegacyFreeBusyStatus")
_START, _END, _ALL_DAY, _ZONE = t("Start"), t("End"), t("IsAllDayEvent"), t("StartTimeZone")
_REMINDS, _REMIND_MINUTES = t("ReminderIsSet"), t("ReminderMinutesBeforeStart")
_UID, _MEETING, _TYPE = t("UID"), t("IsMeeting"), t("CalendarItemType")
_MY_RESPONSE, _ORGANIZER, _MAILBOX = t("MyResponseType"), t("Organizer"), t("Mailbox")

_READERS: Mapping[str, tuple[str, Callable[[common.Parts], Value]]] = {
    **common.READERS,
    "location": common.reader("calendar:Location"),
    "free_busy_status": (
        "calendar:LegacyFreeBusyStatus",
        lambda parts: FREE_BUSY.get(text_of(parts, _FREE_BUSY)),
    ),
    "online_meeting_url": common.reader("calendar:JoinOnlineMeetingUrl"),
    "alert": ("item:ReminderMinutesBeforeStart", lambda parts: _alert(parts)),
    "uid": ("calendar:UID", lambda parts: text_of(parts, _UID)),
}


def _alert(parts: common.Parts) -> Value:
    """Minutes before the start. What Exchange keeps of a reminder that is switched off is none (B-43)."""
    minutes = text_of(parts, _REMIND_MINUTES)
    return int(minutes) if minutes and text_of(parts, _REMINDS) == "true" else None


def item_shape(fields: frozenset[str], *, occurrence: bool = False) -> Element:
    """The ItemShape that asks for exactly what :class:`Decoder` reads; ``occurrence``: of an exception of a series."""
    wanted = [uri for field, (uri, _) in _READERS.items() if field in fields and uri not in _ALWAYS]
    wanted += ["item:ReminderIsSet"] if "alert" in fields else []
    when = _WHEN if fields & (INTERVAL | {RULE}) else ()
    series = SERIES_URIS if RULE in fields and not occurrence else ()
    people = _ATTENDEES if fields & PEOPLE and not occurrence else ()
    files = (URI,) if ATTACHMENTS in fields and not occurrence else ()
    return common.shape((*wanted, *_ALWAYS, *when, *people, *files, *series), STAMP)


class Decoder:
    """Reads CalendarItem elements for one link. Calling it gives an :class:`Item` or the ``Invalid`` in its place; of an
    item with attached files, where the link keeps those in step, an :class:`Attached`."""

    def __init__(self, link: LinkRef) -> None:
        self._own_zone = link.time_zone
        self._series = RULE in link.record_fields
        self._when = bool(link.record_fields & (INTERVAL | {RULE}))
        self._interval_fields = tuple(sorted(link.record_fields & INTERVAL))
        self._people = tuple(sorted(link.record_fields & PEOPLE))
        self._files = ATTACHMENTS in link.record_fields
        self._standing = tuple(sorted(link.record_fields & {"organizer", "my_response"}))
        # Privacy is always there: whether an item may be looked at at all is decided by it (B-35).
        self._readers = tuple((name, read) for name, (_, read) in _READERS.items() if name in link.record_fields)

    def __call__(self, element: Element) -> Item | Master | Attached | ConnectorError:
        """The item that an element holds, or the master of a series, whose exceptions are still to be read."""
        answer = common.read(self._item, element)
        return with_refs(answer, element) if self._files else answer

    def occurrence(self, element: Element, series: Fields, day: str) -> Fields | ConnectorError:
        """The fields of an exception, those of its time as the series has them unless it was moved."""
        return common.read(lambda one: self._occurrence(one, series, day), element)

    def _item(self, element: Element) -> Item | Master | ConnectorError:
        if element.tag != _CALENDAR_ITEM:
            raise Unfit("not-an-appointment", "the calendar holds something that is no appointment")
        parts: dict[str, Element] = {child.tag: child for child in element}
        item_id = parts.get(ITEM_ID)
        if item_id is None:
            raise Unfit("undecodable", "the item has no id")
        kind = text_of(parts, _TYPE)
        if kind in ("Occurrence", "Exception"):
            return Gone("an occurrence of a series: what is synchronised is its master", code="occurrence")
        recurring = kind not in (None, "Single")
        if recurring and not self._series:
            raise Unfit("recurrence-unsupported", "a recurring series, which this link's mapping does not carry")
        values: dict[str, Value] = {name: read(parts) for name, read in self._readers}
        values["privacy"] = PRIVACY.get(text_of(parts, SENSITIVITY))
        interval: Mapping[str, Value] = self._interval(parts) if self._when else {}
        for name in self._interval_fields:
            values[name] = interval[name]
        shared = text_of(parts, _MEETING) == "true"
        meeting = _meeting(parts) if shared else {"organizer": None, "my_response": None}
        for name in self._standing:
            values[name] = meeting[name]
        if self._people:
            people = people_of(parts, meeting["organizer"])
            for name in self._people:
                values[name] = getattr(people, name)
        if self._files:
            values[ATTACHMENTS] = None
        if self._series:
            values[RULE] = values[OVERRIDES] = None
        exceptions = self._read_series(parts, interval, values) if recurring else {}
        extended = parts.get(EXTENDED_TAG)
        item = Item(
            key=item_id.get("Id", ""),
            version=item_id.get("ChangeKey", ""),
            values=values,
            stamp=None if extended is None else text_in(extended, VALUE),
            native=text_of(parts, _UID),
            modified=common.modified_of(parts),
            shared=shared,
            organizer=meeting["organizer"],
            response=meeting["my_response"],
        )
        return Master(item, exceptions) if recurring else item

    def _read_series(
        self, parts: dict[str, Element], interval: Mapping[str, Value], values: dict[str, Value]
    ) -> dict[str, str]:
        """Put a master's rule and deleted occurrences among its values; its changed ones come back by recurrence id."""
        zone, all_day = self._zone(parts), bool(interval["show_without_time"])
        try:
            values |= series_fields(parts, interval, zone)
        except ValueError as error:
            raise Unfit(
                "recurrence-unknown", f"a series that Exchange's own patterns do not explain: {error}"
            ) from None
        exceptions, deleted = exceptions_of(parts, zone, all_day=all_day)
        values[OVERRIDES] = dict.fromkeys(sorted(deleted), LEFT_OUT) or None
        return exceptions

    def _occurrence(self, element: Element, series: Fields, day: str) -> Fields:
        parts: dict[str, Element] = {child.tag: child for child in element}
        values: dict[str, Value] = {name: read(parts) for name, read in self._readers}
        plain = expected(series, day)
        start, end = text_of(parts, _START), text_of(parts, _END)
        all_day = text_of(parts, _ALL_DAY) == "true"
        if not start or not end:
            raise Unfit("undecodable", "it has no start or no end")
        timed = not all_day and not series.get("show_without_time") and self._zone(parts) == series.get("time_zone")
        unmoved = timed and (moment_of(start), moment_of(end)) == natural(series, day, self._own_zone)
        interval = plain if unmoved else self._interval(parts)
        return values | {name: interval[name] for name in self._interval_fields}

    def _interval(self, parts: dict[str, Element]) -> Mapping[str, Value]:
        start, end = text_of(parts, _START), text_of(parts, _END)
        if not start or not end:
            raise Unfit("undecodable", "the item has no start or no end")
        return interval_of(start, end, self._zone(parts), text_of(parts, _ALL_DAY) == "true")

    def _zone(self, parts: dict[str, Element]) -> str:
        zone = parts.get(_ZONE)
        windows_id = None if zone is None else zone.get("Id")
        try:
            return iana_of(windows_id, self._own_zone) if windows_id else self._own_zone
        except ValueError as error:
            raise Unfit("unknown-time-zone", f"{error}: the item waits until its zone is one that is known") from None


def _meeting(parts: common.Parts) -> Mapping[str, str | None]:
    """Who called a meeting, and what the mailbox's user answered."""
    organizer = parts.get(_ORGANIZER)
    return {
        "organizer": address_of(None if organizer is None else organizer.find(_MAILBOX)),
        "my_response": RESPONSES.get(text_of(parts, _MY_RESPONSE), "needs_action"),
    }


@lru_cache(maxsize=4096)
def interval_of(start: str, end: str, zone: str, all_day: bool) -> Mapping[str, Value]:
    """The four record fields of an interval that Exchange states as two instants, in the item's own zone (B-46).

    All-day items are dates: the local dates of both ends in the item's own zone, never the host's or ours, the end
    exclusive. An end that is not exactly midnight there counts as the nearest one (an item made in another zone).
    """
    first, last = moment_of(start), moment_of(end)
    if last < first:
        raise ValueError("the end lies before the start")
    if all_day:
        day, until = _nearest_day(first, zone), _nearest_day(last, zone)
        length = max(until - day, timedelta(days=1))
        return {
            "start": day.strftime("%Y-%m-%dT00:00:00"),
            "time_zone": None,
            "duration": duration_of(length, whole_days=True),
            "show_without_time": True,
        }
    local, named = local_of(first, zone)
    return {"start": local, "time_zone": named, "duration": duration_of(last - first), "show_without_time": False}


def _nearest_day(moment: datetime, zone: str) -> datetime:
    local = moment.astimezone(zone_of(zone)).replace(tzinfo=None) + timedelta(hours=12)
    return local.replace(hour=0, minute=0, second=0, microsecond=0)
