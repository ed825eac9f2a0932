"""Decisions → writes → read-back → one commit.

Order of one step: intents and conflicts become durable → one conditional write per item → what each side really holds is
read back → pairings, bases, ledger and marks commit together. A read-back becomes that side's base only when its version
is the one the write returned; else the base is the payload that was sent and the item stays dirty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from runner.config.plan import LinkPlan
from runner.engine.decide import Decided, leaves_window
from runner.engine.disputes import Disputes
from runner.engine.identity import crm_key_of, meeting_key, native_key, stamp_for
from runner.engine.mailing import Mailroom
from runner.engine.memory import remembered
from runner.engine.parts import Parts
from runner.engine.subject import Failure, Subject
from runner.model.errors import STILL_OWNED, ConnectorError, Gone, Invalid, OutcomeUnknown, VersionMoved
from runner.model.files import ATTACHMENTS
from runner.model.items import Item, LinkRef, Write, WriteResult
from runner.model.meetings import Mail
from runner.model.privacy import veiled
from runner.model.record import Fields
from runner.model.state import (
    Base,
    Commit,
    Conflict,
    Intent,
    LedgerEntry,
    Pairing,
    PairingStatus,
    Purge,
    Resolution,
)
from runner.model.terms import Notice, Operation, Side
from runner.reconcile.authority import Standing
from runner.reconcile.decision import Change
from runner.reconcile.firewall import Fate

TAKEN_OUT = "; others hold the record too, so that only this user was taken out of it"
"""End of the reason in the ledger of a delete that left the record to its other users."""


@dataclass(slots=True)
class Sending:
    """One change with its write and, later, its outcome."""

    item: Decided
    change: Change
    write: Write
    token: str
    result: WriteResult | None = None
    unsent: bool = False
    """Refused before it was sent: ``result`` says why."""
    mail: Mail | None = None
    """What the write tells attendees."""
    held: Item | None = None
    """What the side holds after the write, when the read-back saw exactly what the write made."""


@dataclass(slots=True)
class Outcome:
    """What a step did: the commit that records it, and what the pass must know."""

    commit: Commit
    again: int = 0
    """Items to look at once more in this pass (a version moved, an existing record was adopted)."""
    failures: list[Failure] = field(default_factory=list)
    done: list[Sending] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    """Target items to be looked at again in this pass, as copies."""
    detached: list[tuple[Subject, str]] = field(default_factory=list)
    """Pairs that end because the CRM keeps a record that its user deleted, with the reason (B-39)."""
    mails: list[Mail] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    """Marks of items whose write waits with its mail."""
    stop: ConnectorError | None = None


class Writer:
    """Carries out one step's decisions for one link."""

    def __init__(
        self, parts: Parts, link: LinkPlan, ref: LinkRef, run: str, resolutions: Mapping[str, Sequence[Resolution]]
    ) -> None:
        self.parts, self.link, self.ref, self.run = parts, link, ref, run
        self.disputes = Disputes(parts, link, run, resolutions)
        self.mailroom = Mailroom(parts, link, run)
        self.undoing = False
        """Whether what is written takes earlier writes back: then no open conflict is settled by it, and nobody is told."""
        self.adopted: set[str] = set()
        self.copies: set[str | None] = set()
        """Target items whose native identity belongs to another item's record: they get records of their own."""

    def carry_out(self, decided: Sequence[Decided]) -> Outcome:
        """Write, read back and return the commit that records it all (not yet committed)."""
        now = self.parts.clock.now()
        decided, planned, failures = self._plans(decided)
        planned, mails, held = self._judged(planned, now)
        conflicts = self.disputes.found(decided, now)
        if planned or conflicts:
            intents = tuple(self._intent(p, now) for p in planned)
            self.parts.store.commit(Commit(intents=intents, conflicts=conflicts, mails=tuple(mails)))
        elif mails:
            self.parts.store.commit(Commit(mails=tuple(mails)))
        stop = self._send(Side.CRM, [p for p in planned if p.change.side is Side.CRM])
        planned = self._known_meetings(planned)
        stop = self._send(Side.TARGET, [p for p in planned if p.change.side is Side.TARGET]) or stop
        for side in (Side.CRM, Side.TARGET):
            self._read_back(side, [p for p in planned if p.change.side is side])
        outcome = self._record(decided, planned, now, stop)
        outcome.failures += failures
        outcome.mails = [self.mailroom.outcome(p.mail, p.result) for p in planned if p.mail] + [m for _, m in held]
        outcome.held = [mark for item, _ in held for mark in item.subject.marks]
        outcome.commit = replace(outcome.commit, mails=tuple(outcome.mails))
        self.mailroom.note(outcome.mails)
        return outcome

    def _judged(
        self, planned: Sequence[Sending], now: datetime
    ) -> tuple[list[Sending], list[Mail], list[tuple[Decided, Mail]]]:
        """The writes that go out, with those whom the server tells; the mails to be noted before; and what is held."""
        out: list[Sending] = []
        mails: list[Mail] = []
        held: list[tuple[Decided, Mail]] = []
        self.mailroom.open()
        for entry in planned:
            fate, notice, mail = self.mailroom.judge(entry.item, entry.change, now)
            if mail is not None:
                entry.mail = mail
                mails.append(mail)
            if fate is Fate.HOLD and mail is not None:
                held.append((entry.item, mail))
                continue
            if notice is not Notice.NOBODY:
                entry.write = replace(entry.write, notice=notice)
            out.append(entry)
        return out, mails, held

    def _plans(self, decided: Sequence[Decided]) -> tuple[list[Decided], list[Sending], list[Failure]]:
        """Every item's writes; one that cannot be expressed in the CRM's fields fails alone, with all of its writes."""
        fit: list[Decided] = []
        planned: list[Sending] = []
        failures: list[Failure] = []
        for item in decided:
            try:
                planned += [p for change in item.decision.changes if (p := self._plan(item, change))]
                fit.append(item)
            except Invalid as error:
                key = item.subject.target_key or item.subject.crm_key or ""
                side = Side.TARGET if item.subject.target_key else Side.CRM
                failures.append(Failure(tuple(item.subject.marks), side, key, error))
        return fit, planned, failures

    def _plan(self, item: Decided, change: Change) -> Sending | None:
        subject, pairing, token = item.subject, item.subject.pairing, self.parts.rng.token()
        if change.side is Side.CRM:
            wanted = change.fields or change.operation is not Operation.DELETE
            values = self.link.mapping.inbound(change.values) if wanted else {}
            held, key = subject.crm, subject.crm_key
            fields = frozenset(values)
            if change.operation is not Operation.CREATE:
                fields &= self.link.mapping.inbound_fields(change.fields)
            stamp = token if change.operation is Operation.CREATE else None
        else:
            values, held, key, fields = change.values, subject.target, subject.target_key, change.fields
            crm_key = subject.crm_key or ""
            stamp = stamp_for(crm_key, token)
            if change.operation is Operation.UPDATE and pairing and held and held.stamp == pairing.stamp and held.stamp:
                stamp = None
        contents = self._contents(change, subject)
        if change.operation is Operation.CREATE:
            # An item that is made again takes its identity along: it is what a lost state or a lost answer is settled by.
            own = subject.target if not subject.copy and subject.target_key not in self.copies else None
            native = native_key(self.ref, own) if own else None
            crm = change.side is Side.CRM
            uid = None if crm else _identity(item, change, token)
            write = Write(
                Operation.CREATE, None, None, values, fields, stamp, native if crm else meeting_key(uid), uid=uid
            )
            write = replace(write, contents=contents) if contents else write
            return Sending(item, change, write, stamp or token)
        if held is None or key is None:
            return None
        before = change.before if change.side is Side.TARGET else None
        whole = change.side is Side.CRM and item.standing is Standing.ORGANIZES
        write = Write(change.operation, key, held.version, values, fields, stamp, before=before, whole=whole)
        write = replace(write, contents=contents) if contents else write
        return Sending(item, change, write, token)

    def _contents(self, change: Change, subject: Subject) -> Callable[[str], bytes] | None:
        """Where the bytes of attachments come from that a change carries over: the other side's item (B-45)."""
        if ATTACHMENTS not in change.fields or change.operation is Operation.DELETE:
            return None
        inbound = change.side is Side.CRM
        source, key = (self.parts.target, subject.target_key) if inbound else (self.parts.crm, subject.crm_key)
        return partial(source.content, self.ref, key) if key else None

    def _intent(self, planned: Sending, now: datetime) -> Intent:
        change, subject = planned.change, planned.item.subject
        return Intent(
            token=planned.token,
            link=self.link.name,
            side=change.side,
            operation=change.operation,
            key=planned.write.key,
            source_key=subject.target_key if change.side is Side.CRM else subject.crm_key,
            record=change.values,
            fields=change.fields,
            native=planned.write.native,
            run=self.run,
            at=now,
        )

    def _send(self, side: Side, planned: Sequence[Sending]) -> ConnectorError | None:
        """Send one side's writes in order. An error that concerns more than its item ends the sending."""
        if not planned:
            return None
        planned = [p for p in planned if not p.unsent]
        connector = self.parts.crm if side is Side.CRM else self.parts.target
        results = connector.write(self.ref, [p.write for p in planned])
        try:
            for entry, result in zip(planned, results, strict=False):
                entry.result = result
                if result.error and not isinstance(result.error, VersionMoved | Gone | Invalid | OutcomeUnknown):
                    return result.error
        except ConnectorError as error:
            unanswered = next((entry for entry in planned if entry.result is None), None)
            if unanswered:
                unanswered.result = WriteResult(error=error)
            return error
        return None

    def _known_meetings(self, planned: list[Sending]) -> list[Sending]:
        """Before a meeting of the CRM's is made in a mailbox, the CRM's key table learns its identity: a copy that comes
        back from an invited mailbox is the same record, however soon it comes (B-41)."""
        asked = [p for p in planned if p.write.uid and p.item.uid is None and p.item.subject.crm]
        notes = [
            Write(Operation.UPDATE, held.key, held.version, stamp=p.token, native=p.write.native)
            for p in asked
            if (held := p.item.subject.crm)
        ]
        if not notes:
            return planned
        refused: dict[int, ConnectorError] = {}
        try:
            for entry, result in zip(asked, self.parts.crm.write(self.ref, notes), strict=True):
                if result.error is not None:
                    refused[id(entry)] = result.error
        except ConnectorError as error:
            refused = {id(entry): error for entry in asked}
        for entry in asked:
            if id(entry) in refused:
                entry.result = WriteResult(error=refused[id(entry)])
                entry.unsent = True
        return planned

    def _read_back(self, side: Side, planned: Sequence[Sending]) -> None:
        written: dict[str, Sending] = {}
        for entry in planned:
            result = entry.result
            if result is None or not result.key or not result.version or result.adopted:
                continue
            if result.item is not None:
                entry.held = result.item
            else:
                written[result.key] = entry
        if not written:
            return
        connector = self.parts.crm if side is Side.CRM else self.parts.target
        try:
            items = connector.get(self.ref, list(written))
        except ConnectorError:
            return  # the writes stand; without a read-back their items stay dirty and are read in the next pass
        for key, entry in written.items():
            item = items.get(key)
            if isinstance(item, Item) and entry.result and item.version == entry.result.version:
                entry.held = item

    def _record(
        self,
        decided: Sequence[Decided],
        planned: Sequence[Sending],
        now: datetime,
        stop: ConnectorError | None,
    ) -> Outcome:
        made = {p.result.key for p in planned if p.result and p.result.key and not p.result.adopted}
        self.adopted = {key for key in made if key}
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
        for item in decided:
            mine = by_item.get(id(item), [])
            done, failed = self._sort(mine, out)
            if failed:
                out.failures += failed
            if any(_kept(entry) for entry in mine):
                continue
            unfinished = frozenset().union(*(p.result.unfinished for p in done if p.result))
            pairing = self._paired(item, done, now)
            if pairing is not None and unfinished:
                pairing = _disagreed(pairing, unfinished)
            if pairing is None and any(p.result and p.result.adopted for p in done):
                if self.link.folder.of_directory:
                    out.failures.append(_claimed(item, mine))
                    continue
                self.copies.add(item.subject.target_key)
                out.copies += [item.subject.target_key] if item.subject.target_key else []
            complete = len(done) == len(item.decision.changes) and not failed and not unfinished
            clean = all(p.change.operation is Operation.DELETE or p.held for p in done) and not any(
                p.result and p.result.adopted for p in done
            )
            if complete and not self.undoing:
                closed_conflicts += self.disputes.closed(item, now)
                resolved += [resolution.conflict for resolution in self.disputes.of(item)]
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
        if pairing is None or not item.decision.purge:
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
            if _kept(entry):
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

    def _paired(self, item: Decided, done: Sequence[Sending], now: datetime) -> Pairing | None:
        """The pairing as it stands after the writes that succeeded; None when none remains."""
        subject, decision = item.subject, item.decision
        by_side = {entry.change.side: entry for entry in done}
        if decision.detach and subject.pairing:
            if len(done) < len(decision.changes):
                return subject.pairing
            again = next((e for e in done if e.change.operation is Operation.CREATE), None)
            pair = self._with_key(subject.pairing, again) if again else subject.pairing
            base = decision.base if decision.purge else subject.pairing.base
            # Who departed and comes back may do so with the very version that he left with.
            version = None if subject.departed else pair.target_version
            return replace(
                pair, base=base, target_version=version, status=PairingStatus.DETACHED, reason=decision.detach
            )
        if any(entry.change.operation is Operation.DELETE for entry in done) or decision.base is None:
            return None if len(done) == len(decision.changes) else subject.pairing
        pairing = subject.pairing or self._new_pairing(item, by_side)
        if pairing is None:
            return None
        made = next((e for e in done if e.change.operation is Operation.CREATE and e.result), None)
        if made and subject.pairing:
            pairing = self._with_key(pairing, made)
        if made and made.result and made.result.adopted:
            return None if self._taken(made) else replace(pairing, base=None)
        if len(done) < len(decision.changes):
            return self._partly(pairing, decision.base, done)
        crm = self._held(Side.CRM, item, by_side.get(Side.CRM), decision.base.crm)
        target = self._held(Side.TARGET, item, by_side.get(Side.TARGET), decision.base.target)
        stamp, native = pairing.stamp, pairing.native
        written = by_side.get(Side.TARGET)
        seen = written.held if written and written.held else subject.target
        if seen:
            stamp = seen.stamp if seen.stamp and crm_key_of(seen.stamp) == pairing.crm_key else stamp
            native = seen.native or native
        reason = leaves_window(self.link, crm[0], now) if subject.pairing else None
        return Pairing(
            link=pairing.link,
            entity=pairing.entity,
            crm_key=pairing.crm_key,
            target_key=pairing.target_key,
            crm_version=crm[1],
            target_version=target[1],
            stamp=stamp,
            native=native,
            base=remembered(self.link, Base(crm[0], target[0])),
            status=PairingStatus.DETACHED if reason else PairingStatus.ACTIVE,
            reason=reason,
            id=pairing.id,
        )

    def _taken(self, made: Sending) -> bool:
        """Whether the record that a create found is another item's already: then this item is a copy of that one."""
        key = made.result.key if made.result else None
        if key is None or key in self.adopted or self.parts.store.pairings(self.link.name, crm_keys=[key]):
            return True
        self.adopted.add(key)
        return False

    def _new_pairing(self, item: Decided, by_side: Mapping[Side, Sending]) -> Pairing | None:
        subject = item.subject
        made = next((e for e in by_side.values() if e.change.operation is Operation.CREATE), None)
        if made is None or made.result is None or not made.result.key:
            return None
        key = made.result.key
        if made.change.side is Side.CRM:
            return Pairing(self.link.name, self.link.entity, key, subject.target_key or "")
        return Pairing(self.link.name, self.link.entity, subject.crm_key or "", key, stamp=made.write.stamp)

    def _with_key(self, pairing: Pairing, made: Sending) -> Pairing:
        key = made.result.key if made.result and made.result.key else ""
        if made.change.side is Side.CRM:
            return replace(pairing, crm_key=key)
        return replace(pairing, target_key=key, stamp=made.write.stamp, native=None)

    def _partly(self, pairing: Pairing, agreed: Base, done: Sequence[Sending]) -> Pairing:
        """Only some of an item's writes happened: both bases move for their fields alone, so that the rest stays a change
        of the side that made it. Versions are forgotten: the item is read again."""
        if pairing.base is None or not done:
            return pairing
        names = frozenset().union(*(entry.change.fields for entry in done))
        crm, target = (
            {**pairing.base.of(side), **{name: agreed.of(side).get(name) for name in names}} for side in Side
        )
        return replace(pairing, base=remembered(self.link, Base(crm, target)), crm_version=None, target_version=None)

    def _held(self, side: Side, item: Decided, entry: Sending | None, agreed: Fields) -> tuple[Fields, str | None]:
        """(base, version) of one side: what was read back, the payload sent, or what was read and not written."""
        if entry is None:
            read = item.subject.crm if side is Side.CRM else item.subject.target
            return agreed, read.version if read else None
        if entry.held is None:
            return agreed, None
        if entry.held.masked:  # written by us, and private by now: what we sent is not kept either (B-35)
            seen = {name: entry.held.values.get(name) for name in entry.change.fields}
            return veiled({**agreed, **seen}), entry.held.version
        record = self._record_of(side, entry.held)
        if record is None:
            return agreed, None
        if record == agreed:
            return agreed, entry.held.version  # the very same object: the state writes it as one text
        before = item.crm if side is Side.CRM else item.target
        if entry.change.operation is Operation.UPDATE and any(
            record.get(name) != value for name, value in (before or {}).items() if name not in entry.change.fields
        ):
            # The side did more than it was told (a completed task got its day): that is a change of its own, to be merged.
            entry.held = None
            return agreed, None
        if all(record.get(name) == agreed.get(name) for name in entry.change.fields):
            return agreed, entry.held.version
        return {**agreed, **{name: record.get(name) for name in entry.change.fields}}, entry.held.version

    def _record_of(self, side: Side, item: Item) -> Fields | None:
        if side is Side.TARGET:
            return item.values
        try:
            return self.link.mapping.outbound(item.values)
        except Invalid:
            return None  # a trigger made something unmappable of it: the payload stays the base, the item stays dirty

    def _entry(self, planned: Sending, now: datetime) -> LedgerEntry:
        change, subject = planned.change, planned.item.subject
        key = planned.write.key or (planned.result.key if planned.result else None)
        whole = change.operation is not Operation.UPDATE
        before = change.before if whole else _only(change.before, change.fields)
        written = change.fields - (planned.result.unfinished if planned.result else frozenset())
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


