"""Both sides changed: what merges, who wins, what is held, and that no losing value is ever lost."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from runner.engine.resolve import resolve
from runner.model.terms import ConflictPolicy, EditVsDelete, Side
from runner.reconcile.guards import Limits
from runner.testing.faults import Call
from runner.testing.target import Shelf
from tests.engine.world import ANN, World, link_plan

MakeWorld = Callable[..., World]


def _disputed(world: World, *, wait: float = 0.0) -> None:
    """Both sides change the location; the target ``wait`` seconds after the CRM."""
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.clock.advance(wait)
    world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")


def test_different_fields_merge_without_a_conflict(world: World) -> None:
    """B-60, D2."""
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.target.user_edit(world.outlook()["Lunch"].key, priority=1)
    report = world.sync()
    world.assert_in_step("Lunch")
    assert (world.outlook()["Lunch"].values["location"], world.records()["Lunch"].values["priority"]) == ("Hall", "A")
    assert report.counts["crm.update"] == report.counts["target.update"] == 1
    assert not world.store.conflicts()


def test_the_same_value_on_both_sides_is_no_conflict(world: World) -> None:
    """D3."""
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.target.user_edit(world.outlook()["Lunch"].key, location="Hall")
    assert not world.sync().writes
    assert not world.store.conflicts()


@pytest.mark.parametrize(
    ("policy", "wait", "expected", "winner"),
    [
        (ConflictPolicy.CRM_WINS, 600, "Hall", Side.CRM),
        (ConflictPolicy.TARGET_WINS, 0, "Garden", Side.TARGET),
        (ConflictPolicy.NEWEST_WINS, 600, "Garden", Side.TARGET),
        (ConflictPolicy.NEWEST_WINS, 60, "Hall", Side.CRM),
    ],
    ids=["crm", "target", "newest", "within-tolerance"],
)
def test_the_policy_decides_and_the_loser_is_kept(
    make_world: MakeWorld, policy: ConflictPolicy, wait: float, expected: str, winner: Side
) -> None:
    """B-61, B-62."""
    world = make_world(link_plan(conflict=policy))
    _disputed(world, wait=wait)
    world.sync()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == expected
    (conflict,) = world.store.conflicts()
    assert (conflict.field, conflict.policy, conflict.winner) == ("location", policy, winner)
    assert conflict.base == {"location": "Room 4"}
    assert conflict.crm == {"location": "Hall"}
    assert conflict.target == {"location": "Garden"}
    assert conflict.rule
    assert conflict.crm_modified
    assert conflict.target_modified
    world.settled()
    assert len(world.store.conflicts()) == 1


def test_a_policy_of_a_field_outranks_the_links(make_world: MakeWorld) -> None:
    """B-61."""
    world = make_world(link_plan(by_field={"location": ConflictPolicy.TARGET_WINS}))
    _disputed(world)
    world.sync()
    assert world.records()["Lunch"].values["place"] == "Garden"


def test_the_losing_value_is_durable_before_it_is_overwritten(world: World) -> None:
    """D1, P2 as a step invariant: at the moment of the write the conflict is in the state."""
    _disputed(world)
    seen: list[int] = []

    def meanwhile(call: Call) -> None:
        if call.side == "target" and call.name == "update":
            seen.append(len(world.store.conflicts()))

    world.boundary.meanwhile = meanwhile
    world.sync()
    assert seen == [1]


def test_manual_holds_the_field_and_the_others_go_on(make_world: MakeWorld) -> None:
    """B-62."""
    world = make_world(link_plan(conflict=ConflictPolicy.MANUAL))
    _disputed(world)
    world.crm.user_edit(world.records()["Lunch"].key, notes="CRM's notes")
    report = world.sync()
    assert report.counts["held"] == 1
    assert world.outlook()["Lunch"].values["description"] == "CRM's notes"
    assert world.outlook()["Lunch"].values["location"] == "Garden"
    assert world.records()["Lunch"].values["place"] == "Hall"
    (held,) = world.store.conflicts(open_only=True)
    world.target.user_edit(world.outlook()["Lunch"].key, priority=9)
    world.settled()
    assert world.records()["Lunch"].values["priority"] == "C"
    assert [conflict.id for conflict in world.store.conflicts()] == [held.id]


@pytest.mark.parametrize(("take", "expected"), [("crm", "Hall"), ("target", "Garden")])
def test_a_resolved_conflict_is_carried_out_on_both_sides(make_world: MakeWorld, take: str, expected: str) -> None:
    """B-62."""
    world = make_world(link_plan(conflict=ConflictPolicy.MANUAL))
    _disputed(world)
    world.sync()
    (held,) = world.store.conflicts(open_only=True)
    resolve(world.store, held.id, take, None, world.clock.now())
    world.sync()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == expected
    world.settled()
    assert not world.store.conflicts(open_only=True)
    assert not world.store.resolutions(world.link)


def test_a_conflict_is_resolved_by_a_value(make_world: MakeWorld) -> None:
    """B-62."""
    world = make_world(link_plan(conflict=ConflictPolicy.MANUAL))
    _disputed(world)
    world.sync()
    (held,) = world.store.conflicts(open_only=True)
    resolve(world.store, held.id, "value", {"location": "Terrace"}, world.clock.now())
    world.sync()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == "Terrace"
    world.settled()
    assert not world.store.conflicts(open_only=True)


def test_the_losing_value_can_be_restored(world: World) -> None:
    """B-62."""
    _disputed(world)
    world.sync()
    (decided,) = world.store.conflicts()
    resolve(world.store, decided.id, "restore", None, world.clock.now())
    world.sync()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == "Garden"
    world.settled()
    assert not world.store.resolutions(world.link)


@pytest.mark.parametrize("editor", list(Side))
def test_an_edit_wins_against_a_delete(world: World, editor: Side) -> None:
    """B-63: the item is made again on the side that deleted it, once, and it is recorded."""
    world.in_crm("Stays")
    world.in_crm("Lunch")
    world.sync()
    if editor is Side.CRM:
        world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
        world.target.user_delete(world.outlook()["Lunch"].key)
    else:
        world.target.user_edit(world.outlook()["Lunch"].key, location="Hall")
        world.crm.user_delete(world.records()["Lunch"].key)
    world.sync()
    world.assert_in_step("Lunch", "Stays")
    assert world.outlook()["Lunch"].values["location"] == "Hall"
    (conflict,) = world.store.conflicts()
    assert (conflict.field, conflict.winner) == (None, editor)
    world.settled()
    world.assert_in_step("Lunch", "Stays")


@pytest.mark.parametrize("editor", list(Side))
def test_a_delete_wins_when_the_link_says_so(make_world: MakeWorld, editor: Side) -> None:
    """B-63: and the edit is in the conflict ledger."""
    world = make_world(link_plan(edit_vs_delete=EditVsDelete.DELETE_WINS))
    world.in_crm("Stays")
    world.in_crm("Lunch")
    world.sync()
    if editor is Side.CRM:
        world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
        world.target.user_delete(world.outlook()["Lunch"].key)
    else:
        world.target.user_edit(world.outlook()["Lunch"].key, location="Hall")
        world.crm.user_delete(world.records()["Lunch"].key)
    world.sync()
    world.assert_in_step("Stays")
    (conflict,) = world.store.conflicts()
    lost = conflict.crm if editor is Side.CRM else conflict.target
    assert lost is not None
    assert lost["location"] == "Hall"
    assert conflict.winner is editor.other


@pytest.mark.parametrize(("take", "left"), [("crm", ["Lunch", "Stays"]), ("target", ["Stays"])])
def test_edit_against_delete_can_be_held_and_resolved(make_world: MakeWorld, take: str, left: list[str]) -> None:
    """B-63 manual: nothing happens until somebody decides."""
    world = make_world(link_plan(edit_vs_delete=EditVsDelete.MANUAL))
    world.in_crm("Stays")
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.target.user_delete(world.outlook()["Lunch"].key)
    world.sync()
    world.settled()
    assert world.titles() == (["Stays"], ["Lunch", "Stays"])
    (held,) = world.store.conflicts(open_only=True)
    resolve(world.store, held.id, take, None, world.clock.now())
    world.sync()
    world.assert_in_step(*left)
    world.settled()
    assert not world.store.conflicts(open_only=True)


@pytest.mark.parametrize("side", list(Side))
def test_an_edit_between_our_read_and_our_write_is_merged_not_forced(world: World, side: Side) -> None:
    """B-64, C1, D1: the write is refused, the item is read and merged again in the same pass."""
    world.in_crm("Lunch")
    world.sync()
    if side is Side.TARGET:
        world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    else:
        world.target.user_edit(world.outlook()["Lunch"].key, location="Hall")
    struck: list[str] = []

    def meanwhile(call: Call) -> None:
        if call.side == side and call.name == "update" and not struck:
            struck.append(str(call))
            if side is Side.TARGET:
                world.target.user_edit(world.outlook()["Lunch"].key, title="Late lunch")
            else:
                world.crm.user_edit(world.records()["Lunch"].key, subject="Late lunch")

    world.boundary.meanwhile = meanwhile
    world.sync()
    assert struck
    world.assert_in_step("Late lunch")  # in this very pass
    world.settled()
    world.assert_in_step("Late lunch")
    assert world.outlook()["Late lunch"].values["location"] == "Hall"
    assert not world.store.conflicts()


@pytest.mark.parametrize("side", list(Side))
def test_an_edit_between_our_read_and_our_delete_saves_the_item(world: World, side: Side) -> None:
    """P7, B-63: what a user has just edited is not deleted."""
    world.in_crm("Stays")
    world.in_crm("Lunch")
    world.sync()
    if side is Side.TARGET:
        world.crm.user_delete(world.records()["Lunch"].key)
    else:
        world.target.user_delete(world.outlook()["Lunch"].key)

    def meanwhile(call: Call) -> None:
        if (
            call.side == side
            and call.name == "delete"
            and "Garden" not in repr(world.target.items(ANN) + world.crm.items())
        ):
            if side is Side.TARGET:
                world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")
            else:
                world.crm.user_edit(world.records()["Lunch"].key, place="Garden")

    world.boundary.meanwhile = meanwhile
    world.sync()
    world.settled()
    world.assert_in_step("Lunch", "Stays")
    assert world.outlook()["Lunch"].values["location"] == "Garden"


def test_an_edit_right_after_our_write_is_not_taken_for_our_echo(world: World) -> None:
    """Design §5: a read-back whose version is not the one our write returned is no base."""
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    struck: list[str] = []

    def meanwhile(call: Call) -> None:
        if (
            call.side == "target"
            and call.name == "get"
            and world.outlook()["Lunch"].values["location"] == "Hall"
            and not struck
        ):
            struck.append(str(call))
            world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")

    world.boundary.meanwhile = meanwhile
    world.sync()
    assert struck
    world.settled()
    world.assert_in_step("Lunch")
    assert world.records()["Lunch"].values["place"] == "Garden"
    assert not world.store.conflicts()


def test_a_conflict_at_first_sync_is_recorded(world: World) -> None:
    """B-72 with B-62: pairs that were never agreed and differ."""
    world.in_outlook("Review", description="Outlook's text")
    world.in_crm("Review", notes="CRM's text")
    world.sync()
    (conflict,) = world.store.conflicts()
    assert (conflict.field, conflict.base, conflict.winner) == ("description", None, Side.CRM)
    assert conflict.target == {"description": "Outlook's text"}


def test_deleted_items_hold_what_an_edit_lost_against(make_world: MakeWorld) -> None:
    """Our deletes can be undone by the user: they end in Deleted Items."""
    world = make_world(link_plan(edit_vs_delete=EditVsDelete.DELETE_WINS))
    world.in_crm("Stays")
    world.in_crm("Lunch")
    world.sync()
    world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")
    world.crm.user_delete(world.records()["Lunch"].key)
    world.clock.advance(timedelta(minutes=5))
    world.sync()
    assert [item.values["location"] for item in world.target.items(ANN, shelf=Shelf.DELETED)] == ["Garden"]


def test_a_held_conflict_ends_when_people_agree(make_world: MakeWorld) -> None:
    """B-62: somebody typed the other side's value; nothing is left to decide."""
    world = make_world(link_plan(conflict=ConflictPolicy.MANUAL))
    _disputed(world)
    world.sync()
    world.target.user_edit(world.outlook()["Lunch"].key, location="Hall")
    world.sync()
    (conflict,) = world.store.conflicts()
    assert (conflict.winner, conflict.resolution) == (None, "agreed")
    assert conflict.resolved_at


