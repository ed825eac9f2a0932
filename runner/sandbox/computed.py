"""Properties that the server works out when they are asked for."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from runner.sandbox.attachments import Attachments, rendered
from runner.sandbox.bodies import Body
from runner.sandbox.contacts import complete_name
from runner.sandbox.items import StoredItem
from runner.sandbox.occurrences import (
    deleted_occurrences,
    first_occurrence,
    is_master,
    last_occurrence,
    modified_occurrences,
)
from runner.sandbox.wire import escape, tag
from runner.sandbox.zones import render_instant, zone_of

_RIGHTS = "".join(
    tag(name, "false" if name.startswith("Create") else "true")
    for name in (
        "CreateAssociated",
        "CreateContents",
        "CreateHierarchy",
        "Delete",
        "Modify",
        "Read",
        "ViewPrivateItems",
    )
)
_STATUS_WORDS = {
    "NotStarted": "Not Started",
    "InProgress": "In Progress",
    "Completed": "Completed",
    "WaitingOnOthers": "Waiting on someone else",
    "Deferred": "Deferred",
}


def instant_of(item: StoredItem, name: str) -> datetime | None:
    """A stored time as a value."""
    text = item.props.get(name)
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None


def organizer(item: StoredItem) -> tuple[str, str]:
    """Name and address of who called the meeting: the mailbox's owner unless the item says otherwise."""
    stored = item.props.get("Organizer")
    if isinstance(stored, str):
        name, address = (re.search(rf"<t:{part}>([^<]*)<", stored) for part in ("Name", "EmailAddress"))
        if address:
            return (name[1] if name else address[1]), address[1]
    return escape(item.owner_name), escape(item.owner)


def is_organizer(item: StoredItem) -> bool:
    """Whether the item lies in its organizer's mailbox."""
    return organizer(item)[1].lower() == item.owner.lower()


