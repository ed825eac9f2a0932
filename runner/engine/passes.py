"""One pass of one link: observe both sides, then work off the dirty marks step by step.

A rehearsal runs the very same code without writing: ``plan`` shows it, and a large pass uses it to know its totals before
anything is written, so that a guard can stop it whole (B-101).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from runner.config.plan import LinkPlan
from runner.engine.aside import Aside
from runner.engine.decide import Decided, Verdicts, decide, wanted_by
from runner.engine.gather import gather
from runner.engine.growth import Growth
from runner.engine.guarding import guarded
from runner.engine.loops import unlooped
from runner.engine.mailing import RETRY
from runner.engine.match import both_sides_hold, match, nothing_pairs, pair_ahead
from runner.engine.meaning import meaning_of
from runner.engine.meetings import look
from runner.engine.observe import observe_crm, observe_target
from runner.engine.parts import STEP, Parts, ref_of
from runner.engine.report import PassReport, label_of
from runner.engine.sending import Outcome, interrupted
from runner.engine.settle import Spot, settle
from runner.engine.subject import Failure, Gathered
from runner.engine.write import Writer
from runner.model.errands import Errand
from runner.model.errors import (
    AccessDenied,
    AuthRefused,
    ContainerGone,
    ExsyncError,
)
from runner.model.lifecycle import LinkEvent, next_condition
from runner.model.meetings import Mail
from runner.model.state import Commit, LinkCondition, LinkState, Mark, PairingStatus, Resolution, RunRecord
from runner.model.terms import Operation, Side
from runner.reconcile.fingerprint import fingerprint
from runner.reconcile.guards import Trip
from runner.reconcile.ordering import Planned

ROUNDS = 3
"""Rounds over marks that came up during the pass itself: versions that moved, records that were adopted."""
Progress = Callable[[str, int, int], None]
"""(link, marks done, marks due) → None. What is decided before anything is written goes by a name with :data:`COUNTED`."""
COUNTED = "counted first"


@dataclass(frozen=True, slots=True)
class Orders:
    """How a pass shall run."""

    run: str
    rehearse: bool = False
    allowed: frozenset[Operation] = frozenset()
    """Operations whose guards the operator lifted for this once."""
    progress: Progress | None = None
    stopping: Callable[[], bool] | None = None
    """Asked between two steps and before each write to the target: True ends the pass there, with everything before it
    committed."""
    only: frozenset[str] | None = None
    """Fingerprints of the changes that may be made (``reconcile.fingerprint``); None: all."""
    pause: Callable[[float], object] | None = None
    """Waits for so many seconds; for errands that go slowly."""
    errand: Errand | None = None
    """What is to be done instead of a pass."""
    keeps: bool = False
    """A snapshot may end before its end: how far it has come is kept, and it goes on there in a later turn."""
    asked_at: datetime | None = None
    """When the pass was first wished for."""
    beside: Callable[[Sequence[Mark], Verdicts, PassReport], None] | None = None
    """Shown what was made of each step's marks, before anything is written for them."""


def run_pass(parts: Parts, link: LinkPlan, owner: str | None, orders: Orders) -> PassReport:
    """One pass. Expected faults end up in the report, with everything before them committed.

    A rehearsing pass commits observations like any other: its caller wraps it in ``store.rehearsal()``.
    """
    return Pass(parts, link, owner, orders).run()


