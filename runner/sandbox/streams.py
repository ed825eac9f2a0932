"""One hanging GetStreamingEvents answer: documents that follow one another until the connection's time is up.

Every document is a whole SOAP envelope. The first says ``ConnectionStatus`` OK, and so does one whenever nothing was sent
for a heartbeat; the last one says ``Closed`` (page GetStreamingEvents operation; Notification subscriptions in EWS).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Condition

from runner.sandbox.events import Event
from runner.sandbox.failures import EwsError
from runner.sandbox.messages import failure, success

NAME = "GetStreamingEvents"
_LARGEST = 50
"""Notifications in one document."""


@dataclass(slots=True)
class Stream:
    """``lifetime`` and ``heartbeat`` in seconds; ``ids`` are the subscriptions that it bears."""

    mailbox: str | None
    lifetime: float
    heartbeat: float
    ended: Callable[[Stream], None]
    ids: set[str] = field(default_factory=set)
    wake: Condition = field(default_factory=Condition)
    silent: bool = False
    """Sends nothing any more and stays open: a connection that died without a word."""
    _events: dict[str, list[Event]] = field(default_factory=dict)
    _lost: dict[str, list[str]] = field(default_factory=dict)
    """Code → ids of subscriptions that ended."""
    _closing: bool = False
    _cut: bool = False

    def tell(self, subscription: str, event: Event) -> None:
        """An event to send."""
        with self.wake:
            self._events.setdefault(subscription, []).append(event)
            self.wake.notify()

    def lose(self, subscription: str, code: str) -> None:
        """A subscription ended: the client is told which, and hears no more of it."""
        with self.wake:
            self.ids.discard(subscription)
            self._lost.setdefault(code, []).append(subscription)
            self.wake.notify()

    def release(self, subscription: str) -> None:
        """Another connection bears the subscription now."""
        with self.wake:
            self.ids.discard(subscription)
            self.wake.notify()

    def hush(self) -> None:
        """Die without a word: nothing is sent any more, and the connection stays."""
        with self.wake:
            self.silent = True

    def cut(self) -> None:
        """End without a last document."""
        with self.wake:
            self._cut = True
            self.wake.notify()

    def close(self) -> None:
        """End in order, before its time."""
        with self.wake:
            self._closing = True
            self.wake.notify()

    def untold(self) -> dict[str, list[Event]]:
        """What was not sent."""
        with self.wake:
            untold, self._events = self._events, {}
            return untold

    def documents(self) -> Iterator[str | None]:
        """The response messages of one document after the other; None in place of the last one when the line is cut."""
        try:
            yield success(NAME, _connection("OK"))
            deadline = time.monotonic() + self.lifetime
            while True:
                document, last = self._next(deadline)
                if last and document is None:
                    yield None
                    return
                if document is not None:
                    yield document
                if last:
                    return
        finally:
            self.ended(self)

    def _next(self, deadline: float) -> tuple[str | None, bool]:
        beat = time.monotonic() + self.heartbeat
        with self.wake:
            while True:
                if self._cut:
                    return None, True
                now = time.monotonic()
                if not self.silent:
                    if self._lost:
                        code, ids = self._lost.popitem()
                        over = not self.ids and not self._lost
                        return failure(
                            NAME, EwsError(code), errors(ids) + _connection("Closed" if over else "OK")
                        ), over
                    if self._events:
                        return success(NAME, self._notifications()), False
                    if self._closing or now >= deadline:
                        return success(NAME, _connection("Closed")), True
                    if now >= beat:
                        return success(NAME, _connection("OK")), False
                self.wake.wait(None if self.silent else min(beat, deadline) - now)

    def _notifications(self) -> str:
        told = []
        for subscription in list(self._events)[:_LARGEST]:
            body = "".join(event.xml() for event in self._events.pop(subscription))
            told.append(f"<m:Notification><t:SubscriptionId>{subscription}</t:SubscriptionId>{body}</m:Notification>")
        return f"<m:Notifications>{''.join(told)}</m:Notifications>"


def _connection(word: str) -> str:
    return f"<m:ConnectionStatus>{word}</m:ConnectionStatus>"


def errors(ids: list[str]) -> str:
    """Which subscriptions an error is about."""
    listed = "".join(f"<t:SubscriptionId>{each}</t:SubscriptionId>" for each in ids)
    return f"<m:ErrorSubscriptionIds>{listed}</m:ErrorSubscriptionIds>"
