"""Which days the series has on either side, now and once its rule is merged (B-37).

A series that is cut ("this and all following" in one of the programs), or moved to other weekdays, has no occurrences any
more on some days. Whatever was customised on those days ends with them: that one side has no such day is no edit of an
occurrence, it is the rule's. So the rule is merged first, and each customised day then stands in one of four cases:

==============================  ==========================================================================================
the merged series has the day   what becomes of what is customised on it
==============================  ==========================================================================================
on both sides, both had it      merged as ever
on both sides, one had it not   that side's absence says nothing: its rule lost. It gets what the other side has
on neither side                 dropped on both alike. Edited since by the side that still had it: a conflict, recorded,
                                which the rule has won: nothing can be kept on a day that does not exist
on one side only                the rules differ (held, or drifted): left as it is on both, and as it was agreed
==============================  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runner.model.overrides import RULE
from runner.model.record import Fields
from runner.model.recurrence import occurs_on
from runner.model.state import Base
from runner.model.terms import Side
from runner.reconcile.decision import Presented, Settlement
from runner.reconcile.rules import ItemRules
from runner.reconcile.ruling import Standing, rule_unit


@dataclass(frozen=True, slots=True)
class Days:
    """The customised days that each side's series has: ``now``, and ``merged``."""

    now: Mapping[Side, frozenset[str]]
    merged: Mapping[Side, frozenset[str]]

    def vanish(self, day: str) -> bool:
        """Whether no side has this day once the rule is merged."""
        return not any(day in days for days in self.merged.values())

    def divided(self, day: str) -> bool:
        """Whether one side has this day and the other has not, even once the rule is merged."""
        return len({day in days for days in self.merged.values()}) > 1

    def without(self, day: str) -> Side | None:
        """The one side that has no such day now; None when both have it, or neither."""
        lacking = [side for side, days in self.now.items() if day not in days]
        return lacking[0] if len(lacking) == 1 else None


def days(
    names: Iterable[str],
    base: Base | None,
    sides: Mapping[Side, Presented],
    rules: ItemRules,
    settled: Mapping[str | None, Settlement],
) -> Days | None:
    """Look at these recurrence ids. None where both sides' series take place alike, so that nothing is to be asked."""
    now = {side: presented.values or {} for side, presented in sides.items()}
    unit = next((unit for unit in rules.units if RULE in unit.fields), None)
    if unit is None or len({_pattern(values) for values in now.values()}) == 1:
        return None
    ruling = rule_unit(Standing.of(unit, base, now, rules), sides, rules, settled.get(unit.name))
    asked = frozenset(names)
    return Days(
        {side: _held(values, asked) for side, values in now.items()},
        {side: _held({**values, **ruling.writes.get(side, {})}, asked) for side, values in now.items()},
    )


def _pattern(values: Fields) -> tuple[object, object]:
    start = values.get("start")
    return values.get(RULE), start[:10] if isinstance(start, str) else None


def _held(values: Fields, asked: frozenset[str]) -> frozenset[str]:
    rule, start = values.get(RULE), values.get("start")
    if not isinstance(rule, str) or not isinstance(start, str):
        return frozenset()
    return occurs_on(rule, start, asked)
