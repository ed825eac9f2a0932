"""What takes part: windows, folders, private items, items that nobody can carry; leaving is never deleting."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from runner.config.plan import Window
from runner.model.state import PairingStatus
from runner.model.terms import Side
from runner.testing.faults import Fault, Form, Nth
from runner.testing.target import Shelf
from tests.engine.world import ANN, OWNERS, World, event, link_plan, row

MakeWorld = Callable[..., World]
MONTH = Window(timedelta(days=30), timedelta(days=30))


# -- the window --------------------------------------------------------------------------------------------------------


def test_items_outside_the_window_take_no_part(make_world: MakeWorld) -> None:
    """B-47."""
    world = make_world(link_plan(window=MONTH))
    world.in_outlook("Long ago", start="2025-03-03T10:00:00")
    world.in_outlook("Far ahead", start="2027-03-03T10:00:00")
    world.in_crm("Long ago in the CRM", starts_at="2025-03-03T09:00:00Z", ends_at="2025-03-03T10:00:00Z")
    world.in_outlook("Now")
    world.sync()
    assert world.titles()[1] == ["Long ago in the CRM", "Now"]
    world.sync()
    world.quiet()


def test_an_item_ahead_comes_in_when_the_window_reaches_it(make_world: MakeWorld) -> None:
    """B-47: without anybody touching it."""
    world = make_world(link_plan(window=MONTH))
    world.in_outlook("In two months", start="2026-05-03T10:00:00")
    world.in_crm("In two months, CRM", starts_at="2026-05-03T09:00:00Z", ends_at="2026-05-03T10:00:00Z")
    world.sync()
    world.clock.advance(timedelta(days=20))
    world.sync()
    assert len(world.titles()[0]) == len(world.titles()[1]) == 1
    world.clock.advance(timedelta(days=20))
    world.sync()
    world.assert_in_step("In two months", "In two months, CRM")


@pytest.mark.parametrize("side", list(Side))
def test_an_item_that_aged_out_is_never_deleted(make_world: MakeWorld, side: Side) -> None:
    """B-47, B-39: deleting what has left the window detaches, on either side."""
    world = make_world(link_plan(window=MONTH))
    world.in_outlook("Aged")
    world.sync()
    world.clock.advance(timedelta(days=60))
    world.settled()
    if side is Side.CRM:
        world.crm.user_delete(world.records()["Aged"].key)
    else:
        world.target.user_delete(world.outlook()["Aged"].key)
    assert not world.sync().writes
    world.settled()
    outlook, crm = world.titles()
    assert len(outlook) + len(crm) == 1


def test_an_edit_that_moves_an_item_out_of_the_window_is_carried_first(make_world: MakeWorld) -> None:
    """B-47: and the pair is detached after that."""
    world = make_world(link_plan(window=MONTH))
    world.in_outlook("Postponed")
    world.sync()
    world.target.user_edit(world.outlook()["Postponed"].key, start="2026-12-03T10:00:00")
    world.sync()
    world.assert_in_step("Postponed")
    assert world.records()["Postponed"].values["starts_at"] == "2026-12-03T09:00:00Z"
    world.target.user_edit(world.outlook()["Postponed"].key, title="Postponed again")
    assert not world.sync().writes


def test_an_item_that_comes_back_into_the_window_is_taken_up_again(make_world: MakeWorld) -> None:
    """B-47."""
    world = make_world(link_plan(window=MONTH))
    world.in_outlook("Postponed")
    world.sync()
    world.target.user_edit(world.outlook()["Postponed"].key, start="2026-12-03T10:00:00")
    world.sync()
    world.target.user_edit(world.outlook()["Postponed"].key, start="2026-03-05T10:00:00", location="Garden")
    world.sync()
    world.assert_in_step("Postponed")
    world.settled()
    world.assert_in_step("Postponed")


# -- folders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made_in_outlook", [True, False], ids=["known-by-uid", "known-by-stamp"])
def test_an_item_that_moves_to_another_folder_is_detached_not_deleted(world: World, made_in_outlook: bool) -> None:
    """D7, L3, B-47."""
    (world.in_outlook if made_in_outlook else world.in_crm)("Moved")
    world.in_crm("Stays")
    world.sync()
    away = world.target.user_move(world.outlook()["Moved"].key)
    assert not world.sync().writes
    assert sorted(world.records()) == ["Moved", "Stays"]
    world.target.user_edit(away, location="Garden")
    world.crm.user_edit(world.records()["Moved"].key, place="Hall")
    assert not world.sync().writes
    world.settled()
    assert world.target.item(away) is not None
    assert world.records()["Moved"].values["place"] == "Hall"


@pytest.mark.parametrize("made_in_outlook", [True, False], ids=["known-by-uid", "known-by-stamp"])
def test_an_item_that_moves_back_is_the_same_item(world: World, made_in_outlook: bool) -> None:
    """D7: edits made meanwhile merge; nothing is doubled."""
    (world.in_outlook if made_in_outlook else world.in_crm)("Moved")
    world.in_crm("Stays")
    world.sync()
    away = world.target.user_move(world.outlook()["Moved"].key)
    world.sync()
    world.target.user_edit(away, location="Garden")
    world.crm.user_edit(world.records()["Moved"].key, notes="CRM's notes")
    world.target.user_move(away, Shelf.HOME)
    world.sync()
    world.settled()
    world.assert_in_step("Moved", "Stays")
    assert world.outlook()["Moved"].values["location"] == "Garden"
    assert world.outlook()["Moved"].values["description"] == "CRM's notes"


@pytest.mark.parametrize("made_in_outlook", [True, False], ids=["known-by-uid", "known-by-stamp"])
def test_an_item_that_moves_out_and_back_between_two_passes_is_followed(world: World, made_in_outlook: bool) -> None:
    """L3: a new id is not a delete and a create."""
    (world.in_outlook if made_in_outlook else world.in_crm)("Moved")
    world.in_crm("Stays")
    world.sync()
    away = world.target.user_move(world.outlook()["Moved"].key)
    back = world.target.user_move(away, Shelf.HOME)
    world.target.user_edit(back, location="Garden")
    world.sync()
    world.assert_in_step("Moved", "Stays")
    world.settled()
    world.assert_in_step("Moved", "Stays")
    assert not world.store.conflicts()


@pytest.mark.parametrize("made_in_outlook", [True, False], ids=["known-by-uid", "known-by-stamp"])
def test_an_item_that_moved_and_came_back_while_its_record_was_edited_is_one_item(
    world: World, made_in_outlook: bool
) -> None:
    """D7: its new id and its record are seen in one step; they are one subject, not two."""
    (world.in_outlook if made_in_outlook else world.in_crm)("Moved")
    world.in_crm("Stays")
    world.sync()
    away = world.target.user_move(world.outlook()["Moved"].key)
    world.sync()
    world.target.user_move(away, Shelf.HOME)
    world.crm.user_delete(world.records()["Moved"].key)
    world.target.user_edit(world.outlook()["Moved"].key, location="Garden")
    world.sync()
    world.settled()
    world.assert_in_step("Moved", "Stays")


def test_a_copy_that_moved_away_does_not_pass_for_its_deleted_original(world: World) -> None:
    """D8 with D7: the copy bears the original's stamp, and lies where moved items are looked for."""
    world.in_crm("Original")
    world.in_crm("Stays")
    world.sync()
    copy = world.target.user_copy(world.outlook()["Original"].key)
    world.target.user_edit(copy, title="Copy")
    world.sync()
    world.target.user_move(copy)
    world.target.user_delete(world.outlook()["Original"].key)
    world.sync()
    world.settled()
    assert sorted(world.records()) == ["Copy", "Stays"]


