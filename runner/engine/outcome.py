"""What a step's writes came to: the commit that records it all, failures, and what is looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from runner.config.plan import LinkPlan
from runner.engine.agreement import Agreement, disagreed
from runner.engine.decide import Decided
from runner.engine.disputes import Disputes
from runner.engine.parts import Parts
from runner.engine.sending import Outcome, Sending
from runner.engine.subject import Failure
from runner.model.errors import ConnectorError, Gone, Invalid, OutcomeUnknown, VersionMoved
from runner.model.items import WriteResult
from runner.model.record import Fields
from runner.model.state import Commit, Conflict, LedgerEntry, Pairing, Purge
from runner.model.terms import Operation, Side

TAKEN_OUT = "; others hold the record too, so that only this user was taken out of it"
"""End of the reason in the ledger of a delete that left the record to its other users."""


class Recording:
    """Records one link's steps of one run."""

    def __init__(self, parts: Parts, link: LinkPlan, run: str, disputes: Disputes) -> None:
        self.link, self.run, self.disputes = link, run, disputes
        self.agreement = Agreement(parts, link)
        self.undoing = False
        """Whether what is written takes earlier writes back: then no open conflict is settled by it."""
        self.copies: set[str | None] = set()
        """Target items whose native identity belongs to another item's record: they get records of their own."""

    def of(
        self,
        decided: Sequence[Decided],
        planned: Sequence[Sending],
        now: datetime,
        stop: ConnectorError | None,
    ) -> Outcome:
        """The outcome of one step: ``decided`` with the writes that were ``planned`` for it; ``stop`` ended the sending."""
        self.agreement.begin(planned)
        by_item: dict[int, list[Sending]] = {}
        for entry in planned:
            by_item.setdefault(id(entry.item), []).append(entry)
        out = Outcome(Commit(), stop=stop)
        settled: list[int] = []
        pairings: list[Pairing] = []
        unpaired: list[int] = []
        closed_conflicts: list[Conflict] = []
        resolved: list[str] = []
        purged: list[Purge] = []
        disputed = not self.undoing and bool(self.disputes)
        for item in decided:
            mine = by_item.get(id(item), [])
            done, failed = self._sort(mine, out)
            if failed:
                out.failures += failed
            unfinished, adopted, kept = frozenset[str](), False, False
            for entry in mine:
                kept = kept or entry.kept
            if kept:
                continue
            for entry in done:
                if entry.result:
                    unfinished |= entry.result.unfinished
                    adopted = adopted or entry.result.adopted
            pairing = self.agreement.after(item, done, now)
            if pairing is not None and unfinished:
                pairing = disagreed(pairing, unfinished)
            if pairing is None and adopted:
                if self.link.folder.of_directory:
                    out.failures.append(_claimed(item, mine))
                    continue
                self.copies.add(item.subject.target_key)
                out.copies += [item.subject.target_key] if item.subject.target_key else []
            complete = len(done) == len(item.decision.changes) and not failed and not unfinished
            clean = not adopted
            for entry in done:
                clean = clean and (entry.held is not None or entry.change.operation is Operation.DELETE)
            if complete and disputed:
                closed_conflicts += self.disputes.closed(item, now)
                resolved += [resolution.conflict for resolution in self.disputes.of(item)]
            if complete and not self.undoing and item.decision.purge:
                purged += self._purged(item, now)
            if complete and clean:
                settled += item.subject.marks
            elif not failed and done:
                out.again += 1
            if pairing is not None and pairing != item.subject.pairing:
                pairings.append(pairing)
            elif pairing is None and item.subject.pairing and complete:
                unpaired.append(item.subject.pairing.id)
        ledger = tuple(self._entry(p, now) for p in out.done)
        closed = tuple(p.token for p in planned if not (p.result and _is_open(p.result)))
        out.commit = Commit(
            settled=tuple(settled),
            pairings=tuple(pairings),
            unpaired=tuple(unpaired),
            closed=closed,
            ledger=ledger,
            conflicts=tuple(closed_conflicts),
            resolved=tuple(resolved),
            purged=tuple(purged),
        )
        return out

    def _purged(self, item: Decided, now: datetime) -> tuple[Purge, ...]:
        pairing = item.subject.pairing
        if pairing is None:
            return ()
        return (Purge(self.link.name, pairing.crm_key, pairing.target_key, now),)

    def _sort(self, mine: Sequence[Sending], out: Outcome) -> tuple[list[Sending], list[Failure]]:
        """One item's writes into done and failed; what merely moved is looked at again."""
        done: list[Sending] = []
        failed: list[Failure] = []
        for entry in mine:
            result = entry.result
            if result is None:
                continue  # never sent: the intent closes, the mark stays
            error = result.error
            gone = isinstance(error, Gone) and entry.change.operation is Operation.DELETE
            if error is None or gone or result.unfinished:
                done.append(entry)
                out.done.append(entry)
            if error is None or gone:
                continue
            if result.unfinished and isinstance(error, VersionMoved | Gone):
                continue  # what is not done is looked at again: nothing of it is agreed any more
            if entry.kept:
                out.detached.append((entry.item.subject, f"{error}, and others hold it too"))
            elif isinstance(error, VersionMoved) or (isinstance(error, Gone) and entry.write.key is not None):
                out.again += 1
            else:
                side = entry.change.side
                key = entry.write.key or (
                    entry.item.subject.target_key if side is Side.CRM else entry.item.subject.crm_key
                )
                where = side if entry.write.key else side.other
                failed.append(Failure(tuple(entry.item.subject.marks), where, key or "", error))
        return done, failed

    def _entry(self, planned: Sending, now: datetime) -> LedgerEntry:
        change, subject = planned.change, planned.item.subject
        key = planned.write.key or (planned.result.key if planned.result else None)
        whole = change.operation is not Operation.UPDATE
        before = change.before if whole else _only(change.before, change.fields)
        unfinished = planned.result.unfinished if planned.result else None
        written = change.fields - unfinished if unfinished else change.fields
        after = None if change.operation is Operation.DELETE else _only(change.values, written)
        return LedgerEntry(
            run=self.run,
            link=self.link.name,
            side=change.side,
            operation=change.operation,
            key=key or "",
            counterpart=subject.target_key if change.side is Side.CRM else subject.crm_key,
            before=before,
            after=after,
            reason=change.reason + (TAKEN_OUT if planned.result and planned.result.released else ""),
            rule=change.rule,
            at=now,
        )


def _claimed(item: Decided, sent: Sequence[Sending]) -> Failure:
    """Two entries of a directory that would be one CRM user: whose he is, nobody can tell."""
    key = next((p.result.key for p in sent if p.result and p.result.key), "")
    error = Invalid(
        f"{item.title} would be the CRM record {key}, which belongs to another entry of the directory: two have one "
        "log-on name",
        code="duplicate-login",
        remedy="give one of them another log-on name, or narrow bases and filter",
    )
    return Failure(tuple(item.subject.marks), Side.TARGET, item.subject.target_key or "", error)


def _is_open(result: WriteResult) -> bool:
    """Whether nobody knows what became of a write. One that was left unfinished is known to have been begun."""
    return isinstance(result.error, OutcomeUnknown) and not result.unfinished


def _only(record: Fields | None, names: frozenset[str]) -> Fields | None:
    if record is None or names == record.keys():
        return record
    return {name: record.get(name) for name in sorted(names)}
