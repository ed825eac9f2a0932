"""Records that several users hold: a copy in each mailbox, one record in the CRM, and what happens when somebody leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runner.model.state import PairingStatus
from runner.model.terms import Direction, OnLeave, Operation, Side
from runner.reconcile.guards import EMPTIED, Limit, Limits
from tests.engine.world import ANN, BOB, OWNERS, World, event, link_plan, row

CALM = Limits({operation: Limit() for operation in Operation})


def _titles(world: World, user: str) -> list[str]:
    return sorted(str(item.values["title"]) for item in world.target.items(user))


def _copy(world: World, user: str, title: str) -> str:
    (key,) = [item.key for item in world.target.items(user) if item.values["title"] == title]
    return key


@pytest.fixture
def world() -> Iterator[World]:
    """Ann and Bob, each with a calendar, over one CRM that relates records to users."""
    made = World(link_plan(ANN), link_plan(BOB))
    made.crm.related = True
    made.sync()
    yield made
    made.close()


@pytest.fixture
def leaving() -> Iterator[World]:
    """The same with outbound links whose copies go when their records leave the user: contacts, in all but name."""
    plans = [link_plan(user, direction=Direction.OUTBOUND, on_leave=OnLeave.REMOVE, limits=CALM) for user in (ANN, BOB)]
    made = World(*plans)
    made.sync()
    yield made
    made.close()


def _shared(world: World, title: str = "Call") -> str:
    key = world.crm.user_create(OWNERS[ANN], row(title))
    world.crm.user_share(key, OWNERS[BOB])
    world.settled()
    return key


# -- one record, several copies ----------------------------------------------------------------------------------------


def test_each_user_who_holds_a_record_gets_a_copy_and_a_second_run_writes_nothing(world: World) -> None:
    """B-50."""
    _shared(world)
    assert _titles(world, ANN) == _titles(world, BOB) == ["Call"]
    world.quiet()


def test_a_user_who_is_given_a_record_later_gets_his_copy_then(world: World) -> None:
    key = world.in_crm("Call")
    world.settled()
    assert _titles(world, BOB) == []
    world.crm.user_share(key, OWNERS[BOB])
    world.settled()
    assert _titles(world, BOB) == ["Call"]
    world.quiet()


def test_an_edit_in_one_mailbox_reaches_the_crm_and_every_other_copy(world: World) -> None:
    key = _shared(world)
    world.target.user_edit(_copy(world, BOB, "Call"), title="Bob's words")
    world.settled()
    item = world.crm.item(key)
    assert item is not None
    assert item.values["subject"] == "Bob's words"
    assert _titles(world, ANN) == _titles(world, BOB) == ["Bob's words"]
    world.quiet()


def test_edits_of_different_fields_in_two_mailboxes_meet_in_every_copy(world: World) -> None:
    """B-60."""
    _shared(world)
    world.target.user_edit(_copy(world, ANN, "Call"), location="Ann's room")
    world.target.user_edit(_copy(world, BOB, "Call"), description="Bob's notes")
    world.settled()
    for user in (ANN, BOB):
        (item,) = world.target.items(user)
        assert (item.values["location"], item.values["description"]) == ("Ann's room", "Bob's notes")
    world.quiet()


def test_an_item_made_in_outlook_is_one_record_and_goes_to_nobody_else(world: World) -> None:
    world.in_outlook("Call")
    world.settled()
    assert (len(world.crm.items()), _titles(world, BOB)) == (1, [])


@pytest.mark.parametrize("first", [ANN, BOB])
def test_one_meeting_in_two_mailboxes_is_one_record_that_both_hold(first: str) -> None:
    """B-41: whichever mailbox is read first."""
    second = BOB if first == ANN else ANN
    world = World(link_plan(first), link_plan(second))
    world.crm.related = True
    for user in (ANN, BOB):
        world.target.user_create(user, event("Meeting"), native="uid-1", shared=True)
    world.settled()
    (item,) = world.crm.items()
    assert [held.key for held in world.crm.items(OWNERS[ANN])] == [item.key]
    assert [held.key for held in world.crm.items(OWNERS[BOB])] == [item.key]
    world.crm.user_edit(item.key, subject="Moved")
    world.settled()
    assert _titles(world, ANN) == _titles(world, BOB) == ["Moved"]
    world.quiet()
    world.close()


# -- deletes -----------------------------------------------------------------------------------------------------------


def test_who_deletes_his_copy_leaves_the_record_to_the_others(world: World) -> None:
    """B-50: a task of several users does not vanish from everybody because one of them tidies up."""
    key = _shared(world)
    world.target.user_delete(_copy(world, BOB, "Call"))
    world.settled()
    assert [item.key for item in world.crm.items(OWNERS[ANN])] == [key]
    assert world.crm.items(OWNERS[BOB]) == []
    assert (_titles(world, ANN), _titles(world, BOB)) == (["Call"], [])
    world.quiet()


def test_the_ledger_says_that_a_user_was_only_taken_out(world: World) -> None:
    _shared(world)
    world.target.user_delete(_copy(world, BOB, "Call"))
    entries = []
    commit = world.store.commit
    world.store.commit = lambda it: (entries.extend(it.ledger), commit(it))[1]  # type: ignore[method-assign]
    world.sync()
    (entry,) = entries
    assert (entry.side, entry.operation) == (Side.CRM, Operation.DELETE)
    assert "only this user was taken out" in entry.reason


def test_the_last_users_delete_deletes_the_record(world: World) -> None:
    _shared(world)
    for user in (BOB, ANN):
        world.target.user_delete(_copy(world, user, "Call"))
        world.settled()
    assert world.crm.items() == []
    world.quiet()


def test_all_copies_deleted_between_two_runs_delete_the_record_once(world: World) -> None:
    _shared(world)
    for user in (ANN, BOB):
        world.target.user_delete(_copy(world, user, "Call"))
    world.settled()
    assert world.crm.items() == []


def test_a_record_deleted_in_the_crm_goes_from_every_mailbox(world: World) -> None:
    key = _shared(world)
    world.crm.user_delete(key)
    world.settled()
    assert (_titles(world, ANN), _titles(world, BOB)) == ([], [])


def test_a_delete_that_cannot_take_its_user_out_ends_the_pair_and_nothing_else(world: World) -> None:
    """B-39: a refused delete detaches; the item is never made again, nor tried again for ever."""
    world.crm.binding = True
    key = _shared(world)
    world.target.user_delete(_copy(world, BOB, "Call"))
    reports = world.run()
    assert reports[1].counts["detached"] == 1
    world.crm.user_edit(key, subject="Edited")
    world.settled()
    assert (_titles(world, ANN), _titles(world, BOB)) == (["Edited"], [])
    assert not world.store.quarantined()
    world.quiet()


# -- leaving -----------------------------------------------------------------------------------------------------------


def test_a_copy_whose_record_left_its_user_is_left_alone_by_default(world: World) -> None:
    """P18: leaving is no delete."""
    key = _shared(world)
    world.crm.user_unshare(key, OWNERS[BOB])
    world.crm.user_edit(key, subject="No longer Bob's business")
    world.settled()
    assert (_titles(world, ANN), _titles(world, BOB)) == (["No longer Bob's business"], ["Call"])
    world.quiet()


def test_who_gets_a_record_back_is_in_step_with_the_copy_he_kept(world: World) -> None:
    key = _shared(world)
    copy = _copy(world, BOB, "Call")
    world.crm.user_unshare(key, OWNERS[BOB])
    world.settled()
    world.crm.user_edit(key, place="Elsewhere")
    world.target.user_edit(copy, description="Meanwhile")
    world.settled()
    world.crm.user_share(key, OWNERS[BOB])
    world.settled()
    (item,) = world.target.items(BOB)
    record = world.crm.item(key)
    assert record is not None
    assert (item.key, item.values["location"], record.values["notes"]) == (copy, "Elsewhere", "Meanwhile")
    world.quiet()


def test_who_gets_a_record_back_without_any_edit_is_in_step_again(world: World) -> None:
    key = _shared(world)
    world.crm.user_unshare(key, OWNERS[BOB])
    world.settled()
    world.crm.user_share(key, OWNERS[BOB])
    world.settled()
    world.target.user_edit(_copy(world, BOB, "Call"), title="Mine again")
    world.settled()
    assert _titles(world, ANN) == ["Mine again"]


def test_who_gets_a_record_back_and_deleted_his_copy_gets_another(world: World) -> None:
    """Not the record's delete: he was no holder when he deleted what was left in his mailbox."""
    key = _shared(world)
    world.crm.user_unshare(key, OWNERS[BOB])
    world.settled()
    world.target.user_delete(_copy(world, BOB, "Call"))
    world.settled()
    assert world.crm.item(key) is not None
    world.crm.user_share(key, OWNERS[BOB])
    world.settled()
    assert _titles(world, BOB) == ["Call"]
    assert world.crm.item(key) is not None
    world.target.user_edit(_copy(world, BOB, "Call"), title="Anew")
    world.settled()
    assert _titles(world, ANN) == _titles(world, BOB) == ["Anew"]
    world.quiet()


