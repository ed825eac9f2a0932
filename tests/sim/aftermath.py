"""What an operator does in a world that has come to rest: he proves that both sides agree, and takes a run back (B-100)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runner.engine.report import PassReport
from runner.model.errands import Audit, Undo
from runner.model.errors import ConnectorError
from runner.model.items import Item
from runner.model.terms import Operation
from tests.sim.oracle import Violation, name_of, tokens_of
from tests.sim.stage import Stage
from tests.sim.whims import Whims

Held = dict[str, dict[str, str]]
"""What one side holds: what people typed, by item."""


@dataclass
class Aftermath:
    """An operator's part. ``whims`` are those of the people whose last acts he takes back."""

    stage: Stage
    whims: Whims

    def audit(self) -> None:
        """Every item was read on both sides, and none differs otherwise than as it was agreed. What nobody can read is found,
        and so is what came back from another folder to a link that takes nothing in, with the copies that were made of it."""
        world, oracle = self.stage.world, self.stage.oracle
        self._run(errand=Audit())
        copies = {copy for original in oracle.moved for copy in oracle.copied.get(original, ())}
        for link, proof in world.store.proofs().items():
            for one in proof.found:
                item = world.target.item(one.target_key or "") or world.crm.item(one.crm_key or "")
                name = name_of(item) if item else None
                if name is None or not (name in oracle.poison or oracle.may_be_left_alone(name) or name in copies):
                    raise Violation(f"P1: an audit of {link} finds {one.finding}: {name}, {one.detail}")

    def undo(self) -> None:
        """Somebody acts, a run follows, and is taken back before anybody touches anything: all is as it was before it."""
        world, oracle = self.stage.world, self.stage.oracle
        for _ in range(self.whims.random.randint(1, 5)):
            self.whims.act()
        before = self._held()
        world.boundary.meanwhile = None  # an undo deletes what the run had made
        self._run()
        run = f"run-{world.passes}"
        self._run(errand=Undo(undone=run))
        for side, was, is_ in zip(("target", "CRM"), before, self._held(), strict=True):
            spoilt = oracle.private | oracle.poison
            wrong = {name for name in was.keys() | is_.keys() if was.get(name) != is_.get(name)} - spoilt
            if wrong:
                name = min(wrong)
                raise Violation(
                    f"undo: {name} on the {side} was {was.get(name)} before {run}, and is {is_.get(name)} again"
                )
        calls = world.boundary.calls
        self._run()
        if written := world.boundary.writes(since=calls):
            raise Violation(f"undo: the next pass writes again: {[str(one) for one in written]}")

    def _held(self) -> tuple[Held, Held]:
        world = self.stage.world
        return _typed(world.target.items(self.stage.setting.users[0])), _typed(world.crm.items())

    def _run(self, **orders: Any) -> list[PassReport]:
        reports = self.stage.world.run(allowed=frozenset(Operation), **orders)
        for report in reports:
            if isinstance(report.error, ConnectorError):
                raise Violation(f"P10: a run in fair weather ended with {report.error!r}")
            if report.error is not None:
                raise report.error
        return reports


def _typed(items: Sequence[Item]) -> Held:
    return {name_of(item): tokens_of(item) for item in items}
