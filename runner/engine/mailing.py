"""Mail to attendees while a step is written: judged, budgeted and noted before it can go out (B-42).

A mail and its write are one request, so a write that is held waits with its mail: the edit stays a dirty mark, and an
operator's word makes it due. What may have gone out is in the state before it is sent, like any write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from runner.config.plan import LinkPlan
from runner.engine.decide import Decided
from runner.engine.parts import Parts
from runner.model.errors import OutcomeUnknown
from runner.model.items import WriteResult
from runner.model.meetings import OPEN, Mail, MailKind, MailStatus
from runner.model.privacy import is_private
from runner.model.terms import Notice, Operation
from runner.reconcile.authority import Standing
from runner.reconcile.decision import Change
from runner.reconcile.firewall import (
    Fate,
    Judgement,
    Letter,
    Occasion,
    Spent,
    is_past,
    judge,
    letter_of,
    settles_a_conflict,
)

WINDOW = timedelta(hours=24)
RETRY = timedelta(hours=1)
"""How long a held write is left alone before it is looked at again; an operator's word makes it due at once."""


class Mailroom:
    """Judges one pass's mail. ``first`` says that the pass is a link's first sync, ``growing`` that this goes on for what was
    never in step, ``undoing`` that it takes writes back,
    ``snapshot`` that one side is given what the other holds."""

    def __init__(self, parts: Parts, link: LinkPlan, run: str) -> None:
        self.parts, self.link, self.run = parts, link, run
        self.first = self.growing = False
        self.undoing = False
        self.snapshot = False
        self._known: dict[str, list[Mail]] | None = None
        self._spent = Spent()

    def open(self) -> None:
        """A step begins: look at what was mailed meanwhile, by other passes too."""
        self._spent = Spent()
        if not self.link.mail.send and self._known is not None and not self._known:
            return
        since = self.parts.clock.now() - WINDOW
        spendings = self.parts.store.mailed_since(since) if self.link.mail.send else ()
        self._spent = Spent(
            run=sum(one.addressees for one in spendings if one.run == self.run),
            user=sum(one.addressees for one in spendings if one.user == self.link.user),
            day=sum(one.addressees for one in spendings),
        )

    def judge(self, item: Decided, change: Change, now: datetime) -> tuple[Fate, Notice, Mail | None]:
        """What becomes of one write to the target, whom the server tells, and the mail to note (None: nothing to tell)."""
        weighed = self.weigh(item, change, now)
        if weighed is None:
            return Fate.SILENT, Notice.NOBODY, None
        letter, judgement, waiting = weighed
        mail = self._mail(item, letter, judgement.reason, waiting, now)
        if judgement.fate is Fate.SEND:
            self._spend(letter.addressees)
            return Fate.SEND, letter.notice, replace(mail, status=MailStatus.SENDING)
        if judgement.fate is Fate.HOLD:
            return Fate.HOLD, Notice.NOBODY, replace(mail, status=MailStatus.HELD)
        return Fate.SILENT, Notice.NOBODY, replace(mail, status=MailStatus.SILENT) if waiting else None

    def weigh(self, item: Decided, change: Change, now: datetime) -> tuple[Letter, Judgement, Mail | None] | None:
        """What one write would tell, what the firewall says to it, and the mail that waits for it; None: nothing to tell."""
        asked = item.standing in (Standing.ALONE, Standing.ORGANIZES) and item.uid is None
        letter = letter_of(change) if asked else None
        if letter is None:
            return None
        earlier = self._mails().get(item.subject.crm_key or "", [])
        waiting = next((mail for mail in reversed(earlier) if mail.status in OPEN), None)
        occasion = self._occasion(item, change, letter, earlier, waiting, now)
        silent = self.parts.target.capabilities.silent_meeting_updates
        return letter, judge(letter, self.link.mail, occasion, self._spent, can_be_silent=silent), waiting

    def note(self, mails: Iterable[Mail]) -> None:
        """Remember what has been committed."""
        for mail in mails:
            known = self._mails().setdefault(mail.crm_key, [])
            known[:] = [one for one in known if one.id != mail.id] + [mail]

    def outcome(self, mail: Mail, result: WriteResult | None) -> Mail:
        """Where a mail stands after its write."""
        if mail.status is not MailStatus.SENDING:
            return mail
        if result is None or (result.error is not None and not isinstance(result.error, OutcomeUnknown)):
            return replace(mail, status=MailStatus.FAILED)
        return mail if result.error is not None else replace(mail, status=MailStatus.SENT)

    def held(self) -> int:
        """How many people are not told, and their writes not made, until somebody decides."""
        mails = self.parts.store.mails(self.link.name, open_only=True)
        return sum(mail.addressees for mail in mails if mail.status is MailStatus.HELD)

    def _mails(self) -> dict[str, list[Mail]]:
        if self._known is None:
            self._known = {}
            for mail in self.parts.store.mails(self.link.name):
                self._known.setdefault(mail.crm_key, []).append(mail)
        return self._known

    def _occasion(
        self,
        item: Decided,
        change: Change,
        letter: Letter,
        earlier: Sequence[Mail],
        waiting: Mail | None,
        now: datetime,
    ) -> Occasion:
        record = change.before if change.operation is Operation.DELETE else change.values
        made, pairing = change.operation is Operation.CREATE, item.subject.pairing
        told = any(mail.kind is MailKind.INVITATION and mail.status is MailStatus.SENT for mail in earlier)
        return Occasion(
            first=self.first or (self.growing and (pairing is None or pairing.base is None)),
            undoing=self.undoing,
            snapshot=self.snapshot,
            past=is_past(record or {}, now, self.link.time_zone),
            conflict=settles_a_conflict(item.decision),
            again=made and (item.subject.pairing is not None or told),
            status=waiting.status if waiting else None,
        )

    def _mail(self, item: Decided, letter: Letter, reason: str, waiting: Mail | None, now: datetime) -> Mail:
        record = item.crm or item.target or {}
        return Mail(
            id=waiting.id if waiting else self.parts.rng.token(),
            link=self.link.name,
            user=self.link.user,
            crm_key=item.subject.crm_key or "",
            kind=letter.kind,
            addressees=letter.addressees,
            status=MailStatus.HELD,
            reason=reason,
            title=None if is_private(record) else item.title,
            rule=self.link.mail.rule,
            run=self.run,
            at=now,
        )

    def _spend(self, people: int) -> None:
        spent = self._spent
        self._spent = Spent(spent.run + people, spent.user + people, spent.day + people)
