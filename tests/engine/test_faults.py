"""When the world goes wrong: unknown outcomes, dead watermarks, refused log-ons, and guards that stop a change set."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from runner.model.errors import (
    AccessDenied,
    AuthRefused,
    ContainerGone,
    OutcomeUnknown,
    Throttled,
    Transient,
    Unreachable,
)
from runner.model.state import LinkCondition
from runner.model.terms import Direction, Folder, Operation, Side
from runner.reconcile.guards import Limit, Limits
from runner.testing.faults import Call, Crash, Fault, Form, Nth
from runner.testing.store import MemoryStore
from runner.testing.target import Shelf
from tests.engine.world import ANN, BOB, World, event, link_plan

MakeWorld = Callable[..., World]
LOST = Fault(Form.AFTER)
NEVER = Fault(Form.BEFORE, OutcomeUnknown("no answer"))


def _only_item(world: World, title: str) -> None:
    outlook, crm = world.titles()
    assert (outlook, crm) == ([title], [title])


# -- unknown outcomes of creates: reliability L1 to L5 -----------------------------------------------------------------


@pytest.mark.parametrize("fault", [LOST, Fault(Form.CRASH_AFTER)], ids=["lost-answer", "crash"])
@pytest.mark.parametrize("side", list(Side))
def test_l1_an_edit_made_before_the_adoption_is_not_overwritten(world: World, side: Side, fault: Fault) -> None:
    """L1, A2: created with unknown outcome; the source is edited; the adopted copy must not overwrite the edit."""
    _create_with(world, side, fault)
    if side is Side.CRM:
        world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")
    else:
        world.crm.user_edit(world.records()["Lunch"].key, place="Garden")
    world.settled()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == "Garden"
    assert not world.store.conflicts()
    assert world.noted(Operation.UPDATE) == 1  # P17: the ledger knows it, whoever found that it happened


@pytest.mark.parametrize("side", list(Side))
def test_l1_an_edit_of_the_unadopted_copy_is_not_overwritten_either(world: World, side: Side) -> None:
    """L1 from the other end: the fresh copy is edited before anybody knows that it exists."""
    _create_with(world, side, LOST)
    if side is Side.CRM:
        world.crm.user_edit(world.records()["Lunch"].key, place="Garden")
    else:
        world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")
    world.settled()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == "Garden"
    assert not world.store.conflicts()
    assert world.noted(Operation.UPDATE) == 1  # P17: the ledger knows it, whoever found that it happened


@pytest.mark.parametrize("shelf", [None, Shelf.OTHER], ids=["stays", "moved"])
def test_a_copy_of_what_was_made_without_an_answer_is_not_taken_for_it(world: World, shelf: Shelf | None) -> None:
    """D8, P7: a user copies the fresh item and types something else into the copy, which bears its stamp, too. What was made
    goes with its record, the copy stays."""
    _create_with(world, Side.TARGET, LOST)
    original = world.outlook()["Lunch"].key
    copy = world.target.user_copy(original)
    world.target.user_edit(copy, title="Dinner", description="with candles")
    if shelf is not None:
        world.target.user_move(original, shelf)
    world.settled()
    world.crm.user_delete(world.records()["Lunch"].key)
    world.settled()
    assert "Dinner" in world.outlook()
    assert "Lunch" not in world.outlook()


def test_what_was_found_by_its_stamp_is_known_by_its_native_identity_at_once(world: World) -> None:
    """D8, P7: the delete of what was made without an answer fails, and until the next pass a user has copied it and moved it
    away. The copy, with its stamp, is not what is to be deleted."""
    world.links = [link_plan(direction=Direction.OUTBOUND)]
    _create_with(world, Side.TARGET, LOST)
    world.crm.user_delete(world.records()["Lunch"].key)
    world.disturb(Nth(Side.TARGET, "delete", Fault(Form.BEFORE)))
    world.run()
    world.boundary.faults = None
    original = world.outlook()["Lunch"].key
    world.target.user_edit(world.target.user_copy(original), title="Dinner")
    world.target.user_move(original, Shelf.OTHER)
    world.settled()
    assert "Dinner" in world.outlook()


@pytest.mark.parametrize("side", list(Side))
def test_l1_edits_of_both_ends_before_the_adoption_merge(world: World, side: Side) -> None:
    """L1: base is the payload that was sent, on both sides."""
    _create_with(world, side, LOST)
    world.crm.user_edit(world.records()["Lunch"].key, place="Garden")
    world.target.user_edit(world.outlook()["Lunch"].key, priority=1)
    world.settled()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == "Garden"
    assert world.records()["Lunch"].values["priority"] == "A"
    assert not world.store.conflicts()


@pytest.mark.parametrize("deleted", list(Side))
@pytest.mark.parametrize("side", list(Side))
def test_l2_l4_l5_a_delete_before_the_adoption_is_a_delete(world: World, side: Side, deleted: Side) -> None:
    """L2, L4, L5: created with unknown outcome, then one end is deleted: neither resurrection nor an orphan."""
    _create_with(world, side, LOST)
    if deleted is Side.CRM:
        world.crm.user_delete(world.records()["Lunch"].key)
    else:
        world.target.user_delete(world.outlook()["Lunch"].key)
    world.settled()
    assert world.titles() == ([], [])


@pytest.mark.parametrize("side", list(Side))
def test_l5_hard_deleted_before_the_adoption(world: World, side: Side) -> None:
    """L5: Recoverable Items and the key table remember what Deleted Items and the tables do not."""
    _create_with(world, side, LOST)
    if side is Side.CRM:
        world.crm.user_delete(world.records()["Lunch"].key, hard=True)
    else:
        world.target.user_delete(world.outlook()["Lunch"].key, hard=True)
    world.settled()
    assert world.titles() == ([], [])


@pytest.mark.parametrize("side", list(Side))
def test_both_ends_deleted_before_the_adoption(world: World, side: Side) -> None:
    """L5 with D5."""
    _create_with(world, side, LOST)
    world.crm.user_delete(world.records()["Lunch"].key)
    world.target.user_delete(world.outlook()["Lunch"].key)
    world.settled()
    assert world.titles() == ([], [])


@pytest.mark.parametrize("side", list(Side))
def test_a_create_that_never_happened_is_made_once(world: World, side: Side) -> None:
    """A1: no answer and no effect: looked up by its stamp, then made."""
    _create_with(world, side, NEVER)
    assert sorted(map(len, world.titles())) == [0, 1]
    world.settled()
    world.assert_in_step("Lunch")


@pytest.mark.parametrize("side", list(Side))
def test_a_source_that_is_deleted_while_its_create_never_happened(world: World, side: Side) -> None:
    """L4: nothing is left to make."""
    _create_with(world, side, NEVER)
    if side is Side.CRM:
        world.target.user_delete(world.outlook()["Lunch"].key)
    else:
        world.crm.user_delete(world.records()["Lunch"].key)
    world.settled()
    assert world.titles() == ([], [])


def test_a_create_that_arrives_late_is_still_adopted(world: World) -> None:
    """A slow server carries the create out after we have asked for it once: it is waited for, not doubled."""
    world.in_crm("Lunch")
    late: list[Call] = []

    def meanwhile(call: Call) -> None:
        if call.name == "create" and not late:
            late.append(call)

    world.boundary.meanwhile = meanwhile
    world.disturb(Nth("target", "create", NEVER))
    world.sync()
    stamp = late[0].subject
    world.sync()
    key = world.in_outlook("Lunch")
    world.target._where(key)[1].stamp = stamp
    world.settled()
    _only_item(world, "Lunch")


def test_an_unadopted_copy_that_moved_away_is_detached(world: World) -> None:
    """L5 with D7: created with unknown outcome and moved to another folder: neither doubled nor deleted."""
    _create_with(world, Side.TARGET, LOST)
    world.target.user_move(world.outlook()["Lunch"].key)
    world.settled()
    assert world.titles() == ([], ["Lunch"])
    assert len(world.target.items(ANN, shelf=Shelf.OTHER)) == 1


def test_a_source_that_moves_away_before_the_adoption_is_detached(world: World) -> None:
    """L3 with L1: the record was made without an answer; its source is known by what the intent noted of it."""
    _create_with(world, Side.CRM, LOST)
    world.target.user_move(world.outlook()["Lunch"].key)
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.settled()
    assert world.titles() == ([], ["Lunch"])
    assert len(world.target.items(ANN, shelf=Shelf.OTHER)) == 1


def _create_with(world: World, side: Side, fault: Fault) -> None:
    """An item of the other side whose create on ``side`` meets a fault."""
    if side is Side.CRM:
        world.in_outlook("Lunch")
    else:
        world.in_crm("Lunch")
    world.disturb(Nth(side, "create", fault))
    with suppress(Crash):
        world.run()
    world.boundary.faults = None


# -- unknown outcomes of updates and deletes ---------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [LOST, NEVER], ids=["happened", "did-not"])
@pytest.mark.parametrize("side", list(Side))
def test_an_update_of_unknown_outcome_ends_right(world: World, side: Side, fault: Fault) -> None:
    """C5: read again; no conflict with ourselves."""
    world.in_crm("Lunch")
    world.sync()
    if side is Side.CRM:
        world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")
    else:
        world.crm.user_edit(world.records()["Lunch"].key, place="Garden")
    world.disturb(Nth(side, "update", fault))
    world.sync()
    world.settled()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == "Garden"
    assert not world.store.conflicts()
    assert world.noted(Operation.UPDATE) == 1  # P17: the ledger knows it, whoever found that it happened


@pytest.mark.parametrize("side", list(Side))
def test_an_edit_after_an_update_of_unknown_outcome_is_not_lost(world: World, side: Side) -> None:
    """C5, P2: our update took effect without an answer, then the same field was edited where we wrote it."""
    world.in_crm("Lunch")
    world.sync()
    if side is Side.CRM:
        world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")
    else:
        world.crm.user_edit(world.records()["Lunch"].key, place="Garden")
    world.disturb(Nth(side, "update", LOST))
    world.sync()
    world.boundary.faults = None
    if side is Side.CRM:
        world.crm.user_edit(world.records()["Lunch"].key, place="Terrace")
    else:
        world.target.user_edit(world.outlook()["Lunch"].key, location="Terrace")
    world.settled()
    world.assert_in_step("Lunch")
    kept = repr(world.outlook()["Lunch"].values) + repr(world.store.conflicts())
    assert "Terrace" in kept


@pytest.mark.parametrize("fault", [LOST, NEVER], ids=["happened", "did-not"])
@pytest.mark.parametrize("side", list(Side))
def test_a_delete_of_unknown_outcome_ends_right(world: World, side: Side, fault: Fault) -> None:
    """A3: not found is success."""
    world.in_crm("Lunch")
    world.in_crm("Stays")
    world.sync()
    if side is Side.CRM:
        world.target.user_delete(world.outlook()["Lunch"].key)
    else:
        world.crm.user_delete(world.records()["Lunch"].key)
    world.disturb(Nth(side, "delete", fault))
    world.sync()
    world.settled()
    world.assert_in_step("Stays")
    assert not world.store.conflicts()
    assert world.noted(Operation.DELETE) == 1


def test_one_refused_write_leaves_its_neighbours_alone(world: World) -> None:
    """C6: the good ones commit, the bad one is tried again."""
    for n in range(5):
        world.in_crm(f"Item {n}")
    world.disturb(Nth("target", "create", Fault(Form.AFTER), n=2))
    world.sync()
    assert world.store.count(world.link) == 4
    world.settled()
    world.assert_in_step(*(f"Item {n}" for n in range(5)))


# -- watermarks --------------------------------------------------------------------------------------------------------


def test_a_dead_watermark_is_answered_by_reading_again(world: World) -> None:
    """B-74, B5: no duplicate, no delete from absence; edits and deletes made meanwhile are found."""
    for n in range(6):
        world.in_outlook(f"Item {n}")
    world.in_crm("From the CRM")
    world.sync()
    world.sync()
    world.target.user_edit(world.outlook()["Item 1"].key, location="Garden")
    world.target.user_delete(world.outlook()["Item 2"].key)
    world.in_outlook("New")
    world.target.forget_watermarks(ANN)
    report = world.sync()
    world.assert_in_step("From the CRM", "Item 0", "Item 1", "Item 3", "Item 4", "Item 5", "New")
    counts = {name: n for name, n in report.counts.items() if n and "." in name}
    assert counts == {"crm.update": 1, "crm.delete": 1, "crm.create": 1}
    world.settled()
    world.quiet()


def test_a_dead_watermark_with_nothing_changed_writes_nothing(world: World) -> None:
    """B-74."""
    for n in range(6):
        world.in_outlook(f"Item {n}")
    world.sync()
    world.target.forget_watermarks(ANN)
    assert not world.sync().writes
    world.settled()
    world.quiet()


def test_a_lost_outbox_is_answered_by_listing_again(world: World) -> None:
    """B-74 on the CRM's side: what changed while nobody was listening is found; a delete is believed by a direct read."""
    for n in range(4):
        world.in_crm(f"Item {n}")
    world.sync()
    world.crm.user_edit(world.records()["Item 1"].key, place="Garden")
    world.in_crm("New")
    world.crm.lose_outbox()
    world.sync()
    world.settled()
    world.assert_in_step("Item 0", "Item 1", "Item 2", "Item 3", "New")


