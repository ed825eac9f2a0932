"""Meeting mail between the sandbox's mailboxes, and a count of all that would leave it.

What a request, an update, a cancellation or an answer does to the calendars at its other end, as Exchange's calendar
attendant does it before anybody opens the message (pages Calendars and EWS in Exchange; How to: Create appointments and
meetings; How to: Update appointments and meetings; CreateItem operation (meeting request); [MS-OXOCAL] 3.1.4):

- a request puts a tentative copy with the same UID into each invited mailbox; an update changes it; when its time
  changed the answer is void and the copy is tentative again;
- an exception of a series changes in the copies, too;
- a cancellation leaves the copy where it is, free and with ``Canceled:`` before its subject, until its user removes it;
- an answer notes response and time on the organizer's copy.

Messages themselves are not kept in inboxes: each is one :class:`Mail` in the ledger, with every address that it goes to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime

from runner.sandbox.attendees import LISTS, NOT_ASKED, Attendee, invited, listed, rendered
from runner.sandbox.computed import is_organizer, organizer
from runner.sandbox.failures import EwsError
from runner.sandbox.items import Stored, StoredItem
from runner.sandbox.mailboxes import Mail, Mailbox
from runner.sandbox.wire import Fragment, tag
from runner.sandbox.zones import render_instant

CANCELLED = "Canceled: "
OWN = frozenset(
    ("Organizer", "MyResponseType", "AppointmentReplyTime", "LegacyFreeBusyStatus", "Categories", "IsCancelled")
) | frozenset(("ReminderIsSet", "ReminderMinutesBeforeStart", "ReminderDueBy", "MeetingRequestWasSent", "Attachments"))
"""What every copy has for itself: no message carries it."""
TIMES = frozenset(("Start", "End", "StartTimeZone", "EndTimeZone", "IsAllDayEvent", "Recurrence"))
"""A change of these is significant: it asks for a new answer ([MS-OXOCAL] 3.1.4.7.2.2)."""
ANSWERS = {"AcceptItem": "Accept", "TentativelyAcceptItem": "Tentative", "DeclineItem": "Decline"}
"""Response object → the response it states."""
NOBODY = "SendToNone"


@dataclass(frozen=True, slots=True)
class Post:
    """The mailboxes of the site by lower-case address, and the ledger of mails."""

    mailboxes: Mapping[str, Mailbox]
    mails: list[Mail]

    def created(self, item: StoredItem, mode: str) -> None:
        """After a create: requests to everybody invited, unless ``SendMeetingInvitations`` is ``SendToNone``."""
        if mode != NOBODY and item.is_meeting and is_organizer(item):
            self._request(item, invited(item))

    def updated(self, item: StoredItem, before: Mapping[str, Attendee], touched: frozenset[str], mode: str) -> None:
        """After an organizer's update: requests to the new, cancellations to those left out, updates to the others
        (only the changed ones with ``SendOnlyToChanged`` and ``SendToChangedAndSaveCopy``)."""
        now = invited(item)
        if mode == NOBODY or not (now or before) or not is_organizer(item):
            return
        # Who was never told hears of the meeting for the first time.
        told = before.keys() if item.text("MeetingRequestWasSent") == "true" else frozenset[str]()
        self._request(item, [address for address in now if address not in told])
        self._cancel(item, [address for address in before if address not in now])
        if "Changed" not in mode:
            self._update(item, [address for address in now if address in told], touched)

    def cancelled(self, item: StoredItem, mode: str) -> None:
        """Before the organizer's copy is deleted: cancellations to everybody, as ``SendMeetingCancellations`` says."""
        if mode == NOBODY or not item.is_meeting or not is_organizer(item):
            return
        if item.master is None or item.day is None:
            self._cancel(item, invited(item))
            return
        self._send("cancellation", item, invited(item))
        for mailbox in self._local(invited(item), item):
            held = copy_of(mailbox, item)
            if held is not None:
                held.deleted.add(item.day)
                held.exceptions.pop(item.day, None)
                mailbox.change(held, frozenset(("DeletedOccurrences",)), modifier=item.owner_name)

    def answered(self, mailbox: Mailbox, item: StoredItem, response: str, *, send: bool) -> StoredItem:
        """A user's answer (``Accept``, ``Tentative``, ``Decline``) to a meeting; his copy as it is afterwards, which lies in
        Deleted Items when he declined.

        Raises ``ErrorCalendarIsOrganizerForAccept`` and its like for the organizer, ``ErrorCalendarIsCancelledForAccept``
        and its like for a meeting that is off.
        """
        if is_organizer(item):
            raise EwsError(f"ErrorCalendarIsOrganizerFor{response}")
        if item.text("IsCancelled") == "true":
            raise EwsError(f"ErrorCalendarIsCancelledFor{response}")
        now = mailbox.now()
        item.props["MyResponseType"] = response
        item.props["AppointmentReplyTime"] = render_instant(now)
        if response != "Decline":
            busy = item.text("IntendedFreeBusyStatus") or "Busy"
            item.props["LegacyFreeBusyStatus"] = busy if response == "Accept" else "Tentative"
        mailbox.change(item, frozenset(("MyResponseType", "AppointmentReplyTime", "LegacyFreeBusyStatus")))
        if send:
            address = organizer(item)[1].lower()
            self.mails.append(Mail(mailbox.address, "response", item.id, item.text("Subject") or "", (address,)))
            self._note_answer(address, item, mailbox.address, response, now)
        if response == "Decline":
            return mailbox.move(item, mailbox.well_known("deleteditems"))
        return item

    def _send(self, kind: str, item: StoredItem, to: Collection[str]) -> None:
        self.mails.append(Mail(item.owner, kind, item.id, item.text("Subject") or "", tuple(to)))

    def _local(self, addresses: Iterable[str], item: StoredItem) -> Iterable[Mailbox]:
        """The mailboxes of this site among the addresses; nobody sends to himself."""
        own = item.owner.lower()
        return (self.mailboxes[address] for address in addresses if address in self.mailboxes and address != own)

    def _request(self, item: StoredItem, to: Collection[str]) -> None:
        item.props["MeetingRequestWasSent"] = "true"
        if not to:
            return
        self._send("request", item, to)
        for mailbox in self._local(to, item):
            held = copy_of(mailbox, item)
            if held is not None:
                _bring(mailbox, held, item, TIMES)
                continue
            calendar = mailbox.well_known("calendar")
            twin = mailbox.draft(calendar, "CalendarItem")
            twin.props = _carried(item) | {
                "UID": item.props["UID"],
                "Organizer": Fragment(_organizer_of(item)),
                "MyResponseType": "NoResponseReceived",
                "LegacyFreeBusyStatus": "Tentative",
                "IntendedFreeBusyStatus": item.text("LegacyFreeBusyStatus") or "Busy",
                "ReminderIsSet": "true",
                "ReminderMinutesBeforeStart": "15",
                "MeetingRequestWasSent": "true",
            }
            twin.exceptions, twin.deleted = deepcopy(item.exceptions), set(item.deleted)
            twin.last_modifier = item.owner_name
            mailbox.add(twin, calendar)

    def _update(self, item: StoredItem, to: Collection[str], touched: frozenset[str]) -> None:
        if not to:
            return
        self._send("update", item, to)
        source = item.master or item
        if touched & TIMES and source is item:
            _forget_answers(item)
        for mailbox in self._local(to, item):
            held = copy_of(mailbox, item)
            if held is None:
                self._redeliver(mailbox, source)
            else:
                _bring(mailbox, held, source, touched if source is item else frozenset(("ModifiedOccurrences",)))

    def _redeliver(self, mailbox: Mailbox, item: StoredItem) -> None:
        """An update to somebody who has no copy any more (declined or deleted) makes a new one, as a request does."""
        kept = len(self.mails)
        self._request(item, [mailbox.address.lower()])
        del self.mails[kept:]

    def _cancel(self, item: StoredItem, to: Collection[str]) -> None:
        if not to:
            return
        self._send("cancellation", item, to)
        for mailbox in self._local(to, item):
            held = copy_of(mailbox, item)
            if held is None:
                continue
            held.props["IsCancelled"] = "true"
            held.props["LegacyFreeBusyStatus"] = "Free"
            held.props["Subject"] = CANCELLED + (item.text("Subject") or "")
            mailbox.change(
                held, frozenset(("IsCancelled", "LegacyFreeBusyStatus", "Subject")), modifier=item.owner_name
            )

    def _note_answer(self, to: str, item: StoredItem, address: str, response: str, now: datetime) -> None:
        mailbox = self.mailboxes.get(to)
        held = copy_of(mailbox, item) if mailbox else None
        if mailbox is None or held is None:
            return
        for name in LISTS:
            attendees = listed(held, name)
            if any(attendee.address.lower() == address.lower() for attendee in attendees):
                held.props[name] = rendered(
                    replace(attendee, response=response, replied=render_instant(now))
                    if attendee.address.lower() == address.lower()
                    else attendee
                    for attendee in attendees
                )
                mailbox.change(held, frozenset((name,)))


