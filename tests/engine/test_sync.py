"""The ordinary life of items: made, edited and deleted on either side, and never written twice."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from runner.engine.parts import STEP
from runner.model.errors import AccessDenied
from runner.model.state import LinkCondition, PairingStatus
from runner.model.terms import Direction, OnDrift, Operation, Side
from runner.testing.faults import Fault, Form, Nth
from runner.testing.store import MemoryStore
from runner.testing.target import Shelf
from tests.engine.world import ANN, BOB, OWNERS, World, event, link_plan

MakeWorld = Callable[..., World]
DENY_DELETES = frozenset((Operation.DELETE, side) for side in Side)


def test_first_sync_carries_both_ways(world: World) -> None:
    world.in_outlook("From Outlook", keywords=("Blue", "Red"), privacy="personal")
    world.in_crm("From the CRM", priority="A", all_day=False)
    report = world.sync()
    world.assert_in_step("From Outlook", "From the CRM")
    assert report.counts["crm.create"] == report.counts["target.create"] == 1
    assert world.store.link(world.link).condition is LinkCondition.ACTIVE


def test_all_day_items_and_empty_fields_survive_the_way_there_and_back(world: World) -> None:
    """B-46: all-day items are dates and never shift."""
    world.in_outlook(
        "Holiday",
        start="2026-03-29T00:00:00",
        duration="P2D",
        show_without_time=True,
        time_zone=None,
        location=None,
        description=None,
    )
    world.sync()
    world.assert_in_step("Holiday")
    world.crm.user_edit(world.records()["Holiday"].key, subject="Longer holiday")
    world.sync()
    assert world.outlook()["Longer holiday"].values["start"] == "2026-03-29T00:00:00"
    world.assert_in_step("Longer holiday")


def test_a_second_pass_writes_nothing_and_reads_no_item(world: World) -> None:
    """B-12, P5."""
    for n in range(5):
        world.in_outlook(f"Outlook {n}")
        world.in_crm(f"CRM {n}")
    world.sync()
    world.sync()
    world.quiet()
    world.quiet()


@pytest.mark.parametrize("page", [1, 3, 100])
def test_page_size_does_not_matter(make_world: MakeWorld, page: int) -> None:
    world = make_world(page=page)
    for n in range(7):
        world.in_outlook(f"Outlook {n}")
        world.in_crm(f"CRM {n}")
    world.sync()
    world.assert_in_step(*(f"{side} {n}" for side in ("Outlook", "CRM") for n in range(7)))


def test_more_items_than_one_step_takes() -> None:
    """Steps commit one after the other; nothing is forgotten between them."""
    world = World(store=MemoryStore(), page=100)
    titles = [f"Item {n}" for n in range(2 * STEP + 7)]
    for title in titles:
        world.in_outlook(title)
    assert world.sync().counts["crm.create"] == len(titles)
    assert world.titles() == (sorted(titles), sorted(titles))
    world.sync()
    world.quiet()


def test_an_edit_in_outlook_reaches_the_crm(world: World) -> None:
    world.in_outlook("Lunch")
    world.sync()
    world.target.user_edit(world.outlook()["Lunch"].key, title="Late lunch", start="2026-03-03T13:00:00")
    report = world.sync()
    world.assert_in_step("Late lunch")
    assert (report.counts["crm.update"], report.counts["target.update"]) == (1, 0)
    assert world.records()["Late lunch"].values["starts_at"] == "2026-03-03T12:00:00Z"


def test_an_edit_in_the_crm_reaches_outlook_and_stamps_the_item(world: World) -> None:
    """Design §9: an item that came from Outlook is stamped with the first write that is made anyway."""
    world.in_outlook("Lunch")
    world.sync()
    assert world.outlook()["Lunch"].stamp is None
    world.crm.user_edit(world.records()["Lunch"].key, place="Canteen")
    report = world.sync()
    world.assert_in_step("Lunch")
    assert (report.counts["crm.update"], report.counts["target.update"]) == (0, 1)
    assert world.outlook()["Lunch"].stamp


def test_a_touched_item_without_a_change_is_read_and_not_written(world: World) -> None:
    """A change key that moved on (a reminder went off) is no edit: the content decides."""
    world.in_outlook("Lunch")
    world.sync()
    world.target.user_touch(world.outlook()["Lunch"].key)
    assert not world.sync().writes
    world.quiet()


def test_the_html_of_an_untouched_body_is_never_written(world: World) -> None:
    """B-44: an item whose body did not change in the CRM never has its body rewritten."""
    world.in_outlook("Newsletter")
    world.sync()
    world.crm.user_edit(world.records()["Newsletter"].key, place="Hall")
    world.target.reject = lambda values: "body written" if "description" in values else None
    world.sync()
    world.assert_in_step("Newsletter")


@pytest.mark.parametrize("hard", [False, True])
def test_a_delete_in_outlook_deletes_the_record(world: World, hard: bool) -> None:
    """B-39."""
    world.in_outlook("Stays")
    world.in_outlook("Lunch")
    world.sync()
    world.target.user_delete(world.outlook()["Lunch"].key, hard=hard, purge=hard)
    assert world.sync().counts["crm.delete"] == 1
    world.assert_in_step("Stays")
    world.settled()
    world.quiet()


@pytest.mark.parametrize("hard", [False, True])
def test_a_delete_in_the_crm_moves_the_item_to_deleted_items(world: World, hard: bool) -> None:
    """B-39; the user can take it back out of Deleted Items."""
    world.in_crm("Stays")
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_delete(world.records()["Lunch"].key, hard=hard)
    assert world.sync().counts["target.delete"] == 1
    world.assert_in_step("Stays")
    assert [item.values["title"] for item in world.target.items(ANN, shelf=Shelf.DELETED)] == ["Lunch"]
    world.settled()
    world.quiet()


@pytest.mark.parametrize("side", list(Side))
def test_a_denied_delete_detaches_and_is_never_made_again(make_world: MakeWorld, side: Side) -> None:
    """B-39: the pair is left alone for good, whatever happens to what is left of it."""
    world = make_world(link_plan(denied=DENY_DELETES))
    world.in_crm("Stays")
    world.in_crm("Lunch")
    world.sync()
    if side is Side.CRM:
        world.crm.user_delete(world.records()["Lunch"].key)
    else:
        world.target.user_delete(world.outlook()["Lunch"].key)
    assert not world.sync().writes
    if side is Side.CRM:
        world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")
    else:
        world.crm.user_edit(world.records()["Lunch"].key, place="Garden")
    assert not world.sync().writes
    assert world.titles() == ((["Lunch", "Stays"], ["Stays"]) if side is Side.CRM else (["Stays"], ["Lunch", "Stays"]))
    assert [pairing.status for pairing in world.pairings(PairingStatus.DETACHED)] == [PairingStatus.DETACHED]
    world.quiet()


def test_a_delete_on_both_sides_is_forgotten(world: World) -> None:
    """D5."""
    world.in_crm("Stays")
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_delete(world.records()["Lunch"].key)
    world.target.user_delete(world.outlook()["Lunch"].key)
    assert not world.sync().writes
    assert len(world.pairings()) == 1
    world.quiet()


def test_an_item_made_and_deleted_between_two_passes_never_was(world: World) -> None:
    world.sync()
    world.target.user_delete(world.in_outlook("Outlook's"))
    world.crm.user_delete(world.in_crm("CRM's"))
    assert not world.sync().writes
    world.assert_in_step()


def test_a_record_taken_back_from_deletion_is_a_new_item(world: World) -> None:
    world.in_crm("Stays")
    key = world.in_crm("Lunch")
    world.sync()
    world.crm.user_delete(key)
    world.sync()
    world.crm.user_restore(key)
    world.sync()
    world.assert_in_step("Lunch", "Stays")
    world.settled()
    world.assert_in_step("Lunch", "Stays")


def test_first_sync_pairs_what_both_sides_hold(world: World) -> None:
    """B-72: the declared key (title, start) pairs; differences merge as a conflict, and nothing is made twice."""
    world.in_outlook("Lunch")
    world.in_crm("Lunch")
    world.in_outlook("Review", location="Outlook's room")
    world.in_crm("Review", place="CRM's room")
    report = world.sync()
    world.assert_in_step("Lunch", "Review")
    assert report.counts["matched"] == 2
    assert world.outlook()["Review"].values["location"] == "CRM's room"
    assert [(c.field, c.target) for c in world.store.conflicts()] == [("location", {"location": "Outlook's room"})]
    world.sync()
    world.quiet()


def test_first_sync_creates_what_is_not_unique(world: World) -> None:
    """B-72: a key that two items of one side share pairs nothing; no item is lost by it."""
    for _ in range(2):
        world.in_outlook("Standup")
    world.in_crm("Standup")
    world.sync()
    outlook, crm = world.titles()
    assert len(outlook) >= 2
    assert len(crm) >= 1
    world.settled()
    assert world.store.count(world.link) <= min(len(world.titles()[0]), len(world.titles()[1]))


@pytest.mark.parametrize("direction", [Direction.OUTBOUND, Direction.INBOUND])
def test_first_sync_of_a_one_way_link_pairs_what_both_sides_hold(make_world: MakeWorld, direction: Direction) -> None:
    """B-72: the side that is only read is asked for what it holds before anything is made on the other."""
    world = make_world(link_plan(direction=direction))
    world.in_outlook("Lunch", location="Outlook's room")
    world.in_crm("Lunch", place="CRM's room")
    world.sync()
    world.assert_in_step("Lunch")
    assert (
        world.outlook()["Lunch"].values["location"]
        == f"{'CRM' if direction is Direction.OUTBOUND else 'Outlook'}'s room"
    )
    world.sync()
    world.quiet()


def test_outbound_only_never_writes_the_crm(make_world: MakeWorld) -> None:
    """B-2, P6: checked where a write would arrive."""
    world = make_world(link_plan(direction=Direction.OUTBOUND))
    world.crm.allowed = frozenset()
    world.in_crm("Ours")
    world.in_crm("Deleted in Outlook")
    world.in_outlook("Ann's own")
    world.sync()
    world.target.user_edit(world.outlook()["Ours"].key, location="Garden")
    world.target.user_delete(world.outlook()["Deleted in Outlook"].key)
    world.sync()
    world.crm.user_edit(world.records()["Ours"].key, notes="CRM's notes")
    world.sync()
    assert world.titles() == (["Ann's own", "Ours"], ["Deleted in Outlook", "Ours"])
    ours = world.outlook()["Ours"].values
    assert (ours["location"], ours["description"]) == ("Garden", "CRM's notes")


def test_inbound_only_never_writes_the_target(make_world: MakeWorld) -> None:
    """B-2, P6."""
    world = make_world(link_plan(direction=Direction.INBOUND))
    world.target.allowed = frozenset()
    world.in_outlook("Ann's")
    world.in_crm("CRM's own")
    world.sync()
    world.crm.user_edit(world.records()["Ann's"].key, place="Hall")
    world.sync()
    world.target.user_edit(world.outlook()["Ann's"].key, title="Ann's new")
    world.sync()
    assert world.titles() == (["Ann's new"], ["Ann's new", "CRM's own"])
    world.target.user_delete(world.outlook()["Ann's new"].key)
    world.sync()
    assert world.titles() == ([], ["CRM's own"])


def test_drift_is_reverted_on_request(make_world: MakeWorld) -> None:
    """B-5."""
    world = make_world(link_plan(direction=Direction.OUTBOUND, on_drift=OnDrift.REVERT))
    world.in_crm("Ours")
    world.in_crm("Deleted in Outlook")
    world.sync()
    world.target.user_edit(world.outlook()["Ours"].key, location="Garden")
    world.target.user_delete(world.outlook()["Deleted in Outlook"].key)
    world.sync()
    world.assert_in_step("Ours", "Deleted in Outlook")
    world.settled()
    world.quiet()


def test_drift_is_reported_on_request(make_world: MakeWorld) -> None:
    """B-5."""
    world = make_world(link_plan(direction=Direction.OUTBOUND, on_drift=OnDrift.REPORT))
    world.in_crm("Ours")
    world.sync()
    world.target.user_edit(world.outlook()["Ours"].key, location="Garden")
    report = world.sync()
    assert report.counts["drift"] == 1
    assert not report.writes


def test_two_links_do_not_touch_each_others_items(make_world: MakeWorld) -> None:
    world = make_world(link_plan(ANN), link_plan(BOB))
    world.in_outlook("Ann's")
    world.target.user_create(BOB, event("Bob's"))
    world.sync()
    owners = {item.values["subject"]: world.crm.owner_of(item.key) for item in world.crm.items()}
    assert owners == {"Ann's": OWNERS[ANN], "Bob's": OWNERS[BOB]}
    world.sync()
    world.quiet()


def test_one_meeting_is_one_record_however_many_copies_there_are(make_world: MakeWorld) -> None:
    """B-41."""
    world = make_world(link_plan(ANN), link_plan(BOB))
    for user in (ANN, BOB):
        world.target.user_create(user, event("Meeting"), native="uid-m", shared=True)
    world.sync()
    world.settled()
    assert [item.values["subject"] for item in world.crm.items()] == ["Meeting"]


def test_a_record_that_changes_hands_moves_to_the_new_owners_link(make_world: MakeWorld) -> None:
    """D13: leaving the scope of a link detaches; the item in Ann's mailbox is not deleted."""
    world = make_world(link_plan(ANN), link_plan(BOB))
    key = world.in_crm("Handed over")
    world.sync()
    world.crm.user_assign(key, OWNERS[BOB])
    world.sync()
    world.settled()
    assert [item.values["title"] for item in world.target.items(ANN)] == ["Handed over"]
    assert [item.values["title"] for item in world.target.items(BOB)] == ["Handed over"]
    assert len(world.crm.items()) == 1


