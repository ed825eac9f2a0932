"""One generation of the configuration in use: an immutable plan, its number, and who the links' users are in the CRM.

A worker takes the current generation once and keeps it until its pass has ended; a reload only replaces the reference, so a
pass never sees two configurations (B-102).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runner.config.plan import LinkPlan, SyncPlan
from runner.engine.drain import Route
from runner.engine.runs import Runner
from runner.model.ports import Clock, Rng, Store
from runner.service.connections import Connections


@dataclass(slots=True)
class Generation:
    """A plan in use. ``owners`` (address → CRM key) is read from the CRM on first use and from time to time anew."""

    number: int
    plan: SyncPlan
    runner: Runner
    owners: Mapping[str, str] | None = None
    routes: Sequence[Route] = ()

    def learn_owners(self) -> list[str]:
        """Ask the CRM who the links' users are, and answer which links' users have become known. Raises what the CRM raises;
        what was known stays then."""
        owners, before = self.runner.owners(), self.owners
        self.routes = self.runner.routes(owners)
        self.owners = owners
        links = self.plan.links.values() if before is not None else ()
        return [link.name for link in links if link.user in owners and link.user not in (before or ())]


@dataclass(slots=True)
class Generations:
    """The current generation, and how many passes run on which."""

    connections: Connections
    store: Store
    clock: Clock
    rng: Rng
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _current: Generation | None = None
    _running: Counter[int] = field(default_factory=Counter)

    @property
    def has_one(self) -> bool:
        """Whether any configuration has been applied."""
        return self._current is not None

    @property
    def current(self) -> Generation:
        """The generation for everything that begins now."""
        if self._current is None:
            raise RuntimeError("no configuration has been applied yet")
        return self._current

    def swap(self, number: int, plan: SyncPlan) -> Generation:
        """Make a plan the current one; only links' users that were known before are known in it at first."""
        before = self._current
        runner = Runner(
            plan,
            self.store,
            self.connections.crm(plan.crm),
            lambda name: self.connections.target(plan.targets[name]),
            self.clock,
            self.rng,
        )
        fresh = Generation(number, plan, runner)
        if before is not None and before.owners is not None and before.plan.crm == plan.crm:
            users = {link.user for link in plan.links.values()}
            if users <= {link.user for link in before.plan.links.values()}:
                fresh.owners = before.owners
                fresh.routes = runner.routes(before.owners)
        self._current = fresh
        return fresh

    def begin(self) -> Generation:
        """Take the current generation for a pass; :meth:`end` it."""
        with self._lock:
            generation = self.current
            self._running[generation.number] += 1
            return generation

    def end(self, generation: Generation) -> None:
        """The pass has ended: connectors that only it held are closed."""
        with self._lock:
            self._running[generation.number] -= 1
            running = [number for number, count in self._running.items() if count > 0]
        self.connections.sweep(min(running, default=None))


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new plan changes (facts: links are compared by their digest): names of links."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def to_run(self) -> tuple[str, ...]:
        """Links that shall have a pass because of the change."""
        return self.added + self.changed


def difference(before: SyncPlan | None, after: SyncPlan) -> Difference:
    """Compare two plans. A link is changed when its own digest is, or when its target began to run."""
    old: Mapping[str, LinkPlan] = before.links if before else {}
    awake = {
        name
        for name, target in after.targets.items()
        if before
        and (known := before.targets.get(name))
        and (known.enabled, known.paused) != (target.enabled, target.paused)
    }
    unpaused = before is not None and before.crm.paused and not after.crm.paused
    changed = [
        name
        for name, link in after.links.items()
        if name in old and (old[name].digest != link.digest or link.target in awake or unpaused)
    ]
    added = [name for name in after.links if name not in old]
    return Difference(tuple(added), tuple(changed), tuple(name for name in old if name not in after.links))
