"""What both sides hold, against what people did: glanced at after a pass, judged at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from runner.model.items import Item
from runner.model.ports import Store
from runner.model.terms import Direction
from runner.testing.target import Shelf
from tests.engine.world import OWNERS, World
from tests.sim.oracle import Oracle, Violation, name_of, tokens_of


@dataclass
class Judgement:
    """Properties P1 to P4 and P8 of one world."""

    world: World
    store: Store
    oracle: Oracle
    users: Sequence[str]
    direction: Direction
    state_lost: bool
    """Pairs were found again, but nobody knows any more what was deleted or had moved away, and the conflict ledger is
    gone."""

    def pronounce(self, state_text: str) -> None:
        """Raise :class:`Violation` for the first property that does not hold, now that everything has come to rest.
        ``state_text`` is all that the state holds."""
        self._private(state_text)
        ledger = repr(self.store.conflicts()).lower()
        for user in self.users:
            self._user(user, ledger)
        self._meetings(ledger)

    def glance(self) -> None:
        """What holds at any moment, whatever went wrong a moment ago: no value that somebody means is gone from both sides
        unless the conflict ledger has it (P2), no item is there twice (P3), nothing private is in the CRM (P8)."""
        self._only_where_it_may_be()
        shelves = [self.world.target.items(user, shelf=shelf) for user in self.users for shelf in Shelf]
        records = self.world.crm.items()
        for user in self.users:
            self._by_name(self.world.target.items(user), f"{user}'s calendar")
        self._by_name(records, "the CRM")
        if self.direction is not Direction.BOTH or self.state_lost:
            return
        there = {token for items in (*shelves, records) for item in items for token in tokens_of(item).values()}
        gone = self.oracle.meant.keys() - there
        ledger = repr(self.store.conflicts()).lower() if gone else ""
        for token in sorted(gone):
            if f"'{token}'" not in ledger:
                raise Violation(f"P2: {token} of {self.oracle.meant[token]} is on neither side and in no conflict")

    def _user(self, user: str, ledger: str) -> None:
        target = self._by_name(self.world.target.items(user), f"{user}'s calendar")
        away = self._by_name(self.world.target.items(user, shelf=Shelf.OTHER), f"{user}'s other folder")
        crm = self._by_name(self.world.crm.items(OWNERS[user]), f"{user}'s records")
        both = set(target) & set(away)
        if both:
            raise Violation(f"P3: {sorted(both)} lie in two folders")
        names = (set(target) | set(crm)) - self.oracle.private - self.oracle.poison - set(away)
        mine = {name for name in names if name not in self.oracle.organizers}
        for name in sorted(mine):
            self._item(name, target.get(name), crm.get(name))
        if self.direction is Direction.BOTH and not self.state_lost:
            self._updates(target, crm, away, ledger)

    def _by_name(self, items: list[Item], where: str) -> dict[str, Item]:
        found: dict[str, Item] = {}
        for item in items:
            if name_of(item) in found:
                raise Violation(f"P3: {name_of(item)} is twice in {where}")
            found[name_of(item)] = item
        return found

    def _item(self, name: str, target: Item | None, crm: Item | None) -> None:
        """P1, P4 for one item that is there and in scope."""
        meant = self.oracle.still_meant(name)
        if name in self.oracle.deleted and (self.state_lost or not meant) and name not in self.oracle.moved:
            # Written without an answer and deleted before anybody could look: whether its deleter had seen our write is not
            # to be known. The edit wins, and that is in the ledger.
            if self.direction is Direction.BOTH and not self.state_lost and not self._stood_against_a_delete(name):
                raise Violation(f"P4: {name} was deleted and is there again")
            return
        if self.direction is not Direction.BOTH:
            self._one_way(name, target, crm)
            return
        if target is None or crm is None:
            if self.oracle.may_be_left_alone(name):
                return  # deleted in the other folder, or left alone since it came back: the pair had been detached
            raise Violation(f"P1: {name} is only {'in the CRM' if target is None else 'on the target'}")
        if tokens_of(target) != tokens_of(crm):
            raise Violation(f"P1: {name} differs: {tokens_of(target)} {tokens_of(crm)}")

    def _stood_against_a_delete(self, name: str) -> bool:
        sides = [(c.crm or c.target or {}) for c in self.store.conflicts() if c.field is None]
        return any(values.get("keywords") == (name,) for values in sides)

    def _one_way(self, name: str, target: Item | None, crm: Item | None) -> None:
        """P1 for one-way links: what only the authority's people touched is on the other side as it is there."""
        outbound = self.direction is Direction.OUTBOUND
        source, copy = (crm, target) if outbound else (target, crm)
        if source is None or self.oracle.touched_on[name] != {"crm" if outbound else "target"}:
            return
        if copy is None:
            if name not in self.oracle.moved:
                raise Violation(f"P1: {name} did not arrive")
        elif tokens_of(source) != tokens_of(copy):
            raise Violation(f"P1: {name} differs: {tokens_of(source)} {tokens_of(copy)}")

    def _updates(
        self, target: Mapping[str, Item], crm: Mapping[str, Item], away: Mapping[str, Item], ledger: str
    ) -> None:
        """P2: every value still meant is on both sides or in the conflict ledger."""
        for token, name in self.oracle.meant.items():
            if name in self.oracle.private | self.oracle.poison or name in away or name in self.oracle.organizers:
                continue
            if len(self.users) > 1 and name not in target and name not in crm and name in self._anywhere:
                continue
            on = [name in side and token in tokens_of(side[name]).values() for side in (target, crm)]
            if all(on) or f"'{token}'" in ledger:
                continue
            if self.oracle.may_be_left_alone(name) and any(on):
                continue
            raise Violation(f"P2: {token} of {name} is lost: on target and CRM {on}")

    @cached_property
    def _anywhere(self) -> frozenset[str]:
        """What there is, whoever's it is."""
        shelves = [self.world.target.items(user, shelf=shelf) for user in self.users for shelf in Shelf]
        return frozenset(name_of(item) for items in (*shelves, self.world.crm.items()) for item in items)

    # -- meetings ----------------------------------------------------------------------------------------------------

    def _meetings(self, ledger: str) -> None:
        """P1 to P4 for what lies in several mailboxes: one record, the organizer's copy counts, followers follow (B-41)."""
        for name, organizer in sorted(self.oracle.organizers.items()):
            records = [item for item in self.world.crm.items() if name_of(item) == name]
            if len(records) > 1:
                raise Violation(f"P3: meeting {name} has {len(records)} records")
            if self.state_lost or name in self.oracle.early:
                continue
            copies = {
                user: item for user in self.users for item in self.world.target.items(user) if name_of(item) == name
            }
            self._meeting(name, copies.get(organizer), records[0] if records else None, ledger)

    def _meeting(self, name: str, own: Item | None, record: Item | None, ledger: str) -> None:
        meant = self.oracle.still_meant(name)
        if name in self.oracle.deleted and not meant:
            if (own or record) and not self._stood_against_a_delete(name):
                raise Violation(f"P4: meeting {name} was deleted and is there again")
            return
        for token in meant:
            on = [side is not None and token in tokens_of(side).values() for side in (own, record)]
            if not all(on) and f"'{token}'" not in ledger:
                raise Violation(f"P2: {token} of meeting {name} is lost: with its organizer and in the CRM {on}")
        if name in self.oracle.deleted:
            return
        if own is None or record is None:
            raise Violation(f"P1: meeting {name} is only {'in the CRM' if own is None else 'with its organizer'}")
        # What an attendee's own copy says of it is his until the CRM changes that field (decision 008).
        if tokens_of(own) != tokens_of(record):
            raise Violation(f"P1: meeting {name} differs: {tokens_of(own)} {tokens_of(record)}")

    def _private(self, state_text: str) -> None:
        """P8: no private item in the CRM, no byte of one in the state."""
        self._only_where_it_may_be()
        for token, name in self.oracle.meant.items():
            if name in self.oracle.private and (f"'{token}'" in state_text or f'"{token}"' in state_text):
                raise Violation(f"P8: {token} of private {name} is in the state")

    def _only_where_it_may_be(self) -> None:
        leaked = self.oracle.private & {name_of(item) for item in self.world.crm.items()}
        if leaked:
            raise Violation(f"P8: private {sorted(leaked)} reached the CRM")
