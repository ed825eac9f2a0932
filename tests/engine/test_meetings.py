"""One meeting, several synchronised mailboxes, one CRM record (B-31, B-41), in every order of arrival."""

from __future__ import annotations

from itertools import permutations

import pytest

from runner.model.meetings import Rank
from runner.model.record import Value
from runner.model.state import PairingStatus
from runner.model.terms import Side
from runner.testing.faults import Crash, Fault, Form, Nth
from runner.testing.store import MemoryStore
from tests.engine.conftest import MakeWorld
from tests.engine.world import ANN, BOB, OWNERS, World, event, link_plan, row

CAL = "cal.day@example.com"
OUTSIDER = "eve@customer.example"
UID = "uid-of-the-meeting"


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Ann, Bob and Cal, all three synchronised, in a CRM where a record can be several users'."""
    return shared(make_world(link_plan(ANN), link_plan(BOB), link_plan(CAL)))


def shared(world: World) -> World:
    world.crm.related = True
    return world


def copy_of(world: World, user: str, organizer: str, response: str = "needs_action", **changes: Value) -> str:
    """A user's copy of the meeting; what he has for himself is his own."""
    busy = "busy" if response in {"organizer", "accepted"} else "tentative"
    return world.target.user_create(
        user,
        event("Plan", **{"free_busy_status": busy, **changes}),
        native=UID,
        shared=True,
        organizer=organizer,
        response=response,
    )


def the_record(world: World) -> dict[str, Value]:
    """The one record that there is."""
    [item] = world.crm.items()
    return dict(item.values)


def run_all(world: World, times: int = 3) -> None:
    for _ in range(times):
        world.sync()


def standing_reason(world: World, user: str) -> str | None:
    [pairing] = world.store.pairings(f"sandbox/{user}/calendar", natives=[UID])
    return pairing.reason if pairing.status is PairingStatus.DETACHED else None


@pytest.mark.parametrize("order", list(permutations([ANN, BOB, CAL])), ids=lambda order: "-".join(u[:3] for u in order))
def test_the_organizers_copy_counts_whoever_comes_first(make_world: MakeWorld, order: tuple[str, ...]) -> None:
    """B-41: one record, Ann's values, nobody's calendar changed by it."""
    world = shared(make_world(*(link_plan(user) for user in order)))
    copies: dict[str, str] = {}
    for user in order:
        copies[user] = copy_of(world, user, ANN, "organizer" if user == ANN else "needs_action")
        run_all(world, 2)
    record = the_record(world)
    assert (record["subject"], record["show_as"]) == ("Plan", "Busy")
    for user, key in copies.items():
        held = world.target.item(key)
        assert held is not None
        assert held.values["free_busy_status"] == ("busy" if user == ANN else "tentative")
    world.quiet()


def test_only_the_organizers_edits_come_in_and_the_crms_reach_every_copy(world: World) -> None:
    """B-41; B-42: who is not told by mail gets the change written into his calendar."""
    ann = copy_of(world, ANN, ANN, "organizer")
    bob = copy_of(world, BOB, ANN)
    run_all(world)
    world.target.user_edit(bob, title="Bob's own words", free_busy_status="free")
    run_all(world)
    assert (the_record(world)["subject"], the_record(world)["show_as"]) == ("Plan", "Busy")
    world.target.user_edit(ann, location="Room 9")
    run_all(world)
    assert the_record(world)["place"] == "Room 9"
    held = world.target.item(bob)
    assert held is not None
    assert (held.values["location"], held.values["title"]) == ("Room 9", "Bob's own words")
    [item] = world.crm.items()
    world.crm.user_edit(item.key, subject="Plan B", show_as="OOF")
    run_all(world)
    for key, title, busy in ((ann, "Plan B", "out_of_office"), (bob, "Plan B", "free")):
        held = world.target.item(key)
        assert held is not None
        assert (held.values["title"], held.values["free_busy_status"]) == (title, busy)
    world.quiet()


