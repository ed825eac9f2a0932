"""Which items take part: filter, archive guard, restrictions, denied operations, drift; leaving is never deleting."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from runner.mapping.condition import Condition, compile_condition
from runner.mapping.source import MappingSource
from runner.model.diagnostics import Span
from runner.model.state import PairingStatus
from runner.model.terms import Direction, OnDrift, Operation, Side
from runner.reconcile.restrictions import Restrictions
from tests.engine.world import World, link_plan, mapping

MakeWorld = Callable[..., World]
OLD = {"start": "2026-02-10T10:00:00"}
KEEP = timedelta(days=7)


def condition(text: str) -> Condition:
    """A link's filter."""
    fields = [name for unit in mapping().units for name in unit.fields]
    source = MappingSource({}, lambda path: Span("targets.d/sandbox.yaml", 9, 13, 9, 40), text)
    compiled, findings = compile_condition(text, fields, source, ("filter",))
    assert compiled is not None, findings
    return compiled


WANTED = "'CRM' in (record.keywords | default([]))"


# -- filter ------------------------------------------------------------------------------------------------------------


def test_only_what_the_filter_asks_for_takes_part(make_world: MakeWorld) -> None:
    """B-47: on both sides."""
    world = make_world(link_plan(filter=condition(WANTED)))
    world.in_outlook("Out")
    world.in_outlook("In", keywords=("CRM",))
    world.in_crm("Out of the CRM")
    world.in_crm("In the CRM", categories=("CRM",))
    world.sync()
    assert world.titles() == (["In", "In the CRM", "Out"], ["In", "In the CRM", "Out of the CRM"])
    world.sync()
    world.quiet()


@pytest.mark.parametrize("side", list(Side))
def test_an_edit_that_leaves_the_filter_is_carried_first_and_nothing_is_deleted(
    make_world: MakeWorld, side: Side
) -> None:
    """B-47: and then the pair is left alone, until it comes back."""
    world = make_world(link_plan(filter=condition(WANTED)))
    world.in_outlook("Lunch", keywords=("CRM",))
    world.sync()

    def label(*words: str, **more: Any) -> None:
        if side is Side.CRM:
            world.crm.user_edit(world.records()["Lunch"].key, categories=words or None, **more)
        else:
            world.target.user_edit(world.outlook()["Lunch"].key, keywords=words or None)

    label()
    world.sync()
    world.assert_in_step("Lunch")
    assert [pairing.status for pairing in world.pairings(PairingStatus.DETACHED)] == [PairingStatus.DETACHED]
    world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    assert not world.sync().writes
    label("CRM")
    world.sync()
    world.settled()
    world.assert_in_step("Lunch")
    assert world.outlook()["Lunch"].values["location"] == "Hall"


def test_what_is_deleted_after_it_left_the_filter_stays_on_the_other_side(make_world: MakeWorld) -> None:
    """B-47, B-39."""
    world = make_world(link_plan(filter=condition(WANTED)))
    world.in_outlook("Lunch", keywords=("CRM",))
    world.sync()
    world.target.user_edit(world.outlook()["Lunch"].key, keywords=None)
    world.sync()
    world.target.user_delete(world.outlook()["Lunch"].key)
    assert not world.sync().writes
    assert world.titles() == ([], ["Lunch"])


def test_a_filter_that_gives_no_answer_sets_the_item_aside(make_world: MakeWorld) -> None:
    """B-47, B-23: with the expression's place."""
    world = make_world(link_plan(filter=condition("record.location[3] == 'x'")))
    world.in_outlook("Short", location="ab")
    world.in_outlook("Long", location="abcx")
    world.sync()
    assert world.titles()[1] == ["Long"]
    (entry,) = world.store.quarantined()
    assert "targets.d/sandbox.yaml:9:13" in entry.reason


# -- archive guard -----------------------------------------------------------------------------------------------------


def test_archiving_is_no_delete(make_world: MakeWorld) -> None:
    """B-39: a delete of an old single item is not carried to the CRM; the pair ends and the item is never made again."""
    world = make_world(link_plan(keep_items_older_than=KEEP))
    world.in_outlook("Old", **OLD)
    world.in_outlook("New")
    world.sync()
    for title in ("Old", "New"):
        world.target.user_delete(world.outlook()[title].key)
    world.sync()
    assert world.titles() == ([], ["Old"])
    world.crm.user_edit(world.records()["Old"].key, place="Hall")
    world.sync()
    world.settled()
    assert world.titles() == ([], ["Old"])


