"""A snapshot of a link: one side is given what the other holds, of all items or of some (B-70).

It is a pass over pairs instead of marks: read, decided, guarded, written and recorded by the very same steps, with rules in
which the giver's values count. So its writes are conditional, in the ledger, and undone like any others; what the receiving
side had changed itself is a conflict of the policy ``snapshot``, whose losing value can be restored.

What it leaves alone: items outside the window or filter, pairs that are detached (never re-created, B-39), private items as
far as they are private, fields that do not flow that way, and what the receiving side alone holds: it was never shared, so
its absence on the other side is no delete (invariant 2). Marks stay for the next pass, which finds echoes.

Everything is counted before anything is written, so that a guard can stop it whole. In a service it goes by slices
(:mod:`runner.engine.course`), between which the link's ordinary passes have their turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from runner.config.plan import LinkPlan
from runner.engine.course import Course, ended_early
from runner.engine.decide import Decided, Verdicts, decide, wanted_by
from runner.engine.gather import gather
from runner.engine.meaning import meaning_of
from runner.engine.meetings import look
from runner.engine.parts import Parts
from runner.engine.passes import Orders, Pass
from runner.engine.report import PassReport, label_of
from runner.engine.settle import GRACE
from runner.engine.subject import Gathered, Subject
from runner.model.errands import Snapshot
from runner.model.errors import Invalid
from runner.model.headway import Headway, Stage
from runner.model.state import Mark
from runner.model.terms import Operation, Side
from runner.reconcile.ruling import PLACES
from runner.reconcile.selecting import takes


def snapshot(parts: Parts, link: LinkPlan, owner: str | None, orders: Orders, errand: Snapshot) -> PassReport:
    """Give the other side of this link what ``errand`` asks for. Expected faults end up in the report."""
    at = None if orders.rehearse else parts.store.headway(link.name)
    reason = None if at is None else _another(at, orders)
    if reason is None:
        reason = _unfit(parts, link, errand)
        if reason is not None and at is not None and at.run == orders.run:
            ended_early(parts.store, at, parts.clock.now(), reason)
    if reason is not None:
        return PassReport(link.name, skipped=reason)
    return _Snapshot(parts, link, owner, orders, errand).run()


def _another(at: Headway, orders: Orders) -> str | None:
    """Why this one cannot begin, or go on: another is under way, or it has been ended."""
    if at.run == orders.run:
        return None if at.finished is None else at.reason or "it has come to its end"
    if at.finished is not None:
        return None
    far = f"{at.done:,} of {at.due:,} items, begun {at.started:%Y-%m-%d %H:%M} UTC"
    return f"a snapshot of it is under way ({far}): wait for its end, or `exsync snapshot stop` it"


def _unfit(parts: Parts, link: LinkPlan, errand: Snapshot) -> str | None:
    """Why there can be no snapshot of this link now."""
    state, receiver = parts.store.link(link.name), errand.giver.other
    if not link.rules.direction.writes(receiver):
        return f"its direction is {link.rules.direction} ({link.rules.rule}): nothing may be written {PLACES[receiver]}"
    if not state.matched:
        return "it has not had its first sync, which pairs what is on both sides: `exsync apply` first"
    if state.step:
        return "its first sync still grows: `exsync status` shows how far it is"
    if state.mapping_digest != meaning_of(link):
        return "its mapping or settings have changed since its last pass: `exsync apply` first"
    return None


class _Snapshot(Pass):
    def __init__(self, parts: Parts, link: LinkPlan, owner: str | None, orders: Orders, errand: Snapshot) -> None:
        given = replace(link, rules=replace(link.rules, giver=errand.giver))
        super().__init__(parts, given, owner, orders)
        self.errand = errand
        self.course = Course(parts, given, self.ref, orders, errand)
        self.started = self.course.at.started
        self.writer.mailroom.snapshot = True
        self.writer.stopping = None  # a page is given whole: how far the snapshot has come is counted in pages
        self.kept: list[Decided] = []
        """Items of the step whose delete was not asked for."""

    def _observe(self) -> None:
        """Nothing: what both sides hold is read, whatever their feeds say."""

    def _work(self) -> None:
        course = self.course
        if course.kept and self.waiting:
            course.wait(self.parts.clock.now() + GRACE, "writes without an answer are settled first", {})
            return
        if course.kept and course.at.stage is Stage.GIVING:
            self._bar(self._assess(course.remaining()))
        while course.at.stage is not Stage.DONE:
            counting = course.at.stage is Stage.COUNTING
            for page in course.pages():
                # No marks of the state: what may be in it about these items stays there.
                marks = [
                    Mark(self.link.name, self.errand.giver, key, seq=-n) for n, key in enumerate(page.keys, start=1)
                ]
                wanted, again = (self._counted(marks), 0) if counting else ({}, self._step(marks, whole=True))
                if not course.advance(page, self.report.counts, again, wanted):
                    return
            course.through(failures=bool(self.report.failures))
            if counting:
                self._bar(self._assess(course.remaining()))

    def _counted(self, marks: Sequence[Mark]) -> Mapping[str, int]:
        _, verdicts = self._decide(marks)
        return Counter(operation.value for operation in wanted_by(verdicts))

    def _finish(self) -> None:
        course, error = self.course, self.report.error
        if course.halted:
            self.report.skipped = "it was stopped by an operator; what it had done stays"
            return
        if course.kept and (course.at.stage is not Stage.DONE if error is None else course.waits(error)):
            reason = course.at.reason if error is None else f"{error.code}: {error}"
            due: datetime | None = None if error is None else course.delay(error)
            self.report.again_at = course.wait(due, reason, self.report.counts)
            return
        if self.errand.scheduled and not self.orders.rehearse:
            self.state = replace(self.state, snapshot_at=self.started)
        of_slice, counts = self.report, course.total(self.report.counts)
        self.report = replace(of_slice, counts=Counter(counts))  # the run's record tells of every slice
        super()._finish()
        self.report = of_slice
        course.end(counts, str(error) if error else str(of_slice.trips[0]) if of_slice.trips else None)

    def _decide(self, marks: Sequence[Mark]) -> tuple[Gathered, Verdicts]:
        marks = [mark for mark in marks if (mark.side, mark.key) not in self.waiting] if self.waiting else marks
        gathered = gather(self.parts, self.ref, marks, None)
        gathered.subjects = [subject for subject in gathered.subjects if self._wants(subject)]
        meetings = look(self.parts, self.link, self.ref, gathered.subjects)
        verdicts = decide(self.link, gathered.subjects, self.parts.clock.now(), {}, meetings)
        moving = [item for item in verdicts.decided if _moves(item)]
        self.kept = [] if self.errand.deletes else [item for item in moving if _deletes(item)]
        free = tuple(item for item in moving if self.errand.deletes or not _deletes(item))
        return gathered, replace(verdicts, decided=free, parked=(), ignored=())

    def _wants(self, subject: Subject) -> bool:
        if subject.left or subject.departed:
            return False
        giver = self.errand.giver
        items = {Side.CRM: subject.crm, Side.TARGET: subject.target}
        given, side = items[giver], giver
        if given is None:
            given, side = items[giver.other], giver.other
        if given is None:
            return True
        try:
            record = self.link.mapping.outbound(given.values) if side is Side.CRM else given.values
            modified = given.modified if side is giver else None
            return takes(self.errand, record, modified, self.link.time_zone)
        except (Invalid, ValueError):
            return True  # what cannot be read is told by the step itself

    def _approved(self, items: list[Decided]) -> list[Decided]:
        for item in self.kept:
            where = PLACES[self.errand.giver]
            self.report.note_left(label_of(item), f"deleted {where}: the snapshot was asked to delete nothing")
        return super()._approved(items)


def _moves(item: Decided) -> bool:
    """Whether anything comes of a decision: most items are as they were agreed."""
    decision, pairing = item.decision, item.subject.pairing
    if decision.changes or decision.clashes or decision.detach:
        return True
    both = item.subject.crm is not None and item.subject.target is not None
    return both and pairing is not None and pairing.base != decision.base


def _deletes(item: Decided) -> bool:
    return any(change.operation is Operation.DELETE for change in item.decision.changes)
