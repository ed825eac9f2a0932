"""Subjects → decisions: the mapping and the pure rules joined. Reads nothing, writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runner.config.durations import duration_text
from runner.config.plan import LinkPlan
from runner.engine.gather import AGED, FILTERED
from runner.engine.meetings import Meetings, role_of
from runner.engine.subject import Failure, Subject
from runner.model.errors import Invalid
from runner.model.files import ATTACHMENTS, why_over
from runner.model.overrides import is_series
from runner.model.privacy import hides, is_private, is_veiled
from runner.model.quick import quick
from runner.model.record import Fields
from runner.model.state import Base, PairingStatus, Resolution
from runner.model.terms import Folder, Operation, Private, Side
from runner.reconcile.authority import Standing
from runner.reconcile.decision import ABSENT, Decision, Presented, Settlement
from runner.reconcile.discretion import Discretion, behind_placeholder, reconcile_private, unmasking_base
from runner.reconcile.joining import keeping_block
from runner.reconcile.leaving import depart, leave
from runner.reconcile.merge import reconcile
from runner.reconcile.ordering import called
from runner.reconcile.restrictions import exceeded
from runner.reconcile.rules import ItemRules
from runner.reconcile.ruling import PLACES
from runner.reconcile.scope import Scope, enters_at, in_window

DEACTIVATED = "deleted in the CRM, and the directory still has it: it stays deleted until the CRM takes it back"
"""Why a pair ends whose user somebody deactivated in the CRM: no directory reactivates whom an administrator locked out."""
UNNAMED = "(private item)"
"""How a private item is called on our side (B-35): not even a title that it had before is shown again."""


TEMPLATE = "template"


@quick
@dataclass(frozen=True, slots=True)
class Decided:
    """A subject, its two records and what the rules say."""

    subject: Subject
    crm: Fields | None
    target: Fields | None
    decision: Decision
    standing: Standing = Standing.ALONE
    """What its copy is to a meeting; lone records that this link's user shall organize are alone."""
    uid: str | None = None
    """The identity that a new target item takes on: that of the meeting in other mailboxes."""

    @property
    def title(self) -> str:
        """What people call the item."""
        if self.subject.target is not None and self.subject.target.masked:
            return UNNAMED
        return called(self.crm or self.target or {})


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The outcome of one step's decisions."""

    decided: tuple[Decided, ...]
    failures: tuple[Failure, ...]
    ignored: tuple[int, ...]
    """Marks of items that take no part: outside the window for good, or private."""
    parked: tuple[tuple[int, datetime], ...]
    detached: tuple[tuple[Subject, str], ...]
    """Pairs to be left alone from now on, with the reason: gone after leaving the window, or before they were compared."""
    noted: tuple[Failure, ...] = ()
    """What is said of items that take part all the same: their attachments do not (B-45)."""


def decide(
    link: LinkPlan,
    subjects: Sequence[Subject],
    now: datetime,
    resolutions: Mapping[str, Sequence[Resolution]],
    meetings: Meetings,
) -> Verdicts:
    """Decide every subject of a step; one that cannot be mapped fails alone (B-23)."""
    decided: list[Decided] = []
    failures: list[Failure] = []
    ignored: list[int] = []
    parked: list[tuple[int, datetime]] = []
    detached: list[tuple[Subject, str]] = []
    noted: list[Failure] = []
    for subject in subjects:
        try:
            crm, target = _records(link, subject)
            if subject.left:
                base = subject.pairing.base if subject.pairing else None
                decision = leave(base, target, link.rules, stamped=_is_ours(subject))
                decided.append(Decided(subject, crm, target, decision))
                continue
            if subject.departed:
                base = subject.pairing.base if subject.pairing else None
                decided.append(Decided(subject, crm, target, depart(base, crm, link.rules, subject.departed)))
                continue
            if _keeps_out(link, subject):
                ignored += subject.marks
                continue
            reason = _leaves(link, subject, crm, target, now) if subject.pairing else None
            if reason:
                detached.append((subject, reason))
                continue
            # A pair that left the window comes back when either side brings it back: that edit is what has to travel.
            away = subject.pairing is not None and subject.pairing.status is PairingStatus.DETACHED
            if away and not _must_blank(subject) and all(_outside(link, record, now) for record in (crm, target)):
                ignored += subject.marks
                continue
            if subject.pairing is None and _outside(link, record := crm or target or {}, now):
                _, due = _scope(link, record, now)
                parked += [(mark, due) for mark in subject.marks] if due else []
                ignored += [] if due else subject.marks
                continue
            _demand_fit(link, subject, crm, target)
        except Invalid as error:
            failures.append(_failure(subject, error))
            continue
        role = role_of(link, subject, crm, target, meetings, now)
        parked += [(mark, role.due) for mark in subject.marks] if role.due else []
        ignored += subject.marks if role.ignored else []
        if role.due or role.ignored:
            continue
        settlements = _settlements(resolutions.get(subject.crm_key or "", ()))
        decision = role.decision or _decision(link, subject, crm, target, role.rules, settlements)
        decided.append(Decided(subject, crm, target, decision, role.standing, role.uid))
        noted += _excess(subject, crm, target)
    return Verdicts(tuple(decided), tuple(failures), tuple(ignored), tuple(parked), tuple(detached), tuple(noted))


