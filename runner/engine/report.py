"""What a pass did or would do, as a value: counts for machines, and the change set that people read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime

from runner.engine.decide import Decided
from runner.engine.subject import Failure
from runner.model.errors import ExsyncError
from runner.model.meetings import SPENT, Mail, MailStatus
from runner.model.state import Pairing
from runner.model.terms import Operation, Side
from runner.reconcile.changeset import Clashing, LinkChanges, Noted
from runner.reconcile.decision import Change
from runner.reconcile.fingerprint import fingerprint
from runner.reconcile.guards import Trip
from runner.reconcile.ordering import Label, Planned, called

SHOWN = 1000
"""Changes of one pass that are kept for display; all of them are counted, and every write is in the ledger."""


def label_of(item: Decided) -> Label:
    """What people know an item by."""
    return Label(item.title, item.subject.crm_key, item.subject.target_key)


@dataclass(slots=True)
class PassReport:
    """The outcome of one pass over one link. ``counts``: ``crm.create``, ``target.update``, ``conflict``, ``held``,
    ``quarantined``, ``deferred``, ``unknown``, ``detached``, ``drift``, ``left``, ``matched``, ``mail`` and
    ``mail_held`` (people), ``candidate.more``, ``candidate.less`` and ``candidate.failed`` (:mod:`runner.engine.shadow`) →
    how many."""

    link: str
    known: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    changes: list[Planned] = field(default_factory=list)
    clashes: list[Clashing] = field(default_factory=list)
    detached: list[Noted] = field(default_factory=list)
    drifted: list[Noted] = field(default_factory=list)
    left: list[Noted] = field(default_factory=list)
    """What an errand could not do, and why: those items stay as they are."""
    failures: list[Failure] = field(default_factory=list)
    prints: dict[str, str] | None = None
    """Of a rehearsal: the fingerprint of every change, with a word about it; None: nobody asks."""
    trips: tuple[Trip, ...] = ()
    error: ExsyncError | None = None
    skipped: str | None = None
    stopped: str | None = None
    """Why the candidate by which the link ran runs no more."""
    seconds: float = 0.0
    again_at: datetime | None = None
    """When an errand goes on whose slice has ended; None: it has come to its end."""
    goes_on: bool = False
    """A first sync that grows (B-71) has come to its next window, and may go on with it at once."""

    @property
    def writes(self) -> int:
        """Writes to either side (done, or planned in a rehearsal)."""
        return sum(self.counts[f"{side}.{operation}"] for side in Side for operation in Operation)

    @property
    def exit_code(self) -> int:
        """0 done, 4 a guard stopped something, else the error's own."""
        if self.error is not None:
            return self.error.exit_code
        return 4 if self.trips else 0

    def joined(self, later: PassReport) -> PassReport:
        """This slice of an errand, and the later one, as one report."""
        shown = ("changes", "clashes", "detached", "drifted", "left", "failures")
        lists = {name: (getattr(self, name) + getattr(later, name))[:SHOWN] for name in shown}
        known = {(trip.code, trip.operation) for trip in later.trips}
        trips = later.trips + tuple(trip for trip in self.trips if (trip.code, trip.operation) not in known)
        return replace(
            later, counts=self.counts + later.counts, trips=trips, seconds=self.seconds + later.seconds, **lists
        )

    def note_change(self, item: Decided, change: Change) -> None:
        """Count a change and keep it for display while there is room."""
        self.counts[f"{change.side}.{change.operation}"] += 1
        if self.prints is not None:
            planned = Planned(label_of(item), change)
            self.prints[fingerprint(self.link, planned)] = f"{change.operation} {change.side} {item.title}"
        if len(self.changes) < SHOWN:
            self.changes.append(Planned(label_of(item), change))

    def note_mail(self, mail: Mail) -> None:
        """Count whom a mail tells, or would tell once it is released."""
        if mail.status in SPENT:
            self.counts["mail"] += mail.addressees
        elif mail.status is MailStatus.HELD:
            self.counts["mail_held"] += mail.addressees

    def note_decision(self, item: Decided) -> None:
        """Count the conflicts, the drift and the detaching of an item."""
        decision = item.decision
        self.note_clashes(item)
        if decision.drift:
            self.counts["drift"] += 1
            self.drifted.append(Noted(label_of(item), f"edited on the read-only side: {', '.join(decision.drift)}"))
        if decision.detach:
            self._note_detached(label_of(item), decision.detach)

    def note_clashes(self, item: Decided) -> None:
        """Count the conflicts of an item."""
        for clash in item.decision.clashes:
            self.counts["held" if clash.held else "conflict"] += 1
            if len(self.clashes) < SHOWN:
                self.clashes.append(Clashing(label_of(item), clash))

    def note_left(self, label: Label, reason: str) -> None:
        """Count an item that an errand leaves as it is."""
        self.counts["left"] += 1
        if len(self.left) < SHOWN:
            self.left.append(Noted(label, reason))

    def note_detached(self, pairing: Pairing, reason: str) -> None:
        """Count a pair that is left alone from now on."""
        title = called(pairing.base.crm if pairing.base else {})
        self._note_detached(Label(title, pairing.crm_key, pairing.target_key), reason)

    def _note_detached(self, label: Label, reason: str) -> None:
        self.counts["detached"] += 1
        if len(self.detached) < SHOWN:
            self.detached.append(Noted(label, reason))

    def as_changes(self) -> LinkChanges:
        """The change set of this link."""
        message = str(self.error) if self.error else self.skipped
        return LinkChanges(
            link=self.link,
            known=self.known,
            changes=tuple(self.changes),
            clashes=tuple(self.clashes),
            detached=tuple(self.detached),
            drifted=tuple(self.drifted),
            left=tuple(self.left),
            quarantined=tuple(_failed(failure) for failure in self.failures[:SHOWN]),
            trips=self.trips,
            counts=dict(self.counts),
            error=message,
            remedy=self.error.remedy if self.error else None,
        )


def _failed(failure: Failure) -> Noted:
    crm = failure.key if failure.side is Side.CRM else None
    target = failure.key if failure.side is Side.TARGET else None
    return Noted(Label(f"({failure.side} item)", crm, target), f"{failure.error.code}: {failure.error}")
