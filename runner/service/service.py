"""The service: the state, the queue, the connectors and the threads, put together, started and stopped in order."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from runner.config.plan import SyncPlan
from runner.model.ports import Clock, Rng
from runner.model.queueing import Cause
from runner.observe.metrics import Metrics
from runner.queue import EmbeddedQueue
from runner.queue.backoff import fraction
from runner.queue.embedded import MOST_ATTEMPTS
from runner.service.configuration import Configuration, Look
from runner.service.connections import Connections, Opening
from runner.service.dispatch import Dispatcher
from runner.service.follower import Follower, jobs_for
from runner.service.gate import Gate
from runner.service.generation import Generations, difference
from runner.service.lastgood import LastGood
from runner.service.lists import Lists
from runner.service.notifications import Notifications
from runner.service.reloader import Reloader
from runner.service.reports import Reports
from runner.service.schedules import Schedules
from runner.service.supervision import Supervisor
from runner.service.timekeeper import Timekeeper
from runner.service.underway import Underway
from runner.service.watching import Watching
from runner.service.worker import Worker
from runner.store import DuckStore, Journal, StoredPlaces, open_store

REHEARSALS = ".exsync-plan-"
"""How the directories begin in which copies of the state lie while ``plan`` looks at them."""

log = structlog.get_logger("exsync.service")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is fixed for the life of the process. ``grace``: seconds that running passes get when it is stopped;
    ``attempts``: passes of one message that may fail before it is blocked (B-20); ``pushed``: posts of servers are
    listened for."""

    root: Path
    state: Path
    workers: int = 8
    grace: float = 30.0
    attempts: int = MOST_ATTEMPTS
    strict_start: bool = False
    pushed: bool = False
    audit_within: timedelta | None = None
    """Within what time every link is audited by and by; None: not at all."""


