"""Messages that ask for passes, and where they are kept (B-20)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from runner.model.queueing import Barred, Job, Message, Sample


class Queue(Protocol):
    """Messages that ask for passes (B-20). While a message of a link is held, no other of that link is given out; a wish
    that arrives meanwhile becomes exactly one further message, and joins the held one when that comes back."""

    def put(self, jobs: Sequence[Job]) -> None:
        """Take up wishes for passes, each joined with the open message of its link if there is one."""
        ...

    def lease(self, barred: Barred) -> Message | None:
        """The message with the highest priority that is due, the oldest of those; it is held from now on. None = none."""
        ...

    def begin(self, message: Message) -> Message:
        """The pass of a leased message begins: ``processing``."""
        ...

    def done(self, message: Message) -> None:
        """The pass succeeded: the message is deleted."""
        ...

    def put_back(self, message: Message, *, due: datetime | None, reason: str) -> None:
        """A held message waits for a reason that is not its own; no attempt is counted."""
        ...

    def retry(self, message: Message, *, due: datetime, reason: str, patient: bool = False) -> Message:
        """The pass failed: tried again when due, or ``blocked`` when the attempts are exhausted. Durable on return.

        ``patient``: never blocked, however often it fails: an outage ends by itself, and nobody shall have to act (B-76).
        """
        ...

    def block(self, message: Message, reason: str) -> None:
        """The pass failed for good: ``blocked`` until an operator decides. Durable on return."""
        ...

    def messages(self) -> Sequence[Message]:
        """Every message, oldest first."""
        ...

    def release(self, number: int) -> Message:
        """An operator's retry: at once, attempts counted anew. Raises ``UsageError`` for one that is held or not there."""
        ...

    def release_target(self, target: str) -> int:
        """Everything of a target that waits for its time may run at once; returns how many messages that were."""
        ...

    def discard(self, number: int) -> Message:
        """An operator gives a message up; what it asked for stays marked. Raises like :meth:`release`."""
        ...

    def forget_links(self, links: Sequence[str]) -> None:
        """Drop what waits for links that are no longer configured; held messages end by themselves."""
        ...

    def changes(self) -> int:
        """A number to hand to :meth:`wait`, read before looking for work."""
        ...

    def wait(self, seen: int, longest: float) -> None:
        """Sleep until something changed since ``seen``, a message is due, or ``longest`` seconds have passed."""
        ...

    def wake(self) -> None:
        """Let every :meth:`wait` return."""
        ...

    def sample(self) -> Sequence[Sample]:
        """Take and keep one sample per target; called each minute (B-22)."""
        ...

    def samples(self, since: datetime) -> Sequence[Sample]:
        """Samples since an instant, oldest first."""
        ...

    def flush(self) -> None:
        """Make everything so far durable."""
        ...


class QueueJournal(Protocol):
    """Where an embedded queue keeps its messages between processes."""

    def messages(self) -> Sequence[Message]:
        """Every message that was saved and not removed."""
        ...

    def save(self, changed: Sequence[Message], touched: Sequence[int]) -> None:
        """Replace the messages with the ids in ``touched`` by those in ``changed``, in one transaction."""
        ...

    def note(self, samples: Sequence[Sample]) -> None:
        """Keep samples, and forget old ones."""
        ...

    def samples(self, since: datetime) -> Sequence[Sample]:
        """Samples since an instant, oldest first."""
        ...
