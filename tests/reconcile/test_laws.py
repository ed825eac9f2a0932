"""What every decision obeys, whatever the item, the bases and the rules (Hypothesis finds the counterexample)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runner.model.record import Fields
from runner.model.state import Base
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete, OnDrift, Operation, Side
from runner.reconcile.decision import Change, Decision, Presented, Settlement
from runner.reconcile.merge import reconcile
from runner.reconcile.rules import ItemRules, Unit

T = TypeVar("T")
FIELDS = ("start", "zone", "title", "place", "notes")
LINKS = (Direction.BOTH,) * 3 + tuple(Direction)
SHAPE = {"when": ("start", "zone"), "title": ("title",), "rest": ("place", "notes")}
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)

WORDS = (None, "a", "b", "c")  # few, so that both sides often hold the same, and often what was agreed

# Each value is decoded from one number (mixed radix): ten times as many examples in a second as from a strategy each.


class Digits:
    """Draws choices from one number."""

    def __init__(self, number: int) -> None:
        self.rest = number

    def pick(self, options: Sequence[T]) -> T:
        self.rest, index = divmod(self.rest, len(options))
        return options[index]

    def record(self) -> Fields:
        return {name: self.pick(WORDS) for name in FIELDS}

    def edited(self, record: Fields) -> Fields:
        """A record some fields of which were edited: often none, seldom all."""
        return {name: self.pick(WORDS) if self.pick((False, False, True)) else record[name] for name in FIELDS}

    def rules(self, links: Sequence[Direction]) -> ItemRules:
        link = self.pick(links)
        units = tuple(
            Unit(
                name,
                names,
                self.pick((Direction.BOTH,) * 3 + tuple(Direction)).narrowed(link),
                self.pick(tuple(ConflictPolicy)),
                f"m.yaml:{line}:1",
            )
            for line, (name, names) in enumerate(SHAPE.items(), 1)
        )
        pairs = [(operation, side) for operation in Operation for side in Side]
        return ItemRules(
            units=units,
            direction=link,
            rule="t.yaml:1:1",
            denied=frozenset(pair for pair in pairs if self.pick((False,) * 15 + (True,))),
            edit_vs_delete=self.pick(tuple(EditVsDelete)),
            on_drift=self.pick(tuple(OnDrift)),
        )

    def moment(self) -> datetime | None:
        return self.pick((None, *(NOON + timedelta(seconds=s) for s in (0, 119, 121, 300))))

    def case(self, *, both: bool, links: Sequence[Direction]) -> Case:
        """One item perturbed on both sides: independent records would hardly ever agree on anything."""
        first = self.record()
        second = self.edited(first)
        kept: Base | None = Base(first, second)
        crm, target = (self.edited(of) if self.pick((True, both, True, True)) else None for of in (first, second))
        rules = self.rules(links)
        known = self.pick(("per side", "per side", "none", "unit missing"))
        if known == "none":
            kept = None
        elif known == "unit missing":
            gone = SHAPE[self.pick(sorted(SHAPE))]
            kept = Base(*({name: side[name] for name in FIELDS if name not in gone} for side in (first, second)))
        return Case(kept, Presented(crm, self.moment()), Presented(target, self.moment()), rules)

    def settlement(self) -> Iterator[Settlement]:
        for unit in (None, *SHAPE):
            how = self.pick(("none", "none", "crm", "target", "values"))
            if how == "values" and unit is not None:
                yield Settlement(unit, None, {name: self.pick(WORDS) for name in SHAPE[unit]})
            elif how in ("crm", "target"):
                yield Settlement(unit, Side(how))


# Not st.integers, which prefers small numbers: their high digits, the rules, would nearly always be the first choice.
numbers = st.binary(min_size=40, max_size=40).map(lambda raw: Digits(int.from_bytes(raw, "little")))
records = numbers.map(Digits.record)
rules = numbers.map(lambda digits: digits.rules(LINKS))
settlements = numbers.map(lambda digits: tuple(digits.settlement()))


def cases(*, both: bool = False, links: Sequence[Direction] = LINKS) -> st.SearchStrategy[Case]:
    return numbers.map(lambda digits: digits.case(both=both, links=links))


class Case:
    """One item as a pass finds it."""

    def __init__(self, base: Base | None, crm: Presented, target: Presented, rules: ItemRules) -> None:
        self.base, self.crm, self.target, self.rules = base, crm, target, rules

    def __repr__(self) -> str:
        return f"Case(\n  base={self.base},\n  crm={self.crm},\n  target={self.target},\n  rules={self.rules})"

    def decide(self, *settlements: Settlement) -> Decision:
        return reconcile(self.base, self.crm, self.target, self.rules, settlements)

    def held(self, side: Side) -> Fields | None:
        return (self.crm if side is Side.CRM else self.target).values

    def after(self, decision: Decision) -> Case:
        """The item once every change succeeded."""
        now = {side: self.held(side) for side in Side}
        for change in decision.changes:
            now[change.side] = None if change.operation is Operation.DELETE else change.values
        crm, target = replace(self.crm, values=now[Side.CRM]), replace(self.target, values=now[Side.TARGET])
        return Case(decision.base, crm, target, self.rules)


def law(examples: int) -> settings:
    return settings(
        max_examples=examples, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )


def open_conflicts(decision: Decision) -> list[object]:
    return [clash for clash in decision.clashes if clash.held]


def writes(change: Change) -> frozenset[str]:
    """The fields that a change really alters on its side."""
    before = change.before or {}
    return frozenset(name for name in FIELDS if change.values.get(name) != before.get(name))


@law(2500)
@given(cases(), settlements)
def test_converges_deciding_again_decides_nothing(case: Case, settled: tuple[Settlement, ...]) -> None:
    """P1, P5 and B-12: what a decision brought about is what the next one finds agreed."""
    first = case.decide(*settled)
    if first.detach:
        return
    second = case.after(first).decide()
    assert second.changes == ()
    assert second.detach is None
    assert [clash for clash in second.clashes if not clash.held] == []


@law(1000)
@given(cases(), settlements)
def test_a_third_pass_sees_what_the_second_saw(case: Case, settled: tuple[Settlement, ...]) -> None:
    """Bases do not wander: after the first decision nothing moves, be it called held, drifted or agreed."""
    first = case.decide(*settled)
    if first.detach:
        return
    then = case.after(first)
    second = then.decide()
    assert second.base == first.base
    assert then.after(second).decide() == second


@law(1500)
@given(cases(both=True), settlements)
def test_a_settlement_given_twice_writes_once(case: Case, settled: tuple[Settlement, ...]) -> None:
    first = case.decide(*settled)
    if first.detach:
        return
    assert case.after(first).decide(*settled).changes == ()


@law(2000)
@given(cases(), settlements)
def test_one_way_never_writes_back(case: Case, settled: tuple[Settlement, ...]) -> None:
    """B-2, P6: neither a policy nor drift nor an operator writes a side that the link does not write."""
    for change in case.decide(*settled).changes:
        assert case.rules.may(change.operation, change.side)


@law(2000)
@given(cases(), settlements)
def test_direction_per_field(case: Case, settled: tuple[Settlement, ...]) -> None:
    """B-5: a field is written only where its own unit may be; what an item is created without is empty there."""
    for change in case.decide(*settled).changes:
        allowed = {n for unit in case.rules.units if unit.direction.writes(change.side) for n in unit.fields}
        assert change.fields <= allowed
        assert writes(change) <= allowed or change.operation is Operation.DELETE


@law(1500)
@given(cases(), settlements)
def test_a_change_says_what_it_changes(case: Case, settled: tuple[Settlement, ...]) -> None:
    """``fields`` of an update are exactly what differs, none of it twice, each with the rule of its unit."""
    decision = case.decide(*settled)
    assert len({change.side for change in decision.changes}) == len(decision.changes)
    for change in decision.changes:
        assert change.before == case.held(change.side)
        assert change.reason
        if change.operation is Operation.UPDATE:
            assert writes(change) == change.fields != frozenset()
            told = [name for verdict in change.verdicts for name in verdict.fields]
            assert sorted(told) == sorted(change.fields)
            for verdict in change.verdicts:
                unit = next(unit for unit in case.rules.units if unit.name == verdict.unit)
                assert verdict.rule == unit.rule
                assert verdict.rule in change.rule
                assert set(verdict.fields) <= set(unit.fields)


@law(2000)
@given(cases(both=True))
def test_no_undecided_conflict_is_written_and_it_stays_a_conflict(case: Case) -> None:
    """B-62: a held unit is as it was on both sides, and held again by the next pass, while the others go on."""
    first = case.decide()
    then = case.after(first)
    for clash in first.clashes:
        if clash.held and clash.unit is not None:
            for change in first.changes:
                assert not change.fields & set(SHAPE[clash.unit])
    assert open_conflicts(then.decide()) == open_conflicts(first)


@law(2000)
@given(cases())
def test_an_undecided_edit_against_delete_touches_nothing(case: Case) -> None:
    """B-63 manual."""
    decision = case.decide()
    if any(clash.unit is None for clash in open_conflicts(decision)):
        assert decision.changes == ()
        assert decision.base == case.base
        assert decision.detach is None


@law(4000)
@given(cases(links=(Direction.BOTH,)), settlements)
def test_no_update_loses_a_word_that_is_neither_agreed_nor_recorded(
    case: Case, settled: tuple[Settlement, ...]
) -> None:
    """P2: whatever a user wrote and the other side may hear is on a side afterwards, was known before, or is in a clash."""
    decision = case.decide(*settled)
    then = case.after(decision)
    for side in Side:
        before = case.held(side)
        if before is None:
            continue
        for unit in case.rules.units:
            heard = unit.direction.writes(side.other)
            if case.held(side.other) is not None:
                heard = heard and case.rules.may(Operation.UPDATE, side.other)
            for name in unit.fields if heard else ():
                word, after = before[name], (then.held(side) or {}).get(name)
                if word == after or word is None:
                    continue
                agreed = case.base is not None and case.base.of(side).get(name) == word
                other = case.held(side.other)
                on_the_other = other is not None and other[name] == word
                recorded = any(
                    clash.unit in (None, unit.name)
                    and (clash.crm, clash.target)[side is Side.TARGET] is not None
                    and (clash.crm, clash.target)[side is Side.TARGET].get(name) == word
                    for clash in decision.clashes
                )
                assert agreed or on_the_other or recorded, (side, name, word)


@law(2000)
@given(cases(), settlements)
def test_deletes_only_what_was_paired_and_is_gone_on_the_other_side(
    case: Case, settled: tuple[Settlement, ...]
) -> None:
    """P7: a base, the counterpart absent, the delete allowed; and an edit that could have flowed is in a clash."""
    decision = case.decide(*settled)
    for change in decision.changes:
        if change.operation is not Operation.DELETE:
            continue
        assert case.base is not None
        assert case.held(change.side.other) is None
        assert (Operation.DELETE, change.side) not in case.rules.denied
        assert decision.base is None
        assert len(decision.changes) == 1
        flows = [unit for unit in case.rules.units if unit.direction.writes(change.side.other)]
        held, was = case.held(change.side), case.base.of(change.side)
        assert held is not None
        edited = any(name in was and held[name] != was[name] for unit in flows for name in unit.fields)
        assert not edited or any(clash.unit is None and not clash.held for clash in decision.clashes)


@law(1500)
@given(cases(), settlements)
def test_detached_means_left_alone(case: Case, settled: tuple[Settlement, ...]) -> None:
    """B-39, B-47: nothing is written, the memory stays (so that nothing is ever re-created), and only deletes detach."""
    decision = case.decide(*settled)
    if decision.detach:
        assert decision.changes == ()
        assert decision.base == case.base is not None
        assert (case.crm.values is None) != (case.target.values is None)


@law(1000)
@given(records, records, rules)
def test_nothing_changed_means_nothing_to_do(crm: Fields, target: Fields, rule: ItemRules) -> None:
    """However different both sides are: they were so when they were agreed."""
    decision = reconcile(Base(crm, target), Presented(crm), Presented(target), rule)
    assert decision == Decision(base=Base(crm, target))


@law(1000)
@given(cases(both=True), records)
def test_equal_sides_need_no_write(case: Case, same: Fields) -> None:
    """D3; and from then on they are agreed."""
    decision = reconcile(case.base, Presented(same), Presented(same), case.rules)
    assert decision == Decision(base=Base(same, same))


@law(1500)
@given(cases(), settlements, st.randoms(use_true_random=False))
def test_independent_of_input_order(case: Case, settled: tuple[Settlement, ...], dice: random.Random) -> None:
    """P14: neither the order of fields nor that of units nor that of settlements decides anything."""

    def mixed(fields: Fields | None) -> Fields | None:
        return None if fields is None else dict(dice.sample(sorted(fields.items()), len(fields)))

    base = case.base and Base(mixed(case.base.crm) or {}, mixed(case.base.target) or {})
    units = tuple(dice.sample(case.rules.units, len(case.rules.units)))
    other = Case(
        base,
        replace(case.crm, values=mixed(case.crm.values)),
        replace(case.target, values=mixed(case.target.values)),
        replace(case.rules, units=units),
    )
    one, two = case.decide(*settled), other.decide(*reversed(settled))
    assert json.dumps(_sorted(one), sort_keys=True) == json.dumps(_sorted(two), sort_keys=True)


def _sorted(decision: Decision) -> object:
    return [
        sorted((c.side, c.operation, sorted(c.values.items()), sorted(c.fields)) for c in decision.changes),
        sorted((str(c.unit), str(c.winner), c.held, str(c.base and sorted(c.base.items()))) for c in decision.clashes),
        decision.base and [sorted(decision.base.crm.items()), sorted(decision.base.target.items())],
        decision.detach,
        sorted(decision.drift),
    ]


@law(2000)
@given(cases(both=True), settlements)
def test_units_are_atomic(case: Case, settled: tuple[Settlement, ...]) -> None:
    """A unit goes one way or not at all: never start from one side and zone from the other, unless an operator said so."""
    decision = case.decide(*settled)
    by_values = {settlement.unit for settlement in settled if settlement.values is not None}
    then = case.after(decision)
    for unit in case.rules.units:
        touched = [change.side for change in decision.changes if change.fields & set(unit.fields)]
        assert len(touched) <= 1 or unit.name in by_values
        for side in () if unit.name in by_values else touched:
            held, source, was = then.held(side), case.held(side.other), case.held(side)
            assert held
            assert source
            assert was
            for name in unit.fields:
                quiet = case.base is not None and all(
                    name in case.base.of(s) and case.base.of(s)[name] == (case.held(s) or {})[name] for s in Side
                )
                assert held[name] == (was[name] if quiet else source[name])


@law(1000)
@given(cases(both=True))
def test_two_words_in_one_unit_that_only_one_side_changed_are_carried_whole(case: Case) -> None:
    """B-60 for every unit that flows both ways: one side's news arrives, without a conflict."""
    assume(case.base is not None)
    decision = case.decide()
    then = case.after(decision)
    for unit in case.rules.units:
        if not all(unit.direction.writes(side) and case.rules.may(Operation.UPDATE, side) for side in Side):
            continue
        base = case.base
        assert base is not None
        if not set(unit.fields) <= base.crm.keys() & base.target.keys():
            continue
        news = {s: [n for n in unit.fields if (case.held(s) or {})[n] != base.of(s)[n]] for s in Side}
        for side in Side:
            if news[side] and not news[side.other]:
                assert all((then.held(side.other) or {})[name] == (case.held(side) or {})[name] for name in news[side])
                assert unit.name not in {clash.unit for clash in decision.clashes}