def test_a_copy_that_we_made_goes_when_its_record_leaves_and_comes_with_it_again(leaving: World) -> None:
    """B-51."""
    key = _shared(leaving)
    leaving.crm.user_unshare(key, OWNERS[BOB])
    leaving.settled()
    assert (_titles(leaving, ANN), _titles(leaving, BOB)) == (["Call"], [])
    leaving.crm.user_share(key, OWNERS[BOB])
    leaving.settled()
    assert _titles(leaving, BOB) == ["Call"]
    leaving.quiet()


def test_items_that_the_user_made_himself_are_never_touched(leaving: World) -> None:
    """B-51: neither when records come and go, nor when they are deleted in the CRM."""
    own = leaving.target.user_create(BOB, event("My own"))
    key, other, _ = _shared(leaving), _shared(leaving, "Other"), _shared(leaving, "Third")
    leaving.crm.user_unshare(key, OWNERS[BOB])
    leaving.crm.user_delete(other)
    leaving.settled()
    assert _titles(leaving, BOB) == ["My own", "Third"]
    assert own in [item.key for item in leaving.target.items(BOB)]


def test_a_copy_without_our_stamp_is_left_alone(leaving: World) -> None:
    key = _shared(leaving)
    leaving.target.user_strip(_copy(leaving, BOB, "Call"))
    leaving.settled()
    leaving.crm.user_unshare(key, OWNERS[BOB])
    leaving.settled()
    assert _titles(leaving, BOB) == ["Call"]


