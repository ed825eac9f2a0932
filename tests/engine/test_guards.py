"""Guards in whole passes: what stops, what is told, what goes on, and how it is allowed once (B-101)."""

from __future__ import annotations

from datetime import timedelta

import yaml

from runner.config.plan import Window
from runner.engine.runs import exit_code
from runner.model.terms import Operation
from runner.reconcile.guards import Limit, Limits
from runner.testing.store import MemoryStore
from tests.engine.world import ANN, BOB, CAL, MAPPING, OWNERS, World, event, link_plan, mapping_with, row

CALM = Limits({}, per_target={})


def several(limits: Limits, count: int) -> World:
    """Three users with so many items each, in step."""
    world = World(*(link_plan(user, limits=limits) for user in (ANN, BOB, CAL)), store=MemoryStore())
    for user in (ANN, BOB, CAL):
        for number in range(count):
            world.target.user_create(user, event(f"{user} {number}"))
    world.settled()
    return world


def delete_some(world: World, user: str, count: int) -> None:
    for item in world.target.items(user)[:count]:
        world.target.user_delete(item.key)


def test_small_deletes_in_many_mailboxes_are_one_large_one() -> None:
    """B-101: per target, over 24 hours, whatever pass or process makes them."""
    world = several(Limits({}, per_target={Operation.DELETE: Limit(count=5)}), 4)
    for user in (ANN, BOB):
        delete_some(world, user, 2)
        assert not any(report.trips for report in world.run())
    delete_some(world, CAL, 2)
    reports = world.run()
    [trip] = [trip for report in reports for trip in report.trips]
    assert (trip.code, trip.spent, trip.limit, exit_code(reports)) == ("G105", 4, 5, 4)
    assert "guards.per_target.max_deletes" in trip.remedy
    assert len(world.crm.items(OWNERS[CAL])) == 4
    world.clock.advance(timedelta(hours=25))
    assert not any(report.trips for report in world.run())
    assert len(world.crm.items(OWNERS[CAL])) == 2


def test_a_target_that_loses_a_tenth_of_everything_is_stopped_by_itself() -> None:
    """C11: the built-in limit over a target; its floor is meant for larger ones, so that it is lowered here."""
    world = several(Limits({}, per_target={Operation.DELETE: Limit(ratio=0.1, floor=2)}), 10)
    delete_some(world, ANN, 4)
    [trip] = [trip for report in world.run() for trip in report.trips]
    assert (trip.code, trip.limit) == ("G105", 3)
    assert len(world.crm.items()) == 30
    assert not any(report.trips for report in world.run(allowed=frozenset({Operation.DELETE})))
    assert len(world.crm.items()) == 26


def test_a_run_has_a_limit_of_its_own() -> None:
    """B-101: what the run's earlier links made counts."""
    world = World(
        *(
            link_plan(user, limits=Limits({}, per_target={}, per_run={Operation.CREATE: Limit(count=3)}))
            for user in (ANN, BOB)
        ),
        store=MemoryStore(),
    )
    for user in (ANN, BOB):
        for number in range(2):
            world.target.user_create(user, event(f"{user} {number}"))
    reports = world.run()
    assert [trip.code for report in reports for trip in report.trips] == ["G106"]
    assert len(world.crm.items()) == 2
    world.settled()
    assert len(world.crm.items()) == 4


def test_a_first_sync_that_nothing_pairs_makes_nothing_until_it_is_allowed() -> None:
    """B-72, B-101, D6: items on both sides and no declared keys: all of them would be there twice."""
    world = World(link_plan(compiled=mapping_with(match=[]), limits=CALM), store=MemoryStore())
    for number in range(3):
        world.in_outlook(f"Item {number}")
        world.in_crm(f"Item {number}")
    for _ in range(2):  # and not at the second try either
        reports = world.run()
        [trip] = reports[0].trips
        assert (trip.code, trip.wanted, exit_code(reports)) == ("G107", 6, 4)
        assert "match:" in trip.remedy
    assert not world.boundary.writes()
    world.run(allowed=frozenset({Operation.CREATE}))
    world.settled()
    assert (len(world.target.items(ANN)), len(world.crm.items())) == (6, 6)
    world.in_outlook("Another")
    world.settled()
    assert len(world.crm.items()) == 7


def test_a_first_sync_with_one_empty_side_needs_no_keys() -> None:
    world = World(link_plan(compiled=mapping_with(match=[]), limits=CALM), store=MemoryStore())
    world.in_outlook("Item")
    world.settled()
    assert len(world.crm.items()) == 1


def test_a_configuration_that_would_rewrite_everything_is_stopped_until_it_is_allowed() -> None:
    """B-101, A11: and what it would have rewritten is not forgotten meanwhile."""
    world = World(link_plan(limits=CALM), store=MemoryStore())
    for number in range(12):
        world.crm.user_create(OWNERS[ANN], row(f"Item {number}", place="Hall"))
    world.settled()
    shipped = yaml.safe_load(MAPPING.read_text())["fields"]
    fields = [one for one in shipped if one.get("record") != "location"]
    louder = {"crm": "place", "record": "location", "direction": "outbound", "outbound": "'At: ' ~ crm.place"}
    other = mapping_with(fields=[*fields, louder])
    world.links = [link_plan(compiled=other, limits=CALM)]
    for _ in range(2):
        reports = world.run()
        [trip] = reports[0].trips
        assert (trip.code, trip.wanted, trip.limit, exit_code(reports)) == ("G108", 12, 10, 4)
    assert {item.values["location"] for item in world.target.items(ANN)} == {"Hall"}
    world.run(allowed=frozenset({Operation.UPDATE}))
    assert {item.values["location"] for item in world.target.items(ANN)} == {"At: Hall"}
    world.settled()
    world.quiet()


def test_a_narrower_window_detaches_and_deletes_nothing() -> None:
    """P18, A11: leaving the configuration is no delete, whatever leaves."""
    world = World(link_plan(), store=MemoryStore())
    for number in range(5):
        world.in_outlook(f"Item {number}")
    world.settled()
    before = world.boundary.calls
    world.links = [link_plan(window=Window(timedelta(days=1), timedelta(hours=1)))]
    world.settled()
    assert world.boundary.writes(since=before) == []
    assert len(world.crm.items()) == len(world.target.items(ANN)) == 5
