"""YAML's values as canonical ones, by the types of a side's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.cli.mapping_cases import values_of
from runner.config.plan import CrmPlan
from runner.mapping.canonical import CANONICAL
from runner.model.record import SCHEMAS, Fields, FieldType, Value
from runner.model.terms import Entity

_BY_ITEM = frozenset({FieldType.OVERRIDES, FieldType.FILES})
"""Types whose canonical form depends on the item."""


@dataclass(frozen=True, slots=True)
class Values:
    """What the fields of both sides hold. Methods raise ``ValueError`` with a sentence for a value that is none."""

    plan: CrmPlan

    def crm(self, entity: Entity, fields: Mapping[str, Any]) -> Fields:
        """CRM fields."""
        return {name: self.of_crm(entity, name, value) for name, value in fields.items()}

    def of_crm(self, entity: Entity, name: str, value: Any) -> Value:
        """One CRM field; one that has no column of its own is taken as it is written."""
        described = self.plan.entities[entity].fields.get(name)
        return _canonical(described.type if described else None, value)

    def target(self, entity: Entity, fields: Mapping[str, Any]) -> Fields:
        """Record fields."""
        return {name: self.of_target(entity, name, value) for name, value in fields.items()}

    def of_target(self, entity: Entity, name: str, value: Any) -> Value:
        """One record field."""
        return _canonical(SCHEMAS[entity][name].type, value)


def _canonical(kind: FieldType | None, value: Any) -> Value:
    if kind is None or kind in _BY_ITEM:
        return values_of({"": value})[""]
    return CANONICAL[kind](value)
