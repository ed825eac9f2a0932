"""The kinds of entry, one compile function each: rename, value map, codec, expressions. Chosen by the keys it bears."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runner.mapping.canonical import CANONICAL
from runner.mapping.codecs import CODECS, Options
from runner.mapping.findings import Findings, suggest
from runner.mapping.grammar import Parsed, parse
from runner.mapping.program import Step
from runner.mapping.source import CrmFieldType, Path
from runner.mapping.steps import Slot, codec, look_up, rename
from runner.model.moments import UTC_ZONE, zone_of
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
    states: tuple[str, ...]
    crm_reads: frozenset[str] = frozenset()
    crm_writes: frozenset[str] = frozenset()
    record_reads: frozenset[str] = frozenset()
    follows: tuple[str, ...] = ()
    outbound: Step | Computed | None = None
    inbound: Step | Computed | None = None


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
    place: str = field(default="")

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
        default = self.data.get("inbound_default")
        return Slot(
            name, CANONICAL[kind.type], self.place, required=not kind.nullable, has_default="inbound_default" in self.data,
            default=default, lenient=not self.writes(Side.CRM),
        )  # fmt: skip

    def record_slot(self, name: str, spec: FieldSpec) -> Slot:
        """Where an outbound result goes."""
        return Slot(
            name, CANONICAL[spec.type], self.place, has_default="outbound_default" in self.data,
            default=self.data.get("outbound_default"), lenient=not self.writes(Side.TARGET),
        )  # fmt: skip

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


def _rename(draft: Draft) -> Entry | None:
    if not draft.allow("crm", "record", "inbound_default", "outbound_default"):
        return None
    pair = _pair(draft)
    if pair is None:
        return None
    column, kind, name, spec = pair
    if kind.type is not spec.type:
        draft.error(
            "type-mismatch", f"the CRM field {column!r} is {kind.type}, the record field {name!r} is {spec.type}", "crm",
            hint="declare the CRM field with that type, or convert with `values`, `codec`, or `inbound` and `outbound`",
        )  # fmt: skip
        return None
    if spec.values and draft.writes(Side.TARGET):
        draft.error(
            "type-mismatch", f"{name!r} takes only {', '.join(spec.values)}: a rename could send anything", "record",
            hint="add `values:` with the CRM's word for each",
        )  # fmt: skip
        return None
    _defaults(draft, kind, spec)
    return _plain(
        draft, column, name, rename(column, draft.record_slot(name, spec)), rename(name, draft.crm_slot(column, kind))
    )


def _plain(draft: Draft, column: str, name: str, outbound: Step, inbound: Step) -> Entry:
    into_crm = draft.writes(Side.CRM)
    return Entry(
        draft.path, name, draft.direction, draft.conflict, (name,), frozenset({column}),
        frozenset({column} if into_crm else ()), frozenset({name}), (), outbound, inbound if into_crm else None,
    )  # fmt: skip


def _pair(draft: Draft) -> tuple[str, CrmFieldType, str, FieldSpec] | None:
    """Both names of an entry with ``crm`` and ``record``, and their types; None with findings noted."""
    column, name = draft.data.get("crm"), draft.data.get("record")
    for key, value in (("crm", column), ("record", name)):
        if not isinstance(value, str):
            draft.error("missing-key", f"this entry needs {key!r}, the name of one field")
    if not isinstance(column, str) or not isinstance(name, str):
        return None
    kind, spec = draft.crm_field(column, "crm"), draft.record_field(name, "record")
    return None if kind is None or spec is None else (column, kind, name, spec)


def _defaults(draft: Draft, kind: CrmFieldType, spec: FieldSpec) -> None:
    for key, type_, values in (("inbound_default", kind.type, ()), ("outbound_default", spec.type, spec.values)):
        if key in draft.data:
            _constant(draft, draft.data[key], type_, values, key)


def _constant(draft: Draft, value: Any, kind: FieldType, values: tuple[str, ...], *where: str | int) -> bool:
    """Whether a constant of the mapping has the field's type and vocabulary; a finding when not."""
    if values and value not in values:
        draft.error("bad-value", f"{value!r} is not one of {', '.join(values)}", *where, hint=suggest(value, values))
        return False
    try:
        CANONICAL[kind](value)
    except ValueError as error:
        draft.error("type-mismatch", f"this value does not fit the field's type {kind}: {error}", *where)
        return False
    return True


