"""One step's writes on their way: what is sent for each change, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.engine.decide import Decided
from runner.engine.subject import Failure, Subject
from runner.model.errors import STILL_OWNED, ConnectorError, Invalid, Transient
from runner.model.items import Item, Write, WriteResult
from runner.model.meetings import Mail
from runner.model.state import Commit
from runner.model.terms import Operation
from runner.reconcile.decision import Change

INTERRUPTED = "interrupted"
"""The code of the error that ends a pass before its end: the process is being stopped, or others have to have their turn."""


def interrupted() -> Transient:
    """The error that ends a pass before its end."""
    return Transient("the pass was ended here; the rest of it stays marked", code=INTERRUPTED)


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
    native: str | None = None
    """The native identity that the read-back saw, whoever has changed the item since the write."""

    @property
    def kept(self) -> bool:
        """Whether the CRM refused to delete a record because others hold it, and could not take its user out of it."""
        error = self.result.error if self.result else None
        return self.change.operation is Operation.DELETE and isinstance(error, Invalid) and error.code == STILL_OWNED


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
