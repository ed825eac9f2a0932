"""P13: whatever the call at which the process dies or an answer is lost, the end is the same.

Each scenario runs once undisturbed and is then repeated with one fault at each of its calls, remote calls and commits of
the state alike, in each form. After a restart and a few quiet passes both sides, the deleted items and the conflict
ledger must be what they were undisturbed, up to ids and times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from runner.config.plan import LinkPlan
from runner.model.errors import Transient
from runner.model.items import Item
from runner.model.terms import ConflictPolicy, Direction, OnDrift, Operation, Side
from runner.testing.faults import Call, Crash, Fault, Form, Script
from runner.testing.store import MemoryStore
from runner.testing.target import Shelf
from tests.engine.world import ANN, BOB, OWNERS, World, event, link_plan, row

Step = Callable[[World], object]


@dataclass(frozen=True)
class Scenario:
    """Steps of people; a pass follows each. ``before`` is brought in step in fair weather first."""

    steps: Sequence[Step]
    before: Step = lambda world: None
    links: Callable[[], Sequence[LinkPlan]] = field(default=lambda: [link_plan()])


def _one_each(world: World) -> None:
    world.in_outlook("From Outlook")
    world.in_crm("From the CRM")


def _three_each(world: World) -> None:
    for n in range(3):
        world.in_outlook(f"Outlook {n}")
        world.in_crm(f"CRM {n}")


def _edit_target(title: str, /, **changes: Any) -> Step:
    return lambda world: world.target.user_edit(world.outlook()[title].key, **changes)


def _edit_crm(title: str, /, **changes: Any) -> Step:
    return lambda world: world.crm.user_edit(world.records()[title].key, **changes)


def _delete_target(title: str) -> Step:
    return lambda world: world.target.user_delete(world.outlook()[title].key)


def _delete_crm(title: str) -> Step:
    return lambda world: world.crm.user_delete(world.records()[title].key)


def _all(*steps: Step) -> Step:
    def act(world: World) -> None:
        for step in steps:
            step(world)

    return act


def _meeting(world: World) -> None:
    for user in (ANN, BOB):
        world.target.user_create(user, event("Meeting"), native="uid-meeting", shared=True)


def _related(world: World) -> None:
    world.crm.related = True


def _lose_state(world: World) -> None:
    world.store = MemoryStore()


def _move_meeting(world: World) -> None:
    """The organizer moves it: Exchange changes every attendee's copy."""
    for user in (ANN, BOB):
        for item in world.target.items(user):
            world.target.user_edit(item.key, location="Garden")