def test_an_original_taken_back_after_it_was_made_again_is_a_second_item(world: World) -> None:
    """B-63, then the user restores what he had deleted: two items on both sides, and no pass tries for ever."""
    world.in_outlook("Lunch")
    world.in_outlook("Stays")
    world.sync()
    world.target.user_delete(world.outlook()["Lunch"].key)
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.sync()
    (gone,) = world.target.items(ANN, shelf=Shelf.DELETED)
    back = world.target.user_move(gone.key, Shelf.HOME)
    world.target.user_edit(back, title="Restored")
    world.sync()
    world.settled()
    world.assert_in_step("Lunch", "Restored", "Stays")


def test_an_item_deleted_right_after_we_made_it_is_deleted(world: World) -> None:
    """The watermark has never seen it, so no feed tells of its delete."""
    world.in_crm("Stays")
    world.sync()
    world.in_crm("Lunch")
    world.sync()
    world.target.user_delete(world.outlook()["Lunch"].key)
    world.sync()
    world.assert_in_step("Stays")


def test_an_item_taken_back_out_of_deleted_items_is_made_again(world: World) -> None:
    """The delete went through; what comes back is an item again, on both sides, once."""
    world.in_outlook("Lunch")
    world.in_outlook("Stays")
    world.sync()
    world.target.user_delete(world.outlook()["Lunch"].key)
    world.sync()
    (gone,) = world.target.items(ANN, shelf=Shelf.DELETED)
    world.target.user_move(gone.key, Shelf.HOME)
    world.sync()
    world.settled()
    world.assert_in_step("Lunch", "Stays")


