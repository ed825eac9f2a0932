"""A compiled mapping at work: straight steps for plain entries, one Jinja2 expression for all computed ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from runner.mapping.compiled import MappedUnit
from runner.mapping.series import Series
from runner.mapping.steps import Step
from runner.model.overrides import OVERRIDES
from runner.model.record import Fields, Value
from runner.model.terms import Entity


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """The :class:`~runner.mapping.compiled.CompiledMapping` that ``compile_mapping`` makes. Shared by threads."""

    name: str
    entity: Entity
    digest: str
    rule: str
    units: tuple[MappedUnit, ...]
    match: tuple[tuple[str, ...], ...]
    crm_fields: frozenset[str]
    record_fields: frozenset[str]
    outbound_steps: tuple[Step, ...]
    inbound_steps: tuple[Step, ...]
    blank: Mapping[str, Value]
    """Every record field of the units, empty: what no step fills stays so."""
    depends: Mapping[str, frozenset[str]]
    """Record field → the CRM fields that inbound steps compute from it."""
    series: Series | None = None
    """What carries occurrences, when the mapping carries series at all."""

    def __repr__(self) -> str:
        return f"Program({self.name!r}, {self.rule}, digest={self.digest[:12]})"

    def outbound(self, crm: Fields) -> Fields:
        """CRM fields → every record field of the units, canonical; a missing or empty field is None.

        Raises :class:`~runner.model.errors.Invalid` naming the field and its ``file:line:column``.
        """
        record = dict(self.blank)
        for step in self.outbound_steps:
            step(crm, record)
        if self.series is not None and record[OVERRIDES] is not None:
            self.series.outbound(crm, record)
        return record

    def inbound(self, record: Fields) -> Fields:
        """Record fields → every CRM field that is written inbound, canonical. Raises ``Invalid`` likewise."""
        crm: dict[str, Value] = {}
        for step in self.inbound_steps:
            step(record, crm)
        if self.series is not None and record.get(OVERRIDES) is not None:
            self.series.inbound(record, crm)
        return crm

    def inbound_fields(self, changed: Collection[str]) -> frozenset[str]:
        """The CRM fields that depend on any of these record fields."""
        none: frozenset[str] = frozenset()
        return none.union(*(self.depends.get(name, none) for name in changed))