def duration_text(item: StoredItem) -> str | None:
    """Length as an ``xs:duration``."""
    start, end = instant_of(item, "Start"), instant_of(item, "End")
    if start is None or end is None:
        return None
    minutes = max(0, int((end - start).total_seconds()) // 60)
    days, rest = divmod(minutes, 1440)
    hours, minutes = divmod(rest, 60)
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    return "P" + (f"{days}D" if days else "") + (f"T{time}" if time else "" if days else "T0S")


def _names(item: StoredItem, *parts: str) -> str:
    found: list[str] = []
    for part in parts:
        value = item.props.get(part)
        if isinstance(value, str):
            for mailbox in value.split("</t:Mailbox>")[:-1]:
                match = re.search("<t:Name>([^<]*)<", mailbox) or re.search("<t:EmailAddress>([^<]*)<", mailbox)
                found += [html.unescape(match[1])] if match else []
    return "; ".join(found)


def _item_id(item: StoredItem, _listing: bool) -> str:
    return f'<t:ItemId Id="{item.id}" ChangeKey="{item.change_key}"/>'


def _size(item: StoredItem) -> str:
    body = item.props.get("Body")
    return str(1200 + 2 * (len(body.text) if isinstance(body, Body) else 0))


def _attachments(item: StoredItem, _listing: bool) -> str:
    files = rendered(item.id, Attachments.held_by(item.props))
    return f"<t:Attachments>{files}</t:Attachments>" if files else ""


def _organizer(item: StoredItem, listing: bool) -> str:
    name, address = organizer(item)
    more = "" if listing else f"<t:EmailAddress>{address}</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType>"
    return f"<t:Organizer><t:Mailbox><t:Name>{name}</t:Name>{more}</t:Mailbox></t:Organizer>"


def _my_response(item: StoredItem) -> str:
    if stored := item.text("MyResponseType"):
        return stored
    if not is_organizer(item):
        return "NoResponseReceived"
    return "Organizer"


def _is_recurring(item: StoredItem) -> str:
    """False for the organizer's own series, true for an attendee's: the page IsRecurring says so, and calls it wrong."""
    if item.master is not None:
        return "true"
    return _true(item.props.get("Recurrence") and (item.element == "Task" or not is_organizer(item)))


def _item_type(item: StoredItem) -> str:
    return item.text("CalendarItemType") or ("RecurringMaster" if item.props.get("Recurrence") else "Single")


def _reminder_due(item: StoredItem) -> str | None:
    stored = item.props.get("ReminderDueBy")
    return stored if isinstance(stored, str) else item.text("Start") if item.element == "CalendarItem" else None


def _wall(item: StoredItem, name: str, zone_name: str) -> str | None:
    moment, zone = instant_of(item, name), zone_of(item.text(zone_name))
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S") if moment and zone else None


def _response_objects(item: StoredItem, _listing: bool) -> str:
    forward = "<t:ResponseObjects><t:ForwardItem/></t:ResponseObjects>"
    return forward if item.element == "CalendarItem" else ""


def _true(value: object) -> str:
    return "true" if value else "false"


_TEXTS: Mapping[str, Callable[[StoredItem], str | None]] = {
    "ItemClass": lambda item: item.text("ItemClass") or item.kind.item_class,
    "DateTimeReceived": lambda item: render_instant(item.created),
    "DateTimeSent": lambda item: render_instant(item.created),
    "DateTimeCreated": lambda item: render_instant(item.created),
    "DateTimeStamp": lambda item: render_instant(item.modified),
    "LastModifiedTime": lambda item: render_instant(item.modified),
    "LastModifiedName": lambda item: item.last_modifier,
    "Size": _size,
    "ReminderDueBy": _reminder_due,
    "DisplayCc": lambda item: _names(item, "OptionalAttendees", "CcRecipients"),
    "DisplayTo": lambda item: _names(item, "RequiredAttendees", "ToRecipients"),
    # Inline images belong to the body (page HasAttachments).
    "HasAttachments": lambda item: _true(any(not file.inline for file in Attachments.held_by(item.props))),
    "IsMeeting": lambda item: _true(item.is_meeting or not is_organizer(item)),
    "IsRecurring": _is_recurring,
    "CalendarItemType": _item_type,
    "MyResponseType": _my_response,
    "Duration": duration_text,
    "TimeZone": lambda item: item.text("StartTimeZone"),
    "AppointmentState": lambda item: "3" if not is_organizer(item) else "1" if item.is_meeting else "0",
    "StartWallClock": lambda item: _wall(item, "Start", "StartTimeZone"),
    "EndWallClock": lambda item: _wall(item, "End", "EndTimeZone"),
    "StartTimeZoneId": lambda item: item.text("StartTimeZone"),
    "EndTimeZoneId": lambda item: item.text("EndTimeZone"),
    "IsOrganizer": lambda item: _true(is_organizer(item)),
    "ChangeCount": lambda item: str(item.changes + 1),
    "IsComplete": lambda item: _true(item.text("Status") == "Completed"),
    "Owner": lambda item: item.owner_name,
    "StatusDescription": lambda item: _STATUS_WORDS.get(item.text("Status") or ""),
}


def _of_series(name: str, render: Callable[[StoredItem], str]) -> Callable[[StoredItem, bool], str]:
    """An element that only recurring masters have; not even they when it would be empty."""

    def element(item: StoredItem, _listing: bool) -> str:
        inside = render(item) if is_master(item) else ""
        return f"<t:{name}>{inside}</t:{name}>" if inside else ""

    return element


def _as_element(name: str, compute: Callable[[StoredItem], str | None]) -> Callable[[StoredItem, bool], str]:
    def element(item: StoredItem, _listing: bool) -> str:
        text = compute(item)
        return "" if text is None else tag(name, text)

    return element


COMPUTED: Mapping[str, Callable[[StoredItem, bool], str]] = MappingProxyType(
    {
        **{name: _as_element(name, compute) for name, compute in _TEXTS.items()},
        "ItemId": _item_id,
        "ParentFolderId": lambda item, _: f'<t:ParentFolderId Id="{item.folder_id}" ChangeKey="AQAAAA=="/>',
        "EffectiveRights": lambda item, _: f"<t:EffectiveRights>{_RIGHTS}</t:EffectiveRights>",
        "Organizer": _organizer,
        "Attachments": _attachments,
        "ResponseObjects": _response_objects,
        "CompleteName": complete_name,
        "FirstOccurrence": lambda item, _: first_occurrence(item) if is_master(item) else "",
        "LastOccurrence": lambda item, _: last_occurrence(item) if is_master(item) else "",
        "ModifiedOccurrences": _of_series("ModifiedOccurrences", modified_occurrences),
        "DeletedOccurrences": _of_series("DeletedOccurrences", deleted_occurrences),
    }
)
"""Name to whole element (empty text when the item has no such value)."""


def computed_text(item: StoredItem, name: str) -> str | None:
    """A computed property's bare text, for restrictions and sorting."""
    compute = _TEXTS.get(name)
    return compute(item) if compute else None