def test_a_held_conflict_shows_the_values_of_now(make_world: MakeWorld) -> None:
    world = make_world(link_plan(conflict=ConflictPolicy.MANUAL))
    _disputed(world)
    world.sync()
    (before,) = world.store.conflicts()
    world.target.user_edit(world.outlook()["Lunch"].key, location="Terrace")
    world.sync()
    (after,) = world.store.conflicts()
    assert (after.id, after.at, after.target) == (before.id, before.at, {"location": "Terrace"})


def test_a_decision_survives_a_write_that_is_refused(make_world: MakeWorld) -> None:
    """B-64 with B-62: the version moved under the operator's decision; it is carried out on what is there then."""
    world = make_world(link_plan(conflict=ConflictPolicy.MANUAL))
    _disputed(world)
    world.sync()
    (held,) = world.store.conflicts(open_only=True)
    resolve(world.store, held.id, "crm", None, world.clock.now())
    edits = iter(["9", "8", "7"])

    def meanwhile(call: Call) -> None:
        if call.side == "target" and call.name == "update":
            world.target.user_edit(world.outlook()["Lunch"].key, description=next(edits, "6"))

    world.boundary.meanwhile = meanwhile
    world.sync()
    assert world.outlook()["Lunch"].values["location"] == "Garden"
    assert world.store.resolutions(world.link)
    world.settled()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == "Hall"
    assert not world.store.resolutions(world.link)
    assert not world.store.conflicts(open_only=True)