def test_a_delete_that_only_the_lost_outbox_knew_is_found(world: World) -> None:
    """B-74, P1: exactly the gap is read again, deletes included."""
    for n in range(4):
        world.in_crm(f"Item {n}")
    world.sync()
    world.crm.user_delete(world.records()["Item 1"].key)
    world.crm.lose_outbox()
    world.sync()
    world.settled()
    world.assert_in_step("Item 0", "Item 2", "Item 3")


def test_a_watermark_that_dies_at_each_page_does_not_loop(world: World) -> None:
    """L8: restarts of one pass are bounded; progress is durable."""
    for n in range(8):
        world.in_outlook(f"Item {n}")
    world.sync()

    def meanwhile(call: Call) -> None:
        if call.name == "changes":
            world.target.forget_watermarks(ANN)

    world.boundary.meanwhile = meanwhile
    before = world.boundary.calls
    world.run()
    assert world.boundary.calls - before < 60
    world.settled()
    world.assert_in_step(*(f"Item {n}" for n in range(8)))


def test_pages_read_before_a_fault_are_noted_and_not_read_again(world: World) -> None:
    """A4: several pages are noted in one commit; a fault in the middle of the feed leaves none of them behind."""
    for n in range(8):
        world.in_outlook(f"Item {n}")
    world.disturb(Nth("target", "changes", Fault(Form.BEFORE), n=3))
    world.run()
    assert world.store.mark_counts(world.link, world.clock.now()).due == 6
    behind = world.store.link(world.link).target_watermark
    assert behind is not None
    world.boundary.faults = None
    before = world.boundary.calls
    world.sync()
    asked = [t.call for t in world.boundary.trace if t.call.index >= before and t.call.name == "changes"]
    assert len(asked) == 1
    world.assert_in_step(*(f"Item {n}" for n in range(8)))


