"""YAML's values as canonical ones, by the types of a side's fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

from runner.config.plan import OCCURRENCES, PEOPLE, CrmPlan
from runner.mapping.canonical import CANONICAL, overrides
from runner.model.files import ATTACHMENTS, clean_name, file_key, value_of
from runner.model.overrides import EXCLUDED
from runner.model.record import SCHEMAS, Fields, FieldType, Value
from runner.model.terms import Entity


@dataclass(frozen=True, slots=True)
class Values:
    """What the fields of both sides hold. Methods raise ``ValueError`` with a sentence for a value that is none."""

    plan: CrmPlan
    contents: dict[str, bytes] = field(default_factory=dict)
    """The content of every file that was spoken of, by its digest."""

    def crm(self, entity: Entity, fields: Mapping[str, Any]) -> Fields:
        """CRM fields."""
        return {name: self.of_crm(entity, name, value) for name, value in fields.items()}

    def of_crm(self, entity: Entity, name: str, value: Any) -> Value:
        """One CRM field."""
        if name == OCCURRENCES:
            return _patches(value, partial(self.of_crm, entity))
        if name == ATTACHMENTS:
            return self._files(value)
        described = self.plan.entities[entity].fields.get(name)
        if described is None and name not in PEOPLE:
            raise ValueError(f"the CRM has no field {name!r} that an occurrence could have of its own")
        return CANONICAL[described.type if described else FieldType.ADDRESSES](value)

    def target(self, entity: Entity, fields: Mapping[str, Any]) -> Fields:
        """Record fields."""
        return {name: self.of_target(entity, name, value) for name, value in fields.items()}

    def of_target(self, entity: Entity, name: str, value: Any) -> Value:
        """One record field."""
        spec = SCHEMAS[entity].get(name)
        if spec is None:
            raise ValueError(f"the record has no field {name!r} that an occurrence could have of its own")
        if spec.type is FieldType.OVERRIDES:
            return _patches(value, partial(self.of_target, entity))
        if spec.type is FieldType.FILES:
            return self._files(value)
        made = CANONICAL[spec.type](value)
        if spec.values and isinstance(made, str) and made not in spec.values:
            raise ValueError(f"expected one of {', '.join(spec.values)}")
        return made

    def _files(self, value: Any) -> Value:
        """Attached files, written as text by name; what a side holds is their names, digests and sizes."""
        if value is None:
            return None
        if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
            raise ValueError("expected the files' texts by their names")
        found: list[tuple[str, int]] = []
        for name, text in value.items():
            content = text.encode()
            digest = sha256(content).hexdigest()
            self.contents[digest] = content
            found.append((file_key(clean_name(str(name)), digest), len(content)))
        return value_of(found)


def _patches(value: Any, read: Callable[[str, Any], Value]) -> Value:
    """What occurrences have of their own, by the days on which the series has them."""
    found: dict[str, Value] = {}
    for day, patch in (overrides(value) or {}).items():
        held = patch if isinstance(patch, Mapping) else {}
        fields = {name: own if name == EXCLUDED else read(name, own) for name, own in held.items()}
        found[day] = dict(sorted(fields.items()))
    return found or None
