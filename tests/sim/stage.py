"""A small world under an oracle's eyes: what a seed and a state machine both play on.

While it plays, every delete that is sent is looked at, and so is every mail. In the end it must come to rest, and what both
sides hold is judged.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from runner.engine.drain import drain
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.model.errors import ConnectorError
from runner.model.ports import Store
from runner.model.record import Fields
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete, Operation, Private, Side
from runner.reconcile.guards import Limits
from runner.store import DuckStore
from runner.testing.faults import Call, FaultPlan
from runner.testing.store import MemoryStore
from tests.engine.world import ANN, World, link_plan
from tests.sim.interleaving import Turns
from tests.sim.judgement import Judgement
from tests.sim.oracle import Violation, name_of
from tests.sim.people import People
from tests.sim.states import commits_of, text_of

MakeStore = Callable[[World], Store]
"""Opens the state of a world: at its start, and when it was lost."""


def in_memory(world: World) -> Store:
    """A state as plain dictionaries."""
    return MemoryStore()


@dataclass(frozen=True)
class Setting:
    """What a world is made of."""

    users: tuple[str, ...] = (ANN,)
    direction: Direction = Direction.BOTH
    conflict: ConflictPolicy = ConflictPolicy.CRM_WINS
    location: ConflictPolicy = ConflictPolicy.CRM_WINS
    """The policy of one field that differs from the others'."""
    edit_vs_delete: EditVsDelete = EditVsDelete.EDIT_WINS
    page: int = 2
    target_shouts: bool = False
    """The target stores one field in capitals, whoever writes it."""
    crm_shouts: bool = False
    meet: bool = False
    clock_jumps: bool = False
    seed: int = 0