def test_a_page_counts_what_was_said_last_of_an_item(world: World) -> None:
    """An item that came and went within the pages of one commit is no item."""
    for n in range(4):
        world.in_outlook(f"Item {n}")
    world.target.user_delete(world.outlook()["Item 0"].key)
    world.target.user_edit(world.outlook()["Item 1"].key, location="Garden")
    world.sync()
    world.assert_in_step("Item 1", "Item 2", "Item 3")


def test_nothing_is_made_before_the_first_read_came_to_its_end(world: World) -> None:
    """B-72 with L8: a folder whose watermark died at each page of the first read is not known; its items are not doubled."""
    for n in range(6):
        world.in_outlook(f"Item {n}")
        world.in_crm(f"Item {n}")

    def meanwhile(call: Call) -> None:
        if call.name == "changes":
            world.target.forget_watermarks(ANN)

    world.boundary.meanwhile = meanwhile
    world.run()
    assert not world.boundary.writes()
    world.settled()
    world.assert_in_step(*(f"Item {n}" for n in range(6)))


def test_a_lost_state_is_rebuilt_from_both_sides() -> None:
    """A9: a fresh state beside filled sides pairs by stamp and key table; nothing is doubled, nothing deleted."""
    world = World(store=MemoryStore())
    for n in range(4):
        world.in_outlook(f"Outlook {n}")
        world.in_crm(f"CRM {n}")
    world.sync()
    world.target.user_edit(world.outlook()["CRM 1"].key, title="Renamed", location="Garden")
    world.store = MemoryStore()
    world.sync()
    world.settled()
    outlook, crm = world.titles()
    assert len(outlook) == len(crm) == 8
    assert world.store.count(world.link) == 8


