"""Entries with expressions: ``inbound:`` and ``outbound:``, each other's inverse by the author's word and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runner.mapping.entries import Computed, Draft, Entry
from runner.mapping.grammar import Parsed, parse
from runner.mapping.plain import check_defaults
from runner.model.terms import Direction, Side

_KEYS = {Side.CRM: "inbound", Side.TARGET: "outbound"}


def compile_computed(draft: Draft) -> Entry | None:
    """``inbound: expression`` fills one CRM field from ``record``, ``outbound: expression`` one record field from ``crm``."""
    if not draft.allow("crm", "record", "inbound", "outbound", "inbound_default", "outbound_default"):
        return None
    before = draft.findings.errors
    _complete(draft)
    column, name = draft.data.get("crm"), draft.data.get("record")
    kind = draft.crm_field(column, "crm") if isinstance(column, str) else None
    spec = draft.record_field(name, "record") if isinstance(name, str) else None
    outward = _parse(draft, "outbound", "crm", {known: crm.nullable for known, crm in draft.crm.items()})
    inward = _parse(draft, "inbound", "record", dict.fromkeys(draft.record, True))
    check_defaults(draft, kind, spec)
    if draft.findings.errors > before:
        return None
    entry = Entry(draft.path, str(name or column), draft.direction, draft.conflict)
    if outward is not None and spec is not None:
        slot = replace(draft.record_slot(spec), entry=draft.at("outbound"))
        entry = replace(entry, states=(spec.name,), crm_reads=outward.reads, outbound=Computed(slot, outward))
    if inward is not None and kind is not None and draft.writes(Side.CRM):
        slot = replace(draft.crm_slot(str(column), kind), entry=draft.at("inbound"))
        entry = replace(entry, record_reads=inward.reads, follows=tuple(sorted(inward.reads)))
        entry = entry.writing_crm((str(column),), Computed(slot, inward))
    return entry


def _complete(draft: Draft) -> None:
    """Findings for a direction without its expression, and for an expression that does not say what it fills."""
    for side, key in _KEYS.items():
        if draft.writes(side) and key not in draft.data:
            way = "both ways" if draft.direction is Direction.BOTH else key
            only = _KEYS[side.other]
            draft.error("no-inverse", f"the entry runs {way}, but has no {key!r} expression",
                        hint=f"add `{key}:`, or `direction: {only}`")  # fmt: skip
    column = draft.data.get("crm")
    if isinstance(column, Mapping) or ("inbound" in draft.data and column is None):
        draft.error("missing-key", "an 'inbound' expression needs 'crm', the name of the one CRM field that it fills")
    if "outbound" in draft.data and "record" not in draft.data:
        draft.error("missing-key", "an 'outbound' expression needs 'record', the record field that it fills")


def _parse(draft: Draft, key: str, scope: str, fields: Mapping[str, bool]) -> Parsed | None:
    if key not in draft.data:
        return None
    return parse(draft.data[key], scope, fields, (*draft.path, key), draft.findings)
