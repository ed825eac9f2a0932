"""What the state keeps of meetings: whose copy speaks for one without a synchronised organizer, and mail to attendees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Rank(StrEnum):
    """By what right a link speaks for a meeting, weakest first."""

    FIRST = "first"
    """Its copy came in first."""
    ACCEPTED = "accepted"
    """Its user was the first to accept."""
    ORGANIZER = "organizer"

    @property
    def weight(self) -> int:
        """Its place in the order."""
        return list(Rank).index(self)


@dataclass(frozen=True, slots=True)
class Master:
    """The link whose copy speaks for a meeting (B-41), by the meeting's native identity.

    ``instead`` is whose place it asks for: the state lets it in only while that link still has the place (None: while
    nobody has it), so that of two passes at a time one is first.
    """

    native: str
    link: str
    rank: Rank
    instead: str | None = None


class MailKind(StrEnum):
    """What a meeting's attendees would be told."""

    INVITATION = "invitation"
    UPDATE = "update"
    CANCELLATION = "cancellation"


class MailStatus(StrEnum):
    """Where a mail stands. Open are all but ``sent``, ``failed`` and ``silent``."""

    HELD = "held"
    """Over budget: the write waits with it until an operator releases or drops it."""
    RELEASED = "released"
    """Goes out with the next pass, whatever the budget says."""
    DROPPED = "dropped"
    """The next pass writes without it."""
    SENDING = "sending"
    """The write went out; until its outcome is known nothing else is mailed about the item."""
    SENT = "sent"
    FAILED = "failed"
    """The server refused the write: nobody was told."""
    SILENT = "silent"
    """Written without mail in the end."""


OPEN = frozenset({MailStatus.HELD, MailStatus.RELEASED, MailStatus.DROPPED, MailStatus.SENDING})
SPENT = frozenset({MailStatus.SENDING, MailStatus.SENT})
"""What counts against budgets."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail about one meeting to ``addressees`` people. ``crm_key`` is the meeting's record; ``title`` is None for what is
    private; ``rule`` is the line of YAML whose budget or switch decided."""

    id: str
    link: str
    user: str
    crm_key: str
    kind: MailKind
    addressees: int
    status: MailStatus
    reason: str
    title: str | None
    rule: str
    run: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Spending:
    """How many people were mailed, by run and by user, since some instant."""

    run: str
    user: str
    addressees: int
