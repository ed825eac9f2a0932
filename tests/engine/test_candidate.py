"""A candidate beside what is live: what it would do is counted and never done; in a ring it stops itself (B-100)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.config.candidates import CandidatePlan, Ring
from runner.config.plan import LinkPlan
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.runs import Runner
from runner.model.errors import AuthRefused, ContainerGone, Invalid, Throttled, Unreachable
from runner.model.state import Scope
from runner.model.terms import ConflictPolicy, Operation
from runner.observe.metrics import Metrics
from runner.reconcile.canary import stop_reason
from runner.reconcile.guards import Limit, Limits, Trip
from runner.service.candidates import candidates_view, try_candidates
from runner.store import DuckStore
from runner.testing.crm import FakeCrm
from tests.engine.world import ANN, BOB, OWNERS, World, link_plan, mapping_with, sync_plan

CANDIDATE = CandidatePlan("sandbox", "targets.d/sandbox.yaml:30:1", (Ring(frozenset({ANN})),), 0)


class Trying(World):
    """A world whose target has a candidate: ``shadows`` are compared, links with ``candidate`` run by it."""

    def __init__(self, *links: LinkPlan, shadows: tuple[LinkPlan, ...] = (), **made: Any) -> None:
        super().__init__(*links, **made)
        self.shadows = shadows

    def runner(self) -> Runner:
        runner = super().runner()
        shadows = {link.name: link for link in self.shadows}
        runner.plan = replace(sync_plan(*self.links), shadows=shadows, candidates={"sandbox": CANDIDATE})
        return runner


def disputed(world: World) -> None:
    """One field of one item, edited differently on both sides."""
    world.in_crm("Review")
    world.sync()
    world.settled()
    world.crm.user_edit(world.records()["Review"].key, place="Room 5")
    world.target.user_edit(world.outlook()["Review"].key, location="Room 6")


def test_another_policys_changes_are_counted_and_not_made() -> None:
    world = Trying(link_plan(), shadows=(link_plan(conflict=ConflictPolicy.TARGET_WINS),))
    disputed(world)
    report = world.sync()
    # The CRM's value goes out; by the candidate the target's would have come in.
    assert (report.counts["candidate.more"], report.counts["candidate.less"]) == (1, 1)
    assert world.records()["Review"].values["place"] == "Room 5"
    assert world.outlook()["Review"].values["location"] == "Room 5"
    assert isinstance(world.store, DuckStore)
    [view] = candidates_view(world.store, world.runner().plan)
    assert view["compared"] == {"more": 1, "less": 1, "failed": 0}
    world.settled()
    world.quiet()


def test_where_both_agree_nothing_is_counted() -> None:
    world = Trying(link_plan(), shadows=(link_plan(conflict=ConflictPolicy.TARGET_WINS),))
    world.in_crm("Review")
    world.in_outlook("Lunch")
    report = world.sync()
    assert report.writes == 2
    assert not any(report.counts[name] for name in ("candidate.more", "candidate.less", "candidate.failed"))


def test_a_candidate_that_cannot_be_compared_costs_the_live_pass_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that strikes only what is read for the candidate."""
    world = Trying(link_plan(), shadows=(link_plan(),))
    world.in_crm("Review")
    asked = FakeCrm.get
    reads: list[int] = []

    def second_fails(self: FakeCrm, link: Any, keys: Any) -> Any:
        reads.append(1)
        if len(reads) == 2:
            raise Unreachable("gone for a moment")
        return asked(self, link, keys)

    monkeypatch.setattr(FakeCrm, "get", second_fails)
    report = world.sync()
    assert report.counts["candidate.failed"] == 1
    assert list(world.outlook()) == ["Review"]


def test_a_rehearsal_shows_what_another_mapping_would_rewrite() -> None:
    """What no pass ever comes upon is seen by ``candidate plan``: every item is looked at by the candidate."""
    other = mapping_with(name="next")
    shadow = link_plan(compiled=replace(other, digest="another"), conflict=ConflictPolicy.TARGET_WINS)
    world = Trying(link_plan(), shadows=(shadow,))
    disputed(world)
    before = world.boundary.calls
    tried = try_candidates(world.runner(), (), Orders("try", rehearse=True))
    assert not world.boundary.writes(since=before)
    told = tried.as_dict()
    [more] = told["more"]["links"]
    [less] = told["less"]["links"]
    assert [change["side"] for change in more["changes"]] == ["crm"]
    assert [change["side"] for change in less["changes"]] == ["target"]
    assert "Room 6" in tried.rendered()["text"]
    assert "Room 6" not in tried.masked().rendered()["text"]


def ringed(*, limits: Limits | None = None, max_errors: int = 0) -> World:
    """Ann and Bob run by the candidate."""
    candidate = replace(CANDIDATE, ring=1, max_errors=max_errors)
    return Trying(*(link_plan(user, limits=limits, candidate=candidate) for user in (ANN, BOB)))


def test_a_guard_that_trips_stops_the_candidate_and_every_link_that_runs_by_it() -> None:
    world = ringed(limits=Limits({Operation.CREATE: Limit(count=1)}, per_target={}))
    world.in_crm("One")
    world.in_crm("Two")
    world.crm.user_create(OWNERS[BOB], world.crm.items(OWNERS[ANN])[0].values)
    ann, bob = world.run()
    assert ann.trips
    assert ann.stopped is not None
    assert "candidate is suspended by exsync" in (bob.skipped or "")
    assert "exsync candidate resume sandbox" in (bob.skipped or "")
    assert world.target.items(BOB) == []
    [stop] = world.store.suspensions()
    assert (stop.scope, stop.name, stop.by) == (Scope.CANDIDATE, "sandbox", "exsync")
    assert all(report.skipped for report in world.run())


def test_a_stopped_candidate_stops_nobody_who_does_not_run_by_it() -> None:
    world = ringed(limits=Limits({Operation.CREATE: Limit(count=0)}, per_target={}))
    world.in_crm("One")
    world.run()
    world.links = [link_plan(ANN), link_plan(BOB)]  # ring: 0
    ann, bob = world.run()
    assert (ann.skipped, bob.skipped) == (None, None)
    assert list(world.outlook()) == ["One"]


TRIP = Trip("G101", "sandbox/a/calendar", Operation.UPDATE, 9, 0, 30, 3, "rule")


@pytest.mark.parametrize(
    ("trips", "aside", "error", "most", "stops"),
    [
        ((), 0, None, 0, False),
        ((TRIP,), 0, None, 9, True),
        ((), 1, None, 0, True),
        ((), 2, None, 2, False),
        ((), 3, None, 2, True),
        ((), 0, ContainerGone("gone"), 0, True),
        ((), 0, Invalid("bad"), 1, False),
        ((), 0, Unreachable("away"), 0, False),
        ((), 0, AuthRefused("no"), 0, False),
        ((), 0, Throttled("busy", after=1), 0, False),
    ],
)
def test_what_stops_a_candidate(trips: Any, aside: int, error: Any, most: int, stops: bool) -> None:
    """A fault of the world is no fault of the candidate."""
    assert (stop_reason(trips, aside, error, most) is not None) == stops


def test_differences_are_told_as_metrics() -> None:
    metrics, report = Metrics(), PassReport("sandbox/a/calendar")
    report.counts.update({"candidate.more": 2, "candidate.less": 1})
    metrics.passed(link_plan(), report, "done")
    told = metrics.text().decode()
    assert 'exsync_candidate_differences_total{kind="more",target="sandbox"} 2.0' in told
    assert 'exsync_candidate_differences_total{kind="less",target="sandbox"} 1.0' in told