def _values(draft: Draft) -> Entry | None:
    if not draft.allow("crm", "record", "values", "inbound_default", "outbound_default"):
        return None
    pair = _pair(draft)
    if pair is None:
        return None
    column, kind, name, spec = pair
    outbound: dict[Value, Value] = {}
    first: dict[Value, str] = {}
    sound = True
    for word, value in draft.data["values"].items():
        try:
            key = _crm_constant(word, kind.type)
        except ValueError as error:
            draft.error(
                "type-mismatch", f"{word!r} cannot be a value of the CRM field {column!r}: {error}", "values", word
            )
            sound = False
            continue
        sound &= _constant(draft, value, spec.type, spec.values, "values", word)
        if key in outbound:
            draft.error("not-one-to-one", f"the CRM value {word!r} stands in the map twice", "values", word)
            sound = False
        if value in first and draft.direction is not Direction.OUTBOUND:
            draft.findings.error(
                "not-one-to-one", f"{value!r} stands for both {first[value]!r} and {word!r}: the way back is unclear",
                (*draft.path, "values", word), hint="give each its own value, or add `direction: outbound`",
                related=draft.findings.source.span((*draft.path, "values", first[value])),
            )  # fmt: skip
            sound = False
        outbound[key] = value
        first.setdefault(value, word)
    _defaults(draft, kind, spec)
    if not sound:
        return None
    missing = [value for value in spec.values if value not in first]
    if missing and draft.writes(Side.CRM) and "inbound_default" not in draft.data:
        draft.warning("values-incomplete", f"items whose {name} is {' or '.join(missing)} will be set aside", "values",
                      hint="add them, or declare `inbound_default`")  # fmt: skip
    inbound = {value: key for key, value in outbound.items()}
    return _plain(
        draft, column, name, look_up(column, draft.record_slot(name, spec), outbound),
        look_up(name, draft.crm_slot(column, kind), inbound),
    )  # fmt: skip


def _crm_constant(word: str, kind: FieldType) -> Value:
    """A value map's key as the CRM field's value: YAML keys are text, CRM values need not be."""
    if kind is FieldType.INTEGER:
        try:
            return int(word)
        except ValueError:
            raise ValueError("expected an integer") from None
    if kind is FieldType.BOOLEAN:
        if word not in ("true", "false"):
            raise ValueError("expected true or false")
        return word == "true"
    if kind is FieldType.KEYWORDS:
        raise ValueError("a list of keywords cannot be looked up")
    value = CANONICAL[kind](word)
    if value is None:
        raise ValueError("an empty field is not looked up; declare `outbound_default` for it")
    return value


def _codec(draft: Draft) -> Entry | None:
    if not draft.allow("codec", "crm", "default_zone"):
        return None
    chosen = CODECS.get(draft.data["codec"])
    if chosen is None:
        draft.error("unknown-codec", f"no codec is named {draft.data['codec']!r}", "codec",
                    hint=suggest(draft.data["codec"], CODECS, listing="codecs"))  # fmt: skip
        return None
    given = draft.data.get("crm")
    given = given if isinstance(given, Mapping) else {}
    known = {slot.name: slot for slot in chosen.slots}
    before = draft.findings.errors
    for slot_name in given:
        if slot_name not in known:
            draft.error("unknown-slot", f"the codec {chosen.name!r} has no slot {slot_name!r}", "crm", slot_name,
                        hint=suggest(slot_name, known, listing="slots"))  # fmt: skip
    kinds: dict[str, CrmFieldType] = {}
    for slot in chosen.slots:
        column = given.get(slot.name)
        if column is None:
            if slot.required:
                draft.error("missing-slot", f"the codec {chosen.name!r} needs the slot {slot.name!r}", "crm",
                            hint=f"add `{slot.name}: <CRM field of type {slot.type}>`")  # fmt: skip
            continue
        kind = draft.crm_field(column, "crm", slot.name)
        if kind is None:
            continue
        if kind.type is not slot.type:
            draft.error("type-mismatch", f"the slot {slot.name!r} takes {slot.type}; the CRM field {column!r} is {kind.type}",
                        "crm", slot.name)  # fmt: skip
        kinds[slot.name] = kind
    zone = draft.data.get("default_zone", UTC_ZONE)
    try:
        zone_of(zone)
    except ValueError as error:
        draft.error("bad-value", str(error), "default_zone", hint="use an IANA name such as Europe/Vienna")
    if draft.findings.errors > before:
        return None
    zone_kind = kinds.get("zone")
    options = Options(zone, frozenset(kinds), zone_required=zone_kind is not None and not zone_kind.nullable)
    outward, inward = chosen.bind(options)
    columns = [given.get(slot.name) for slot in chosen.slots]
    crm_slots = [None if column is None else draft.crm_slot(column, kinds[slot.name])
                 for column, slot in zip(columns, chosen.slots, strict=True)]  # fmt: skip
    record_slots = [draft.record_slot(name, draft.record[name]) for name in chosen.fields]
    lead = Slot(chosen.name, CANONICAL[FieldType.TEXT], draft.place, lenient=not draft.writes(Side.TARGET))
    present = frozenset(column for column in columns if column is not None)
    into_crm = draft.writes(Side.CRM)
    return Entry(
        draft.path, chosen.name, draft.direction, draft.conflict, chosen.fields, present,
        present if into_crm else frozenset(), frozenset(chosen.fields), (),
        codec(columns, record_slots, outward, lead),
        codec(chosen.fields, crm_slots, inward, lead) if into_crm else None,
    )  # fmt: skip


