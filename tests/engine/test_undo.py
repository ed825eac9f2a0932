"""Undo (B-100): what a run wrote is taken back, and what anybody did since stays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from runner.engine.report import PassReport
from runner.model.errands import Undo
from runner.model.meetings import MailKind
from runner.model.state import PairingStatus
from runner.model.terms import ConflictPolicy, Operation, Side
from runner.reconcile.firewall import MailPolicy
from runner.reconcile.guards import Limit, Limits
from runner.testing.faults import Crash, Fault, Form, Nth
from tests.engine.world import World, link_plan

MakeWorld = Callable[..., World]


def take_back(world: World, run: int, *, both: bool = False, **orders: object) -> PassReport:
    return world.sync(errand=Undo(undone=f"run-{run}", both=both), **orders)


def test_an_update_is_taken_back_where_it_was_written_and_stays_so(world: World) -> None:
    """The CRM's edit stays in the CRM; Outlook holds again what it held; nothing flows until somebody edits again."""
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.sync()
    report = take_back(world, 2)
    assert report.counts["target.update"] == 1
    assert world.outlook()["Lunch"].values["location"] == "Room 4"
    assert world.records()["Lunch"].values["place"] == "Hall"
    world.sync()
    world.quiet()
    world.crm.user_edit(world.records()["Lunch"].key, place="Garden")
    world.sync()
    assert world.outlook()["Lunch"].values["location"] == "Garden"


def test_both_sides_of_one_item_are_taken_back_and_stay_so(world: World) -> None:
    """Each side had got the other's edit: each has its own one back, and none is taken for an edit of today (P2)."""
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.target.user_edit(world.outlook()["Lunch"].key, description="Soup")
    world.sync()
    report = take_back(world, 2)
    assert report.counts["target.update"] == report.counts["crm.update"] == 1
    world.sync()
    world.quiet()
    assert world.records()["Lunch"].values["place"] == "Hall"
    assert world.records()["Lunch"].values["notes"] == "Lunch: notes"
    assert world.outlook()["Lunch"].values["location"] == "Room 4"
    assert world.outlook()["Lunch"].values["description"] == "Soup"


def test_with_both_what_is_restored_goes_on_to_the_other_side(world: World) -> None:
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.sync()
    take_back(world, 2, both=True)
    world.sync()
    assert world.records()["Lunch"].values["place"] == "Room 4"
    world.assert_in_step("Lunch")


def test_an_item_that_a_run_made_goes_and_its_origin_stays(world: World) -> None:
    """Nobody's own item is deleted for it, and it is not made again."""
    world.in_outlook("From Outlook")
    world.sync()
    report = take_back(world, 1)
    assert report.counts["crm.delete"] == 1
    assert world.titles() == (["From Outlook"], [])
    [pairing] = world.pairings(PairingStatus.DETACHED)
    assert (pairing.reason or "").startswith("undone: run run-1 taken back")
    world.sync()
    world.quiet()
    assert world.titles() == (["From Outlook"], [])


def test_an_item_that_a_run_deleted_is_made_again_with_all_that_is_known(world: World) -> None:
    world.in_crm("Lunch", place="Hall")
    world.sync()
    world.target.user_delete(world.outlook()["Lunch"].key, hard=True)
    world.sync()
    assert world.titles() == ([], [])
    report = take_back(world, 2)
    assert report.counts["crm.create"] == 1
    assert world.records()["Lunch"].values["place"] == "Hall"
    world.sync()
    world.quiet()
    assert world.titles() == ([], ["Lunch"])


def test_with_both_a_deleted_item_comes_back_on_both_sides(world: World) -> None:
    """A phone that deleted a calendar: one command, and it is there again."""
    world.in_crm("Lunch", place="Hall")
    world.sync()
    world.target.user_delete(world.outlook()["Lunch"].key, hard=True)
    world.sync()
    take_back(world, 2, both=True)
    world.sync()
    world.sync()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == "Hall"


def test_what_was_edited_since_is_a_conflict_and_stays(world: World) -> None:
    """B-62: the value from before the run is the losing value, and can be restored like any other."""
    world.in_crm("Lunch")
    world.in_crm("Dinner")
    world.sync()
    for title in ("Lunch", "Dinner"):
        world.crm.user_edit(world.records()[title].key, place="Hall", priority="A")
    world.sync()
    world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")
    report = take_back(world, 2)
    assert report.counts["target.update"] == 2
    assert report.counts["conflict"] == 1
    lunch, dinner = world.outlook()["Lunch"].values, world.outlook()["Dinner"].values
    assert (lunch["location"], lunch["priority"]) == ("Garden", 5)
    assert (dinner["location"], dinner["priority"]) == ("Room 4", 5)
    [conflict] = world.store.conflicts()
    assert (conflict.policy, conflict.winner, conflict.crm) == ("undo", Side.TARGET, {"location": "Room 4"})
    world.sync()
    assert world.records()["Lunch"].values["place"] == "Garden"  # the edit that waited still travels


def test_a_made_item_that_was_edited_since_stays(world: World) -> None:
    world.in_outlook("Plan")
    world.sync()
    world.crm.user_edit(world.records()["Plan"].key, place="Garden")
    report = take_back(world, 1)
    assert not report.writes
    assert report.counts["conflict"] == 1
    world.sync()
    assert world.outlook()["Plan"].values["location"] == "Garden"


