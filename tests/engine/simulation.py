"""A seeded world with an oracle: users act, faults strike at every call, and every value proves its author.

Each seed draws its own mix of faults, rules and users. While faults last, anything may happen between and within passes;
then they stop, and within a few passes both sides must agree. Every value that a user types is a token of its own, so the
oracle knows for each of them whether it is still meant, was replaced by somebody who saw it, or went with an item that
somebody deleted; what is still meant must be on both sides or in the conflict ledger.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from runner.model.errors import ConnectorError
from runner.model.items import Item
from runner.model.record import Fields, Value
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete, Operation, Private
from runner.reconcile.guards import Limits
from runner.testing.faults import Call, Crash, Form, SeededFaults
from runner.testing.store import MemoryStore
from runner.testing.target import Shelf
from tests.engine.world import ANN, OWNERS, World, event, link_plan, row

FIELDS = {"title": "subject", "location": "place", "description": "notes"}
"""Record field → CRM field of what users type."""
OWNER = OWNERS[ANN]


class Violation(AssertionError):
    """A property of the specification does not hold."""


@dataclass
class Oracle:
    """What people did, kept beside the world and without looking at the engine."""

    tokens: int = 0
    items: int = 0
    meant: dict[str, str] = field(default_factory=dict)
    """Token → the item it was typed into; tokens that somebody replaced or deleted knowingly are dropped."""
    deleted: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    copied: dict[str, set[str]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    poison: set[str] = field(default_factory=set)
    touched_on: dict[str, set[str]] = field(default_factory=dict)
    actions: int = 0

    def token(self, item: str) -> str:
        """A fresh value that somebody types into an item."""
        self.tokens += 1
        name = f"t{self.tokens}."
        self.meant[name] = item
        return name

    def may_be_left_alone(self, name: str) -> bool:
        """Items that were in another folder; and those whose copy was, because until we have read what we made without an
        answer, original and copy bear the same stamp and nothing tells which of them moved."""
        return name in self.moved or bool(self.copied.get(name, set()) & self.moved)

    def item(self) -> str:
        """The name of a new item; it stands in its categories, which nobody edits."""
        self.items += 1
        return f"k{self.items}"

    def replaced(self, *values: Value) -> None:
        """Somebody replaced or deleted these values and had them before his eyes."""
        for value in values:
            self.meant.pop(str(value).lower(), None)


class Simulation:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        choose = self.random.choice
        self.direction = choose([Direction.BOTH] * 4 + [Direction.OUTBOUND, Direction.INBOUND])
        policies = [ConflictPolicy.CRM_WINS, ConflictPolicy.TARGET_WINS, ConflictPolicy.NEWEST_WINS]
        link = link_plan(
            direction=self.direction,
            conflict=choose(policies),
            by_field={"location": choose(policies)},
            edit_vs_delete=choose([EditVsDelete.EDIT_WINS] * 3 + [EditVsDelete.DELETE_WINS]),
            private=Private.SKIP,
            limits=Limits({}),
        )
        self.store = MemoryStore()
        self.world = World(link, page=choose([1, 2, 3]), seed=seed, store=self.store)
        if self.direction is Direction.OUTBOUND:
            self.world.crm.allowed = frozenset()
        if self.direction is Direction.INBOUND:
            self.world.target.allowed = frozenset()
        self.oracle = Oracle()
        self.rates = {form: choose([0.0, 0.01, 0.05]) for form in Form}
        self.act_rate = choose([0.0, 0.02, 0.08, 0.2])
        self.dead_watermarks = choose([0.0, 0.0, 0.15])
        self.clock_jumps = choose([0.0, 0.0, 0.1])
        self.state_lost = choose([False] * 9 + [True])
        """The state is lost once: pairs are found again, but nobody knows any more what was deleted or had moved away, and
        the conflict ledger is gone."""
        if choose([True, False]):
            self.world.target.normalise = _shouting("description")
        if choose([True, False, False]):
            self.world.crm.normalise = _shouting("place")
        self.faults = 0
        self.history: list[str] = []
        """What people did, with the index of the call that came next; beside the boundary's trace it tells a seed's story."""

    # -- users -------------------------------------------------------------------------------------------------------

    def act(self) -> None:
        """Somebody does something."""
        self.oracle.actions += 1
        outlook = self.random.random() < 0.5
        items = self.world.target.items(ANN) if outlook else self.world.crm.items(OWNER)
        moved = self.world.target.items(ANN, shelf=Shelf.OTHER)
        roll = self.random.random()
        if roll < 0.3 or not items:
            self._create(outlook)
        elif roll < 0.72:
            self._edit(outlook, self.random.choice(items))
        elif roll < 0.87:
            self._delete(outlook, self.random.choice(items))
        elif self.state_lost:
            self._edit(outlook, self.random.choice(items))
        elif outlook and roll < 0.93:
            self._move(self.random.choice(items), Shelf.OTHER)
        elif outlook and moved:
            self._move(self.random.choice(moved), Shelf.HOME)
        elif outlook:
            self._copy(self.random.choice(items))

    def _create(self, outlook: bool) -> None:
        name = self.oracle.item()
        typed = {record: self.oracle.token(name) for record in FIELDS}
        odd = self.random.random()
        if outlook:
            changes: dict[str, Value] = {**typed, "keywords": (name,)}
            if odd < 0.12:
                self.oracle.private.add(name)
                changes["privacy"] = "private"
            key = self.world.target.user_create(ANN, event("", **changes))
            if 0.12 <= odd < 0.18:
                self.oracle.poison.add(name)
                self.world.target.user_spoil(key)
        else:
            changes = {FIELDS[record]: token for record, token in typed.items()} | {"categories": (name,)}
            if odd < 0.06:
                self.oracle.poison.add(name)
                changes["priority"] = "Z"
            self.world.crm.user_create(OWNER, row("", **changes))
        self._note(name, outlook, "make")

    def _edit(self, outlook: bool, item: Item) -> None:
        record = self.random.choice(sorted(FIELDS))
        place = record if outlook else FIELDS[record]
        name = name_of(item)
        self.oracle.replaced(item.values[place])
        token = self.oracle.token(name)
        if outlook:
            self.world.target.user_edit(item.key, **{place: token})
        else:
            self.world.crm.user_edit(item.key, **{place: token})
        self._note(name, outlook, f"type {token} into {record} of")

    def _delete(self, outlook: bool, item: Item) -> None:
        name = name_of(item)
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

    def _note(self, name: str, outlook: bool, what: str) -> None:
        where = "Outlook" if outlook else "the CRM"
        self.history.append(f"#{self.world.boundary.calls} {what} {name} in {where}")
        self.oracle.touched_on.setdefault(name, set()).add("target" if outlook else "crm")

    # -- the run -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Both phases and the judgement. Raises :class:`Violation` or whatever the engine raised."""
        boundary = self.world.boundary
        seeded = SeededFaults(self.random.randrange(2**32), self.rates)

        def faults(call: Call) -> Any:
            fault = seeded(call)
            self.faults += fault is not None
            return fault

        def meanwhile(call: Call) -> None:
            if self.random.random() < self.act_rate:
                self.act()
            if call.name in {"changes", "feed"} and self.random.random() < self.dead_watermarks:
                self.world.target.forget_watermarks(ANN) if call.name == "changes" else self.world.crm.lose_outbox()

        rounds = self.random.randint(3, 12)
        for number in range(rounds):
            if self.state_lost and number == rounds // 2:
                self.store = self.world.store = MemoryStore()
            if self.random.random() < self.clock_jumps:
                self.world.clock.jump(timedelta(seconds=self.random.choice([-3600, -90, 90, 3600])))
            for _ in range(self.random.randint(0, 4)):
                self.act()
            boundary.faults, boundary.meanwhile = faults, meanwhile
            with suppress(Crash, ConnectorError):
                self._pass()
            boundary.faults = boundary.meanwhile = None
            self.world.clock.advance(timedelta(seconds=self.random.choice([1, 60, 600])))
        self._settle()
        self._judge()

    def _pass(self) -> None:
        for report in self.world.run(allowed=frozenset(Operation)):
            if report.error is not None and not isinstance(report.error, ConnectorError):
                raise report.error

    def _settle(self, most: int = 12) -> None:
        """P1, P5: faults and users stop; soon nothing is written any more, and then nothing at all."""
        for _ in range(most):
            before = self.world.boundary.calls
            self._pass()
            self.world.clock.advance(timedelta(hours=3))
            open_intents = self.store.intents(self.world.link)
            if not self.world.boundary.writes(since=before) and not open_intents:
                break
        else:
            raise Violation(f"P5: still writing after {most} passes without faults")
        self.world.clock.advance(timedelta(days=1))
        for _ in range(3):  # what a clock that was set back had put off
            self._pass()
        before, commits = self.world.boundary.calls, self.store.commits
        self._pass()
        if self.world.boundary.writes(since=before) or (self.store.commits != commits and not self.oracle.poison):
            raise Violation("P5: a quiet pass wrote something")
        limit = 6 * self.oracle.actions + 3 * self.faults + 20
        if len(self.world.boundary.writes()) > limit:
            raise Violation(f"P9: {len(self.world.boundary.writes())} writes, more than {limit}")

    # -- the judgement -----------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        target = self._by_name(self.world.target.items(ANN), "target")
        away = self._by_name(self.world.target.items(ANN, shelf=Shelf.OTHER), "another folder")
        crm = self._by_name(self.world.crm.items(OWNER), "CRM")
        both = set(target) & set(away)
        if both:
            raise Violation(f"P3: {sorted(both)} lie in two folders")
        self._private(crm)
        names = (set(target) | set(crm)) - self.oracle.private - self.oracle.poison - set(away)
        for name in sorted(names):
            self._item(name, target.get(name), crm.get(name))
        if self.direction is Direction.BOTH and not self.state_lost:
            self._updates(target, crm, away)

    def _by_name(self, items: list[Item], where: str) -> dict[str, Item]:
        found: dict[str, Item] = {}
        for item in items:
            if name_of(item) in found:
                raise Violation(f"P3: {name_of(item)} is twice in {where}")
            found[name_of(item)] = item
        return found

    def _item(self, name: str, target: Item | None, crm: Item | None) -> None:
        """P1, P4 for one item that is there and in scope."""
        meant = [token for token, owner in self.oracle.meant.items() if owner == name]
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

    def _updates(self, target: Mapping[str, Item], crm: Mapping[str, Item], away: Mapping[str, Item]) -> None:
        """P2: every value still meant is on both sides or in the conflict ledger."""
        ledger = repr(self.store.conflicts()).lower()
        for token, name in self.oracle.meant.items():
            if name in self.oracle.private | self.oracle.poison or name in away:
                continue
            on = [name in side and token in tokens_of(side[name]).values() for side in (target, crm)]
            if all(on) or f"'{token}'" in ledger:
                continue
            if self.oracle.may_be_left_alone(name) and any(on):
                continue
            raise Violation(f"P2: {token} of {name} is lost: on target and CRM {on}")

    def _private(self, crm: Mapping[str, Item]) -> None:
        """P8: no private item in the CRM, no byte of one in the state."""
        leaked = self.oracle.private & set(crm)
        if leaked:
            raise Violation(f"P8: private {sorted(leaked)} reached the CRM")
        state = self.store._state
        text = repr([getattr(state, name) for name in state.__slots__]).lower()
        for token, name in self.oracle.meant.items():
            if name in self.oracle.private and f"'{token}'" in text:
                raise Violation(f"P8: {token} of private {name} is in the state")


def name_of(item: Item) -> str:
    """Which item this is, whatever its id on this side."""
    words = item.values.get("keywords") or item.values.get("categories")
    assert isinstance(words, tuple)
    return words[0]


def tokens_of(item: Item) -> dict[str, str]:
    """What users typed into an item, by record field."""
    crm = "subject" in item.values
    return {record: str(item.values[FIELDS[record] if crm else record]).lower() for record in FIELDS}


def _shouting(field_name: str) -> Callable[[Fields], Fields]:
    """A side that stores one field in capitals, whoever writes it."""

    def normalise(values: Fields) -> Fields:
        value = values.get(field_name)
        return {**values, field_name: value.upper()} if isinstance(value, str) else values

    return normalise


def failure_of(seed: int, make: Callable[[int], Simulation] = Simulation) -> str | None:
    """Run one seed; what went wrong, or None."""
    simulation = make(seed)
    try:
        simulation.run()
    except Violation as violation:
        return str(violation)
    except Exception as error:  # noqa: BLE001 - a seed that ends in any error has failed, and says with which
        return f"{type(error).__name__}: {error}"
    return None
