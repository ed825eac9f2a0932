"""A candidate on every link of a seed's world (B-100): it looks at what each pass looks at, and does nothing of its own.

*Quiet*, it reaches nobody: no fault strikes its reads, nobody acts meanwhile, and what is counted of it is not recorded. So
the seed's story must be the same to the last call as without it. Otherwise its reads are calls like any others, and the world
has to stay in order all the same.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from runner.config.plan import LinkPlan, Window
from runner.engine.decide import Verdicts
from runner.engine.report import PassReport
from runner.engine.runs import Runner
from runner.engine.shadow import FAILED, LESS, MORE, Shadow
from runner.model.state import Mark
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete, Private
from runner.reconcile.guards import Limits
from tests.engine.world import link_plan
from tests.sim.oracle import Violation
from tests.sim.simulation import Simulation

T = TypeVar("T")
_BESIDE = Shadow.beside
_HERE = threading.local()
"""Whose ``inside`` says that this thread is at a candidate's work."""


class Trial:
    """One seed with a candidate; made before the seed is run."""

    def __init__(self, simulation: Simulation, seed: int, patch: pytest.MonkeyPatch, *, quiet: bool) -> None:
        self.simulation, self.quiet = simulation, quiet
        self.seen: Counter[str] = Counter()
        """What it has read, and what was counted of it."""
        world, dice = simulation.stage.world, random.Random(f"candidate of {seed}")
        self._shadows = {link.name: _another(link, simulation, dice) for link in world.links}
        self._call, self._runner = world.boundary.call, world.runner
        world.boundary.call = self._called  # type: ignore[method-assign]
        world.runner = self._tried  # type: ignore[method-assign]
        patch.setattr(Shadow, "beside", lambda shadow, *step: self._beside(shadow, *step))

    def _beside(self, shadow: Shadow, marks: Sequence[Mark], verdicts: Verdicts, report: PassReport) -> None:
        _HERE.inside = True
        try:
            _BESIDE(shadow, marks, verdicts, report)
        finally:
            _HERE.inside = False
        for name in (MORE, LESS, FAILED):
            self.seen[name] += report.counts[name]
            if self.quiet:
                del report.counts[name]  # else it makes a pass worth its record, which is one commit more

    def _tried(self) -> Runner:
        runner = self._runner()
        runner.plan = replace(runner.plan, shadows=self._shadows)
        return runner

    def _called(self, side: str, name: str, subject: str | None, effect: Callable[[], T], *, writes: bool = False) -> T:
        if not getattr(_HERE, "inside", False):
            return self._call(side, name, subject, effect, writes=writes)
        if writes or side == "store":
            raise Violation(f"a candidate writes: {side}.{name}({subject or ''})")
        self.seen["reads"] += 1
        return effect() if self.quiet else self._call(side, name, subject, effect)


def _another(link: LinkPlan, simulation: Simulation, dice: random.Random) -> LinkPlan:
    """The link by other settings."""
    setting = simulation.stage.setting
    policies = [ConflictPolicy.CRM_WINS, ConflictPolicy.TARGET_WINS, ConflictPolicy.NEWEST_WINS]
    changes: dict[str, Any] = {
        "direction": dice.choice([Direction.BOTH, *Direction]),
        "conflict": dice.choice(policies),
        "edit_vs_delete": dice.choice([EditVsDelete.EDIT_WINS, EditVsDelete.DELETE_WINS]),
        "private": dice.choice([Private.SKIP, Private.SYNC]),
        "window": dice.choice([None, Window(timedelta(hours=1), timedelta(hours=1))]),
    }
    return link_plan(link.user, by_field={"location": setting.location}, limits=Limits({}), **changes)
