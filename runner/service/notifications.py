"""Being told of changes, all targets together: who subscribes for whom, and what becomes of a hint (B-10, B-11)."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog

from runner.config.plan import ExchangePlan
from runner.engine.parts import ref_of
from runner.model.errors import ExsyncError, StateError
from runner.model.items import LinkRef
from runner.model.ports import Clock, Queue, Rng, Subscribes
from runner.model.queueing import Cause
from runner.observe.metrics import Metrics
from runner.service.dispatch import Dispatcher
from runner.service.edges import Edges
from runner.service.follower import jobs_for
from runner.service.generation import Generation, Generations
from runner.service.subscriber import Subscriber, Telling
from runner.service.subscriptions import Standing
from runner.service.supervision import Supervisor

AGAIN = 60.0
"""Seconds until a target is tried again whose connector could not be opened."""

log = structlog.get_logger("exsync.notifications")


@dataclass(slots=True)
class Notifications:
    """One thread's task (:meth:`keep`), and what other threads tell it."""

    queue: Queue
    dispatcher: Dispatcher
    generations: Generations
    metrics: Metrics
    clock: Clock
    rng: Rng
    supervisor: Supervisor
    pushed: bool = False
    """Whether anything listens for posts."""
    _wake: threading.Condition = field(default_factory=threading.Condition)
    _edges: Edges = field(default_factory=Edges)
    _subscribers: dict[str, Subscriber] = field(default_factory=dict)
    _followed: Generation | None = None
    _renewed: set[str] = field(default_factory=set)

    # -- from other threads ------------------------------------------------------------------------------------------

    def followed(self, renewed: Iterable[str] = ()) -> None:
        """A new generation is in use; the connectors of these targets are new."""
        with self._wake:
            self._renewed |= set(renewed)
            self._followed = None
            self._wake.notify()

    def subscriber(self, target: str) -> Subscriber | None:
        """Who subscribes for a target; None when nobody does."""
        return self._subscribers.get(target)

    def live(self, target: str, link: str) -> bool:
        """Whether changes of a link's folder would be told of now."""
        subscriber = self._subscribers.get(target)
        entry = subscriber.entry(link) if subscriber is not None else None
        return entry is not None and entry.standing is Standing.LIVE

    def view(self, target: str, link: str) -> dict[str, Any] | None:
        """A link's subscription as plain data; None when its target tells nothing."""
        subscriber = self._subscribers.get(target)
        entry = subscriber.entry(link) if subscriber is not None else None
        if entry is None:
            return None
        return {
            "state": entry.standing.value,
            "since": entry.since.isoformat() if entry.since else None,
            "last_renewed": entry.last_renewed.isoformat() if entry.last_renewed else None,
            "reason": entry.reason,
        }

    def measure(self) -> None:
        """Bring the gauges up to date."""
        for target in self.generations.current.plan.targets:
            subscriber = self._subscribers.get(target)
            standings, lines = subscriber.measure() if subscriber is not None else ({}, 0)
            for standing in Standing:
                self.metrics.subscriptions.labels(target, standing.value).set(standings.get(standing, 0))
            self.metrics.streams.labels(target).set(lines)

    # -- the thread --------------------------------------------------------------------------------------------------

    def keep(self) -> None:
        """Follow the configuration and carry out what hints leave for later, until the service stops."""
        again = self.clock.monotonic()
        try:
            while not self.supervisor.stopping.is_set():
                if self._followed is not self.generations.current or self.clock.monotonic() >= again:
                    again = self.clock.monotonic() + AGAIN
                    self._follow()
                with self._wake:
                    due = self._edges.due(self.clock.monotonic())
                self._put(due, Cause.NOTIFICATION)
                self._rest(again)
        finally:
            if self.supervisor.stopping.is_set():
                self.close()

    def close(self) -> None:
        """End every connection."""
        for subscriber in list(self._subscribers.values()):
            subscriber.close()
        self._subscribers.clear()

    def _rest(self, at_latest: float) -> None:
        with self._wake:
            if self._followed is None or self.supervisor.stopping.is_set():
                return
            due = self._edges.next_due()
            wait = min(at_latest, at_latest if due is None else due) - self.clock.monotonic()
            if wait > 0:
                self._wake.wait(min(wait, 1.0) if due is None else wait)

    def _follow(self) -> None:
        with self._wake:
            generation = self._followed = self.generations.current
            renewed, self._renewed = self._renewed, set()
        plan = generation.plan
        wanted: dict[str, dict[str, LinkRef]] = {
            name: {} for name, target in plan.targets.items() if target.enabled and target.notifications.mode != "poll"
        }
        for link in plan.links.values():
            if link.enabled and link.target in wanted:
                wanted[link.target][link.name] = ref_of(link, None)
        for name, subscriber in list(self._subscribers.items()):
            if name not in wanted or name in renewed or subscriber.plan != plan.targets[name]:
                del self._subscribers[name]
                subscriber.close()
        for name, links in wanted.items():
            known = self._subscribers.get(name) or self._begin(generation, name)
            if known is not None:
                known.follow(links)

    def _begin(self, generation: Generation, name: str) -> Subscriber | None:
        plan = generation.plan.targets[name]
        if not isinstance(plan, ExchangePlan):
            return None
        try:
            connector = generation.runner.targets(name)
        except StateError:
            raise
        except ExsyncError as error:
            log.warning("notifications.not_begun", target=name, error=str(error))
            return None
        if not isinstance(connector, Subscribes):
            return None
        if generation.plan.targets[name].notifications.mode == "push" and not self.pushed:
            log.warning(
                "push.no_listener", target=name, remedy="start exsync serve with --push-listen; until then it is polled"
            )
            return None
        telling = Telling(
            changed=self._hinted,
            look=lambda links: self._put(links, Cause.NOTIFICATION),
            refused=lambda reason: self.dispatcher.refuse(name, reason),
        )
        subscriber = Subscriber(
            plan,
            connector,
            telling,
            self.metrics,
            self.clock,
            self.rng,
            self.supervisor.stopping,
        )
        self._subscribers[name] = subscriber
        self.supervisor.start(f"notifications-{name}", subscriber.run, lambda: subscriber.over)
        return subscriber

    def _hinted(self, links: Iterable[str]) -> None:
        with self._wake:
            at_once = self._edges.hint(links, self.clock.monotonic())
            self._wake.notify()
        self._put(at_once, Cause.NOTIFICATION)

    def _put(self, links: Iterable[str], cause: Cause) -> None:
        jobs = jobs_for(self.generations.current, links, cause)
        if jobs:
            self.queue.put(jobs)