def test_an_undo_is_undone_like_any_run(world: World) -> None:
    """Update, create and delete: the state before the first undo is back, and the pairs are in step again."""
    for title in ("Edited", "Deleted"):
        world.in_crm(title)
    world.sync()
    world.crm.user_edit(world.records()["Edited"].key, place="Hall")
    world.crm.user_delete(world.records()["Deleted"].key)
    world.in_crm("Made")
    world.sync()
    take_back(world, 2)
    assert world.titles() == (["Deleted", "Edited"], ["Edited", "Made"])
    report = take_back(world, 3, allowed=frozenset(Operation))
    assert not report.clashes
    world.sync()
    world.quiet()
    world.assert_in_step("Edited", "Made")
    assert world.outlook()["Edited"].values["location"] == "Hall"


def test_an_undone_run_has_nothing_left_to_take_back(world: World) -> None:
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.sync()
    take_back(world, 2)
    report = take_back(world, 2)
    assert not report.writes
    assert report.counts["left"] == 1


@pytest.mark.parametrize("both", [False, True])
def test_what_an_undo_made_again_is_not_made_once_more(world: World, both: bool) -> None:
    """The undo of a run that was taken back already: one item, not two."""
    world.in_crm("Lunch")
    world.sync()
    world.target.user_delete(world.outlook()["Lunch"].key, hard=True)
    world.sync()
    assert world.titles() == ([], [])
    take_back(world, 2, both=both)
    world.sync()
    titles = world.titles()
    assert titles == (["Lunch"] if both else [], ["Lunch"])
    report = take_back(world, 2, both=both)
    assert [one.reason for one in report.left] == ["it was made again already"]
    world.sync()
    assert world.titles() == titles


def test_what_an_undo_made_again_and_went_again_is_made_again(world: World) -> None:
    world.in_crm("Lunch")
    world.sync()
    world.target.user_delete(world.outlook()["Lunch"].key, hard=True)
    world.sync()
    take_back(world, 2)
    world.crm.user_delete(world.records()["Lunch"].key)
    world.sync()
    assert world.titles() == ([], [])
    take_back(world, 2)
    assert world.titles() == ([], ["Lunch"])


def test_an_item_that_is_gone_is_left_alone(world: World) -> None:
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.sync()
    world.target.user_delete(world.outlook()["Lunch"].key, hard=True)
    report = take_back(world, 2)
    assert not report.writes
    assert [noted.reason for noted in report.left] == ["deleted since"]
    world.sync()
    assert world.titles() == ([], [])


def test_several_runs_since_an_instant_are_taken_back_together(world: World) -> None:
    """The value from before the first of them, in one write."""
    world.in_crm("Lunch")
    world.sync()
    since = world.clock.now() + timedelta(seconds=1)
    for place in ("Hall", "Garden", "Roof"):
        world.crm.user_edit(world.records()["Lunch"].key, place=place)
        world.sync()
    report = world.sync(errand=Undo(since=since))
    assert report.counts["target.update"] == 1
    assert world.outlook()["Lunch"].values["location"] == "Room 4"


def test_a_plan_of_an_undo_writes_nothing(world: World) -> None:
    world.in_outlook("Plan")
    world.sync()
    before = world.boundary.calls
    report = take_back(world, 1, rehearse=True)
    assert report.counts["crm.delete"] == 1
    assert not world.boundary.writes(since=before)
    assert world.titles() == (["Plan"], ["Plan"])
    assert not world.store.ledger(run="run-2")


def test_guards_stop_an_undo_until_they_are_lifted(make_world: MakeWorld) -> None:
    """B-101: an undo of many creates is a mass delete like any other."""
    limits = Limits({Operation.DELETE: Limit(count=2)})
    world = make_world(link_plan(limits=limits))
    for number in range(5):
        world.in_outlook(f"Plan {number}")
    world.sync()
    stopped = take_back(world, 1)
    assert {trip.operation for trip in stopped.trips} == {Operation.DELETE}
    assert f"`exsync undo run-1 --link {world.link} --apply --allow-deletes`" in stopped.trips[0].remedy
    assert len(world.records()) == 5
    take_back(world, 1, allowed=frozenset({Operation.DELETE}))
    assert not world.records()


def test_an_undo_mails_nobody(make_world: MakeWorld) -> None:
    """B-42: whatever the policy says."""
    policy = MailPolicy(send=frozenset(MailKind), per_run=None, per_user=None, per_day=None)
    world = make_world(link_plan(mail=policy))
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.sync()
    take_back(world, 2)
    assert not world.store.mails()


def test_a_pending_edit_of_the_other_side_still_travels(world: World) -> None:
    """What waits in the CRM while Outlook is written is no echo."""
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, priority="A")
    take_back(world, 2)
    world.sync()
    assert world.outlook()["Lunch"].values["priority"] == 1
    assert world.outlook()["Lunch"].values["location"] == "Room 4"


def test_a_conflict_that_waits_for_a_person_still_waits(make_world: MakeWorld) -> None:
    world = make_world(link_plan(by_field={"title": ConflictPolicy.MANUAL}))
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, subject="CRM")
    world.target.user_edit(world.outlook()["Lunch"].key, title="Outlook")
    world.sync()
    take_back(world, 2)
    assert [c.field for c in world.store.conflicts(open_only=True)] == ["title"]


@pytest.mark.parametrize("form", [Form.CRASH_BEFORE, Form.CRASH_AFTER])
@pytest.mark.parametrize("side", ["crm", "store"])
def test_an_undo_that_dies_is_finished_by_the_next(world: World, side: str, form: Form) -> None:
    """The intent is settled, nothing is taken back twice, and nothing of Ann's goes with it."""
    world.in_outlook("Plan")
    world.sync()
    world.disturb(Nth(side, "write" if side == "crm" else "commit", Fault(form), 0 if side == "crm" else 1))
    with suppress(Crash):
        take_back(world, 1)
    world.boundary.faults = None
    world.clock.advance(timedelta(minutes=5))
    take_back(world, 1)
    world.settled()
    assert world.titles()[0] == ["Plan"]
