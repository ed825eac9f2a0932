"""The people of a simulated world: what they can do, in Outlook and in the CRM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from runner.model.items import Item
from runner.model.record import Value
from runner.testing.target import Shelf
from tests.engine.world import OWNERS, World, event, row
from tests.sim.oracle import FIELDS, Oracle, name_of, tokens_of


class Odd(Enum):
    """What is unusual about an item that somebody makes."""

    PRIVATE = auto()
    """In Outlook only."""
    POISONED = auto()
    """Nobody can read it (in Outlook) or carry it (in the CRM)."""


@dataclass
class People:
    """Users of one world. Nothing here is left to chance: who acts decides on what and how."""

    world: World
    users: Sequence[str]
    meet: bool
    """Whether there are meetings, which nobody edits as if they were his own."""
    oracle: Oracle = field(default_factory=Oracle)
    declined: set[str] = field(default_factory=set)
    """Meetings that an attendee deleted for himself."""
    history: list[tuple[int, str]] = field(default_factory=list)
    """What people did, with the index of the call that came next; beside the boundary's trace it tells a seed's story."""

    # -- what there is -----------------------------------------------------------------------------------------------

    def own(self, user: str, outlook: bool) -> list[Item]:
        """A user's items that are no meetings."""
        items = self.world.target.items(user) if outlook else self.world.crm.items(OWNERS[user])
        return [item for item in items if name_of(item) not in self.oracle.organizers] if self.meet else items

    def away(self, user: str) -> list[Item]:
        """What a user keeps in his other folder."""
        return self.world.target.items(user, shelf=Shelf.OTHER)

    def copies(self, name: str) -> dict[str, Item]:
        """Who has a copy of a meeting in his calendar."""
        return {user: item for user in self.users for item in self.world.target.items(user) if name_of(item) == name}

    def held(self) -> list[str]:
        """Meetings that are in their organizer's calendar."""
        return [name for name, user in self.oracle.organizers.items() if user in self.copies(name)]

    def attending(self, name: str) -> list[Item]:
        """The copies of a meeting that are not its organizer's."""
        return [item for user, item in self.copies(name).items() if user != self.oracle.organizers[name]]

    def records(self) -> list[Item]:
        """The CRM's records of meetings."""
        return [item for item in self.world.crm.items() if name_of(item) in self.oracle.organizers]

    # -- one's own items ---------------------------------------------------------------------------------------------

    def create(self, user: str, outlook: bool, odd: Odd | None = None) -> None:
        """A new item."""
        name = self.oracle.item()
        typed = {record: self.oracle.token(name) for record in FIELDS}
        if odd is Odd.POISONED:
            self.oracle.poison.add(name)
        if outlook:
            changes: dict[str, Value] = {**typed, "keywords": (name,)}
            if odd is Odd.PRIVATE:
                self.oracle.private.add(name)
                changes["privacy"] = "private"
            key = self.world.target.user_create(user, event("", **changes))
            if odd is Odd.POISONED:
                self.world.target.user_spoil(key)
        else:
            changes = {FIELDS[record]: token for record, token in typed.items()} | {"categories": (name,)}
            if odd is Odd.POISONED:
                changes["priority"] = "Z"
            self.world.crm.user_create(OWNERS[user], row("", **changes))
        self._note(name, outlook, "make")

    def edit(self, outlook: bool, item: Item, record: str) -> None:
        """Somebody types into a field, and sees what he replaces."""
        name = name_of(item)
        self.oracle.replaced(item.values[record if outlook else FIELDS[record]])
        token = self.oracle.token(name)
        if outlook:
            self.oracle.retitled |= {name} if record == "title" else set()
            self.world.target.user_edit(item.key, **{record: token})
        else:
            self.world.crm.user_edit(item.key, **{FIELDS[record]: token})
        self._note(name, outlook, f"type {token} into {record} of")

    def delete(self, outlook: bool, item: Item, hard: bool) -> None:
        """Somebody deletes an item that he has before his eyes."""
        name = name_of(item)
        if name in self.oracle.organizers and not self._is_known(name):
            self.oracle.early.add(name)
        self.oracle.replaced(*tokens_of(item).values())
        self.oracle.deleted.add(name)
        if outlook:
            self.world.target.user_delete(item.key, hard=hard)
        else:
            self.world.crm.user_delete(item.key, hard=hard)
        self._note(name, outlook, "delete")

    def move(self, item: Item, shelf: Shelf) -> None:
        """Somebody files an item in another folder, or takes it back."""
        self.world.target.user_move(item.key, shelf)
        self.oracle.moved.add(name_of(item))
        self._note(name_of(item), True, f"move to {shelf}")

    def copy(self, item: Item) -> None:
        """Ctrl-drag and retype: our stamp comes along, what the copy says is its own."""
        name = self.oracle.item()
        self.oracle.copied.setdefault(name_of(item), set()).add(name)
        if not self._is_read(item):
            self.oracle.unread[name] = name_of(item)
        if name_of(item) in self.oracle.private:
            self.oracle.private.add(name)
        key = self.world.target.user_copy(item.key)
        typed = {record: self.oracle.token(name) for record in FIELDS}
        self.world.target.user_edit(key, **typed, keywords=(name,))
        self._note(name, True, f"copy {name_of(item)} to")

    # -- meetings (B-41) ---------------------------------------------------------------------------------------------

    def invite(self, organizer: str) -> None:
        """Somebody organizes a meeting: Exchange puts a copy into every invited mailbox."""
        name = self.oracle.meeting(organizer)
        typed = {record: self.oracle.token(name) for record in FIELDS}
        for user in self.users:
            self.world.target.user_create(
                user,
                event("", **typed, keywords=(name,)),
                native=f"uid-of-{name}",
                shared=True,
                organizer=organizer,
                response="organizer" if user == organizer else "needs_action",
            )
        self._note(name, True, "meet")

    def organize(self, name: str, record: str) -> None:
        """The organizer changes his meeting: Exchange changes every attendee's copy."""
        copies = self.copies(name)
        self.oracle.replaced(copies[self.oracle.organizers[name]].values[record])
        token = self.oracle.token(name)
        for item in copies.values():
            self.world.target.user_edit(item.key, **{record: token})
        self._note(name, True, f"type {token} into {record} of meeting")

    def call_off(self, name: str, hard: bool) -> None:
        """The organizer deletes his meeting."""
        self.delete(True, self.copies(name)[self.oracle.organizers[name]], hard)

    def decline(self, name: str, copy: Item) -> None:
        """An attendee deletes his copy: the meeting goes on without him."""
        self.world.target.user_delete(copy.key)
        self.declined.add(name)
        self._note(name, True, "decline")

    def _is_known(self, name: str) -> bool:
        """Whether every copy of a meeting has been read and paired."""
        native = f"uid-of-{name}"
        links = {link.user: link.name for link in self.world.links}
        found = [self.world.store.pairings(links[user], natives=[native]) for user in self.copies(name)]
        return all(pairings and pairings[0].base for pairings in found)

    def _is_read(self, item: Item) -> bool:
        """Whether an item in Outlook is a pair's, by whose native identity it is known."""
        links = [link.name for link in self.world.links]
        return any(p.native for link in links for p in self.world.store.pairings(link, target_keys=[item.key]))

    def _note(self, name: str, outlook: bool, what: str) -> None:
        where = "Outlook" if outlook else "the CRM"
        self.history.append((self.world.boundary.calls, f"{what} {name} in {where}"))
        self.oracle.touched_on.setdefault(name, set()).add("target" if outlook else "crm")
