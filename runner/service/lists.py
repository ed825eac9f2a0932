"""The lists that links grow from, read anew from time to time (B-73): who is on one gets his links without a reload.

A list in a directory is read as often as the directory itself, by its ``interval``; a file and the CRM's users every
quarter of an hour. Reading happens in a thread of its own and holds up nothing; a list that cannot be read changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from runner.config.plan import SyncPlan
from runner.engine.growing import Grown, Sources, Unlinked, grow
from runner.model.errors import ExsyncError, StateError
from runner.model.ports import Clock
from runner.service.connections import Connections
from runner.store import DuckStore

TICK = 1.0
OTHERWISE = 900.0
"""Seconds between two looks at a list that lies in no directory."""
NAMED = 10
"""Rows that a line of the log names; the status lists all."""

log = structlog.get_logger("exsync.service")


def period_of(plan: SyncPlan) -> float | None:
    """Seconds between two looks at the plan's lists; None when it has none."""
    directories = [plan.targets[each.source].notifications.poll for each in plan.generated if each.kind == "ldap"]
    periods = [each.total_seconds() for each in directories]
    if len(directories) < len(plan.generated):
        periods.append(OTHERWISE)
    return min(periods, default=None)


@dataclass(slots=True)
class Lists:
    """One thread's task. ``declared`` says what the files say now; ``take_up`` puts a plan with other links to use, unless
    the files say something else by then."""

    connections: Connections
    store: DuckStore
    clock: Clock
    stopping: threading.Event
    declared: Callable[[], SyncPlan]
    take_up: Callable[[SyncPlan, SyncPlan], None]
    problems: tuple[str, ...] = field(default=(), init=False)
    """What kept lists from being followed when they were last read."""
    unlinked: tuple[Unlinked, ...] = field(default=(), init=False)
    """Rows of the lists that gave no link then."""

    def grown(self, plan: SyncPlan) -> SyncPlan:
        """A plan with links for everybody on its lists."""
        if not plan.generated:
            self._tell(Grown(plan, ()))
            return plan
        sources = Sources(
            lambda: self.connections.crm(plan.crm), lambda name: self.connections.target(plan.targets[name])
        )
        grown = grow(plan, self.store.links(), sources)
        self._tell(grown)
        return grown.plan

    def _tell(self, grown: Grown) -> None:
        for problem in grown.problems:
            log.warning("links.not_followed", problem=problem)
        known = set(self.unlinked)
        fresh = [row for row in grown.unlinked if row not in known]
        if fresh:  # once: what stands in the status is not repeated every time
            named = [f"{row.row}: {row.reason}" for row in fresh[:NAMED]]
            log.warning("links.unlinked", rows=len(fresh), named=named)
        self.problems, self.unlinked = grown.problems, grown.unlinked

    def keep(self) -> None:
        """Look from time to time until the service stops."""
        looked, plan = self.clock.monotonic(), self.declared()
        while not self.stopping.wait(TICK):
            now = self.clock.monotonic()
            if self.declared() is not plan:  # taking it up has read its lists
                looked, plan = now, self.declared()
            period = period_of(plan)
            if period is not None and now - looked >= period:
                looked = now
                self.look(plan)

    def look(self, plan: SyncPlan) -> None:
        """Read the lists of a plan now, and take up who came and who went."""
        try:
            self.take_up(plan, self.grown(plan))
        except StateError:
            raise
        except ExsyncError as error:
            log.warning("links.not_followed", problem=str(error))
