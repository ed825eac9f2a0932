"""Keyed fields merge key by key: overrides per occurrence and unit, addresses per participant, files per name and content.

A record keeps ``recurrence_overrides`` and ``participants`` as one mapping each. Merged as one value, an edit of the
occurrence of the 5th on one side and of the 12th on the other would be a conflict, and the loser's edit lost. So before a
merge the mapping is *spread* into one flat field per key (an occurrence's: per key and unit), every one a unit with the
direction and policy of the unit that it belongs to; after it the flat fields are *folded* back.

*Choices where the rule book is silent*

- An occurrence that one side deleted and the other edited since is an edit against a delete: ``edit_vs_delete`` decides
  about this occurrence, and the rest of the series goes on (B-63).
- Whatever else concerns a deleted occurrence concerns it as a whole.
- A mapping entry for overrides that runs one way narrows all occurrences; each unit's own direction narrows further.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from runner.model.files import ATTACHMENTS
from runner.model.overrides import OVERRIDES, is_excluded
from runner.model.record import Fields, Value
from runner.model.state import Base
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete, Side
from runner.reconcile.decision import Change, Clash, Decision, Presented, Settlement, Verdict
from runner.reconcile.ending import Days, days
from runner.reconcile.rules import ItemRules, Unit

KEYED = frozenset({OVERRIDES, "participants", ATTACHMENTS})
"""Record fields whose values are mappings that merge key by key."""
WHOLE = "occurrence"
"""The unit of an occurrence that a side deleted."""
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Spread:
    """One item, ready for a merge of flat fields."""

    base: Base | None
    sides: Mapping[Side, Presented]
    rules: ItemRules


def is_keyed(rules: ItemRules, sides: Iterable[Fields | None], base: Base | None) -> bool:
    """Whether anything of this item has to be spread: most items have no keyed values."""
    names = [name for unit in rules.units for name in unit.fields if name in KEYED]
    if not names:
        return False
    held = (*sides, base.crm if base else None, base.target if base else None)
    return any(values is not None and values.get(name) is not None for name in names for values in held)


def spread(
    base: Base | None,
    sides: Mapping[Side, Presented],
    rules: ItemRules,
    settled: Mapping[str | None, Settlement] = MappingProxyType({}),
) -> Spread:
    """Every keyed field of both sides and both bases as flat fields, and the rules for them."""
    records: list[dict[str, Value]] = [dict(sides[side].values or {}) for side in Side]
    bases: list[dict[str, Value]] = [dict(base.of(side)) for side in Side] if base else []
    units: list[Unit] = []
    for unit in rules.units:
        if not KEYED.intersection(unit.fields):
            units.append(unit)
            continue
        for name in unit.fields:
            mappings = [_taken(values, name) for values in (*records, *bases)]
            known = [mapping is not _UNKNOWN for mapping in mappings]
            keys = sorted({key for mapping in mappings for key in mapping})
            if not keys:  # nothing of it anywhere: it stays a plain field, so that its absence is agreed too
                units.append(replace(unit, fields=(name,)))
                for values, has in zip((*records, *bases), known, strict=True):
                    if has:
                        values[name] = None
            existing = days(keys, base, sides, rules, settled) if name == OVERRIDES and keys else None
            for key in keys:
                parts = [mapping.get(key) for mapping in mappings]
                for fresh, split in _on_day(unit, key, parts, rules, existing) or _split(unit, name, key, parts, rules):
                    units.append(fresh)
                    for values, part, has in zip((*records, *bases), split, known, strict=True):
                        if has:
                            values[fresh.fields[0]] = part
    flat = {
        side: replace(sides[side], values=record) if sides[side].values is not None else sides[side]
        for side, record in zip(Side, records, strict=True)
    }
    return Spread(Base(*bases) if base else None, flat, replace(rules, units=tuple(units)))


_UNKNOWN: dict[str, Value] = {}
"""What a base holds of a field that was never agreed."""


def _taken(values: dict[str, Value], name: str) -> Mapping[str, Value]:
    """A keyed field's mapping, taken out of the values."""
    if name not in values:
        return _UNKNOWN
    held = values.pop(name)
    return held if isinstance(held, Mapping) else {}


def _on_day(
    unit: Unit, day: str, parts: list[Value], rules: ItemRules, existing: Days | None
) -> list[tuple[Unit, list[Value]]]:
    """The flat unit of a day that the two series do not both have (see ``ending``); none where there is nothing special."""
    if existing is None:
        return []
    whole = replace(unit, name=f"{WHOLE} {day}", fields=(_SEPARATOR.join((OVERRIDES, day, "")),))
    lacking = existing.without(day)
    if existing.divided(day):
        return [(replace(whole, direction=Direction.NONE), parts)]
    if existing.vanish(day):
        held = parts[: len(Side)]
        if lacking is None or any(isinstance(part, Mapping) and is_excluded(part) for part in held):
            return [(whole, [None, None, *parts[len(Side) :]])]
        # Without the day that side did change what is there, though nothing was customised when it was last agreed.
        said: list[Value] = [{} if side is lacking else part for side, part in zip(Side, held, strict=True)]
        return [(replace(whole, conflict=_TAKES[lacking]), [*said, *parts[len(Side) :]])]
    if lacking is not None:  # its rule lost: it gets back, with the rule, what the other side has
        given = [None if side is lacking else part for side, part in zip(Side, parts[: len(Side)], strict=True)]
        return list(_split(unit, OVERRIDES, day, given + [None] * (len(parts) - len(Side)), rules))
    return []


