"""Follows the CRM: a commit there becomes dirty marks at once, and a message for each link concerned (B-10)."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import structlog

from runner.engine.drain import drain
from runner.model.errors import ExsyncError, StateError
from runner.model.ports import Clock, Queue, Rng, WatchedCrm
from runner.model.queueing import Cause, Job, Order
from runner.queue import backoff
from runner.service.dispatch import Dispatcher
from runner.service.gate import Gate
from runner.service.generation import Generation, Generations

LONGEST = timedelta(minutes=1)
"""Longest wait between two attempts to reach the CRM."""
PATIENT = 300.0
"""Seconds between two attempts when it refuses the log-on, so that no account gets locked."""

log = structlog.get_logger("exsync.crm")


@dataclass(slots=True)
class Follower:
    """One thread's task: listen, read the outbox to its end, mark, enqueue, listen again."""

    queue: Queue
    dispatcher: Dispatcher
    generations: Generations
    gate: Gate
    clock: Clock
    rng: Rng
    stopping: threading.Event

    def follow(self) -> None:
        """Follow the CRM of the current generation until the service stops; what it cannot do now is tried again."""
        failures = 0
        while not self.stopping.is_set():
            try:
                self._listen(self.generations.current)
                failures = 0
            except StateError:
                raise
            except ExsyncError as error:
                failures += 1
                self.dispatcher.crm_is(f"{error.code}: {error}")
                hint = PATIENT if error.exit_code == 77 else 0.0
                wait = backoff(failures, self.rng.token(), hint=hint, longest=LONGEST)
                self.stopping.wait(wait.total_seconds())

    def _listen(self, generation: Generation) -> None:
        crm = cast(WatchedCrm, generation.runner.crm)
        with crm.watch(lambda: self.stopping.is_set() or self.generations.current is not generation) as watch:
            while not self.stopping.is_set() and self.generations.current is generation:
                if generation.owners is None:
                    generation.learn_owners()
                self._drain(generation)
                self.dispatcher.crm_is(None)
                watch.wait()

    def _drain(self, generation: Generation) -> None:
        runner = generation.runner
        drained = drain(runner.store, runner.crm, generation.plan.crm.name, generation.routes, self.gate.alone)
        if drained.links:
            log.debug("crm.changed", keys=drained.changed, links=len(drained.links), generation=generation.number)
            self.queue.put(jobs_for(generation, drained.links, Cause.CRM))


def jobs_for(generation: Generation, names: Iterable[str], cause: Cause, orders: tuple[Order, ...] = ()) -> list[Job]:
    """Wishes for passes of those links that are configured and enabled; the others keep their marks."""
    plan, rank = generation.plan, generation.plan.service.queue.priorities[cause]
    links = [plan.links[name] for name in names if name in plan.links]
    return [
        Job(link.name, link.target, cause, orders, rank)
        for link in links
        if link.enabled and plan.targets[link.target].enabled
    ]