@pytest.mark.parametrize("hard", [False, True])
def test_a_follower_who_deletes_or_declines_leaves_the_meeting_alone(world: World, hard: bool) -> None:
    """B-41: the record stays, and his copy is not made again."""
    copy_of(world, ANN, ANN, "organizer")
    bob = copy_of(world, BOB, ANN)
    run_all(world)
    world.target.user_delete(bob, hard=hard)
    run_all(world)
    assert the_record(world)["subject"] == "Plan"
    assert "does not speak" in (standing_reason(world, BOB) or "")
    [item] = world.crm.items()
    world.crm.user_edit(item.key, subject="Plan B")
    run_all(world)
    assert world.target.items(BOB) == []
    world.quiet()


def test_the_organizers_delete_ends_the_meeting_everywhere(world: World) -> None:
    ann = copy_of(world, ANN, ANN, "organizer")
    copy_of(world, BOB, ANN)
    run_all(world)
    world.target.user_delete(ann)
    run_all(world)
    assert world.crm.items() == []
    assert world.target.items(BOB) == []
    world.quiet()


def test_the_crms_delete_ends_the_meeting_in_every_calendar_even_an_edited_one(world: World) -> None:
    """A follower's edit is no reason to make the meeting again (B-63 is about what counts)."""
    copy_of(world, ANN, ANN, "organizer")
    bob = copy_of(world, BOB, ANN)
    run_all(world)
    [item] = world.crm.items()
    world.crm.user_delete(item.key)
    world.target.user_edit(bob, title="Canceled: Plan")
    run_all(world)
    assert world.crm.items() == []
    assert (world.target.items(ANN), world.target.items(BOB)) == ([], [])
    world.quiet()


def test_the_first_who_accepts_speaks_where_the_organizer_is_not_synchronised(world: World) -> None:
    """B-41: Bob came first, Cal accepts first."""
    bob = copy_of(world, BOB, OUTSIDER)
    run_all(world)
    cal = copy_of(world, CAL, OUTSIDER)
    run_all(world)
    assert world.store.masters([UID])[UID].link.endswith(f"{BOB}/calendar")
    world.target.user_answer(cal, "accepted")
    run_all(world)
    world.target.user_answer(bob, "accepted")
    run_all(world)
    master = world.store.masters([UID])[UID]
    assert (master.link, master.rank) == (f"sandbox/{CAL}/calendar", Rank.ACCEPTED)
    world.target.user_edit(bob, title="Not this")
    world.target.user_edit(cal, location="Room 9")
    run_all(world)
    assert (the_record(world)["subject"], the_record(world)["place"]) == ("Plan", "Room 9")
    world.quiet()


def test_when_the_master_is_no_longer_synchronised_the_next_who_comes_in_takes_over(world: World) -> None:
    """B-41."""
    bob = copy_of(world, BOB, OUTSIDER, "accepted")
    run_all(world)
    cal = copy_of(world, CAL, OUTSIDER)
    run_all(world)
    world.links = [link for link in world.links if link.user != BOB]
    world.target.user_edit(cal, location="Room 9")
    run_all(world)
    assert world.store.masters([UID])[UID].link == f"sandbox/{CAL}/calendar"
    assert the_record(world)["place"] == "Room 9"
    assert world.target.item(bob) is not None


def test_a_master_who_deletes_leaves_and_the_record_stays_for_the_others(world: World) -> None:
    bob = copy_of(world, BOB, OUTSIDER, "accepted")
    run_all(world)
    cal = copy_of(world, CAL, OUTSIDER)
    run_all(world)
    world.target.user_delete(bob)
    run_all(world)
    assert the_record(world)["subject"] == "Plan"
    assert world.target.item(cal) is not None
    world.quiet()


def test_the_last_copys_delete_is_the_records(world: World) -> None:
    bob = copy_of(world, BOB, OUTSIDER, "accepted")
    run_all(world)
    world.target.user_delete(bob)
    run_all(world)
    assert world.crm.items() == []
    world.quiet()


