"""How one unit merges: what each side changed since its own base, who may write whom, and who wins.

A side **changed** a unit when any of its fields differs from that side's own base. A unit is **disputed** in the fields
in which the sides differ and at least one of them changed; fields that differ as they did when they were last agreed (a
target that cuts long text, an equivalent zone name) are not. A unit **flows** to a side when its direction writes that
side and updates are not denied there. Without an agreed base for all of a unit's fields nobody knows who changed what:
what is equal is agreed, what differs counts as changed on both sides, but a side that is empty has said nothing yet: it
is filled (B-72).

*Choices where the rule book is silent*

- A unit that drifted (edited on its read-only side) and is left so keeps its base. It stays visible as drift, is reverted
  as soon as ``on_drift`` says so, and flows as an ordinary edit should its direction ever be widened. The same holds
  for a unit that may flow nowhere.
- When the authority of a one-way unit changes too, the whole unit is the authority's again: units are one fact.
- An operator's settlement applies while the sides are in dispute, or hold other than his values. Whatever it overwrites
  is in the clash, like the loser of any other conflict.

- A snapshot (``giver``) also ends differences that were agreed. Only what the receiving side changed itself is a conflict; a
  unit that may not flow to the receiving side is ruled as in any pass.

- A local start means something only in its zone: where it would be another moment in the loser's zone, the zone goes along.
  Another name of the same zone stays as it is.

Units are disjoint: no record field belongs to two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from runner.model.moments import moment_at
from runner.model.record import Fields, Value
from runner.model.state import Base
from runner.model.terms import ConflictPolicy, OnDrift, Operation, Side
from runner.reconcile.decision import Clash, Presented, Settlement
from runner.reconcile.rules import ItemRules, Unit

SNAPSHOT = "snapshot"
"""The policy of conflicts that a snapshot decides."""
PLACES: Mapping[Side, str] = {Side.CRM: "in the CRM", Side.TARGET: "on the target"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one unit stands on both sides. ``base`` is empty per side when the unit is not ``known``."""

    unit: Unit
    known: bool
    base: Mapping[Side, dict[str, Value]]
    now: Mapping[Side, dict[str, Value]]
    changed: Mapping[Side, bool]
    disputed: tuple[str, ...]
    flows: tuple[Side, ...]

    @classmethod
    def of(cls, unit: Unit, base: Base | None, sides: Mapping[Side, Fields], rules: ItemRules) -> Standing:
        """Look at one unit."""
        known = base is not None and all(name in base.crm and name in base.target for name in unit.fields)
        now = {side: {name: sides[side].get(name) for name in unit.fields} for side in Side}
        was = {side: {name: base.of(side)[name] for name in unit.fields} if base and known else {} for side in Side}
        flows = tuple(s for s in Side if unit.direction.writes(s) and rules.may(Operation.UPDATE, s))
        given = rules.giver is not None and rules.giver.other in flows
        moved = {
            name for side in Side for name in unit.fields if given or not known or now[side][name] != was[side][name]
        }
        return cls(
            unit=unit,
            known=known,
            base=was,
            now=now,
            changed={
                side: now[side] != was[side] if known else any(value is not None for value in now[side].values())
                for side in Side
            },
            disputed=tuple(
                name for name in unit.fields if name in moved and now[Side.CRM][name] != now[Side.TARGET][name]
            ),
            flows=flows,
        )


@dataclass(frozen=True, slots=True)
class Ruling:
    """What happens to one unit. ``keep_base``: nothing was agreed, its base stays as it was."""

    writes: Mapping[Side, dict[str, Value]] = field(default_factory=dict)
    reason: str = ""
    clash: Clash | None = None
    keep_base: bool = False
    drifted: bool = False


