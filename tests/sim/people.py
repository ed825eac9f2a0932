"""The people of a simulated world: they make, type, delete, move, copy and meet, in Outlook and in the CRM."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from runner.model.items import Item
from runner.model.record import Value
from runner.testing.target import Shelf
from tests.engine.world import OWNERS, World, event, row
from tests.sim.oracle import FIELDS, Oracle, name_of, tokens_of


@dataclass
class People:
    """Users of one world. ``careful`` ones only make, edit and delete (where the state gets lost, moves and copies cannot
    be told from new items any more)."""

    world: World
    random: random.Random
    users: Sequence[str]
    careful: bool
    meet: bool
    oracle: Oracle = field(default_factory=Oracle)
    declined: set[str] = field(default_factory=set)
    """Meetings that an attendee deleted for himself."""
    history: list[tuple[int, str]] = field(default_factory=list)
    """What people did, with the index of the call that came next; beside the boundary's trace it tells a seed's story."""

    def act(self) -> None:
        """Somebody does something."""
        self.oracle.actions += 1
        user = self.users[0] if len(self.users) == 1 else self.random.choice(self.users)
        if self.meet and self.random.random() < 0.3:
            self._meeting()
            return
        outlook = self.random.random() < 0.5
        items = self.own(user, outlook)
        moved = self.world.target.items(user, shelf=Shelf.OTHER)
        roll = self.random.random()
        if roll < 0.3 or not items:
            self._create(user, outlook)
        elif roll < 0.72:
            self._edit(outlook, self.random.choice(items))
        elif roll < 0.87:
            self._delete(outlook, self.random.choice(items))
        elif self.careful:
            self._edit(outlook, self.random.choice(items))
        elif outlook and roll < 0.93:
            self._move(self.random.choice(items), Shelf.OTHER)
        elif outlook and moved:
            self._move(self.random.choice(moved), Shelf.HOME)
        elif outlook:
            self._copy(self.random.choice(items))

    def own(self, user: str, outlook: bool) -> list[Item]:
        """A user's items that are no meetings."""
        items = self.world.target.items(user) if outlook else self.world.crm.items(OWNERS[user])
        return [item for item in items if name_of(item) not in self.oracle.organizers] if self.meet else items

    # -- one's own items ---------------------------------------------------------------------------------------------

    def _create(self, user: str, outlook: bool) -> None:
        name = self.oracle.item()
        typed = {record: self.oracle.token(name) for record in FIELDS}
        odd = self.random.random()
        if outlook:
            changes: dict[str, Value] = {**typed, "keywords": (name,)}
            if odd < 0.12:
                self.oracle.private.add(name)
                changes["privacy"] = "private"
            key = self.world.target.user_create(user, event("", **changes))
            if 0.12 <= odd < 0.18:
                self.oracle.poison.add(name)
                self.world.target.user_spoil(key)
        else:
            changes = {FIELDS[record]: token for record, token in typed.items()} | {"categories": (name,)}
            if odd < 0.06:
                self.oracle.poison.add(name)
                changes["priority"] = "Z"
            self.world.crm.user_create(OWNERS[user], row("", **changes))
        self._note(name, outlook, "make")

    def _edit(self, outlook: bool, item: Item) -> None:
        record = self.random.choice(sorted(FIELDS))
        name = name_of(item)
        self.oracle.replaced(item.values[record if outlook else FIELDS[record]])
        token = self.oracle.token(name)
        if outlook:
            self.world.target.user_edit(item.key, **{record: token})
        else:
            self.world.crm.user_edit(item.key, **{FIELDS[record]: token})
        self._note(name, outlook, f"type {token} into {record} of")

    def _delete(self, outlook: bool, item: Item) -> None:
        name = name_of(item)
        if name in self.oracle.organizers and not self._is_known(name):
            self.oracle.early.add(name)
        self.oracle.replaced(*tokens_of(item).values())
        self.oracle.deleted.add(name)
        hard = self.random.random() < 0.3
        if outlook:
            self.world.target.user_delete(item.key, hard=hard)
        else:
            self.world.crm.user_delete(item.key, hard=hard)
        self._note(name, outlook, "delete")

    def _move(self, item: Item, shelf: Shelf) -> None:
        self.world.target.user_move(item.key, shelf)
        self.oracle.moved.add(name_of(item))
        self._note(name_of(item), True, f"move to {shelf}")

    def _copy(self, item: Item) -> None:
        """Ctrl-drag and retype: our stamp comes along, what the copy says is its own."""
        name = self.oracle.item()
        self.oracle.copied.setdefault(name_of(item), set()).add(name)
        if name_of(item) in self.oracle.private:
            self.oracle.private.add(name)
        key = self.world.target.user_copy(item.key)
        typed = {record: self.oracle.token(name) for record in FIELDS}
        self.world.target.user_edit(key, **typed, keywords=(name,))
        self._note(name, True, f"copy {name_of(item)} to")

    # -- meetings (B-41) ---------------------------------------------------------------------------------------------

    def copies(self, name: str) -> dict[str, Item]:
        """Who has a copy of a meeting in his calendar."""
        return {user: item for user in self.users for item in self.world.target.items(user) if name_of(item) == name}

    def _is_known(self, name: str) -> bool:
        """Whether every copy of a meeting has been read and paired."""
        native = f"uid-of-{name}"
        links = {link.user: link.name for link in self.world.links}
        found = [self.world.store.pairings(links[user], natives=[native]) for user in self.copies(name)]
        return all(pairings and pairings[0].base for pairings in found)

    def _meeting(self) -> None:
        records = [item for item in self.world.crm.items() if name_of(item) in self.oracle.organizers]
        held = [name for name, user in self.oracle.organizers.items() if user in self.copies(name)]
        roll = self.random.random()
        if roll < 0.25 or not held:
            self._invite()
        elif roll < 0.55:
            self._organize(self.random.choice(held))
        elif roll < 0.8 and records:
            self._edit(False, self.random.choice(records))
        elif roll < 0.88:
            self._decline(self.random.choice(held))
        elif roll < 0.94:
            name = self.random.choice(held)
            self._delete(True, self.copies(name)[self.oracle.organizers[name]])
        elif records:
            self._delete(False, self.random.choice(records))

    def _invite(self) -> None:
        """Somebody organizes a meeting: Exchange puts a copy into every invited mailbox."""
        organizer = self.random.choice(self.users)
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

    def _organize(self, name: str) -> None:
        """The organizer changes his meeting: Exchange changes every attendee's copy."""
        record = self.random.choice(sorted(FIELDS))
        copies = self.copies(name)
        self.oracle.replaced(copies[self.oracle.organizers[name]].values[record])
        token = self.oracle.token(name)
        for item in copies.values():
            self.world.target.user_edit(item.key, **{record: token})
        self._note(name, True, f"type {token} into {record} of meeting")

    def _decline(self, name: str) -> None:
        """An attendee deletes his copy: the meeting goes on without him."""
        others = [item for user, item in self.copies(name).items() if user != self.oracle.organizers[name]]
        if others:
            self.world.target.user_delete(self.random.choice(others).key)
            self.declined.add(name)
            self._note(name, True, "decline")

    def _note(self, name: str, outlook: bool, what: str) -> None:
        where = "Outlook" if outlook else "the CRM"
        self.history.append((self.world.boundary.calls, f"{what} {name} in {where}"))
        self.oracle.touched_on.setdefault(name, set()).add("target" if outlook else "crm")