SCENARIOS: dict[str, Scenario] = {
    "first sync of both sides": Scenario([_three_each]),
    "first sync that pairs what both sides hold": Scenario(
        [_all(lambda w: w.in_outlook("Both"), lambda w: w.in_crm("Both", notes="CRM's notes"), _one_each)]
    ),
    "an edit on each side": Scenario(
        [_all(_edit_target("Outlook 0", location="Garden"), _edit_crm("CRM 0", place="Hall"))], _three_each
    ),
    "different fields of one item": Scenario(
        [_all(_edit_target("Outlook 0", location="Garden"), _edit_crm("Outlook 0", notes="CRM's notes"))], _three_each
    ),
    "one field of one item, the CRM wins": Scenario(
        [_all(_edit_target("CRM 1", location="Garden"), _edit_crm("CRM 1", place="Hall"))], _three_each
    ),
    "one field of one item, the target wins": Scenario(
        [_all(_edit_target("CRM 1", location="Garden"), _edit_crm("CRM 1", place="Hall"))],
        _three_each,
        lambda: [link_plan(conflict=ConflictPolicy.TARGET_WINS)],
    ),
    "two fields, each side wins one": Scenario(
        [
            _all(
                _edit_target("CRM 1", location="Garden", description="Target's"),
                _edit_crm("CRM 1", place="Hall", notes="CRM's"),
            )
        ],
        _three_each,
        lambda: [link_plan(by_field={"description": ConflictPolicy.TARGET_WINS})],
    ),
    "a conflict that is held": Scenario(
        [
            _all(
                _edit_target("CRM 1", location="Garden", priority=1),
                _edit_crm("CRM 1", place="Hall", notes="CRM's notes"),
            )
        ],
        _three_each,
        lambda: [link_plan(by_field={"location": ConflictPolicy.MANUAL})],
    ),
    "a delete on each side": Scenario([_all(_delete_target("Outlook 0"), _delete_crm("CRM 0"))], _three_each),
    "the same item deleted on both sides": Scenario(
        [_all(_delete_target("Outlook 0"), _delete_crm("Outlook 0"))], _three_each
    ),
    "edits against deletes": Scenario(
        [
            _all(
                _edit_target("Outlook 0", location="Garden"),
                _delete_crm("Outlook 0"),
                _edit_crm("CRM 0", place="Hall"),
                _delete_target("CRM 0"),
            )
        ],
        _three_each,
    ),
    "moved out, back, and copied": Scenario(
        [
            lambda w: w.target.user_move(w.outlook()["CRM 0"].key),
            lambda w: w.target.user_move(w.target.items(ANN, shelf=Shelf.OTHER)[0].key, Shelf.HOME),
            lambda w: w.target.user_edit(w.target.user_copy(w.outlook()["CRM 1"].key), title="A copy"),
        ],
        _three_each,
    ),
    "edit, then delete, then a new one": Scenario(
        [_edit_crm("CRM 2", subject="Renamed"), _delete_target("Renamed"), lambda w: w.in_crm("Renamed")], _three_each
    ),
    "one way out, drift reverted": Scenario(
        [
            _all(_edit_crm("CRM 0", place="Hall"), lambda w: w.in_outlook("Ann's own")),
            _edit_target("CRM 1", title="Mine"),
        ],
        lambda w: [w.in_crm(f"CRM {n}") for n in range(3)],
        lambda: [link_plan(direction=Direction.OUTBOUND, on_drift=OnDrift.REVERT)],
    ),
    "one way in": Scenario(
        [
            _all(_edit_target("Outlook 0", location="Hall"), lambda w: w.in_crm("CRM's own")),
            _delete_target("Outlook 1"),
        ],
        lambda w: [w.in_outlook(f"Outlook {n}") for n in range(3)],
        lambda: [link_plan(direction=Direction.INBOUND)],
    ),
    "deletes denied": Scenario(
        [_all(_delete_target("Outlook 0"), _delete_crm("CRM 0")), _edit_crm("Outlook 0", place="Hall")],
        _three_each,
        lambda: [link_plan(denied=frozenset((Operation.DELETE, side) for side in Side))],
    ),
    "an invalid watermark after edits": Scenario(
        [
            _all(
                _edit_target("Outlook 0", location="Hall"),
                _delete_target("Outlook 1"),
                lambda w: w.target.forget_watermarks(ANN),
            )
        ],
        _three_each,
    ),
    "one record that two users hold, edited by both": Scenario(
        [
            lambda w: w.crm.user_share(w.in_crm("Call"), OWNERS[BOB]),
            _all(
                lambda w: w.target.user_edit(w.target.items(ANN)[0].key, location="Ann's room"),
                lambda w: w.target.user_edit(w.target.items(BOB)[0].key, description="Bob's notes"),
            ),
        ],
        _related,
        lambda: [link_plan(ANN), link_plan(BOB)],
    ),
    "a meeting whose attendee joins its record": Scenario(
        [_meeting, _move_meeting], _related, lambda: [link_plan(ANN), link_plan(BOB)]
    ),
    "an edit after the state was lost": Scenario(
        [
            _all(_lose_state, lambda w: w.in_outlook("New")),
            _all(_edit_target("Outlook 0", location="Garden"), _edit_crm("CRM 0", place="Hall")),
        ],
        _three_each,
    ),
    "an invalid item beside others": Scenario(
        [
            _all(_edit_target("Outlook 0", location="Hall"), lambda w: w.target.user_spoil(w.outlook()["CRM 1"].key)),
            _all(lambda w: w.target.user_spoil(w.outlook()["CRM 1"].key, None), _edit_crm("CRM 0", place="Hall")),
        ],
        _three_each,
    ),
    "two attendees of one meeting": Scenario(
        [_meeting, _move_meeting],
        links=lambda: [link_plan(ANN), link_plan(BOB)],
    ),
}


