"""A pass that may make only the changes of an approved plan (B-100)."""

from __future__ import annotations

from tests.engine.world import World


def test_what_came_after_the_plan_waits_for_the_next_pass(world: World) -> None:
    world.in_crm("Lunch")
    world.in_crm("Dinner")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    planned = world.sync(rehearse=True)
    assert planned.prints
    assert len(planned.prints) == 1
    world.crm.user_edit(world.records()["Dinner"].key, place="Garden")
    report = world.sync(only=frozenset(planned.prints))
    assert report.counts["target.update"] == report.counts["left"] == 1
    assert world.outlook()["Lunch"].values["location"] == "Hall"
    assert world.outlook()["Dinner"].values["location"] == "Room 4"
    world.sync()
    assert world.outlook()["Dinner"].values["location"] == "Garden"


def test_another_value_of_the_same_item_is_another_change(world: World) -> None:
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    planned = world.sync(rehearse=True)
    world.crm.user_edit(world.records()["Lunch"].key, place="Garden")
    assert not world.sync(only=frozenset(planned.prints or {})).writes
