"""Plain entries: a rename, and a map of values. Both are their own inverse, read from the other side."""

from __future__ import annotations

from typing import Any

from runner.mapping.canonical import CANONICAL
from runner.mapping.entries import Draft, Entry
from runner.mapping.findings import suggest
from runner.mapping.source import CrmFieldType
from runner.mapping.steps import Rename, Step, look_up
from runner.model.record import FieldSpec, FieldType, Value
from runner.model.terms import Direction, Side


def compile_rename(draft: Draft) -> Entry | None:
    """``{crm: name, record: name}``: the same value under another name; the types must be equal."""
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
    # Words by address are the record's own: the CRM connector translates them (roles, answers).
    if spec.values and spec.type is not FieldType.ADDRESSES and draft.writes(Side.TARGET):
        draft.error(
            "type-mismatch", f"{name!r} takes only {', '.join(spec.values)}: a rename could send anything", "record",
            hint="add `values:` with the CRM's word for each",
        )  # fmt: skip
        return None
    before = draft.findings.errors
    check_defaults(draft, kind, spec)
    if draft.findings.errors > before:
        return None
    entry = _outward(draft, column, name, Rename(column, draft.record_slot(spec)))
    if not draft.writes(Side.CRM):
        return entry
    return entry.writing_crm((column,), Rename(name, draft.crm_slot(column, kind)))


def _outward(draft: Draft, column: str, name: str, outbound: Step) -> Entry:
    return Entry(
        draft.path,
        name,
        draft.direction,
        draft.conflict,
        states=(name,),
        crm_reads=frozenset({column}),
        record_reads=frozenset({name}),
        outbound=outbound,
    )


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


def check_defaults(draft: Draft, kind: CrmFieldType | None, spec: FieldSpec | None) -> None:
    """Hold the entry's declared defaults against the fields that they would fill."""
    if kind is not None and "inbound_default" in draft.data:
        _constant(draft, draft.data["inbound_default"], kind.type, (), "inbound_default")
    if spec is not None and "outbound_default" in draft.data:
        _constant(draft, draft.data["outbound_default"], spec.type, spec.values, "outbound_default")


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


def compile_values(draft: Draft) -> Entry | None:
    """``values: {CRM value: record value}``: one-to-one, unless the entry is outbound only."""
    if not draft.allow("crm", "record", "values", "inbound_default", "outbound_default"):
        return None
    pair = _pair(draft)
    if pair is None:
        return None
    column, kind, name, spec = pair
    before = draft.findings.errors
    outbound = _pairs(draft, column, kind, spec)
    check_defaults(draft, kind, spec)
    if draft.findings.errors > before:
        return None
    known = frozenset(outbound.values())
    missing = [value for value in spec.values if value not in known]
    if missing and draft.writes(Side.CRM) and "inbound_default" not in draft.data:
        draft.warning(
            "values-incomplete",
            f"items whose {name} is {' or '.join(missing)} will be set aside",
            "values",
            hint="add them, or declare `inbound_default`",
        )
    entry = _outward(draft, column, name, look_up(column, draft.record_slot(spec), outbound))
    if not draft.writes(Side.CRM):
        return entry
    inbound = {value: key for key, value in outbound.items()}
    return entry.writing_crm((column,), look_up(name, draft.crm_slot(column, kind), inbound))


def _pairs(draft: Draft, column: str, kind: CrmFieldType, spec: FieldSpec) -> dict[Value, Value]:
    """The map, CRM value → record value; findings where it is not one-to-one or a value does not fit."""
    pairs: dict[Value, Value] = {}
    first: dict[Value, str] = {}
    for word, value in draft.data["values"].items():
        try:
            key = _crm_constant(word, kind.type)
        except ValueError as error:
            message = f"{word!r} cannot be a value of the CRM field {column!r}: {error}"
            draft.error("type-mismatch", message, "values", word)
            continue
        if not _constant(draft, value, spec.type, spec.values, "values", word):
            continue
        if key in pairs:
            draft.error("not-one-to-one", f"the CRM value {word!r} stands in the map twice", "values", word)
        if value in first and draft.direction is not Direction.OUTBOUND:
            draft.findings.error(
                "not-one-to-one",
                f"{value!r} stands for both {first[value]!r} and {word!r}: the way back is unclear",
                (*draft.path, "values", word),
                hint="give each its own value, or add `direction: outbound`",
                related=draft.findings.source.span((*draft.path, "values", first[value])),
            )
        pairs[key] = value
        first.setdefault(value, word)
    return pairs


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
