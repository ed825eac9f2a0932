"""Snapshots (B-70): one side is given what the other holds; what that side had done itself is on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from runner.engine.report import PassReport
from runner.model.errands import Items, Range, Snapshot, Undo
from runner.model.meetings import MailKind
from runner.model.terms import Direction, Operation, Side
from runner.reconcile.firewall import MailPolicy
from runner.reconcile.guards import Limit, Limits
from runner.testing.faults import Call
from tests.engine.world import World, link_plan

MakeWorld = Callable[..., World]
SEND, GET = Side.CRM, Side.TARGET
WEEKLY = "FREQ=WEEKLY;COUNT=4;BYDAY=TU"


def snap(world: World, giver: Side, *, orders: dict[str, object] | None = None, **asked: object) -> PassReport:
    return world.sync(errand=Snapshot(giver, **asked), **(orders or {}))  # type: ignore[arg-type]


def put_apart(world: World) -> None:
    """Three pairs in step; then Outlook's user edits one, deletes one, and adds one of his own."""
    for title in ("Edited", "Deleted", "Same"):
        world.in_crm(title)
    world.sync()
    world.target.user_edit(world.outlook()["Edited"].key, location="Garden")
    world.target.user_delete(world.outlook()["Deleted"].key, hard=True)
    world.in_outlook("His own")


def test_send_makes_the_target_like_the_crm(world: World) -> None:
    """Edits are overridden, deletes undone, both with the losing value on record; what the user made himself stays."""
    put_apart(world)
    report = snap(world, SEND)
    assert report.counts["target.update"] == report.counts["target.create"] == 1
    assert not any(report.counts[f"crm.{operation}"] for operation in Operation)
    assert world.outlook()["Edited"].values["location"] == "Room 4"
    found = {(c.field, c.policy, c.winner) for c in world.store.conflicts()}
    assert found == {("location", "snapshot", Side.CRM), (None, "snapshot", Side.CRM)}
    assert {"location": "Garden"} in [conflict.target for conflict in world.store.conflicts()]
    world.sync()
    world.sync()
    world.quiet()
    world.assert_in_step("Deleted", "Edited", "His own", "Same")
    assert not snap(world, SEND).writes


def test_get_makes_the_crm_like_the_target_deletions_included(world: World) -> None:
    put_apart(world)
    world.crm.user_edit(world.records()["Same"].key, place="Hall")
    world.crm.user_edit(world.records()["Deleted"].key, place="Hall")
    report = snap(world, GET)
    assert (report.counts["crm.update"], report.counts["crm.delete"], report.counts["crm.create"]) == (2, 1, 1)
    assert world.records()["Same"].values["place"] == "Room 4"
    lost = {(c.field, c.policy, c.winner) for c in world.store.conflicts()}
    assert lost == {("location", "snapshot", Side.TARGET), (None, "snapshot", Side.TARGET)}
    world.sync()
    world.quiet()
    world.assert_in_step("Edited", "His own", "Same")


def test_deletes_can_be_left_out_and_are_told(world: World) -> None:
    put_apart(world)
    report = snap(world, GET, deletes=False)
    assert "Deleted" in world.records()
    assert [note.label.title for note in report.left] == ["Deleted"]


def test_what_the_other_side_alone_holds_is_never_deleted(world: World) -> None:
    """Absence is no delete (invariant 2): a full snapshot from an empty CRM leaves the user's own items alone."""
    world.in_outlook("His own")
    world.sync()
    world.in_outlook("Newer")
    world.crm.user_delete(world.records()["His own"].key)
    report = snap(world, SEND)
    assert report.counts["target.delete"] == 1
    assert sorted(world.outlook()) == ["Newer"]


def test_a_rehearsal_shows_all_of_it_and_does_nothing(world: World) -> None:
    put_apart(world)
    before = world.titles()
    report = snap(world, SEND, orders={"rehearse": True})
    assert report.writes == 2
    assert report.prints is not None
    assert len(report.prints) == 2
    assert world.titles() == before
    assert not world.store.conflicts()
    world.sync()  # and the ordinary pass still carries what waits
    assert world.records()["Edited"].values["place"] == "Garden"


