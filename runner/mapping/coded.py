"""Entries with a codec: CRM fields in its slots ↔ the record fields that it states together, as one unit."""

from __future__ import annotations

from collections.abc import Mapping

from runner.mapping.canonical import CANONICAL
from runner.mapping.codecs import CODECS, Codec, Options
from runner.mapping.entries import Draft, Entry
from runner.mapping.findings import suggest
from runner.mapping.source import CrmFieldType
from runner.mapping.steps import Slot, codec
from runner.model.moments import UTC_ZONE, zone_of
from runner.model.record import FieldType
from runner.model.terms import Direction, Side


def compile_codec(draft: Draft) -> Entry | None:
    """``codec: name`` with ``crm: {slot: CRM field}``."""
    if not draft.allow("codec", "crm", "default_zone"):
        return None
    chosen = CODECS.get(draft.data["codec"])
    if chosen is None:
        hint = suggest(draft.data["codec"], CODECS, listing="codecs")
        draft.error("unknown-codec", f"no codec is named {draft.data['codec']!r}", "codec", hint=hint)
        return None
    given = draft.data.get("crm")
    columns: Mapping[str, str] = given if isinstance(given, Mapping) else {}
    before = draft.findings.errors
    kinds = _slots(draft, chosen, columns)
    zone = _default_zone(draft)
    if draft.findings.errors > before:
        return None
    zone_kind = kinds.get("zone")
    outward, inward = chosen.bind(
        Options(zone, frozenset(kinds), zone_required=zone_kind is not None and not zone_kind.nullable)
    )
    lead = Slot(chosen.name, CANONICAL[FieldType.TEXT], draft.place, lenient=not draft.writes(Side.TARGET))
    names = [columns.get(slot.name) for slot in chosen.slots]
    states = chosen.states(kinds)
    known = [draft.record_field(name, "crm") for name in states]
    if None in known:
        return None
    fills = [draft.record_slot(draft.record[name]) for name in states]
    entry = Entry(
        draft.path,
        chosen.name,
        draft.direction,
        draft.conflict,
        states=states,
        crm_reads=frozenset(columns.values()),
        record_reads=frozenset(states),
        outbound=codec(names, fills, outward, lead),
    )
    if not draft.writes(Side.CRM):
        return entry
    backs = [
        draft.crm_slot(columns[slot.name], kinds[slot.name]) if slot.name in kinds else None for slot in chosen.slots
    ]
    return entry.writing_crm(columns.values(), codec(states, backs, inward, lead))


def _slots(draft: Draft, chosen: Codec, columns: Mapping[str, str]) -> dict[str, CrmFieldType]:
    """The type of each slot that is filled; findings for unknown, missing and unfit ones."""
    known = {slot.name: slot for slot in chosen.slots}
    for name in columns:
        if name not in known:
            hint = suggest(name, known, listing="slots")
            draft.error("unknown-slot", f"the codec {chosen.name!r} has no slot {name!r}", "crm", name, hint=hint)
    kinds: dict[str, CrmFieldType] = {}
    for slot in chosen.slots:
        column = columns.get(slot.name)
        if column is None:
            both = draft.direction is Direction.BOTH
            if slot.required or (slot.both_ways and both):
                why = "" if slot.required else " when it runs both ways"
                hint = f"add `{slot.name}: <CRM field of type {slot.type}>`"
                hint += "" if slot.required else ", or give the entry one direction"
                draft.error("missing-slot", f"the codec {chosen.name!r} needs {slot.name!r}{why}", "crm", hint=hint)
            continue
        kind = draft.crm_field(column, "crm", slot.name)
        if kind is None:
            continue
        kinds[slot.name] = kind
        if kind.type is not slot.type:
            message = f"the slot {slot.name!r} takes {slot.type}; the CRM field {column!r} is {kind.type}"
            draft.error("type-mismatch", message, "crm", slot.name)
    return kinds


def _default_zone(draft: Draft) -> str:
    zone = str(draft.data.get("default_zone", UTC_ZONE))
    try:
        zone_of(zone)
    except ValueError as error:
        draft.error("bad-value", str(error), "default_zone", hint="use an IANA name such as Europe/Vienna")
    return zone
