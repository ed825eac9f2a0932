"""The model: mailboxes with folders, items and a change log per folder. No HTTP, no XML requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime

from runner.sandbox import events, occurrences
from runner.sandbox.changelog import Change, ChangeLog
from runner.sandbox.events import Event
from runner.sandbox.failures import EwsError
from runner.sandbox.ids import IdMint, well_formed, well_formed_change_key
from runner.sandbox.items import StoredItem, new_uid, search_key_of

# name, parent, class, display name
_TREE = (
    ("root", None, "", "Top of Mailbox"),
    ("msgfolderroot", "root", "", "Top of Information Store"),
    ("calendar", "msgfolderroot", "IPF.Appointment", "Calendar"),
    ("contacts", "msgfolderroot", "IPF.Contact", "Contacts"),
    ("tasks", "msgfolderroot", "IPF.Task", "Tasks"),
    ("inbox", "msgfolderroot", "IPF.Note", "Inbox"),
    ("drafts", "msgfolderroot", "IPF.Note", "Drafts"),
    ("outbox", "msgfolderroot", "IPF.Note", "Outbox"),
    ("sentitems", "msgfolderroot", "IPF.Note", "Sent Items"),
    ("deleteditems", "msgfolderroot", "IPF.Note", "Deleted Items"),
    ("junkemail", "msgfolderroot", "IPF.Note", "Junk Email"),
    ("notes", "msgfolderroot", "IPF.StickyNote", "Notes"),
    ("journal", "msgfolderroot", "IPF.Journal", "Journal"),
    ("recoverableitemsroot", "root", "", "Recoverable Items"),
    ("recoverableitemsdeletions", "recoverableitemsroot", "", "Deletions"),
    ("recoverableitemsversions", "recoverableitemsroot", "", "Versions"),
    ("recoverableitemspurges", "recoverableitemsroot", "", "Purges"),
)


Clock = Callable[[], datetime]
"""The current instant, aware."""


@dataclass(slots=True)
class Folder:
    """One folder. ``name`` is its distinguished name or None."""

    id: str
    change_key: str
    parent: str | None
    folder_class: str
    display_name: str
    name: str | None
    owner: str
    items: dict[str, StoredItem] = field(default_factory=dict)
    log: ChangeLog = field(default_factory=ChangeLog)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that the server would have sent from a mailbox: ``kind`` is request, update, cancellation or response, ``to``
    every address that it goes to, on this site or anywhere."""

    mailbox: str
    kind: str
    item_id: str
    subject: str
    to: tuple[str, ...]


