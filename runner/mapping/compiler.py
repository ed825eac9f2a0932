"""A mapping document in, a :class:`~runner.mapping.program.Program` out, or every finding at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from types import MappingProxyType

from runner.mapping.coded import compile_codec
from runner.mapping.compiled import CompiledMapping, MappedUnit
from runner.mapping.computed import compile_computed
from runner.mapping.entries import Computed, Draft, Entry
from runner.mapping.expressions import Bundle
from runner.mapping.findings import Findings, suggest
from runner.mapping.plain import compile_rename, compile_values
from runner.mapping.program import Program
from runner.mapping.series import SERIES_FIELDS, Fact, Series, overridable
from runner.mapping.settled import settled
from runner.mapping.source import CrmFieldType, MappingSource
from runner.mapping.steps import Step, together
from runner.model.diagnostics import Diagnostic
from runner.model.overrides import OVERRIDES, RULE
from runner.model.record import SCHEMAS, FieldSpec, FieldType
from runner.model.terms import ConflictPolicy, Direction, Entity, Side

KINDS: Mapping[str, Callable[[Draft], Entry | None]] = MappingProxyType(
    {"codec": compile_codec, "values": compile_values, "inbound": compile_computed, "outbound": compile_computed}
)
"""Key that marks a kind of entry → its compile function. An entry without any of them is a rename."""

_MEANING = 1
"""Raised when the same YAML comes to map differently: it is part of every digest."""


def compile_mapping(
    source: MappingSource, crm_fields: Mapping[str, CrmFieldType]
) -> tuple[CompiledMapping | None, tuple[Diagnostic, ...]]:
    """Compile one document that holds against the schema, for a CRM entity with these fields.

    Answers the mapping (None when there is an error) and everything found, warnings included, by place.
    """
    findings = Findings(source)
    data = source.data
    entity = Entity(data["entity"])
    record = SCHEMAS[entity]
    match = _match(data.get("match", ()), record, findings)
    if match and entity is Entity.CONTACT:
        findings.error("match-refused", "contacts are never matched: one that a user made himself is never touched (B-51)",
                       ("match",), hint="leave match out; our own copies are known by their stamps")  # fmt: skip
    entries = []
    for index, item in enumerate(data["fields"]):
        path = ("fields", index)
        conflict = ConflictPolicy(item["conflict"]) if "conflict" in item else None
        draft = Draft(item, path, Direction(item.get("direction", "both")), conflict, crm_fields, record, findings,
                      str(source.span(path)))  # fmt: skip
        kind = next((compile_kind for key, compile_kind in KINDS.items() if key in item), compile_rename)
        entry = kind(draft)
        if entry is not None and entry.direction is not Direction.NONE:
            entries.append(entry)
    units = _units(entries, findings)
    carrier = _carrier(entries, record, findings)
    if findings.errors:
        return None, findings.sorted()
    reads = frozenset().union(*(entry.crm_reads | entry.crm_writes for entry in entries))
    outward = (*_steps("crm", (entry.outbound for entry in entries)), *settled(entity, source))
    inward = _steps("record", (entry.inbound for entry in entries))
    program = Program(
        name=data["name"],
        entity=entity,
        digest=_digest(source, match, {name: crm_fields[name] for name in sorted(reads)}),
        rule=str(source.span(())),
        units=units,
        match=match,
        crm_fields=reads,
        record_fields=frozenset(name for keys in match for name in keys).union(
            *(entry.record_reads.union(entry.states) for entry in entries)
        ),
        outbound_steps=outward,
        inbound_steps=inward,
        blank={name: None for unit in units for name in unit.fields},
        depends=_depends(entries, carrier),
        series=_series(
            entries, carrier, crm_fields, record, outward, inward, str(source.span(carrier.path)) if carrier else ""
        ),
    )
    return program, findings.sorted()


def _match(
    declared: Iterable[Iterable[str]], record: Mapping[str, FieldSpec], findings: Findings
) -> tuple[tuple[str, ...], ...]:
    match = []
    for index, names in enumerate(declared):
        for place, name in enumerate(names):
            if name not in record:
                findings.error("unknown-field", f"the record has no field {name!r}", ("match", index, place),
                               hint=suggest(name, record))  # fmt: skip
        match.append(tuple(names))
    return tuple(match)


def _units(entries: list[Entry], findings: Findings) -> tuple[MappedUnit, ...]:
    """What merges as one. Every record field belongs to exactly one unit, every CRM field is written by one entry.

    An inbound expression is computed again from what the CRM holds whenever one of the fields it reads arrives. So all of
    them must be held there in a form that an entry presents outbound, unless it reads one field only.
    """
    span = findings.source.span
    stated: dict[str, Entry] = {}
    written: dict[str, Entry] = {}
    for entry in entries:
        for holders, names, what in ((stated, entry.states, "record field"), (written, entry.crm_writes, "CRM field")):
            for name in sorted(names):
                other = holders.setdefault(name, entry)
                if other is not entry:
                    findings.error(
                        "duplicate-field",
                        f"two entries claim the {what} {name!r}: {span(entry.path)} and {span(other.path)}",
                        entry.path, related=span(other.path),
                        hint="keep one of them, or write one entry with both `inbound:` and `outbound:`",
                    )  # fmt: skip
    units = []
    for entry in entries:
        rule = str(span(entry.path))
        if entry.states:
            units.append(MappedUnit(entry.name, entry.states, entry.direction, entry.conflict, rule))
        unheld = [name for name in entry.follows if name not in stated]
        if unheld and len(entry.follows) > 1:
            findings.error(
                "not-held", f"the CRM cannot say what record.{unheld[0]} was when another field of this entry changes",
                (*entry.path, "inbound"),
                hint=f"keep it in a CRM field: {{crm: …, record: {unheld[0]}, direction: inbound}}",
            )  # fmt: skip
        for name in entry.follows:
            holder = stated.setdefault(name, entry)
            if name in unheld:
                # Nothing else carries the field: it is a unit of its own, so that a change of it reaches this entry.
                units.append(MappedUnit(name, (name,), Direction.INBOUND, entry.conflict, rule))
            elif not holder.direction.writes(Side.CRM):
                findings.error(
                    "never-arrives", f"the entry reads record.{name}, but {span(holder.path)} keeps it {holder.direction}",
                    (*entry.path, "inbound"), related=span(holder.path),
                    hint="let that entry run both ways, or read another field",
                )  # fmt: skip
    return tuple(units)


def _steps(scope: str, parts: Iterable[Step | Computed | None]) -> tuple[Step, ...]:
    """The plain steps, then one for all computed fields."""
    steps: list[Step] = []
    computed: list[Computed] = []
    for part in parts:
        if isinstance(part, Computed):
            computed.append(part)
        elif part is not None:
            steps.append(part)
    made = together(steps)
    return (*made, Bundle(scope, tuple((one.slot, one.parsed.tree) for one in computed))) if computed else made


def _depends(entries: list[Entry], carrier: Entry | None) -> dict[str, frozenset[str]]:
    """Record field → CRM fields. The rows of occurrences hold moments, so they depend on when the series takes place."""
    depends: dict[str, frozenset[str]] = {}
    for entry in entries:
        for name in entry.record_reads if entry.crm_writes else ():
            depends[name] = depends.get(name, frozenset()) | entry.crm_writes
    if carrier is not None and carrier.crm_writes:
        for entry in entries:
            for name in entry.states if RULE in entry.states else ():
                depends[name] = depends.get(name, frozenset()) | carrier.crm_writes
    return depends


def _carrier(entries: list[Entry], record: Mapping[str, FieldSpec], findings: Findings) -> Entry | None:
    """The entry that carries overrides. A mapping carries series whole, rule and occurrences, or not at all (B-36); a
    recurring task is its outstanding occurrence and has no others."""
    if OVERRIDES not in record:
        return None
    holders = {name: entry for entry in entries for name in entry.states if name in SERIES_FIELDS}
    for name in SERIES_FIELDS - holders.keys() if holders else ():
        held, entry = next(iter(holders.items()))
        hint = "add the slot `rule` to the codec `interval`" if name == RULE else f"add {{crm: …, record: {OVERRIDES}}}"
        findings.error("half-a-series", f"the mapping carries {held} without {name}: exceptions would be flattened",
                       entry.path, hint=hint)  # fmt: skip
    return holders.get(OVERRIDES)


def _series(
    entries: list[Entry],
    carrier: Entry | None,
    crm: Mapping[str, CrmFieldType],
    record: Mapping[str, FieldSpec],
    outward: tuple[Step, ...],
    inward: tuple[Step, ...],
    place: str,
) -> Series | None:
    if carrier is None:
        return None
    (field,) = carrier.crm_reads
    moments = frozenset(name for name, kind in crm.items() if kind.type is FieldType.INSTANT)
    return Series(
        field=field,
        of_series=frozenset(
            n
            for entry in entries
            for n in entry.crm_reads | entry.crm_writes
            if crm[n].type in (FieldType.RECURRENCE, FieldType.OVERRIDES)
        ),
        inner=crm[field].inner,
        texts=frozenset(name for name, kind in crm.items() if kind.type in (FieldType.TEXT, FieldType.KEYWORDS)),
        facts=tuple(
            Fact(
                frozenset(entry.states or entry.record_reads),
                entry.crm_reads,
                entry.crm_writes,
                entry.crm_writes & moments if RULE in entry.states else frozenset(),
            )
            for entry in entries
            if entry is not carrier
        ),
        overridable=overridable(record),
        place=place,
        outbound_steps=outward,
        inbound_steps=inward,
    )


def _digest(source: MappingSource, match: tuple[tuple[str, ...], ...], types: Mapping[str, CrmFieldType]) -> str:
    """Over what decides the results: entity, entries, match keys and the CRM's types; not over comments or places."""
    meaning = {
        "meaning": _MEANING,
        "entity": source.data["entity"],
        "match": match,
        "fields": [{"direction": "both", **entry} for entry in source.data["fields"]],
        "types": {name: {**asdict(kind), "inner": sorted(kind.inner)} for name, kind in types.items()},
    }
    text = json.dumps(meaning, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