def test_guards_stop_a_snapshot_like_any_pass(make_world: MakeWorld) -> None:
    """B-101: a calendar that lost much is no reason to empty the CRM."""
    world = make_world(link_plan(limits=Limits({Operation.DELETE: Limit(count=1)})))
    for number in range(4):
        world.in_crm(f"Item {number}")
    world.sync()
    for item in list(world.outlook().values())[:3]:
        world.target.user_delete(item.key, hard=True)
    report = snap(world, GET)
    assert f"`exsync snapshot get {world.link} --apply --allow-deletes`" in report.trips[0].remedy
    assert len(world.records()) == 4
    report = snap(world, GET, orders={"allowed": frozenset({Operation.DELETE})})
    assert report.counts["crm.delete"] == 3


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"items": Items.RECURRING}, {"Series"}),
        ({"items": Items.SINGLE}, {"Early", "Late"}),
        ({"start": Range(since=datetime(2026, 3, 20, tzinfo=UTC))}, {"Late", "Series"}),
        ({"start": Range(until=datetime(2026, 3, 9, tzinfo=UTC))}, {"Early", "Series"}),
        ({"modified": "lately"}, {"Late"}),
    ],
)
def test_a_filtered_snapshot_takes_what_was_asked_for(
    world: World, asked: dict[str, object], expected: set[str]
) -> None:
    """A series matches a range of starts when any of it lies in between."""
    world.in_crm("Early")
    world.in_crm("Late", starts_at="2026-03-25T09:00:00Z", ends_at="2026-03-25T10:00:00Z")
    world.in_crm("Series", recurrence_rule=WEEKLY)
    world.sync()
    world.clock.advance(3600)
    since = world.clock.now()
    world.crm.user_edit(world.records()["Late"].key, place="Hall")
    world.sync()
    for item in list(world.outlook().values()):
        world.target.user_edit(item.key, location="Garden")
    snap(world, SEND, **(asked if "modified" not in asked else {"modified": Range(since=since)}))
    assert {title for title, item in world.outlook().items() if item.values["location"] != "Garden"} == expected


def test_an_agreed_difference_ends(world: World) -> None:
    """After an undo both sides differ as agreed, and no pass changes that; a snapshot does."""
    world.in_crm("Lunch")
    world.sync()
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    world.sync()
    world.sync(errand=Undo(undone="run-2"))
    world.sync()
    assert world.outlook()["Lunch"].values["location"] == "Room 4"
    snap(world, SEND)
    assert world.outlook()["Lunch"].values["location"] == "Hall"
    assert not world.store.conflicts()


def test_a_direction_that_does_not_write_there_is_said(make_world: MakeWorld) -> None:
    world = make_world(link_plan(direction=Direction.OUTBOUND))
    world.in_crm("Lunch")
    world.sync()
    report = snap(world, GET)
    assert "outbound" in (report.skipped or "")
    world.target.user_edit(world.outlook()["Lunch"].key, location="Garden")
    snap(world, SEND)
    world.assert_in_step("Lunch")


def test_before_the_first_sync_there_is_nothing_to_override(world: World) -> None:
    """What is on both sides is paired first, never created again (B-72)."""
    world.in_crm("Lunch")
    world.in_outlook("Lunch")
    assert "first sync" in (snap(world, SEND).skipped or "")
    assert world.titles() == (["Lunch"], ["Lunch"])


def test_nobody_is_told_by_mail(make_world: MakeWorld) -> None:
    """B-42: who overrides a calendar announces no meetings by it."""
    policy = MailPolicy(send=frozenset(MailKind))
    world = make_world(link_plan(mail=policy))
    world.in_crm("Lunch")
    world.sync()
    world.target.user_delete(world.outlook()["Lunch"].key, hard=True)
    snap(world, SEND)
    assert not world.store.mails()


def test_what_moves_under_a_write_is_read_again(world: World) -> None:
    """B-64: an edit at that very moment is overridden with its value on record, never by force."""
    put_apart(world)
    key = world.outlook()["Edited"].key

    def edit(call: Call) -> None:
        if call.writes and call.side == "target" and call.name == "update":
            world.boundary.meanwhile = None
            world.target.user_edit(key, location="Attic")

    world.boundary.meanwhile = edit
    snap(world, SEND)
    assert world.outlook()["Edited"].values["location"] == "Room 4"
    assert {"location": "Attic"} in [conflict.target for conflict in world.store.conflicts()]
