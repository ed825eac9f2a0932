"""Decisions → writes → read-back → one commit.

Order of one step: intents and conflicts become durable → one conditional write per item → what each side really holds is
read back → pairings, bases, ledger and marks commit together. A read-back becomes that side's base only when its version
is the one the write returned; else the base is the payload that was sent and the item stays dirty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from runner.config.plan import LinkPlan
from runner.engine.decide import Decided
from runner.engine.disputes import Disputes
from runner.engine.identity import meeting_key, meeting_of, native_key, stamp_for
from runner.engine.mailing import Mailroom
from runner.engine.meetings import again
from runner.engine.outcome import Recording
from runner.engine.parts import Parts
from runner.engine.sending import Outcome, Sending, interrupted
from runner.engine.subject import Failure, Subject
from runner.model.errors import ConnectorError, Gone, Invalid, OutcomeUnknown, VersionMoved
from runner.model.files import ATTACHMENTS
from runner.model.items import Item, LinkRef, Write, WriteResult
from runner.model.meetings import Mail
from runner.model.record import Fields
from runner.model.state import (
    Commit,
    Intent,
    Resolution,
)
from runner.model.terms import Notice, Operation, Side
from runner.reconcile.authority import Standing
from runner.reconcile.decision import Change
from runner.reconcile.firewall import Fate


class Writer:
    """Carries out one step's decisions for one link."""

    def __init__(
        self, parts: Parts, link: LinkPlan, ref: LinkRef, run: str, resolutions: Mapping[str, Sequence[Resolution]]
    ) -> None:
        self.parts, self.link, self.ref, self.run = parts, link, ref, run
        self.disputes = Disputes(parts, link, run, resolutions)
        self.mailroom = Mailroom(parts, link, run)
        self.recording = Recording(parts, link, run, self.disputes)
        self.stopping: Callable[[], bool] | None = None
        """Asked before each request to the target: True ends the sending there. What one transaction of the CRM takes was
        written as a whole by the time that its first result is known."""
        self._names: frozenset[str] = frozenset()
        self.met: frozenset[str] = frozenset()
        """Meetings of the step at hand that only the CRM's key table knows as such."""

    def undo(self) -> None:
        """From now on what is written takes earlier writes back: it settles no open conflict, and nobody is told."""
        self.recording.undoing = self.mailroom.undoing = True

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
        outcome = self.recording.of(decided, planned, now, stop)
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
        remade = [item.subject.target for item in decided if item.subject.target and _is_made_again(item)]
        self.met = again(self.parts, self.ref, remade)
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
            fields = self._named(values)
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
            own = subject.target if not subject.copy and subject.target_key not in self.recording.copies else None
            native = native_key(self.ref, own, self.met) if own else None
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

    def _named(self, values: Fields) -> frozenset[str]:
        """The names of a write's fields; the same object while they stay the same, so that it is hashed once."""
        if values.keys() != self._names:
            self._names = frozenset(values)
        return self._names

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
        results = iter(connector.write(self.ref, [p.write for p in planned]))
        try:
            for entry in planned:
                if side is Side.TARGET and self.stopping is not None and self.stopping():
                    return interrupted()
                result = next(results, None)
                if result is None:
                    break
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
        asked, notes = list[Sending](), list[Write]()
        for p in planned:
            held = p.item.subject.crm
            if p.write.uid and p.item.uid is None and held and held.native != p.write.native:
                asked.append(p)
                notes.append(Write(Operation.UPDATE, held.key, held.version, stamp=p.token, native=p.write.native))
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
            if isinstance(item, Item) and entry.result:
                entry.native = item.native
                entry.held = item if item.version == entry.result.version else None


def _is_made_again(item: Decided) -> bool:
    """Whether a paired item's record is to be made anew."""
    if item.subject.pairing is None:
        return False
    return any(c.side is Side.CRM and c.operation is Operation.CREATE for c in item.decision.changes)


def _identity(item: Decided, change: Change, token: str) -> str | None:
    """The native identity that a new meeting on the target is given, so that the CRM knows it before anybody is invited:
    that of its copies elsewhere, its own former one, or a fresh one. None: no meeting, and the server gives it."""
    crm, pairing = item.subject.crm, item.subject.pairing
    if item.uid is not None:
        return item.uid
    if not change.values.get("participants"):  # a copy that is made again is still what other mailboxes hold
        return meeting_of(crm.native) if crm else None
    return pairing.native if pairing and pairing.native else f"{token}@exsync"
