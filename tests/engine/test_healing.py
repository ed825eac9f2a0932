"""What heals by itself: moved mailboxes, lost pairings, old backups of the state; nothing is deleted (B-74, B-75)."""

from __future__ import annotations

from copy import deepcopy

import pytest

from runner.engine.parts import STEP
from runner.model.errors import Transient
from runner.model.state import Commit
from runner.model.terms import Operation
from runner.testing.faults import Fault, Form
from runner.testing.store import MemoryStore
from runner.testing.target import Shelf
from tests.engine.world import ANN, World


def in_step(count: int = 4) -> World:
    world = World(store=MemoryStore())
    for number in range(count):
        world.in_outlook(f"Outlook {number}")
        world.in_crm(f"CRM {number}")
    world.settled()
    return world


def deletes(world: World, since: int) -> list[str]:
    return [str(one.call) for one in world.boundary.writes(since=since) if one.call.name == Operation.DELETE]


def test_a_moved_mailbox_with_new_ids_is_followed_by_identity() -> None:
    """B-75, C8: every id is another one, and the server takes no watermark of before."""
    world = in_step()
    for item in world.target.items(ANN):
        moved = world.target.user_move(item.key, Shelf.OTHER)
        world.target.user_move(moved, Shelf.HOME)
    world.target.forget_watermarks(ANN)
    before = world.boundary.calls
    world.settled()
    assert world.boundary.writes(since=before) == []
    assert len(world.target.items(ANN)) == len(world.crm.items()) == 8
    world.target.user_edit(world.outlook()["CRM 1"].key, location="Garden")
    world.settled()
    assert world.records()["CRM 1"].values["place"] == "Garden"


def test_a_full_mailbox_takes_what_needs_no_room() -> None:
    """C9: what it refuses is tried again; deletes and other items' updates go on meanwhile, and nothing is deleted for it."""
    world = in_step(3)
    world.in_crm("New")
    world.crm.user_delete(world.records()["CRM 1"].key)
    world.crm.user_edit(world.records()["CRM 2"].key, place="Hall")
    full = Fault(Form.BEFORE, Transient("the mailbox is full", code="ErrorQuotaExceeded"))
    world.disturb(lambda call: full if (call.side, call.name) == ("target", "create") else None)
    (report,) = world.run()
    assert report.error is full.error
    assert sorted(world.outlook()) == ["CRM 0", "CRM 2", "Outlook 0", "Outlook 1", "Outlook 2"]
    assert world.outlook()["CRM 2"].values["location"] == "Hall"
    world.settled()
    world.assert_in_step("CRM 0", "CRM 2", "New", "Outlook 0", "Outlook 1", "Outlook 2")


@pytest.mark.parametrize("lost", ["CRM 1", "Outlook 1"])
def test_a_lost_pairing_is_rebuilt_by_stamp_or_identity_and_nothing_is_deleted(lost: str) -> None:
    """A9: one pair is gone from the state; either side is edited."""
    world = in_step()
    crm_key = world.records()[lost].key
    [pairing] = world.store.pairings(world.link, crm_keys=[crm_key])
    world.store.commit(Commit(unpaired=(pairing.id,)))
    before = world.boundary.calls
    world.target.user_edit(world.outlook()[lost].key, location="Garden")
    world.settled()
    assert deletes(world, before) == []
    assert sorted(world.records()) == sorted(world.outlook())
    assert len(world.crm.items()) == len(world.target.items(ANN)) == 8
    # Without a base nobody knows which of the two was edited: the policy decides, and the loser is kept (B-62).
    assert world.records()[lost].values["place"] == world.outlook()[lost].values["location"] == "Room 4"
    assert [conflict.target for conflict in world.store.conflicts()] == [{"location": "Garden"}]
    world.quiet()


def test_a_record_whose_pairing_is_lost_is_paired_with_what_it_was_made_from() -> None:
    """A9: only the CRM's side is edited, so nobody brings the item up but the record, whose identity the key table knows."""
    world = in_step()
    crm_key = world.records()["Outlook 1"].key
    [pairing] = world.store.pairings(world.link, crm_keys=[crm_key])
    world.store.commit(Commit(unpaired=(pairing.id,)))
    world.crm.user_edit(crm_key, place="Hall")
    world.settled()
    assert len(world.crm.items()) == len(world.target.items(ANN)) == 8
    assert world.outlook()["Outlook 1"].values["location"] == "Hall"
    world.quiet()


def test_an_old_backup_with_more_changes_than_a_step_holds_doubles_nothing() -> None:
    """A9: one step sees the records that were made since, a later one their copies."""
    world = in_step(1)
    backup = deepcopy(world.store)
    world.target.page = world.crm.page = 500
    for number in range(STEP + 10):
        world.in_crm(f"Since {number}")
    world.settled()
    world.store = backup
    world.settled()
    assert len(world.crm.items()) == len(world.target.items(ANN)) == STEP + 12
    world.quiet()


def test_an_old_backup_of_the_state_deletes_nothing_and_doubles_nothing() -> None:
    """A9: what happened since the backup is found again on both sides; older watermarks are harmless."""
    world = in_step()
    backup = deepcopy(world.store)
    world.in_outlook("Since then")
    world.in_crm("Since then, too")
    world.target.user_edit(world.outlook()["CRM 1"].key, location="Garden")
    world.crm.user_edit(world.records()["Outlook 1"].key, place="Hall")
    world.settled()
    before = world.boundary.calls
    world.store = backup
    world.settled()
    assert deletes(world, before) == []
    titles = sorted(
        [*(f"CRM {n}" for n in range(4)), *(f"Outlook {n}" for n in range(4)), "Since then", "Since then, too"]
    )
    assert world.titles() == (titles, titles)
    assert world.records()["CRM 1"].values["place"] == "Garden"
    assert world.outlook()["Outlook 1"].values["location"] == "Hall"
    world.quiet()
