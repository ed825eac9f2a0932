"""Bodies and odd text through a whole pass: what is kept, what is cleaned, what is set aside; never a stopped folder."""

from dataclasses import replace

import pytest

from tests.engine.conftest import MakeWorld
from tests.engine.world import World, link_plan
from tests.reconcile.test_joining import TEAMS, TEAMS_LINK


def test_notes_rewritten_in_the_crm_do_not_destroy_the_way_into_the_meeting(world: World) -> None:
    """B-44: the block follows the new text, once; nothing is written back and forth."""
    world.in_outlook("Board", description=f"Agenda\n\n{TEAMS}")
    world.sync()
    record = world.records()["Board"].key
    for notes in ("New agenda", "Newer agenda", None):
        world.crm.user_edit(record, notes=notes)
        world.sync()
        body = str(world.outlook()["Board"].values["description"])
        assert body.startswith(notes or "_")
        assert body.count(TEAMS_LINK) == 1
        world.settled()
    assert not world.store.conflicts()
    assert world.records()["Board"].values["notes"] is None


def test_a_body_of_two_megabytes_travels_whole(world: World) -> None:
    """B-40, issue 3: without a threshold it is an item like any other, in both directions."""
    world.in_outlook("From Outlook", description="x" * (2 << 20))
    world.in_crm("From the CRM", notes="y" * (2 << 20))
    world.sync()
    world.assert_in_step("From Outlook", "From the CRM")


@pytest.mark.parametrize("odd", ["a\x00b", "a\ud800b", "a\x0bb\ufffe"], ids=["nul", "lone-surrogate", "controls"])
def test_text_that_no_xml_can_carry_is_cleaned_and_settles(world: World, odd: str) -> None:
    """E14, issue 3: cleaned the same way in both directions, and not sent again for its own cleaning."""
    world.in_crm(odd)
    world.in_outlook("Neighbour")
    world.sync()
    world.settled()
    outlook, crm = world.titles()
    assert outlook == ["Neighbour", "ab"]
    assert len(crm) == 2


def test_an_unknown_zone_sets_its_item_aside_and_no_other(world: World) -> None:
    """B-46, B-23: the reason names the zone; a known one takes the item up again."""
    key = world.in_crm("Odd", time_zone="Mars/Olympus")
    world.in_crm("Fine")
    world.sync()
    assert world.titles()[0] == ["Fine"]
    (entry,) = world.store.quarantined()
    assert "unknown time zone" in entry.reason
    world.crm.user_edit(key, time_zone="Europe/Vienna")
    world.sync()
    world.assert_in_step("Fine", "Odd")


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles", "Etc/UTC"])
def test_whole_days_stay_on_their_days_whatever_the_links_zone(make_world: MakeWorld, zone: str) -> None:
    """B-46: dates are dates, there and back."""
    world = make_world(replace(link_plan(), time_zone=zone))
    day = {"start": "2026-03-29T00:00:00", "time_zone": None, "duration": "P1D", "show_without_time": True}
    world.in_outlook("Trade fair", **day)  # type: ignore[arg-type]
    world.sync()
    record = world.records()["Trade fair"]
    assert (record.values["starts_at"], record.values["ends_at"]) == ("2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z")
    world.crm.user_edit(record.key, subject="Fair")
    world.sync()
    assert {name: world.outlook()["Fair"].values[name] for name in day} == day