def test_the_crm_may_delete_what_is_old(make_world: MakeWorld) -> None:
    """B-39: nobody archives by deleting in the CRM."""
    world = make_world(link_plan(keep_items_older_than=KEEP))
    world.in_outlook("Old", **OLD)
    world.sync()
    world.crm.user_delete(world.records()["Old"].key)
    world.sync()
    assert world.titles() == ([], [])


# -- restrictions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", list(Side))
def test_an_item_over_a_threshold_waits_until_it_fits(make_world: MakeWorld, side: Side) -> None:
    """B-40: listed with the threshold that stopped it."""
    world = make_world(link_plan(restrictions=Restrictions(body_characters=10)))
    long = "x" * 11
    key = world.in_crm("Long", notes=long) if side is Side.CRM else world.in_outlook("Long", description=long)
    world.in_crm("Short", notes="x" * 10)
    world.sync()
    assert [titles.count("Long") for titles in world.titles()] == [int(side is not Side.CRM), int(side is Side.CRM)]
    (entry,) = world.store.quarantined()
    assert (entry.code, entry.side, entry.key) == ("over-threshold", side, key)
    assert "11 body characters" in entry.reason
    assert "restrictions.body_characters allows 10" in entry.reason
    if side is Side.CRM:
        world.crm.user_edit(key, notes="fits")
    else:
        world.target.user_edit(key, description="fits")
    world.sync()
    world.assert_in_step("Long", "Short")
    assert not world.store.quarantined()


def test_a_pair_that_grows_over_a_threshold_stays_and_can_be_deleted(make_world: MakeWorld) -> None:
    """B-40: what is over a threshold is not carried; that is no reason to keep it for ever."""
    world = make_world(link_plan(restrictions=Restrictions(body_characters=30)))
    world.in_outlook("Lunch")
    world.sync()
    world.target.user_edit(world.outlook()["Lunch"].key, description="x" * 31)
    assert not world.sync().writes
    assert len(world.store.quarantined()) == 1
    world.target.user_delete(world.outlook()["Lunch"].key)
    world.sync()
    assert world.titles() == ([], [])
    assert not world.store.quarantined()


# -- denied operations and drift ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("operation", list(Operation))
def test_a_denied_operation_is_never_carried_out(make_world: MakeWorld, operation: Operation, side: Side) -> None:
    """B-5, B-39: each operation, each direction; the others go on, and a denied delete ends the pair."""
    world = make_world(link_plan(denied=frozenset({(operation, side)})))
    crm_key, key = world.in_crm("From the CRM"), world.in_outlook("From Outlook")
    world.sync()
    made = [title for titles in world.titles() for title in titles]
    assert len(made) == (3 if operation is Operation.CREATE else 4)
    world.crm.user_edit(crm_key, place="Hall")
    world.target.user_edit(key, location="Garden")
    world.sync()
    world.crm.user_delete(crm_key)
    world.target.user_delete(key)
    world.sync(allowed=frozenset(Operation))  # else the guard over an emptied side stops it
    left = [title for titles in world.titles() for title in titles]
    assert len(left) == (1 if operation is Operation.DELETE else 0)
    denying = world.crm if side is Side.CRM else world.target
    sent = [str(traced.call) for traced in world.boundary.trace if traced.call.writes and traced.call.side is side]
    assert denying is not None
    assert not [call for call in sent if operation.value in call]
    world.settled()
    assert left == [title for titles in world.titles() for title in titles]


@pytest.mark.parametrize("direction", [Direction.INBOUND, Direction.OUTBOUND])
@pytest.mark.parametrize("on_drift", list(OnDrift))
def test_edits_of_the_read_only_side_are_ignored_reverted_or_reported(
    make_world: MakeWorld, direction: Direction, on_drift: OnDrift
) -> None:
    """B-5."""
    world = make_world(link_plan(direction=direction, on_drift=on_drift))
    if direction is Direction.INBOUND:
        world.in_outlook("Lunch")
        world.sync()
        world.crm.user_edit(world.records()["Lunch"].key, place="Hall")
    else:
        world.in_crm("Lunch")
        world.sync()
        world.target.user_edit(world.outlook()["Lunch"].key, location="Hall")
    report = world.sync()
    assert report.counts["drift"] == (1 if on_drift is OnDrift.REPORT else 0)
    places = {str(world.records()["Lunch"].values["place"]), str(world.outlook()["Lunch"].values["location"])}
    assert places == ({"Room 4"} if on_drift is OnDrift.REVERT else {"Room 4", "Hall"})
    world.settled()
