"""What a user does in Outlook, without going through EWS: for tests, demos and loading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from threading import RLock

from runner.sandbox.attachments import Attachments, StoredFile, attachment_id
from runner.sandbox.attendees import LISTS, invited
from runner.sandbox.bodies import Body
from runner.sandbox.changelog import Change
from runner.sandbox.extended import ExtendedKey
from runner.sandbox.extended import Value as ExtendedValue
from runner.sandbox.items import Own, Stored, StoredItem
from runner.sandbox.mailboxes import Folder, Mailbox
from runner.sandbox.meetings import Post, keep_answers
from runner.sandbox.occurrences import in_span, is_master, occurrence, take_over
from runner.sandbox.plain import Plain, stored
from runner.sandbox.tasks import couple, delete_occurrence, leaves_one_off, split
from runner.sandbox.wire import Fragment
from runner.sandbox.writing import settle
from runner.sandbox.zones import render_instant

_ELEMENTS = {
    "calendar": "CalendarItem",
    "tasks": "Task",
    "contacts": "Contact",
    "drafts": "Message",
    "inbox": "Message",
}


@dataclass(frozen=True, slots=True)
class View:
    """An item as it stands now. ``props`` maps EWS element names to stored text, fragments and bodies."""

    id: str
    change_key: str
    folder: str
    props: Mapping[str, Stored]
    extended: Mapping[ExtendedKey, ExtendedValue]
    modified: datetime
    exceptions: Mapping[date, Own] = field(default_factory=dict)
    deleted: frozenset[date] = frozenset()
    """Of a series, by the days of the original starts in its own zone: what was changed, and what is no more."""

    def text(self, name: str) -> str | None:
        """A simple property's text; for a body its text."""
        value = self.props.get(name)
        return value.text if isinstance(value, Body) else value if isinstance(value, str) else None


