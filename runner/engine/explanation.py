"""An explanation as a value: what is known about one item of one link, or about one user's links."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from runner.config.plan import LinkPlan
from runner.model.meetings import Mail
from runner.model.state import Conflict, LedgerEntry, Mark, Pairing, Quarantined
from runner.reconcile.decision import Change
from runner.reconcile.guards import Gauge

SHOWN = 10
"""Entries of the ledger that are shown of an item."""


@dataclass(frozen=True, slots=True)
class SideView:
    """One side of an item as it is now. ``state`` is present, absent, or why it could not be read; ``known`` is the version
    that was last agreed."""

    key: str | None
    state: str
    version: str | None = None
    known: str | None = None
    modified: datetime | None = None
    masked: bool = False


@dataclass(frozen=True, slots=True)
class UnitView:
    """One unit: its fields with (base CRM, base target, CRM, target), what becomes of it, and the rule that says so."""

    name: str
    fields: tuple[tuple[str, tuple[object, object, object, object]], ...]
    outcome: str
    rule: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one item of one link. ``outcome`` is the whole in a sentence, ``reasons`` what stands behind it."""

    link: LinkPlan
    title: str
    crm: SideView
    target: SideView
    pairing: Pairing | None
    outcome: str
    reasons: tuple[str, ...] = ()
    units: tuple[UnitView, ...] = ()
    changes: tuple[Change, ...] = ()
    gauges: tuple[Gauge, ...] = ()
    mails: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    noted: tuple[Mail, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class UserView:
    """One link of a user: where it stands, and why it does not run when it does not."""

    link: LinkPlan
    owner: str | None
    condition: str
    hindrance: str | None
    reason: str | None
    last_pass: datetime | None
    pairs: int
    waiting: int
    quarantined: tuple[Quarantined, ...]
    conflicts: int
    ledger: tuple[LedgerEntry, ...]


@dataclass(slots=True)
class Answer:
    """What is known about a word. ``unasked`` counts links that were not searched, ``more`` items beyond those shown."""

    items: list[Explanation] = field(default_factory=list)
    users: list[UserView] = field(default_factory=list)
    unasked: int = 0
    more: int = 0
