"""One entry of a mapping: as it is while it is compiled (a draft), and when it is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from runner.mapping.canonical import CANONICAL
from runner.mapping.findings import Findings, suggest
from runner.mapping.grammar import Parsed
from runner.mapping.source import CrmFieldType, Path
from runner.mapping.steps import Slot, Step
from runner.model.record import FieldSpec, FieldType, Value
from runner.model.terms import ConflictPolicy, Direction, Side


@dataclass(frozen=True, slots=True)
class Computed:
    """One field of the mapping's one expression per direction."""

    slot: Slot
    parsed: Parsed


@dataclass(frozen=True, slots=True)
class Entry:
    """One compiled entry. ``states`` are the record fields that merge as its unit; ``follows`` those that a one-way
    inbound expression reads, which are its unit only where no other entry states them."""

    path: Path
    name: str
    direction: Direction
    conflict: ConflictPolicy | None
    states: tuple[str, ...] = ()
    crm_reads: frozenset[str] = frozenset()
    crm_writes: frozenset[str] = frozenset()
    record_reads: frozenset[str] = frozenset()
    follows: tuple[str, ...] = ()
    outbound: Step | Computed | None = None
    inbound: Step | Computed | None = None

    def writing_crm(self, columns: Iterable[str], inbound: Step | Computed) -> Entry:
        """The same entry, with its way into the CRM."""
        return replace(self, crm_writes=frozenset(columns), inbound=inbound)


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry under compilation: its YAML, its place, and both sides' schemas."""

    data: Mapping[str, Any]
    path: Path
    direction: Direction
    conflict: ConflictPolicy | None
    crm: Mapping[str, CrmFieldType]
    record: Mapping[str, FieldSpec]
    findings: Findings
    place: str

    def writes(self, side: Side) -> bool:
        """Whether the entry writes a side."""
        return self.direction.writes(side)

    def crm_field(self, name: str, *where: str | int) -> CrmFieldType | None:
        """The type of a CRM field, or a finding: unknown, or written though read-only."""
        found = self.crm.get(name)
        if found is None:
            self.error("unknown-field", f"the CRM has no field {name!r}", *where, hint=suggest(name, self.crm))
        elif self.writes(Side.CRM) and not found.writable:
            self.error("read-only-field", f"the CRM field {name!r} is read-only", *where,
                       hint="add `direction: outbound`")  # fmt: skip
            return None
        return found

    def record_field(self, name: str, *where: str | int) -> FieldSpec | None:
        """The specification of a record field, or a finding likewise."""
        found = self.record.get(name)
        if found is None:
            self.error("unknown-field", f"the record has no field {name!r}", *where, hint=suggest(name, self.record))
        elif not found.carried:
            self.error("not-carried", f"this version does not synchronise the record field {name!r} yet", *where,
                       hint="take the entry out; items that need it are set aside, never cut")  # fmt: skip
            return None
        elif self.writes(Side.TARGET) and not found.writable:
            self.error("read-only-field", f"the record field {name!r} is set by the target only", *where,
                       hint="add `direction: inbound`")  # fmt: skip
            return None
        return found

    def error(self, code: str, message: str, *where: str | int, hint: str | None = None) -> None:
        """Note an error at a key of this entry."""
        self.findings.error(code, message, (*self.path, *where), hint=hint)

    def warning(self, code: str, message: str, *where: str | int, hint: str | None = None) -> None:
        """Note a warning at a key of this entry."""
        self.findings.warning(code, message, (*self.path, *where), hint=hint)

    def crm_slot(self, name: str, kind: CrmFieldType) -> Slot:
        """Where an inbound result goes."""
        return self._slot("inbound_default", name, kind.type, side=Side.CRM, required=not kind.nullable)

    def record_slot(self, spec: FieldSpec) -> Slot:
        """Where an outbound result goes."""
        return self._slot("outbound_default", spec.name, spec.type, side=Side.TARGET, allowed=spec.values)

    def _slot(
        self, key: str, name: str, kind: FieldType, *, side: Side, required: bool = False, allowed: tuple[str, ...] = ()
    ) -> Slot:
        return Slot(
            name,
            CANONICAL[kind],
            self.place,
            required=required,
            allowed=allowed,
            has_default=key in self.data,
            default=self.constant(key, kind),
            lenient=not self.writes(side),
        )

    def constant(self, key: str, kind: FieldType) -> Value:
        """A declared default in canonical form; empty text stays, for columns that hold text but not NULL.

        Raises ``ValueError`` when it does not fit the type.
        """
        value = self.data.get(key)
        return "" if value == "" and kind is FieldType.TEXT else CANONICAL[kind](value)

    def at(self, *where: str | int) -> str:
        """``file:line:column`` of a key of this entry."""
        return str(self.findings.source.span((*self.path, *where)))

    def allow(self, *keys: str) -> bool:
        """Whether the entry bears only these keys beside those that every entry may bear."""
        strange = [key for key in self.data if key not in {*keys, "direction", "conflict"}]
        for key in strange:
            self.error("mixed-entry", f"{key!r} does not belong in this kind of entry", key,
                       hint=f"this kind takes: {', '.join((*keys, 'direction', 'conflict'))}")  # fmt: skip
        return not strange
