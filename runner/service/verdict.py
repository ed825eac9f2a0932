"""What becomes of a message when its pass has ended: a pure function of the pass's report (B-23).

=====================================  ==============================================================================
the pass ended with                    the message
=====================================  ==============================================================================
no error                               done; put back when items of it wait for another try
the process is being stopped           put back
throttled                              put back for as long as the server asks
nobody answers, log-on refused         put back: the target's circuit opens, which holds all of its messages
a passing fault                        tried again with growing waits, for as long as it takes
access denied, folder gone             blocked: trying again does not mend it
anything but an outage, of a link      tried again with growing waits, ``activation`` times in all, then blocked: a mailbox
from a list that never began           that is being made is not there yet (B-73)
anything else                          tried again with growing waits, then blocked
=====================================  ==============================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from runner.engine.report import PassReport
from runner.engine.sending import INTERRUPTED
from runner.engine.settle import GRACE
from runner.model.errors import (
    AccessDenied,
    AuthRefused,
    ContainerGone,
    OutcomeUnknown,
    Throttled,
    Transient,
    Unreachable,
)
from runner.queue import backoff

DEFERRED = timedelta(seconds=60)
"""Until items are tried again that failed in passing while the rest of their folder went on."""


class Fate(StrEnum):
    """What happens to the message."""

    DONE = "done"
    PUT_BACK = "put_back"
    RETRY = "retry"
    BLOCK = "block"


class Trouble(StrEnum):
    """What a pass says about its target's health."""

    NONE = "none"
    PASSING = "passing"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The message's fate; ``due`` and ``reason`` with a fate that needs them, ``patient`` with a retry without end."""

    fate: Fate
    due: datetime | None = None
    reason: str = ""
    patient: bool = False
    trouble: Trouble = Trouble.NONE


def judge(
    report: PassReport, attempts: int, now: datetime, token: str, *, unsettled: int = 0, activation: int = 0
) -> Verdict:
    """The verdict on a pass whose message had failed ``attempts`` times before.

    ``token`` is fresh randomness; ``unsettled`` is the number of the link's writes whose outcome nobody knows yet;
    ``activation``: how often a link that never began is tried, 0 for any other.
    """
    error = report.error
    if error is None:
        return _judge_items(report, now, unsettled)
    reason = f"{error.code}: {error}"
    wait = now + backoff(attempts + 1, token)
    match error:
        case Throttled():
            due = now + backoff(1, token, hint=error.after)
            return Verdict(Fate.PUT_BACK, due, reason)
        case Transient() if error.code == INTERRUPTED:
            return Verdict(Fate.PUT_BACK, None, reason)
        case Unreachable():
            return Verdict(Fate.PUT_BACK, None, reason, trouble=Trouble.UNREACHABLE)
        case AuthRefused():
            return Verdict(Fate.PUT_BACK, None, reason, trouble=Trouble.REFUSED)
        case OutcomeUnknown():
            return Verdict(Fate.RETRY, max(wait, now + GRACE), reason, patient=True, trouble=Trouble.PASSING)
        case Transient():
            return Verdict(Fate.RETRY, wait, reason, patient=True, trouble=Trouble.PASSING)
        case _ if activation:
            return Verdict(Fate.RETRY, wait, reason) if attempts + 1 < activation else Verdict(Fate.BLOCK, None, reason)
        case AccessDenied() | ContainerGone():
            return Verdict(Fate.BLOCK, None, reason)
        case _:
            return Verdict(Fate.RETRY, wait, reason)


def _judge_items(report: PassReport, now: datetime, unsettled: int) -> Verdict:
    if unsettled:
        return Verdict(Fate.PUT_BACK, now + GRACE, f"{unsettled} write(s) without an answer wait to be settled")
    if report.counts["deferred"]:
        return Verdict(Fate.PUT_BACK, now + DEFERRED, f"{report.counts['deferred']} item(s) wait for another try")
    return Verdict(Fate.DONE)
