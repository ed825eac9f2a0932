"""What a step has to know of its meetings before it decides: whose copies these are, who speaks, who else holds them.

Nothing is asked for items that are no meetings. Whoever has a right to speak says so in the state first, in a commit of his
own, so that of two passes at a time only one believes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from runner.config.plan import LinkPlan
from runner.engine.identity import meeting_key, meeting_of
from runner.engine.parts import Parts
from runner.engine.subject import Subject
from runner.model.errors import Invalid
from runner.model.items import Identity, Item, LinkRef
from runner.model.meetings import Mail, MailKind, MailStatus, Master
from runner.model.quick import quick
from runner.model.record import Fields
from runner.model.state import Commit, PairingStatus
from runner.model.terms import Place
from runner.reconcile.authority import (
    Circle,
    Copy,
    Standing,
    claim,
    first_rules,
    is_invited,
    leaves,
    noted,
    rules_for,
    standing,
    standing_of_gone,
)
from runner.reconcile.decision import Decision
from runner.reconcile.rules import ItemRules

PATIENCE = timedelta(minutes=10)
"""How long a participant's link leaves a record alone that its organizer's mailbox does not hold yet."""
ASKED = frozenset({MailStatus.SENDING, MailStatus.SENT, MailStatus.HELD, MailStatus.RELEASED})
"""An invitation in one of these will bring its copies, or has."""


@dataclass(frozen=True, slots=True)
class Meetings:
    """What is known of one step's meetings. ``others``: CRM key → native identity by the other links that hold it."""

    circle: Circle
    masters: Mapping[str, Master] = field(default_factory=dict)
    others: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    mails: Sequence[Mail] = ()
    present: frozenset[str] = frozenset()
    """Native identities of meetings that lone records name, of which the mailbox holds a copy already."""

    def standing(self, subject: Subject, crm: Fields | None) -> Standing:
        """What a subject's copy is to its meeting."""
        copy = copy_in(subject.target)
        if copy is not None:
            return standing(copy, self.circle, self.masters.get(copy.native))
        native = subject.pairing.native if subject.pairing else None
        if subject.target is None:
            if native is None:
                return Standing.ALONE
            return standing_of_gone(self.circle, self.masters.get(native), self.has_others(subject))
        return Standing.FOLLOWS if is_invited(crm, self.circle) and self.has_others(subject) else Standing.ALONE

    def has_others(self, subject: Subject) -> bool:
        """Whether other links hold copies of the subject's meeting: the same record under the same identity."""
        held = self.others.get(subject.crm_key or "", {})
        native = (subject.target.native if subject.target else None) or (
            subject.pairing.native if subject.pairing else None
        )
        return any(other == native for other in held.values())

    def identity(self, crm_key: str) -> str | None:
        """The native identity under which another mailbox holds this record's meeting."""
        return next((native for native in self.others.get(crm_key, {}).values() if native), None)

    def asked(self, crm_key: str) -> bool:
        """Whether attendees were or will be invited by mail, so that a copy comes to them by itself."""
        return any(
            mail.crm_key == crm_key and mail.kind is MailKind.INVITATION and mail.status in ASKED for mail in self.mails
        )


@quick
@dataclass(frozen=True, slots=True)
class Role:
    """What one subject is to a meeting, and what follows for it before any field is looked at.

    ``rules`` are the link's, narrowed; ``decision`` is what is decided already; ``uid`` the identity that a new target item
    takes on; ``due`` says that the subject waits until then, ``ignored`` that it takes no part.
    """

    rules: ItemRules
    standing: Standing = Standing.ALONE
    decision: Decision | None = None
    uid: str | None = None
    due: datetime | None = None
    ignored: bool = False


def role_of(
    link: LinkPlan, subject: Subject, crm: Fields | None, target: Fields | None, meetings: Meetings, now: datetime
) -> Role:
    """What a subject is to a meeting (B-41)."""
    rules, pairing = link.rules, subject.pairing
    lone = pairing is None and subject.target is None
    if lone and is_invited(crm, meetings.circle):
        # Somebody else organizes it: this user's copy comes by mail, or is made when the meeting has an identity.
        uid = meetings.identity(subject.crm_key or "")
        if uid is None:
            return Role(rules, due=now + PATIENCE)
        if uid in meetings.present:  # it joins the record by itself, when its own change is looked at
            return Role(rules, ignored=True)
        return Role(rules_for(rules, Standing.SPEAKS), uid=uid, ignored=meetings.asked(subject.crm_key or ""))
    standing = meetings.standing(subject, crm)
    if standing is Standing.ALONE or pairing is None:
        return Role(rules, standing, uid=meeting_of(subject.crm.native) if lone and subject.crm else None)
    first = pairing.base is None and meetings.has_others(subject)
    narrowed = rules_for(first_rules(rules) if first else rules, standing)
    if crm is None:
        return Role(narrowed, standing)
    if target is None:
        reason = leaves(standing, meetings.has_others(subject))
        return Role(narrowed, standing, Decision(base=pairing.base, detach=reason) if reason else None)
    if standing is not Standing.FOLLOWS:
        return Role(narrowed, standing)
    if subject.target and subject.target.masked:  # his own discretion about a meeting that is somebody else's (B-35)
        return Role(narrowed, standing, ignored=True)
    return Role(narrowed, standing, noted(rules, crm, target) if pairing.base is None else None)


