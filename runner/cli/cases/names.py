"""Items by the names that a case gives them, on either side: where one was made, and whatever exsync paired with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.cli.cases.world import World
from runner.model.terms import Entity, Side


@dataclass(slots=True)
class Made:
    """An item that the case made: on which side, its key there and, in a mailbox, by which link."""

    side: Side
    entity: Entity
    key: str
    link: str = ""


@dataclass(slots=True)
class Names:
    """The named items of one case."""

    world: World
    made: dict[str, Made] = field(default_factory=dict)

    def keys(self, name: str, side: Side) -> list[tuple[str, str]]:
        """(link, key) of an item on a side, once for each link that holds it; where it was made comes first."""
        known = self.made[name]
        own = [(known.link, known.key)] if known.side is side else []
        found = [key for _, key in self._records(known)]
        if side is Side.CRM:
            return own or [("", key) for key in dict.fromkeys(found)]
        return list(dict.fromkeys([*own, *self._items(known.entity, found)]))

    def by_key(self, side: Side, link: str = "") -> dict[str, frozenset[str]]:
        """Key → the names of the item that has it on this side; of a mailbox, in the folder of one link."""
        found: dict[str, set[str]] = {}
        for name in self.made:
            for holder, key in self.keys(name, side):
                if side is Side.CRM or holder == link:
                    found.setdefault(key, set()).add(name)
        return {key: frozenset(names) for key, names in found.items()}

    def _records(self, known: Made) -> list[tuple[str, str]]:
        if known.side is Side.CRM:
            return [("", known.key)]
        paired = self.world.store.pairings(known.link, target_keys=[known.key])
        return [(known.link, each.crm_key) for each in paired]

    def _items(self, entity: Entity, records: list[str]) -> list[tuple[str, str]]:
        """The copies of a record, in whichever mailboxes they are."""
        links = [link for link in self.world.plan.links.values() if link.entity is entity] if records else []
        return [
            (link.name, each.target_key)
            for link in links
            for each in self.world.store.pairings(link.name, crm_keys=records)
        ]
