"""Reminders (B-43): kept in step only where a link says so; a series' own goes along when it is made."""

from __future__ import annotations

from runner.model.overrides import OVERRIDES
from tests.engine.conftest import MakeWorld
from tests.engine.test_series import DAYS, WEEKLY, canonical
from tests.engine.world import link_plan


def test_reminders_stay_where_they_are_unless_they_are_wanted(make_world: MakeWorld) -> None:
    """B-43: built in."""
    world = make_world(link_plan())
    world.in_outlook("From Outlook", alert=15)
    world.in_crm("From the CRM", alarm=30)
    world.sync()
    assert world.records()["From Outlook"].values["alarm"] is None
    assert world.outlook()["From the CRM"].values.get("alert") is None
    world.crm.user_edit(world.records()["From Outlook"].key, alarm=5)
    world.target.user_edit(world.outlook()["From the CRM"].key, alert=5)
    assert not world.sync().writes


def test_reminders_are_kept_in_step_where_they_are_wanted(make_world: MakeWorld) -> None:
    """B-43: both ways, like any other field."""
    world = make_world(link_plan(alerts=True))
    world.in_outlook("From Outlook", alert=15)
    world.in_crm("From the CRM", alarm=30)
    world.sync()
    assert world.records()["From Outlook"].values["alarm"] == 15
    assert world.outlook()["From the CRM"].values["alert"] == 30
    world.crm.user_edit(world.records()["From Outlook"].key, alarm=None)
    world.target.user_edit(world.outlook()["From the CRM"].key, alert=0)
    world.sync()
    assert world.outlook()["From Outlook"].values["alert"] is None
    assert world.records()["From the CRM"].values["alarm"] == 0
    world.settled()


def test_reminders_that_come_to_be_wanted_are_filled(make_world: MakeWorld) -> None:
    """B-43: without anybody touching the items, and nobody's reminder is taken away."""
    world = make_world(link_plan())
    world.in_outlook("From Outlook", alert=15)
    world.in_crm("From the CRM", alarm=30)
    world.sync()
    world.links[0] = link_plan(alerts=True)
    world.sync()
    world.settled()
    assert world.records()["From Outlook"].values["alarm"] == 15
    assert world.outlook()["From the CRM"].values["alert"] == 30


def test_the_reminder_of_a_series_goes_along_once_and_those_of_occurrences_always(make_world: MakeWorld) -> None:
    """B-43."""
    world = make_world(link_plan(alerts=True))
    world.target.normalise = canonical
    key = world.in_outlook("Jour fixe", recurrence_rule=WEEKLY, alert=15)
    world.sync()
    assert world.records()["Jour fixe"].values["alarm"] == 15
    world.target.user_edit(key, alert=30)
    world.crm.user_edit(world.records()["Jour fixe"].key, alarm=60)
    assert not world.sync().writes
    world.target.user_edit(key, **{OVERRIDES: {DAYS[1]: {"alert": 5}}})
    world.sync()
    assert world.records()["Jour fixe"].values["occurrences"] == {DAYS[1]: {"alarm": 5}}
    assert (world.records()["Jour fixe"].values["alarm"], world.outlook()["Jour fixe"].values["alert"]) == (60, 30)
