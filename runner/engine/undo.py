"""Undo: a run's writes on one link taken back, through the same intents, conditional writes and ledger as any other write.

What is taken back is decided by ``reconcile.takeback`` from the ledger's images and from what the side holds now. The pair's
other side is left as it is and as it was agreed, and its version is forgotten where it moved meanwhile, so that an edit that
waits there is still an edit. Nobody is told by mail. What is done is in the ledger under the undo's own run, and so can be
undone like any run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from runner.config.plan import LinkPlan
from runner.engine.decide import Decided
from runner.engine.guarding import guarded
from runner.engine.outcome import TAKEN_OUT
from runner.engine.parts import Parts, ref_of
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.sending import Outcome, Sending
from runner.engine.settle import settle
from runner.engine.subject import Failure, Subject
from runner.engine.write import Writer
from runner.model.errands import Undo
from runner.model.errors import ConnectorError, ExsyncError, Gone, Invalid
from runner.model.files import ATTACHMENTS
from runner.model.items import Item, LinkRef
from runner.model.record import SCHEMAS, Fields
from runner.model.state import Base, Commit, LedgerEntry, Mark, Pairing, PairingStatus, RunRecord
from runner.model.terms import Operation, Side
from runner.reconcile.decision import Decision
from runner.reconcile.ordering import Label, called
from runner.reconcile.takeback import UNDONE, Effect, Takeback, effects, take_back

STEP = 200
"""Items that are read, decided and written together."""
PAGE = 2000
MOST = 200_000
"""Entries of the ledger that one undo of one link looks at."""


@dataclass(slots=True)
class _Taken:
    """One effect with what is there now, and what taking it back comes to."""

    effect: Effect
    pairing: Pairing | None
    subject: Subject
    takeback: Takeback
    item: Decided | None = None


def undo(parts: Parts, link: LinkPlan, owner: str | None, orders: Orders, errand: Undo) -> PassReport:
    """Take back what ``errand`` names on this link. Expected faults end up in the report; what was done before stands."""
    return _Undo(parts, link, owner, orders, errand).run()


class _Undo:
    def __init__(self, parts: Parts, link: LinkPlan, owner: str | None, orders: Orders, errand: Undo) -> None:
        self.parts, self.link, self.orders, self.errand = parts, link, orders, errand
        self.store = parts.store
        self.ref: LinkRef = ref_of(link, owner)
        self.report = PassReport(link.name)
        self.writer = Writer(parts, link, self.ref, orders.run, {})
        self.writer.undo()
        units = tuple(unit for unit in link.rules.units if ATTACHMENTS not in unit.fields)
        self.rules = replace(link.rules, units=units)
        specs = SCHEMAS[link.entity]
        self.fixed = frozenset(name for name in self.rules.fields if not specs[name].writable)
        self.started = parts.clock.now()
        self.later: dict[tuple[Side, str], int] = {}
        """Items that were written after the run began, by anything else: the newest entry of each."""
        self.remade: dict[tuple[Side, str], str] = {}
        """Side and counterpart of items that were made after the run began, by anything else: the newest key of each."""
        what = f"run {errand.undone[:8]}" if errand.undone else f"since {errand.since:%Y-%m-%d %H:%M} UTC"
        self.undone = f"{what} taken back"

    def run(self) -> PassReport:
        begun = self.parts.clock.monotonic()
        try:
            waiting = settle(self.parts, self.link, self.ref, self.orders.run)
            self.report.known = self.store.count(self.link.name)
            found = effects(self._entries())
            wanted: Counter[Operation] = Counter()
            for step in self._steps(found):
                wanted.update(t.takeback.change.operation for t in self._look(step) if t.takeback.change)
            known, allowed = self.report.known, self.orders.allowed
            self.report.trips = guarded(
                self.parts, self.link, self.orders.run, wanted, known, allowed, errand=self.errand
            )
            shown_only = self.orders.rehearse or bool(self.report.trips)
            for number, step in enumerate(self._steps(found), start=1):
                taken = [t for t in self._look(step) if (t.effect.side, t.effect.key) not in waiting]
                self._show(taken) if shown_only else self._write(taken)
                if self.orders.progress:
                    self.orders.progress(self.link.name, min(number * STEP, len(found)), len(found))
        except ExsyncError as error:
            self.report.error = error
        self.report.seconds = self.parts.clock.monotonic() - begun
        self._finish()
        return self.report

    def _entries(self) -> list[LedgerEntry]:
        """What is to be taken back, oldest first; and which of its items were written again afterwards."""
        errand, link = self.errand, self.link.name
        mine = list(self.store.ledger(link, run=errand.undone, limit=MOST)) if errand.undone else []
        if errand.undone and not mine:
            return []
        first, before = (mine[-1].id if mine else 0), 0
        while page := self.store.ledger(link, before=before, limit=PAGE):
            before = page[-1].id
            if errand.since is not None:
                mine += [entry for entry in page if entry.at >= errand.since]
                if page[-1].at < errand.since:
                    break
            else:
                self._note_later(page, first)
                if before <= first:
                    break
        return mine[::-1]

    def _note_later(self, page: Sequence[LedgerEntry], first: int) -> None:
        for entry in page:
            if entry.id > first and entry.run != self.errand.undone:
                self.later.setdefault((entry.side, entry.key), entry.id)
                if entry.operation is Operation.CREATE and entry.counterpart:
                    self.remade.setdefault((entry.side, entry.counterpart), entry.key)

    def _steps(self, found: Sequence[Effect]) -> Iterator[Sequence[Effect]]:
        newest = found[::-1]  # the last write first
        for start in range(0, len(newest), STEP):
            yield newest[start : start + STEP]

    def _look(self, step: Sequence[Effect]) -> list[_Taken]:
        """What is there of these items now, and what is to be done about each."""
        keys = {side: [e.key for e in step if e.side is side] for side in Side}
        others = {side: [e.counterpart for e in step if e.side is side.other and e.counterpart] for side in Side}
        pairings = self.store.pairings(
            self.link.name,
            crm_keys=[*keys[Side.CRM], *others[Side.CRM]],
            target_keys=[*keys[Side.TARGET], *others[Side.TARGET]],
        )
        held = {
            Side.CRM: dict(self.parts.crm.get(self.ref, self._wanted(Side.CRM, step, pairings))),
            Side.TARGET: dict(self.parts.target.get(self.ref, self._wanted(Side.TARGET, step, pairings))),
        }
        return [self._taken(effect, pairings, held) for effect in step]

    def _wanted(self, side: Side, step: Sequence[Effect], pairings: Sequence[Pairing]) -> list[str]:
        paired = [p.crm_key if side is Side.CRM else p.target_key for p in pairings]
        written = [effect for effect in step if effect.side is side]
        again = [self._again(effect) for effect in written]
        keys = [*(effect.key for effect in written), *(key for key in (*paired, *again) if key)]
        return [key for key in dict.fromkeys(keys) if not key.startswith("deleted:")]

    def _again(self, effect: Effect) -> str | None:
        """The key under which an item was made again since."""
        return self.remade.get((effect.side, effect.counterpart or ""))

    def _taken(
        self,
        effect: Effect,
        pairings: Sequence[Pairing],
        held: dict[Side, dict[str, Item | ConnectorError]],
    ) -> _Taken:
        pairing = _pairing_of(effect, pairings)
        read = held[effect.side].get(effect.key, Gone(effect.key))
        mine = read if isinstance(read, Item) else None
        other_key = None
        if pairing is not None:
            other_key = pairing.target_key if effect.side is Side.CRM else pairing.crm_key
        other = held[effect.side.other].get(other_key or "")
        sides = {effect.side: mine, effect.side.other: other if isinstance(other, Item) else None}
        subject = Subject([], pairing, sides[Side.CRM], sides[Side.TARGET])
        now = self._record(effect.side, mine)
        left = self._unfit(effect, read, mine, now)
        if effect.takes is Operation.CREATE and isinstance(held[effect.side].get(self._again(effect) or ""), Item):
            left = left or "it was made again already"
        if left is not None:
            return _Taken(effect, pairing, subject, Takeback(left=left))
        base = pairing.base.of(effect.side) if pairing and pairing.base else None
        agreed = None if self.later.get((effect.side, effect.key), 0) > effect.last.id else base
        fixed = self.fixed if effect.side is Side.TARGET else frozenset[str]()
        takeback = take_back(effect, now, agreed, self.rules, self.undone, self.rules.rule, fixed)
        taken = _Taken(effect, pairing, subject, takeback)
        if takeback.change is not None or takeback.clashes:
            taken.item = self._decided(taken, now)
        return taken

    def _unfit(self, effect: Effect, read: Item | ConnectorError, mine: Item | None, now: Fields | None) -> str | None:
        """Why an effect cannot be taken back at all."""
        if effect.last.reason.endswith(TAKEN_OUT):
            return "only this user was taken out of the record: give it back to him in the CRM"
        if mine is not None and mine.masked:
            return "private now: nothing of it may be written"
        if mine is not None and now is None:
            return "what it holds now cannot be mapped"
        if not isinstance(read, Item | Gone):
            return f"cannot be read: {read}"
        return None

    def _record(self, side: Side, item: Item | None) -> Fields | None:
        if item is None:
            return None
        if side is Side.TARGET:
            return {name: item.values.get(name) for name in self.link.rules.fields}
        try:
            return self.link.mapping.outbound(item.values)
        except Invalid:
            return None

    def _decided(self, taken: _Taken, now: Fields | None) -> Decided:
        """The takeback as a decision that the writer carries out."""
        effect, change = taken.effect, taken.takeback.change
        pairing = taken.pairing
        base, detach = pairing.base if pairing else None, None
        if change is not None and change.operation is Operation.UPDATE and base is not None:
            if not self.errand.both:
                restored = {**base.of(effect.side), **{name: change.values.get(name) for name in change.fields}}
                base = _replaced(base, effect.side, restored)
        elif change is not None and change.operation is Operation.DELETE:
            detach = f"{UNDONE}{self.undone}, and its counterpart stays as it is"
        elif change is not None and change.operation is Operation.CREATE:
            base, detach, pairing = self._remade(taken, change.values)
            taken.subject.pairing = pairing
        decision = Decision((change,) if change else (), taken.takeback.clashes, base, detach)
        records = {side: self._record(side, item) for side, item in _items(taken.subject).items()}
        records[effect.side] = now or (change.values if change else None)
        return Decided(taken.subject, records[Side.CRM], records[Side.TARGET], decision)

    def _remade(self, taken: _Taken, values: Fields) -> tuple[Base | None, str | None, Pairing]:
        """The pair of an item that is made again: the one that an undo had let go, or one that is left alone."""
        effect, known = taken.effect, taken.pairing
        other = effect.counterpart or ""
        if known is not None and (known.reason or "").startswith(UNDONE) and known.base is not None:
            back = replace(known, status=PairingStatus.ACTIVE, reason=None)
            return _replaced(known.base, effect.side, values), None, back
        keys = {effect.side: effect.key, effect.side.other: other}
        pairing = known or Pairing(self.link.name, self.link.entity, keys[Side.CRM], keys[Side.TARGET])
        reason = f"{UNDONE}{self.undone}, after its counterpart was deleted"
        return pairing.base or Base(values, values), reason, pairing

    def _show(self, step: Sequence[_Taken]) -> None:
        for taken in step:
            self._note(taken)
            if taken.item is not None and taken.takeback.change is not None:
                self.report.note_change(taken.item, taken.takeback.change)

    def _note(self, taken: _Taken) -> None:
        """What is left as it is, and the conflicts."""
        if taken.takeback.left:
            record = taken.effect.after or taken.effect.before or {}
            self.report.note_left(Label(called(record), *_keys(taken.effect)), taken.takeback.left)
        if taken.item is not None:
            self.report.note_clashes(taken.item)

    def _write(self, step: Sequence[_Taken]) -> None:
        """Write a step. Where both sides of a pair are taken back, the second is looked at again when the first is committed:
        what is agreed of either side has become another."""
        known: set[int] = set()
        again: list[Effect] = []
        items: list[Decided] = []
        for taken in step:
            number = taken.pairing.id if taken.pairing else 0
            if number in known:
                again.append(taken.effect)
                continue
            known |= {number} - {0}
            self._note(taken)
            items += [taken.item] if taken.item is not None else []
        if items:
            self._carry_out(items)
        if again:
            self._write(self._look(again))

    def _carry_out(self, items: Sequence[Decided]) -> None:
        outcome = self.writer.carry_out(items)
        for entry in outcome.done:
            self.report.note_change(entry.item, entry.change)
        for failure in outcome.failures:
            self._failed(failure)
        for item in items:
            self._tell_moved(item, outcome)
        self.store.commit(self._committed(outcome))
        if outcome.stop:
            raise outcome.stop

    def _failed(self, failure: Failure) -> None:
        self.report.failures.append(failure)
        self.report.counts["failed"] += 1

    def _tell_moved(self, item: Decided, outcome: Outcome) -> None:
        """An item that somebody changed at the very moment is left alone."""
        done = {id(entry.item) for entry in outcome.done}
        failed = {failure.key for failure in outcome.failures}
        label = Label(item.title, item.subject.crm_key, item.subject.target_key)
        if item.decision.changes and id(item) not in done and not {label.crm_key, label.target_key} & failed:
            self.report.note_left(label, "changed while it was taken back")

    def _committed(self, outcome: Outcome) -> Commit:
        """The commit of a step. What an undo restored for both sides is no pair's yet; and a side that was not written keeps
        the version that was agreed, or none where it moved since: what waits there is still to be merged."""
        by_item = {id(entry.item): entry for entry in outcome.done}
        entries = {_pair_keys(entry): entry for entry in by_item.values()}
        pairings: list[Pairing] = []
        marks: list[Mark] = []
        for pairing in outcome.commit.pairings:
            entry = entries.get(("id", pairing.id)) if pairing.id else None
            entry = entry or entries.get(("crm", pairing.crm_key)) or entries.get(("target", pairing.target_key))
            kept, more = self._kept(pairing, entry)
            pairings += kept
            marks += more
        return replace(outcome.commit, pairings=tuple(pairings), marks=(*outcome.commit.marks, *marks))

    def _kept(self, pairing: Pairing, entry: Sending | None) -> tuple[list[Pairing], list[Mark]]:
        """A pair as it is to be kept. Where either side held what was not agreed, both are read again by the next pass."""
        if entry is None:
            return [], []  # nothing was written of it
        change, subject = entry.change, entry.item.subject
        known = subject.pairing
        if change.operation is Operation.CREATE and self.errand.both and pairing.status is PairingStatus.DETACHED:
            return [], []  # a new item: its side's feed tells of it, and it goes on to the other side like any other
        if known is None or pairing.status is PairingStatus.DETACHED:
            return [pairing], []
        items = _items(subject)
        agreed = {Side.CRM: known.crm_version, Side.TARGET: known.target_version}
        waits = any(item is not None and item.version != agreed[side] for side, item in items.items())
        if change.operation is Operation.UPDATE and self.errand.both:
            pairing, waits = replace(pairing, base=known.base), True
        if not waits:
            return [pairing], []
        keys = {Side.CRM: pairing.crm_key, Side.TARGET: pairing.target_key}
        marks = [Mark(self.link.name, side, key) for side, key in keys.items() if key]
        return [replace(pairing, crm_version=None, target_version=None)], marks

    def _finish(self) -> None:
        report, now = self.report, self.parts.clock.now()
        if self.orders.rehearse or not (report.error or report.trips or any(report.counts.values())):
            return
        outcome = "failed" if report.error else "stopped" if report.trips else "done"
        reason = str(report.error) if report.error else str(report.trips[0]) if report.trips else self.undone
        record = RunRecord(self.orders.run, self.link.name, self.started, now, outcome, dict(+report.counts), reason)
        self.store.commit(Commit(runs=(record,)))


def _pairing_of(effect: Effect, pairings: Sequence[Pairing]) -> Pairing | None:
    """The pair of the written item; of one that is gone, that of its counterpart."""
    crm = effect.side is Side.CRM
    own = next((p for p in pairings if (p.crm_key if crm else p.target_key) == effect.key), None)
    if own is not None or not effect.counterpart:
        return own
    return next((p for p in pairings if (p.target_key if crm else p.crm_key) == effect.counterpart), None)


def _items(subject: Subject) -> dict[Side, Item | None]:
    return {Side.CRM: subject.crm, Side.TARGET: subject.target}


def _replaced(base: Base, side: Side, fields: Fields) -> Base:
    return Base(fields, base.target) if side is Side.CRM else Base(base.crm, fields)


def _keys(effect: Effect) -> tuple[str | None, str | None]:
    crm = effect.side is Side.CRM
    return (effect.key, effect.counterpart) if crm else (effect.counterpart, effect.key)


def _pair_keys(entry: Sending) -> tuple[str, object]:
    pairing = entry.item.subject.pairing
    if pairing is not None and pairing.id:
        return "id", pairing.id
    key = entry.result.key if entry.result else None
    return ("crm" if entry.change.side is Side.CRM else "target"), key