def test_what_a_decision_overwrites_is_recorded_first(make_world: MakeWorld) -> None:
    """P2: an edit made after the conflict was decided is in the ledger when the losing value is restored over it."""
    world = make_world()
    _disputed(world)
    world.sync()
    (decided,) = world.store.conflicts()
    world.target.user_edit(world.outlook()["Lunch"].key, location="Terrace")
    resolve(world.store, decided.id, "restore", None, world.clock.now())
    world.sync()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == "Garden"
    assert {"location": "Terrace"} in [conflict.target for conflict in world.store.conflicts()]
    assert not world.store.conflicts(open_only=True)


def test_an_item_that_is_changed_back_after_every_write_is_set_aside(make_world: MakeWorld) -> None:
    """B-65: within the limit it is written again and again, then it rests for an hour; its neighbours go on."""
    world = make_world(link_plan(limits=Limits(per_item=3)))
    key = world.in_crm("Fought over")
    world.sync()
    for n in range(3):
        world.crm.user_edit(key, notes=f"ours {n}")
        assert world.sync().counts["target.update"] == 1
    world.crm.user_edit(key, notes="one too many")
    world.in_crm("Neighbour")
    report = world.sync()
    assert (report.counts["target.update"], report.counts["target.create"], report.counts["quarantined"]) == (0, 1, 1)
    (aside,) = world.store.quarantined(world.link)
    assert (aside.code, aside.key) == ("write-loop", key)
    world.clock.advance(timedelta(hours=3))
    world.sync()
    assert world.store.quarantined(world.link) == []
    world.assert_in_step("Fought over", "Neighbour")
