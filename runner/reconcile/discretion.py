"""What happens to an item that is private on its target (B-35): pure, like every other decision.

Only its visible fields merge (``model.privacy``); its hidden ones flow neither way. So nothing of them comes in, and no
placeholder ever overwrites the real text.

*Choices where the rule book is silent*

- An item that becomes private after it was synchronised is **blanked** in the CRM: its hidden fields take the values of a
  placeholder, and everything that the state remembers of it is purged. With ``skip`` its record is **removed** instead;
  a soft delete takes the hidden fields along, since it leaves the row. Both are writes like any other, which guards
  count: a link that may not delete blanks, one that may not write the CRM leaves its record alone. Edits of hidden fields
  that had not been sent yet go with it: to keep them would be to keep the item's text.
- A record that another link holds too (a meeting, of which one participant made his copy private) is the others' as well:
  this pair ends, and the record stays.
- A record that the CRM itself made private keeps its text there: it is the CRM's own. It goes out once, as mapped; from
  then on only its visible fields are kept in step.
- Whoever deletes a placeholder in the CRM has not seen what stands behind it: the pair ends, the item stays. Whoever
  deletes the item behind a placeholder means it: the placeholder goes, edited or not.
- ``privacy`` comes in from behind a placeholder and never goes out: nobody in the CRM makes somebody's item public.
- When the item becomes public again, its text comes in as a change of the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runner.model.overrides import OVERRIDES
from runner.model.privacy import MARK, VISIBLE, is_placeholder, is_private, is_veiled, placeholder, veiled
from runner.model.record import Fields, Value
from runner.model.state import Base
from runner.model.terms import Direction, EditVsDelete, Operation, Private, Side
from runner.reconcile.decision import Change, Decision, Presented, Settlement, Verdict
from runner.reconcile.merge import reconcile
from runner.reconcile.rules import ItemRules, Unit

HIDDEN = "private: "
"""Start of the reason of pairs that ended because their item is private; they come back when it no longer is."""
UNIT = "private"
"""The unit under which blanking is shown."""


@dataclass(frozen=True, slots=True)
class Discretion:
    """How a private item is to be treated. ``elsewhere``: another link holds its CRM record too. ``unseen``: the target's
    item is not the version that was agreed, so it may hold edits that nobody here can see."""

    policy: Private
    title: str
    elsewhere: bool = False
    unseen: bool = True


def reconcile_private(
    base: Base | None,
    crm: Presented,
    target: Presented,
    rules: ItemRules,
    discretion: Discretion,
    settlements: Sequence[Settlement] = (),
) -> Decision:
    """Decide about an item that the target holds and masks. ``crm`` may be absent; a pair without a base was adopted."""
    seen = replace(target, values=veiled(target.values or {}))
    if crm.values is None:
        return _without_record(base, crm, seen, rules, discretion)
    became = not is_private(crm.values) if base is None else not is_veiled(base.target)
    mine = _is_ours(base, crm.values, discretion)
    if became or mine:
        if discretion.elsewhere and (became or discretion.policy is Private.SKIP):
            kept = None if base is None else Base(base.crm, veiled(base.target))  # the record stays as it is
            return Decision(base=kept, detach=f"{HIDDEN}others share its record in the CRM", purge=True)
        unwanted = discretion.policy is Private.SKIP and rules.may(Operation.DELETE, Side.CRM)
        if unwanted and (became or _is_untouched(base, crm.values)):
            return _removed(crm.values, rules, discretion.title)
    merged = _visible(base, crm, seen, rules, mine=mine or became, settlements=settlements)
    if became:
        return _blanked(merged, crm.values, rules, discretion.title)
    return _noted(merged, crm.values, rules, ours=mine)


def behind_placeholder(base: Base | None, rules: ItemRules) -> ItemRules:
    """The rules for a pair whose item is gone: what its placeholder says does not stand against its delete."""
    if base is not None and base.target.get(MARK):
        return replace(rules, edit_vs_delete=EditVsDelete.DELETE_WINS)
    return rules


def unmasking_base(base: Base | None, crm: Fields, rules: ItemRules, title: str) -> Base | None:
    """The base for an item that everybody may see: where the CRM holds a placeholder of which no base knows, its hidden
    fields were never anybody's words, so that the target's fill them."""
    if base is not None or not is_private(crm) or not is_placeholder(crm, title):
        return base
    names = [name for unit in _hidden(rules) for name in unit.fields]
    return Base(crm={name: crm.get(name) for name in names}, target=dict.fromkeys(names))


def _without_record(
    base: Base | None, crm: Presented, seen: Presented, rules: ItemRules, discretion: Discretion
) -> Decision:
    """The CRM has no record: it is new there, or was deleted."""
    if base is None:
        return _dressed(reconcile(None, crm, seen, rules), discretion.title)
    if base.target.get(MARK) or discretion.unseen or not is_veiled(base.target):
        return Decision(
            base=_kept(base),
            detach=f"{HIDDEN}deleted in the CRM; it is left alone on the target",
            purge=not is_veiled(base.target),
        )
    return _dressed(reconcile(base, crm, seen, rules), discretion.title)


def _dressed(decision: Decision, title: str) -> Decision:
    """Records that are made in the CRM are placeholders."""
    if not any(c.side is Side.CRM and c.operation is Operation.CREATE for c in decision.changes):
        return decision
    changes = tuple(
        replace(change, values=placeholder(change.values, title)) if change.side is Side.CRM else change
        for change in decision.changes
    )
    base = decision.base
    if base is not None:
        base = Base(placeholder(base.crm, title), {**veiled(base.target), MARK: True})
    return replace(decision, changes=changes, base=base)


def _visible(
    base: Base | None,
    crm: Presented,
    seen: Presented,
    rules: ItemRules,
    *,
    mine: bool,
    settlements: Sequence[Settlement],
) -> Decision:
    """The merge of what may be seen."""
    hidden = set(_hidden(rules))
    narrowed = replace(rules, units=tuple(_narrowed(unit, hidden, mine=mine) for unit in rules.units))
    open_to_see = {unit.name for unit in rules.units if unit not in hidden}
    veiled_base = None if base is None else Base(base.crm, veiled(base.target))
    return reconcile(veiled_base, crm, seen, narrowed, [one for one in settlements if one.unit in open_to_see])


def _narrowed(unit: Unit, hidden: set[Unit], *, mine: bool) -> Unit:
    if unit in hidden:
        return replace(unit, direction=Direction.NONE)
    if mine and "privacy" in unit.fields:
        return replace(unit, direction=unit.direction.narrowed(Direction.INBOUND))
    return unit


def _noted(decision: Decision, crm: Fields, rules: ItemRules, *, ours: bool) -> Decision:
    """The decision with a base that knows both sides' hidden fields: the CRM's as they were agreed, the target's veiled."""
    base = decision.base or Base({}, {})
    held, veil = dict(base.crm), veiled(base.target)
    for unit in _hidden(rules):
        for name in unit.fields:
            held.setdefault(name, crm.get(name))
            veil[name] = None
    if ours:
        veil[MARK] = True
    return replace(decision, base=Base(held, veil))


