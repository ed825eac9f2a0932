"""How passes take turns (B-20): what the YAML says of priorities and of the time that a pass may take."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.config import load_plan
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.sending import INTERRUPTED
from runner.model.errors import Transient
from runner.model.queueing import PRIORITY, Barred, Cause, Message, MessageState, Order
from runner.observe.metrics import Metrics
from runner.queue import EmbeddedQueue
from runner.service.follower import jobs_for
from runner.service.gate import Gate
from runner.service.reports import Reports
from runner.service.turns import TURN, Turns
from runner.service.worker import Worker
from runner.store import Journal, open_store
from runner.testing.clock import FakeClock
from runner.testing.rng import SeededRng
from tests.service.test_configuration import HQ, write
from tests.service.test_dispatch import ANN, BOB


def configured(root: Path, queue: str = "") -> Any:
    """A generation whose service.yaml says this of the queue."""
    write(root, HQ)
    if queue:
        (root / "service.yaml").write_text(f"version: 1\nkind: service\nqueue: {queue}\n")
    return SimpleNamespace(plan=load_plan(root))


def test_what_is_not_stated_is_as_it_was(tmp_path: Path) -> None:
    plan = configured(tmp_path, "{priorities: {timer: 60}}").plan.service.queue
    assert plan.timeout == timedelta(minutes=30)
    assert plan.priorities == {**PRIORITY, Cause.TIMER: 60}
    assert configured(tmp_path, "{timeout: 0s}").plan.service.queue.timeout is None


@pytest.mark.parametrize(("queue", "first"), [("", BOB), ("{priorities: {timer: 60, crm: 20}}", ANN)])
def test_who_goes_first_is_as_the_yaml_says(tmp_path: Path, queue: str, first: str) -> None:
    """The higher number goes first, whoever came first."""
    generation, clock = configured(tmp_path, queue), FakeClock()
    with open_store(None, clock=clock) as store:
        messages = EmbeddedQueue(Journal(store), clock)
        messages.put(jobs_for(generation, [ANN], Cause.TIMER))
        messages.put(jobs_for(generation, [BOB], Cause.CRM))
        leased = messages.lease(Barred())
        assert leased is not None
        assert leased.link == first


def test_a_turn_ends_in_time_and_one_without_a_step_is_longer_the_next_time() -> None:
    clock, turns, limit = FakeClock(), Turns(), timedelta(seconds=60)

    def lasts(link: str) -> int:
        over, seconds = turns.over(link, limit, clock.monotonic), 0
        while not over():
            clock.advance(1)
            seconds += 1
        return seconds

    assert lasts(ANN) == 60
    turns.ended(ANN, early=True, moved=False)
    assert (lasts(ANN), lasts(BOB)) == (120, 60)
    turns.ended(ANN, early=True, moved=True)
    assert lasts(ANN) == 60
    for _ in range(50):
        turns.ended(ANN, early=True, moved=False)
    assert lasts(ANN) == 60 * 1024
    turns.ended(ANN, early=False, moved=False)
    assert lasts(ANN) == 60
    assert not turns.over(ANN, None, clock.monotonic)()


class Alone:
    """A dispatcher that gives one message out, and has ended then."""

    closed = False

    def __init__(self, queue: EmbeddedQueue) -> None:
        self.queue = queue

    def lease(self) -> Message | None:
        self.closed = True
        return self.queue.lease(Barred())

    def ended(self, target: str, trouble: object, reason: str) -> None:
        """Nobody counts."""


def test_a_pass_whose_turn_is_over_waits_without_fault_and_goes_on(tmp_path: Path) -> None:
    """Ended between two steps, put back for a moment, no attempt counted; an ordered pass is not ended."""
    generation, clock = configured(tmp_path, "{timeout: 1m}"), FakeClock()
    ended: list[bool] = []

    def pass_over(link: Any, owner: object, orders: Orders) -> PassReport:
        assert orders.stopping is not None
        clock.advance(61)
        ended.append(orders.stopping())
        error = Transient("ended here", code=INTERRUPTED) if ended[-1] else None
        return PassReport(link.name, counts=Counter({"target.create": 1}), error=error)

    with open_store(None, clock=clock) as store:
        queue = EmbeddedQueue(Journal(store), clock)
        generation.number, generation.owners = 1, {"ann.lee@example.com": "1"}
        generation.runner = SimpleNamespace(store=store, pass_over=pass_over)
        generations: Any = SimpleNamespace(begin=lambda: generation, end=lambda one: None, current=generation)

        def work() -> None:
            alone: Any = Alone(queue)
            parts = (alone, generations, Gate(), Reports(), Metrics(), clock, SeededRng())
            Worker(queue, *parts, lambda: False, lambda link: None).work()

        queue.put(jobs_for(generation, [ANN], Cause.TIMER))
        work()
        [waiting] = queue.messages()
        assert ended == [True]
        assert (waiting.state, waiting.attempts, waiting.due) == (MessageState.WAITING, 0, clock.now() + TURN)
        queue.put(jobs_for(generation, [ANN], Cause.OPERATOR, (Order("run-1"),)))
        work()
        assert ended == [True, False]
        assert list(queue.messages()) == []