_TAKES = {Side.CRM: ConflictPolicy.CRM_WINS, Side.TARGET: ConflictPolicy.TARGET_WINS}


def _split(unit: Unit, name: str, key: str, parts: list[Value], rules: ItemRules) -> Iterable[tuple[Unit, list[Value]]]:
    """One key's flat units, each with its value per side and base."""
    if name != OVERRIDES:
        yield replace(unit, name=f"{unit.name} {key}", fields=(_SEPARATOR.join((name, key)),)), parts
        return
    patches = [part if isinstance(part, Mapping) else None for part in parts]
    flat = _SEPARATOR.join((name, key, ""))
    if any(is_excluded(patch) for patch in patches):
        policy = _against_delete(patches, rules.edit_vs_delete)
        yield replace(unit, name=f"{WHOLE} {key}", fields=(flat,), conflict=policy or unit.conflict), list(patches)
        return
    for owner in rules.units:
        names = [field for field in owner.fields if any(patch and field in patch for patch in patches)]
        if not names or KEYED.intersection(owner.fields):
            continue
        values: list[Value] = [
            {field: patch[field] for field in names if field in patch} or None if patch else None for patch in patches
        ]
        yield (
            Unit(
                f"{owner.name} on {key}",
                (flat + owner.name,),
                owner.direction.narrowed(unit.direction),
                owner.conflict,
                owner.rule,
            ),
            values,
        )


def _against_delete(patches: list[Mapping[str, Value] | None], policy: EditVsDelete) -> ConflictPolicy | None:
    """The policy for an occurrence that one side deleted while the other holds it, should both have changed it."""
    crm_gone, target_gone = is_excluded(patches[0]), is_excluded(patches[1])
    if crm_gone == target_gone:
        return None
    if policy is EditVsDelete.MANUAL:
        return ConflictPolicy.MANUAL
    crm_stays = target_gone if policy is EditVsDelete.EDIT_WINS else crm_gone
    return ConflictPolicy.CRM_WINS if crm_stays else ConflictPolicy.TARGET_WINS


def fold(decision: Decision) -> Decision:
    """A decision about flat fields as one about records."""
    return replace(
        decision,
        changes=tuple(_change(change) for change in decision.changes),
        clashes=tuple(_clash(clash) for clash in decision.clashes),
        base=Base(_folded(decision.base.crm), _folded(decision.base.target)) if decision.base else None,
    )


def _change(change: Change) -> Change:
    return replace(
        change,
        values=_folded(change.values),
        fields=frozenset(_name(field) for field in change.fields),
        before=None if change.before is None else _folded(change.before),
        verdicts=tuple(
            Verdict(v.unit, tuple(dict.fromkeys(_name(field) for field in v.fields)), v.reason, v.rule)
            for v in change.verdicts
        ),
    )


def _clash(clash: Clash) -> Clash:
    """A clash shows what the disputed key held on each side."""
    crm, target, base = (None if side is None else _shown(side) for side in (clash.crm, clash.target, clash.base))
    return replace(clash, crm=crm, target=target, base=base)


def _shown(values: Fields) -> Fields:
    shown: dict[str, Value] = {}
    for name, value in values.items():
        if _SEPARATOR not in name:
            shown[name] = value
        elif isinstance(value, Mapping):
            shown |= value
        elif value is not None:
            shown[name.split(_SEPARATOR)[1]] = value
    return shown


def _name(field: str) -> str:
    return field.partition(_SEPARATOR)[0]


def _folded(values: Fields) -> dict[str, Value]:
    """Flat fields folded back into their mappings: sorted, nothing empty."""
    plain: dict[str, Value] = {}
    keyed: dict[str, dict[str, Value]] = {}
    for name, value in values.items():
        field, found, rest = name.partition(_SEPARATOR)
        if not found:
            plain[name] = value
            continue
        mapping = keyed.setdefault(field, {})
        key, _, _ = rest.partition(_SEPARATOR)
        if isinstance(value, Mapping) and value:
            held = mapping.get(key)
            mapping[key] = dict(sorted({**(held if isinstance(held, Mapping) else {}), **value}.items()))
        elif value:
            mapping[key] = value
    for field, mapping in keyed.items():
        plain[field] = dict(sorted(mapping.items())) or None
    return plain