# -- the world refuses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [(AuthRefused("no"), 77), (AccessDenied("no"), 77), (ContainerGone("no"), 1), (Unreachable("no"), 69)],
    ids=["auth", "access", "folder", "unreachable"],
)
def test_a_refused_read_stops_the_link_with_the_right_code(world: World, error: Exception, code: int) -> None:
    """C3, C9, C10: no write, the reason is visible, and the next good pass takes the link up again."""
    world.in_outlook("Lunch")
    world.in_crm("Dinner")
    world.disturb(Nth("target", "changes", Fault(Form.BEFORE, error)))  # type: ignore[arg-type]
    (report,) = world.run()
    assert report.exit_code == code
    assert not world.boundary.writes()
    state = world.store.link(world.link)
    assert state.reason
    assert (state.condition is LinkCondition.STOPPED) is not isinstance(error, Unreachable)
    world.boundary.faults = None
    world.sync()
    world.assert_in_step("Dinner", "Lunch")
    assert world.store.link(world.link).condition is LinkCondition.ACTIVE


def test_a_folder_that_is_gone_is_never_a_mass_delete(world: World) -> None:
    """C10."""
    for n in range(3):
        world.in_outlook(f"Item {n}")
    world.sync()
    world.target.remove_folder(ANN, Folder.CALENDAR)
    (report,) = world.run()
    assert isinstance(report.error, ContainerGone)
    assert len(world.records()) == 3


