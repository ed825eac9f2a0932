"""What a change in a mailbox is told as: notification events (pages CreatedEvent, ModifiedEvent, MovedEvent …).

One act of a user is several events: beside the item's own, its folder changes (its counts), and a calendar's free and busy
times do (recorded with real servers: ews-java-api issue 276). Change keys in events are constants that name no version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from runner.sandbox.wire import tag

if TYPE_CHECKING:
    from runner.sandbox.items import StoredItem
    from runner.sandbox.mailboxes import Folder

ITEM_KEY, FOLDER_KEY = "CQAAAA==", "AQAAAA=="
"""The change keys of all items and of all folders in events."""


class EventKind(StrEnum):
    """Element names of events."""

    COPIED = "CopiedEvent"
    CREATED = "CreatedEvent"
    DELETED = "DeletedEvent"
    MODIFIED = "ModifiedEvent"
    MOVED = "MovedEvent"
    NEW_MAIL = "NewMailEvent"
    STATUS = "StatusEvent"
    FREE_BUSY = "FreeBusyChangedEvent"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``item`` is None when it is about the folder ``subject`` itself; ``old`` is (item, folder) before a move
    or copy. ``folders`` are those whose subscribers hear of it."""

    kind: EventKind
    at: datetime
    subject: str
    parent: str
    about_item: bool = True
    old: tuple[str, str] | None = None

    @property
    def folders(self) -> frozenset[str]:
        """Ids of the folders whose subscribers hear of it: of a folder's own event, those of the folder."""
        if not self.about_item:
            return frozenset({self.subject})
        return frozenset({self.parent} if self.old is None else {self.parent, self.old[1]})

    def xml(self, watermark: str | None = None) -> str:
        """The element; push and pull events bear a watermark, streaming ones do not."""
        mark = tag("Watermark", watermark) if watermark else ""
        if self.kind is EventKind.STATUS:
            return f"<t:StatusEvent>{mark}</t:StatusEvent>"
        what = _item(self.subject) if self.about_item else _folder(self.subject)
        before = ""
        if self.old is not None:
            before = (
                f'<t:OldItemId Id="{self.old[0]}" ChangeKey="{ITEM_KEY}"/>'
                f'<t:OldParentFolderId Id="{self.old[1]}" ChangeKey="{FOLDER_KEY}"/>'
            )
        moment = f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return (
            f"<t:{self.kind}>{mark}{tag('TimeStamp', moment)}{what}"
            f'<t:ParentFolderId Id="{self.parent}" ChangeKey="{FOLDER_KEY}"/>{before}</t:{self.kind}>'
        )


def status(at: datetime) -> Event:
    """The event that says only that the subscription lives."""
    return Event(EventKind.STATUS, at, "", "")


def created(item: StoredItem, folder: Folder, at: datetime) -> Iterator[Event]:
    """A new item."""
    yield Event(EventKind.CREATED, at, item.id, folder.id)
    yield Event(EventKind.MODIFIED, at, item.id, folder.id)
    yield from _around(item, folder, at)


def modified(item: StoredItem, folder: Folder, at: datetime) -> Iterator[Event]:
    """A changed item."""
    yield Event(EventKind.MODIFIED, at, item.id, folder.id)
    yield from _around(item, folder, at)


def deleted(item: StoredItem, folder: Folder, at: datetime) -> Iterator[Event]:
    """An item gone for good."""
    yield Event(EventKind.DELETED, at, item.id, folder.id)
    yield from _around(item, folder, at)


def moved(before: StoredItem, source: Folder, after: StoredItem, to: Folder, at: datetime) -> Iterator[Event]:
    """A moved item, soft deletes and moves into Deleted Items among them (Deletion-related mailbox events: Exchange 2013
    and later, single folders subscribed)."""
    yield Event(EventKind.MOVED, at, after.id, to.id, old=(before.id, source.id))
    yield from _around(before, source, at)
    yield from _around(after, to, at)


def copied(original: StoredItem, source: Folder, twin: StoredItem, to: Folder, at: datetime) -> Iterator[Event]:
    """A copied item."""
    yield Event(EventKind.COPIED, at, twin.id, to.id, old=(original.id, source.id))
    yield from _around(twin, to, at)


def _around(item: StoredItem, folder: Folder, at: datetime) -> Iterator[Event]:
    if folder.folder_class == "IPF.Appointment":
        yield Event(EventKind.FREE_BUSY, at, item.id, folder.id)
    if folder.parent is not None:
        yield Event(EventKind.MODIFIED, at, folder.id, folder.parent, about_item=False)


def _item(identifier: str) -> str:
    return f'<t:ItemId Id="{identifier}" ChangeKey="{ITEM_KEY}"/>'


def _folder(identifier: str) -> str:
    return f'<t:FolderId Id="{identifier}" ChangeKey="{FOLDER_KEY}"/>'
