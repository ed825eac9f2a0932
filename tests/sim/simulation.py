"""Seeds: users act, faults strike at every call, and every value proves its author.

Each seed draws its own mix of faults, rules and users: one user or three with meetings among them, passes one after the
other or interleaved. While faults last, anything may happen between and within passes; then they stop, and within a few
passes both sides must agree. What is still meant then must be on both sides or in the conflict ledger.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from runner.model.errors import ConnectorError
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete
from runner.testing.faults import Call, Crash, Form, SeededFaults
from tests.engine.world import ANN, BOB, CAL
from tests.sim.aftermath import Aftermath
from tests.sim.oracle import Violation
from tests.sim.stage import MakeStore, Setting, Stage, in_memory
from tests.sim.whims import Whims


class Simulation:
    """One seed."""

    def __init__(self, seed: int, make_store: MakeStore = in_memory) -> None:
        self.random = random.Random(seed)
        choose = self.random.choice
        direction = choose([Direction.BOTH] * 4 + [Direction.OUTBOUND, Direction.INBOUND])
        policies = [ConflictPolicy.CRM_WINS, ConflictPolicy.TARGET_WINS, ConflictPolicy.NEWEST_WINS]
        users = choose([(ANN,)] * 5 + [(ANN, BOB, CAL)])
        conflict, location = choose(policies), choose(policies)
        edit_vs_delete = choose([EditVsDelete.EDIT_WINS] * 3 + [EditVsDelete.DELETE_WINS])
        page = choose([1, 2, 3])
        self.rates = {form: choose([0.0, 0.01, 0.05]) for form in Form}
        self.act_rate = choose([0.0, 0.02, 0.08, 0.2])
        self.dead_watermarks = choose([0.0, 0.0, 0.15])
        self.clock_jumps = choose([0.0, 0.0, 0.1])
        self.state_lost = choose([False] * 9 + [True])
        """The state is lost once, half-way."""
        target_shouts, crm_shouts = choose([True, False]), choose([True, False, False])
        several = len(users) > 1
        self.turns = choose([0.0, 0.2, 0.6]) if several else 0.0
        """How often a pass gives the turn to another one's, 0 = one after the other."""
        self.ends = random.Random(f"ends {seed}")  # dice of its own: what is drawn elsewhere stays what it was
        self.end_rate = self.ends.choice([0.0, 0.0, 0.05, 0.3])
        """How often a pass that asks whether it is to end is told that it is."""
        self.stage = Stage(
            Setting(
                users=users,
                direction=direction,
                conflict=conflict,
                location=location,
                edit_vs_delete=edit_vs_delete,
                page=page,
                target_shouts=target_shouts,
                crm_shouts=crm_shouts,
                meet=several and direction is Direction.BOTH and choose([True, True, False]),
                clock_jumps=self.clock_jumps > 0,
                seed=seed,
            ),
            make_store,
        )
        self.whims = Whims(self.stage.people, self.random, careful=self.state_lost)

    def run(self) -> None:
        """Both phases and the judgement. Raises :class:`Violation` or whatever the engine raised."""
        stage, world = self.stage, self.stage.world
        users = stage.setting.users
        faults = SeededFaults(self.random.randrange(2**32), self.rates)
        rounds = self.random.randint(3, 12 if len(users) == 1 else 8)
        for number in range(rounds):
            if self.state_lost and number == rounds // 2:
                stage.lose_state()
            if self.random.random() < self.clock_jumps:
                world.clock.jump(timedelta(seconds=self.random.choice([-3600, -90, 90, 3600])))
            for _ in range(self.random.randint(0, 4)):
                self.whims.act()
            stage.disturb(faults, self._meanwhile)
            try:
                with suppress(ConnectorError):
                    stage.make_pass(self.turns, self.random, self._ended)
            except Crash:
                stage.restart()
            stage.calm()
            world.clock.advance(timedelta(seconds=self.random.choice([1, 60, 600])))
        stage.settle(self.turns, self.random)
        stage.judge()
        aftermath = Aftermath(stage, self.whims)
        aftermath.audit()
        if len(users) == 1:
            aftermath.undo()

    def _ended(self) -> bool:
        return self.ends.random() < self.end_rate

    def _meanwhile(self, call: Call) -> None:
        if self.random.random() < self.act_rate:
            self.whims.act()
        if call.name in {"changes", "feed"} and self.random.random() < self.dead_watermarks:
            if call.name == "changes":
                self.stage.world.target.forget_watermarks(self.random.choice(self.stage.setting.users))
            else:
                self.stage.world.crm.lose_outbox()

    def story(self) -> list[str]:
        """What people did and what was called, in order."""
        return self.stage.story()

    def options(self) -> str:
        """What this seed drew."""
        setting = self.stage.setting
        rates = ", ".join(f"{form} {rate}" for form, rate in self.rates.items() if rate)
        return (
            f"{len(setting.users)} users, {setting.direction}, meetings {setting.meet}, turns {self.turns}, "
            f"faults ({rates}), acts {self.act_rate}, dead watermarks {self.dead_watermarks}, "
            f"clock jumps {self.clock_jumps}, state lost {self.state_lost}, ended {self.end_rate}"
        )


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
