"""Who may run now: a target's limit, its circuit, suspensions of every scope, a CRM that is down (B-15, B-23)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.config import load_plan
from runner.config.plan import SyncPlan
from runner.engine.hindrance import hindrance_of
from runner.model.errors import UsageError
from runner.model.queueing import Cause, Job, MessageState
from runner.model.state import Scope
from runner.queue import EmbeddedQueue
from runner.service import acts
from runner.service.acts import Operator
from runner.service.circuit import CircuitState
from runner.service.dispatch import Dispatcher
from runner.service.verdict import Trouble
from runner.store import DuckStore, Journal, open_store
from runner.testing.clock import FakeClock
from runner.testing.rng import SeededRng
from tests.service.test_configuration import HQ, write

ANN, BOB = "sandbox/ann.lee@example.com/calendar", "sandbox/bob.ray@example.com/calendar"


@pytest.fixture
def plan(tmp_path: Path) -> SyncPlan:
    return load_plan(write(tmp_path, HQ.replace("access:", "connections: 2\naccess:")))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> Iterator[DuckStore]:
    with open_store(None, clock=clock) as opened:
        yield opened


@pytest.fixture
def queue(store: DuckStore, clock: FakeClock) -> EmbeddedQueue:
    made = EmbeddedQueue(Journal(store), clock)
    made.put([Job(name, "sandbox", Cause.TIMER) for name in (ANN, BOB)])
    return made


@pytest.fixture
def dispatcher(queue: EmbeddedQueue, plan: SyncPlan, clock: FakeClock) -> Dispatcher:
    made = Dispatcher(queue, clock, SeededRng())
    made.follow(plan, ())
    return made


def test_a_target_has_as_many_passes_as_connections(dispatcher: Dispatcher, queue: EmbeddedQueue) -> None:
    """One session per pass; the third waits for a free place."""
    queue.put([Job("sandbox/cat/calendar", "sandbox", Cause.TIMER)])
    first, second = dispatcher.lease(), dispatcher.lease()
    assert first
    assert second
    assert dispatcher.lease() is None
    queue.done(first)
    dispatcher.ended("sandbox", Trouble.NONE)
    assert dispatcher.lease() is not None


def test_an_open_circuit_holds_everything_until_one_pass_has_found_out(
    dispatcher: Dispatcher, queue: EmbeddedQueue, clock: FakeClock
) -> None:
    message = dispatcher.lease()
    assert message
    queue.put_back(message, due=None, reason="nobody answers")
    dispatcher.ended("sandbox", Trouble.UNREACHABLE, "nobody answers")
    assert dispatcher.lease() is None
    clock.advance(5)
    probe = dispatcher.lease()
    assert probe
    assert dispatcher.circuits()["sandbox"].state is CircuitState.PROBING
    assert dispatcher.lease() is None
    queue.done(probe)
    dispatcher.ended("sandbox", Trouble.NONE)
    assert dispatcher.lease() is not None


def test_a_probe_that_the_crm_spoilt_says_nothing(
    dispatcher: Dispatcher, queue: EmbeddedQueue, clock: FakeClock
) -> None:
    message = dispatcher.lease()
    assert message
    queue.put_back(message, due=None, reason="nobody answers")
    dispatcher.ended("sandbox", Trouble.UNREACHABLE, "nobody answers")
    clock.advance(5)
    assert dispatcher.lease()
    dispatcher.crm_is("connection refused")
    dispatcher.ended("sandbox", None)
    assert dispatcher.lease() is None
    dispatcher.crm_is(None)
    assert dispatcher.lease() is not None


def test_a_refused_log_on_waits_for_an_operator(dispatcher: Dispatcher, queue: EmbeddedQueue, clock: FakeClock) -> None:
    message = dispatcher.lease()
    assert message
    queue.put_back(message, due=None, reason="401")
    dispatcher.ended("sandbox", Trouble.REFUSED, "401")
    clock.advance(7 * 86400)
    assert dispatcher.lease() is None
    dispatcher.reset("sandbox")
    assert dispatcher.lease() is not None


def test_nothing_runs_once_it_is_closed(dispatcher: Dispatcher) -> None:
    dispatcher.close()
    assert dispatcher.lease() is None


@pytest.mark.parametrize(
    ("scope", "name", "left"), [(Scope.ALL, "", set()), (Scope.TARGET, "sandbox", set()), (Scope.LINK, ANN, {BOB})]
)
def test_what_is_suspended_keeps_its_messages(
    store: DuckStore,
    plan: SyncPlan,
    dispatcher: Dispatcher,
    queue: EmbeddedQueue,
    scope: Scope,
    name: str,
    left: set[str],
) -> None:
    """B-15: queued work is kept, coalesced, and runs on resume; who did it stays on record."""
    who = Operator("ann", FakeClock().now())
    [made] = acts.suspend(store, plan, who, scope, name, "a move")
    dispatcher.follow(plan, tuple(store.suspensions()))
    queue.put([Job(each, "sandbox", Cause.CRM) for each in (ANN, BOB)])
    assert {message.link for message in (dispatcher.lease(),) if message} == left
    assert dispatcher.lease() is None
    told = hindrance_of(plan, plan.links[ANN], [made])
    assert told
    assert "ann" in told.reason
    assert "a move" in told.reason

    assert acts.resume(store, plan, who, scope, name) == [made.name]
    assert list(store.suspensions()) == []
    dispatcher.follow(plan, ())
    leased = dispatcher.lease()
    assert leased
    assert leased.state is MessageState.DISPATCHING
    assert leased.hints == 2
    assert [act.what for act in store.acts(10)] == ["resume", "suspend"]


def test_a_name_that_is_not_there_is_refused(store: DuckStore, plan: SyncPlan) -> None:
    who = Operator("ann", FakeClock().now())
    for scope in (Scope.TARGET, Scope.LINK):
        with pytest.raises(UsageError, match="nowhere"):
            acts.suspend(store, plan, who, scope, "nowhere", None)
    assert list(store.acts(10)) == []