def test_the_record_of_a_copy_that_came_first_takes_on_the_organizers_values(world: World) -> None:
    """What Bob's copy said is not a CRM user's edit: Ann's wins, and the loser is recorded (B-62)."""
    copy_of(world, BOB, ANN, keywords=("Bob's",))
    run_all(world)
    assert the_record(world)["show_as"] == "Tentative"
    ann = copy_of(world, ANN, ANN, "organizer", location="Room 9")
    run_all(world)
    assert (the_record(world)["show_as"], the_record(world)["place"]) == ("Busy", "Room 9")
    held = world.target.item(ann)
    assert held is not None
    assert (held.values["free_busy_status"], held.values["location"]) == ("busy", "Room 9")
    world.quiet()


def test_a_copy_whose_joining_was_cut_short_is_not_made_a_second_time(world: World) -> None:
    """B-41: Ann became a holder of the record, the process died before it knew, and her mailbox did not answer then."""
    ann, bob, _ = world.links
    world.links = [bob]
    copy_of(world, BOB, BOB, "organizer")
    run_all(world, 2)
    world.links = [ann, bob]
    world.sync()
    copy_of(world, ANN, BOB)
    world.disturb(Nth("crm", "create", Fault(Form.CRASH_AFTER)))
    with pytest.raises(Crash):
        world.run()
    world.disturb(Nth("target", "get", Fault(Form.BEFORE)))
    world.run()
    world.settled()
    assert [item.native for item in world.target.items(ANN)] == [UID]
    assert len(world.crm.items()) == 1
    world.quiet()


def test_a_joining_that_was_never_sent_is_sent_again(world: World) -> None:
    """B-41 (seed 476): Bob's process died before his create went out, and Ann's pass made the record meanwhile. He is none of
    its users, and what he organizes must reach it all the same."""
    ann, bob, _ = world.links
    world.links = [bob]
    world.sync()
    copy = copy_of(world, BOB, BOB, "organizer")
    world.disturb(Nth("crm", "create", Fault(Form.CRASH_BEFORE)))
    with pytest.raises(Crash):
        world.run()
    world.disturb(lambda call: None)
    world.links = [ann]
    copy_of(world, ANN, BOB)
    run_all(world, 2)
    world.target.user_edit(copy, title="Bob's words")
    world.links = [ann, bob]
    world.settled()
    assert the_record(world)["subject"] == "Bob's words"
    assert len(world.crm.items(OWNERS[BOB])) == 1
    world.quiet()


def made_again_by_bob(world: World) -> str:
    """Ann's record was deleted in the CRM while she edited her meeting, and before her pass Bob's copy brought it back;
    returns Ann's item."""
    ann, bob, _ = world.links
    world.links = [ann]
    key = copy_of(world, ANN, ANN, "organizer")
    run_all(world, 2)
    world.crm.user_delete(world.crm.items()[0].key)
    world.target.user_edit(key, location="Room 9")
    world.links = [bob]
    copy_of(world, BOB, ANN, location="Room 9")
    run_all(world, 2)
    world.links = [ann, bob]
    return key


def test_a_record_that_is_joined_instead_of_made_again_without_an_answer_is_paired(world: World) -> None:
    """B-41 (seeds 63608, 90053): Ann's edit won against the delete, and what was to be made again was there already. She
    became one of its users and the process died; the record was not to be made in her calendar beside her own item."""
    key = made_again_by_bob(world)
    world.disturb(Nth("crm", "create", Fault(Form.CRASH_AFTER)))
    with pytest.raises(Crash):
        world.run()
    world.settled()
    assert [item.key for item in world.target.items(ANN)] == [key]
    assert the_record(world)["place"] == "Room 9"
    world.quiet()


@pytest.mark.parametrize("first", [Side.CRM, Side.TARGET], ids=str)
def test_a_record_is_not_made_beside_an_item_whose_own_record_is_gone(world: World, first: Side) -> None:
    """B-41, B-31: the CRM gave Ann the record that Bob's copy had brought back, before her pass knew what became of hers."""
    key = made_again_by_bob(world)
    [record] = world.crm.items()
    world.crm.user_share(record.key, OWNERS[ANN])
    if first is Side.CRM:
        world.disturb(Nth("target", "changes", Fault(Form.BEFORE)))
        world.run()
    world.settled()
    assert [item.key for item in world.target.items(ANN)] == [key]
    assert the_record(world)["place"] == "Room 9"
    world.quiet()


