"""What ``reconcile`` decides about one item, as data that can be rendered, guarded, stored and carried out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runner.model.quick import quick
from runner.model.record import Fields
from runner.model.state import Base
from runner.model.terms import Operation, Side


@quick
@dataclass(frozen=True, slots=True)
class Presented:
    """One side of an item as it is now: its record fields, or None when positively absent; and when it last changed."""

    values: Fields | None
    modified: datetime | None = None


ABSENT = Presented(None)
"""A side that does not hold the item."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """An operator's decision for one unit (or, with ``unit`` None, for edit against delete): a side, or values."""

    unit: str | None
    take: Side | None
    values: Fields | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an update touches one unit: the fields written for it, the reason, and ``file:line:column`` of the rule."""

    unit: str
    fields: tuple[str, ...]
    reason: str
    rule: str


@quick
@dataclass(frozen=True, slots=True)
class Change:
    """One write that a decision asks for. ``values`` is the whole record that the side shall hold afterwards (empty for
    a delete), ``fields`` what changes in it (all that may be written, on create), ``before`` what it holds now.

    ``verdicts`` say it unit by unit for updates; ``reason`` and ``rule`` sum them up (rules joined by a comma and a
    blank). Creates and deletes are decided as a whole and have no verdicts.
    """

    side: Side
    operation: Operation
    values: Fields
    fields: frozenset[str]
    before: Fields | None
    reason: str
    rule: str
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class Clash:
    """A conflict as found: unit name (None: edit against delete), base, both values, policy and winner.

    ``winner`` None means undecided, unless an operator ``settled`` it by values that neither side held.
    """

    unit: str | None
    base: Fields | None
    crm: Fields | None
    target: Fields | None
    policy: str
    winner: Side | None
    rule: str
    settled: bool = False

    @property
    def held(self) -> bool:
        """Whether nobody has decided yet: both sides stay as they are (B-62)."""
        return self.winner is None and not self.settled


@quick
@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one item.

    ``base`` is the base to keep **if every change succeeds exactly as asked** (None: no pairing remains); the engine
    replaces a written side's base by what that side really holds when it can read it back. It holds the fields of units
    only; a unit that was never agreed (held at its first merge) is absent from it. ``detach`` says why the pair shall
    be left alone from now on (``base`` is then as it was). ``drift`` names units whose read-only side was edited and
    left so (B-5 report). ``purge``: the item became private, and what the state remembers of it is forgotten (B-35).
    """

    changes: tuple[Change, ...] = ()
    clashes: tuple[Clash, ...] = ()
    base: Base | None = None
    detach: str | None = None
    drift: tuple[str, ...] = ()
    purge: bool = False