@law(1500)
@given(cases(both=True), st.sampled_from(Side))
def test_an_operator_decides_a_held_conflict(case: Case, taken: Side) -> None:
    """B-62: after ``conflicts resolve`` both sides hold the side that was taken, and the loser's words are recorded."""
    held = [clash for clash in open_conflicts(case.decide()) if clash.unit is not None]
    settled = case.decide(*(Settlement(clash.unit, taken) for clash in held))
    then = case.after(settled)
    for clash in held:
        assert [each for each in settled.clashes if each.unit == clash.unit and each.settled]
        for name in SHAPE[clash.unit or ""]:
            was = (case.held(Side.CRM) or {})[name], (case.held(Side.TARGET) or {})[name]
            now = (then.held(Side.CRM) or {})[name], (then.held(Side.TARGET) or {})[name]
            assert now in (was, ((case.held(taken) or {})[name],) * 2)
    assert open_conflicts(then.decide()) == []


@law(1000)
@given(cases(both=True))
def test_a_held_conflict_ends_when_people_agree(case: Case) -> None:
    """Someone writes the CRM's words on the target by hand: agreed, recorded by nobody, written by nobody."""
    then = case.after(case.decide())
    decision = reconcile(then.base, then.crm, replace(then.target, values=then.crm.values), case.rules)
    assert decision.changes == ()
    assert decision.clashes == ()