def test_removing_copies_is_denied_like_any_delete() -> None:
    """B-5."""
    denied = frozenset({(Operation.DELETE, Side.TARGET)})
    plans = [link_plan(u, direction=Direction.OUTBOUND, on_leave=OnLeave.REMOVE, denied=denied) for u in (ANN, BOB)]
    world = World(*plans)
    world.sync()
    key = _shared(world)
    world.crm.user_unshare(key, OWNERS[BOB])
    world.settled()
    assert _titles(world, BOB) == ["Call"]
    world.close()


def test_a_copy_edited_on_a_two_way_link_is_left_alone() -> None:
    world = World(*(link_plan(user, on_leave=OnLeave.REMOVE, limits=CALM) for user in (ANN, BOB)))
    world.sync()
    key = _shared(world)
    world.target.user_edit(_copy(world, BOB, "Call"), description="My work")
    world.crm.user_unshare(key, OWNERS[BOB])
    world.settled()
    assert _titles(world, BOB) == ["Call"]
    item = world.crm.item(key)
    assert item is not None
    assert item.values["notes"] == "Call: notes"
    world.close()


def test_losing_everything_at_once_is_stopped_by_the_guards(leaving: World) -> None:
    """B-101, G103: an emptied coverage table must not empty mailboxes."""
    made = [_shared(leaving, f"Call {n}") for n in range(3)]
    for key in made:
        leaving.crm.user_unshare(key, OWNERS[BOB])
    reports = leaving.run()
    assert [trip.code for trip in reports[1].trips] == [EMPTIED]
    assert len(leaving.target.items(BOB)) == 3
    allowed = leaving.run(allowed=frozenset({Operation.DELETE}))
    assert (allowed[1].trips, leaving.target.items(BOB)) == ((), [])


def test_both_gone_at_once_forgets_the_pair(leaving: World) -> None:
    key = _shared(leaving)
    leaving.crm.user_unshare(key, OWNERS[BOB])
    leaving.target.user_delete(_copy(leaving, BOB, "Call"))
    leaving.settled()
    pairs = leaving.store.pairings(leaving.links[1].name, crm_keys=[key])
    assert [pair for pair in pairs if pair.status is PairingStatus.ACTIVE] == []
    leaving.crm.user_share(key, OWNERS[BOB])
    leaving.settled()
    assert _titles(leaving, BOB) == ["Call"]
