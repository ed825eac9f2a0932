"""What happens by the clock: each link's safety poll, the queue's samples, its journal, users looked up anew."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

import structlog

from runner.config.exchange import POLLING
from runner.model.errands import Audit
from runner.model.errors import ExsyncError, StateError
from runner.model.headway import Stage
from runner.model.ports import Clock, Queue
from runner.model.proofs import Finding
from runner.model.queueing import Cause, Order
from runner.model.state import Scope
from runner.observe.metrics import Metrics
from runner.queue.figures import oldest
from runner.service.circuit import CircuitState
from runner.service.dispatch import Dispatcher
from runner.service.follower import jobs_for
from runner.service.generation import Generations
from runner.store import DuckStore
from runner.store.history import History

TICK = 1.0
MINUTE = 60.0
USERS = 300.0
"""Seconds between two looks at who the links' users are in the CRM."""
AUDIT_SLICE = 500
"""Items that one minute's slice of a background audit looks at."""
AUDIT_RUN = "background-audit"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PRUNE = 6 * 3600.0
"""Seconds between two prunings of the CRM's outbox (see ``feed_keep``) and of the history (see ``olap.keep``)."""

log = structlog.get_logger("exsync.service")


class Polls:
    """When each link is looked at next although nothing asks for it. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def set(self, link: str, at: float) -> None:
        """The link is due then, and not before."""
        with self._lock:
            self._next[link] = at
            heappush(self._heap, (at, link))

    def keep_only(self, links: frozenset[str]) -> None:
        """Forget links that are not among these."""
        with self._lock:
            self._next = {link: at for link, at in self._next.items() if link in links}

    def due(self, now: float) -> list[str]:
        """Links whose time has come, each given out once."""
        found = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now:
                at, link = heappop(self._heap)
                if self._next.get(link) == at:
                    del self._next[link]
                    found.append(link)
        return found


@dataclass(slots=True)
class Timekeeper:
    """One thread's task."""

    queue: Queue
    dispatcher: Dispatcher
    generations: Generations
    store: DuckStore
    metrics: Metrics
    clock: Clock
    stopping: threading.Event
    fraction: Callable[[], float]
    """A fresh number in [0, 1), for spreading polls."""
    told_of: Callable[[str, str], bool] = lambda target, link: True
    """Whether changes of this target's link would be told of now; otherwise it is polled like one that never are."""
    audit_within: timedelta | None = None
    """Within what time every link is to be audited by and by; None: only when an operator asks."""
    schedules: Callable[[], None] = lambda: None
    """Asks each minute for what links have by a clock of their own."""
    underway: Callable[[], None] = lambda: None
    """Asks each second for the next slices of snapshots under way."""
    polls: Polls = field(default_factory=Polls)
    last_seen: dict[str, float] = field(default_factory=dict)

    def keep(self) -> None:
        """Tick until the service stops."""
        minute = users = prune = self.clock.monotonic()
        while not self.stopping.wait(TICK):
            now = self.clock.monotonic()
            generation = self.generations.current
            self.queue.put(jobs_for(generation, self.polls.due(now), Cause.TIMER))
            self.underway()
            self.queue.flush()
            if now - minute >= MINUTE:
                minute = now
                self.queue.sample()
                self.audit_next()
                self.schedules()
            if now - users >= USERS:
                users = now
                self._quietly("crm.users_not_read", self._learn_owners)
            if now - prune >= PRUNE:
                prune = now
                self._quietly("crm.outbox_not_pruned", self._prune)
                self._forget()

    def started(self) -> None:
        """Every link gets a pass at the start: what changed while no service ran is caught up with (B-76)."""
        generation = self.generations.current
        self.queue.put(jobs_for(generation, generation.plan.links, Cause.TIMER))

    def passed(self, link: str) -> None:
        """A pass of this link has ended: its next poll is one period later, give or take a tenth."""
        now = self.clock.monotonic()
        self.last_seen[link] = now
        plan = self.generations.current.plan
        known = plan.links.get(link)
        if known is not None:
            told = plan.targets[known.target].notifications
            period = told.poll
            if told.mode != "poll" and not self.told_of(known.target, link):
                period = min(period, POLLING)
            self.polls.set(link, now + period.total_seconds() * (0.9 + 0.2 * self.fraction()))

    def followed(self) -> None:
        """A new generation is in use."""
        links = frozenset(self.generations.current.plan.links)
        self.polls.keep_only(links)
        self.last_seen = {link: at for link, at in self.last_seen.items() if link in links}

    def measure(self) -> None:
        """Bring the gauges up to date; called when they are read."""
        plan = self.generations.current.plan
        now, monotonic = self.clock.now(), self.clock.monotonic()
        messages = self.queue.messages()
        ages = {name: oldest([each for each in messages if each.target == name], now) for name in plan.targets}
        self.metrics.show_queue(messages, ages)
        for name, circuit in self.dispatcher.circuits().items():
            self.metrics.soft_errors.labels(name).set(circuit.failures)
            self.metrics.target_up.labels(name).set(1 if circuit.state is CircuitState.CLOSED else 0)
        stopped = {one.name for one in self.store.suspensions() if one.scope is Scope.CANDIDATE}
        for name in plan.candidates:
            self.metrics.candidate_stopped.labels(name).set(1 if name in stopped else 0)
        self.metrics.crm_up.set(0 if self.dispatcher.crm_down else 1)
        self._measure_links(monotonic)
        self._measure_progress()
        self._measure_proofs()

    def _measure_links(self, now: float) -> None:
        plan = self.generations.current.plan
        conditions: Counter[tuple[str, str, str]] = Counter()
        conflicts: Counter[tuple[str, str]] = Counter()
        aside: Counter[tuple[str, str]] = Counter()
        known = {entry.name: entry for entry in self.store.overview()}
        ages: dict[str, float] = dict.fromkeys(plan.targets, 0.0)
        for name, link in plan.links.items():
            entry = known.get(name)
            conditions[link.target, link.folder.value, entry.condition.value if entry else "new"] += 1
            conflicts[link.target, link.folder.value] += entry.open_conflicts if entry else 0
            aside[link.target, link.folder.value] += entry.quarantined if entry else 0
            if link.enabled and name in self.last_seen:
                ages[link.target] = max(ages[link.target], now - self.last_seen[name])
        self.metrics.show_links(conditions)
        for target in plan.targets:
            growing = sum(entry.step > 0 and name.startswith(f"{target}/") for name, entry in known.items())
            self.metrics.growing.labels(target).set(growing)
        for labels, number in conflicts.items():
            self.metrics.conflicts.labels(*labels).set(number)
        for labels, number in aside.items():
            self.metrics.quarantined.labels(*labels).set(number)
        for target, age in ages.items():
            self.metrics.watermark_age.labels(target).set(age)

    def _measure_progress(self) -> None:
        """How much snapshots and growing first syncs of each target have before them."""
        under_way = self.store.headways().values()
        growths = self.store.growths()
        for name in self.generations.current.plan.targets:
            mine = [at for at in under_way if at.link.startswith(f"{name}/")]
            left = sum(at.due * (2 if at.stage is Stage.COUNTING else 1) - at.done for at in mine)
            waiting = sum(one.waiting + one.beyond for link, one in growths.items() if link.startswith(f"{name}/"))
            self.metrics.snapshots.labels(name).set(len(mine))
            self.metrics.snapshot_items.labels(name).set(left)
            self.metrics.growing_items.labels(name).set(waiting)

    def _measure_proofs(self) -> None:
        """How old the oldest proof of each target is, and how much the newest audits found to differ."""
        now, proofs = self.clock.now(), self.store.proofs()
        ages: dict[str, float] = {}
        diverged: Counter[tuple[str, str]] = Counter()
        for name, link in self.generations.current.plan.links.items():
            proof = proofs.get(name)
            if link.enabled and proof is not None and proof.proven is not None:
                ages[link.target] = max(ages.get(link.target, 0.0), (now - proof.proven).total_seconds())
            found = proof.found if proof is not None else ()
            diverged[link.target, link.folder.value] += sum(one.finding is not Finding.WATERMARK for one in found)
        for labels, number in diverged.items():
            self.metrics.diverged.labels(*labels).set(number)
        for target, age in ages.items():
            self.metrics.proof_age.labels(target).set(age)

    def audit_next(self) -> None:
        """Ask for the next slice of the audit that is due longest: an unfinished one first, then the oldest. A link whose
        message waits has its audit after that has gone: it holds up nobody else's, and no message gathers errands."""
        generation, proofs = self.generations.current, self.store.proofs()
        due = self.clock.now() - self.audit_within if self.audit_within else None
        if due is None:
            return
        busy = {message.link for message in self.queue.messages()}
        waiting = [
            ((proof.finished is not None, proof.started) if proof else (True, EPOCH), name)
            for name, link in generation.plan.links.items()
            if link.enabled and name not in busy and self.store.link(name).matched
            for proof in (proofs.get(name),)
            if proof is None or proof.finished is None or proof.started < due
        ]
        if waiting:
            link = generation.plan.links[min(waiting)[1]]
            order = Order(AUDIT_RUN, errand=Audit(most=AUDIT_SLICE))
            self.queue.put(jobs_for(generation, [link.name], Cause.TIMER, (order,)))

    def _learn_owners(self) -> None:
        """Links whose users are new in the CRM have their first pass at once."""
        generation = self.generations.current
        self.queue.put(jobs_for(generation, generation.learn_owners(), Cause.CRM))

    def _prune(self) -> None:
        count = self.generations.current.runner.tidy()
        if count:
            log.info("crm.outbox_pruned", rows=count)

    def _forget(self) -> None:
        """History that is older than the configuration keeps goes."""
        count = History(self.store).forget(self.clock.now() - self.generations.current.plan.service.keep)
        if count:
            log.info("history.forgotten", rows=count)

    def _quietly(self, event: str, task: Callable[[], object]) -> None:
        """What may fail now is tried again the next time; the follower tells when the CRM is down."""
        try:
            task()
        except StateError:
            raise
        except ExsyncError as error:
            log.warning(event, error=str(error))