def _values(items: Sequence[Item], title: str) -> Counter[str]:
    """Items by what they say; only what differs from an ordinary item is spelled out."""
    plain = event("") | row("")
    return Counter(
        f"{item.values[title]} { ({k: v for k, v in sorted(item.values.items()) if k != title and plain.get(k) != v}) }"
        for item in items
    )


def _picture(world: World) -> dict[str, Any]:
    """Everything that people can see in the end, without ids and times."""
    return {
        **{
            f"{user} {shelf}": _values(world.target.items(user, shelf=shelf), "title")
            for user in OWNERS
            for shelf in Shelf
        },
        "crm": _values(world.crm.items(), "subject"),
        "conflicts": {repr((c.field, c.base, c.crm, c.target, c.policy, c.winner)) for c in world.store.conflicts()},
        "quarantined": len(world.store.quarantined()),
        "open intents": [len(world.store.intents(link.name)) for link in world.links],
        "pairs": sum(world.store.count(link.name) for link in world.links),
    }


def _prepared(scenario: Scenario) -> World:
    world = World(*scenario.links(), store=MemoryStore())
    scenario.before(world)
    world.settled()
    return world


def _play(scenario: Scenario, fault: tuple[int, Form] | None) -> tuple[World, list[Call]]:
    """Play a scenario with one fault at the n-th call of its passes; returns the world and the calls of these passes."""
    world = _prepared(scenario)
    calls: list[Call] = []
    for step in scenario.steps:
        step(world)
        start = world.boundary.calls
        if fault is not None and fault[0] >= len(calls):
            world.disturb(Script({start + fault[0] - len(calls): Fault(fault[1])}))
        try:
            world.run()
        except Crash:
            pass  # the process is dead; the next run is a new one over the same state
        except Transient:
            assert fault is not None  # the CRM did not answer: the whole run ends
        calls += [traced.call for traced in world.boundary.trace if traced.call.index >= start]
        world.settled()
    return world, calls


def _difference(seen: dict[str, Any], expected: dict[str, Any]) -> str:
    parts = []
    for part, value in seen.items():
        if value == expected[part]:
            continue
        if isinstance(value, (Counter, set)):
            parts.append(f"{part}: too much {value - expected[part]}, missing {expected[part] - value}")
        else:
            parts.append(f"{part}: {value} instead of {expected[part]}")
    return "; ".join(parts)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_at_any_call_changes_nothing_in_the_end(name: str) -> None:
    """P13, A1 to A4, C5, C6: crash before and after every call and commit; every refusal and every lost answer."""
    scenario = SCENARIOS[name]
    plain, calls = _play(scenario, None)
    expected = _picture(plain)
    assert expected["quarantined"] == 0
    assert not any(expected["open intents"])
    broken: list[str] = []
    for index, call in enumerate(calls):
        for form in (Form.CRASH_BEFORE, Form.CRASH_AFTER) if call.side == "store" else tuple(Form):
            world, _ = _play(scenario, (index, form))
            seen = _picture(world)
            if seen != expected:
                broken.append(f"{form} at {call}: {_difference(seen, expected)}")
    assert not broken, f"{len(broken)} faults at {len(calls)} calls:\n" + "\n".join(broken[:12])