def copy_of(mailbox: Mailbox, item: StoredItem) -> StoredItem | None:
    """The live copy of a meeting in a mailbox: same UID, in a calendar folder."""
    uid = item.text("UID")
    for folder in mailbox.folders.values():
        if folder.folder_class != "IPF.Appointment":
            continue
        for held in folder.items.values():
            if held.element == "CalendarItem" and held.props.get("UID") == uid:
                return held
    return None


def keep_answers(item: StoredItem, before: Mapping[str, Attendee]) -> None:
    """After a client wrote attendee lists: whoever stays on them keeps his answer, unless the client states one."""

    def kept(attendee: Attendee) -> Attendee:
        known = before.get(attendee.address.lower())
        stated = attendee.response != NOT_ASKED
        return (
            attendee if known is None or stated else replace(attendee, response=known.response, replied=known.replied)
        )

    for name in LISTS:
        if attendees := listed(item, name):
            item.props[name] = rendered(kept(attendee) for attendee in attendees)


def _forget_answers(item: StoredItem) -> None:
    for name in LISTS:
        if attendees := listed(item, name):
            item.props[name] = rendered(replace(a, response=NOT_ASKED, replied=None) for a in attendees)


def _carried(item: StoredItem) -> dict[str, Stored]:
    return {name: value for name, value in item.props.items() if name not in OWN and name != "UID"}


def _bring(mailbox: Mailbox, held: StoredItem, item: StoredItem, touched: frozenset[str]) -> None:
    """Bring an attendee's copy to what the organizer's is."""
    for name in [name for name in held.props if name not in OWN and name not in item.props and name in touched]:
        del held.props[name]
    held.props.update(_carried(item))
    held.exceptions, held.deleted = deepcopy(item.exceptions), set(item.deleted)
    held.props["IsCancelled"] = "false"
    changed = frozenset(touched | {"Subject"})
    if touched & TIMES:
        held.props["MyResponseType"] = "NoResponseReceived"
        held.props["LegacyFreeBusyStatus"] = "Tentative"
        held.props.pop("AppointmentReplyTime", None)
        changed |= {"MyResponseType", "LegacyFreeBusyStatus"}
    mailbox.change(held, changed, modifier=item.owner_name)


def _organizer_of(item: StoredItem) -> str:
    return (
        "<t:Mailbox>"
        + tag("Name", item.owner_name)
        + tag("EmailAddress", item.owner)
        + tag("RoutingType", "SMTP")
        + "</t:Mailbox>"
    )
