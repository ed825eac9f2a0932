"""Snapshots that go slowly, by slices (B-70): the link's ordinary passes go on in between, and a crash costs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from runner.engine.course import ended_early
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.settle import GRACE
from runner.model.errands import Items, Snapshot
from runner.model.errors import Throttled
from runner.model.headway import Headway, Stage
from runner.model.state import Commit
from runner.model.terms import Direction, Operation, Side
from runner.reconcile.guards import Limit, Limits
from runner.testing.faults import Crash, Fault, Form, Script
from runner.testing.store import MemoryStore
from tests.engine.world import World, link_plan

MakeWorld = Callable[..., World]
SEND, GET = Snapshot(Side.CRM), Snapshot(Side.TARGET)
TITLES = [f"Item {number}" for number in range(5)]


def moved(world: World) -> World:
    """Five pairs in step, each of which Outlook's user then moves to the garden."""
    for title in TITLES:
        world.in_crm(title)
    world.sync()
    world.sync()
    for item in list(world.outlook().values()):
        world.target.user_edit(item.key, location="Garden")
    return world


@pytest.fixture
def light() -> Iterator[World]:
    """A world over the state in memory, for what does not concern the state's kind."""
    world = World(store=MemoryStore())
    yield world
    world.close()


def places(world: World) -> Counter[Any]:
    return Counter(item.values["location"] for item in world.outlook().values())


def once(world: World, errand: Snapshot, run: str = "snap", **orders: Any) -> PassReport:
    """One slice."""
    [report] = world.runner().run(world.links, Orders(run, errand=errand, keeps=True, **orders))
    return report


def at(world: World) -> Headway:
    found = world.store.headway(world.link)
    assert found is not None
    assert (world.link in world.store.headways()) is (found.finished is None)
    return found


def to_its_end(world: World, errand: Snapshot, **orders: Any) -> PassReport:
    """Slice after slice, each at its time."""
    for _ in range(40):
        report = once(world, errand, **orders)
        if report.again_at is None:
            return report
        world.clock.advance(max(timedelta(), report.again_at - world.clock.now()))
    raise AssertionError(f"it came to no end: {at(world)}")


def test_a_command_takes_no_more_items_a_minute_than_it_may(world: World) -> None:
    """Everything is counted first, at full speed; what is given goes at its rate."""
    moved(world)
    seen: list[tuple[float, int]] = []

    def pause(seconds: float) -> None:
        seen.append((seconds, places(world)["Room 4"]))
        world.clock.advance(seconds)

    shown: list[tuple[str, int, int]] = []
    report = world.sync(errand=replace(SEND, rate=12), pause=pause, progress=lambda *one: shown.append(one))
    assert report.counts["target.update"] == 5
    assert seen == [(10.0, 2), (10.0, 4)]
    assert shown == [(f"{world.link}, counted first", 5, 5), (world.link, 2, 5), (world.link, 4, 5), (world.link, 5, 5)]
    assert world.store.headway(world.link) is None


def test_a_slice_takes_what_its_rate_allows_and_the_next_one_goes_on_there(make_world: MakeWorld) -> None:
    world = moved(make_world(link_plan(direction=Direction.OUTBOUND)))  # where passes leave such edits as they are
    errand = replace(SEND, rate=12)
    report = once(world, errand)
    assert report.again_at == world.clock.now() + timedelta(seconds=10)
    assert (places(world)["Room 4"], at(world).stage, at(world).done, at(world).due) == (2, Stage.GIVING, 2, 5)
    assert at(world).per_minute(world.clock.now() + timedelta(minutes=2)) == 1.0
    assert at(world).counts["target.update"] == 2
    world.in_crm("Newer")
    world.sync()  # an ordinary pass of the link, meanwhile
    assert "Newer" in world.outlook()
    report = to_its_end(world, errand)
    assert at(world).finished
    assert at(world).reason is None
    assert places(world) == {"Room 4": 6}
    [record] = [run for run in world.store.runs(50) if run.run == "snap"]
    assert (record.outcome, record.counts["target.update"]) == ("done", 5)
    world.sync()
    world.quiet()


def test_a_process_that_is_stopped_loses_nothing_of_it(light: World) -> None:
    """One step is made, whatever the step is, and what it did is kept."""
    moved(light)
    assert once(light, SEND, stopping=lambda: True).again_at == light.clock.now()
    assert (at(light).stage, at(light).done, places(light)["Room 4"]) == (Stage.COUNTING, 5, 0)
    once(light, SEND, stopping=lambda: True)
    assert (at(light).stage, at(light).done, places(light)["Room 4"]) == (Stage.GIVING, 5, 5)
    assert once(light, SEND, stopping=lambda: True).again_at is None
    assert at(light).finished


def test_what_a_pass_carries_meanwhile_is_not_overridden(light: World) -> None:
    """Users' edits that wait for a pass have it between two slices: they are on both sides before theirs comes."""
    moved(light)
    errand = replace(SEND, rate=12)
    once(light, errand)
    light.sync()
    to_its_end(light, errand)
    assert places(light) == {"Room 4": 2, "Garden": 3}
    assert Counter(record.values["place"] for record in light.records().values()) == {"Room 4": 2, "Garden": 3}


def test_what_the_giver_holds_alone_is_gone_through_by_slices_too(light: World) -> None:
    """Also what stays alone: no slice begins with what another one has passed by."""
    moved(light)
    for title in ("A", "B", "C"):
        light.in_crm(title)
        light.in_outlook(f"{title} of Outlook")
    for errand in (replace(SEND, rate=6, items=Items.RECURRING), replace(GET, rate=6, items=Items.RECURRING)):
        run = f"snap-{errand.giver}"
        looked = [at(light).done for _ in range(20) if once(light, errand, run).again_at]
        assert looked == [1, 2, 3, 4, 5, 6, 7, 8]
        assert (at(light).done, at(light).run) == (8, run)
    assert not [run for run in light.store.runs(50) if run.run.startswith("snap")]