def _blanked(decision: Decision, crm: Fields, rules: ItemRules, title: str) -> Decision:
    """The decision with the record's hidden fields replaced by a placeholder's, where they may be written."""
    noted = _noted(decision, crm, rules, ours=rules.may(Operation.UPDATE, Side.CRM))
    merged = next((change for change in decision.changes if change.side is Side.CRM), None)
    values: Fields = merged.values if merged else crm
    blank = _blanks(values, rules, title) if rules.may(Operation.UPDATE, Side.CRM) else {}
    others = tuple(change for change in decision.changes if change.side is not Side.CRM)
    if not blank and merged is None:
        return replace(noted, changes=others, purge=True)
    verdicts = merged.verdicts if merged else ()
    if blank:
        verdicts += (Verdict(UNIT, tuple(blank), "private on the target now: blanked", rules.rule),)
    change = Change(
        side=Side.CRM,
        operation=Operation.UPDATE,
        values={**values, **blank},
        fields=frozenset(blank) | (merged.fields if merged else frozenset()),
        before=None,  # what it held is exactly what must not be shown or kept
        reason="private on the target now: blanked",
        rule=rules.rule,
        verdicts=verdicts,
    )
    base = noted.base or Base({}, {})
    return replace(noted, changes=(change, *others), base=Base({**base.crm, **blank}, base.target), purge=True)


def _removed(crm: Fields, rules: ItemRules, title: str) -> Decision:
    """The record deleted; where its row stays, without what is hidden."""
    change = Change(
        side=Side.CRM,
        operation=Operation.DELETE,
        values=placeholder(crm, title),
        fields=frozenset(_blanks(crm, rules, title)),
        before=None,
        reason="private on the target: removed",
        rule=rules.rule,
    )
    return Decision((change,), purge=True)


def _blanks(crm: Fields, rules: ItemRules, title: str) -> dict[str, Value]:
    """What has to be written into a record so that it says nothing beyond a placeholder."""
    wanted = placeholder(crm, title)
    names = [
        name
        for unit in rules.units
        if unit.direction.writes(Side.CRM)
        for name in unit.fields
        if name not in VISIBLE or name == OVERRIDES
    ]
    return {name: wanted.get(name) for name in names if crm.get(name) != wanted.get(name)}


def _is_ours(base: Base | None, crm: Fields, discretion: Discretion) -> bool:
    """Whether the CRM's record is a placeholder that we made."""
    return bool(base.target.get(MARK)) if base is not None else is_placeholder(crm, discretion.title)


def _is_untouched(base: Base | None, crm: Fields) -> bool:
    """Whether nobody in the CRM has written anything into the placeholder."""
    held = {} if base is None else base.crm
    return all(crm.get(name) == value for name, value in held.items() if name not in VISIBLE)


def _hidden(rules: ItemRules) -> list[Unit]:
    """The units of which something is hidden."""
    return [unit for unit in rules.units if not VISIBLE.issuperset(unit.fields)]


def _kept(base: Base | None) -> Base | None:
    """What a pair that is left alone may go on remembering."""
    return None if base is None else Base(veiled(base.crm), veiled(base.target))
