"""What an operator does in a world that has come to rest: he proves that both sides agree, and takes a run back (B-100)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runner.engine.report import PassReport
from runner.model.errands import Audit, Undo
from runner.model.items import Item
from runner.model.terms import Operation
from tests.engine.world import World
from tests.sim.oracle import Violation, name_of, tokens_of
from tests.sim.people import People

Held = dict[str, dict[str, str]]
"""What one side holds: what people typed, by item."""


@dataclass
class Aftermath:
    """An operator's part of one seed."""

    world: World
    people: People
    random: random.Random
    users: Sequence[str]

    def audit(self) -> None:
        """Every item was read on both sides, and none differs otherwise than as it was agreed. What nobody can read is found,
        and so is what came back from another folder to a link that takes nothing in."""
        self._run(errand=Audit())
        for link, proof in self.world.store.proofs().items():
            for one in proof.found:
                item = self.world.target.item(one.target_key or "") or self.world.crm.item(one.crm_key or "")
                name = name_of(item) if item else None
                if name is None or not (
                    name in self.people.oracle.poison or self.people.oracle.may_be_left_alone(name)
                ):
                    raise Violation(f"P1: an audit of {link} finds {one.finding}: {name}, {one.detail}")

    def undo(self) -> None:
        """Somebody acts, a run follows, and is taken back before anybody touches anything: all is as it was before it."""
        for _ in range(self.random.randint(1, 5)):
            self.people.act()
        before = self._held()
        self.world.boundary.meanwhile = None  # an undo deletes what the run had made
        self._run()
        run = f"run-{self.world.passes}"
        self._run(errand=Undo(undone=run))
        for side, was, is_ in zip(("target", "CRM"), before, self._held(), strict=True):
            spoilt = self.people.oracle.private | self.people.oracle.poison
            wrong = {name for name in was.keys() | is_.keys() if was.get(name) != is_.get(name)} - spoilt
            if wrong:
                name = min(wrong)
                raise Violation(
                    f"undo: {name} on the {side} was {was.get(name)} before {run}, and is {is_.get(name)} again"
                )
        calls = self.world.boundary.calls
        self._run()
        if written := self.world.boundary.writes(since=calls):
            raise Violation(f"undo: the next pass writes again: {[str(one) for one in written]}")

    def _held(self) -> tuple[Held, Held]:
        return _typed(self.world.target.items(self.users[0])), _typed(self.world.crm.items())

    def _run(self, **orders: Any) -> list[PassReport]:
        reports = self.world.run(allowed=frozenset(Operation), **orders)
        for report in reports:
            if report.error is not None:
                raise report.error
        return reports


def _typed(items: Sequence[Item]) -> Held:
    return {name_of(item): tokens_of(item) for item in items}
