"""Subscriptions of one server: who wants to hear of which folders, and what has not been told yet.

They live in the server's memory: a restart or a fail-over forgets them all (Handling notification-related errors in EWS).
Every method is called under the server's lock, but for what streams do with their own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count

from runner.sandbox.events import Event, EventKind, status
from runner.sandbox.failures import EwsError
from runner.sandbox.mailboxes import Clock
from runner.sandbox.streams import Stream

STREAMING_IDLE = timedelta(minutes=30)
"""How long a streaming subscription outlives its last connection."""
MARK = "AQAAAA"


class Way(StrEnum):
    """How a subscription is told."""

    STREAMING = "streaming"
    PUSH = "push"
    PULL = "pull"


@dataclass(slots=True)
class Subscription:
    """One subscription. ``folders`` None = all of the mailbox; ``url`` and ``frequency`` (minutes) are a push one's,
    ``timeout`` a pull one's. ``told`` counts the events that its subscriber has confirmed; ``events`` are the others."""

    id: str
    way: Way
    mailbox: str
    owner: str
    folders: frozenset[str] | None
    kinds: frozenset[str]
    expires: datetime
    url: str = ""
    frequency: int = 0
    timeout: int = 0
    told: int = 0
    events: list[Event] = field(default_factory=list)
    stream: Stream | None = None

    def wants(self, event: Event) -> bool:
        """Whether its subscriber hears of an event."""
        return event.kind in self.kinds and (self.folders is None or not self.folders.isdisjoint(event.folders))

    def mark(self, at: int) -> str:
        """The watermark behind the first ``at`` events."""
        digest = hashlib.sha256(self.id.encode()).digest()[:12]
        return MARK + base64.b64encode(digest + at.to_bytes(6, "big")).decode()

    def position(self, mark: str) -> int:
        """What a watermark stands behind; raises ``ErrorInvalidWatermark``."""
        try:
            raw = base64.b64decode(mark.removeprefix(MARK), validate=True)
        except ValueError:
            raw = b""
        at = int.from_bytes(raw[12:], "big")
        if self.mark(at) != mark or not self.told <= at <= self.told + len(self.events):
            raise EwsError("ErrorInvalidWatermark")
        return at

    def notification(self, events: Iterable[Event]) -> str:
        """A ``Notification`` of push or pull with these events, the first that were not told."""
        told = list(events)
        body = "".join(
            event.xml(self.mark(self.told + n * (event.kind is not EventKind.STATUS)))
            for n, event in enumerate(told, 1)
        )
        return (
            f"<m:Notification><t:SubscriptionId>{self.id}</t:SubscriptionId>"
            f"<t:PreviousWatermark>{self.mark(self.told)}</t:PreviousWatermark>"
            f"<t:MoreEvents>{'true' if len(told) < len(self.events) else 'false'}</t:MoreEvents>{body}</m:Notification>"
        )


