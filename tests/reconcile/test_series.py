"""Series merge occurrence by occurrence, participants one by one (B-36, B-60, B-63)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.overrides import LEFT_OUT, OVERRIDES
from runner.model.record import Fields, Value
from runner.model.state import Base
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete, OnDrift, Operation, Side
from runner.reconcile.decision import Decision, Presented, Settlement
from runner.reconcile.merge import reconcile
from runner.reconcile.rules import ItemRules, Unit

DAYS = ("2026-03-05", "2026-03-12", "2026-03-19")
WHEN = ("start", "time_zone", "duration", "show_without_time", "recurrence_rule")


def rules(
    *, direction: Direction = Direction.BOTH, policy: ConflictPolicy = ConflictPolicy.CRM_WINS, **more: object
) -> ItemRules:
    units = tuple(
        Unit(name, fields, direction, policy, f"m.yaml:{line}:1")
        for line, (name, fields) in enumerate(
            {
                "title": ("title",),
                "location": ("location",),
                "interval": WHEN,
                OVERRIDES: (OVERRIDES,),
                "participants": ("participants",),
            }.items(),
            1,
        )
    )
    return replace(ItemRules(units, direction, "t.yaml:1:1"), **more)  # type: ignore[arg-type]


def series(overrides: Mapping[str, Fields] | None = None, **more: Value) -> dict[str, Value]:
    return {
        "title": "Jour fixe",
        "location": None,
        "start": "2026-03-05T09:00:00",
        "time_zone": "Europe/Vienna",
        "duration": "PT1H",
        "show_without_time": False,
        "recurrence_rule": "FREQ=WEEKLY;BYDAY=TH",
        OVERRIDES: overrides or None,
        "participants": None,
        **more,
    }


def merged(was: Fields, crm: Fields, target: Fields, given: ItemRules | None = None, *taken: Settlement) -> Decision:
    return reconcile(Base(was, was), Presented(crm), Presented(target), given or rules(), taken)


def after(decision: Decision, side: Side, now: Fields) -> Fields:
    """What a side holds once the decision was carried out."""
    for change in decision.changes:
        if change.side is side:
            return {**now, **{name: change.values.get(name) for name in change.fields}}
    return now


def test_b36_edits_of_different_occurrences_merge() -> None:
    crm = series({DAYS[0]: {"title": "Kick-off"}})
    target = series({DAYS[1]: {"location": "Room 2"}})
    decision = merged(series(), crm, target)
    both = {DAYS[0]: {"title": "Kick-off"}, DAYS[1]: {"location": "Room 2"}}
    assert not decision.clashes
    assert [after(decision, side, now)[OVERRIDES] for side, now in ((Side.CRM, crm), (Side.TARGET, target))] == [
        both
    ] * 2
    assert decision.base is not None
    assert decision.base.crm[OVERRIDES] == decision.base.target[OVERRIDES] == both
    assert {v.unit for change in decision.changes for v in change.verdicts} == {
        f"title on {DAYS[0]}",
        f"location on {DAYS[1]}",
    }
    assert all(change.fields == {OVERRIDES} for change in decision.changes)


def test_b36_an_edit_of_one_occurrence_touches_no_other_field_of_the_series() -> None:
    decision = merged(series(), series({DAYS[0]: {"title": "Kick-off"}}), series())
    (change,) = decision.changes
    assert (change.side, change.operation, change.fields) == (Side.TARGET, Operation.UPDATE, {OVERRIDES})
    assert change.rule == "m.yaml:1:1"


def test_b36_different_fields_of_one_occurrence_merge() -> None:
    decision = merged(
        series({DAYS[0]: {"title": "A"}}),
        series({DAYS[0]: {"title": "B"}}),
        series({DAYS[0]: {"title": "A", "location": "Room 2"}}),
    )
    assert not decision.clashes
    assert {change.side: change.values[OVERRIDES] for change in decision.changes} == {
        side: {DAYS[0]: {"location": "Room 2", "title": "B"}} for side in Side
    }


def test_b60_the_same_field_of_one_occurrence_on_both_sides_is_a_conflict_of_that_occurrence_only() -> None:
    decision = merged(
        series(),
        series({DAYS[0]: {"title": "A"}, DAYS[1]: {"title": "C"}}),
        series({DAYS[0]: {"title": "B"}}),
    )
    (clash,) = decision.clashes
    assert (clash.unit, clash.crm, clash.target, clash.base) == (
        f"title on {DAYS[0]}",
        {"title": "A"},
        {"title": "B"},
        {},
    )
    assert clash.winner is Side.CRM
    (change,) = decision.changes
    assert change.values[OVERRIDES] == {DAYS[0]: {"title": "A"}, DAYS[1]: {"title": "C"}}


def test_b62_manual_holds_one_occurrence_and_the_rest_goes_on() -> None:
    crm, target = series({DAYS[0]: {"title": "A"}}, title="New"), series({DAYS[0]: {"title": "B"}})
    given_rules = rules(policy=ConflictPolicy.MANUAL)
    decision = merged(series(), crm, target, given_rules)
    (clash,) = decision.clashes
    assert clash.held
    (change,) = decision.changes
    assert (change.side, change.fields) == (Side.TARGET, {"title"})
    settled = merged(series(), crm, target, given_rules, Settlement(clash.unit, Side.TARGET))
    assert after(settled, Side.CRM, crm)[OVERRIDES] == {DAYS[0]: {"title": "B"}}


def test_b36_a_deleted_occurrence_is_deleted_on_the_other_side() -> None:
    was = series({DAYS[1]: {"title": "Own"}})
    decision = merged(was, was, series({DAYS[1]: LEFT_OUT, DAYS[2]: LEFT_OUT}))
    (change,) = decision.changes
    assert change.side is Side.CRM
    assert change.values[OVERRIDES] == {DAYS[1]: LEFT_OUT, DAYS[2]: LEFT_OUT}
    assert not decision.clashes


def test_b63_an_edited_occurrence_stands_against_its_delete() -> None:
    crm, target = series({DAYS[0]: {"title": "Edited"}}), series({DAYS[0]: LEFT_OUT})
    decision = merged(series(), crm, target, rules(policy=ConflictPolicy.TARGET_WINS))
    (clash,) = decision.clashes
    assert (clash.unit, clash.winner) == (f"occurrence {DAYS[0]}", Side.CRM)
    assert after(decision, Side.TARGET, target)[OVERRIDES] == {DAYS[0]: {"title": "Edited"}}
    gone = merged(series(), crm, target, rules(edit_vs_delete=EditVsDelete.DELETE_WINS))
    assert after(gone, Side.CRM, crm)[OVERRIDES] == {DAYS[0]: LEFT_OUT}
    held = merged(series(), crm, target, rules(edit_vs_delete=EditVsDelete.MANUAL))
    assert not held.changes
    assert held.clashes[0].held


def test_an_occurrence_that_follows_the_series_again_is_carried() -> None:
    was = series({DAYS[0]: {"title": "Own"}})
    decision = merged(was, was, series())
    (change,) = decision.changes
    assert (change.side, change.values[OVERRIDES]) == (Side.CRM, None)
    assert decision.base is not None
    assert decision.base.crm[OVERRIDES] is None


def test_what_was_never_agreed_is_kept_from_both_sides() -> None:
    """A series whose exceptions a half-done write dropped gets them back instead of losing them everywhere."""
    was = {name: value for name, value in series().items() if name != OVERRIDES}
    crm, target = series({DAYS[0]: {"title": "Own"}}), series({DAYS[1]: LEFT_OUT})
    decision = merged(was, crm, target, rules(policy=ConflictPolicy.CRM_WINS))
    assert after(decision, Side.TARGET, target)[OVERRIDES] is not None
    assert DAYS[0] in after(decision, Side.TARGET, target)[OVERRIDES]  # type: ignore[operator]


def test_b31_participants_merge_one_by_one() -> None:
    was = series(participants={"ann@x.org": "required"})
    crm = series(participants={"ann@x.org": "required", "bob@x.org": "optional"})
    target = series(participants={"ann@x.org": "optional", "eve@x.org": "required"})
    decision = merged(was, crm, target)
    whole = {"ann@x.org": "optional", "bob@x.org": "optional", "eve@x.org": "required"}
    assert after(decision, Side.CRM, crm)["participants"] == whole
    assert after(decision, Side.TARGET, target)["participants"] == whole


def test_a_mapping_without_overrides_leaves_them_alone() -> None:
    plain = rules()
    narrowed = replace(plain, units=tuple(unit for unit in plain.units if unit.name not in (OVERRIDES, "participants")))
    crm, target = series({DAYS[0]: {"title": "A"}}), series({DAYS[1]: {"title": "B"}})
    assert not merged(series(), crm, target, narrowed).changes


patch = st.one_of(
    st.just(LEFT_OUT),
    st.fixed_dictionaries(
        {}, optional={"title": st.sampled_from("ABC"), "location": st.sampled_from(("R1", None))}
    ).filter(bool),
)
overrides = st.dictionaries(st.sampled_from(DAYS), patch, max_size=3)
records = st.builds(
    lambda held, title, people: series(held, title=title, participants=people or None),
    overrides,
    st.sampled_from("XY"),
    st.dictionaries(st.sampled_from(("ann@x.org", "bob@x.org")), st.sampled_from(("required", "optional")), max_size=2),
)
every_rules = st.builds(
    lambda direction, policy, edit, drift: rules(
        direction=direction, policy=policy, edit_vs_delete=edit, on_drift=drift
    ),
    st.sampled_from(Direction),
    st.sampled_from(ConflictPolicy),
    st.sampled_from(EditVsDelete),
    st.sampled_from(OnDrift),
)


@settings(max_examples=1500, deadline=None)
@given(records, records, records, every_rules)
def test_series_converge_and_a_second_merge_writes_nothing(
    was: Fields, crm: Fields, target: Fields, given_rules: ItemRules
) -> None:
    first = merged(was, crm, target, given_rules)
    now_crm, now_target = after(first, Side.CRM, crm), after(first, Side.TARGET, target)
    assert first.base is not None
    again = reconcile(first.base, Presented(now_crm), Presented(now_target), given_rules)
    assert not again.changes
    if given_rules.direction is Direction.BOTH and not any(clash.held for clash in first.clashes):
        assert now_crm == now_target


@settings(max_examples=1000, deadline=None)
@given(records, records, records, every_rules)
def test_one_way_series_never_write_back(was: Fields, crm: Fields, target: Fields, given_rules: ItemRules) -> None:
    for change in merged(was, crm, target, given_rules).changes:
        assert given_rules.direction.writes(change.side)


@settings(max_examples=1000, deadline=None)
@given(records, records)
def test_one_sided_edits_of_a_series_arrive_whole(was: Fields, now: Fields) -> None:
    for side in Side:
        sides = {side: now, side.other: was}
        decision = reconcile(Base(was, was), Presented(sides[Side.CRM]), Presented(sides[Side.TARGET]), rules())
        assert not decision.clashes
        assert after(decision, side.other, was) == now


@settings(max_examples=600, deadline=None)
@given(records, records)
def test_nothing_of_an_occurrence_is_lost_by_a_disjoint_edit(crm: Fields, target: Fields) -> None:
    """Every patch that only one side has ends on both."""
    decision = merged(series(), crm, target)
    held = {side: after(decision, side, now)[OVERRIDES] or {} for side, now in ((Side.CRM, crm), (Side.TARGET, target))}
    for side, own, other in ((Side.CRM, crm, target), (Side.TARGET, target, crm)):
        mine, theirs = own[OVERRIDES] or {}, other[OVERRIDES] or {}
        assert isinstance(mine, Mapping)
        assert isinstance(theirs, Mapping)
        for day in mine.keys() - theirs.keys():
            assert held[side.other][day] == mine[day]  # type: ignore[index,call-overload]
