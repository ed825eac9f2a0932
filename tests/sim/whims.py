"""People who act by chance: what a seed's users do, one act at a time."""

from __future__ import annotations

import random
from dataclasses import dataclass

from runner.testing.target import Shelf
from tests.sim.oracle import FIELDS
from tests.sim.people import Odd, People


@dataclass
class Whims:
    """The dice behind a world's people. ``careful`` ones only make, edit and delete (where the state gets lost, moves and
    copies cannot be told from new items any more)."""

    people: People
    random: random.Random
    careful: bool

    def act(self) -> None:
        """Somebody does something."""
        people = self.people
        people.oracle.actions += 1
        user = people.users[0] if len(people.users) == 1 else self.random.choice(people.users)
        if people.meet and self.random.random() < 0.3:
            self._meeting()
            return
        outlook = self.random.random() < 0.5
        items = people.own(user, outlook)
        moved = people.away(user)
        roll = self.random.random()
        if roll < 0.3 or not items:
            people.create(user, outlook, self._odd(outlook))
        elif roll < 0.72:
            people.edit(outlook, self.random.choice(items), self._field())
        elif roll < 0.87:
            people.delete(outlook, self.random.choice(items), self._hard())
        elif self.careful:
            people.edit(outlook, self.random.choice(items), self._field())
        elif outlook and roll < 0.93:
            people.move(self.random.choice(items), Shelf.OTHER)
        elif outlook and moved:
            people.move(self.random.choice(moved), Shelf.HOME)
        elif outlook:
            people.copy(self.random.choice(items))

    def _odd(self, outlook: bool) -> Odd | None:
        roll = self.random.random()
        if not outlook:
            return Odd.POISONED if roll < 0.06 else None
        return Odd.PRIVATE if roll < 0.12 else Odd.POISONED if roll < 0.18 else None

    def _field(self) -> str:
        return self.random.choice(sorted(FIELDS))

    def _hard(self) -> bool:
        return self.random.random() < 0.3

    def _meeting(self) -> None:
        people = self.people
        records, held = people.records(), people.held()
        roll = self.random.random()
        if roll < 0.25 or not held:
            people.invite(self.random.choice(people.users))
        elif roll < 0.55:
            people.organize(self.random.choice(held), self._field())
        elif roll < 0.8 and records:
            people.edit(False, self.random.choice(records), self._field())
        elif roll < 0.88:
            name = self.random.choice(held)
            if others := people.attending(name):
                people.decline(name, self.random.choice(others))
        elif roll < 0.94:
            people.call_off(self.random.choice(held), self._hard())
        elif records:
            people.delete(False, self.random.choice(records), self._hard())