class OutlookUser:
    """One mailbox as its owner works with it. Every act is one change in the log, with a new change key."""

    def __init__(self, mailbox: Mailbox, lock: RLock, post: Post) -> None:
        self._mailbox = mailbox
        self._lock = lock
        self._post = post

    @property
    def address(self) -> str:
        """The mailbox's address."""
        return self._mailbox.address

    def create(self, folder: str = "calendar", *, element: str | None = None, **properties: Plain) -> str:
        """A new item in a folder (distinguished name or id); the id comes back. Property names are EWS's."""
        return self.add(properties, folder, element=element)

    def add(
        self,
        properties: Mapping[str, Plain],
        folder: str = "calendar",
        *,
        element: str | None = None,
        exceptions: Mapping[date, Mapping[str, Plain]] | None = None,
        deleted: Iterable[date] = (),
    ) -> str:
        """:meth:`create` with the properties as a mapping; of a series also what its occurrences have of their own, and
        which it has not, by the days of their original starts."""
        with self._lock:
            place = self._folder(folder)
            kind = element or _ELEMENTS.get(place.name or "", "CalendarItem")
            item = self._mailbox.draft(place, kind)
            self._set(item, properties)
            settle(item, self._mailbox.now(), frozenset(properties))
            self._mailbox.add(item, place)
            for day in deleted:
                self._mailbox.delete_occurrence(occurrence(item, day))
            for day, own in (exceptions or {}).items():
                self._edit(occurrence(item, day), own)
            return item.id

    def edit(self, item_id: str, **properties: Plain) -> str:
        """Change some properties; None clears one. The id of what now bears the change comes back: it is another one
        only for a recurring task whose outstanding occurrence the change ends (:mod:`runner.sandbox.tasks`)."""
        with self._lock:
            return self._edit(self._mailbox.item(item_id), properties).id

    def _edit(self, item: StoredItem, properties: Mapping[str, Plain]) -> StoredItem:
        names = frozenset(properties)
        trial = deepcopy(item)
        self._set(trial, properties)
        settle(trial, self._mailbox.now(), names)
        if leaves_one_off(item, trial, names):
            return split(self._mailbox, item, trial)
        if item.master is not None:
            return self._mailbox.change_occurrence(item, trial, names)
        take_over(item, trial, names)
        return self._mailbox.change(item, names)

    def occurrence(self, master_id: str, day: date) -> View:
        """The occurrence of a series whose original start lies on a day of the series' zone; raises ``EwsError``."""
        with self._lock:
            return self._view(occurrence(self._mailbox.item(master_id), day))

    def edit_occurrence(self, master_id: str, day: date, **properties: Plain) -> str:
        """Change one occurrence: it becomes an exception of its series. Its id comes back."""
        with self._lock:
            return self._edit(occurrence(self._mailbox.item(master_id), day), properties).id

    def delete_occurrence(self, master_id: str, day: date) -> None:
        """Delete one occurrence of a series."""
        with self._lock:
            self._mailbox.delete_occurrence(occurrence(self._mailbox.item(master_id), day))

    def calendar(self, start: datetime, end: datetime, folder: str = "calendar") -> list[View]:
        """What the calendar shows between two instants: single items and occurrences, in the order of their starts."""
        with self._lock:
            shown: list[StoredItem] = []
            for item in self._folder(folder).items.values():
                if is_master(item):
                    shown += in_span(item, start, end)
                elif str(item.props["Start"]) < render_instant(end) and str(item.props["End"]) > render_instant(start):
                    shown.append(item)
            return [self._view(item) for item in sorted(shown, key=lambda item: str(item.props["Start"]))]

    def invite(
        self,
        required: Sequence[str],
        *,
        optional: Sequence[str] = (),
        resources: Sequence[str] = (),
        **properties: Plain,
    ) -> str:
        """A new meeting of this user's, invitations sent; the id of his copy comes back."""
        lists = dict(zip(LISTS, (required, optional, resources), strict=True))
        with self._lock:
            meeting = self.add({**properties, **{name: to for name, to in lists.items() if to}})
            self._post.created(self._mailbox.item(meeting), "SendToAllAndSaveCopy")
            return meeting

    def change(self, item_id: str, *, send: bool = True, **properties: Plain) -> str:
        """:meth:`edit` with updates to attendees, as Outlook's "send update" (``send=False``: "save only")."""
        with self._lock:
            item = self._mailbox.item(item_id)
            before = invited(item)
            self.edit(item_id, **properties)
            keep_answers(item, before)
            self._post.updated(item, before, frozenset(properties), "SendToAllAndSaveCopy" if send else "SendToNone")
            return item_id

    def answer(self, item_id: str, response: str, *, send: bool = True) -> str:
        """Answer a meeting request: ``Accept``, ``Tentative`` or ``Decline``, with or without telling the organizer. The
        id of the copy comes back; a declined one lies in Deleted Items."""
        with self._lock:
            return self._post.answered(self._mailbox, self._mailbox.item(item_id), response, send=send).id

    def accept(self, item_id: str, *, send: bool = True) -> str:
        """Accept a meeting request."""
        return self.answer(item_id, "Accept", send=send)

    def decline(self, item_id: str, *, send: bool = True) -> str:
        """Decline a meeting request; the copy goes into Deleted Items."""
        return self.answer(item_id, "Decline", send=send)

    def cancel(self, item_id: str) -> None:
        """Cancel a meeting of this user's: cancellations go out, and his copy into Deleted Items."""
        with self._lock:
            self._post.cancelled(self._mailbox.item(item_id), "SendToAllAndSaveCopy")
            self.delete(item_id)

    def attach(
        self, item_id: str, name: str, content: bytes, *, inline: bool = False, content_type: str | None = None
    ) -> str:
        """Attach a file to an item; the attachment's id comes back."""
        with self._lock:
            item = self._mailbox.item(item_id)
            file = StoredFile(0, name, content, self._mailbox.now(), content_type=content_type, inline=inline)
            after = Attachments.held_by(item.props).with_(file)
            self._attached(item, after)
            return attachment_id(item_id, after[-1].number)

    def detach(self, item_id: str, name: str) -> None:
        """Remove every attachment of this name."""
        with self._lock:
            item = self._mailbox.item(item_id)
            self._attached(item, Attachments(file for file in Attachments.held_by(item.props) if file.name != name))

    def rewrite_attachment(self, item_id: str, name: str, content: bytes) -> None:
        """Edit an attached file in place and save it, as Outlook lets its user do: it keeps its id."""
        with self._lock:
            item = self._mailbox.item(item_id)
            now = self._mailbox.now()
            self._attached(
                item,
                Attachments(
                    replace(file, content=content, modified=now) if file.name == name else file
                    for file in Attachments.held_by(item.props)
                ),
            )

    def attachments(self, item_id: str) -> list[tuple[str, bytes]]:
        """Name and content of what is attached, in the order in which it was."""
        with self._lock:
            return [(file.name, file.content) for file in Attachments.held_by(self._mailbox.item(item_id).props)]

    def _attached(self, item: StoredItem, after: Attachments) -> None:
        names = frozenset(["Attachments"])
        if item.master is not None:
            trial = deepcopy(item)
            trial.props["Attachments"] = after
            self._mailbox.change_occurrence(item, trial, names)
            return
        item.props["Attachments"] = after
        self._mailbox.change(item, names)

    def complete(self, task_id: str) -> str:
        """Tick a task off; the completed task's id comes back (see :meth:`edit`)."""
        return self.edit(task_id, Status="Completed")

    def skip(self, task_id: str) -> None:
        """Delete the outstanding occurrence of a recurring task: it becomes the next one."""
        with self._lock:
            delete_occurrence(self._mailbox, self._mailbox.item(task_id))

    def set_entry(self, contact_id: str, name: str, label: str, value: str | None, part: str = "") -> None:
        """Set one e-mail address, telephone number or part of a postal address of a contact, or clear it:
        ``set_entry(id, "PhysicalAddresses", "Home", "Wien", part="City")``."""
        with self._lock:
            item = self._mailbox.item(contact_id)
            stored = item.props.get(name)
            entries = dict(stored) if isinstance(stored, dict) else {}
            entry = dict(entries.get(label, {}))
            entry.pop(part, None)
            if value is not None:
                entry[part] = value
            if entry:
                entries[label] = entry
            else:
                entries.pop(label, None)
            item.props[name] = entries
            self._mailbox.change(item, frozenset([f"{name}/{label}/{part}"]))

    def touch(self, item_id: str) -> None:
        """A change of nothing a client sees: only the change key moves on, as background processing does it."""
        with self._lock:
            self._mailbox.change(self._mailbox.item(item_id), frozenset())

    def mark_read(self, item_id: str, *, read: bool = True) -> None:
        """Flip the read flag, which SyncFolderItems reports as its own kind of change."""
        with self._lock:
            item = self._mailbox.item(item_id)
            item.props["IsRead"] = "true" if read else "false"
            self._mailbox.change(item, frozenset(["IsRead"]))

    def delete(self, item_id: str, how: str = "MoveToDeletedItems") -> str | None:
        """Delete as the Delete key does (``MoveToDeletedItems``), Shift+Delete (``SoftDelete``) or for good
        (``HardDelete``); the id in Deleted Items or Recoverable Items comes back."""
        with self._lock:
            item = self._mailbox.item(item_id)
            if item.master is not None:
                self._mailbox.delete_occurrence(item)
                return None
            bins = {"MoveToDeletedItems": "deleteditems", "SoftDelete": "recoverableitemsdeletions"}
            if how in bins:
                return self._mailbox.move(item, self._mailbox.well_known(bins[how])).id
            self._mailbox.remove(item)
            return None

    def move(self, item_id: str, folder: str) -> str:
        """Move to another folder; the new id comes back."""
        with self._lock:
            return self._mailbox.move(self._mailbox.item(item_id), self._folder(folder)).id

    def copy(self, item_id: str, folder: str | None = None) -> str:
        """Copy, extended properties and UID included; the copy's id comes back."""
        with self._lock:
            item = self._mailbox.item(item_id)
            return self._mailbox.copy(item, self._folder(folder) if folder else self._mailbox.home(item)).id

    def take_in(self, other: Mailbox) -> None:
        """Everything of a mailbox's well-known folders comes here under new ids, as a mailbox move may give them; what the
        items say, their UIDs, search keys and extended properties stay."""
        with self._lock:
            for name, source in other.distinguished.items():
                for item in source.items.values():
                    self._mailbox.adopt(item, self._mailbox.distinguished[name])

    def stamp(self, item_id: str, key: ExtendedKey, value: ExtendedValue | None) -> None:
        """Set or clear an extended property, as an add-in would."""
        with self._lock:
            item = self._mailbox.item(item_id)
            if value is None:
                item.extended.pop(key, None)
            else:
                item.extended[key] = value
            self._mailbox.change(item, frozenset([f"ExtendedProperty/{key.property_set}/{key.name}"]))

    def create_folder(self, name: str, parent: str = "calendar", folder_class: str = "IPF.Appointment") -> str:
        """A new folder; its id comes back."""
        with self._lock:
            return self._mailbox.create_folder(self._folder(parent), name, folder_class).id

    def forget_sync_states(self) -> None:
        """Make every synchronisation state handed out so far invalid, as a restored database does."""
        with self._lock:
            self._mailbox.epoch += 1

    def item(self, item_id: str) -> View:
        """An item by id; raises ``EwsError`` if it is not there."""
        with self._lock:
            return self._view(self._mailbox.item(item_id))

    def items(self, folder: str = "calendar") -> list[View]:
        """Everything in a folder, oldest first."""
        with self._lock:
            return [self._view(item) for item in self._folder(folder).items.values()]

    def fill(self, count: int, folder: str = "calendar") -> None:
        """Many made-up appointments at once, an hour each, from 2026 on."""
        start = datetime.fromisoformat("2026-01-05T08:00:00+00:00").timestamp()
        with self._lock:
            place = self._folder(folder)
            for number in range(count):
                begin = start + 1800 * number
                item = self._mailbox.draft(place, _ELEMENTS.get(place.name or "", "CalendarItem"))
                item.props = {
                    "Subject": f"Appointment {number}",
                    "Body": Body("Text", f"Notes for appointment {number}\r\n"),
                    "Location": f"Room {number % 40}",
                    "Start": render_instant(datetime.fromtimestamp(begin, UTC)),
                    "End": render_instant(datetime.fromtimestamp(begin + 3600, UTC)),
                    "StartTimeZone": "W. Europe Standard Time",
                    "EndTimeZone": "W. Europe Standard Time",
                    "Categories": Fragment("<t:String>Sales</t:String>"),
                    "ReminderIsSet": "true",
                    "ReminderMinutesBeforeStart": "15",
                }
                self._mailbox.add(item, place)

    def change_count(self, folder: str = "calendar", kind: Change | None = None) -> int:
        """How many changes the folder's log holds."""
        with self._lock:
            entries = self._folder(folder).log.entries
            return len(entries) if kind is None else sum(entry.kind is kind for entry in entries)

    def _view(self, item: StoredItem) -> View:
        home = self._mailbox.home(item)
        return View(
            item.id,
            item.change_key,
            home.name or home.id,
            dict(item.props),
            dict(item.extended),
            item.modified,
            deepcopy(item.exceptions),
            frozenset(item.deleted),
        )

    def _folder(self, name: str) -> Folder:
        return self._mailbox.distinguished.get(name) or self._mailbox.folder(name)

    def _set(self, item: StoredItem, properties: Mapping[str, Plain]) -> None:
        for name, value in properties.items():
            if name not in item.kind.properties:
                raise KeyError(f"{item.element} has no property {name}")
            if value is None:
                item.props.pop(name, None)
            else:
                item.props[name] = stored(item.kind.properties[name].kind, value)
                couple(item, name)