def test_an_attendee_who_deletes_before_the_organizers_copy_was_read_leaves_the_record(world: World) -> None:
    """B-41 (seed 85746): the meeting is Cal's, who is synchronised, and goes on without Ann; so does what the CRM says."""
    mine = copy_of(world, ANN, CAL)
    run_all(world, 2)
    world.crm.user_edit(world.crm.items()[0].key, place="Room 9")
    run_all(world, 2)
    world.target.user_delete(mine)
    run_all(world, 2)
    assert the_record(world)["place"] == "Room 9"
    copy_of(world, CAL, CAL, "organizer")
    world.settled()
    [own] = world.target.items(CAL)
    assert own.values["location"] == the_record(world)["place"] == "Room 9"
    assert world.target.items(ANN) == []
    world.quiet()


def test_a_meeting_that_the_crm_gives_to_an_attendee_is_not_made_beside_the_copy_that_came_by_mail(
    world: World,
) -> None:
    """B-31, B-41: Bob became one of the record's users before anybody had read his copy."""
    copy_of(world, ANN, ANN, "organizer")
    run_all(world)
    [record] = world.crm.items()
    world.crm.user_share(record.key, OWNERS[BOB])
    copy_of(world, BOB, ANN)
    run_all(world)
    assert [item.native for item in world.target.items(BOB)] == [UID]
    world.quiet()


def test_a_meeting_that_is_made_again_after_the_state_was_lost_stays_the_same_meeting(make_world: MakeWorld) -> None:
    """B-41, A9 (seed 2444): Bob's copy was deleted and the state lost before Ann's was read. What is made again in his
    calendar is that meeting, and whoever brings its record back, it is one record."""
    world = shared(World(link_plan(ANN), link_plan(BOB), store=MemoryStore()))
    ann, bob = world.links
    world.links = [bob]
    copy_of(world, ANN, BOB)
    copy_of(world, BOB, BOB, "organizer")
    run_all(world, 2)
    world.target.user_delete(world.target.items(BOB)[0].key)
    world.store = MemoryStore()
    run_all(world, 2)
    [again] = world.target.items(BOB)
    assert again.native == UID
    world.crm.user_delete(world.crm.items()[0].key)
    world.target.user_edit(again.key, location="Garden")
    world.links = [ann]
    run_all(world, 2)
    world.links = [ann, bob]
    run_all(world)
    assert len(world.crm.items()) == 1
    assert [len(world.target.items(user)) for user in (ANN, BOB)] == [1, 1]
    world.quiet()


def test_a_meeting_that_is_made_again_because_an_edit_won_stays_the_same_meeting(world: World) -> None:
    """B-41, B-63 (seed 132075): its organizer deleted it in Outlook while somebody edited it in the CRM. What is made again
    in his calendar is what lies in the others', and a record that two of them bring back is one record."""
    ann = copy_of(world, ANN, ANN, "organizer")
    copy_of(world, BOB, ANN)
    run_all(world)
    world.crm.user_edit(world.crm.items()[0].key, place="Room 9")
    world.target.user_delete(ann)
    world.settled()
    [own], [bobs] = world.target.items(ANN), world.target.items(BOB)
    assert own.native == bobs.native == UID
    world.crm.user_delete(world.crm.items()[0].key)
    for item in (own, bobs):
        world.target.user_edit(item.key, title="Go on")
    copy_of(world, CAL, ANN, title="Go on")
    world.settled()
    assert the_record(world)["subject"] == "Go on"
    world.quiet()


def test_a_record_without_meeting_is_nobodys_but_its_owners(world: World) -> None:
    """Ordinary appointments are not touched by any of this."""
    key = world.in_crm("Alone")
    run_all(world)
    [held] = world.target.items(ANN)
    world.target.user_edit(held.key, title="Still alone")
    run_all(world)
    item = world.crm.item(key)
    assert item is not None
    assert item.values["subject"] == "Still alone"
    assert world.store.masters([held.native or ""]) == {}


__all__ = ["OWNERS", "row"]