class Service:
    """One running service over one state. Made by ``exsync serve``; the control API works on its parts."""

    def __init__(self, settings: Settings, opening: Opening, clock: Clock, rng: Rng) -> None:
        """Open the state and the configuration; nothing runs yet. Raises what either raises."""
        self.settings, self.clock, self.rng = settings, clock, rng
        self.metrics = Metrics()
        self.supervisor = Supervisor(clock)
        self.started_at: datetime = clock.now()
        self.reports = Reports()
        self.gate = Gate()
        self.watching = Watching()
        self.store: DuckStore = open_store(settings.state, clock=clock, timed=self.metrics.state_writes.observe)
        for left in settings.state.parent.glob(f"{REHEARSALS}*"):
            shutil.rmtree(left, ignore_errors=True)
        try:
            self.connections = Connections(opening, StoredPlaces(self.store), self.metrics.asked)
            self.configuration = Configuration(
                settings.root, LastGood.beside(settings.state), clock, lambda plan: _secret_print(opening, plan)
            )
            self.generations = Generations(self.connections, self.store, clock, rng)
            first = self.configuration.start(strict=settings.strict_start)
            self.queue = EmbeddedQueue(Journal(self.store), clock, most_attempts=settings.attempts)
            self.dispatcher = Dispatcher(self.queue, clock, rng)
            self.notifications = Notifications(
                self.queue,
                self.dispatcher,
                self.generations,
                self.metrics,
                clock,
                rng,
                self.supervisor,
                settings.pushed,
            )
            self.timekeeper = Timekeeper(
                self.queue,
                self.dispatcher,
                self.generations,
                self.store,
                self.metrics,
                clock,
                self.supervisor.stopping,
                lambda: fraction(rng.token()),
                self.notifications.live,
                settings.audit_within,
                Schedules(self.queue, self.generations, self.store, clock, rng, self.started_at).ask,
            )
            self.underway = Underway(self.queue, self.generations, self.store, clock, self.reports)
            self.timekeeper.underway = self.underway.ask
            self.lists = Lists(
                self.connections, self.store, clock, self.supervisor.stopping, lambda: self._declared, self._regrow
            )
            self.reloader = Reloader(self.configuration, self._swap, self.metrics, clock, self.supervisor.stopping)
            self._swap(first)
            self.configuration.confirm(first)
            self.reloader.tell(first)
        except BaseException:  # an interrupt, too, must give the state back; it goes on up
            self.store.close()
            raise

    def start(self) -> None:
        """Start every thread, and ask for a pass of every link."""
        self.timekeeper.started()
        for name, task in self._tasks().items():
            self.supervisor.start(name, task)
        log.info(
            "service.started",
            generation=self.generations.current.number,
            links=len(self.generations.current.plan.links),
            workers=self.settings.workers,
        )

    def _tasks(self) -> dict[str, Callable[[], None]]:
        worker = Worker(
            self.queue,
            self.dispatcher,
            self.generations,
            self.gate,
            self.reports,
            self.metrics,
            self.clock,
            self.rng,
            self.supervisor.stopping.is_set,
            self.timekeeper.passed,
            watching=self.watching,
            heard=self.underway.heard,
        )
        follower = Follower(
            self.queue,
            self.dispatcher,
            self.generations,
            self.gate,
            self.clock,
            self.rng,
            self.supervisor.stopping,
        )
        tasks: dict[str, Callable[[], None]] = {f"worker-{n + 1}": worker.work for n in range(self.settings.workers)}
        return tasks | {
            "crm": follower.follow,
            "clock": self.timekeeper.keep,
            "files": self.reloader.watch,
            "notifications": self.notifications.keep,
            "lists": self.lists.keep,
        }

    def _swap(self, look: Look) -> None:
        """Put a plan to use: passes that run keep theirs, links that changed get one, the others notice nothing."""
        plan = look.plan
        if plan is None:
            raise ValueError("only a look with a plan can be swapped in")
        self._put_to_use(look.generation, self.lists.grown(plan))
        self._declared = plan

    def _regrow(self, declared: SyncPlan, grown: SyncPlan) -> None:
        """Who came to a list gets his links now, who left it loses them (B-73); the generation stays the one it is."""
        with self.reloader.still():
            current = self.generations.current
            changes = difference(current.plan, grown)
            if declared is self._declared and (changes.added or changes.removed):
                self._put_to_use(current.number, grown)

    def _put_to_use(self, number: int, plan: SyncPlan) -> None:
        before = self.generations.current if self.generations.has_one else None
        changes = difference(before.plan if before else None, plan)
        renewed = self.connections.outdated(plan.crm, list(plan.targets.values()), before.number if before else 0)
        generation = self.generations.swap(number, plan)
        held = {message.link for message in self.queue.messages() if message.held_since is not None}
        generation.runner.follow_configuration(name for name in self.store.links() if name not in held)
        self.dispatcher.follow(plan, tuple(self.store.suspensions()))
        for name in renewed & plan.targets.keys():
            self.dispatcher.reset(name)
        self.timekeeper.followed()
        self.notifications.followed(renewed)
        self.queue.forget_links(changes.removed)
        if before is not None:
            self.queue.put(jobs_for(generation, changes.to_run, Cause.CONFIGURATION))
            log.info(
                "config.difference",
                added=len(changes.added),
                changed=len(changes.changed),
                removed=len(changes.removed),
                renewed=sorted(renewed),
            )

    def suspensions_changed(self) -> None:
        """An operator has suspended or resumed something."""
        generation = self.generations.current
        self.dispatcher.follow(generation.plan, tuple(self.store.suspensions()))

    def resume_target(self, target: str) -> None:
        """Try a target again whose log-on was refused, with a fresh connector."""
        self.connections.renew(target, self.generations.current.number)
        self.dispatcher.reset(target)
        self.notifications.followed([target])

    def stop(self) -> list[str]:
        """Stop in order: lease nothing, let passes end, close connectors, flush, close the state.

        A pass that does not end within the grace period is abandoned where it is: its writes have intents, which the next
        start settles. Returns the names of the threads that were abandoned.
        """
        log.info("service.stopping", running=self.dispatcher.running())
        self.dispatcher.close()
        self.reports.close()
        left = self.supervisor.stop(self.settings.grace)
        if left:
            log.warning("service.abandoned", threads=left)
        try:
            self.queue.flush()
        finally:
            self.store.close()
            if not left:
                self.connections.close()
        log.info("service.stopped")
        return left


def _secret_print(opening: Opening, plan: SyncPlan) -> str:
    prints = [opening.secret_print(plan.crm), *(opening.secret_print(target) for target in plan.targets.values())]
    return hashlib.sha256("\n".join(prints).encode()).hexdigest()
