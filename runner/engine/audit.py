"""The audit of a link: both sides compared item by item, which proves that they agree, or says where they do not (B-100).

It trusts neither marks nor versions: every pair is read on both sides and compared by a hash of its content, and both folders
are listed for what has no counterpart. Nothing is written to either side. How far it has come is durable, so it goes on
after a crash, in slices, and as slowly as it is told to.

What waits for a pass, a person or its next try is not a finding: dirty marks, held conflicts, quarantine, open intents. Nor
is what the rules leave as it is: a difference that was agreed, an edit on a read-only side, an item outside the window.
So the target's feed is read before and after, and what it tells of meanwhile is left to the next pass.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from runner.config.plan import LinkPlan
from runner.engine.decide import decide
from runner.engine.gather import gather
from runner.engine.meetings import look
from runner.engine.observe import observe_target
from runner.engine.parts import Parts, record_of, ref_of
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.model.errands import Audit
from runner.model.errors import ConnectorError, ExsyncError, Gone, WatermarkInvalid
from runner.model.items import Item
from runner.model.proofs import Finding, Found, Phase, Proof
from runner.model.record import Fields
from runner.model.state import Commit, Mark, Pairing
from runner.model.terms import Side
from runner.reconcile.ordering import Label

STEP = 200
"""Items that are read and compared together; a crash costs reading this many again."""
MOST_FOUND = 1000
"""Findings of one link that are kept; all of them are counted."""
_EVER = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
Read = Mapping[str, Item | ConnectorError]


def audit(parts: Parts, link: LinkPlan, owner: str | None, orders: Orders, errand: Audit) -> PassReport:
    """Audit one link, or the next slice of it. Expected faults end up in the report; what was seen before stays seen."""
    return _Audit(parts, link, owner, orders, errand).run()


class _Full(Exception):
    """This visit has looked at as much as it was to."""


class _Audit:
    def __init__(self, parts: Parts, link: LinkPlan, owner: str | None, orders: Orders, errand: Audit) -> None:
        self.parts, self.link, self.orders, self.errand = parts, link, orders, errand
        self.store, self.ref = parts.store, ref_of(link, owner)
        self.report = PassReport(link.name)
        now, known = parts.clock.now(), parts.store.proofs().get(link.name)
        fresh = errand.anew or known is None or known.finished is not None
        self.proof = Proof(link.name, now, proven=known.proven if known else None) if fresh or not known else known
        self.left = errand.most
        self.waiting: set[tuple[Side, str]] = set()

    def run(self) -> PassReport:
        begun = self.parts.clock.monotonic()
        self.report.known = self.store.count(self.link.name)
        if not self.store.link(self.link.name).matched:
            return PassReport(self.link.name, skipped="it has not had its first sync: there is nothing to prove yet")
        try:
            self._go_on()
        except _Full:
            pass
        except ExsyncError as error:
            self.report.error = error
        if self.errand.repair and self.proof.finished:
            self._repair()
        for one in self.proof.found:
            self.report.note_left(Label(f"({one.finding})", one.crm_key, one.target_key), one.detail)
        self.report.counts.update({f"audit.{name}": number for name, number in self.proof.counts.items()})
        self.report.counts["left"] = sum(self.proof.counts.get(finding, 0) for finding in Finding)
        self.report.seconds = self.parts.clock.monotonic() - begun
        return self.report

    def _go_on(self) -> None:
        if self.proof.phase is Phase.PAIRS and not self.proof.cursor:
            self._watermark()
        self._hear()
        if self.proof.phase is Phase.PAIRS:
            self._pairs()
            self._keep(phase=Phase.TARGET, cursor="")
        if self.proof.phase is Phase.TARGET:
            self._strays(Side.TARGET)
            self._keep(phase=Phase.CRM, cursor="")
        if self.proof.phase is Phase.CRM:
            self._strays(Side.CRM)
        self._hear()
        self._drop_heard()
        now = self.parts.clock.now()
        equal = not any(self.proof.counts.get(finding, 0) for finding in Finding)
        self._keep(phase=Phase.DONE, cursor="", finished=now, proven=self.proof.started if equal else self.proof.proven)

    @property
    def _step(self) -> int:
        """Pairs of the next step: no more than this visit has left."""
        return STEP if self.left is None else min(STEP, max(1, self.left))

    # -- progress ----------------------------------------------------------------------------------------------------

    def _keep(self, **changes: object) -> None:
        self.proof = replace(self.proof, **changes)  # type: ignore[arg-type]
        self.store.commit(Commit(proofs=(self.proof,)))

    def _note(self, counts: Counter[str], found: Sequence[Found], cursor: str) -> None:
        """A step is done: keep where the next one begins, and go no faster than one may."""
        counts.update(one.finding.value for one in found)
        merged = Counter(self.proof.counts)
        merged.update(counts)
        self._keep(counts=dict(merged), found=(*self.proof.found, *found)[:MOST_FOUND], cursor=cursor)
        number = counts["looked"]
        if self.orders.progress:
            looked = merged["looked"]
            self.orders.progress(self.link.name, looked, max(self.report.known, looked))
        if self.errand.rate and self.orders.pause:
            self.orders.pause(60 * number / self.errand.rate)
        if self.left is not None and self.proof.phase is not Phase.CRM:  # whose listing cannot be gone on with
            self.left -= number
            if self.left <= 0:
                raise _Full
        if self.orders.stopping and self.orders.stopping():
            raise _Full

    def _hear(self) -> None:
        """Read the target's feed on into marks, as a pass does: what it tells of is no finding."""
        if not any(one.finding is Finding.WATERMARK for one in self.proof.found):
            observe_target(self.parts, self.ref, self.store.link(self.link.name), self.link.rules.direction)
        self.waiting = self._waiting()

    def _drop_heard(self) -> None:
        """Take out of the findings what changed while the audit went on."""
        heard = [
            one
            for one in self.proof.found
            if {(Side.CRM, one.crm_key or ""), (Side.TARGET, one.target_key or "")} & self.waiting
        ]
        if not heard:
            return
        counts = Counter(self.proof.counts)
        counts.subtract(one.finding.value for one in heard)
        counts["waiting"] += len(heard)
        kept = tuple(one for one in self.proof.found if one not in heard)
        self._keep(found=kept, counts={name: number for name, number in counts.items() if number > 0})

    def _waiting(self) -> set[tuple[Side, str]]:
        """Everything that something else is going to look at."""
        waits = {(one.side, one.key) for one in self.store.quarantined(self.link.name)}
        for intent in self.store.intents(self.link.name):
            waits |= {(intent.side, intent.key or ""), (intent.side.other, intent.source_key or "")}
        for conflict in self.store.conflicts(self.link.name, open_only=True):
            waits |= {(Side.CRM, conflict.crm_key or ""), (Side.TARGET, conflict.target_key or "")}
        after, last = 0, self.store.last_mark(self.link.name)
        while marks := self.store.marks(self.link.name, after=after, until=last, limit=5000, now=_EVER):
            after = marks[-1].seq
            waits |= {(mark.side, mark.key) for mark in marks}
        return waits

    # -- the parts of an audit ---------------------------------------------------------------------------------------

    def _watermark(self) -> None:
        """Whether changes of the target's folder are still heard of."""
        watermark = self.store.link(self.link.name).target_watermark
        if watermark is None:
            return
        try:
            next(iter(self.parts.target.changes(self.ref, watermark)), None)
        except WatermarkInvalid as error:
            found = Found(Finding.WATERMARK, detail=f"the folder's watermark is not taken any more: {error}")
            self._note(Counter(), [found], "0")

    def _pairs(self) -> None:
        after = int(self.proof.cursor or 0)
        while page := self.store.paired_keys(self.link.name, Side.CRM, after=after, limit=self._step):
            after = page[-1][0]
            wanted = {number for number, _ in page}
            known = self.store.pairings(self.link.name, crm_keys=[key for _, key in page])
            pairs = [pairing for pairing in known if pairing.id in wanted]
            counts: Counter[str] = Counter({"looked": len(pairs)})
            self._note(counts, self._compared(pairs, counts), str(after))

    def _compared(self, pairs: Sequence[Pairing], counts: Counter[str]) -> list[Found]:
        crm = self.parts.crm.get(self.ref, [p.crm_key for p in pairs])
        target = self.parts.target.get(
            self.ref, [p.target_key for p in pairs if not p.target_key.startswith("deleted:")]
        )
        unequal: list[Pairing] = []
        found: list[Found] = []
        for pairing in pairs:
            sides = {Side.CRM: crm[pairing.crm_key], Side.TARGET: target.get(pairing.target_key, Gone("deleted"))}
            missing = _missing(pairing, sides)
            if missing is None and self._equal(sides):
                counts["equal"] += 1
            elif {(Side.CRM, pairing.crm_key), (Side.TARGET, pairing.target_key)} & self.waiting:
                counts["waiting"] += 1
            elif missing is not None:
                found.append(missing)
            else:
                unequal.append(pairing)
        return found + self._drifted(unequal, counts)

    def _equal(self, sides: Mapping[Side, Item | ConnectorError]) -> bool:
        """Whether both sides say the same, by a hash of what the mapping carries."""
        prints = set()
        for side, item in sides.items():
            if not isinstance(item, Item) or item.masked:
                return False
            prints.add(content_hash(record_of(self.link, side, item), self.link.rules.fields))
        return len(prints) == 1

    def _drifted(self, pairs: Sequence[Pairing], counts: Counter[str]) -> list[Found]:
        """Of pairs that differ: those in which a pass would write. The others differ as it was agreed, or by a rule."""
        if not pairs:
            return []
        marks = [Mark(self.link.name, Side.CRM, p.crm_key, seq=n) for n, p in enumerate(pairs, start=1)]
        gathered = gather(self.parts, self.ref, marks, None)
        meetings = look(self.parts, self.link, self.ref, gathered.subjects)
        verdicts = decide(self.link, gathered.subjects, self.parts.clock.now(), {}, meetings)
        found = []
        for item in verdicts.decided:
            changes = item.decision.changes
            if not changes:
                counts["agreed"] += 1
                continue
            fields = sorted({name for change in changes for name in change.fields})
            what = f"{changes[0].reason}: {', '.join(fields)}"
            found.append(Found(Finding.DRIFT, item.subject.crm_key, item.subject.target_key, what))
        for failure in (*gathered.failures, *verdicts.failures):
            crm = failure.key if failure.side is Side.CRM else None
            found.append(Found(Finding.UNREADABLE, crm, None if crm else failure.key, failure.error.code))
        counts["apart"] += len(verdicts.ignored) + len(verdicts.detached) + len(gathered.detached)
        return found

    def _strays(self, side: Side) -> None:
        """Items of one side without a pair: those that take part and wait for nothing are orphans, or copies."""
        since = self.proof.cursor or None
        pages = self.parts.target.changes(self.ref, since) if side is Side.TARGET else self.parts.crm.listing(self.ref)
        for page in pages:
            keys = [entry.key for entry in page.changed]
            for start in range(0, len(keys) or 1, STEP):
                counts: Counter[str] = Counter()
                found = self._lone(side, keys[start : start + STEP], counts)
                last = start + STEP >= len(keys)
                self._note(counts, found, page.watermark if side is Side.TARGET and last else self.proof.cursor)
            if page.complete:
                return

    def _lone(self, side: Side, keys: Sequence[str], counts: Counter[str]) -> list[Found]:
        crm = side is Side.CRM
        known = self.store.pairings(self.link.name, crm_keys=keys if crm else (), target_keys=() if crm else keys)
        paired = {p.crm_key if crm else p.target_key for p in known}
        lone = [key for key in keys if key not in paired and (side, key) not in self.waiting]
        if not lone:
            return []
        counts["looked"] += len(lone)
        marks = [Mark(self.link.name, side, key, seq=n) for n, key in enumerate(lone, start=1)]
        gathered = gather(self.parts, self.ref, marks, ())
        meetings = look(self.parts, self.link, self.ref, gathered.subjects)
        verdicts = decide(self.link, gathered.subjects, self.parts.clock.now(), {}, meetings)
        found = []
        for item in verdicts.decided:
            if item.decision.changes:
                kind = Finding.DUPLICATE if item.subject.copy else Finding.ORPHAN
                why = "a copy that bears the stamp or identity of a paired item" if item.subject.copy else "has no pair"
                found.append(Found(kind, item.subject.crm_key, item.subject.target_key, why))
        for failure in (*gathered.failures, *verdicts.failures):
            crm_key = failure.key if failure.side is Side.CRM else None
            found.append(Found(Finding.UNREADABLE, crm_key, None if crm_key else failure.key, failure.error.code))
        return found

    # -- putting it right --------------------------------------------------------------------------------------------

    def _repair(self) -> None:
        """Mark what was found, and forget the versions that hid it: the next pass decides about it like about any change,
        under the same rules and guards."""
        found = self.proof.found
        if any(one.finding is Finding.WATERMARK for one in found):
            state = replace(self.store.link(self.link.name), target_watermark=None, target_complete=False)
            self.store.commit(Commit(links=(state,)))
        for start in range(0, len(found), STEP):
            step = found[start : start + STEP]
            keys = [one.crm_key for one in step if one.crm_key]
            pairs = self.store.pairings(
                self.link.name, crm_keys=keys, target_keys=[one.target_key for one in step if one.target_key]
            )
            marks = list(_marks(self.link.name, step))
            forgotten = tuple(replace(pair, crm_version=None, target_version=None) for pair in pairs)
            self.store.commit(Commit(pairings=forgotten, marks=tuple(marks)))
            self.report.counts["marked"] += len(marks)


def content_hash(record: Fields, fields: Iterable[str]) -> str:
    """A hash over what a record says in these fields."""
    said = {name: record.get(name) for name in fields}
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, default=dict)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _missing(pairing: Pairing, sides: Mapping[Side, Item | ConnectorError]) -> Found | None:
    for side, item in sides.items():
        if isinstance(item, Item):
            continue
        kind = Finding.MISSING if isinstance(item, Gone) else Finding.UNREADABLE
        where = "in the CRM" if side is Side.CRM else "on the target"
        what = f"not there any more {where}" if kind is Finding.MISSING else f"{item.code} {where}"
        return Found(kind, pairing.crm_key, pairing.target_key, what)
    return None


def _marks(link: str, found: Sequence[Found]) -> Iterable[Mark]:
    for one in found:
        if one.crm_key:
            yield Mark(link, Side.CRM, one.crm_key)
        if one.target_key:
            yield Mark(link, Side.TARGET, one.target_key)
