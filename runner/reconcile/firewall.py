"""The invitation firewall (B-42): which writes of a meeting may tell its attendees by mail. Nobody is told unless a policy
says so, and what goes over a budget is held for a person to decide.

The first line that fits decides:

===================================================================  ===========  =========================================
case                                                                 fate         because
===================================================================  ===========  =========================================
the policy does not send this kind                                   silent       off is the default
an operator dropped it                                               silent
the link's first sync, or one after its mapping or window changed    silent       nobody edited anything now
an operator takes a run's writes back                                silent       they were told of the run, if of anything
a snapshot gives one side what the other holds                       silent       nobody edited anything now
the meeting is over                                                  silent
the write settles a conflict                                         silent       the target's user has just been overruled
the item is made again, or an earlier write's outcome is unknown     silent       they may have been told
an operator released it                                              send         beyond any budget
held already, or over a budget                                       hold         the write waits with its mail
anything else                                                        send
===================================================================  ===========  =========================================

Where the server cannot write silently, what would be silent is held instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runner.model.meetings import MailKind, MailStatus
from runner.model.record import Fields
from runner.model.terms import Notice, Operation, Side
from runner.reconcile.authority import OWN
from runner.reconcile.decision import Change, Decision
from runner.reconcile.scope import span_of


class Fate(StrEnum):
    """What becomes of a write and its mail."""

    SEND = "send"
    SILENT = "silent"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class MailPolicy:
    """What a link may mail. Budgets count people, not messages: one invitation to 800 is 800. None = no limit.

    ``per_run`` and ``per_day`` (24 hours) are over all links, ``per_user`` is one user's within 24 hours.
    """

    send: frozenset[MailKind] = frozenset()
    per_run: int | None = 50
    per_user: int | None = 100
    per_day: int | None = 500
    rule: str = "built-in default"


@dataclass(frozen=True, slots=True)
class Letter:
    """What a write would tell: the kind, how many people, and which of them the server is to be asked to tell."""

    kind: MailKind
    addressees: int
    notice: Notice


@dataclass(frozen=True, slots=True)
class Occasion:
    """On which occasion a write is made (the rows of the module's table)."""

    first: bool = False
    undoing: bool = False
    snapshot: bool = False
    past: bool = False
    conflict: bool = False
    again: bool = False
    status: MailStatus | None = None
    """Where an earlier mail about the same item stands, if it is open."""


@dataclass(frozen=True, slots=True)
class Spent:
    """How many people were mailed already: in this run, for this user and in all within 24 hours."""

    run: int = 0
    user: int = 0
    day: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """A fate with its reason."""

    fate: Fate
    reason: str


def letter_of(change: Change) -> Letter | None:
    """What a write to the organizer's own copy would tell; None: nothing that concerns an attendee."""
    if change.side is not Side.TARGET:
        return None
    before, after = _people(change.before), _people(change.values)
    if change.operation is Operation.CREATE:
        return Letter(MailKind.INVITATION, len(after), Notice.EVERYBODY) if after else None
    if change.operation is Operation.DELETE:
        return Letter(MailKind.CANCELLATION, len(before), Notice.EVERYBODY) if before else None
    if change.fields - OWN - {"participants"} and before | after:
        return Letter(MailKind.UPDATE, len(before | after), Notice.EVERYBODY)
    moved = before ^ after if "participants" in change.fields else frozenset()
    return Letter(MailKind.UPDATE, len(moved), Notice.CHANGED) if moved else None


def judge(
    letter: Letter, policy: MailPolicy, occasion: Occasion, spent: Spent, *, can_be_silent: bool = True
) -> Judgement:
    """The table above."""
    judgement = _judge(letter, policy, occasion, spent)
    if judgement.fate is Fate.SILENT and not can_be_silent:
        return Judgement(Fate.HOLD, f"{judgement.reason}, and the server cannot write without mail")
    return judgement


def _judge(letter: Letter, policy: MailPolicy, occasion: Occasion, spent: Spent) -> Judgement:
    silent = {
        f"{letter.kind}s are not mailed": letter.kind not in policy.send,
        "dropped by the operator": occasion.status is MailStatus.DROPPED,
        "a first sync never mails": occasion.first,
        "taking writes back mails nobody": occasion.undoing,
        "a snapshot mails nobody": occasion.snapshot,
        "the meeting is over": occasion.past,
        "the write settles a conflict": occasion.conflict,
        "they may have been told already": occasion.again or occasion.status is MailStatus.SENDING,
    }
    for reason, holds in silent.items():
        if holds:
            return Judgement(Fate.SILENT, reason)
    if occasion.status is MailStatus.RELEASED:
        return Judgement(Fate.SEND, "released by the operator")
    for name, limit, used in (
        ("per_run", policy.per_run, spent.run),
        ("per_user", policy.per_user, spent.user),
        ("per_day", policy.per_day, spent.day),
    ):
        if limit is not None and used + letter.addressees > limit:
            return Judgement(Fate.HOLD, f"{letter.addressees} more than {used} mailed is over {name}: {limit}")
    if occasion.status is MailStatus.HELD:
        return Judgement(Fate.HOLD, "held until it is released or dropped")
    return Judgement(Fate.SEND, "within the budgets")


def settles_a_conflict(decision: Decision) -> bool:
    """Whether a decision overrules what the target's user did."""
    return any(clash.settled or clash.winner is Side.CRM for clash in decision.clashes)


def is_past(record: Fields, now: datetime, zone: str) -> bool:
    """Whether a meeting is over: a single one that has ended, a series whose last day has passed."""
    rule = record.get("recurrence_rule")
    if rule is not None:
        until = next((part[6:14] for part in str(rule).split(";") if part.startswith("UNTIL=")), None)
        return until is not None and until < f"{now:%Y%m%d}"
    span = span_of(record, zone)
    return span is not None and span[1] <= now


def _people(record: Fields | None) -> frozenset[str]:
    people = record.get("participants") if record else None
    return frozenset(people) if isinstance(people, Mapping) else frozenset()
