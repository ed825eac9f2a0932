"""The queue of one process: in memory, and behind that in a journal.

The journal is written by :meth:`EmbeddedQueue.flush`, which the service calls every second, so that a message that was put
and done within a second costs no write. What an operator must find again after a crash is written at once: failures,
blocked messages, his own commands. The rest may be lost with the process: at its start the service asks for a pass of
every link anyway, and what changed stands in the dirty marks and behind the watermarks (B-21, B-76).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from runner.model.errors import UsageError
from runner.model.ports import Clock, QueueJournal
from runner.model.queueing import HELD, Barred, Job, Message, MessageState, Sample
from runner.queue.figures import Figures
from runner.queue.schedule import Schedule

MOST_ATTEMPTS = 8
"""Passes of one message that may fail before it is blocked."""


class EmbeddedQueue:
    """The port ``Queue`` for one process. Safe to share between threads."""

    def __init__(self, journal: QueueJournal, clock: Clock, *, most_attempts: int = MOST_ATTEMPTS) -> None:
        self._journal = journal
        self._clock = clock
        self._most_attempts = most_attempts
        self._flushing = threading.Lock()
        self._lock = threading.Lock()
        self._moved = threading.Condition(self._lock)
        self._figures = Figures()
        self._changes = 0
        loaded = journal.messages()
        self._schedule = Schedule(self._recovered(message) for message in loaded)
        self._schedule.changed.update(message.id for message in loaded if message.state in HELD)

    def put(self, jobs: Sequence[Job]) -> None:
        """Take up wishes for passes."""
        with self._moved:
            now = self._clock.now()
            for job in jobs:
                self._schedule.put(job, now)
                self._figures.put(job.target)
            self._notify()

    def lease(self, barred: Barred) -> Message | None:
        """The next message that may run now."""
        with self._lock:
            message = self._schedule.lease(barred, self._clock.now())
            if message is not None:
                self._figures.leased(message.target)
            return message

    def begin(self, message: Message) -> Message:
        """The pass of a leased message begins."""
        with self._lock:
            return self._schedule.keep(replace(message, state=MessageState.PROCESSING))

    def done(self, message: Message) -> None:
        """The pass succeeded."""
        with self._moved:
            self._figures.ended(message, self._clock.now())
            self._schedule.drop(message.id)
            self._notify()

    def put_back(self, message: Message, *, due: datetime | None, reason: str) -> None:
        """Not its fault: it waits, and no attempt is counted."""
        with self._moved:
            self._figures.ended(message, self._clock.now())
            self._schedule.keep(replace(message, state=MessageState.WAITING, due=due, held_since=None, reason=reason))
            self._notify()

    def retry(self, message: Message, *, due: datetime, reason: str, patient: bool = False) -> Message:
        """The pass failed; blocked when that was the last attempt, unless ``patient``."""
        with self._moved:
            self._figures.ended(message, self._clock.now())
            attempts = message.attempts + 1
            failed = replace(message, attempts=attempts, held_since=None, reason=reason)
            if attempts >= self._most_attempts and not patient:
                failed = replace(failed, state=MessageState.BLOCKED, due=None)
            else:
                failed = replace(failed, state=MessageState.ERROR, due=due)
            self._schedule.keep(failed)
            self._notify()
        self.flush()
        return failed

    def block(self, message: Message, reason: str) -> None:
        """The pass failed in a way that trying again does not mend."""
        with self._moved:
            self._figures.ended(message, self._clock.now())
            self._schedule.keep(
                replace(
                    message,
                    state=MessageState.BLOCKED,
                    attempts=message.attempts + 1,
                    due=None,
                    held_since=None,
                    reason=reason,
                )
            )
            self._notify()
        self.flush()

    def messages(self) -> Sequence[Message]:
        """Every message, oldest first."""
        with self._lock:
            return sorted(self._schedule, key=lambda message: message.id)

    def release(self, number: int) -> Message:
        """An operator's retry."""
        with self._moved:
            message = self._free(number)
            released = self._schedule.keep(replace(message, state=MessageState.NEW, attempts=0, due=None, reason=None))
            self._notify()
        self.flush()
        return released

    def release_target(self, target: str) -> int:
        """Everything of a target that waits for its time may run at once; blocked messages stay blocked."""
        with self._moved:
            waiting = [
                each
                for each in self._schedule
                if each.target == target and each.state in (MessageState.WAITING, MessageState.ERROR)
            ]
            for message in waiting:
                self._schedule.keep(replace(message, due=None))
            self._notify()
            return len(waiting)

    def discard(self, number: int) -> Message:
        """An operator gives a message up."""
        with self._moved:
            message = self._free(number)
            self._schedule.drop(number)
            self._notify()
        self.flush()
        return message

    def forget_links(self, links: Sequence[str]) -> None:
        """Drop what waits for links that are no longer configured."""
        gone = frozenset(links)
        with self._moved:
            for number in [each.id for each in self._schedule if each.link in gone and each.state not in HELD]:
                self._schedule.drop(number)
            self._notify()

    def _free(self, number: int) -> Message:
        message = self._schedule.get(number)
        if message is None:
            raise UsageError(f"the queue has no message {number}", remedy="`exsync queue list` shows them")
        if message.state in HELD:
            raise UsageError(
                f"message {number} is {message.state}: a pass of {message.link} runs",
                remedy="wait until the pass has ended, then look again",
            )
        return message

    def changes(self) -> int:
        """A number that moves whenever anything happened that :meth:`wait` waits for."""
        with self._lock:
            return self._changes

    def wait(self, seen: int, longest: float) -> None:
        """Sleep until something happened since ``seen``, a message is due, or ``longest`` seconds have passed."""
        with self._moved:
            due = self._schedule.next_due()
            if due is not None:
                longest = min(longest, max(0.0, (due - self._clock.now()).total_seconds()))
            self._moved.wait_for(lambda: self._changes != seen, longest)

    def wake(self) -> None:
        """Let every :meth:`wait` return."""
        with self._moved:
            self._notify()

    def sample(self) -> Sequence[Sample]:
        """Take and keep one sample per target (B-22); called each minute."""
        with self._lock:
            samples = self._figures.sample(self._schedule, self._clock.now())
        if samples:
            self._journal.note(samples)
        return samples

    def samples(self, since: datetime) -> Sequence[Sample]:
        """Samples since an instant, oldest first."""
        return self._journal.samples(since)

    def flush(self) -> None:
        """Make durable what has happened so far."""
        with self._flushing:
            with self._lock:
                touched = sorted(self._schedule.changed)
                self._schedule.changed.clear()
                changed = [message for number in touched if (message := self._schedule.get(number)) is not None]
            if touched:
                self._journal.save(changed, touched)

    def _notify(self) -> None:
        self._changes += 1
        self._moved.notify_all()

    def _recovered(self, message: Message) -> Message:
        """What a dead process held is run again; one attempt is counted, so that what kills the process cannot for ever."""
        if message.state not in HELD:
            return message
        attempts = message.attempts + 1
        exhausted = attempts >= self._most_attempts
        return replace(
            message,
            state=MessageState.BLOCKED if exhausted else MessageState.NEW,
            attempts=attempts,
            held_since=None,
            due=None,
            orders=(),
            reason="the process ended while its pass ran",
        )