class Mailbox:
    """One user's store. Every change goes through :meth:`add`, :meth:`change`, :meth:`remove` or :meth:`move`."""

    def __init__(self, address: str, display_name: str, mint: IdMint, clock: Clock) -> None:
        self.address = address
        self.display_name = display_name
        self.epoch = 0
        """Goes up when the server forgets every synchronisation state of this mailbox."""
        self._mint = mint
        self._clock = clock
        self.tell: Callable[[Iterator[Event]], None] | None = None
        """Hears of everything that happens here, for notifications."""
        self.folders: dict[str, Folder] = {}
        self.distinguished: dict[str, Folder] = {}
        self._homes: dict[str, Folder] = {}
        for name, parent, folder_class, display in _TREE:
            above = self.distinguished[parent].id if parent else None
            folder = self._new_folder(above, folder_class, display, name)
            self.distinguished[name] = folder

    def now(self) -> datetime:
        """The sandbox's clock."""
        return self._clock()

    def readdress(self, address: str) -> None:
        """Its owner has another address: in what he organises, too."""
        before, self.address = self.address.lower(), address
        for folder in self.folders.values():
            folder.owner = address
            for item in folder.items.values():
                if item.owner.lower() == before:
                    item.owner = address

    def _new_folder(self, parent: str | None, folder_class: str, display: str, name: str | None) -> Folder:
        folder = Folder(
            self._mint.folder(self.address, display),
            self._mint.change_key("Folder"),
            parent,
            folder_class,
            display,
            name,
            self.address,
        )
        self.folders[folder.id] = folder
        return folder

    # --- folders

    def folder(self, identifier: str) -> Folder:
        """A folder by id; raises as Exchange does."""
        if found := self.folders.get(identifier):
            return found
        if identifier in self._homes:
            raise EwsError("ErrorCannotUseItemIdForFolderId")
        raise EwsError("ErrorFolderNotFound" if well_formed(identifier) else "ErrorInvalidIdMalformed")

    def well_known(self, name: str) -> Folder:
        """A folder by its distinguished name."""
        if found := self.distinguished.get(name):
            return found
        raise EwsError("ErrorFolderNotFound")

    def children(self, parent: str, *, deep: bool = False) -> Iterator[Folder]:
        """Folders below one, in the order of their creation."""
        for folder in list(self.folders.values()):
            if folder.parent == parent:
                yield folder
                if deep:
                    yield from self.children(folder.id, deep=True)

    def create_folder(self, parent: Folder, display: str, folder_class: str) -> Folder:
        """A new folder; a namesake beside it is ``ErrorFolderExists``."""
        if any(child.display_name.lower() == display.lower() for child in self.children(parent.id)):
            raise EwsError("ErrorFolderExists")
        return self._new_folder(parent.id, folder_class, display, None)

    def delete_folder(self, folder: Folder, *, to_deleted_items: bool) -> None:
        """Remove a folder with its content, or move it below Deleted Items (folder ids survive moves)."""
        if folder.name is not None:
            raise EwsError("ErrorDeleteDistinguishedFolder")
        if to_deleted_items:
            folder.parent = self.distinguished["deleteditems"].id
            return
        for child in list(self.children(folder.id)):
            self.delete_folder(child, to_deleted_items=False)
        for identifier in folder.items:
            del self._homes[identifier]
        del self.folders[folder.id]

    # --- items

    def find(self, identifier: str) -> StoredItem | None:
        """An item by id, None if there is none."""
        home = self._homes.get(identifier)
        return home.items.get(identifier) if home else None

    def item(self, identifier: str, change_key: str | None = None) -> StoredItem:
        """An item by id, an occurrence by its own; raises as Exchange does. The change key is checked for its form only."""
        if change_key and not well_formed_change_key(change_key):
            raise EwsError("ErrorInvalidChangeKey")
        if found := self.find(identifier):
            return found
        named = occurrences.read_occurrence_id(identifier)
        if named and (master := self.find(named[0])):
            return occurrences.occurrence(master, named[1])
        if identifier in self.folders:
            raise EwsError("ErrorCannotUseFolderIdForItemId")
        raise EwsError("ErrorItemNotFound" if well_formed(identifier) else "ErrorInvalidIdMalformed")

    def home(self, item: StoredItem) -> Folder:
        """The folder that an item lies in; an occurrence's is its master's."""
        return self._homes[(item.master or item).id]

    def draft(self, folder: Folder, element: str) -> StoredItem:
        """A new item that is not in the store yet."""
        identifier = self._mint.item(self.address, folder.id)
        now = self.now()
        return StoredItem(
            identifier,
            self._mint.change_key(element),
            element,
            self.address,
            folder.id,
            search_key_of(identifier),
            now,
            now,
            owner_name=self.display_name,
            last_modifier=self.display_name,
        )

    def add(self, item: StoredItem, folder: Folder) -> StoredItem:
        """Put a drafted item into its folder."""
        if item.element == "CalendarItem" and not item.props.get("UID"):
            item.props["UID"] = new_uid(item.id)
        self._put(item, folder)
        self._happened(events.created(item, folder, self.now()))
        return item

    def _put(self, item: StoredItem, folder: Folder) -> None:
        self._homes[item.id] = folder
        folder.items[item.id] = item
        folder.log.note(item.id, Change.CREATE)

    def _happened(self, told: Iterator[Event]) -> None:
        if self.tell is not None:
            self.tell(told)

    def change(self, item: StoredItem, names: frozenset[str], *, modifier: str | None = None) -> StoredItem:
        """Note that an item changed: one new change key, one entry in the log."""
        only_read = names == frozenset(["IsRead"])
        item.touch(self._mint.change_key(item.element), self.now(), names, modifier or self.display_name)
        home = self.home(item)
        home.log.note(item.id, Change.READ_FLAG if only_read else Change.UPDATE)
        self._happened(events.modified(item, home, self.now()))
        return item

    def change_occurrence(
        self, item: StoredItem, after: StoredItem, names: frozenset[str], *, modifier: str | None = None
    ) -> StoredItem:
        """Take over what a change made of an occurrence: its master changed, and the exception comes back."""
        occurrences.keep(item, after, names)
        master = self.change(item.master or item, names, modifier=modifier)
        return occurrences.occurrence(master, item.day) if item.day else master

    def delete_occurrence(self, item: StoredItem, *, modifier: str | None = None) -> None:
        """Take an occurrence out of its series: the master changed."""
        self.change(occurrences.delete(item), frozenset(["DeletedOccurrences"]), modifier=modifier)

    def remove(self, item: StoredItem) -> None:
        """Take an item out of the store for good."""
        self._happened(events.deleted(item, self._taken(item), self.now()))

    def _taken(self, item: StoredItem) -> Folder:
        folder = self._homes.pop(item.id)
        del folder.items[item.id]
        folder.log.note(item.id, Change.DELETE)
        return folder

    def copy(self, item: StoredItem, to: Folder) -> StoredItem:
        """A copy in another folder: a new id; content, extended properties, UID and search key come along."""
        twin = self._twin(item, to)
        self._happened(events.copied(item, self.home(item), twin, to, self.now()))
        return twin

    def _twin(self, item: StoredItem, to: Folder) -> StoredItem:
        if item.master is not None:
            raise EwsError("ErrorCalendarCannotMoveOrCopyOccurrence")
        twin = self.draft(to, item.element)
        twin.props = {name: dict(value) if isinstance(value, dict) else value for name, value in item.props.items()}
        twin.extended = dict(item.extended)
        twin.exceptions, twin.deleted = deepcopy(item.exceptions), set(item.deleted)
        twin.search_key = item.search_key
        self._put(twin, to)
        return twin

    def adopt(self, item: StoredItem, to: Folder) -> StoredItem:
        """An item of another store as one of this: a new id and change key, everything else as it was."""
        twin = self._twin(item, to)
        twin.created, twin.modified = item.created, item.modified
        return twin

    def move(self, item: StoredItem, to: Folder) -> StoredItem:
        """Move an item: it is deleted here and new there, under a new id (Move and copy email messages by using EWS).

        The change key stays (Deleting items by using EWS in Exchange), and so do the times and every property.
        """
        moved = self._twin(item, to)
        moved.created, moved.modified, moved.change_key = item.created, item.modified, item.change_key
        moved.history, moved.changes = list(item.history), item.changes
        source = self._taken(item)
        self._happened(events.moved(item, source, moved, to, self.now()))
        return moved