def _decision(
    link: LinkPlan,
    subject: Subject,
    crm: Fields | None,
    target: Fields | None,
    rules: ItemRules,
    settlements: tuple[Settlement, ...],
) -> Decision:
    """What the rules say of one item that takes part."""
    pairing = subject.pairing
    base = pairing.base if pairing else None
    if link.folder is Folder.USERS and subject.crm is not None and crm is not None and target is not None:
        target = (
            {**target, TEMPLATE: crm.get(TEMPLATE)} if TEMPLATE in target else target
        )  # a template is for new users, and the CRM's from then on (B-82)
    if base is not None and is_series(target or crm or {}):
        # A series' own reminder goes along when it is made; those of its customised occurrences always do (B-43).
        crm, target = _kept_alert(crm, base.crm), _kept_alert(target, base.target)
    crm, target = _without_excess(base, crm, target)
    ours = Presented(crm, subject.crm.modified) if subject.crm else ABSENT
    theirs = Presented(target, subject.target.modified) if subject.target else ABSENT
    if subject.target is not None and subject.target.masked:
        discretion = Discretion(
            link.private,
            link.private_title,
            elsewhere=subject.elsewhere,
            unseen=pairing is None or subject.target.version != pairing.target_version,
        )
        return reconcile_private(base, ours, theirs, rules, discretion, settlements)
    if hides(link.private, link.entity):
        if target is None:
            rules = behind_placeholder(base, rules)
        elif crm is not None:
            base = unmasking_base(base, crm, rules, link.private_title)
    return keeping_block(reconcile(base, ours, theirs, rules, settlements), target)


def _is_ours(subject: Subject) -> bool:
    """Whether the target's item bears the stamp that its pairing knows."""
    known = subject.pairing and subject.pairing.stamp
    return bool(known) and subject.target is not None and subject.target.stamp == known


def _kept_alert(record: Fields | None, base: Fields) -> Fields | None:
    return {**record, "alert": base["alert"]} if record is not None and "alert" in base else record


def _excess(subject: Subject, crm: Fields | None, target: Fields | None) -> list[Failure]:
    """Attachments that stay where they are because they are too many or too big (B-45)."""
    if not (crm and crm.get(ATTACHMENTS)) and not (target and target.get(ATTACHMENTS)):
        return []
    found: list[Failure] = []
    for side, record, key in ((Side.CRM, crm, subject.crm_key), (Side.TARGET, target, subject.target_key)):
        reason = why_over(record.get(ATTACHMENTS)) if record is not None else None
        if reason is not None and key is not None:
            told = f"{PLACES[side]} it has {reason}: its attachments stay as they are, the rest of it is kept in step"
            found.append(Failure((), side, key, Invalid(told, code="attachments-over-limit")))
    return found


def _without_excess(
    base: Base | None, crm: Fields | None, target: Fields | None
) -> tuple[Fields | None, Fields | None]:
    """Both records, their attachments as they were agreed where those of either side are over a limit: nothing of them
    moves, in either direction, and what was agreed before stays agreed (B-45)."""
    over = (crm and why_over(crm.get(ATTACHMENTS))) or (target and why_over(target.get(ATTACHMENTS)))
    if not over:
        return crm, target
    agreed = [None if base is None else base.of(side).get(ATTACHMENTS) for side in Side]
    held = [
        None if record is None else {**record, ATTACHMENTS: was}
        for record, was in zip((crm, target), agreed, strict=True)
    ]
    return held[0], held[1]


def leaves_window(link: LinkPlan, record: Fields, now: datetime) -> str | None:
    """Why a pair whose record now reads like this is detached after it was synchronised (B-47), or None."""
    if _scope(link, record, now)[0] is not Scope.INSIDE:
        return f"{AGED}the item lies outside the window"
    try:
        passes = _passes(link, record)
    except Invalid:
        return None  # what was written cannot be judged: the item is looked at again, and set aside
    return None if passes or link.filter is None else f"{FILTERED}it is not what {link.filter.rule} asks for"


def _records(link: LinkPlan, subject: Subject) -> tuple[Fields | None, Fields | None]:
    crm = link.mapping.outbound(subject.crm.values) if subject.crm else None
    if subject.target is None:
        return crm, None
    values = subject.target.values
    return crm, {name: values.get(name) for name in link.rules.fields}


