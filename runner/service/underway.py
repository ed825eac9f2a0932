"""Snapshots that are under way in a service (B-70): the next slice of each is asked for when its time has come.

How far each has come stands in the state, so one goes on after a restart; what is kept here is only which ones there are,
and the guards that an operator lifted for one: those are never kept over a restart (docs/decisions/009).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runner.config.plan import SyncPlan
from runner.engine.course import ended_early
from runner.engine.report import PassReport
from runner.engine.selection import select_links
from runner.model.errands import Snapshot
from runner.model.errors import UsageError
from runner.model.headway import Headway
from runner.model.ports import Clock, Queue, Store
from runner.model.queueing import Cause, Order
from runner.model.state import Commit
from runner.model.terms import Operation
from runner.service.acts import Operator
from runner.service.follower import jobs_for
from runner.service.generation import Generations
from runner.service.reports import Reports

STOPPED = "it was stopped by an operator; what it had done stays"


@dataclass(slots=True)
class Underway:
    """Asked each second. Safe to share between threads."""

    queue: Queue
    generations: Generations
    store: Store
    clock: Clock
    reports: Reports
    _known: dict[str, Headway] = field(default_factory=dict)
    _allowed: dict[str, frozenset[Operation]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _loaded: bool = False

    def heard(self, link: str, order: Order) -> None:
        """A slice of this order has ended."""
        if not isinstance(order.errand, Snapshot):
            return
        at = self.store.headway(link)
        with self._lock:
            self._allowed[order.run] = order.allowed
            self._note(link, at)

    def all(self) -> Mapping[str, Headway]:
        """Every snapshot that has not come to its end, by link."""
        with self._lock:
            self._load()
            return dict(self._known)

    def ask(self) -> None:
        """Ask for the slices whose time has come. A link whose message waits is left until that has gone."""
        now, generation = self.clock.now(), self.generations.current
        due = [at for at in self.all().values() if at.go_on <= now]
        busy = {message.link for message in self.queue.messages()} if due else set()
        for at in due:
            if at.link in busy:
                continue
            if at.link not in generation.plan.links:
                gone = "the link is no longer configured"
                ended_early(self.store, at, now, gone)
                self._ended(at, gone)
                continue
            with self._lock:
                allowed = self._allowed.get(at.run, frozenset())
            order = Order(at.run, allowed, self.store.approved(at.link), at.errand)
            self.queue.put(jobs_for(generation, [at.link], Cause.TIMER, (order,)))

    def stop(self, who: Operator, plan: SyncPlan, names: Sequence[str]) -> list[str]:
        """End snapshots of these links where they are. Raises ``UsageError`` when none is under way."""
        found = stop_snapshots(self.store, plan, who, names)
        for at in found:
            self._ended(at, STOPPED)
        return [at.link for at in found]

    def _ended(self, at: Headway, reason: str) -> None:
        with self._lock:
            self._note(at.link, None)
        self.reports.note((Order(at.run),), PassReport(at.link, skipped=reason))

    def _note(self, link: str, at: Headway | None) -> None:
        if at is not None and at.finished is None:
            self._known[link] = at
        else:
            self._known.pop(link, None)
        runs = {one.run for one in self._known.values()}
        self._allowed = {run: allowed for run, allowed in self._allowed.items() if run in runs}

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            self._known |= self.store.headways()


def stop_snapshots(store: Store, plan: SyncPlan, who: Operator, names: Sequence[str]) -> list[Headway]:
    """The snapshots under way of these links, which are ended, and who did it. Raises ``UsageError`` when there is none."""
    links = {link.name for link in select_links(plan, names)}
    found = [at for link, at in store.headways().items() if link in links]
    if not found:
        raise UsageError("no snapshot of these links is under way", remedy="`exsync status` shows those that are")
    store.commit(Commit(acts=tuple(who.act("snapshot stop", f"link {at.link}", f"run {at.run}") for at in found)))
    for at in found:
        ended_early(store, at, who.now, STOPPED)
    return found