def test_a_refused_log_on_is_not_tried_for_the_next_link(make_world: MakeWorld) -> None:
    """C3: one refusal stops the target at once, so that no account is locked out."""
    world = make_world(link_plan(ANN), link_plan(BOB))
    world.disturb(Nth("target", "changes", Fault(Form.BEFORE, AuthRefused("no"))))
    first, second = world.run()
    assert isinstance(first.error, AuthRefused)
    assert second.skipped
    assert sum(traced.call.side == "target" for traced in world.boundary.trace) == 1


def test_one_links_fault_does_not_stop_another(make_world: MakeWorld) -> None:
    world = make_world(link_plan(ANN), link_plan(BOB))
    world.in_outlook("Ann's")
    world.target.user_create(BOB, event("Bob's"))
    world.disturb(Nth("target", "changes", Fault(Form.BEFORE, AccessDenied("no"))))
    first, second = world.run()
    assert isinstance(first.error, AccessDenied)
    assert second.error is None
    assert [item.values["subject"] for item in world.crm.items()] == ["Bob's"]


@pytest.mark.parametrize("error", [Transient("busy"), Throttled("busy", after=120.0)])
def test_a_busy_server_costs_time_and_nothing_else(world: World, error: Transient) -> None:
    """C2, B-23."""
    world.in_crm("Lunch")
    world.in_crm("Dinner")
    world.disturb(Nth("target", "create", Fault(Form.BEFORE, error)))
    world.run()
    world.boundary.faults = None
    world.clock.advance(timedelta(minutes=5))
    world.settled()
    world.assert_in_step("Dinner", "Lunch")