@pytest.mark.parametrize("made_in_outlook", [True, False], ids=["known-by-uid", "known-by-stamp"])
def test_a_copy_is_an_item_of_its_own(world: World, made_in_outlook: bool) -> None:
    """D8: the copy bears our stamp; original and copy live on, each with its own partner."""
    (world.in_outlook if made_in_outlook else world.in_crm)("Original")
    world.sync()
    copy = world.target.user_copy(world.outlook()["Original"].key)
    world.target.user_edit(copy, title="Copy")
    world.sync()
    world.assert_in_step("Copy", "Original")
    world.target.user_edit(copy, location="Garden")
    world.crm.user_edit(world.records()["Original"].key, place="Hall")
    world.sync()
    world.settled()
    world.assert_in_step("Copy", "Original")
    assert world.records()["Copy"].values["place"] == "Garden"
    assert world.records()["Original"].values["place"] == "Hall"


def test_a_copy_made_before_anybody_read_the_original_is_known_by_its_own_identity(world: World) -> None:
    """D8: the original's identity is not known yet (its read-back failed); the copy still goes into the key table by its own,
    so that it is found again when its record was made without an answer and it moves away."""
    world.in_crm("Original")
    world.disturb(Nth("target", "get", Fault(Form.BEFORE)))
    world.run()
    world.boundary.faults = None
    copy = world.target.user_copy(world.outlook()["Original"].key)
    world.target.user_edit(copy, title="Copy")
    world.disturb(Nth("crm", "create", Fault(Form.AFTER)))
    world.run()
    world.target.user_move(copy)
    world.settled()
    assert world.titles() == (["Original"], ["Copy", "Original"])
    assert len(world.target.items(ANN, shelf=Shelf.OTHER)) == 1


def test_deleting_the_original_leaves_the_copy(world: World) -> None:
    """D8: the copy's stamp does not keep the original alive, nor does it go with it."""
    world.in_crm("Original")
    world.in_crm("Stays")
    world.sync()
    copy = world.target.user_copy(world.outlook()["Original"].key)
    world.target.user_edit(copy, title="Copy")
    world.sync()
    world.target.user_delete(world.outlook()["Original"].key)
    world.sync()
    world.settled()
    world.assert_in_step("Copy", "Stays")


def test_deleting_the_copy_leaves_the_original(world: World) -> None:
    """D8."""
    world.in_crm("Original")
    world.sync()
    copy = world.target.user_copy(world.outlook()["Original"].key)
    world.target.user_edit(copy, title="Copy")
    world.sync()
    world.target.user_delete(copy)
    world.sync()
    world.settled()
    world.assert_in_step("Original")


def test_a_copy_that_outlives_a_delete_between_two_passes_is_followed_or_new(world: World) -> None:
    """D8: copied, and the original deleted, before any pass saw either: one item is left on both sides."""
    world.in_crm("Original")
    world.in_crm("Stays")
    world.sync()
    original = world.outlook()["Original"].key
    world.target.user_copy(original)
    world.target.user_delete(original)
    world.sync()
    world.settled()
    outlook, crm = world.titles()
    assert outlook == crm


# -- items that nobody can carry ---------------------------------------------------------------------------------------


def test_one_bad_item_does_not_block_the_folder(world: World) -> None:
    """B-23, C7, P10: quarantined with its reason, and visible; its neighbours are carried at once."""
    bad = world.in_outlook("Every Monday")
    world.target.user_spoil(bad)
    world.in_outlook("Lunch")
    world.in_crm("Dinner")
    world.sync()
    assert sorted(world.records()) == ["Dinner", "Lunch"]
    (entry,) = world.store.quarantined(world.link)
    assert (entry.side, entry.key, entry.code, entry.tries) == (Side.TARGET, bad, "recurring", 1)
    world.sync()
    world.quiet()