def test_every_write_is_in_the_ledger_with_before_and_after() -> None:
    """P17: one audit record for each write."""
    store = MemoryStore()
    world = World(store=store)
    world.in_outlook("Lunch")
    world.in_crm("Dinner")
    world.sync()
    world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")
    world.crm.user_delete(world.records()["Dinner"].key)
    world.sync()
    entries = store.ledger()[::-1]
    written = [(entry.side, entry.operation, entry.key) for entry in entries]
    assert len(written) == len(world.boundary.writes())
    update = next(entry for entry in entries if entry.operation is Operation.UPDATE)
    assert (update.before, update.after) == ({"location": "Room 4"}, {"location": "Garden"})
    assert update.rule
    delete = next(entry for entry in entries if entry.operation is Operation.DELETE)
    assert delete.before is not None
    assert (delete.before["title"], delete.after) == ("Dinner", None)


def test_a_normalising_server_does_not_start_a_ping_pong(world: World) -> None:
    """C13: what the server makes of our values is its base; no pass writes the same thing again."""
    world.target.normalise = lambda values: {**values, "title": str(values["title"])[:8].rstrip()}
    world.in_crm("A subject that is too long")
    world.sync()
    world.settled()
    assert world.titles() == (["A subjec"], ["A subject that is too long"])
    world.crm.user_edit(world.records()["A subject that is too long"].key, place="Hall")
    world.sync()
    assert world.outlook()["A subjec"].values["location"] == "Hall"
    world.settled()
    assert world.titles() == (["A subjec"], ["A subject that is too long"])


