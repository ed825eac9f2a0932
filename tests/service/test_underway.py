"""Snapshots under way in a service: asked for at their time, after a restart too, stopped and shown (B-70, B-71)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from runner.config.plan import LinkPlan, SyncPlan
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.model.errands import Snapshot
from runner.model.errors import UsageError
from runner.model.headway import Headway, Stage
from runner.model.queueing import Barred, Cause, Message, Order
from runner.model.state import Commit, LinkState, Mark, RunRecord
from runner.model.terms import Operation, Side
from runner.observe.metrics import Metrics
from runner.queue import EmbeddedQueue
from runner.reconcile.expanding import Expansion
from runner.service.acts import Operator
from runner.service.follower import jobs_for
from runner.service.gate import Gate
from runner.service.progressing import standing_view
from runner.service.reports import Reports
from runner.service.underway import STOPPED, Underway
from runner.service.watching import Watching
from runner.service.worker import Worker
from runner.store import DuckStore, Journal, open_store
from runner.testing.clock import FakeClock
from runner.testing.rng import SeededRng
from runner.web.console.actions import ACTIONS
from runner.web.console.rendering import _environment
from tests.engine.world import ANN, BOB, link_plan, sync_plan

NAME, OTHER = (f"sandbox/{who}/calendar" for who in (ANN, BOB))
SLOW = Snapshot(Side.CRM, rate=30)
DELETES = frozenset({Operation.DELETE})


@dataclass
class Desk:
    """A queue, a state and a clock, at noon; one worker that takes a message when it is told to."""

    store: DuckStore
    clock: FakeClock
    plan: SyncPlan

    def __post_init__(self) -> None:
        self.reports, self.watching, self.slices = Reports(), Watching(), 3
        self.began()

    def began(self) -> None:
        """A service begins, with what the state has kept."""
        self.queue = EmbeddedQueue(Journal(self.store), self.clock)
        queue: Any = SimpleNamespace(priorities=Counter(), timeout=None)
        self.plan = replace(self.plan, service=replace(self.plan.service, queue=queue))
        runner = SimpleNamespace(store=self.store, pass_over=self.pass_over)
        self.generation: Any = SimpleNamespace(plan=self.plan, number=1, owners={ANN: "1", BOB: "2"}, runner=runner)
        self.generations: Any = SimpleNamespace(
            current=self.generation, begin=lambda: self.generation, end=lambda one: None
        )
        self.underway = Underway(self.queue, self.generations, self.store, self.clock, self.reports)
        self.orders: list[Orders] = []

    def pass_over(self, link: LinkPlan, owner: object, orders: Orders) -> PassReport:
        """A slice of one item in ten seconds, as the engine keeps it; after some of them it has come to its end."""
        self.orders.append(orders)
        report = PassReport(link.name, counts=Counter({"target.update": 1}))
        if isinstance(orders.errand, Snapshot):
            at = self.store.headway(link.name) or headway(self.clock.now(), orders.run)
            done, later = at.done + 1, self.clock.now() + timedelta(seconds=10)
            ended = self.clock.now() if done == self.slices else None
            self.store.commit(Commit(headways=(replace(at, done=done, go_on=later, finished=ended),)))
            report.again_at = None if ended else later
            assert orders.keeps
            if orders.progress:
                orders.progress(link.name, done, self.slices)
        return report

    def work(self) -> int:
        """Let the worker take what there is; tells how many messages that was."""
        dispatcher: Any = _Once(self.queue)
        parts: Any = (self.generations, Gate(), self.reports, Metrics(), self.clock, SeededRng())
        heard = self.underway.heard
        Worker(
            self.queue, dispatcher, *parts, lambda: False, lambda name: None, watching=self.watching, heard=heard
        ).work()
        return dispatcher.taken


class _Once:
    """A dispatcher that gives out what there is, and has ended then."""

    def __init__(self, queue: EmbeddedQueue) -> None:
        self.queue, self.taken, self.closed = queue, 0, False

    def lease(self) -> Message | None:
        message = self.queue.lease(Barred())
        self.closed, self.taken = message is None, self.taken + (message is not None)
        return message

    def ended(self, target: str, trouble: object, reason: str) -> None:
        """Nobody counts."""


def headway(now: datetime, run: str, link: str = NAME) -> Headway:
    return Headway(link, run, SLOW, now, now, Stage.GIVING, due=3)


@pytest.fixture
def desk() -> Iterator[Desk]:
    clock = FakeClock(datetime(2026, 11, 27, 12, 0, tzinfo=UTC))
    with open_store(None, clock=clock) as store:
        store.commit(Commit(links=(LinkState(NAME, matched=True),)))
        yield Desk(store, clock, sync_plan(link_plan(ANN)))


def ordered(desk: Desk) -> None:
    order = Order("snap", DELETES, frozenset({"print"}), SLOW)
    desk.reports.expect("snap", [NAME])
    desk.queue.put(jobs_for(desk.generation, [NAME], Cause.OPERATOR, (order,)))


def test_each_slice_is_asked_for_at_its_time_and_who_waits_gets_one_report(desk: Desk) -> None:
    with desk.watching.asked("question"):
        desk.watching.follow("snap")
        ordered(desk)
        assert desk.work() == 1
        assert desk.watching.told("question") == {"work": [{"what": NAME, "done": 1, "of": 3}]}
    for passed, slices in ((9, 1), (1, 2), (9, 2), (1, 3), (60, 3)):
        desk.clock.advance(passed)
        desk.underway.ask()
        desk.underway.ask()  # a link whose message waits is left
        desk.work()
        assert len(desk.orders) == slices
    assert {orders.allowed for orders in desk.orders} == {DELETES}
    [report], missing = desk.reports.take("snap", 0)
    assert not missing
    assert report.counts["target.update"] == 3
    assert desk.watching.told("question") == {"work": []}


def test_after_a_restart_it_goes_on_as_approved_and_without_lifted_guards(desk: Desk) -> None:
    ordered(desk)
    desk.work()
    approved = Commit(approved=((NAME, frozenset({"print"})),))
    desk.store.commit(approved)
    desk.began()
    desk.underway.ask()
    assert desk.work() == 0
    desk.clock.advance(10)
    desk.underway.ask()
    assert desk.work() == 1
    [orders] = desk.orders
    assert (orders.run, orders.errand, orders.only) == ("snap", SLOW, {"print"})
    assert orders.allowed == frozenset()


def test_one_that_is_stopped_is_asked_for_no_more_and_who_waits_is_told(desk: Desk) -> None:
    ordered(desk)
    desk.work()
    olga = Operator("olga", desk.clock.now())
    console: Any = SimpleNamespace(service=desk, desk=desk)
    assert NAME in ACTIONS["halt"].asked(console, {"link": NAME})["text"]
    assert NAME in ACTIONS["halt"].done(console, olga, {"link": NAME})
    desk.clock.advance(60)
    desk.underway.ask()
    assert desk.work() == 0
    [report], _ = desk.reports.take("snap", 0)
    assert (report.skipped, report.counts["target.update"]) == (STOPPED, 1)
    assert [(act.who, act.what) for act in desk.store.acts(5)] == [("olga", "snapshot stop")]
    with pytest.raises(UsageError, match="no snapshot") as refused:
        desk.underway.stop(olga, desk.plan, [ANN])
    assert refused.value.remedy


def test_one_of_a_link_that_has_left_the_configuration_ends(desk: Desk) -> None:
    desk.store.commit(Commit(headways=(headway(desk.clock.now(), "old", OTHER),)))
    desk.underway.ask()
    ended = desk.store.headway(OTHER)
    assert ended is not None
    assert ended.reason == "the link is no longer configured"
    assert [run.outcome for run in desk.store.runs(5)] == ["stopped"]
    assert desk.underway.all() == {}


def test_status_tells_how_far_and_how_fast(desk: Desk) -> None:
    begun = desk.clock.now()
    at = replace(headway(begun, "snap"), done=1200, due=5000, reason="throttled: busy")
    growing = link_plan(BOB, expand=Expansion(timedelta(days=7), timedelta(days=30), steps=3, per_minute=200))
    plan = sync_plan(link_plan(ANN), growing)
    far, soon = datetime(9999, 1, 1, tzinfo=UTC), begun + timedelta(minutes=9)
    marks = [Mark(OTHER, Side.CRM, "1", due=far), Mark(OTHER, Side.TARGET, "2", due=soon), Mark(OTHER, Side.CRM, "3")]
    first = RunRecord("first", OTHER, begun, begun, "done", {}, None)
    state = LinkState(OTHER, matched=True, step=2)
    desk.store.commit(Commit(headways=(at,), links=(state,), marks=tuple(marks), runs=(first,)))
    now = desk.clock.advance(timedelta(minutes=4))
    told = {link["name"]: link["progress"] for link in standing_view(desk.store, plan, now)["links"]}
    snapshot, first_sync = told[NAME], told[OTHER]
    assert (snapshot["done"], snapshot["of"], snapshot["per_minute"], snapshot["rate"]) == (1200, 5000, 300.0, 30)
    macros: Any = _environment().get_template("_macros.html").module
    shown = str(macros.progress(snapshot))
    assert snapshot["told"] in shown
    assert '<progress max="5000" value="1200" aria-label="snapshot send">' in shown
    assert snapshot["told"] == (
        "snapshot send: 1,200 of 5,000 items given, begun 2026-11-27 12:00 UTC, 300 a minute so far, at most 30 a minute: "
        "throttled: busy"
    )
    assert (first_sync["done"], first_sync["of"], first_sync["stage"]) == (0, 3, "window 2 of at most 3")
    assert first_sync["told"] == (
        "the first sync grows: window 2 of at most 3, 14d back, 60d ahead: 0 of 3 items in step, begun 2026-11-27 12:00 UTC, "
        "0 a minute so far, 2 wait for their turn, 1 for a wider window, at most 200 a minute"
    )