def _kept(entry: Sending) -> bool:
    """Whether the CRM refused to delete a record because others hold it, and could not take its user out of it."""
    error = entry.result.error if entry.result else None
    return entry.change.operation is Operation.DELETE and isinstance(error, Invalid) and error.code == STILL_OWNED


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


def _identity(item: Decided, change: Change, token: str) -> str | None:
    """The native identity that a new meeting on the target is given, so that the CRM knows it before anybody is invited:
    that of its copies elsewhere, its own former one, or a fresh one. None: no meeting, and the server gives it."""
    pairing = item.subject.pairing
    if item.uid is not None or not change.values.get("participants"):
        return item.uid
    return pairing.native if pairing and pairing.native else f"{token}@exsync"


def _disagreed(pairing: Pairing, names: frozenset[str]) -> Pairing:
    """A pairing of which these fields are no longer agreed: a later pass fills them from both sides (decision 004)."""
    base = pairing.base.without(names) if pairing.base else None
    return replace(pairing, base=base, crm_version=None, target_version=None)


def _is_open(result: WriteResult) -> bool:
    """Whether nobody knows what became of a write. One that was left unfinished is known to have been begun."""
    return isinstance(result.error, OutcomeUnknown) and not result.unfinished


def _only(record: Fields | None, names: frozenset[str]) -> Fields | None:
    if record is None or names == record.keys():
        return record
    return {name: record.get(name) for name in sorted(names)}