def test_a_trigger_that_rewrites_values_does_not_start_a_ping_pong(world: World) -> None:
    """C12, D15."""
    world.crm.normalise = lambda values: {**values, "subject": str(values["subject"]).upper()}
    world.in_outlook("Lunch")
    world.settled()
    assert world.titles()[1] == ["LUNCH"]
    world.target.user_edit(world.target.items(ANN)[0].key, location="Garden")
    world.settled()
    assert world.records()["LUNCH"].values["place"] == "Garden"


def test_a_rehearsal_shows_everything_and_writes_nothing(world: World) -> None:
    """``exsync plan``: the same decisions, no write, and the state as it was."""
    world.in_outlook("Lunch")
    world.in_crm("Dinner")
    report = world.sync(rehearse=True)
    assert sorted(planned.label.title for planned in report.changes) == ["Dinner", "Lunch"]
    assert not world.boundary.writes()
    assert world.store.link(world.link).target_watermark is None
    world.sync()
    world.assert_in_step("Lunch", "Dinner")


def test_the_crm_forgets_changes_that_were_read_long_ago(world: World) -> None:
    """The outbox does not grow for ever, and a row that no pass has read is never forgotten."""
    world.in_crm("Old")
    world.sync()
    world.clock.advance(timedelta(days=15))
    world.in_crm("New")
    world.in_crm("Newer")
    world.sync(rehearse=True)
    assert world.crm.outbox_size() == 3
    world.sync()
    assert world.crm.outbox_size() == 2
    world.assert_in_step("Old", "New", "Newer")
    world.sync()
    world.quiet()


def test_a_crm_that_cannot_forget_is_told_and_stops_nothing(world: World) -> None:
    world.sync()
    world.in_crm("One")
    world.disturb(Nth("crm", "prune", Fault(Form.BEFORE, AccessDenied("permission denied for exsync_outbox"))))
    made, outbox = world.run()
    assert made.error is None
    assert (outbox.link, outbox.exit_code) == ("crm", 77)
    world.assert_in_step("One")