def rule_unit(
    standing: Standing, sides: Mapping[Side, Presented], rules: ItemRules, settlement: Settlement | None
) -> Ruling:
    """The case analysis (B-60, B-61, B-5); the first case that fits decides."""
    changed, flows = standing.changed, standing.flows

    # An operator gave values for both sides: they are written wherever the unit flows (B-62).
    if settlement is not None and settlement.values is not None:
        return _imposed(standing, settlement.values)

    # Nothing to settle: equal, or different only as it was when last agreed.
    if not standing.disputed:
        return Ruling()

    # A snapshot: the giving side's values, whoever changed what (B-70).
    if rules.giver is not None and rules.giver.other in flows:
        return _given(standing, rules.giver)

    # An operator took a side: it wins, whoever changed what.
    if settlement is not None and settlement.take is not None:
        clash = _clash(standing, settlement.take, settled=True)
        return _carried(standing, settlement.take, f"settled by the operator: {settlement.take}", clash)

    # It may flow nowhere: remembered as it was agreed, until it may.
    if not flows:
        return Ruling(keep_base=True)

    # One way: the authority's changes are written; edits of the read-only side are drift (B-5).
    if len(flows) == 1:
        authority = flows[0].other
        if changed[authority]:
            return _carried(standing, authority, _changed_there(standing, authority))
        if rules.on_drift is OnDrift.REVERT:
            return _carried(standing, authority, f"edited {PLACES[flows[0]]}, which is read-only: reverted")
        return Ruling(keep_base=True, drifted=True)

    # Both ways, one side changed: carried over.
    if not (changed[Side.CRM] and changed[Side.TARGET]):
        winner = Side.CRM if changed[Side.CRM] else Side.TARGET
        return _carried(standing, winner, _changed_there(standing, winner))

    # Both ways, both changed, to different values: a conflict. The policy decides, or the unit is held on both sides.
    chosen = _winner(standing.unit.conflict, sides, rules.clock_tolerance)
    clash = _clash(standing, chosen)
    if chosen is None:
        return Ruling(clash=clash, keep_base=True)
    return _carried(standing, chosen, f"conflict: {standing.unit.conflict}, {chosen} won", clash)


def _winner(policy: ConflictPolicy, sides: Mapping[Side, Presented], tolerance: float) -> Side | None:
    """Who wins a conflict (B-61). Two machines' clocks decide only when they differ by more than the tolerance."""
    if policy is ConflictPolicy.MANUAL:
        return None
    if policy is ConflictPolicy.TARGET_WINS:
        return Side.TARGET
    if policy is ConflictPolicy.NEWEST_WINS:
        crm, target = sides[Side.CRM].modified, sides[Side.TARGET].modified
        if crm is not None and target is not None and (target - crm).total_seconds() > tolerance:
            return Side.TARGET
    return Side.CRM


def _carried(standing: Standing, winner: Side, reason: str, clash: Clash | None = None) -> Ruling:
    """The winner's disputed fields written on the other side, where the unit flows there."""
    loser = winner.other
    if loser not in standing.flows:
        return Ruling(clash=clash)
    now = standing.now
    names = set(standing.disputed)
    if "start" in names and _is_misread(now[winner], now[loser]):
        names.add("time_zone")
    return Ruling({loser: {n: now[winner][n] for n in standing.unit.fields if n in names}}, reason, clash)


def _given(standing: Standing, giver: Side) -> Ruling:
    """The giver's values on the other side; what that side changed itself is kept as the losing value."""
    clash = replace(_clash(standing, giver), policy=SNAPSHOT) if standing.changed[giver.other] else None
    return _carried(standing, giver, f"snapshot: as it stands {PLACES[giver]}", clash)


def _is_misread(winner: Fields, loser: Fields) -> bool:
    """Whether the winner's local start would be another moment in the loser's zone (B-46)."""
    start, zone, other = winner.get("start"), winner.get("time_zone"), loser.get("time_zone")
    if zone == other or "time_zone" not in winner:
        return False
    if not isinstance(start, str) or not isinstance(zone, str) or not isinstance(other, str):
        return True
    return moment_at(start, zone) != moment_at(start, other)


def _imposed(standing: Standing, values: Fields) -> Ruling:
    """An operator's values written on every side that holds other ones and may be written."""
    wanted = {name: values[name] for name in standing.unit.fields if name in values}
    writes = {
        side: {name: value for name, value in wanted.items() if value != standing.now[side][name]}
        for side in standing.flows
    }
    if not any(writes.values()) and not standing.disputed:
        return Ruling()
    return Ruling(writes, "settled by the operator: values given", _clash(standing, None, settled=True))


def _clash(standing: Standing, winner: Side | None, *, settled: bool = False) -> Clash:
    """The conflict as it is recorded; its base is the CRM's, which no target has cut."""
    return Clash(
        unit=standing.unit.name,
        base=standing.base[Side.CRM] if standing.known else None,
        crm=standing.now[Side.CRM],
        target=standing.now[Side.TARGET],
        policy=standing.unit.conflict,
        winner=winner,
        rule=standing.unit.rule,
        settled=settled,
    )


def _changed_there(standing: Standing, side: Side) -> str:
    """The reason of an ordinary write."""
    return f"changed {PLACES[side]}" if standing.known else f"never agreed: as it stands {PLACES[side]}"