def test_a_quarantined_item_is_released_when_it_can_be_carried(world: World) -> None:
    """C7: retried at once when either side changes."""
    bad = world.in_outlook("Every Monday")
    world.target.user_spoil(bad)
    world.sync()
    world.target.user_spoil(bad, None)
    world.sync()
    world.assert_in_step("Every Monday")
    assert not world.store.quarantined()


def test_a_quarantined_item_is_tried_again_later(world: World) -> None:
    """B-23: what the server refused once may be taken later, without anybody touching it."""
    world.target.reject = lambda values: "ErrorQuotaExceeded" if values.get("title") == "Big" else None
    world.in_crm("Big")
    world.in_crm("Small")
    world.sync()
    assert world.titles()[0] == ["Small"]
    (entry,) = world.store.quarantined(world.link)
    assert entry.code == "ErrorQuotaExceeded"
    world.target.reject = lambda values: None
    world.clock.advance(timedelta(hours=3))
    world.sync()
    world.assert_in_step("Big", "Small")
    assert not world.store.quarantined()


def test_a_write_that_the_crm_refuses_is_quarantined(world: World) -> None:
    """C12: a constraint of the CRM stops that item only."""
    world.crm.reject = lambda values: "too-long" if values.get("subject") == "Big" else None
    world.in_outlook("Big")
    world.in_outlook("Small")
    world.sync()
    assert world.titles()[1] == ["Small"]
    assert [entry.code for entry in world.store.quarantined(world.link)] == ["too-long"]


def test_a_value_that_the_mapping_cannot_express_is_quarantined(world: World) -> None:
    """B-23: with the field and its place in YAML."""
    world.in_crm("Odd", priority="Z")
    world.in_crm("Fine")
    world.sync()
    assert world.titles()[0] == ["Fine"]
    (entry,) = world.store.quarantined(world.link)
    assert entry.side is Side.CRM
    assert "priority" in entry.reason
    assert "schedule_item.yaml" in entry.reason
    world.crm.user_edit(world.records()["Odd"].key, priority="A")
    world.sync()
    world.assert_in_step("Fine", "Odd")
    assert not world.store.quarantined()


def test_a_bad_item_that_is_deleted_leaves_the_quarantine(world: World) -> None:
    bad = world.in_outlook("Every Monday")
    world.target.user_spoil(bad)
    world.in_outlook("Lunch")
    world.sync()
    world.target.user_delete(bad)
    world.sync()
    world.settled()
    world.assert_in_step("Lunch")
    assert not world.store.quarantined()


# -- owners ------------------------------------------------------------------------------------------------------------


def test_records_of_strangers_are_nobodys_business(world: World) -> None:
    """Only what the link's user owns takes part."""
    world.crm.add_user("99", "stranger@example.com")
    world.crm.user_create("99", row("Stranger's"))
    world.in_crm("Ann's")
    world.sync()
    assert world.titles()[0] == ["Ann's"]


def test_a_record_that_ann_loses_stays_in_her_calendar_and_is_left_alone(world: World) -> None:
    """D13: detached; neither her edits nor her delete reach the record that is somebody else's now."""
    world.crm.add_user("99", "stranger@example.com")
    key = world.in_crm("Handed over")
    world.sync()
    world.crm.user_assign(key, "99")
    assert not world.sync().writes
    world.target.user_edit(world.outlook()["Handed over"].key, location="Garden")
    assert not world.sync().writes
    world.target.user_delete(world.outlook()["Handed over"].key)
    assert not world.sync().writes
    assert [item.values["place"] for item in world.crm.items("99")] == ["Room 4"]
    assert world.pairings(PairingStatus.DETACHED)


def test_a_record_that_comes_back_to_ann(world: World) -> None:
    """D13: given away by mistake and taken back; there is still one item of it in her calendar."""
    world.crm.add_user("99", "stranger@example.com")
    key = world.in_crm("Lent")
    world.sync()
    world.crm.user_assign(key, "99")
    world.sync()
    world.crm.user_assign(key, OWNERS[ANN])
    world.sync()
    world.settled()
    assert world.titles() == (["Lent"], ["Lent"])


def test_events_keep_their_own_zone(world: World) -> None:
    """B-46."""
    world.target.user_create(ANN, event("Call", start="2026-03-29T09:00:00", time_zone="America/New_York"))
    world.sync()
    assert world.records()["Call"].values["starts_at"] == "2026-03-29T13:00:00Z"
    assert world.records()["Call"].values["time_zone"] == "America/New_York"
    world.assert_in_step("Call")