class Pass:
    """One pass of one link. What is not a pass of its own kind but goes the same way (a snapshot) derives from it."""

    def __init__(self, parts: Parts, link: LinkPlan, owner: str | None, orders: Orders) -> None:
        self.parts, self.link, self.orders = parts, link, orders
        self.store = parts.store
        self.ref, self.meaning = ref_of(link, owner), meaning_of(link)
        self.report = PassReport(link.name, prints={} if orders.rehearse else None)
        self.aside = Aside(self.store, self.report)
        self.state = self.store.link(link.name)
        self.relist = self.unmatched = False
        self.barred: frozenset[Operation] = frozenset()
        self.started = parts.clock.now()
        self.done = 0
        self.resolutions: dict[str, list[Resolution]] = {}
        self.writer = Writer(parts, link, self.ref, orders.run, self.resolutions)
        self.writer.stopping = orders.stopping
        self.planned: Counter[Operation] = Counter()
        self.waiting: frozenset[Spot] = frozenset()
        self.growth = Growth(self.store, parts.clock, link)

    def run(self) -> PassReport:
        """Go through with it. Expected faults end up in the report, with everything before them committed."""
        begun = self.parts.clock.monotonic()
        try:
            self.waiting = settle(self.parts, self.link, self.ref, self.orders.run)
            self._observe()
            self.report.known = self.store.count(self.link.name)
            self.unmatched = not self.report.known and nothing_pairs(self.parts, self.link)
            if self.state.matched:  # else the folder was not read to its end, and what it holds would be made again
                self._work()
            if self.orders.rehearse:
                self._bar(self._assess(self.planned))
                if held := self.writer.mailroom.held():  # also where the marks are not due: they wait for a person
                    self.report.counts["mail_held"] = max(held, self.report.counts["mail_held"])
        except ExsyncError as error:
            self.report.error = error
            self.state = self.store.link(self.link.name)  # what was read of the feed before the fault is not read again
        self.report.seconds = self.parts.clock.monotonic() - begun
        self._finish()
        return self.report

    def _observe(self) -> None:
        self.state = self.growth.resume(self.state)
        self.relist = bool(self.state.mapping_digest) and self.state.mapping_digest != self.meaning
        self.writer.mailroom.growing = bool(self.growth)
        self.writer.mailroom.first = self.relist or self.state.condition is LinkCondition.NEW
        if self.relist and self.state.listed:
            self.state = replace(self.state, listed=False, target_watermark=None, target_complete=False)
        if not self.state.listed:
            self.state = observe_crm(self.parts, self.ref, self.state)
        self.state = observe_target(self.parts, self.ref, self.state, self.link.rules.direction)
        self._match()

    def _match(self) -> None:
        """Before the first writes of a link: what is already on both sides is paired, never created again."""
        if self.state.matched or not self.state.target_complete:
            return
        until = self.store.last_mark(self.link.name)
        if both_sides_hold(self.parts, self.link.name):
            self.report.counts["matched"] += match(self.parts, self.link, self.ref, until)
        self.state = replace(self.state, matched=True)
        self.store.commit(Commit(links=(self.state,)))

    def _work(self) -> None:
        for entry in self.store.resolutions(self.link.name):
            self.resolutions.setdefault(entry.crm_key or "", []).append(entry)
        last = again = 0
        for _ in range(ROUNDS):
            until = self.store.last_mark(self.link.name)
            if until <= last and not again:
                return
            counts = self.store.mark_counts(self.link.name, self.started)
            if not counts.due:
                return
            if counts.due > STEP and len(counts.sides) > 1 and not last:
                pair_ahead(self.parts, self.link, self.ref, until)
            if counts.due > STEP and not self.orders.rehearse and self._may_trip(counts.due):
                self._rehearse(0 if again else last, until, counts.due)
            # What moved under a write keeps the mark it had: it is looked at again from the first mark on (B-64).
            again = self._round(0 if again else last, until, counts.due)
            last = until
            if not again or self.report.failures:
                return

    def _may_trip(self, due: int) -> bool:
        """Whether any guard could stop this pass at all, judged by what it may touch at most."""
        paired = self.store.paired_marks(self.link.name, self.started)
        bounds = {Operation.CREATE: due, Operation.UPDATE: paired, Operation.DELETE: paired}
        return bool(self._assess(bounds))

    def _assess(self, wanted: Mapping[Operation, int]) -> tuple[Trip, ...]:
        return guarded(
            self.parts,
            self.link,
            self.orders.run,
            wanted,
            self.report.known,
            self.orders.allowed,
            unmatched=self.unmatched,
            rewriting=self.relist,
            errand=self.orders.errand,
        )

    def _rehearse(self, after: int, until: int, due: int) -> None:
        """Decide everything without writing, to know the totals."""
        wanted: Counter[Operation] = Counter()
        looked = 0
        self.growth.begin()
        for marks in self._pages(after, until):
            _, verdicts = self._decide(marks)
            wanted.update(wanted_by(verdicts))
            looked += len(marks)
            if self.orders.progress:
                self.orders.progress(f"{self.link.name}, {COUNTED}", looked, due)
        self._bar(self._assess(wanted))

    def _bar(self, trips: Sequence[Trip]) -> None:
        known = {(trip.code, trip.operation) for trip in self.report.trips}
        self.report.trips += tuple(trip for trip in trips if (trip.code, trip.operation) not in known)
        self.barred |= {trip.operation for trip in trips}

    def _pages(self, after: int, until: int) -> Iterable[Sequence[Mark]]:
        while marks := self.store.marks(self.link.name, after=after, until=until, limit=STEP, now=self.started):
            if self.orders.stopping and self.orders.stopping():
                raise interrupted()
            after = marks[-1].seq
            yield marks

    def _round(self, after: int, until: int, due: int) -> int:
        again = 0
        whole = due <= STEP
        self.growth.begin()
        for marks in self._pages(after, until):
            again += self._step(marks, whole)
            self.done += len(marks)
            if self.orders.progress:
                self.orders.progress(self.link.name, self.done, due)
        return again

    def _decide(self, marks: Sequence[Mark]) -> tuple[Gathered, Verdicts]:
        marks = [mark for mark in marks if (mark.side, mark.key) not in self.waiting] if self.waiting else marks
        forced = None if self.relist else self.resolutions.keys()
        gathered = gather(self.parts, self.ref, marks, forced)
        meetings = look(self.parts, self.link, self.ref, gathered.subjects)
        verdicts = decide(self.link, gathered.subjects, self.parts.clock.now(), self.resolutions, meetings)
        return gathered, self.growth.held_back(verdicts)

    def _step(self, marks: Sequence[Mark], whole: bool) -> int:
        gathered, verdicts = self._decide(marks)
        if self.orders.beside:
            self.orders.beside(marks, verdicts, self.report)
        if self.orders.rehearse:
            self.planned.update(wanted_by(verdicts))
        elif whole:
            self._bar(self._assess(Counter(wanted_by(verdicts))))
        free = [item for item in verdicts.decided if not (self.barred and self._is_barred(item))]
        free = self._approved(free)
        free, looping = unlooped(self.store, self.link, free, self.parts.clock.now())
        for item in free:
            self.report.note_decision(item)
        outcome = self._rehearsed(free) if self.orders.rehearse else self.writer.carry_out(free)
        for entry in outcome.done:
            self.report.note_change(entry.item, entry.change)
        for mail in outcome.mails:
            self.report.note_mail(mail)
        failures = [*gathered.failures, *verdicts.failures, *looping, *outcome.failures]
        self._commit(marks, gathered, verdicts, outcome, failures)
        for item in free if self.resolutions else ():
            if any(entry.conflict in outcome.commit.resolved for entry in self.writer.disputes.of(item)):
                self.resolutions.pop(item.subject.crm_key or "", None)
        if outcome.stop:
            raise outcome.stop
        return outcome.again

    def _approved(self, items: list[Decided]) -> list[Decided]:
        """Those items whose every change stands in the plan that was approved; the others keep their marks."""
        only = self.orders.only
        if only is None:
            return items
        free = []
        for item in items:
            label = label_of(item)
            if all(fingerprint(self.link.name, Planned(label, change)) in only for change in item.decision.changes):
                free.append(item)
            else:
                self.report.note_left(label, "not in the plan: left for the next pass")
        return free

    def _is_barred(self, item: Decided) -> bool:
        if item.subject.departed and Operation.DELETE in self.barred:
            return True
        return any(change.operation in self.barred for change in item.decision.changes)

    def _rehearsed(self, items: Sequence[Decided]) -> Outcome:
        """Nothing is written: note what would be, and let the marks go so that each is shown once."""
        now, mailroom = self.parts.clock.now(), self.writer.mailroom
        mailroom.open()
        mails: list[Mail] = []
        for item in items:
            for change in item.decision.changes:
                self.report.note_change(item, change)
                _, _, mail = mailroom.judge(item, change, now)
                mails += [mail] if mail else []
        return Outcome(Commit(settled=tuple(mark for item in items for mark in item.subject.marks)), mails=mails)

    def _commit(
        self,
        marks: Sequence[Mark],
        gathered: Gathered,
        verdicts: Verdicts,
        outcome: Outcome,
        failures: Sequence[Failure],
    ) -> None:
        now = self.parts.clock.now()
        by_seq = {mark.seq: mark for mark in marks}
        settled = {*gathered.settled, *verdicts.ignored, *outcome.commit.settled}
        pairings = {p.id: p for p in (*gathered.rebound, *gathered.detached)}
        for pairing in gathered.detached:
            self.report.note_detached(pairing, pairing.reason or "")
        for subject, reason in (*verdicts.detached, *outcome.detached):
            settled.update(subject.marks)
            if subject.pairing:
                self.report.note_detached(subject.pairing, reason)
                pairings[subject.pairing.id] = replace(subject.pairing, status=PairingStatus.DETACHED, reason=reason)
        made = [pairing for pairing in outcome.commit.pairings if not pairing.id]
        pairings |= {pairing.id: pairing for pairing in outcome.commit.pairings if pairing.id}
        unpaired = (*outcome.commit.unpaired, *gathered.forgotten)
        for ended in unpaired:
            pairings.pop(ended, None)
        late, quarantined = self.aside.put(failures, by_seq, now)
        quarantined = (*self.aside.told(verdicts.noted, now), *quarantined)
        settled.update(seq for failure in failures for seq in failure.marks)
        waiting = [(seq, now + RETRY) for seq in outcome.held]
        parked = [replace(by_seq[seq], due=due) for seq, due in (*verdicts.parked, *waiting) if seq in by_seq]
        released: tuple[tuple[str, Side, str], ...] = ()
        if self.aside:
            places = {(by_seq[seq].side, by_seq[seq].key) for seq in settled if seq in by_seq}
            # A pair was set aside under one of its keys, whichever side its marks are on now.
            subjects = [item.subject for item in verdicts.decided] + [subject for subject, _ in verdicts.detached]
            for subject in subjects:
                if settled.issuperset(subject.marks):
                    places |= {(Side.CRM, subject.crm_key or ""), (Side.TARGET, subject.target_key or "")}
            failed = {(q.side, q.key) for q in quarantined}
            released = tuple((self.link.name, side, key) for side, key in sorted(places - failed))
        self.store.commit(
            replace(
                outcome.commit,
                settled=tuple(settled),
                pairings=(*pairings.values(), *made),
                unpaired=unpaired,
                marks=(*late, *parked, *self._created(outcome)),
                quarantined=quarantined,
                released=released,
            )
        )

    def _created(self, outcome: Outcome) -> Iterable[Mark]:
        """What must be read once more.

        Items made on the target lie behind the watermark's back: one that its user deletes before the next pass has read
        the feed is in no feed, since the server only reports deletes of items that the watermark has seen. So the next
        pass reads them, not this one. Copies need a record of their own, in this pass.
        """
        next_pass = self.started + timedelta(microseconds=1)
        for entry in outcome.done:
            change, result = entry.change, entry.result
            if change.side is Side.TARGET and change.operation is Operation.CREATE and result and result.key:
                yield Mark(self.link.name, Side.TARGET, result.key, due=next_pass)
        for key in outcome.copies:
            yield Mark(self.link.name, Side.TARGET, key)

    @property
    def _waited(self) -> float | None:
        asked = self.orders.asked_at
        return None if asked is None else max(0.0, (self.started - asked).total_seconds())

    def _finish(self) -> None:
        """Record what this pass was: a run when it had an effect or failed, a heartbeat otherwise."""
        now, report = self.parts.clock.now(), self.report
        refused = isinstance(report.error, AuthRefused | AccessDenied | ContainerGone)
        event = LinkEvent.REFUSED if refused else LinkEvent.PASSED
        condition = next_condition(self.state.condition, event)
        reason = str(report.error) if report.error else (str(report.trips[0]) if report.trips else None)
        # What a guard kept from being rewritten is decided once more, until an operator has allowed it.
        undone = report.error or (self.relist and report.trips)
        digest = self.state.mapping_digest if undone else self.meaning
        grown = self.state if self.orders.rehearse else self.growth.ended(self.state, report)
        after: LinkState = replace(grown, condition=condition, reason=reason, mapping_digest=digest)
        effect = report.error or report.trips or any(report.counts.values())
        if after != self.state or effect:
            outcome = "failed" if report.error else "stopped" if report.trips else "done"
            record = RunRecord(
                self.orders.run,
                self.link.name,
                self.started,
                now,
                outcome,
                dict(+report.counts),
                reason,
                report.error.code if report.error else "guard" if report.trips else None,
                self._waited,
            )
            self.store.commit(Commit(links=(replace(after, last_pass=now),), runs=(record,) if effect else ()))
        else:
            self.store.heartbeat(self.link.name, now)