def why_apart(link: LinkPlan, subject: Subject, now: datetime) -> str | None:
    """In an operator's words: why an item takes no part, as far as it lies in the item itself; None: it does not.

    For people who ask about one item: a pass itself only needs to know that it does not. Raises ``Invalid`` for an item
    that cannot be mapped.
    """
    crm, target = _records(link, subject)
    if _keeps_out(link, subject):
        if subject.target is not None and subject.target.masked:
            return f"private on the target, and this link has `private: {link.private}` ({link.rule})"
        return f"a private meeting, and this link has `private_meetings: false` ({link.rule})"
    record = crm if crm is not None else target
    if record is None:
        return None
    scope, due = _scope(link, record, now)
    past, future = (duration_text(length or timedelta()) for length in (link.window.past, link.window.future))
    if scope is Scope.PAST:
        return f"it ended more than {past} ago: outside the link's window ({link.rule})"
    if scope is Scope.FUTURE:
        entering = f", which it enters on {due:%Y-%m-%d}" if due else ""
        return f"it starts more than {future} ahead: outside the link's window ({link.rule}){entering}"
    if link.filter is not None and not link.filter.holds(record):
        return f"it is not what the link's filter asks for: {link.filter.text} ({link.filter.rule})"
    return None


def _leaves(link: LinkPlan, subject: Subject, crm: Fields | None, target: Fields | None, now: datetime) -> str | None:
    """Why this paired item takes no part from now on, before the rules are asked; None = it does."""
    masked = subject.target is not None and subject.target.masked
    if link.folder.of_directory and subject.crm is None and subject.target is not None:
        return DEACTIVATED
    if (crm is None) != (target is None) and not masked and _outside(link, crm or target or {}, now):
        return f"deleted on the {'CRM' if crm is None else 'target'} side after it had left the link's window or filter"
    if target is None and crm is not None and _is_archived(link, crm, now):
        return "deleted on the target, and older than keep_items_older_than: archived rather than deleted"
    if subject.pairing and subject.pairing.base is None and (crm is None) != (target is None):
        return f"gone from the {'CRM' if crm is None else 'target'} before both sides were first compared"
    return None


def _keeps_out(link: LinkPlan, subject: Subject) -> bool:
    """Whether this lone private item stays on the target: by policy, or as a meeting when those are not wanted (B-35)."""
    item = subject.target
    if item is None or subject.pairing is not None or not is_private(item.values):
        return False
    return (item.masked and link.private is Private.SKIP) or (item.shared and not link.private_meetings)


def _must_blank(subject: Subject) -> bool:
    """Whether an item became private while its pair was outside the window: our side still holds its text."""
    base = subject.pairing.base if subject.pairing else None
    return subject.target is not None and subject.target.masked and base is not None and not is_veiled(base.target)


def _outside(link: LinkPlan, record: Fields | None, now: datetime) -> bool:
    """Whether a record takes no part: it lies outside the window, or is not what the filter asks for."""
    if record is None:
        return False
    return _scope(link, record, now)[0] is not Scope.INSIDE or not _passes(link, record)


def _passes(link: LinkPlan, record: Fields) -> bool:
    return link.filter is None or link.filter.holds(record)


def _is_archived(link: LinkPlan, record: Fields, now: datetime) -> bool:
    """Whether a single item ended so long ago that its delete is taken for archiving (B-39)."""
    if link.keep_items_older_than is None or is_series(record):
        return False
    return in_window(record, link.keep_items_older_than, None, now, link.time_zone) is Scope.PAST


def _demand_fit(link: LinkPlan, subject: Subject, crm: Fields | None, target: Fields | None) -> None:
    """Raise the threshold that stops an item (B-40). Nothing stops the delete of a pair."""
    if not link.restrictions or (subject.pairing is not None and (crm is None or target is None)):
        return
    for place, record in ((PLACES[Side.CRM], crm), (PLACES[Side.TARGET], target)):
        found = exceeded(record, link.restrictions) if record is not None else None
        if found is not None:
            raise Invalid(f"{place} it has {found}: set aside until it fits", code="over-threshold")


def _failure(subject: Subject, error: Invalid) -> Failure:
    side = Side.CRM if subject.crm else Side.TARGET
    key = (subject.crm_key if side is Side.CRM else subject.target_key) or ""
    return Failure(tuple(subject.marks), side, key, error)


def _scope(link: LinkPlan, record: Fields, now: datetime) -> tuple[Scope, datetime | None]:
    window = link.window
    scope = in_window(record, window.past, window.future, now, link.time_zone)
    due = enters_at(record, window.future, link.time_zone) if scope is Scope.FUTURE and window.future else None
    return scope, due


def _settlements(resolutions: Sequence[Resolution]) -> tuple[Settlement, ...]:
    def side(take: str) -> Side | None:
        return Side(take) if take in (Side.CRM, Side.TARGET) else None

    return tuple(Settlement(entry.field, side(entry.take), entry.values) for entry in resolutions)


def wanted_by(verdicts: Verdicts) -> Iterator[Operation]:
    """What a step's decisions ask the guards for. Who leaves a directory's link counts as a delete, whatever becomes of his
    record: a filter that finds nobody any more is a fault of the source (B-83)."""
    for item in verdicts.decided:
        yield from (change.operation for change in item.decision.changes)
        if item.subject.departed and not item.decision.changes:
            yield Operation.DELETE
