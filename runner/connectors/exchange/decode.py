"""CalendarItem elements → items, field by field, without exchangelib's item objects.

Canonical values as ``model.record`` has them. What cannot be carried becomes ``Invalid`` in place of the item, so that
one bad item costs nothing but itself (B-23). Messages never quote the item's content (B-35).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from runner.connectors.exchange import item as common
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
from runner.connectors.exchange.names import Element, t
from runner.connectors.exchange.people import LISTS, PEOPLE, RESPONSES, address_of, people_of
from runner.connectors.exchange.zones import iana_of
from runner.model.errors import ConnectorError
from runner.model.items import Item, LinkRef
from runner.model.moments import duration_of, local_of, zone_of
from runner.model.record import Value

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
_UID, _MEETING, _TYPE = t("UID"), t("IsMeeting"), t("CalendarItemType")
_MY_RESPONSE, _ORGANIZER, _MAILBOX = t("MyResponseType"), t("Organizer"), t("Mailbox")

_READERS: Mapping[str, tuple[str, Callable[[common.Parts], Value]]] = {
    **common.READERS,
    "location": common.reader("calendar:Location"),
    "free_busy_status": (
        "calendar:LegacyFreeBusyStatus",
        lambda parts: FREE_BUSY.get(text_of(parts, _FREE_BUSY)),
    ),
    "uid": ("calendar:UID", lambda parts: text_of(parts, _UID)),
}


def item_shape(fields: frozenset[str]) -> Element:
    """The ItemShape that asks for exactly what :class:`Decoder` reads."""
    wanted = [uri for field, (uri, _) in _READERS.items() if field in fields and uri not in _ALWAYS]
    some = (*(_WHEN if fields & INTERVAL else ()), *(_ATTENDEES if fields & PEOPLE else ()))
    return common.shape((*wanted, *_ALWAYS, *some), STAMP)


class Decoder:
    """Reads CalendarItem elements for one link. Calling it gives an :class:`Item` or the ``Invalid`` in its place."""

    def __init__(self, link: LinkRef) -> None:
        self._own_zone = link.time_zone
        self._when = bool(link.record_fields & INTERVAL)
        self._interval_fields = tuple(sorted(link.record_fields & INTERVAL))
        self._people = tuple(sorted(link.record_fields & PEOPLE))
        self._standing = tuple(sorted(link.record_fields & {"organizer", "my_response"}))
        # Privacy is always there: whether an item may be looked at at all is decided by it (B-35).
        self._readers = tuple((name, read) for name, (_, read) in _READERS.items() if name in link.record_fields)

    def __call__(self, element: Element) -> Item | ConnectorError:
        """The item that an element holds."""
        return common.read(self._item, element)

    def _item(self, element: Element) -> Item:
        if element.tag != _CALENDAR_ITEM:
            raise Unfit("not-an-appointment", "the calendar holds something that is no appointment")
        parts: dict[str, Element] = {child.tag: child for child in element}
        item_id = parts.get(ITEM_ID)
        if item_id is None:
            raise Unfit("undecodable", "the item has no id")
        if text_of(parts, _TYPE) not in (None, "Single"):
            raise Unfit("recurrence-unsupported", "a recurring series: these are not yet synchronised")
        values: dict[str, Value] = {name: read(parts) for name, read in self._readers}
        values["privacy"] = PRIVACY.get(text_of(parts, SENSITIVITY))
        if self._when:
            interval = self._interval(parts)
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
        extended = parts.get(EXTENDED_TAG)
        return Item(
            key=item_id.get("Id", ""),
            version=item_id.get("ChangeKey", ""),
            values=values,
            stamp=None if extended is None else extended.findtext(VALUE),
            native=text_of(parts, _UID),
            modified=common.modified_of(parts),
            shared=shared,
            organizer=meeting["organizer"],
            response=meeting["my_response"],
        )

    def _interval(self, parts: dict[str, Element]) -> Mapping[str, Value]:
        start, end = text_of(parts, _START), text_of(parts, _END)
        if not start or not end:
            raise Unfit("undecodable", "the item has no start or no end")
        zone = parts.get(_ZONE)
        windows_id = None if zone is None else zone.get("Id")
        try:
            iana = iana_of(windows_id, self._own_zone) if windows_id else self._own_zone
        except ValueError as error:
            raise Unfit("unknown-time-zone", f"{error}: the item waits until its zone is one that is known") from None
        return interval_of(start, end, iana, text_of(parts, _ALL_DAY) == "true")


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
