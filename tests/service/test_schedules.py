"""What links have by a clock of their own: first syncs that grow, and snapshots by schedule (B-70, B-71)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from runner.config.expanding import Schedule
from runner.config.plan import LinkPlan
from runner.model.errands import Snapshot
from runner.model.headway import Headway
from runner.model.queueing import Barred
from runner.model.state import Commit, LinkState, Mark, Scope, Suspension
from runner.model.terms import Side
from runner.queue import EmbeddedQueue
from runner.reconcile.expanding import Expansion
from runner.service.schedules import Schedules
from runner.store import DuckStore, Journal, open_store
from runner.testing.clock import FakeClock
from runner.testing.rng import SeededRng
from tests.engine.world import ANN, link_plan, sync_plan

NIGHTLY = Schedule("send", "30 3 * * *", "Europe/Vienna")
GROWING = Expansion(timedelta(days=1), timedelta(days=7))
NAME = f"sandbox/{ANN}/calendar"


class Desk:
    """A queue, a state and a clock, at noon; it looks at the schedules as the service does, without one."""

    def __init__(self, store: DuckStore, clock: FakeClock) -> None:
        self.store, self.clock = store, clock
        self.queue = EmbeddedQueue(Journal(store), clock)

    def knows(self, link: LinkPlan, **state: Any) -> None:
        self.store.commit(Commit(links=(LinkState(NAME, matched=True, **state),)))
        generations: Any = SimpleNamespace(current=SimpleNamespace(plan=sync_plan(link)))
        self.schedules = Schedules(
            self.queue, generations, self.store, self.clock, SeededRng(1), since=self.clock.now()
        )

    def asked(self) -> list[Any]:
        """The errands of the messages that are there now, which are taken and done; None is a pass."""
        self.schedules.ask()
        found: list[Any] = []
        while message := self.queue.lease(Barred()):
            found += [order.errand for order in message.orders] or [None]
            self.queue.done(self.queue.begin(message))
        return found


@pytest.fixture
def desk() -> Iterator[Desk]:
    clock = FakeClock(datetime(2026, 11, 27, 12, 0, tzinfo=UTC))
    with open_store(None, clock=clock) as store:
        yield Desk(store, clock)


def test_a_snapshot_is_made_at_its_time_and_once(desk: Desk) -> None:
    """By schedule nobody sees its plan, so it deletes nothing."""
    desk.knows(link_plan(snapshot=NIGHTLY))
    assert desk.asked() == []
    desk.clock.advance(timedelta(hours=14, minutes=30))  # half past three in Vienna
    assert desk.asked() == [Snapshot(Side.CRM, deletes=False, scheduled=True)]
    assert desk.asked() == []
    desk.store.commit(Commit(links=(replace(desk.store.link(NAME), snapshot_at=desk.clock.now()),)))
    desk.clock.advance(timedelta(hours=23))
    assert desk.asked() == []
    desk.clock.advance(timedelta(hours=1))
    assert len(desk.asked()) == 1


def test_what_was_due_while_no_service_ran_is_made_once(desk: Desk) -> None:
    desk.knows(link_plan(snapshot=NIGHTLY), snapshot_at=desk.clock.now() - timedelta(days=9))
    assert len(desk.asked()) == 1
    assert desk.asked() == []


def test_none_is_asked_for_while_one_is_under_way(desk: Desk) -> None:
    desk.knows(link_plan(snapshot=NIGHTLY), snapshot_at=desk.clock.now() - timedelta(days=9))
    under_way = Headway(NAME, "snap", Snapshot(Side.CRM), desk.clock.now(), desk.clock.now())
    desk.store.commit(Commit(headways=(under_way,)))
    assert desk.asked() == []
    desk.store.commit(Commit(headways=(replace(under_way, finished=desk.clock.now()),)))
    assert len(desk.asked()) == 1


@pytest.mark.parametrize("link", [link_plan(snapshot=NIGHTLY, paused=True), link_plan(snapshot=NIGHTLY)])
def test_a_link_that_is_put_off_has_none(desk: Desk, link: LinkPlan) -> None:
    desk.knows(link, snapshot_at=desk.clock.now() - timedelta(days=9))
    if not link.paused:
        suspension = Suspension(Scope.ALL, "", "olga", desk.clock.now())
        desk.store.commit(Commit(suspended=(suspension,)))
    assert desk.asked() == []


def test_a_first_sync_goes_on_when_something_is_due(desk: Desk) -> None:
    now = desk.clock.now()
    later = now + timedelta(minutes=2)
    desk.knows(link_plan(expand=GROWING), step=2, step_until=later)
    desk.store.commit(Commit(marks=(Mark(NAME, Side.CRM, "1", due=later),)))
    assert desk.asked() == []
    desk.clock.advance(timedelta(minutes=2))
    assert desk.asked() == [None]
    desk.knows(link_plan(expand=GROWING), step=0)
    assert desk.asked() == []
