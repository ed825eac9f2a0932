"""An in-memory mail server that behaves as Exchange does, and the hands of its users.

What is like Exchange: ids are opaque and change whenever an item moves, change keys change with every change, a
watermark is per folder and opaque, a delete moves the item to Deleted Items under a new id, the change log reports each
id once with its latest state and never the delete of an item that the watermark has not seen, a copy in Outlook takes our
stamp along but gets a calendar UID of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from runner.model.errors import (
    AccessDenied,
    ConnectorError,
    ContainerGone,
    Gone,
    Invalid,
    VersionMoved,
    WatermarkInvalid,
)
from runner.model.files import ATTACHMENTS
from runner.model.items import Capabilities, ChangePage, Found, Identity, Item, LinkRef, Write, WriteResult
from runner.model.ports import Clock, Rng
from runner.model.privacy import masked
from runner.model.record import SCHEMAS, Fields, Value
from runner.model.tasks import RULE
from runner.model.terms import Folder, Notice, Operation, Side
from runner.testing.faults import Boundary
from runner.testing.files import Files
from runner.testing.held import ContractViolation, Held, as_given, carried_out
from runner.testing.meetings import convene
from runner.testing.occurrences import completes, following, moves
from runner.testing.shelves import Container, Shelf, change_key

__all__ = ["FakeTarget", "Shelf"]

T = TypeVar("T")


_Address = tuple[str, Folder, Shelf]


class FakeTarget:
    """The port ``TargetConnector`` over mailboxes in memory.

    Knobs, to be set at any time: ``page`` (ids per page of changes), ``normalise`` (what the server makes of values it is
    given, ours and users'), ``reject`` (the reason why it refuses to store values, or None), ``allowed`` (operations that
    may arrive). Methods named ``user_…`` are what people do in Outlook; they do not pass the boundary.
    """

    def __init__(self, clock: Clock, rng: Rng, *, boundary: Boundary | None = None, page: int = 2) -> None:
        self.clock = clock
        self.rng = rng
        self.boundary = boundary or Boundary()
        self.page = page
        self.allowed = frozenset(Operation)
        self.normalise: Callable[[Fields], Fields] = as_given
        self.reject: Callable[[Fields], str | None] = lambda values: None
        self._containers: dict[_Address, Container] = {}
        self._mailboxes: set[str] = set()
        self.mails: list[tuple[Operation, str, str]] = []
        """What was mailed: the write's operation, in whose name, about which item."""
        self._files = Files()
        self._sequence = 0
        self._version = 0

    # -- the port ----------------------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """Every entity that has a schema."""
        return Capabilities(entities=frozenset(SCHEMAS))

    def check(self, link: LinkRef) -> None:
        """Raise ``AccessDenied`` without a mailbox and ``ContainerGone`` without its folder."""
        self._call("check", link.name, lambda: self._home(link))

    def changes(self, link: LinkRef, since: str | None) -> Iterator[ChangePage]:
        """Pages of the folder's log; one call of the boundary for each page."""
        watermark, complete = since, False
        while not complete:
            page = self._call("changes", link.name, partial(self._changes, link, watermark))
            watermark, complete = page.watermark, page.complete
            yield page

    def get(self, link: LinkRef, keys: Sequence[str]) -> Mapping[str, Item | ConnectorError]:
        """Items by id, wherever in the mailbox they lie; one call of the boundary for all of them."""
        return self._call("get", ",".join(keys), lambda: {key: self._answer(link, key) for key in keys})

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        """Conditional writes, one call of the boundary each."""
        return carried_out(self.boundary, Side.TARGET, self.allowed, writes, partial(self._write, link))

    def find(self, link: LinkRef, identities: Sequence[Identity]) -> Sequence[Found]:
        """Holders by stamp or UID in the mailbox's folders of the link's class, Deleted and Recoverable Items too."""
        return self._call("find", link.name, lambda: self._find(link, identities))

    def content(self, link: LinkRef, key: str, file: str) -> bytes:
        """The bytes of one file of an item."""
        held = self._where(key, link.user)[1]
        return self._call("content", key, lambda: self._files.content(held.values.get(ATTACHMENTS), file))

    def close(self) -> None:
        """Nothing to give back."""

    # -- what users do -----------------------------------------------------------------------------------------------

    def add_mailbox(self, user: str) -> None:
        """A mailbox with its default folders and one more of each class."""
        self._mailboxes.add(user)
        for folder in Folder:
            for shelf in Shelf:
                self._containers.setdefault((user, folder, shelf), Container())

    def remove_folder(self, user: str, folder: Folder) -> None:
        """The folder is deleted with everything in it."""
        del self._containers[user, folder, Shelf.HOME]

    def forget_watermarks(self, user: str, folder: Folder = Folder.CALENDAR) -> None:
        """The server takes no watermark of this folder that it has given out so far."""
        self._containers[user, folder, Shelf.HOME].epoch += 1

    def user_create(
        self,
        user: str,
        values: Fields,
        *,
        folder: Folder = Folder.CALENDAR,
        shelf: Shelf = Shelf.HOME,
        native: str | None = None,
        shared: bool = False,
        organizer: str | None = None,
        response: str | None = None,
    ) -> str:
        """A user makes an item. ``native``, ``shared``, ``organizer`` and ``response``: his copy of a meeting. Returns its
        id."""
        held = self._new(self.normalise(values), stamp=None, native=native or self._uid(), shared=shared)
        held.organizer, held.response = organizer, response
        self._put((user, folder, shelf), held)
        return held.key

    def user_edit(self, key: str, **changes: Value) -> None:
        """A user changes fields of an item. Ending the outstanding occurrence of a recurring task leaves a one-off behind."""
        address, held = self._where(key)
        after = {**held.values, **changes}
        if not (
            (completes(held.values, after) or moves(held.values, after)) and self._leaves_one_off(address, held, after)
        ):
            self._touch(address, held, after)

    def user_skip(self, key: str) -> None:
        """A user deletes the outstanding occurrence of a recurring task: it becomes the next one."""
        address, held = self._where(key)
        self._touch(address, held, following(held.values, self.clock.now().date()) or held.values)

    def user_strip(self, key: str) -> None:
        """Something took our stamp off, as an import and export of the item does."""
        address, held = self._where(key)
        held.stamp = None
        self._touch(address, held, held.values)

    def user_answer(self, key: str, response: str) -> None:
        """A user answers a meeting request."""
        address, held = self._where(key)
        held.response = response
        self._touch(address, held, held.values)

    def user_attach(self, key: str, name: str, content: bytes) -> None:
        """A user attaches a file."""
        self.user_edit(key, attachments=self._files.with_(self._attached(key), name, content))

    def user_detach(self, key: str, name: str) -> None:
        """A user removes every attached file of this name."""
        self.user_edit(key, attachments=self._files.without(self._attached(key), name))

    def user_touch(self, key: str) -> None:
        """The change key moves on without any change of content, as after a reminder."""
        address, held = self._where(key)
        self._touch(address, held, held.values)

    def user_delete(self, key: str, *, hard: bool = False, purge: bool = False) -> None:
        """Into Deleted Items; ``hard``: past them into Recoverable Items; ``purge``: without any trace."""
        address, held = self._where(key)
        self._take(address, held)
        if not purge:
            self._place(held, (address[0], address[1], Shelf.RECOVERABLE if hard else Shelf.DELETED))

    def user_move(self, key: str, shelf: Shelf = Shelf.OTHER) -> str:
        """Into another folder of the mailbox. Returns the new id."""
        address, held = self._where(key)
        self._take(address, held)
        return self._place(held, (address[0], address[1], shelf))

    def user_copy(self, key: str, shelf: Shelf = Shelf.HOME) -> str:
        """A copy in the same mailbox: our stamp comes along, a search key too, but a UID is new; of a meeting it is one, too.
        Returns its id."""
        address, held = self._where(key)
        native = self._uid() if address[1] is Folder.CALENDAR else str(held.native)
        copy = self._new(held.values, stamp=held.stamp, native=native, shared=held.shared)
        copy.organizer, copy.response = held.organizer, held.response
        self._put((address[0], address[1], shelf), copy)
        return copy.key

    def user_spoil(self, key: str, reason: str | None = "recurring") -> None:
        """From now on nobody can carry this item (None: they can again); its id and change key stay visible."""
        address, held = self._where(key)
        held.unreadable = reason
        self._touch(address, held, held.values)

    # -- what tests look at ------------------------------------------------------------------------------------------

    def items(self, user: str, folder: Folder = Folder.CALENDAR, shelf: Shelf = Shelf.HOME) -> list[Item]:
        """What lies in a folder now, oldest first, with every field."""
        container = self._containers[user, folder, shelf]
        return [self._item(held, frozenset(held.values)) for held in container.items.values()]

    def item(self, key: str) -> Item | None:
        """One item wherever it lies, with every field; None when nobody has it."""
        for container in self._containers.values():
            if key in container.items:
                held = container.items[key]
                return self._item(held, frozenset(held.values))
        return None

    # -- inside ------------------------------------------------------------------------------------------------------

    def _call(self, name: str, subject: str, effect: Callable[[], T]) -> T:
        return self.boundary.call(Side.TARGET, name, subject, effect)

    def _attached(self, key: str) -> Value:
        return self._where(key)[1].values.get(ATTACHMENTS)

    def _uid(self) -> str:
        return f"uid-{self.rng.token()}"

    def _new(self, values: Fields, *, stamp: str | None, native: str, shared: bool) -> Held:
        self._version += 1
        return Held(
            key=f"AAMk{self.rng.token()}",
            version=self._version,
            values=dict(values),
            modified=self.clock.now(),
            stamp=stamp,
            native=native,
            shared=shared,
        )

    def _home(self, link: LinkRef) -> Container:
        if link.user not in self._mailboxes:
            raise AccessDenied(f"no mailbox {link.user}", code="ErrorNonExistentMailbox")
        container = self._containers.get((link.user, link.folder, Shelf.HOME))
        if container is None:
            raise ContainerGone(f"{link.user} has no folder {link.folder}", code="ErrorFolderNotFound")
        return container

    def _note(self, address: _Address, key: str) -> None:
        self._sequence += 1
        self._containers[address].log.append((self._sequence, key))

    def _put(self, address: _Address, held: Held) -> None:
        self._containers[address].items[held.key] = held
        self._note(address, held.key)
        self._containers[address].arrived[held.key] = self._sequence

    def _take(self, address: _Address, held: Held) -> None:
        del self._containers[address].items[held.key]
        self._note(address, held.key)

    def _place(self, held: Held, address: _Address) -> str:
        """Put down what was taken up: under a new id, because that is what a move does."""
        self._version += 1
        held.trail.append(held.key)
        held.key, held.version = f"AAMk{self.rng.token()}", self._version
        self._put(address, held)
        return held.key

    def _touch(self, address: _Address, held: Held, values: Fields) -> None:
        self._version += 1
        held.version, held.modified = self._version, self.clock.now()
        held.values = dict(self.normalise(values))
        self._note(address, held.key)

    def _leaves_one_off(self, address: _Address, held: Held, after: Fields) -> bool:
        """Leave a one-off task behind, stamp and all, and move the recurring one on; False after its last occurrence."""
        going_on = following(held.values, self.clock.now().date())
        if going_on is None:
            return False
        one_off = self._new({**after, RULE: None}, stamp=held.stamp, native=self._uid(), shared=False)
        self._put(address, one_off)
        self._touch(address, held, going_on)
        return True

    def _where(self, key: str, user: str | None = None) -> tuple[_Address, Held]:
        for address, container in self._containers.items():
            if key in container.items and user in {None, address[0]}:
                return address, container.items[key]
        raise Gone(f"no item {key}", code="ErrorItemNotFound")

    def _item(self, held: Held, fields: frozenset[str]) -> Item:
        values = {**held.values, "uid": held.native}
        return Item(
            key=held.key,
            version=change_key(held),
            values={name: values.get(name) for name in sorted(fields)},
            stamp=held.stamp,
            native=held.native,
            modified=held.modified,
            shared=held.shared,
            organizer=held.organizer,
            response=held.response,
        )

    def _answer(self, link: LinkRef, key: str) -> Item | ConnectorError:
        try:
            _, held = self._where(key, link.user)
        except Gone as error:
            return error
        if held.unreadable is not None:
            return Invalid(f"the item cannot be carried: {held.unreadable}", code=held.unreadable)
        return masked(self._item(held, link.record_fields | {"privacy"}), link)

    def _changes(self, link: LinkRef, since: str | None) -> ChangePage:
        container = self._home(link)
        cursor = f"{container.epoch}|{link.user}|{link.folder}|"
        if since is not None and not since.startswith(cursor):
            raise WatermarkInvalid("the server does not take this watermark", code="ErrorInvalidSyncStateData")
        return container.page(since.removeprefix(cursor) if since else "", self.page, cursor)

    def _find(self, link: LinkRef, identities: Sequence[Identity]) -> list[Found]:
        self._home(link)
        found: list[Found] = []
        for shelf in Shelf:
            container = self._containers.get((link.user, link.folder, shelf), Container())
            found += container.holders(identities, shelf)
        return found

    def _note_mail(self, link: LinkRef, write: Write, held: Held) -> None:
        if write.notice is not Notice.NOBODY:
            self.mails.append((write.operation, link.user, held.key))

    def _write(self, link: LinkRef, write: Write) -> WriteResult:
        home = (link.user, link.folder, Shelf.HOME)
        self._home(link)
        specs = SCHEMAS[link.entity]
        fixed = sorted(name for name in write.fields if name in specs and not specs[name].writable)
        if fixed:
            raise ContractViolation(f"only the target may say these fields: {fixed}")
        given = {name: write.values[name] for name in write.fields} if write.operation is not Operation.DELETE else {}
        reason = self.reject(given)
        if reason is not None:
            raise Invalid(f"the server refuses the item: {reason}", code=reason)
        if write.operation is Operation.CREATE:
            native = write.uid or self._uid()
            self._files.fetch(write)
            held = self._new(self.normalise(given), stamp=write.stamp, native=native, shared=False)
            if "participants" in given:
                convene(held, link.user)
            self._put(home, held)
            self._note_mail(link, write, held)
            return WriteResult(held.key, change_key(held))
        address, held = self._where(write.key or "", link.user)
        if write.version != change_key(held):
            raise VersionMoved("the change key moved on", code="ErrorIrresolvableConflict")
        self._note_mail(link, write, held)
        if write.operation is Operation.DELETE:
            self._take(address, held)
            self._place(held, (link.user, link.folder, Shelf.DELETED))
            return WriteResult(write.key, None)
        held.stamp = write.stamp or held.stamp
        after = {**held.values, **given}
        if completes(held.values, after) and self._leaves_one_off(address, held, after):
            return WriteResult(held.key)
        self._files.fetch(write, held.values.get(ATTACHMENTS))
        self._touch(address, held, after)
        if "participants" in given:
            convene(held, link.user)
        return WriteResult(held.key, change_key(held))
