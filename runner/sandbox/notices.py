"""Everything that a server tells unasked: its subscriptions, the streams that are open, and the posts of push."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from threading import RLock

from runner.sandbox.events import Event
from runner.sandbox.failures import EwsError
from runner.sandbox.limits import Limits
from runner.sandbox.mailboxes import Clock
from runner.sandbox.pushing import Pusher
from runner.sandbox.streams import Stream
from runner.sandbox.subscriptions import Subscription, Subscriptions, Way


class Notices:
    """One server's. Its methods are called under the server's ``lock``, which is here."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.lock = RLock()
        self.limits = limits
        self.subscriptions = Subscriptions(clock, limits.subscriptions, limits.events)
        self.streams: list[Stream] = []
        self.pusher = Pusher(limits.minute)

    def happened(self, mailbox: str, events: Iterator[Event]) -> None:
        """Something happened in a mailbox."""
        for subscription in self.subscriptions.happened(mailbox, events):
            self.pusher.due(subscription)

    def subscribe(self, subscription: Subscription) -> None:
        """A new subscription; a push one begins with a post that finds out whether anybody listens."""
        if subscription.way is Way.PUSH:
            self.pusher.begin(subscription, lambda: self._refused(subscription))

    def open(self, ids: list[str], account: str, mailbox: str | None, minutes: int) -> Stream:
        """A stream that bears these subscriptions; raises ``ErrorExceededConnectionCount``, or what a subscription's own
        error is."""
        found = [self.subscriptions.find(each, account, Way.STREAMING) for each in dict.fromkeys(ids)]
        caller = mailbox or account
        if sum(stream.mailbox == caller for stream in self.streams) >= self.limits.streams:
            raise EwsError("ErrorExceededConnectionCount")
        stream = Stream(caller, minutes * self.limits.minute, self.limits.heartbeat, self._ended)
        stream.ids.update(subscription.id for subscription in found)
        for subscription in found:
            self.subscriptions.attach(subscription, stream)
        self.streams.append(stream)
        return stream

    def unknown(self, ids: list[str], account: str) -> dict[str, list[str]]:
        """Those of these ids that no stream can bear, by the code that says why."""
        found: dict[str, list[str]] = {}
        for each in ids:
            try:
                self.subscriptions.find(each, account, Way.STREAMING)
            except EwsError as error:
                found.setdefault(error.code, []).append(each)
        return found

    def stop(self) -> None:
        """The server stops: streams end, and every subscription is forgotten. Called without the lock."""
        self.pusher.stop()
        with self.lock:
            for stream in list(self.streams):
                stream.cut()
            self.subscriptions.clear()

    def _ended(self, stream: Stream) -> None:
        with self.lock:
            if stream in self.streams:
                self.streams.remove(stream)
            self.subscriptions.detach(stream)

    def _refused(self, subscription: Subscription) -> None:
        with self.lock:
            self.subscriptions.end(subscription)


def lasting(minutes: int) -> timedelta:
    """How long a subscription of this many minutes lasts."""
    return timedelta(minutes=minutes)