# -- guards ------------------------------------------------------------------------------------------------------------


def _many(world: World, count: int) -> None:
    for n in range(count):
        world.in_outlook(f"Item {n:03}")
    world.sync()
    world.sync()


def test_a_mass_delete_is_stopped_and_can_be_allowed_once(world: World) -> None:
    """B-101, C11: nothing of that kind is written, other writes go on, the operator learns how to allow it."""
    _many(world, 40)
    for n in range(20):
        world.target.user_delete(world.outlook()[f"Item {n:03}"].key)
    world.target.user_edit(world.outlook()["Item 030"].key, location="Garden")
    report = world.sync()
    assert report.exit_code == 4
    assert [(trip.operation, trip.wanted) for trip in report.trips] == [(Operation.DELETE, 20)]
    assert "--allow-deletes" in report.trips[0].remedy
    assert len(world.records()) == 40
    assert world.records()["Item 030"].values["place"] == "Garden"
    assert world.sync().exit_code == 4
    assert not world.sync(allowed=frozenset({Operation.DELETE})).trips
    assert len(world.records()) == 20
    world.settled()


def test_an_emptied_folder_stops_even_a_small_link(world: World) -> None:
    """B-83, C10: one side became empty."""
    _many(world, 3)
    for item in world.target.items(ANN):
        world.target.user_delete(item.key)
    report = world.sync()
    assert [trip.code for trip in report.trips] == ["G103"]
    assert len(world.records()) == 3


def test_the_delete_budget_is_durable_over_a_day(make_world: MakeWorld) -> None:
    """L7: many small passes may not do what one may not; a day later there is budget again."""
    world = make_world(link_plan(limits=Limits({Operation.DELETE: Limit(count=5)})))
    _many(world, 30)
    stopped = 0
    for n in range(8):
        world.target.user_delete(world.outlook()[f"Item {n:03}"].key)
        stopped += bool(world.sync().trips)
    assert stopped == 3
    assert len(world.records()) == 25
    world.clock.advance(timedelta(hours=25))
    assert not world.sync().trips
    assert len(world.records()) == 22


def test_a_guard_over_several_steps_stops_before_the_first_write() -> None:
    """B-101: a pass larger than one step is weighed as a whole."""
    world = World(link_plan(limits=Limits({Operation.CREATE: Limit(count=1000)})), store=MemoryStore(), page=500)
    for n in range(1400):
        world.in_outlook(f"Item {n:04}")
    report = world.sync()
    assert report.exit_code == 4
    assert not world.records()
    assert not world.boundary.writes()


def test_updates_have_a_limit_too(make_world: MakeWorld) -> None:
    """B-101."""
    world = make_world(link_plan(limits=Limits({Operation.UPDATE: Limit(ratio=0.5, floor=2)})))
    _many(world, 8)
    for item in world.target.items(ANN):
        world.target.user_edit(item.key, location="Garden")
    report = world.sync()
    assert [trip.operation for trip in report.trips] == [Operation.UPDATE]
    assert not [item for item in world.crm.items() if item.values["place"] == "Garden"]
    world.sync(allowed=frozenset({Operation.UPDATE}))
    assert len([item for item in world.crm.items() if item.values["place"] == "Garden"]) == 8
