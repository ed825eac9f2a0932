"""A compiled mapping: the interface between the configuration and the engine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from runner.model.record import Fields
from runner.model.terms import ConflictPolicy, Direction, Entity


@dataclass(frozen=True, slots=True)
class MappedUnit:
    """One entry of a mapping as the rules see it: the record fields that it states together."""

    name: str
    fields: tuple[str, ...]
    direction: Direction
    conflict: ConflictPolicy | None
    """None: the link's or target's policy applies."""
    rule: str


class CompiledMapping(Protocol):
    """CRM fields ↔ record fields for one entity. Immutable; safe to share between threads."""

    @property
    def name(self) -> str:
        """The mapping's name in YAML."""
        ...

    @property
    def entity(self) -> Entity:
        """The entity whose records it speaks."""
        ...

    @property
    def digest(self) -> str:
        """Over the mapping's meaning: equal digests map alike."""
        ...

    @property
    def rule(self) -> str:
        """``file:line:column`` of the mapping."""
        ...

    @property
    def units(self) -> tuple[MappedUnit, ...]:
        """The entries in order."""
        ...

    @property
    def match(self) -> tuple[tuple[str, ...], ...]:
        """First sync: sets of record fields that pair existing items, most trusted first (B-72)."""
        ...

    @property
    def crm_fields(self) -> frozenset[str]:
        """CRM fields that either direction reads or writes."""
        ...

    @property
    def record_fields(self) -> frozenset[str]:
        """Record fields that either direction reads or writes, match keys included."""
        ...

    def outbound(self, crm: Fields) -> Fields:
        """CRM fields → every record field of the units. Raises ``Invalid`` naming field and ``file:line:column``."""
        ...

    def inbound(self, record: Fields) -> Fields:
        """Record fields → every CRM field that is written inbound. Raises ``Invalid`` likewise."""
        ...

    def inbound_fields(self, changed: Collection[str]) -> frozenset[str]:
        """The CRM fields that depend on any of these record fields."""
        ...