def again(parts: Parts, ref: LinkRef, items: Iterable[Item]) -> frozenset[str]:
    """Native identities of target items that are known as meetings in the CRM's key table, though the server calls them none:
    one that was made again from its record has nobody invited, and is still the copy of what other mailboxes hold."""
    asked = [Identity(native=key) for item in items if not item.shared and (key := meeting_key(item.native))]
    hits = parts.crm.find(ref, asked) if asked else ()
    return frozenset(native for hit in hits if (native := meeting_of(hit.identity.native)))


def copy_in(item: Item | None) -> Copy | None:
    """A target item as a copy of a meeting; None when it is none."""
    if item is None or not item.shared or item.native is None:
        return None
    return Copy(item.native, item.organizer, item.response)


def look(parts: Parts, link: LinkPlan, ref: LinkRef, subjects: Sequence[Subject]) -> Meetings:
    """Ask the state what this step's meetings need, and the mailbox whether it holds those already that it would be given:
    the invitation may be there while the record that names its user is routed to him, and no server refuses a second
    copy under the same identity."""
    circle = parts.circles.get(link.name) or Circle(link.name)
    invited = _invited(link, subjects, circle)
    copies = [copy for subject in subjects if (copy := copy_in(subject.target))]
    gone = {
        subject.pairing.native
        for subject in subjects
        if subject.target is None and subject.pairing and subject.pairing.native and subject.crm
    }
    shared = {s.crm_key for s in subjects if s.crm_key and (copy_in(s.target) or _is_gone(s))} | invited
    if not copies and not gone and not shared:
        return Meetings(circle)
    store = parts.store
    natives = sorted({copy.native for copy in copies} | gone)
    masters = store.masters(natives)
    others: dict[str, dict[str, str | None]] = {}
    left: set[tuple[str | None, str]] = set()
    for crm_key, links in store.paired_links(sorted(shared)).items():
        for other in links - {link.name}:
            if other in circle.links:
                for pairing in store.pairings(other, crm_keys=[crm_key]):
                    if pairing.status is PairingStatus.ACTIVE:
                        others.setdefault(crm_key, {})[other] = pairing.native
                    else:
                        left.add((crm_key, other))
    claims: dict[str, Master] = {}
    for subject in subjects:
        copy = copy_in(subject.target)
        master = masters.get(copy.native) if copy else None
        gone_from = master is not None and (subject.crm_key, master.link) in left
        if copy and (asked := claim(copy, circle, master, left=gone_from)):
            claims[copy.native] = asked
    if claims:
        store.commit(Commit(masters=tuple(claims.values())))
        masters = store.masters(natives)
    mails = [mail for other in {o for held in others.values() for o in held} for mail in store.mails(other)]
    known = Meetings(circle, masters, others, mails if invited else ())
    wanted = sorted({uid for key in invited if not known.asked(key) and (uid := known.identity(key))})
    if not wanted:
        return known
    hits = parts.target.find(ref, [Identity(native=uid) for uid in wanted])
    here = frozenset(hit.identity.native or "" for hit in hits if hit.place in (Place.FOLDER, Place.ELSEWHERE))
    return replace(known, present=here)


def _invited(link: LinkPlan, subjects: Sequence[Subject], circle: Circle) -> set[str]:
    """CRM keys of lone records that somebody else organizes."""
    if "participants" not in link.mapping.record_fields:
        return set()
    found: set[str] = set()
    for subject in subjects:
        if subject.pairing is None and subject.target is None and subject.crm is not None:
            with suppress(Invalid):  # it fails by itself where it is decided
                if is_invited(link.mapping.outbound(subject.crm.values), circle):
                    found.add(subject.crm.key)
    return found


def _is_gone(subject: Subject) -> bool:
    return subject.target is None and subject.pairing is not None and subject.crm is not None
