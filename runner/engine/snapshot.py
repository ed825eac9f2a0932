"""A snapshot of a link: one side is given what the other holds, of all items or of some (B-70).

It is a pass over pairs instead of marks: read, decided, guarded, written and recorded by the very same steps, with rules in
which the giver's values count. So its writes are conditional, in the ledger, and undone like any others; what the receiving
side had changed itself is a conflict of the policy ``snapshot``, whose losing value can be restored.

What it leaves alone: items outside the window or filter, pairs that are detached (never re-created, B-39), private items as
far as they are private, fields that do not flow that way, and what the receiving side alone holds: it was never shared, so
its absence on the other side is no delete (invariant 2). Marks stay for the next pass, which finds echoes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from runner.config.plan import LinkPlan
from runner.engine.decide import Decided, Verdicts, decide
from runner.engine.gather import gather
from runner.engine.meaning import meaning_of
from runner.engine.meetings import look
from runner.engine.parts import STEP, Parts
from runner.engine.passes import INTERRUPTED, ROUNDS, Orders, Pass
from runner.engine.report import PassReport, label_of
from runner.engine.subject import Gathered, Subject
from runner.model.errands import Snapshot
from runner.model.errors import Invalid, Transient
from runner.model.state import Mark
from runner.model.terms import Operation, Side
from runner.reconcile.ruling import PLACES
from runner.reconcile.selecting import takes

PAGE = 2000
"""Ids of a listing that are looked up together."""


def snapshot(parts: Parts, link: LinkPlan, owner: str | None, orders: Orders, errand: Snapshot) -> PassReport:
    """Give the other side of this link what ``errand`` asks for. Expected faults end up in the report."""
    reason = _unfit(parts, link, errand)
    if reason is not None:
        return PassReport(link.name, skipped=reason)
    return _Snapshot(parts, link, owner, orders, errand).run()


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
        self.writer.mailroom.snapshot = True
        self.kept: list[Decided] = []
        """Items of the step whose delete was not asked for."""

    def _observe(self) -> None:
        """Nothing: what both sides hold is read, whatever their feeds say."""

    def _finish(self) -> None:
        if self.errand.scheduled and not self.orders.rehearse:
            self.state = replace(self.state, snapshot_at=self.started)
        super()._finish()

    def _work(self) -> None:
        if not self.orders.rehearse:
            self._rehearse(0, 0)
        for _ in range(ROUNDS):
            self.done = 0
            if not self._round(0, 0, max(self.report.known, 1)) or self.report.failures:
                return

    def _pages(self, after: int, until: int) -> Iterable[Sequence[Mark]]:
        for keys in self._keys():
            if self.orders.stopping and self.orders.stopping():
                raise Transient("exsync is being stopped; order the snapshot again for the rest", code=INTERRUPTED)
            # No marks of the state: what may be in it about these items stays there.
            yield [Mark(self.link.name, self.errand.giver, key, seq=-n) for n, key in enumerate(keys, start=1)]

    def _keys(self) -> Iterator[Sequence[str]]:
        """The giver's keys: of every pair, then of what it holds alone."""
        giver, after = self.errand.giver, 0
        while page := self.store.paired_keys(self.link.name, giver, after=after, limit=STEP):
            after = page[-1][0]
            yield [key for _, key in page]
        crm = giver is Side.CRM
        for listed in self.parts.crm.listing(self.ref) if crm else self.parts.target.changes(self.ref, None):
            keys = [entry.key for entry in listed.changed]
            for start in range(0, len(keys), PAGE):
                some = keys[start : start + PAGE]
                pairs = self.store.pairings(self.link.name, **{"crm_keys" if crm else "target_keys": some})
                known = {pairing.crm_key if crm else pairing.target_key for pairing in pairs}
                lone = [key for key in some if key not in known]
                yield from (lone[at : at + STEP] for at in range(0, len(lone), STEP))
            if listed.complete:
                return

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
