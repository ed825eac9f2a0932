"""A series that is cut or moved ends what was customised on the days that it has no more (B-37, B-60, B-62)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.overrides import LEFT_OUT, OVERRIDES, canonical_overrides, patches_of
from runner.model.record import Fields, Value
from runner.model.state import Base
from runner.model.terms import ConflictPolicy, Direction, OnDrift, Side
from runner.reconcile.decision import Decision, Presented, Settlement
from runner.reconcile.merge import reconcile
from runner.reconcile.rules import ItemRules
from tests.reconcile.test_series import DAYS, every_rules, merged, overrides, rules, series

CUT = "FREQ=WEEKLY;UNTIL=20260312;BYDAY=TH"
OWN: dict[str, Fields] = {DAYS[0]: {"title": "Kick-off"}, DAYS[1]: {"location": "Room 2"}, DAYS[2]: {"title": "Last"}}
EARLY = {day: OWN[day] for day in DAYS[:2]}


def canonical(record: Fields) -> dict[str, Value]:
    """A record as both sides give it: no overrides but those of its own days."""
    return {**record, OVERRIDES: canonical_overrides(record, patches_of(record))}


def after(decision: Decision, side: Side, now: Fields) -> Fields:
    """What a side holds then. Who writes a rule writes the occurrences with it, and has none on days that are no more."""
    for change in decision.changes:
        if change.side is side:
            fields = change.fields | ({OVERRIDES} if "recurrence_rule" in change.fields else frozenset())
            return canonical({**now, **{name: change.values.get(name) for name in fields}})
    return now


def sides(decision: Decision, crm: Fields, target: Fields) -> tuple[Fields, Fields]:
    return after(decision, Side.CRM, crm), after(decision, Side.TARGET, target)


@pytest.mark.parametrize("cutter", Side)
def test_b37_a_cut_series_drops_what_lies_behind_its_end_on_both_sides_alike(cutter: Side) -> None:
    """ "This and all following" in the CRM, or in Outlook: no conflict, and no other field moves."""
    was, cut = series(OWN), series(EARLY, recurrence_rule=CUT)
    given = {cutter: cut, cutter.other: was}
    decision = merged(was, given[Side.CRM], given[Side.TARGET])
    (change,) = decision.changes
    assert not decision.clashes
    assert (change.side, change.fields) == (cutter.other, {"recurrence_rule", OVERRIDES})
    assert change.values == cut
    assert decision.base == Base(cut, cut)


def test_b37_both_sides_cut_alike_is_no_difference() -> None:
    was, cut = series(OWN), series(EARLY, recurrence_rule=CUT)
    decision = merged(was, cut, cut)
    assert not decision.changes
    assert not decision.clashes
    assert decision.base == Base(cut, cut)


@pytest.mark.parametrize("policy", ConflictPolicy)
def test_b62_an_edit_behind_the_end_is_in_the_ledger_and_never_kept_where_no_day_is(policy: ConflictPolicy) -> None:
    """Whatever the policy says of fields: on a day that does not exist nothing can be kept."""
    was, cut = series(OWN), series(EARLY, recurrence_rule=CUT)
    edited = series({**OWN, DAYS[2]: {"title": "Last", "location": "Hall"}})
    decision = merged(was, cut, edited, rules(policy=policy))
    (clash,) = decision.clashes
    assert (clash.unit, clash.winner, clash.held) == (f"occurrence {DAYS[2]}", Side.CRM, False)
    assert clash.target == {"title": "Last", "location": "Hall"}
    assert sides(decision, cut, edited) == (cut, cut)


def test_b37_a_cut_that_is_held_ends_nothing_yet() -> None:
    """Both moved the series: until somebody decides, each side keeps its own days, and what is customised on them."""
    was = series(OWN)
    crm, target = series(EARLY, recurrence_rule=CUT), series(OWN, start="2026-03-05T10:00:00")
    held = rules(policy=ConflictPolicy.MANUAL)
    decision = merged(was, crm, target, held)
    assert not decision.changes
    assert [clash.unit for clash in decision.clashes] == ["interval"]
    assert decision.base == Base(was, was)
    cut = merged(was, crm, target, held, Settlement("interval", Side.CRM))
    assert sides(cut, crm, target) == (crm, crm)
    kept = merged(was, crm, target, held, Settlement("interval", Side.TARGET))
    assert sides(kept, crm, target) == (target, target)


def test_b37_a_cut_that_loses_takes_nothing_with_it() -> None:
    was = series(OWN)
    crm, target = series(EARLY, recurrence_rule=CUT), series({**OWN, DAYS[2]: {"title": "Edited"}}, duration="PT2H")
    decision = merged(was, crm, target, rules(policy=ConflictPolicy.TARGET_WINS))
    assert [clash.unit for clash in decision.clashes] == ["interval"]
    assert sides(decision, crm, target) == (target, target)


@pytest.mark.parametrize("cutter", Side)
def test_b37_who_loses_a_cut_is_written_the_occurrences_with_the_rule(cutter: Side) -> None:
    """They are not there any more: a rule alone would bring their days back uncustomised."""
    was, cut, longer = series(OWN), series(EARLY, recurrence_rule=CUT), series(OWN, duration="PT2H")
    given = {cutter: cut, cutter.other: longer}
    policy = ConflictPolicy.TARGET_WINS if cutter is Side.CRM else ConflictPolicy.CRM_WINS
    decision = merged(was, given[Side.CRM], given[Side.TARGET], rules(policy=policy))
    (change,) = decision.changes
    assert (change.side, change.values[OVERRIDES]) == (cutter, OWN)
    assert change.fields == {"recurrence_rule", "duration", OVERRIDES}


def test_a_cut_on_the_read_only_side_drifts_with_its_occurrences() -> None:
    """B-5: neither the rule nor anything on the days that it took away is written anywhere."""
    was, cut = series(OWN), series(EARLY, recurrence_rule=CUT)
    for drift in (OnDrift.IGNORE, OnDrift.REPORT):
        decision = merged(was, was, cut, rules(direction=Direction.OUTBOUND, on_drift=drift))
        assert not decision.changes
        assert decision.base == Base(was, was)
    reverted = merged(was, was, cut, rules(direction=Direction.OUTBOUND, on_drift=OnDrift.REVERT))
    assert sides(reverted, was, cut) == (was, was)


def test_b37_on_the_first_occurrence_the_series_is_updated_and_customised_occurrences_keep_their_own() -> None:
    was = series(OWN, location="Room 1")
    crm = series(OWN, title="Renamed", location="Room 9")
    decision = merged(was, crm, was)
    (change,) = decision.changes
    assert (change.side, change.fields) == (Side.TARGET, {"title", "location"})
    assert change.values[OVERRIDES] == OWN


def test_a_series_that_moves_to_another_weekday_leaves_its_customised_days_behind() -> None:
    was = series(OWN)
    friday = series(start="2026-03-06T09:00:00", recurrence_rule="FREQ=WEEKLY;BYDAY=FR")
    decision = merged(was, was, friday)
    assert not decision.clashes
    assert sides(decision, was, friday) == (friday, friday)


def test_b37_a_deleted_occurrence_behind_the_end_is_no_conflict() -> None:
    """Both say that it does not take place."""
    cut, target = series(recurrence_rule=CUT), series({DAYS[2]: LEFT_OUT})
    decision = merged(series(), cut, target)
    assert not decision.clashes
    assert sides(decision, cut, target) == (cut, cut)


def test_b62_a_first_edit_behind_the_end_is_in_the_ledger_too() -> None:
    cut, target = series(recurrence_rule=CUT), series({DAYS[2]: {"title": "New"}})
    decision = merged(series(), cut, target)
    (clash,) = decision.clashes
    assert (clash.winner, clash.base, clash.target) == (Side.CRM, {}, {"title": "New"})
    assert sides(decision, cut, target) == (cut, cut)
    assert decision.base == Base(cut, cut)


def test_a_series_that_becomes_a_single_item_has_no_occurrences() -> None:
    was, single = series(OWN), series(recurrence_rule=None)
    decision = merged(was, single, series({**OWN, DAYS[1]: {"title": "Edited"}, DAYS[2]: LEFT_OUT}))
    assert [clash.unit for clash in decision.clashes] == [f"occurrence {DAYS[1]}"]
    assert after(decision, Side.TARGET, was) == single


PATTERNS = (
    ("2026-03-05T09:00:00", "FREQ=WEEKLY;BYDAY=TH"),
    ("2026-03-05T09:00:00", CUT),
    ("2026-03-05T10:30:00", "FREQ=WEEKLY;BYDAY=TH"),
    ("2026-03-05T09:00:00", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TH"),
    ("2026-03-12T09:00:00", "FREQ=WEEKLY;COUNT=2;BYDAY=TH"),
    ("2026-03-05T09:00:00", None),
)
cuts = st.builds(
    lambda held, title, when: canonical(series(held, title=title, start=when[0], recurrence_rule=when[1])),
    overrides,
    st.sampled_from("XY"),
    st.sampled_from(PATTERNS),
)


@settings(max_examples=250, deadline=None)
@given(cuts, cuts, cuts, every_rules)
def test_series_with_any_rules_converge_and_a_second_merge_writes_nothing(
    was: Fields, crm: Fields, target: Fields, given_rules: ItemRules
) -> None:
    first = merged(was, crm, target, given_rules)
    now_crm, now_target = sides(first, crm, target)
    assert first.base is not None
    again = reconcile(first.base, Presented(now_crm), Presented(now_target), given_rules)
    assert not again.changes
    if given_rules.direction is Direction.BOTH and not any(clash.held for clash in first.clashes):
        assert now_crm == now_target


@settings(max_examples=150, deadline=None)
@given(cuts, cuts)
def test_one_sided_edits_arrive_whole_whatever_becomes_of_the_rule(was: Fields, now: Fields) -> None:
    for side in Side:
        given_sides = {side: now, side.other: was}
        decision = reconcile(
            Base(was, was), Presented(given_sides[Side.CRM]), Presented(given_sides[Side.TARGET]), rules()
        )
        assert not decision.clashes
        assert after(decision, side.other, was) == now


@settings(max_examples=150, deadline=None)
@given(cuts, cuts, cuts, every_rules)
def test_p1_what_was_customised_on_one_side_is_on_both_in_the_ledger_or_was_ended(
    was: Fields, crm: Fields, target: Fields, given_rules: ItemRules
) -> None:
    """Nothing is lost: an occurrence that a side edited since is held somewhere, unless it follows its series again."""
    if given_rules.direction is not Direction.BOTH:
        return
    decision = merged(was, crm, target, given_rules)
    now = dict(zip(Side, sides(decision, crm, target), strict=True))
    told = {str(clash.unit).rpartition(" ")[2] for clash in decision.clashes}
    agreed = patches_of(was)
    for side, own in ((Side.CRM, crm), (Side.TARGET, target)):
        for day, patch in patches_of(own).items():
            if day in told or patch == agreed.get(day):
                continue
            there = canonical({**now[side.other], OVERRIDES: {day: LEFT_OUT}})
            if patch == LEFT_OUT and there[OVERRIDES] is None:
                continue  # by the other side's rule it does not take place either
            if any(clash.held for clash in decision.clashes) and patches_of(now[side]).get(day) == patch:
                continue  # it stays where it is until somebody has decided about the rule
            held, was_there = patches_of(now[side.other]).get(day, {}), agreed.get(day, {})
            edited = {name: value for name, value in patch.items() if was_there.get(name, ...) != value}
            assert edited.items() <= held.items(), (day, edited, held)