def _computed(draft: Draft) -> Entry | None:
    if not draft.allow("crm", "record", "inbound", "outbound", "inbound_default", "outbound_default"):
        return None
    wanted = {Side.CRM: "inbound", Side.TARGET: "outbound"}
    before = draft.findings.errors
    for side, key in wanted.items():
        if draft.writes(side) and key not in draft.data:
            draft.error("no-inverse", f"the entry writes {'both ways' if draft.direction is Direction.BOTH else key}, "
                        f"but has no {key!r} expression",
                        hint=f"add `{key}:`, or `direction: {'outbound' if key == 'inbound' else 'inbound'}`")  # fmt: skip
    column, name = draft.data.get("crm"), draft.data.get("record")
    if ("inbound" in draft.data and not isinstance(column, str)) or isinstance(column, Mapping):
        draft.error("missing-key", "an `inbound` expression needs 'crm', the name of the one CRM field that it fills")
    if "outbound" in draft.data and name is None:
        draft.error("missing-key", "an `outbound` expression needs 'record', the record field that it fills")
    kind = draft.crm_field(column, "crm") if isinstance(column, str) else None
    spec = draft.record_field(name, "record") if isinstance(name, str) else None
    outward = inward = None
    if "outbound" in draft.data:
        empties = {field_name: crm.nullable for field_name, crm in draft.crm.items()}
        outward = parse(draft.data["outbound"], "crm", empties, (*draft.path, "outbound"), draft.findings)
    if "inbound" in draft.data:
        inward = parse(draft.data["inbound"], "record", dict.fromkeys(draft.record, True), (*draft.path, "inbound"),
                       draft.findings)  # fmt: skip
    if kind is not None and spec is not None:
        _defaults(draft, kind, spec)
    if draft.findings.errors > before:
        return None
    states = (name,) if isinstance(name, str) and "outbound" in draft.data else ()
    entry = Entry(draft.path, name or str(column), draft.direction, draft.conflict, states)
    if outward is not None and spec is not None:
        slot = replace(draft.record_slot(spec.name, spec), entry=draft.at("outbound"))
        entry = replace(entry, crm_reads=outward.reads, outbound=Computed(slot, outward))
    if inward is not None and kind is not None and isinstance(column, str) and draft.writes(Side.CRM):
        slot = replace(draft.crm_slot(column, kind), entry=draft.at("inbound"))
        follows = tuple(sorted(inward.reads))
        entry = replace(
            entry, crm_writes=frozenset({column}), record_reads=inward.reads, follows=follows, inbound=Computed(slot, inward)
        )  # fmt: skip
    return entry


KINDS: Mapping[str, Callable[[Draft], Entry | None]] = {
    "codec": _codec,
    "values": _values,
    "inbound": _computed,
    "outbound": _computed,
}
"""Key that marks a kind of entry → its compile function; an entry without any of them is a rename."""


def compile_entry(draft: Draft) -> Entry | None:
    """The compiled entry, or None with its errors noted."""
    kind = next((make for key, make in KINDS.items() if key in draft.data), _rename)
    return kind(draft)
