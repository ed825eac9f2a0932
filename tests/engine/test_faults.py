"""When the world goes wrong: dead watermarks, refused log-ons, busy servers, and guards that stop a change set."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from runner.engine.sending import INTERRUPTED
from runner.model.errors import (
    AccessDenied,
    AuthRefused,
    ContainerGone,
    Throttled,
    Transient,
    Unreachable,
)
from runner.model.state import LinkCondition
from runner.model.terms import Folder, Operation
from runner.reconcile.guards import Limit, Limits
from runner.testing.faults import Call, Fault, Form, Nth
from runner.testing.store import MemoryStore
from tests.engine.world import ANN, BOB, World, event, link_plan

MakeWorld = Callable[..., World]


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


def test_a_target_that_does_not_answer_at_first_costs_that_pass_alone() -> None:
    """B-72: what the CRM was listed for is noted together with what the target holds, so an unread target is listed for
    again; both sides' items are then paired or made as if nothing had been."""
    world = World(store=MemoryStore())
    for number in range(3):
        world.in_crm(f"CRM {number}")
        world.in_outlook(f"Outlook {number}")
    world.in_crm("Both")
    world.in_outlook("Both")
    away = Fault(Form.BEFORE, Transient("no route to the server", code="connection"))
    world.disturb(lambda call: away if (call.side, call.name) == ("target", "changes") else None)
    for _ in range(2):
        (report,) = world.run()
        assert report.error is away.error
        assert not world.store.link(world.link).listed
    assert world.boundary.writes() == []
    world.disturb(lambda call: None)
    world.settled()
    world.assert_in_step("Both", *(f"{side} {number}" for side in ("CRM", "Outlook") for number in range(3)))
    world.quiet()


def test_a_pass_that_is_ended_stops_before_its_next_request(world: World) -> None:
    """A step may hold a thousand writes of a tenth of a second each: whoever stops the service does not wait for them, nor
    does a link whose turn it is. What was written is recorded, and the rest is new in the next pass (L1)."""
    for number in range(6):
        world.in_crm(f"CRM {number}")
    creates = lambda: [one for one in world.boundary.writes() if one.call.name == Operation.CREATE]  # noqa: E731
    (report,) = world.run(stopping=lambda: len(creates()) >= 2)
    assert report.error is not None
    assert report.error.code == INTERRUPTED
    assert +report.counts == {"target.create": 2}
    assert len(world.target.items(ANN)) == world.store.count(world.link) == 2
    assert world.store.intents(world.link) == []
    world.settled()
    assert len(creates()) == 6
    world.assert_in_step(*(f"CRM {number}" for number in range(6)))
    world.quiet()


def test_a_pass_that_is_ended_has_made_all_that_the_crm_took_in_one_transaction(world: World) -> None:
    for number in range(6):
        world.in_outlook(f"Outlook {number}")
    world.in_crm("CRM")
    written = lambda: bool(world.boundary.writes())  # noqa: E731
    (report,) = world.run(stopping=written)
    assert report.error is not None
    assert +report.counts == {"crm.create": 6}
    assert world.store.intents(world.link) == []
    world.settled()
    world.assert_in_step("CRM", *(f"Outlook {number}" for number in range(6)))
