"""A seeded world with an oracle: users act, faults strike at every call, and every value proves its author.

Each seed draws its own mix of faults, rules and users: one user or three with meetings among them, passes one after the
other or interleaved. While faults last, anything may happen between and within passes; then they stop, and within a few
passes both sides must agree. What is still meant then must be on both sides or in the conflict ledger.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
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
from runner.testing.faults import Call, Crash, Form, SeededFaults
from runner.testing.store import MemoryStore
from tests.engine.world import ANN, BOB, CAL, World, link_plan
from tests.sim.aftermath import Aftermath
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


class Simulation:
    """One seed."""

    def __init__(self, seed: int, make_store: MakeStore = in_memory) -> None:
        self.random = random.Random(seed)
        choose = self.random.choice
        self.direction = choose([Direction.BOTH] * 4 + [Direction.OUTBOUND, Direction.INBOUND])
        policies = [ConflictPolicy.CRM_WINS, ConflictPolicy.TARGET_WINS, ConflictPolicy.NEWEST_WINS]
        self.users = choose([[ANN]] * 5 + [[ANN, BOB, CAL]])
        conflict, location = choose(policies), choose(policies)
        edit_vs_delete = choose([EditVsDelete.EDIT_WINS] * 3 + [EditVsDelete.DELETE_WINS])
        links = [
            link_plan(
                user,
                direction=self.direction,
                conflict=conflict,
                by_field={"location": location},
                edit_vs_delete=edit_vs_delete,
                private=Private.SKIP,
                limits=Limits({}),
            )
            for user in self.users
        ]
        self.make_store = make_store
        self.world = World(*links, page=choose([1, 2, 3]), seed=seed, store=MemoryStore())
        self.store = self.world.store = make_store(self.world)
        if self.direction is Direction.OUTBOUND:
            self.world.crm.allowed = frozenset()
        if self.direction is Direction.INBOUND:
            self.world.target.allowed = frozenset()
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
        several = len(self.users) > 1
        self.world.crm.related = several
        self.turns = choose([0.0, 0.2, 0.6]) if several else 0.0
        """How often a pass gives the turn to another one's, 0 = one after the other."""
        meet = several and self.direction is Direction.BOTH and choose([True, True, False])
        self.people = People(self.world, self.random, self.users, self.state_lost, meet)
        self.oracle = self.people.oracle
        self.faults = 0

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
                self.people.act()
            if call.name in {"changes", "feed"} and self.random.random() < self.dead_watermarks:
                if call.name == "changes":
                    self.world.target.forget_watermarks(self.random.choice(self.users))
                else:
                    self.world.crm.lose_outbox()
            self._may_delete(call)

        rounds = self.random.randint(3, 12 if len(self.users) == 1 else 8)
        for number in range(rounds):
            if self.state_lost and number == rounds // 2:
                self.store = self.world.store = self.make_store(self.world)
            if self.random.random() < self.clock_jumps:
                self.world.clock.jump(timedelta(seconds=self.random.choice([-3600, -90, 90, 3600])))
            for _ in range(self.random.randint(0, 4)):
                self.people.act()
            boundary.faults, boundary.meanwhile = faults, meanwhile
            try:
                with suppress(ConnectorError):
                    self._pass()
            except Crash:
                self._restart()
            boundary.faults = boundary.meanwhile = None
            self.world.clock.advance(timedelta(seconds=self.random.choice([1, 60, 600])))
        boundary.meanwhile = self._may_delete
        self._settle()
        judgement = Judgement(self.world, self.store, self.oracle, self.users, self.direction, self.state_lost)
        judgement.pronounce(text_of(self.store))
        aftermath = Aftermath(self.world, self.people, self.random, self.users)
        aftermath.audit()
        if len(self.users) == 1:
            aftermath.undo()

    def _restart(self) -> None:
        """The process is dead; the next one opens the state as it lies on the disk."""
        reopened = getattr(self.store, "reopened", None)
        if reopened is not None:
            self.store = self.world.store = reopened()

    def _may_delete(self, call: Call) -> None:
        """P7: the engine deletes nothing that nobody deleted."""
        if call.name != Operation.DELETE:
            return
        side = self.world.crm if call.side == Side.CRM else self.world.target
        item = side.item(call.subject or "")
        if item is not None and name_of(item) not in self.oracle.deleted | self.people.declined:
            raise Violation(f"P7: {name_of(item)}, which nobody deleted, is to be deleted on the {call.side}")

    def _pass(self) -> None:
        orders: dict[str, Any] = {"allowed": frozenset(Operation)}
        for report in self._interleaved(orders) if self.turns else self.world.run(**orders):
            if report.error is not None and not isinstance(report.error, ConnectorError):
                raise report.error

    def _interleaved(self, orders: dict[str, Any]) -> list[PassReport]:
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
        turns: Turns[PassReport] = Turns(self.world.boundary, self.random, self.turns)
        return turns.run(works)

    def _settle(self, most: int = 12) -> None:
        """P1, P5: faults and users stop; soon nothing is written any more, and then nothing at all."""
        for _ in range(most):
            before = self.world.boundary.calls
            self._pass()
            self.world.clock.advance(timedelta(hours=3))
            open_intents = any(self.store.intents(link.name) for link in self.world.links)
            if not self.world.boundary.writes(since=before) and not open_intents:
                break
        else:
            raise Violation(f"P5: still writing after {most} passes without faults")
        self.world.clock.advance(timedelta(days=1))
        for _ in range(3 if self.clock_jumps else 1):  # what a clock that was set back had put off
            self._pass()
        before, commits = self.world.boundary.calls, commits_of(self.store)
        self._pass()
        if self.world.boundary.writes(since=before) or (commits_of(self.store) != commits and not self.oracle.poison):
            raise Violation("P5: a quiet pass wrote something")
        limit = len(self.users) * (6 * self.oracle.actions + 3 * self.faults + 20)
        if len(self.world.boundary.writes()) > limit:
            raise Violation(f"P9: {len(self.world.boundary.writes())} writes, more than {limit}")
        if isinstance(self.store, DuckStore) and not self.store.verify_ledger().whole:
            raise Violation("P17: the ledger's chain is broken")

    # -- the story ---------------------------------------------------------------------------------------------------

    def story(self) -> list[str]:
        """What people did and what was called, in order."""
        lines = [(traced.call.index, 1, str(traced)) for traced in self.world.boundary.trace]
        lines += [(index, 0, f"        ~~ {what}") for index, what in self.people.history]
        return [text for _, _, text in sorted(lines)]

    def options(self) -> str:
        """What this seed drew."""
        rates = ", ".join(f"{form} {rate}" for form, rate in self.rates.items() if rate)
        return (
            f"{len(self.users)} users, {self.direction}, meetings {self.people.meet}, turns {self.turns}, faults ({rates}), "
            f"acts {self.act_rate}, dead watermarks {self.dead_watermarks}, clock jumps {self.clock_jumps}, "
            f"state lost {self.state_lost}"
        )


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