def test_a_guard_that_was_lifted_once_is_not_lifted_for_what_a_restart_goes_on_with(make_world: MakeWorld) -> None:
    """B-101, docs/decisions/009."""
    world = moved(make_world(link_plan(limits=Limits({Operation.DELETE: Limit(count=1)}))))
    for title in TITLES[:4]:
        world.target.user_delete(world.outlook()[title].key, hard=True)
    errand = replace(GET, rate=6)
    barred = once(world, errand, "other")
    assert barred.trips
    assert to_its_end(world, errand, run="other").trips
    assert len(world.records()) == 5
    allowed = frozenset({Operation.DELETE})
    once(world, errand, allowed=allowed)
    once(world, errand, allowed=allowed)
    assert len(world.records()) == 3
    report = to_its_end(world, errand)
    assert report.trips
    assert len(world.records()) == 3
    assert "delete" in (at(world).reason or "")


def test_only_what_was_approved_is_made_also_after_a_restart(world: World) -> None:
    moved(world)
    planned = once(world, SEND, rehearse=True)
    assert planned.prints is not None
    some = frozenset(sorted(planned.prints)[:3])
    errand = replace(SEND, rate=6)
    once(world, errand, only=some)
    assert world.store.approved(world.link) == some
    to_its_end(world, errand, only=world.store.approved(world.link))
    assert places(world) == {"Room 4": 3, "Garden": 2}
    assert world.store.approved(world.link) is None


def test_another_one_waits_and_one_that_was_stopped_goes_on_no_more(light: World) -> None:
    moved(light)
    errand = replace(SEND, rate=6)
    once(light, errand)
    assert "is under way (1 of 5 items" in (once(light, GET, "other").skipped or "")
    assert "is under way" in (light.sync(errand=GET).skipped or "")
    seen = light.boundary.calls

    def stop(call: Any) -> None:
        if call.writes and call.side == "target":
            light.boundary.meanwhile = None
            ended_early(light.store, at(light), light.clock.now(), "stopped")

    light.boundary.meanwhile = stop
    assert "stopped" in (once(light, errand).skipped or "")
    assert light.boundary.calls > seen
    assert "stopped" in (once(light, errand).skipped or "")
    assert (places(light)["Room 4"], at(light).reason) == (2, "stopped")
    [record] = [run for run in light.store.runs(50) if run.run == "snap"]
    assert record.outcome == "stopped"
    assert not once(light, GET, "other").skipped


def test_a_fault_that_passes_makes_it_wait_and_a_new_mapping_ends_it(light: World) -> None:
    moved(light)
    errand = replace(SEND, rate=6)
    once(light, errand)
    light.disturb(Script({light.boundary.calls + 4: Fault(Form.BEFORE, Throttled("busy", after=300))}))
    report = once(light, errand)
    assert report.error is not None
    assert report.again_at == light.clock.now() + timedelta(seconds=300)
    assert at(light).finished is None
    assert "busy" in (at(light).reason or "")
    light.boundary.faults = None
    light.clock.advance(300)
    once(light, errand)
    assert at(light).reason is None
    light.store.commit(Commit(links=(replace(light.store.link(light.link), mapping_digest="another"),)))
    assert "have changed" in (once(light, errand).skipped or "")
    assert at(light).finished


def test_it_may_die_at_any_moment() -> None:
    """kill -9 at each call of a snapshot: what was done is neither undone nor doubled when it goes on."""
    calls, number = 1, 0
    while number < calls:
        world = moved(World(store=MemoryStore()))
        for title in ("Lone 1", "Lone 2"):
            world.in_crm(title)
        world.target.user_delete(world.outlook()["Item 0"].key, hard=True)
        errand, begun = replace(SEND, rate=24), world.boundary.calls
        form = Form.CRASH_AFTER if number % 2 else Form.CRASH_BEFORE
        world.disturb(Script({begun + number: Fault(form)}) if calls > 1 else Script({}))
        try:
            to_its_end(world, errand)
        except Crash:
            world.boundary.faults = None
            world.clock.advance(GRACE)
            to_its_end(world, errand)
        if calls == 1:
            calls = world.boundary.calls - begun
        else:
            number += 1
        assert places(world) == {"Room 4": 7}
        assert sorted(world.outlook()) == sorted(world.records()) == sorted([*TITLES, "Lone 1", "Lone 2"])
        assert at(world).finished
        world.settled()
        # A conflict is durable before its write: one that was cut off in between is on record twice.
        assert len({(conflict.crm_key, conflict.field) for conflict in world.store.conflicts()}) == 5
        world.close()


@pytest.mark.parametrize("ended", [False, True])
def test_the_state_keeps_all_of_it(world: World, *, ended: bool) -> None:
    now = world.clock.now()
    errand = replace(GET, rate=7, items=Items.SINGLE, deletes=False)
    so_far = (Stage.GIVING, ("alone", "w", "k"), 3, 9, 1, 2, {"create": 1}, {"left": 2})
    one = Headway(world.link, "r", errand, now, now, *so_far, finished=now if ended else None, reason="so")
    world.store.commit(Commit(headways=(one,), approved=((world.link, frozenset({"a", "b"})),)))
    assert at(world) == one
    assert world.store.approved(world.link) == frozenset({"a", "b"})
    later = replace(one, done=4, go_on=now + timedelta(hours=1))
    world.store.commit(Commit(headways=(later,)))
    assert at(world) == (one if ended else later)
    world.store.commit(Commit(headways=(replace(later, run="s"),)))
    assert at(world) == replace(later, run="s")
