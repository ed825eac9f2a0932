"""What a pass did or would do, as a value: counts for machines, change lines for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from runner.engine.decide import Decided
from runner.engine.subject import Failure
from runner.model.errors import ExsyncError
from runner.model.terms import Operation
from runner.reconcile.decision import Change
from runner.reconcile.guards import Trip

SHOWN = 1000
"""Changes of one pass that are kept for display; all of them are in the ledger."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One change as people see it."""

    title: str
    crm_key: str | None
    target_key: str | None
    change: Change


@dataclass(slots=True)
class PassReport:
    """The outcome of one pass over one link."""

    link: str
    counts: Counter[str] = field(default_factory=Counter)
    """``crm.create``, ``target.update``, ``conflict``, ``quarantined``, ``detached`` … → how many."""
    shown: list[Shown] = field(default_factory=list)
    conflicts: list[tuple[str, Decided]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    trips: tuple[Trip, ...] = ()
    error: ExsyncError | None = None
    skipped: str | None = None
    seconds: float = 0.0

    @property
    def writes(self) -> int:
        """Writes to either side (done, or planned in a rehearsal)."""
        return sum(n for name, n in self.counts.items() if name.partition(".")[2] in set(Operation))

    @property
    def exit_code(self) -> int:
        """0 done, 4 a guard stopped something, else the error's own."""
        if self.error is not None:
            return self.error.exit_code
        return 4 if self.trips else 0

    def note(self, item: Decided, change: Change) -> None:
        """Count a change and keep it for display while there is room."""
        self.counts[f"{change.side}.{change.operation}"] += 1
        if len(self.shown) < SHOWN:
            self.shown.append(Shown(item.title, item.subject.crm_key, item.subject.target_key, change))

    def note_conflicts(self, item: Decided) -> None:
        """Count the conflicts and the reported drift of an item."""
        if item.decision.drift:
            self.counts["drift"] += 1
        for clash in item.decision.clashes:
            self.counts["conflict" if clash.winner else "held"] += 1
            if len(self.conflicts) < SHOWN:
                self.conflicts.append((clash.unit or "edit against delete", item))
