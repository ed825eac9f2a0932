"""Writes without an answer (reliability L1 to L5): what is found of them later, and whose edits count."""

from contextlib import suppress

import pytest

from runner.model.errors import (
    OutcomeUnknown,
)
from runner.model.terms import Direction, EditVsDelete, Operation, Side
from runner.testing.faults import Call, Crash, Fault, Form, Nth
from runner.testing.target import Shelf
from tests.engine.world import ANN, World, link_plan

LOST = Fault(Form.AFTER)
NEVER = Fault(Form.BEFORE, OutcomeUnknown("no answer"))


def _only_item(world: World, title: str) -> None:
    outlook, crm = world.titles()
    assert (outlook, crm) == ([title], [title])


def _edit(world: World, side: Side, place: str) -> None:
    """Somebody puts the item into another place, on one side."""
    if side is Side.CRM:
        world.crm.user_edit(world.records()["Lunch"].key, place=place)
    else:
        world.target.user_edit(world.outlook()["Lunch"].key, location=place)


def _assert_only_the_edit(world: World) -> None:
    """In the end both sides hold the edit, which was no conflict and is one update in the ledger, whoever found that it
    happened (P17)."""
    world.settled()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == "Garden"
    assert not world.store.conflicts()
    assert world.noted(Operation.UPDATE) == 1


def _made_and_never_read_back(world: World) -> None:
    """An item is made on the target, and no read of it comes through before the pass ends."""
    world.in_crm("Lunch")
    world.disturb(lambda call: Fault(Form.BEFORE) if (call.side, call.name) == (Side.TARGET, "get") else None)
    world.run()
    world.boundary.faults = None


# -- unknown outcomes of creates: reliability L1 to L5 -----------------------------------------------------------------


@pytest.mark.parametrize("fault", [LOST, Fault(Form.CRASH_AFTER)], ids=["lost-answer", "crash"])
@pytest.mark.parametrize("side", list(Side))
def test_l1_an_edit_made_before_the_adoption_is_not_overwritten(world: World, side: Side, fault: Fault) -> None:
    """L1, A2: created with unknown outcome; the source is edited; the adopted copy must not overwrite the edit."""
    _create_with(world, side, fault)
    _edit(world, side.other, "Garden")
    _assert_only_the_edit(world)


@pytest.mark.parametrize("side", list(Side))
def test_l1_an_edit_of_the_unadopted_copy_is_not_overwritten_either(world: World, side: Side) -> None:
    """L1 from the other end: the fresh copy is edited before anybody knows that it exists."""
    _create_with(world, side, LOST)
    _edit(world, side, "Garden")
    _assert_only_the_edit(world)


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


def test_what_somebody_typed_into_before_the_read_back_is_known_by_its_native_identity(world: World) -> None:
    """D8, P7 (seed 141295): the read-back of a create finds a newer version. It is that item all the same: a copy that a user
    makes of it before he deletes it, with its stamp, is not what goes with the record."""
    world.links = [link_plan(direction=Direction.OUTBOUND)]
    world.in_crm("Lunch")

    def meanwhile(call: Call) -> None:
        if (call.side, call.name) == (Side.TARGET, "get"):
            world.target.user_edit(world.outlook()["Lunch"].key, description="with candles")

    world.boundary.meanwhile = meanwhile
    world.disturb(Nth(Side.TARGET, "get", Fault(Form.BEFORE), 1))
    world.run()
    world.boundary.meanwhile = world.boundary.faults = None
    original = world.outlook()["Lunch"].key
    world.target.user_edit(world.target.user_copy(original), title="Dinner")
    world.target.user_delete(original)
    world.crm.user_delete(world.records()["Lunch"].key)
    world.settled()
    assert list(world.outlook()) == ["Dinner"]


@pytest.mark.parametrize("direction", [Direction.OUTBOUND, Direction.BOTH], ids=str)
@pytest.mark.parametrize("called_off", [False, True], ids=["kept", "called-off"])
def test_of_what_was_never_read_back_a_copy_is_not_taken_for_the_deleted_original(
    world: World, direction: Direction, called_off: bool
) -> None:
    """D8, P7: nobody knows the native identity of what was made. The original, in Deleted Items, still says what was sent."""
    world.links = [link_plan(direction=direction, edit_vs_delete=EditVsDelete.DELETE_WINS)]
    _made_and_never_read_back(world)
    original = world.outlook()["Lunch"].key
    world.target.user_edit(world.target.user_copy(original), title="Dinner", description="with candles")
    world.target.user_delete(original)
    lunch = world.records()["Lunch"].key
    if called_off:
        world.crm.user_delete(lunch)
    world.settled()
    assert "Dinner" in world.outlook()
    if direction is Direction.BOTH:
        assert list(world.records()) == ["Dinner"]
        assert world.records()["Dinner"].key != lunch
    world.quiet()


def test_what_was_never_read_back_and_moves_while_it_is_looked_for_is_not_made_a_second_time(world: World) -> None:
    """P3 (seed 3841): it lay in another folder, came back, and is moved away again between our read and our search."""
    _made_and_never_read_back(world)
    world.target.user_move(world.outlook()["Lunch"].key, Shelf.OTHER)
    world.settled()
    world.target.user_move(world.target.items(ANN, shelf=Shelf.OTHER)[0].key, Shelf.HOME)

    def meanwhile(call: Call) -> None:
        if (call.side, call.name) == (Side.TARGET, "find") and world.target.items(ANN):
            world.target.user_move(world.outlook()["Lunch"].key, Shelf.OTHER)

    world.boundary.meanwhile = meanwhile
    world.run()
    world.settled()
    assert list(world.records()) == ["Lunch"]


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
    _edit(world, side.other, "Garden")
    world.disturb(Nth(side, "update", fault))
    world.sync()
    _assert_only_the_edit(world)


@pytest.mark.parametrize("side", list(Side))
def test_an_edit_after_an_update_of_unknown_outcome_is_not_lost(world: World, side: Side) -> None:
    """C5, P2: our update took effect without an answer, then the same field was edited where we wrote it."""
    world.in_crm("Lunch")
    world.sync()
    _edit(world, side.other, "Garden")
    world.disturb(Nth(side, "update", LOST))
    world.sync()
    world.boundary.faults = None
    _edit(world, side, "Terrace")
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


@pytest.mark.parametrize("form", list(Form), ids=str)
@pytest.mark.parametrize("deleted", [False, True], ids=["edits", "edit-against-delete"])
def test_a_conflict_whose_write_has_to_be_tried_again_is_noted_once(world: World, form: Form, deleted: bool) -> None:
    """B-62: it is durable before its write, so every try finds it anew; it stays the one conflict that it is."""
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    if deleted:
        world.target.user_delete(world.outlook()["Lunch"].key)
    else:
        world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")
    for _ in range(2):
        world.disturb(Nth("target", "create" if deleted else "update", Fault(form)))
        with suppress(Crash):
            world.run()
    world.settled()
    world.assert_in_step("Lunch")
    [conflict] = world.store.conflicts()
    assert conflict.field == (None if deleted else "location")
    world.quiet()
