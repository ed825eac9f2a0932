"""The three-way merge of one item: both sides' bases, both sides now, the rules → a decision.

How one unit merges is ``ruling``'s work; this module joins units into writes and judges presence.

*Choices where the rule book is silent*

- Who deletes the copy on the read-only side of a one-way link drifts: it comes back only with ``on_drift: revert`` and
  the pair is detached otherwise, even when the authority was edited too, because whether a pass saw the delete or the
  edit first must not matter.
- Whose authority is deleted goes, edited or not: on a one-way link the edits of the read-only side never counted.
- A unit without a base (added to the mapping since) that holds something counts as edited when the other side was
  deleted: what was never on the other side must not go with it.
- An edit that wins against a delete but may not be re-created stays where it is, and the pair is detached.
- A settlement of edit against delete needs a side; one by values is no answer to it, and the item stays held.
- New items on the read-only side of a one-way link are never touched, not even by ``on_drift: revert``.
- Denied creates and deletes do not make a link one-way: an edit still stands against a delete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.model.record import Fields, Value
from runner.model.state import Base
from runner.model.terms import EditVsDelete, OnDrift, Operation, Side
from runner.reconcile.decision import Change, Clash, Decision, Presented, Settlement, Verdict
from runner.reconcile.rules import ItemRules
from runner.reconcile.ruling import PLACES, SNAPSHOT, Standing, rule_unit
from runner.reconcile.spread import fold, is_keyed, spread


def reconcile(
    base: Base | None,
    crm: Presented,
    target: Presented,
    rules: ItemRules,
    settlements: Sequence[Settlement] = (),
) -> Decision:
    """Decide what happens to one item (B-60 to B-63, B-5, B-39).

    ``base`` None means that nothing was ever agreed: a lone item, or a pair that was adopted and never merged.
    """
    settled = {settlement.unit: settlement for settlement in settlements}
    if crm.values is not None and target.values is not None:
        sides = {Side.CRM: crm, Side.TARGET: target}
        if is_keyed(rules, (crm.values, target.values), base):
            flat = spread(base, sides, rules, settled)
            return fold(_merge(flat.base, flat.sides, flat.rules, settled))
        return _merge(base, sides, rules, settled)
    if crm.values is not None:
        return _lone(base, Side.CRM, crm.values, rules, settled.get(None))
    if target.values is not None:
        return _lone(base, Side.TARGET, target.values, rules, settled.get(None))
    return Decision()  # gone on both sides: the pair is forgotten


def _lone(base: Base | None, present: Side, values: Fields, rules: ItemRules, settled: Settlement | None) -> Decision:
    """An item that one side holds and the other does not."""
    absent = present.other
    may_create = rules.may(Operation.CREATE, absent) and bool(rules.writable[absent])
    may_delete = rules.may(Operation.DELETE, present)

    # A snapshot makes the absent side like the present one, or the other way round (B-70).
    if rules.giver is not None:
        return _given(base, present, values, rules)

    # Never seen together: new here, so it is made there; or left alone where that is not allowed.
    if base is None:
        return _create(present, values, rules, f"new {PLACES[present]}") if may_create else Decision()

    # From here on the other side deleted it.
    gone = f"deleted {PLACES[absent]}"

    # A delete that this direction does not carry is drift: undone on request, else the pair ends (never re-created).
    if not rules.direction.writes(present):
        if rules.on_drift is OnDrift.REVERT and may_create:
            return _create(present, values, rules, f"{gone}: drift reverted")
        return Decision(base=base, detach=f"{gone}, and this direction does not delete {PLACES[present]}")

    # Not edited since: the delete goes through; where deletes are denied the pair ends (B-39).
    if not edited(base, present, values, rules):
        if may_delete:
            return deleted(present, values, rules, gone)
        return Decision(base=base, detach=f"{gone}, and deletes are denied {PLACES[present]}")

    # Edited here, deleted there: the policy decides or holds, an operator overrides; recorded either way (B-63).
    winner = _survivor(present, rules.edit_vs_delete)
    if settled is not None and settled.take is not None:
        winner = settled.take
    record = {side: values if side is present else None for side in Side}
    clash = Clash(
        unit=None,
        base=base.of(present),
        crm=record[Side.CRM],
        target=record[Side.TARGET],
        policy=rules.edit_vs_delete,
        winner=winner,
        rule=rules.rule,
        settled=settled is not None and settled.take is not None,
    )
    why = f"edited {PLACES[present]}, {gone}"
    if winner is None:
        return Decision(clashes=(clash,), base=base)
    if winner is present:
        if may_create:
            return _create(present, values, rules, f"{why}: the edit wins", clash)
        return Decision(clashes=(clash,), base=base, detach=f"{why}, and creates are denied {PLACES[absent]}")
    if may_delete:
        return deleted(present, values, rules, f"{why}: the delete wins", clash)
    return Decision(clashes=(clash,), base=base, detach=f"{why}, and deletes are denied {PLACES[present]}")


def _given(base: Base | None, present: Side, values: Fields, rules: ItemRules) -> Decision:
    """An item that one side holds, during a snapshot. What the receiving side alone holds and never shared is its own, and
    stays. A delete, or an edit of what is deleted, that the snapshot overrides is recorded (B-63)."""
    if present is not rules.giver:
        if base is None or not rules.may(Operation.DELETE, present):
            return Decision(base=base)
        clash = _overridden(base, present, values, rules)
        clashes = (clash,) if edited(base, present, values, rules) else ()
        return deleted(present, values, rules, f"snapshot: deleted {PLACES[present.other]}", *clashes)
    receiver = present.other
    if not (rules.may(Operation.CREATE, receiver) and rules.writable[receiver]):
        return Decision(base=base)
    if base is None:
        return _create(present, values, rules, f"snapshot: new {PLACES[present]}")
    clash = _overridden(base, present, values, rules)
    return _create(present, values, rules, f"snapshot: deleted {PLACES[receiver]}, made again", clash)


def _overridden(base: Base, present: Side, values: Fields, rules: ItemRules) -> Clash:
    """Edit against delete as a snapshot decides it."""
    record = {side: values if side is present else None for side in Side}
    return Clash(None, base.of(present), record[Side.CRM], record[Side.TARGET], SNAPSHOT, rules.giver, rules.rule)


def _merge(
    base: Base | None,
    sides: Mapping[Side, Presented],
    rules: ItemRules,
    settled: Mapping[str | None, Settlement],
) -> Decision:
    """An item that both sides hold: unit by unit."""
    now = {side: presented.values or {} for side, presented in sides.items()}
    agreed: dict[Side, dict[str, Value]] = {side: {} for side in Side}
    writes: dict[Side, dict[str, Value]] = {side: {} for side in Side}
    verdicts: dict[Side, list[Verdict]] = {side: [] for side in Side}
    clashes: list[Clash] = []
    drift: list[str] = []
    for unit in rules.units:
        standing = Standing.of(unit, base, now, rules)
        ruling = rule_unit(standing, sides, rules, settled.get(unit.name))
        for side in Side:
            written = ruling.writes.get(side, {})
            if written:
                writes[side] |= written
                verdicts[side].append(Verdict(unit.name, tuple(written), ruling.reason, unit.rule))
            if not ruling.keep_base:
                agreed[side] |= standing.now[side] | written
            elif standing.known:
                agreed[side] |= standing.base[side]
        if ruling.clash is not None:
            clashes.append(ruling.clash)
        if ruling.drifted and rules.on_drift is OnDrift.REPORT:
            drift.append(unit.name)
    return Decision(
        changes=tuple(_update(side, now[side], writes[side], verdicts[side]) for side in Side if writes[side]),
        clashes=tuple(clashes),
        base=Base(crm=agreed[Side.CRM], target=agreed[Side.TARGET]),
        drift=tuple(drift),
    )


def edited(base: Base, present: Side, values: Fields, rules: ItemRules) -> bool:
    """Whether the present side holds anything that could flow to the other and is not agreed."""
    both = {present: values, present.other: values}
    return any(
        standing.changed[present]
        if standing.known
        else any(value is not None for value in standing.now[present].values())
        for unit in rules.units
        if unit.direction.writes(present.other)
        for standing in (Standing.of(unit, base, both, rules),)
    )


def _survivor(present: Side, policy: EditVsDelete) -> Side | None:
    """The side that wins an edit against a delete; None: held."""
    return {EditVsDelete.EDIT_WINS: present, EditVsDelete.DELETE_WINS: present.other}.get(policy)


def _create(present: Side, values: Fields, rules: ItemRules, reason: str, *clashes: Clash) -> Decision:
    """The item made on the absent side, with every field that may be written there; the others are None in its base."""
    fields = rules.writable[present.other]
    # A base holds the units' fields. A record of just these is kept as it is: nobody changes a record.
    kept = values if values.keys() == rules.known else {name: values.get(name) for name in rules.fields}
    made = kept if len(fields) == len(kept) else {n: value if n in fields else None for n, value in kept.items()}
    change = Change(present.other, Operation.CREATE, made, fields, None, reason, rules.rule)
    held = {present: kept, present.other: made}
    return Decision((change,), clashes, Base(crm=held[Side.CRM], target=held[Side.TARGET]))


def deleted(present: Side, values: Fields, rules: ItemRules, reason: str, *clashes: Clash) -> Decision:
    """The item removed from the side that still holds it; no pair remains."""
    return Decision((Change(present, Operation.DELETE, {}, frozenset(), values, reason, rules.rule),), clashes)


def _update(side: Side, now: Fields, written: Fields, verdicts: Sequence[Verdict]) -> Change:
    """One update of a side from all its units' verdicts."""
    reasons = {verdict.reason for verdict in verdicts}
    return Change(
        side=side,
        operation=Operation.UPDATE,
        values={**now, **written},
        fields=frozenset(written),
        before=now,
        reason=reasons.pop() if len(reasons) == 1 else "; ".join(f"{v.unit}: {v.reason}" for v in verdicts),
        rule=", ".join(dict.fromkeys(verdict.rule for verdict in verdicts)),
        verdicts=tuple(verdicts),
    )
