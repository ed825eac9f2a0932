"""Which message goes next: pure bookkeeping over messages, given the time and never asking for it.

Messages that may run lie in one heap per target, those that wait for their time in another; entries that a change has
made stale are dropped when they come up. So a lease costs the same with ten thousand links as with ten, and a target at
its limit costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from heapq import heappop, heappush

from runner.model.queueing import HELD, READY, Barred, Cause, Job, Message, MessageState

_UNCHANGED: frozenset[str] = frozenset()


class Schedule:
    """All messages of one queue. Not safe to share between threads."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages: dict[int, Message] = {}
        self._open: dict[str, int] = {}
        """Link → its message that no worker holds."""
        self._held: dict[str, int] = {}
        self._ready: dict[str, list[tuple[int, int]]] = {}
        self._later: list[tuple[datetime, int]] = []
        self._aside: dict[str, int] = {}
        """Suspended links → their message, taken out of the heap that it had come up in."""
        self._barred = _UNCHANGED
        self._last = 0
        self.changed: set[int] = set()
        """Ids of messages that came, changed or went since somebody emptied this set; for whoever makes them durable."""
        for message in messages:
            self._last = max(self._last, message.id)
            self._keep(message)
        self.changed.clear()

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages.values())

    def get(self, number: int) -> Message | None:
        """A message by its id."""
        return self._messages.get(number)

    def put(self, job: Job, now: datetime) -> Message:
        """Take up a wish: a new message, or the link's open one with the higher priority and one more hint (B-20).

        A blocked message takes it up too and stays blocked; one that waits after a failure keeps its time, unless an
        operator asks.
        """
        number = self._open.get(job.link)
        if number is None:
            self._last += 1
            message = Message(
                self._last, job.link, job.target, MessageState.NEW, job.priority, job.cause, now, orders=job.orders
            )
        else:
            before = self._messages[number]
            raised = job.priority > before.priority
            message = replace(
                before,
                target=job.target,
                priority=max(job.priority, before.priority),
                cause=job.cause if raised else before.cause,
                hints=before.hints + 1,
                orders=before.orders + job.orders,
            )
            if job.orders and job.cause is Cause.OPERATOR:
                message = replace(message, state=MessageState.NEW, due=None)
        self._keep(message)
        return message

    def lease(self, barred: Barred, now: datetime) -> Message | None:
        """The next message that may run, now held (``dispatching``); None when there is none."""
        self._wake(now)
        self._bar(barred.links)
        best: tuple[int, int] | None = None
        for target, heap in self._ready.items():
            if target not in barred.targets:
                self._tidy(heap, target)
                if heap and (best is None or heap[0] < best):
                    best = heap[0]
        if best is None:
            return None
        message = self._messages[best[1]]
        heappop(self._ready[message.target])
        return self.keep(replace(message, state=MessageState.DISPATCHING, held_since=now, due=None))

    def keep(self, message: Message) -> Message:
        """Replace a message by its next state."""
        self._forget(message.id)
        self._keep(message)
        return message

    def drop(self, number: int) -> Message | None:
        """Delete a message; None when it is not there any more."""
        message = self._forget(number)
        if message is not None:
            self._push_open(message.link)
        return message

    def next_due(self) -> datetime | None:
        """When the next waiting message is due; None when none waits for its time."""
        while self._later:
            due, number = self._later[0]
            message = self._messages.get(number)
            if message is not None and message.due == due and message.state in READY:
                return due
            heappop(self._later)
        return None

    def _keep(self, message: Message) -> None:
        self.changed.add(message.id)
        self._messages[message.id] = message
        if message.state in HELD:
            self._held[message.link] = message.id
            return
        other = self._open.get(message.link)
        if other is not None and other != message.id:
            message = self._joined(message, self._messages[other])
        self._open[message.link] = message.id
        if self._held.get(message.link) in (None, message.id):
            self._held.pop(message.link, None)
            self._push(message)

    def _joined(self, message: Message, other: Message) -> Message:
        """A held message comes back, and a further one was put meanwhile: one message of both."""
        del self._messages[other.id]
        self.changed.add(other.id)
        joined = replace(
            message,
            priority=max(message.priority, other.priority),
            hints=message.hints + other.hints,
            orders=message.orders + other.orders,
        )
        if other.orders and other.cause is Cause.OPERATOR:
            joined = replace(joined, state=MessageState.NEW, due=None)
        self._messages[joined.id] = joined
        return joined

    def _forget(self, number: int) -> Message | None:
        message = self._messages.pop(number, None)
        if message is not None:
            self.changed.add(number)
            for index in (self._open, self._held, self._aside):
                if index.get(message.link) == number:
                    del index[message.link]
        return message

    def _push_open(self, link: str) -> None:
        number = self._open.get(link)
        if number is not None and link not in self._held:
            self._push(self._messages[number])

    def _push(self, message: Message) -> None:
        if message.state not in READY:
            return
        if message.due is not None:
            heappush(self._later, (message.due, message.id))
        elif message.link in self._barred:
            self._aside[message.link] = message.id
        else:
            heappush(self._ready.setdefault(message.target, []), (-message.priority, message.id))

    def _wake(self, now: datetime) -> None:
        while self._later and self._later[0][0] <= now:
            due, number = heappop(self._later)
            message = self._messages.get(number)
            if message is not None and message.due == due and message.state in READY:
                self._messages[number] = message = replace(message, due=None)
                self._push_open(message.link)

    def _bar(self, links: frozenset[str]) -> None:
        if links == self._barred:
            return
        self._barred = links
        for link in [link for link in self._aside if link not in links]:
            message = self._messages.get(self._aside.pop(link))
            if message is not None:
                self._push_open(link)

    def _tidy(self, heap: list[tuple[int, int]], target: str) -> None:
        """Drop stale entries from the top: messages that are gone, held, not due, moved or of a suspended link."""
        while heap:
            priority, number = heap[0]
            message = self._messages.get(number)
            if (
                message is not None
                and message.state in READY
                and message.due is None
                and message.target == target
                and -message.priority == priority
                and message.link not in self._held
            ):
                if message.link not in self._barred:
                    return
                self._aside[message.link] = number
            heappop(heap)


def counts(messages: Iterable[Message]) -> Mapping[str, Mapping[MessageState, int]]:
    """Target → state → how many messages."""
    found: dict[str, dict[MessageState, int]] = {}
    for message in messages:
        states = found.setdefault(message.target, dict.fromkeys(MessageState, 0))
        states[message.state] += 1
    return found
