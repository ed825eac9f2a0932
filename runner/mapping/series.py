"""Occurrences of a series through a mapping (B-36): patches of CRM fields ↔ patches of record fields.

The entries of a mapping know whole items only. So a patch is laid over what the series gives its occurrence, the entries
that it touches map the whole, and what differs from the series is the other side's patch. Entries that a patch does not
touch are not compared: an occurrence inside a clock change must not come back as moved.

*Choices where the rule book is silent*

- A CRM column that is NULL in an occurrence's row follows the series; empty text in it says that the occurrence has none.
- Start and end stand in an occurrence's row together, so that the row keeps its meaning when the series moves.
- What a patch says and the occurrence table has no column for sets the item aside; it is never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.mapping.steps import Step
from runner.model.errors import Invalid
from runner.model.overrides import EXCLUDED, LEFT_OUT, OVERRIDES, RULE, canonical_overrides, expected, occurrence
from runner.model.record import Fields, FieldSpec, Value

REMEDY = "add the column to the entity's `occurrences` in the CRM's target document, or narrow the entry's direction"


@dataclass(frozen=True, slots=True)
class Fact:
    """One entry: the record fields and the CRM fields that state one fact. ``together`` are CRM fields that a patch holds
    all or none of."""

    record: frozenset[str]
    reads: frozenset[str]
    writes: frozenset[str]
    together: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The part of a mapping that carries overrides. ``field`` is the CRM field that holds them."""

    field: str
    of_series: frozenset[str]
    """CRM fields that only a series has: its rule, its overrides."""
    inner: frozenset[str]
    texts: frozenset[str]
    """CRM fields that hold text or keywords, which can be explicitly empty."""
    facts: tuple[Fact, ...]
    overridable: frozenset[str]
    place: str
    outbound_steps: tuple[Step, ...]
    inbound_steps: tuple[Step, ...]

    def outbound(self, crm: Fields, record: dict[str, Value]) -> None:
        """Replace the record's overrides, as the CRM says them, by their meaning in record fields."""
        held = record.get(OVERRIDES)
        if not isinstance(held, Mapping):
            return
        patches: dict[str, Fields] = {}
        for day, patch in held.items():
            if isinstance(patch, Mapping):
                patches[day] = LEFT_OUT if patch.get(EXCLUDED) is True else self._out(crm, record, day, patch)
        record[OVERRIDES] = canonical_overrides(record, patches)

    def _out(self, crm: Fields, record: Fields, day: str, patch: Fields) -> Fields:
        base = {**crm, **_run(self.inbound_steps, expected(record, day)), **dict.fromkeys(self.of_series)}
        said = {name: None if value == "" else value for name, value in patch.items()}
        mapped = _run(self.outbound_steps, {**base, **said})
        plain = expected(record, day)
        touched = [fact for fact in self.facts if not fact.reads.isdisjoint(patch)]
        names = frozenset().union(*(fact.record for fact in touched)) & self.overridable
        return {name: mapped[name] for name in sorted(names) if name in mapped and mapped[name] != plain.get(name)}

    def inbound(self, record: Fields, crm: dict[str, Value]) -> None:
        """Replace the overrides among the CRM fields, as the record says them, by their meaning in CRM fields."""
        held = record.get(OVERRIDES)
        if not isinstance(held, Mapping):
            crm[self.field] = None
            return
        patches: dict[str, Value] = {}
        for day, patch in held.items():
            if isinstance(patch, Mapping):
                found = LEFT_OUT if patch.get(EXCLUDED) is True else self._in(record, day, patch)
                if found:
                    patches[day] = found
        crm[self.field] = dict(sorted(patches.items())) or None

    def _in(self, record: Fields, day: str, patch: Fields) -> Fields:
        plain = _run(self.inbound_steps, expected(record, day))
        own = _run(self.inbound_steps, occurrence(record, day, patch))
        found: dict[str, Value] = {}
        for fact in self.facts:
            if fact.record.isdisjoint(patch):
                continue
            names = {name for name in fact.writes if own.get(name) != plain.get(name)}
            if names & fact.together:
                names |= fact.together
            for name in sorted(names):
                found[name] = self._said(name, own.get(name))
        return found

    def _said(self, name: str, value: Value) -> Value:
        """A value as an occurrence's row says it. Raises ``Invalid`` where it cannot."""
        if name not in self.inner:
            raise self._refuse(f"one occurrence has a {name!r} of its own, which the CRM's occurrences cannot hold")
        if value is None and name in self.texts:
            return ""
        if value is None:
            raise self._refuse(f"one occurrence has no {name!r}, which the CRM's occurrences cannot say")
        return value

    def _refuse(self, reason: str) -> Invalid:
        return Invalid(f"{self.place}: {reason}", code="occurrence-field", remedy=REMEDY)


def _run(steps: tuple[Step, ...], source: Fields) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for step in steps:
        step(source, result)
    return result


def overridable(schema: Mapping[str, FieldSpec]) -> frozenset[str]:
    """The record fields that an occurrence can have of its own."""
    return frozenset(name for name, spec in schema.items() if spec.overridable)


SERIES_FIELDS = frozenset({RULE, OVERRIDES})
"""Record fields that a mapping carries both or neither of: a rule without its exceptions would flatten them."""
