"""Taking a run's writes back (B-100): what each item held before, and whether it still holds what the run made of it. Pure.

*Choices where the rule book is silent*

- Only what was written is taken back, on the side on which it was written. The other side stays as it is: both bases are
  kept per side, so the pair then differs as it was agreed, and nothing flows until somebody edits it again.
- What somebody changed since is not overwritten: unit by unit for an update, as a whole for an item that the run made. It
  is a conflict of the policy ``undo``, whose losing value is the one from before the run.
- An item that the run made goes, and its counterpart stays, left alone for good. One that the run deleted is made again
  with all that the ledger knows of it and that its side lets others say, and left alone likewise.
- What became private since is not known any more, so it stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from runner.model.record import Fields, Value
from runner.model.state import LedgerEntry
from runner.model.terms import Operation, Side
from runner.reconcile.decision import Change, Clash, Verdict
from runner.reconcile.rules import ItemRules

POLICY = "undo"
"""The policy of conflicts with an edit that was made since."""
UNDONE = "undone: "
"""Start of the reason of pairs that are left alone because their item was taken back."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a run did to one item of one side, all its writes together. None = the side did not hold the item.

    ``forgotten``: the values are not known any more (the item became private). ``last`` is the newest entry.
    """

    side: Side
    key: str
    counterpart: str | None
    before: Fields | None
    after: Fields | None
    last: LedgerEntry
    forgotten: bool = False

    @property
    def takes(self) -> Operation | None:
        """What taking it back does; None: nothing is left of it."""
        if self.before is None:
            return None if self.after is None else Operation.DELETE
        if self.after is None:
            return Operation.CREATE
        changed = any(self.before.get(name) != value for name, value in self.after.items())
        return Operation.UPDATE if changed else None


def effects(entries: Iterable[LedgerEntry]) -> list[Effect]:
    """The effects of entries in order of time (oldest first), in order of each item's last write."""
    by_item: dict[tuple[Side, str], list[LedgerEntry]] = {}
    for entry in entries:
        mine = by_item.pop((entry.side, entry.key), [])
        by_item[entry.side, entry.key] = [*mine, entry]
    return [_effect(mine) for mine in by_item.values()]


def _effect(entries: list[LedgerEntry]) -> Effect:
    first, last = entries[0], entries[-1]
    before: dict[str, Value] = {}
    after: dict[str, Value] = {}
    forgotten = False
    for entry in entries:
        forgotten |= entry.before is None and entry.operation is not Operation.CREATE
        forgotten |= entry.after is None and entry.operation is not Operation.DELETE
        before = {**(entry.before or {}), **before}
        after |= entry.after or {}
    return Effect(
        side=first.side,
        key=first.key,
        counterpart=last.counterpart,
        before=None if first.operation is Operation.CREATE else before,
        after=None if last.operation is Operation.DELETE else after,
        last=last,
        forgotten=forgotten,
    )


@dataclass(frozen=True, slots=True)
class Takeback:
    """What taking one effect back comes to: a change, conflicts with later edits, or a reason to leave the item alone."""

    change: Change | None = None
    clashes: tuple[Clash, ...] = ()
    left: str | None = None


def take_back(
    effect: Effect,
    now: Fields | None,
    agreed: Fields | None,
    rules: ItemRules,
    undone: str,
    rule: str,
    fixed: Set[str] = frozenset(),
) -> Takeback:
    """Decide one effect. ``now`` is what its side holds, ``agreed`` its base if nothing was written to the item since the
    run (None: something was), ``fixed`` the fields that only the effect's side itself can say (a meeting's organizer)."""
    if effect.forgotten:
        return Takeback(left="what it held before is not known any more: it became private, or was purged")
    match effect.takes:
        case Operation.UPDATE:
            return _restored(effect, now, agreed or {}, rules, undone)
        case Operation.DELETE:
            return _removed(effect, now, agreed, rules, undone, rule)
        case Operation.CREATE:
            return _made_again(effect, now, rules, undone, rule, fixed)
        case None:
            return Takeback(left="nothing is left to take back")


def _restored(effect: Effect, now: Fields | None, agreed: Fields, rules: ItemRules, undone: str) -> Takeback:
    if now is None:
        return Takeback(left="deleted since")
    before, after = effect.before or {}, effect.after or {}
    written: dict[str, Value] = {}
    verdicts: list[Verdict] = []
    clashes: list[Clash] = []
    for unit in rules.units:
        wanted = {n: before.get(n) for n in unit.fields if n in after and before.get(n) != after[n]}
        wanted = {name: value for name, value in wanted.items() if now.get(name) != value}
        if not wanted:
            continue
        if any(now.get(name) not in _ours(name, after, agreed) for name in wanted):
            clashes.append(_clash(effect.side, unit.name, after, now, wanted, unit.rule))
            continue
        written |= wanted
        verdicts.append(Verdict(unit.name, tuple(wanted), undone, unit.rule))
    if not written:
        return Takeback(clashes=tuple(clashes), left=None if clashes else "it holds what it held before")
    rule = ", ".join(dict.fromkeys(verdict.rule for verdict in verdicts))
    change = Change(
        effect.side,
        Operation.UPDATE,
        {**now, **written},
        frozenset(written),
        now,
        undone,
        rule,
        tuple(verdicts),
    )
    return Takeback(change, tuple(clashes))


def _removed(
    effect: Effect, now: Fields | None, agreed: Fields | None, rules: ItemRules, undone: str, rule: str
) -> Takeback:
    if now is None:
        return Takeback(left="deleted since")
    after = effect.after or {}
    edited = {
        name: now.get(name)
        for name in rules.fields
        if name in after and now.get(name) not in _ours(name, after, agreed or {})
    }
    if edited:
        was = {name: after.get(name) for name in edited}
        held: dict[Side, Fields | None] = {effect.side: edited, effect.side.other: None}
        clash = Clash(None, was, held[Side.CRM], held[Side.TARGET], POLICY, effect.side, rule)
        return Takeback(clashes=(clash,))
    return Takeback(Change(effect.side, Operation.DELETE, {}, frozenset(), now, undone, rule))


def _made_again(
    effect: Effect, now: Fields | None, rules: ItemRules, undone: str, rule: str, fixed: Set[str]
) -> Takeback:
    if now is not None:
        return Takeback(left="it is there again already")
    before = effect.before or {}
    values = {name: before.get(name) for name in rules.fields if name not in fixed}
    return Takeback(Change(effect.side, Operation.CREATE, values, frozenset(values), None, undone, rule))


def _ours(name: str, after: Fields, agreed: Fields) -> tuple[Value, ...]:
    """What the item may hold without anybody having edited it: what was sent, and what the side made of it."""
    return (after.get(name), agreed[name]) if name in agreed else (after.get(name),)


def _clash(side: Side, unit: str, after: Fields, now: Fields, wanted: Mapping[str, Value], rule: str) -> Clash:
    held: Fields = {name: now.get(name) for name in wanted}
    sides = {side: held, side.other: wanted}
    was = {name: after.get(name) for name in wanted}
    return Clash(unit, was, sides[Side.CRM], sides[Side.TARGET], POLICY, side, rule)
