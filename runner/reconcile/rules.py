"""What a link may do, compiled from YAML once and handed to every decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.model.terms import ConflictPolicy, Direction, EditVsDelete, OnDrift, OnLeave, Operation, Side


@dataclass(frozen=True, slots=True)
class Unit:
    """What merges as one: usually one record field, several when they state one fact together (start, zone, length).

    Detection is per unit; within a unit that one side won, only those fields are carried over which the winner changed
    or whose change on the loser must be undone, so that an equivalent zone name on the other side stays as it is.
    """

    name: str
    fields: tuple[str, ...]
    direction: Direction
    conflict: ConflictPolicy
    rule: str
    """``file:line:column`` of the YAML that decided direction and policy."""


@dataclass(frozen=True, slots=True)
class ItemRules:
    """Rules for the items of one link. A unit's direction is already narrowed by the link's."""

    units: tuple[Unit, ...]
    direction: Direction
    rule: str
    denied: frozenset[tuple[Operation, Side]] = frozenset()
    """Operations that may not be carried out on a side (B-5). Denied deletes detach the pair (B-39)."""
    edit_vs_delete: EditVsDelete = EditVsDelete.EDIT_WINS
    on_drift: OnDrift = OnDrift.IGNORE
    on_leave: OnLeave = OnLeave.DETACH
    clock_tolerance: float = 120.0
    """Seconds within which ``newest_wins`` falls back to ``crm_wins`` (B-61)."""
    giver: Side | None = None
    """During a snapshot: the side whose values the other one gets, whatever was agreed (B-70)."""
    fields: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The record fields of all units, in their order."""
    known: frozenset[str] = field(init=False, repr=False, compare=False)
    """The same, as a set."""
    writable: Mapping[Side, frozenset[str]] = field(init=False, repr=False, compare=False)
    """The record fields that may be written on a side at all."""

    def __post_init__(self) -> None:
        by_side = {
            side: frozenset(name for unit in self.units if unit.direction.writes(side) for name in unit.fields)
            for side in Side
        }
        object.__setattr__(self, "fields", tuple(name for unit in self.units for name in unit.fields))
        object.__setattr__(self, "known", frozenset(self.fields))
        object.__setattr__(self, "writable", by_side)

    def may(self, operation: Operation, side: Side) -> bool:
        """Whether this operation may be carried out on this side at all."""
        return self.direction.writes(side) and not (self.denied and (operation, side) in self.denied)