class Stage:
    """One world and what is known of it: the people, what they mean, and what has gone wrong so far."""

    def __init__(self, setting: Setting, make_store: MakeStore = in_memory) -> None:
        self.setting = setting
        users, direction = setting.users, setting.direction
        links = [
            link_plan(
                user,
                direction=direction,
                conflict=setting.conflict,
                by_field={"location": setting.location},
                edit_vs_delete=setting.edit_vs_delete,
                private=Private.SKIP,
                limits=Limits({}),
            )
            for user in users
        ]
        self.make_store = make_store
        self.world = World(*links, page=setting.page, seed=setting.seed, store=MemoryStore())
        self.store = self.world.store = make_store(self.world)
        self.state_lost = False
        """Pairs are found again, but nobody knows any more what was deleted or had moved away, and the conflict ledger is
        gone."""
        if direction is Direction.OUTBOUND:
            self.world.crm.allowed = frozenset()
        if direction is Direction.INBOUND:
            self.world.target.allowed = frozenset()
        if setting.target_shouts:
            self.world.target.normalise = _shouting("description")
        if setting.crm_shouts:
            self.world.crm.normalise = _shouting("place")
        self.world.crm.related = len(users) > 1
        self.people = People(self.world, users, setting.meet)
        self.oracle = self.people.oracle
        self.faults = 0

    # -- what happens ------------------------------------------------------------------------------------------------

    def disturb(self, faults: FaultPlan, meanwhile: Callable[[Call], None]) -> None:
        """Let this go wrong, and this happen meanwhile, at the calls that follow."""

        def counted(call: Call) -> Any:
            fault = faults(call)
            self.faults += fault is not None
            return fault

        def watched(call: Call) -> None:
            meanwhile(call)
            self._look_at(call)

        self.world.boundary.faults, self.world.boundary.meanwhile = counted, watched

    def calm(self) -> None:
        """Nothing goes wrong any more, and nobody acts while passes run."""
        self.world.boundary.faults, self.world.boundary.meanwhile = None, self._look_at

    def restart(self) -> None:
        """The process is dead; the next one opens the state as it lies on the disk."""
        reopened = getattr(self.store, "reopened", None)
        if reopened is not None:
            self.store = self.world.store = reopened()

    def lose_state(self) -> None:
        """The state is gone, and a new one begins."""
        self.state_lost = True
        self.store = self.world.store = self.make_store(self.world)

    def make_pass(
        self, turns: float = 0.0, dice: random.Random | None = None, ended: Callable[[], bool] | None = None
    ) -> None:
        """One run over all links: one after the other, or interleaved, giving the turn away at this rate of their calls.
        ``ended`` is asked by each pass whether it is to end where it is."""
        orders: dict[str, Any] = {"allowed": frozenset(Operation), "stopping": ended}
        for report in self._interleaved(orders, turns, dice) if dice and turns else self.world.run(**orders):
            if report.error is not None and not isinstance(report.error, ConnectorError):
                raise report.error
        if self.world.target.mails:
            raise Violation(f"D14: mail that nobody asked for: {self.world.target.mails}")

    def _interleaved(self, orders: dict[str, Any], turns: float, dice: random.Random) -> list[PassReport]:
        """One pass of each link, all at once, as a service's workers make them."""
        runner = self.world.runner()
        owners = runner.owners()
        runner.follow_configuration()
        drain(runner.store, runner.crm, runner.plan.crm.name, runner.routes(owners))
        works = [
            partial(
                runner.pass_over, link, owners.get(link.user), Orders(f"run-{self.world.passes}-{link.user}", **orders)
            )
            for link in self.world.links
        ]
        played: Turns[PassReport] = Turns(self.world.boundary, dice, turns)
        return played.run(works)

    def _look_at(self, call: Call) -> None:
        """P7: the engine deletes nothing that nobody deleted."""
        if call.name != Operation.DELETE:
            return
        side = self.world.crm if call.side == Side.CRM else self.world.target
        item = side.item(call.subject or "")
        if item is None or self.oracle.may_be_taken_for_its_original(name_of(item)):
            return
        if name_of(item) not in self.oracle.deleted | self.people.declined:
            raise Violation(f"P7: {name_of(item)}, which nobody deleted, is to be deleted on the {call.side}")

    # -- how it ends -------------------------------------------------------------------------------------------------

    def settle(self, turns: float = 0.0, dice: random.Random | None = None, most: int = 12) -> None:
        """P1, P5: faults and users stop; soon nothing is written any more, and then nothing at all."""
        self.calm()
        for _ in range(most):
            before = self.world.boundary.calls
            self.make_pass(turns, dice)
            self.world.clock.advance(timedelta(hours=3))
            open_intents = any(self.store.intents(link.name) for link in self.world.links)
            if not self.world.boundary.writes(since=before) and not open_intents:
                break
        else:
            raise Violation(f"P5: still writing after {most} passes without faults")
        self.world.clock.advance(timedelta(days=1))
        for _ in range(3 if self.setting.clock_jumps else 1):  # what a clock that was set back had put off
            self.make_pass(turns, dice)
        before, commits = self.world.boundary.calls, commits_of(self.store)
        self.make_pass(turns, dice)
        if self.world.boundary.writes(since=before) or (commits_of(self.store) != commits and not self.oracle.poison):
            raise Violation("P5: a quiet pass wrote something")
        limit = len(self.setting.users) * (6 * self.oracle.actions + 3 * self.faults + 20)
        if len(self.world.boundary.writes()) > limit:
            raise Violation(f"P9: {len(self.world.boundary.writes())} writes, more than {limit}")
        if isinstance(self.store, DuckStore) and not self.store.verify_ledger().whole:
            raise Violation("P17: the ledger's chain is broken")

    def glance(self) -> None:
        """P2, P3 and P8 as far as they hold at any moment."""
        self._judgement.glance()

    def judge(self) -> None:
        """P1 to P4 and P8 of what both sides hold now that everything has come to rest."""
        self._judgement.pronounce(text_of(self.store))

    @property
    def _judgement(self) -> Judgement:
        setting = self.setting
        return Judgement(self.world, self.store, self.oracle, setting.users, setting.direction, self.state_lost)

    def story(self) -> list[str]:
        """What people did and what was called, in order."""
        lines = [(traced.call.index, 1, str(traced)) for traced in self.world.boundary.trace]
        lines += [(index, 0, f"        ~~ {what}") for index, what in self.people.history]
        return [text for _, _, text in sorted(lines)]


def _shouting(field_name: str) -> Callable[[Fields], Fields]:
    """A side that stores one field in capitals, whoever writes it."""

    def normalise(values: Fields) -> Fields:
        value = values.get(field_name)
        return {**values, field_name: value.upper()} if isinstance(value, str) else values

    return normalise