@dataclass(slots=True)
class Subscriptions:
    """All of them. ``most`` is how many a mailbox may have (EWSMaxSubscriptions), ``backlog`` how many events wait before
    some are lost (ErrorMissedNotificationEvents)."""

    clock: Clock
    most: int
    backlog: int
    _serial: count[int] = field(default_factory=lambda: count(1))
    _by_id: dict[str, Subscription] = field(default_factory=dict)
    _by_mailbox: dict[str, list[Subscription]] = field(default_factory=dict)
    _lost: dict[str, str] = field(default_factory=dict)
    """Ids of subscriptions that ended without their owner's doing → what he is told."""

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._by_id.values()))

    def add(
        self,
        way: Way,
        mailbox: str,
        owner: str,
        folders: frozenset[str] | None,
        kinds: frozenset[str],
        lasts: timedelta,
    ) -> Subscription:
        """A new subscription; raises ``ErrorExceededSubscriptionCount``."""
        mine = self._by_mailbox.setdefault(mailbox, [])
        if len(mine) >= self.most:
            raise EwsError("ErrorExceededSubscriptionCount")
        name = f"\x1c\x00sandbox.example.com{next(self._serial):016x}".encode()
        made = Subscription(base64.b64encode(name).decode(), way, mailbox, owner, folders, kinds, self.clock() + lasts)
        self._by_id[made.id] = made
        mine.append(made)
        return made

    def find(self, identifier: str, owner: str, *ways: Way) -> Subscription:
        """A subscription of this account; raises as Exchange does."""
        if code := self._lost.get(identifier):
            raise EwsError(code)
        found = self._by_id.get(identifier)
        if found is None:
            raise EwsError("ErrorSubscriptionNotFound")
        if found.owner != owner:
            raise EwsError("ErrorSubscriptionAccessDenied")
        if found.way not in ways:
            raise EwsError("ErrorInvalidSubscription")
        if found.stream is None and found.expires < self.clock():
            self.end(found)
            raise EwsError("ErrorSubscriptionNotFound")
        return found

    def happened(self, mailbox: str, events: Iterable[Event]) -> list[Subscription]:
        """Note events of a mailbox; returns the push subscriptions that now have something to tell."""
        mine = self._by_mailbox.get(mailbox)
        if not mine:
            return []
        pushed: list[Subscription] = []
        for event in events:
            for each in list(mine):
                if not each.wants(event):
                    continue
                if each.stream is not None:
                    each.stream.tell(each.id, event)
                    continue
                each.events.append(event)
                if len(each.events) > self.backlog:
                    self.lose(each, "ErrorMissedNotificationEvents")
                elif each.way is Way.PUSH and each not in pushed:
                    pushed.append(each)
        return pushed

    def end(self, subscription: Subscription, code: str = "ErrorSubscriptionUnsubscribed") -> None:
        """The subscription is no more; a stream that bears it says so."""
        self._by_id.pop(subscription.id, None)
        mine = self._by_mailbox.get(subscription.mailbox, [])
        if subscription in mine:
            mine.remove(subscription)
        if subscription.stream is not None:
            subscription.stream.lose(subscription.id, code)
            subscription.stream = None

    def lose(self, subscription: Subscription, code: str = "ErrorSubscriptionNotFound") -> None:
        """The server loses the subscription: whoever asks for it is answered with this code from now on."""
        self.end(subscription, code)
        if code != "ErrorSubscriptionNotFound":
            self._lost[subscription.id] = code

    def attach(self, subscription: Subscription, stream: Stream) -> None:
        """A stream bears the subscription from now on; what was not told is told on it."""
        if subscription.stream is not None:
            subscription.stream.release(subscription.id)
        subscription.stream = stream
        for event in subscription.events:
            stream.tell(subscription.id, event)
        subscription.events.clear()

    def detach(self, stream: Stream) -> None:
        """A stream has ended: what it has not sent waits for the next one."""
        untold = stream.untold()
        for each in self._by_id.values():
            if each.stream is stream:
                each.stream = None
                each.expires = self.clock() + STREAMING_IDLE
                each.events[:0] = untold.get(each.id, [])

    def clear(self) -> None:
        """The server forgets every subscription."""
        for each in list(self._by_id.values()):
            self.end(each, "ErrorSubscriptionNotFound")
        self._lost.clear()

    def pulled(self, subscription: Subscription, mark: str) -> str:
        """GetEvents: what came after a watermark; a StatusEvent when nothing did."""
        at = subscription.position(mark)
        del subscription.events[: at - subscription.told]
        subscription.told = at
        subscription.expires = self.clock() + timedelta(minutes=subscription.timeout)
        if subscription.events:
            return subscription.notification(subscription.events)
        return subscription.notification([status(self.clock())])


KINDS = frozenset(kind.value for kind in EventKind if kind is not EventKind.STATUS)
"""What may be subscribed to (NotificationEventTypeType)."""
