"""What links have by a clock of their own: the next part of a first sync that grows, and snapshots by schedule (B-70, B-71).

A link whose message waits, or whose snapshot is under way, is left until then, so no message gathers errands. What was due
while no service ran is made once, as soon as one runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from runner.config.plan import LinkPlan
from runner.engine.hindrance import hindrance_of
from runner.model.ports import Clock, Queue, Rng, Store
from runner.model.queueing import Cause, Job, Order
from runner.service.generation import Generations


@dataclass(slots=True)
class Schedules:
    """Asked each minute. ``since``: when the service began; a schedule that never ran counts from there."""

    queue: Queue
    generations: Generations
    store: Store
    clock: Clock
    rng: Rng
    since: datetime
    _asked: dict[str, datetime] = field(default_factory=dict)
    """For which of its times a link's snapshot has been asked for: one that cannot be made is not asked for each minute."""

    def ask(self) -> None:
        """Ask for what is due now."""
        plan = self.generations.current.plan
        chosen = [link for link in plan.links.values() if link.expand is not None or link.snapshot is not None]
        if not chosen:
            return
        busy = {message.link for message in self.queue.messages()}
        busy |= self.store.headways().keys()
        suspensions = self.store.suspensions()
        jobs = [
            job
            for link in chosen
            if link.name not in busy and hindrance_of(plan, link, suspensions) is None
            for job in self._due(link)
        ]
        if jobs:
            self.queue.put(jobs)

    def _due(self, link: LinkPlan) -> list[Job]:
        now, state = self.clock.now(), self.store.link(link.name)
        if state.step:
            due = self.store.mark_counts(link.name, now).due or state.step_until is None
            return [Job(link.name, link.target, Cause.TIMER)] if due else []
        if link.snapshot is None or not state.matched:
            return []
        at = link.snapshot.after(state.snapshot_at or self.since)
        if at > now or self._asked.get(link.name) == at:
            return []
        self._asked[link.name] = at
        order = Order(self.rng.token(), errand=link.snapshot.errand(now))
        return [Job(link.name, link.target, Cause.TIMER, (order,))]
