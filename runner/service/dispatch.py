"""Who may run now: suspensions, circuits and each target's number of passes, applied to the queue's lease.

A target runs as many passes at a time as its plan has ``connections``: a pass never uses more than one.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

import structlog

from runner.config.plan import SyncPlan
from runner.engine.hindrance import hindrance_of
from runner.model.ports import Clock, Queue, Rng
from runner.model.queueing import Barred, Message
from runner.model.state import Suspension
from runner.service.circuit import Circuit, CircuitState
from runner.service.verdict import Trouble

log = structlog.get_logger("exsync.service")


class Dispatcher:
    """Leases messages for workers and keeps every target's circuit. Safe to share between threads."""

    def __init__(self, queue: Queue, clock: Clock, rng: Rng) -> None:
        self._queue, self._clock, self._rng = queue, clock, rng
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._circuits: dict[str, Circuit] = {}
        self._limits: dict[str, int] = {}
        self._hindered_targets: frozenset[str] = frozenset()
        self._hindered_links: frozenset[str] = frozenset()
        self._crm_down: str | None = None
        self._closed = False

    def follow(self, plan: SyncPlan, suspensions: tuple[Suspension, ...]) -> None:
        """Take up limits and hindrances of a plan, or of what operators have suspended."""
        hindered = {name for name, link in plan.links.items() if hindrance_of(plan, link, suspensions) is not None}
        by_target: dict[str, set[str]] = {}
        for name, link in plan.links.items():
            by_target.setdefault(link.target, set()).add(name)
        targets = frozenset(target for target, links in by_target.items() if links <= hindered)
        with self._lock:
            self._limits = {name: target.connections for name, target in plan.targets.items()}
            self._hindered_targets = targets
            self._hindered_links = frozenset(name for name in hindered if plan.links[name].target not in targets)
            self._circuits = {name: each for name, each in self._circuits.items() if name in plan.targets}
        self._queue.wake()

    def lease(self) -> Message | None:
        """The next message that may run, counted as a pass of its target until :meth:`ended`."""
        with self._lock:
            if self._closed or self._crm_down is not None:
                return None
            now = self._clock.now()
            full = {
                name
                for name, limit in self._limits.items()
                if self._running[name] >= limit or not self._circuit(name).admits(now, self._running[name])
            }
            message = self._queue.lease(Barred(self._hindered_targets | full, self._hindered_links))
            if message is not None:
                self._running[message.target] += 1
                if message.target in self._limits:
                    self._circuits[message.target] = self._circuit(message.target).begun()
            return message

    def ended(self, target: str, trouble: Trouble | None, reason: str = "") -> None:
        """A pass ended; ``trouble`` None says nothing about the target (the CRM was at fault, or there was no pass)."""
        with self._lock:
            self._running[target] -= 1
            before = self._circuit(target)
            if trouble is None:
                after = before.unsettled()
            else:
                after = before.ended(trouble, reason, self._clock.now(), self._rng.token())
            if target in self._limits:
                self._circuits[target] = after
        if after.state is not before.state:
            self._told(target, before, after)
        if before.state is CircuitState.PROBING and after.state is CircuitState.CLOSED:
            self._queue.release_target(target)
        self._queue.wake()

    def refuse(self, target: str, reason: str) -> None:
        """The target's server has refused the log-on of something that was no pass."""
        with self._lock:
            before = self._circuit(target)
            after = before.ended(Trouble.REFUSED, reason, self._clock.now(), "")
            if target in self._limits:
                self._circuits[target] = after
        if after.state is not before.state:
            self._told(target, before, after)

    def crm_is(self, down: str | None) -> None:
        """The CRM does not work, for this reason: no pass begins; None: it does again."""
        with self._lock:
            before, self._crm_down = self._crm_down, down
        if down is not None and before is None:
            log.error("crm.down", reason=down)
        elif down is None and before is not None:
            log.info("crm.up")
            self._queue.wake()

    def reset(self, target: str) -> None:
        """Forget what is known of a target's health: it is configured anew, or an operator says so."""
        with self._lock:
            self._circuits.pop(target, None)
        self._queue.release_target(target)

    def close(self) -> None:
        """Lease nothing any more."""
        with self._lock:
            self._closed = True
        self._queue.wake()

    @property
    def closed(self) -> bool:
        """Whether nothing is leased any more."""
        return self._closed

    @property
    def crm_down(self) -> str | None:
        """Why the CRM does not work; None when it does."""
        return self._crm_down

    def circuits(self) -> Mapping[str, Circuit]:
        """Every target's circuit."""
        with self._lock:
            return {name: self._circuit(name) for name in self._limits}

    def running(self) -> int:
        """How many passes run."""
        with self._lock:
            return self._running.total()

    def _circuit(self, target: str) -> Circuit:
        return self._circuits.get(target) or Circuit()

    def _told(self, target: str, before: Circuit, after: Circuit) -> None:
        if after.state is CircuitState.CLOSED:
            log.info("target.up", target=target)
        elif after.state is CircuitState.REFUSED:
            log.error("target.refused", target=target, reason=after.reason)
        elif before.state is CircuitState.CLOSED:
            log.error("target.down", target=target, reason=after.reason, probed_at=after.until)
